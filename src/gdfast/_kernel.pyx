"""Sum the per-example gradients and apply the update, compiled.

Design, with the reason for each point:

(a) A pass walks blocks of some kB: z = X coef + b, then loss and slope of every row,
    then gradient += slope X while the block is still in the first-level cache. X is
    read from memory once, and in order, as that is what the processor can foresee; a
    block is small because memory idles while the gradient is added up. Asking for the
    next block ahead (prefetch instructions) made every case slower but those that the
    processor cannot foresee, as rows out of order, and those during which memory would
    idle: second moments and sparse rows.
(b) The choice of loss is made once per block and never per example; there is no
    function pointer and no Python call inside a loop, but for the caller's own function
    where that is what is descended.
(c) All arithmetic is in double, whatever X holds: float32 values are widened as they
    are loaded, so a million float32 rows lose no digits.
(d) Loops are over vectors (`_simd.h`) and sums run in a fixed number of lanes: the same
    bits on every processor, whatever the width of its vectors. So rows are padded to
    whole vectors. Where the values behind a row can be read they are, times a
    coefficient of zero and into sums that nobody uses; the last rows, and rows that
    have to be transformed, are copied to where zeros follow them.
(e) One feature is a column: there the loops run over rows.
(f) No learning-rate schedule, no stopping rule and no output: rates come in as an
    array, what every step saw goes out as an array (`trace`).
(g) The intercept is fitted when `params` has one value more than X has columns; it is
    the last one.
(h) Several outputs share the reading of X. Parameters are then [coef; intercept] row by
    row, a row of outputs for each feature; what follows from them goes by parameter and
    knows nothing of outputs. The loops are others (`_outputs.pxd`), chosen once a
    block: sums of some rows, features and outputs stay in registers.

`gdfast._reference` holds the same functions in NumPy, written to be read.
"""
cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_STRIDES, PyBuffer_Release, PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from libc.float cimport DBL_MAX
from libc.limits cimport INT_MAX
from libc.math cimport INFINITY, NAN, fabs, isfinite, sqrt
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from gdfast cimport _simd
from gdfast._batches cimport (
    Batches, measure as measure_coef, settle, step_on_batches,
)
from gdfast._blocks cimport (
    Data, Work, allocate, fold_losses, whole_lanes, x_value, y_value,
)
from gdfast._functions cimport (
    Pointer, all_finite, both_by, fill, find_places, gradient_by, slope_of_three,
    value_by,
)
from gdfast._losses cimport MULTINOMIAL, N_LOSSES
from gdfast._moments cimport add_moment_pass, end_moment
from gdfast._passes cimport add_pass, end_gradient, weight_sum
from gdfast._quadratic cimport Quadratic, evaluate
from gdfast._sgd cimport (
    Sgd, follow, measure, note, shuffle, step_on_rows, step_on_sparse_rows, take_scale,
)
from gdfast._sgd_outputs cimport (
    SgdOutputs, allocate_sgd, begin_epoch, drop, measure as measure_outputs,
    note as note_outputs, step_on_rows as step_outputs_on_rows,
    step_on_sparse_rows as step_outputs_on_sparse_rows, take, whole_sides,
)
from gdfast._sparse cimport (
    BATCH_STORED, BLOCK_STORED, add_sparse_pass, all_below, allocate_rows, index_value,
    row_value,
)
from gdfast._sparse_outputs cimport add_sparse_outputs, allocate_sparse_outputs
from gdfast._updates cimport (
    GD, N_RULES, N_SCALARS, Rule, look_ahead, n_slots, next_point, take_step,
)


cdef int describe_targets(
    Data* data, Py_ssize_t n, const y_value[:] y, const double[::1] sample_weight,
    Py_ssize_t n_outputs,
) except -1:
    # What is known of rows whatever they are made of.
    if n_outputs < 1:
        raise ValueError("n_outputs must be at least 1")
    data.classes = n_outputs > 1 and y.shape[0] == n
    if y.shape[0] != n and y.shape[0] != n * n_outputs:
        raise ValueError(
            "y must have one value for each row of X, or for each of its outputs"
        )
    if sample_weight is not None and sample_weight.shape[0] != n:
        raise ValueError("sample_weight must have one value for each row of X")
    data.y = <const char*> &y[0]
    data.y_step = y.strides[0]
    data.target_step = 0
    if not data.classes:
        data.target_step = y.strides[0]
        data.y_step *= n_outputs
    data.n_outputs = n_outputs
    data.y_single = y_value is float
    data.n_rows = data.n_known = n
    data.order = NULL
    data.indptr = NULL
    data.center = data.scale = NULL
    data.sample_weight = NULL
    if sample_weight is not None:
        data.sample_weight = &sample_weight[0]
    return 0


cdef Data describe(
    const x_value[:, :] X, const y_value[:] y,
    const double[::1] sample_weight, const double[:, ::1] columns,
    Py_ssize_t n_outputs,
) except *:
    # The pointers of one chunk, after the shapes have been compared.
    cdef Data data
    cdef Py_ssize_t n = X.shape[0], d = X.shape[1]
    if n == 0 or d == 0:
        raise ValueError("X must have at least one row and one column")
    if d > 1 and X.strides[1] != sizeof(x_value):
        raise ValueError("the values of a row of X must be contiguous")
    describe_targets(&data, n, y, sample_weight, n_outputs)
    data.X = <const char*> &X[0, 0]
    data.x_step = X.strides[0]
    data.x_single = x_value is float
    data.n_features = d
    describe_columns(&data, columns)
    return data


cdef int describe_columns(Data* data, const double[:, ::1] columns) except -1:
    cdef Py_ssize_t d = data.n_features
    if columns is None:
        return 0
    if columns.shape[0] != 2 or columns.shape[1] != d:
        raise ValueError("columns must have shape (2, n_features)")
    data.center = &columns[0, 0]
    data.scale = &columns[1, 0]
    return 0


cdef Data describe_rows(
    const x_value[::1] values, const index_value[::1] indices,
    const row_value[::1] indptr, const y_value[:] y, const double[::1] sample_weight,
    Py_ssize_t n_features, Py_ssize_t n_outputs,
) except *:
    # The same for rows of a sparse matrix.
    cdef Data data
    cdef Py_ssize_t n = indptr.shape[0] - 1
    if n <= 0 or n_features <= 0:
        raise ValueError("X must have at least one row and one column")
    describe_targets(&data, n, y, sample_weight, n_outputs)
    if indices.shape[0] != values.shape[0]:
        raise ValueError("indices must have one value for each of data")
    data.n_features = n_features
    data.X = NULL
    data.x_single = x_value is float
    data.indices = NULL
    data.wide_index = sizeof(index_value) == sizeof(int64_t)
    data.indptr = &indptr[0]
    data.wide_row = sizeof(row_value) == sizeof(int64_t)
    if values.shape[0] > 0:
        data.X = <const char*> &values[0]
        data.indices = &indices[0]
    return data


cdef Py_ssize_t check_rows(
    const row_value[::1] indptr, Py_ssize_t n_stored
) except -1:
    # The number of rows of a sparse matrix, after a look at where they lie.
    cdef Py_ssize_t n = indptr.shape[0] - 1, i
    if n < 0 or indptr[0] < 0 or indptr[n] > n_stored:
        raise ValueError("indptr must stay within data")
    for i in range(n):
        if indptr[i] > indptr[i + 1]:
            raise ValueError("indptr must not fall")
    return n


cdef int check_places(
    const row_value[::1] indptr, Py_ssize_t n_stored, const Data* data
) except -1:
    # Look at where the rows of an order lie, or all of them.
    cdef Py_ssize_t i, row
    if data.order == NULL:
        check_rows(indptr, n_stored)
        return 0
    for i in range(data.n_rows):
        row = data.order[i]
        if indptr[row] > indptr[row + 1]:
            raise ValueError("indptr must not fall")
        if indptr[row] < 0 or indptr[row + 1] > n_stored:
            raise ValueError("indptr must stay within data")
    return 0


cdef bint has_intercept(Py_ssize_t n_params, const Data* data) except -1:
    cdef Py_ssize_t n_coef = data.n_features * data.n_outputs
    if n_params != n_coef and n_params != n_coef + data.n_outputs:
        raise ValueError(
            "params must have n_features values, or one more for the intercept, for "
            "each output"
        )
    return n_params != n_coef


cdef int check_gradient(const double[::1] gradient, Py_ssize_t n_params) except -1:
    if n_params == 0 or gradient.shape[0] != n_params:
        raise ValueError("gradient must have the shape of params")
    return 0


cdef int known(int kind, Py_ssize_t n_outputs) except -1:
    if not 0 <= kind < N_LOSSES:
        raise ValueError(f"unknown loss number {kind}")
    if kind == MULTINOMIAL and n_outputs == 1:
        raise ValueError(f"the loss number {kind} is of two outputs or more")
    return kind


cdef int check_outputs(
    Py_ssize_t n_steps, Py_ssize_t n_params, double[:, ::1] trace, double[:, ::1] path
) except -1:
    cdef Py_ssize_t n_rows = trace.shape[0]
    if not n_steps <= n_rows <= n_steps + 1 or trace.shape[1] != 3:
        raise ValueError("trace must have shape (n_steps, 3) or (n_steps + 1, 3)")
    if path is not None and (path.shape[0] != n_rows or path.shape[1] != n_params):
        raise ValueError("path must have n_params values for each row of trace")
    return 0


def cpu_level():
    """Return the widest level of x86-64 that this processor and gdfast have in common.

    Returns
    -------
    int
        3 where there is AVX2, else 1.
    """
    return _simd.cpu_level()


def add_gradient(
    int kind, double param, const x_value[:, :] X, const y_value[:] y,
    const double[::1] sample_weight, const double[:, ::1] columns,
    const double[::1] params, double[::1] gradient, Py_ssize_t n_outputs=1,
):
    """Add the loss gradient of a chunk of examples to a running sum.

    For every row i with weight s_i and z_i = x_i . coef + intercept this adds::

        gradient  +=  sum_i  s_i * dl/dz(z_i, y_i) * [x_i, 1]

    Nothing is divided by the number of rows, so the sums of chunks may be added to
    each other in any grouping.

    Parameters
    ----------
    kind : int
        Number of the loss, ``gdfast.losses.LOSSES[name].kind``.
    param : float
        Its parameter, ``Loss.param``; of no effect where it has none.
    X : ndarray of float32 or float64, shape (n_samples, n_features)
        Features. The values of a row are contiguous, rows may be any step apart;
        read-only arrays and memory maps are accepted.
    y : ndarray of float32 or float64, shape (n_samples,)
        Targets. For several outputs, of shape (n_samples * n_outputs,): those of each
        row side by side; or numbers k of classes, of which the output k has the target
        1 and the others 0.
    sample_weight : ndarray of float64, shape (n_samples,), or None
        Non-negative weights; None weighs every row 1.
    columns : ndarray of float64, shape (2, n_features), or None
        Centres and factors: the features are ``(X - columns[0]) * columns[1]``.
    params : ndarray of float64, shape (n_features,) or (n_features + 1,)
        Where the gradient is taken: coefficients, then the intercept if it has one.
        For several outputs each of these is a run of n_outputs values.
    gradient : ndarray of float64, shape of `params`, or None, changed
        The running sum; None to add up the loss alone.
    n_outputs : int
        Number of outputs, at least 1. Their losses add up.

    Returns
    -------
    loss_sum : float
        Sum of s_i l(z_i, y_i).
    weight_sum : float
        Sum of s_i.

    Raises
    ------
    ValueError
        If shapes disagree or `kind` is unknown. Values are not inspected: NaN in `X`
        or `y` gives NaN sums, which the caller tests once per pass.
    MemoryError
        If there is no scratch memory: some 25 KiB or ten rows of doubles, whichever is
        more; for several outputs 40 rows, 4 KiB an output and twice `params` more.

    Notes
    -----
    4 n_samples n_features n_outputs floating-point operations, or half of them without
    gradient; `X` is read from memory once. Releases the GIL; may be called from several
    threads with different `gradient`.

    Examples
    --------
    >>> g = np.zeros(3)
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> add_gradient(0, 0.0, X, np.ones(2), None, None, np.zeros(3), g)
    (2.0, 2.0)
    >>> g
    array([ -8., -12.,  -4.])
    """
    cdef Data data = describe(X, y, sample_weight, columns, n_outputs)
    cdef bint fit_intercept = has_intercept(params.shape[0], &data)
    cdef Work work
    cdef double* total = NULL
    cdef double loss_sum
    known(kind, n_outputs)
    if gradient is not None:
        check_gradient(gradient, params.shape[0])
        total = &gradient[0]
    if not allocate(&work, &data, False):
        raise MemoryError()
    with nogil:
        loss_sum = add_pass(
            kind, param, &data, &work, &params[0], total, fit_intercept
        )
        free(work.memory)
    return loss_sum, weight_sum(&data)


def add_gradient_csr(
    int kind, double param, const x_value[::1] data, const index_value[::1] indices,
    const row_value[::1] indptr, const y_value[:] y, const double[::1] sample_weight,
    Py_ssize_t n_features, const double[::1] params, double[::1] gradient,
    Py_ssize_t n_outputs=1,
):
    """Add the loss gradient of some rows of a sparse matrix to a running sum.

    As `add_gradient`, for rows that store some of their values: those of row i are
    ``data[indptr[i]:indptr[i + 1]]``, and their columns lie at the same places of
    `indices`, in any order. Values of the same column add up.

    Parameters
    ----------
    kind, param
        The loss, as in `add_gradient`.
    data : ndarray of float32 or float64, shape (n_stored,)
        Values that are stored, contiguous.
    indices : ndarray of int32 or int64, shape (n_stored,)
        Their columns, contiguous.
    indptr : ndarray of int32 or int64, shape (n_samples + 1,)
        Where rows begin and, one further, end. It need not begin with 0 nor end with
        n_stored: a part of it stands for a part of the rows.
    y, sample_weight
        Targets and weights, as in `add_gradient`.
    n_features : int
        Number of columns.
    params, gradient, n_outputs
        As in `add_gradient`.

    Returns
    -------
    loss_sum : float
        Sum of s_i l(z_i, y_i).
    weight_sum : float
        Sum of s_i.

    Raises
    ------
    ValueError
        If shapes disagree, `kind` is unknown, `indptr` falls or leaves `data`, or an
        index is out of range. Values are not inspected.
    MemoryError
        If there is no scratch memory: up to 64 KiB, or 7 KiB for each output.

    Notes
    -----
    4 n_stored n_outputs operations, or half of them without gradient; `data` and
    `indices` are read from memory once. Releases the GIL; may be called from several
    threads with different `gradient`.

    Examples
    --------
    >>> g = np.zeros(3)
    >>> data, indices = np.array([1.0, 3.0, 4.0]), np.array([0, 0, 1])
    >>> indptr = np.array([0, 1, 3])
    >>> add_gradient_csr(
    ...     0, 0.0, data, indices, indptr, np.ones(2), None, 2, np.zeros(3), g
    ... )
    (2.0, 2.0)
    >>> g
    array([-8., -8., -4.])
    """
    cdef Data rows = describe_rows(
        data, indices, indptr, y, sample_weight, n_features, n_outputs
    )
    cdef bint fit_intercept = has_intercept(params.shape[0], &rows)
    cdef Work work
    cdef double* total = NULL
    cdef double loss_sum
    cdef bint in_range
    check_places(indptr, data.shape[0], &rows)
    known(kind, n_outputs)
    if gradient is not None:
        check_gradient(gradient, params.shape[0])
        total = &gradient[0]
    if not (
        allocate_rows(&work, rows.n_rows, BLOCK_STORED) if n_outputs == 1
        else allocate_sparse_outputs(&work, rows.n_rows, n_outputs, BLOCK_STORED)
    ):
        raise MemoryError()
    with nogil:
        if n_outputs == 1:
            in_range = add_sparse_pass(
                kind, param, &rows, &work, &params[0], total, fit_intercept
            )
        else:
            in_range = add_sparse_outputs(
                kind, param, &rows, &work, &params[0], total, fit_intercept
            )
        loss_sum = fold_losses(&work, n_outputs)
        free(work.memory)
    if not in_range:
        raise ValueError("indices must be from 0 to n_features - 1")
    return loss_sum, weight_sum(&rows)


def add_moments(
    int kind, double param, const x_value[:, :] X, const y_value[:] y,
    const double[::1] sample_weight, const double[:, ::1] columns,
    const double[::1] params, double[::1] gradient, double[:, ::1] moment,
):
    """Add the loss gradient and the moments of a chunk of examples to running sums.

    Beside what `add_gradient` adds this adds, for rows x_i as `columns` gives them and
    without the 1 if there is no intercept::

        moment  +=  sum_i  s_i [x_i, 1] [x_i, 1]'

    Parameters
    ----------
    kind, param, X, y, sample_weight, columns, params
        As in `add_gradient`.
    gradient : ndarray of float64, shape of `params`, changed
        The running sum of gradients.
    moment : ndarray of float64, shape (n_params, n_params), changed
        The running sum of products; symmetric if it was.

    Returns
    -------
    loss_sum : float
        Sum of s_i l(z_i, y_i).
    weight_sum : float
        Sum of s_i.

    Raises
    ------
    ValueError
        If shapes disagree or `kind` is unknown. Values are not inspected.
    MemoryError
        If there is no scratch memory: that of `moment`, and 16 to 64 rows of doubles,
        or twice as many with weights.

    Notes
    -----
    n_samples n_features (n_features + 6) operations and one reading of `X`. Every
    product is summed in double, row after row within a block, block after block.
    Releases the GIL; may be called from several threads with different sums.

    Examples
    --------
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> g, moment = np.zeros(3), np.zeros((3, 3))
    >>> add_moments(0, 0.0, X, np.ones(2), None, None, np.zeros(3), g, moment)
    (2.0, 2.0)
    >>> print(g, moment)
    [ -8. -12.  -4.] [[10. 14.  4.]
     [14. 20.  6.]
     [ 4.  6.  2.]]
    """
    cdef Data data = describe(X, y, sample_weight, columns, 1)
    cdef Py_ssize_t d = data.n_features
    cdef bint fit_intercept = has_intercept(params.shape[0], &data)
    cdef Work work
    cdef double* sums
    cdef double* left = NULL
    cdef double loss_sum, weights
    known(kind, 1)
    check_gradient(gradient, params.shape[0])
    if moment.shape[0] != params.shape[0] or moment.shape[1] != params.shape[0]:
        raise ValueError("moment must have shape (n_params, n_params)")
    if not allocate(&work, &data, True):
        raise MemoryError()
    sums = <double*> calloc(work.padded * (work.padded + 1), sizeof(double))
    if data.sample_weight != NULL:
        left = <double*> malloc(
            whole_lanes(work.max_rows) * work.copy_step * sizeof(double)
        )
    if sums == NULL or (left == NULL and data.sample_weight != NULL):
        free(left)
        free(sums)
        free(work.memory)
        raise MemoryError()
    with nogil:
        weights = weight_sum(&data)
        loss_sum = add_moment_pass(
            kind, param, &data, &work, &params[0], fit_intercept,
            left, sums, sums + work.padded,
        )
        end_gradient(&data, &work, &gradient[0], fit_intercept)
        end_moment(&work, d, sums, weights, moment)
        free(left)
        free(sums)
        free(work.memory)
    return loss_sum, weights


@cython.final
@cython.auto_pickle(False)
cdef class Update:
    """How a step changes the parameters: a rule, a penalty and bounds.

    Parameters
    ----------
    kind : int
        Number of the rule, ``gdfast.optimizers.OPTIMIZERS[name].kind``.
    constants : ndarray of float64, shape (3,)
        Its constants, in the order of its class; those that it does not have are
        ignored.
    n_features : int
        Number of coefficients, of all outputs together.
    n_intercepts : int
        Number of parameters behind them, which have no penalty and no bounds.
    l1, l2 : float
        Factors of the sum of |coef| and of half the sum of coef^2 in the penalty.
    bounds : ndarray of float64, shape (2, n_features), or None
        Smallest and largest values of the coefficients.
    state : ndarray of float64, shape (2 + n_slots * n_params,), changed
        What the rule remembers from step to step, zeros before the first one. It is
        kept, not copied: who writes to it puts the rule back to another step.

    Raises
    ------
    ValueError
        If `kind` is unknown or shapes disagree.

    Notes
    -----
    A rule makes of the gradient g of mean loss and squares a displacement d with a step
    s for each parameter; then ``params = prox(params - d)``, where prox takes s l1 off
    the size of a coefficient, down to zero, and puts it within its bounds.
    """
    cdef Rule rule
    cdef const double[:, ::1] bounds
    cdef double[::1] state

    def __init__(
        self, int kind, const double[::1] constants, Py_ssize_t n_features,
        Py_ssize_t n_intercepts, double l1, double l2, const double[:, ::1] bounds,
        double[::1] state,
    ):
        cdef Py_ssize_t n_params = n_features + n_intercepts
        if not 0 <= kind < N_RULES:
            raise ValueError(f"unknown rule number {kind}")
        if constants.shape[0] != 3:
            raise ValueError("constants must have three values")
        if bounds is not None and (
            bounds.shape[0] != 2 or bounds.shape[1] != n_features
        ):
            raise ValueError("bounds must have shape (2, n_features)")
        if n_features < 1 or n_intercepts < 0 or (
            state.shape[0] != N_SCALARS + n_slots(kind) * n_params
        ):
            raise ValueError("state must have 2 + n_slots * n_params values")
        self.bounds = bounds
        self.state = state
        self.rule.kind = kind
        self.rule.first = constants[0]
        self.rule.second = constants[1]
        self.rule.third = constants[2]
        self.rule.l1 = l1
        self.rule.l2 = l2
        self.rule.lower = self.rule.upper = NULL
        if bounds is not None:
            self.rule.lower = &bounds[0, 0]
            self.rule.upper = &bounds[1, 0]
        self.rule.n_bound = n_features if l1 or l2 or bounds is not None else 0
        self.rule.n_params = n_params
        self.rule.state = &state[0]

    def look_ahead(self, const double[::1] params, double[::1] point):
        """Find where the gradient of the next step is taken.

        Parameters
        ----------
        params : ndarray of float64, shape (n_params,)
            The parameters.
        point : ndarray of float64, shape (n_params,), changed
            The point: the parameters themselves, but for rules that look ahead.

        Raises
        ------
        ValueError
            If shapes disagree.
        """
        check_gradient(params, self.rule.n_params)
        check_gradient(point, self.rule.n_params)
        look_ahead(&self.rule, &params[0], &point[0])

    def take_step(
        self, double loss, const double[::1] point, double[::1] gradient,
        const double[::1] rate, double[::1] params, double[::1] row,
    ):
        """Note what is seen at a point, and update the parameters.

        Parameters
        ----------
        loss : float
            Mean loss at the point.
        point : ndarray of float64, shape (n_params,)
            Where it was taken.
        gradient : ndarray of float64, shape (n_params,), or None, changed
            Gradient of the mean loss there; that of the penalty's squares is added.
            None to note NaN for its largest component.
        rate : ndarray of float64, shape (1,), or None
            Learning rate; None to update nothing, as it must be without a gradient.
        params : ndarray of float64, shape (n_params,), changed
            The parameters.
        row : ndarray of float64, shape (3,), changed
            As a row of `trace` in `descend`.

        Raises
        ------
        ValueError
            If shapes disagree, or a rate comes without a gradient.

        Examples
        --------
        >>> update = Update(0, np.zeros(3), 2, False, 0.0, 0.0, None, np.zeros(2))
        >>> params, row = np.array([1.0, 2.0]), np.empty(3)
        >>> gradient, rate = np.array([1.0, -4.0]), np.array([0.5])
        >>> update.take_step(9.0, params, gradient, rate, params, row)
        >>> print(params, row)
        [0.5 4. ] [9. 4. 2.]
        """
        cdef double* slopes = NULL
        cdef const double* learning_rate = NULL
        check_gradient(params, self.rule.n_params)
        check_gradient(point, self.rule.n_params)
        if gradient is not None:
            check_gradient(gradient, self.rule.n_params)
            slopes = &gradient[0]
        elif rate is not None:
            raise ValueError("rate must be None without a gradient")
        if row.shape[0] != 3:
            raise ValueError("row must have three values")
        if rate is not None:
            if rate.shape[0] != 1:
                raise ValueError("rate must have one value")
            learning_rate = &rate[0]
        take_step(
            &self.rule, loss, &point[0], slopes, learning_rate, &params[0], &row[0]
        )


cdef Rule chosen_rule(Update update, Py_ssize_t n_params, double* idle) except *:
    # The rule of an update; plain gradient descent without one.
    cdef Rule rule
    if update is not None:
        if update.rule.n_params != n_params:
            raise ValueError("update must have been made for as many params")
        return update.rule
    rule.kind = GD
    rule.first = rule.second = rule.third = rule.l1 = rule.l2 = 0.0
    rule.lower = rule.upper = NULL
    rule.n_bound = 0
    rule.n_params = n_params
    rule.state = idle
    return rule


def descend(
    int kind, double param, const x_value[:, :] X, const y_value[:] y,
    const double[::1] sample_weight, const double[:, ::1] columns,
    double[::1] params, const double[::1] rates,
    double[:, ::1] trace, double[:, ::1] path, Update update=None,
    Py_ssize_t n_outputs=1,
):
    """Make ``len(rates)`` full-batch steps of gradient descent in one call.

    Each step sums the gradients of all examples, divides by the sum of the weights,
    notes what it saw and then updates: ``params -= rates[t] * gradient`` where there is
    no other rule.

    Parameters
    ----------
    kind, param, X, y, sample_weight, columns
        The loss and the examples, as in `add_gradient`.
    params : ndarray of float64, shape (n_features,) or (n_features + 1,), changed
        Coefficients, then the intercept if one is fitted; for several outputs runs of
        them, as in `add_gradient`.
    rates : ndarray of float64, shape (n_steps,)
        Learning rate of every step.
    trace : ndarray of float64, shape (n_steps, 3) or (n_steps + 1, 3), changed
        Of every step: mean loss and penalty, and the largest component of the smallest
        subgradient of that, before its update, and the largest change of a parameter by
        it; inf where a rate of 0 changed nothing. If there is one row more, the same of
        where the steps led to, and inf for a change.
    path : ndarray of float64, shape (len(trace), n_params), or None, changed
        The parameters that every row of `trace` was seen at: of a rule that looks
        ahead, the point where it took the gradient.
    update : Update or None
        Rule, penalty and bounds; None for plain gradient descent.
    n_outputs : int
        Number of outputs, at least 1.

    Raises
    ------
    ValueError
        If shapes disagree or `kind` is unknown. Values are not inspected.
    MemoryError
        If there is no scratch memory.

    Notes
    -----
    4 n_samples n_features n_outputs operations and one reading of `X` a step. Releases
    the GIL.
    Splitting the steps over several calls gives the same bits.

    Examples
    --------
    >>> X = np.array([[1.0], [2.0]]); y = np.array([2.0, 4.0])
    >>> params = np.zeros(1); trace = np.empty((2, 3))
    >>> descend(0, 0.0, X, y, None, None, params, np.array([0.1, 0.1]), trace, None)
    >>> params
    array([1.5])
    >>> trace
    array([[10. , 10. ,  1. ],
           [ 2.5,  5. ,  0.5]])
    """
    cdef Data data = describe(X, y, sample_weight, columns, n_outputs)
    cdef Py_ssize_t n_params = params.shape[0], n_steps = rates.shape[0], t, j
    cdef bint fit_intercept = has_intercept(n_params, &data)
    cdef Work work
    cdef double[2] idle
    cdef Rule rule = chosen_rule(update, n_params, idle)
    cdef double* memory
    cdef double* gradient
    cdef const double* point
    cdef double weights, loss_sum
    known(kind, n_outputs)
    check_outputs(n_steps, n_params, trace, path)
    memory = <double*> malloc(2 * n_params * sizeof(double))
    if memory == NULL or not allocate(&work, &data, False):
        free(memory)
        raise MemoryError()
    gradient = memory + n_params
    with nogil:
        weights = weight_sum(&data)
        for t in range(trace.shape[0]):
            point = next_point(&rule, &params[0], memory, t < n_steps)
            for j in range(n_params):
                gradient[j] = 0.0
            loss_sum = add_pass(
                kind, param, &data, &work, point, gradient, fit_intercept
            )
            for j in range(n_params):
                gradient[j] /= weights
            if path is not None:
                for j in range(n_params):
                    path[t, j] = point[j]
            take_step(
                &rule, loss_sum / weights, point, gradient,
                &rates[t] if t < n_steps else NULL, &params[0], &trace[t, 0],
            )
        free(memory)
        free(work.memory)


cdef int put_in_order(Data* data, const Py_ssize_t[::1] order) except -1:
    # Take the rows of an order, after a look at all of it.
    cdef Py_ssize_t n = data.n_rows, n_ordered = order.shape[0]
    if n_ordered == 0:
        raise ValueError("order must have at least one row")
    if not all_below(&order[0], n_ordered, n):
        raise ValueError("order must be from 0 to n_samples - 1")
    data.order = &order[0]
    data.order_end = data.order + n_ordered
    data.n_rows = data.n_known = n_ordered
    return 0


cdef Batches describe_batches(
    Data* data, const Py_ssize_t[::1] order, Py_ssize_t size, Py_ssize_t n_params,
    const double[::1] rates, double[::1] sums, double[::1] path_sum, Py_ssize_t first,
) except *:
    # What batches are made of, after a look at all that is asked for.
    cdef Batches batches
    has_intercept(n_params, data)
    if size < 1:
        raise ValueError("batch_size must be at least 1")
    if order is not None:
        put_in_order(data, order)
    if rates.shape[0] < (data.n_rows - 1) // size + 1:
        raise ValueError("rates must have one value for each batch")
    if sums.shape[0] != data.n_outputs + 1:
        raise ValueError("sums must have a value for each output and one more")
    if path_sum is not None and path_sum.shape[0] != n_params:
        raise ValueError("path_sum must have the shape of params")
    batches.data = data
    batches.size = size
    batches.rates = &rates[0]
    batches.sums = &sums[0]
    batches.path_sum = NULL if path_sum is None else &path_sum[0]
    batches.first = first
    batches.common = NULL
    return batches


cdef bint allocate_batches(Batches* batches, Py_ssize_t n_params):
    # One piece of memory for all that is of the size of the parameters, and for what
    # coefficients have in common.
    cdef Py_ssize_t n_common = 1 + batches.data.n_outputs
    batches.point = <double*> malloc((3 * n_params + n_common) * sizeof(double))
    batches.gradient = batches.point + n_params
    batches.coef = batches.gradient + n_params
    return batches.point != NULL


def descend_batches(
    int kind, double param, const x_value[:, :] X, const y_value[:] y,
    const double[::1] sample_weight, const double[:, ::1] columns,
    const Py_ssize_t[::1] order, Py_ssize_t batch_size, double[::1] params,
    const double[::1] rates, double[::1] sums, double[::1] path_sum,
    Py_ssize_t first, Update update=None, Py_ssize_t n_outputs=1,
):
    """Make a step on each batch of rows, one after the other.

    A step takes the mean gradient of a batch, (sum of weight times gradient) / (sum of
    weights). A batch whose weights are all zero makes none.

    Parameters
    ----------
    kind, param, X, y, sample_weight, columns
        The loss and the examples, as in `add_gradient`.
    order : ndarray of intp, shape (n_rows,), or None
        The rows to take, in this order; None for all of `X` as they lie.
    batch_size : int
        Rows of a batch, at least 1; the last one has what is left.
    params : ndarray of float64, shape (n_features,) or (n_features + 1,), changed
        Coefficients, then the intercept if one is fitted; for several outputs runs of
        them, as in `add_gradient`.
    rates : ndarray of float64, shape (n_batches,) or more
        Learning rates of the steps.
    sums : ndarray of float64, shape (n_outputs + 1,), changed
        Added to its last value: the weights of every batch. To the others, as a whole:
        weights times mean loss and penalty of every batch before its own step. Of each
        is told which part an output has in it, where outputs have nothing in common.
    path_sum : ndarray of float64, shape of `params`, or None, changed
        Added to it: the parameters after every step from `first` on, counted from 0.
    first : int
        The first of these.
    update : Update or None
        Rule, penalty and bounds; None for plain gradient descent.
    n_outputs : int
        Number of outputs, at least 1.

    Returns
    -------
    n_steps : int
        Steps made.

    Raises
    ------
    ValueError
        If shapes disagree, `kind` is unknown or a row of `order` is not there; nothing
        was changed then. Values are not inspected.
    MemoryError
        If there is no scratch memory.

    Notes
    -----
    4 n_rows n_features n_outputs operations. Releases the GIL. Rows out of order are
    copied, and
    asked for ahead of that. Splitting the batches over several calls gives the same
    bits.

    Examples
    --------
    >>> X = np.array([[1.0], [2.0]]); y = np.array([2.0, 4.0])
    >>> params, sums = np.zeros(1), np.zeros(2)
    >>> data = X, y, None, None, np.array([1, 0])
    >>> descend_batches(0, 0.0, *data, 1, params, np.full(2, 0.1), sums, None, 0)
    2
    >>> print(params, sums)
    [1.68] [16.16  2.  ]
    """
    cdef Data data = describe(X, y, sample_weight, columns, n_outputs)
    cdef Batches batches = describe_batches(
        &data, order, batch_size, params.shape[0], rates, sums, path_sum, first
    )
    cdef double[2] idle
    cdef Rule rule = chosen_rule(update, params.shape[0], idle)
    cdef Work work
    cdef Py_ssize_t n_steps
    known(kind, n_outputs)
    if not allocate_batches(&batches, rule.n_params) or not allocate(
        &work, &data, False
    ):
        free(batches.point)
        raise MemoryError()
    with nogil:
        n_steps = step_on_batches(kind, param, &work, &rule, &batches, &params[0])
        free(batches.point)
        free(work.memory)
    return n_steps


def descend_batches_csr(
    int kind, double param, const x_value[::1] data, const index_value[::1] indices,
    const row_value[::1] indptr, const y_value[:] y, const double[::1] sample_weight,
    const double[:, ::1] columns, Py_ssize_t n_features, const Py_ssize_t[::1] order,
    Py_ssize_t batch_size, double[::1] params, const double[::1] rates,
    double[::1] sums, double[::1] path_sum, Py_ssize_t first, Update update=None,
    Py_ssize_t n_outputs=1, double[::1] common=None,
):
    """Make a step on each batch of rows of a sparse matrix, one after the other.

    As `descend_batches`, for rows that store some of their values.

    Parameters
    ----------
    kind, param, data, indices, indptr, y, sample_weight
        The loss and the examples, as in `add_gradient_csr`.
    columns : ndarray of float64, shape (2, n_features), or None
        Centres and factors: the features are ``(X - columns[0]) * columns[1]``. None
        for several outputs.
    n_features : int
        Number of columns.
    order, batch_size, params, rates, sums, path_sum, first, update, n_outputs
        As in `descend_batches`.
    common : ndarray of float64, shape (n_outputs + 1,), or None, changed
        A factor that the coefficients in `params` are still to be multiplied by, and
        for each output the sum of their squares without it, which has no use without
        penalty; None for none, neither before nor after the call.

    Returns
    -------
    n_steps : int
        Steps made.

    Raises
    ------
    ValueError
        If shapes disagree, `kind` is unknown, a row of `order` is not there, or
        `indptr` falls or leaves `data` at one of these rows; nothing was changed then.
        If an index is out of range; steps on batches before that one were made.
    MemoryError
        If there is no scratch memory.

    Notes
    -----
    A step costs 4 n_outputs operations for each value that its batch stores, and some
    for every parameter. The latter are spared by plain gradient descent without bounds,
    `columns` and `path_sum` and with no penalty but squares, where a batch has no more
    than 65 536 values and 2048 rows, or 256 for several outputs: it changes the
    coefficients of no other columns, but for a factor that all have in common. Releases
    the GIL. Splitting the batches over several calls gives the same bits, of several
    with a penalty if `common` is passed from one to the next.

    Examples
    --------
    >>> data, indices = np.array([1.0, 2.0]), np.array([0, 0])
    >>> stored = data, indices, np.array([0, 1, 2])
    >>> rest = np.array([2.0, 4.0]), None, None, 1, np.array([1, 0])
    >>> params, sums = np.zeros(1), np.zeros(2)
    >>> descend_batches_csr(
    ...     0, 0.0, *stored, *rest, 1, params, np.full(2, 0.1), sums, None, 0
    ... )
    2
    >>> print(params, sums)
    [1.68] [16.16  2.  ]
    """
    cdef Data rows = describe_rows(
        data, indices, indptr, y, sample_weight, n_features, n_outputs
    )
    cdef Batches batches = describe_batches(
        &rows, order, batch_size, params.shape[0], rates, sums, path_sum, first
    )
    cdef double[2] idle
    cdef Rule rule = chosen_rule(update, params.shape[0], idle)
    cdef Work work
    cdef Py_ssize_t n_steps
    describe_columns(&rows, columns)
    if common is not None and common.shape[0] != n_outputs + 1:
        raise ValueError("common must have a value for each output and one more")
    if columns is not None and n_outputs > 1:
        raise ValueError("columns must be None for several outputs")
    check_places(indptr, data.shape[0], &rows)
    known(kind, n_outputs)
    if not allocate_batches(&batches, rule.n_params) or not (
        allocate_rows(&work, batch_size, BATCH_STORED) if n_outputs == 1
        else allocate_sparse_outputs(&work, batch_size, n_outputs, BATCH_STORED)
    ):
        free(batches.point)
        raise MemoryError()
    with nogil:
        if common is not None:
            batches.common = &common[0]
        else:
            batches.common = batches.coef + rule.n_params
            batches.common[0] = 1.0
            measure_coef(&rule, &batches, &params[0])
        n_steps = step_on_batches(kind, param, &work, &rule, &batches, &params[0])
        if common is None:
            settle(&rule, &batches, &params[0])
        free(batches.point)
        free(work.memory)
    if n_steps < 0:
        raise ValueError("indices must be from 0 to n_features - 1")
    return n_steps


def descend_quadratic(
    double loss, const double[::1] gradient, const double[:, ::1] hessian,
    const double[::1] center, const double[::1] origin, double[::1] params,
    const double[::1] rates, double[:, ::1] trace, double[:, ::1] path,
    Update update=None,
):
    """Make steps of gradient descent on a quadratic function, until rounding shows.

    The function of the parameters is, for their distance v from the origin with
    ``center . v[:n_features]`` added to its last value::

        loss + gradient . v + v' hessian v / 2

    which is how the mean squared error depends on coefficients of columns x and an
    intercept when its derivatives are those of columns x - center.

    Parameters
    ----------
    loss : float
        The function at the origin.
    gradient : ndarray of float64, shape (n_params,)
        Its gradient there.
    hessian : ndarray of float64, shape (n_params, n_params)
        Its second derivatives, symmetric.
    center : ndarray of float64, shape (n_params - 1,), or None
        Centres of the columns; None for columns that are taken as they are.
    origin : ndarray of float64, shape (n_params,)
        The parameters where `loss` and `gradient` belong.
    params : ndarray of float64, shape (n_params,), changed
        The parameters.
    rates, trace, path, update
        As in `descend`.

    Returns
    -------
    n_rows : int
        Rows of `trace` that were seen: all, or those before the first at which `loss`
        and what is added to it cancel to a part in 1e5, so that rounding might show in
        the tenth digit. Never 0 if `params` is `origin`.

    Raises
    ------
    ValueError
        If shapes disagree.
    MemoryError
        If there is no scratch memory: four times the size of `params`.

    Notes
    -----
    2 n_params^2 operations a step. Releases the GIL.

    Examples
    --------
    >>> params, trace = np.array([5.0]), np.empty((2, 3))
    >>> descend_quadratic(
    ...     25.0, np.array([10.0]), np.array([[2.0]]), None, params.copy(), params,
    ...     np.array([0.1, 0.1]), trace, None,
    ... )
    2
    >>> print(params, trace[:, 0])
    [3.2] [25. 16.]
    """
    cdef Py_ssize_t n = params.shape[0], n_steps = rates.shape[0], t = 0, j
    cdef double[2] idle
    cdef double* memory
    cdef const double* point
    cdef Quadratic at
    cdef Rule rule
    cdef double value
    if gradient.shape[0] != n or origin.shape[0] != n or n == 0:
        raise ValueError("gradient and origin must have the shape of params")
    if hessian.shape[0] != n or hessian.shape[1] != n:
        raise ValueError("hessian must have shape (n_params, n_params)")
    if center is not None and center.shape[0] != n - 1:
        raise ValueError("center must have one value less than params")
    check_outputs(n_steps, n, trace, path)
    rule = chosen_rule(update, n, idle)
    memory = <double*> malloc(4 * n * sizeof(double))
    if memory == NULL:
        raise MemoryError()
    at.n = n
    at.loss = loss
    at.gradient = &gradient[0]
    at.hessian = &hessian[0, 0]
    at.center = NULL
    if center is not None and n > 1:
        at.center = &center[0]
    at.origin = &origin[0]
    at.moved = memory
    at.slope = memory + n
    at.size = memory + 2 * n
    with nogil:
        for j in range(n):
            at.size[j] = sqrt(fabs(hessian[j, j]))
        while t < trace.shape[0]:
            point = next_point(&rule, &params[0], memory + 3 * n, t < n_steps)
            if not evaluate(&at, point, &value):
                break
            if path is not None:
                for j in range(n):
                    path[t, j] = point[j]
            take_step(
                &rule, value, point, at.slope,
                &rates[t] if t < n_steps else NULL, &params[0], &trace[t, 0],
            )
            t += 1
        free(memory)
    return t


def are_finite(const double[::1] values):
    """Return whether no value is NaN or inf.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        The values.

    Returns
    -------
    bool
        True if none is, and if there are none.

    Examples
    --------
    >>> are_finite(np.array([1.0, 2.0])), are_finite(np.array([1.0, np.inf]))
    (True, False)
    """
    return all_finite(&values[0], values.shape[0]) if values.shape[0] else True


@cython.auto_pickle(False)
cdef class Function:
    """A function of n numbers and its gradient: what both kinds have in common.

    Attributes
    ----------
    n_values, n_gradients : int
        Calls made of the function and of its gradient.

    Notes
    -----
    Nothing is called at a point that is not finite, and no gradient where the value is
    not. One that is not given is found by central differences.
    """
    cdef Py_ssize_t n
    cdef bint at_once  # whether a call gives the gradient with the value
    cdef bint has_gradient  # or there is one to call
    cdef bint needs_gil
    cdef const double[:, ::1] bounds
    cdef double* place  # what differences move about in
    cdef readonly Py_ssize_t n_values
    cdef readonly Py_ssize_t n_gradients

    cdef int describe(
        self, bint at_once, bint has_gradient, Py_ssize_t n,
        const double[:, ::1] bounds,
    ) except -1:
        if not 1 <= n <= INT_MAX:
            raise ValueError("n must be at least 1, and an int of C")
        if bounds is not None and (bounds.shape[0] != 2 or bounds.shape[1] != n):
            raise ValueError("bounds must have shape (2, n)")
        free(self.place)
        self.place = <double*> malloc(n * sizeof(double))
        if self.place == NULL:
            raise MemoryError()
        self.n = n
        self.at_once = at_once
        self.has_gradient = has_gradient
        self.bounds = bounds
        self.n_values = self.n_gradients = 0
        return 0

    def __dealloc__(self):
        free(self.place)

    def evaluate(self, const double[::1] point, double[::1] gradient):
        """Return the value at a point, and write the gradient.

        Parameters
        ----------
        point : ndarray of float64, shape (n,)
            The point.
        gradient : ndarray of float64, shape (n,), changed
            The gradient there; NaN where the point or the value is not finite.

        Returns
        -------
        float
            The value; NaN where the point is not finite, and nothing is called.

        Raises
        ------
        ValueError
            If shapes disagree.
        """
        cdef double value
        check_gradient(point, self.n)
        check_gradient(gradient, self.n)
        if self.needs_gil:
            self.find(&point[0], &value, &gradient[0])
        else:
            with nogil:
                self.find(&point[0], &value, &gradient[0])
        return value

    cdef int find(
        self, const double* point, double* value, double* gradient
    ) except -1 nogil:
        value[0] = NAN
        fill(gradient, self.n, NAN)
        if not all_finite(point, self.n):
            return 0
        self.call(point, value, gradient)
        if self.at_once or not isfinite(value[0]):
            return 0
        if self.has_gradient:
            return self.call_gradient(point, gradient)
        return self.take_differences(point, value[0], gradient)

    cdef int take_differences(
        self, const double* point, double value, double* gradient
    ) except -1 nogil:
        cdef double low = -INFINITY, high = INFINITY
        cdef double[2] places
        cdef double[2] values
        cdef Py_ssize_t j
        cdef int k
        memcpy(self.place, point, self.n * sizeof(double))
        for j in range(self.n):
            if self.bounds is not None:
                low, high = self.bounds[0, j], self.bounds[1, j]
            find_places(point[j], low, high, places)
            for k in range(2):
                self.place[j] = places[k]
                self.call(self.place, &values[k], gradient)
            self.place[j] = point[j]
            gradient[j] = slope_of_three(point[j], value, places, values)
        return 0

    cdef int call(
        self, const double* point, double* value, double* gradient
    ) except -1 nogil:
        # The value, and the gradient if it comes with that.
        with gil:
            raise NotImplementedError

    cdef int call_gradient(self, const double* point, double* gradient) except -1 nogil:
        with gil:
            raise NotImplementedError


cdef Pointer described(tuple pointer) except *:
    cdef Pointer result
    cdef size_t address = pointer[0], data = 0
    result.takes_data = pointer[1] is not None
    if result.takes_data:
        data = pointer[1]
    result.address = <void*> address
    result.data = <void*> data
    return result


@cython.auto_pickle(False)
@cython.final
cdef class CompiledFunction(Function):
    """A function that a compiler made.

    Parameters
    ----------
    value : tuple (address, data)
        Address of ``double f(int n, double *x)``, or ``double f(int n, double *x, void
        *data)`` if data is an address and not None.
    gradient : tuple (address, data), or None
        Of ``void g(int n, double *x, double *gradient)``, or the like with data; None
        for central differences.
    at_once : bool
        Whether `value` has the arguments of a gradient, and writes it.
    n : int
        Number of variables.
    bounds : ndarray of float64, shape (2, n), or None
        Differences are taken between these.

    Raises
    ------
    ValueError
        If an address is 0 or a shape is wrong.
    MemoryError
        If there is no scratch memory: twice the size of a point.

    Notes
    -----
    x is a copy of the point, which the functions may write to. They are called without
    the GIL.
    """
    cdef Pointer of_value
    cdef Pointer of_gradient
    cdef double* point  # a copy of each point, for the functions

    def __init__(
        self, tuple value, tuple gradient, bint at_once, Py_ssize_t n,
        const double[:, ::1] bounds,
    ):
        if not value[0] or gradient is not None and not gradient[0]:
            raise ValueError("an address must not be 0")
        self.describe(at_once, gradient is not None, n, bounds)
        free(self.point)
        self.point = <double*> malloc(n * sizeof(double))
        if self.point == NULL:
            raise MemoryError()
        self.of_value = described(value)
        if gradient is not None:
            self.of_gradient = described(gradient)

    def __dealloc__(self):
        free(self.point)

    cdef int call(
        self, const double* point, double* value, double* gradient
    ) except -1 nogil:
        cdef int n = <int> self.n
        memcpy(self.point, point, n * sizeof(double))
        self.n_values += 1
        self.n_gradients += self.at_once
        if self.at_once:
            value[0] = both_by(&self.of_value, n, self.point, gradient)
        else:
            value[0] = value_by(&self.of_value, n, self.point)
        return 0

    cdef int call_gradient(self, const double* point, double* gradient) except -1 nogil:
        memcpy(self.point, point, self.n * sizeof(double))
        self.n_gradients += 1
        gradient_by(&self.of_gradient, <int> self.n, self.point, gradient)
        return 0


cdef bint copied(object row, double* values, Py_ssize_t n) except -1:
    # Copy n doubles from an object that holds just these, one behind the other.
    cdef Py_buffer view
    cdef bint fits
    if not PyObject_CheckBuffer(row):
        return False
    try:
        PyObject_GetBuffer(row, &view, PyBUF_STRIDES | PyBUF_FORMAT)
    except Exception:  # of types that are no numbers
        return False
    fits = (
        view.ndim == 1
        and view.shape[0] == n
        and (n == 1 or view.strides[0] == sizeof(double))
        and view.format != NULL
        and view.format[0] == c"d"
        and view.format[1] == 0
    )
    if fits:
        memcpy(values, view.buf, n * sizeof(double))
    PyBuffer_Release(&view)
    return fits


@cython.auto_pickle(False)
@cython.final
cdef class PythonFunction(Function):
    """A function in Python.

    Parameters
    ----------
    fun : callable
        Called with a point, an array of shape (n,) of its own, to keep or write to.
    grad : callable, True or None
        Called likewise for the gradient, which is not written to; True if `fun` returns
        the pair of both, None for central differences.
    point : ndarray of float64, shape (n,), changed
        Where the points are put of which the functions get copies.
    scalar : bool
        Whether they get the one number that a point has instead.
    bounds : ndarray of float64, shape (2, n), or None
        Differences are taken between these.
    as_number : callable
        Makes a float of what `fun` returned for a value, if it is none.
    as_gradient : callable
        Makes an array of float64, shape (n,), of a gradient that was no such thing.
    n_known : int
        How many points value and gradient are remembered of, at most: half of them or
        more, those asked for last. There nothing is called again.

    Raises
    ------
    ValueError
        If a shape is wrong.
    MemoryError
        If there is no scratch memory: the size of a point.
    """
    cdef object fun
    cdef object grad
    cdef object as_number
    cdef object as_gradient
    cdef double[::1] point
    cdef object row  # the same array
    cdef object copy_row
    cdef bint scalar
    # Of bytes by bytes, as Python's garbage collector does not look through these.
    cdef dict known
    cdef dict known_before
    cdef Py_ssize_t half_known

    def __init__(
        self, fun, grad, point, bint scalar, const double[:, ::1] bounds,
        as_number, as_gradient, Py_ssize_t n_known,
    ):
        self.point = point
        self.describe(grad is True, grad is not None, self.point.shape[0], bounds)
        self.needs_gil = True
        self.fun = fun
        self.grad = grad
        self.as_number = as_number
        self.as_gradient = as_gradient
        self.row = point
        self.copy_row = point.copy
        self.scalar = scalar
        self.known, self.known_before = {}, {}
        self.half_known = n_known // 2

    cdef int find(
        self, const double* point, double* value, double* gradient
    ) except -1 nogil:
        # The same as of every function, or what is known.
        cdef Py_ssize_t size = self.n * sizeof(double)
        cdef char* place
        with gil:
            key = PyBytes_FromStringAndSize(<const char*> point, size)
            seen = self.known.get(key)
            if seen is None:
                seen = self.known_before.get(key)
            if seen is not None:
                place = PyBytes_AsString(seen)
                memcpy(value, place, sizeof(double))
                memcpy(gradient, place + sizeof(double), size)
                return 0
            Function.find(self, point, value, gradient)
            seen = PyBytes_FromStringAndSize(NULL, sizeof(double) + size)
            place = PyBytes_AsString(seen)
            memcpy(place, value, sizeof(double))
            memcpy(place + sizeof(double), gradient, size)
            if len(self.known) >= self.half_known:
                self.known_before, self.known = self.known, {}
            self.known[key] = seen
        return 0

    cdef int call(
        self, const double* point, double* value, double* gradient
    ) except -1 nogil:
        with gil:
            self.n_values += 1
            self.n_gradients += self.at_once
            given = self.fun(self.own(point))
            if self.at_once:
                if not isinstance(given, (tuple, list)) or len(given) != 2:
                    raise TypeError(
                        "fun must return a pair (value, gradient) with grad=True, got "
                        f"{given!r}"
                    )
                given, slopes = given
            value[0] = given if isinstance(given, float) else self.as_number(given)
            if self.at_once:
                self.read_gradient(slopes, gradient)
        return 0

    cdef int call_gradient(self, const double* point, double* gradient) except -1 nogil:
        with gil:
            self.n_gradients += 1
            self.read_gradient(self.grad(self.own(point)), gradient)
        return 0

    cdef object own(self, const double* point):
        # A point as the functions take it, and as their own.
        memcpy(&self.point[0], point, self.n * sizeof(double))
        return self.row[0] if self.scalar else self.copy_row()

    cdef int read_gradient(self, object given, double* gradient) except -1:
        if not copied(given, gradient, self.n):
            if not copied(self.as_gradient(given), gradient, self.n):
                raise TypeError("as_gradient must return an array of n doubles")
        return 0


cdef Py_ssize_t step_on_function(
    Function function, const Rule* rule, double* memory, double[::1] params,
    const double[::1] rates, double[:, ::1] trace, double[:, ::1] path,
) except -1 nogil:
    cdef Py_ssize_t n = params.shape[0], n_steps = rates.shape[0], t
    cdef double* gradient = memory + n
    cdef const double* point
    cdef double value
    for t in range(trace.shape[0]):
        point = next_point(rule, &params[0], memory, t < n_steps)
        function.find(point, &value, gradient)
        if isfinite(value) and not all_finite(gradient, n):
            return t
        if path is not None:
            memcpy(&path[t, 0], point, n * sizeof(double))
        take_step(
            rule, value, point, gradient,
            &rates[t] if t < n_steps else NULL, &params[0], &trace[t, 0],
        )
    return trace.shape[0]


def descend_function(
    Function function not None, double[::1] params, const double[::1] rates,
    double[:, ::1] trace, double[:, ::1] path, Update update=None,
):
    """Make steps of gradient descent on a function of the caller's.

    Parameters
    ----------
    function : CompiledFunction or PythonFunction
        The function.
    params : ndarray of float64, shape (n,), changed
        The point.
    rates, trace, path, update
        As in `descend`.

    Returns
    -------
    n_rows : int
        Rows of `trace` that were seen: all, or those before the first at which the
        gradient is not finite though the value is.

    Raises
    ------
    ValueError
        If shapes disagree.
    MemoryError
        If there is no scratch memory: twice the size of `params`.

    Notes
    -----
    What a function in Python raises comes through; `params`, and what `update`
    remembers, are then those of the last step before it. Releases the GIL for compiled
    functions. Splitting the steps over several calls gives the same bits.

    Examples
    --------
    >>> function = PythonFunction(
    ...     lambda w: w**2, lambda w: 2 * w, np.empty(1), True, None, float, None, 9
    ... )
    >>> params, trace = np.array([5.0]), np.empty((2, 3))
    >>> descend_function(function, params, np.array([0.1, 0.1]), trace, None)
    2
    >>> print(params, trace[:, 0])
    [3.2] [25. 16.]
    """
    cdef Py_ssize_t n = params.shape[0], t
    cdef double[2] idle
    cdef Rule rule = chosen_rule(update, n, idle)
    cdef double* memory
    if n == 0 or function.n != n:
        raise ValueError("function must be one of as many variables as params has")
    check_outputs(rates.shape[0], n, trace, path)
    memory = <double*> malloc(2 * n * sizeof(double))
    if memory == NULL:
        raise MemoryError()
    try:
        if function.needs_gil:
            t = step_on_function(function, &rule, memory, params, rates, trace, path)
        else:
            with nogil:
                t = step_on_function(
                    function, &rule, memory, params, rates, trace, path
                )
    finally:
        free(memory)
    return t


def shuffled(Py_ssize_t[::1] order, unsigned int seed, Py_ssize_t n_draws):
    """Shuffle rows as scikit-learn's stochastic gradient descent does, some at a time.

    Parameters
    ----------
    order : ndarray of intp, shape (n_samples,), changed
        The rows, of which the first are exchanged with any that follow them. From 0 on
        they become the order of the first epoch; the second one takes
        ``order[order]``, the next one ``order[order][order]`` and so on.
    seed : int
        What it is drawn with, from 0 to 2^32 - 1; 0 is 1.
    n_draws : int
        How many rows are exchanged, all if there are no more.

    Returns
    -------
    int
        What to go on with, from ``order[n_draws:]``.

    Notes
    -----
    A Fisher-Yates shuffle whose exchanges are drawn by a xorshift generator of 32 bits.
    Releases the GIL.

    Examples
    --------
    >>> order = np.arange(5)
    >>> seed = shuffled(order, 3, 2)
    >>> shuffled(order[2:], seed, 3)
    1909268553
    >>> order
    array([2, 4, 3, 1, 0])
    """
    if order.shape[0] > 0:
        with nogil:
            seed = shuffle(&order[0], order.shape[0], seed, n_draws)
    return seed


def follow_order(
    const Py_ssize_t[::1] order, const Py_ssize_t[::1] sigma,
    Py_ssize_t[:, ::1] following,
):
    """Write ``order[sigma]``, ``order[sigma][sigma]`` and so on to `following`.

    Parameters
    ----------
    order : ndarray of intp, shape (n_samples,)
        The order of an epoch.
    sigma : ndarray of intp, shape (n_samples,)
        That of the first one; only a part of it for one epoch.
    following : ndarray of intp, shape (n_epochs, n_samples), changed
        Those of the next ones, or the same part of it. It must overlap neither with
        `order` nor with `sigma`.

    Raises
    ------
    ValueError
        If shapes disagree or a row of `sigma` is not there.

    Notes
    -----
    Releases the GIL.

    Examples
    --------
    >>> following = np.empty((2, 3), np.intp)
    >>> follow_order(np.array([2, 0, 1]), np.array([1, 0, 2]), following)
    >>> following
    array([[0, 2, 1],
           [2, 0, 1]])
    """
    cdef Py_ssize_t n = sigma.shape[0], e
    cdef const Py_ssize_t* last
    cdef bint in_range
    if following.shape[1] != n or following.shape[0] > 1 and order.shape[0] != n:
        raise ValueError("following must have the shape of sigma, which is whole")
    if following.shape[0] == 0 or n == 0:
        return
    with nogil:
        in_range = all_below(&sigma[0], n, order.shape[0])
        if in_range:
            last = &order[0]
            for e in range(following.shape[0]):
                follow(last, &sigma[0], n, &following[e, 0])
                last = &following[e, 0]
    if not in_range:
        raise ValueError("sigma must be from 0 to n_samples - 1")


cdef int check_steps(
    Py_ssize_t n_rows, const double[::1] sample_weight, const Py_ssize_t[::1] order,
    const double[::1] rates,
) except -1:
    # What stochastic steps are made on, of one output or several.
    if sample_weight is not None and sample_weight.shape[0] != n_rows:
        raise ValueError("sample_weight must have one value for each row of X")
    if rates.shape[0] != order.shape[0]:
        raise ValueError("rates must have one value for each row of order")
    if order.shape[0] > 0 and not all_below(&order[0], order.shape[0], n_rows):
        raise ValueError("order must be from 0 to n_samples - 1")
    return 0


cdef Py_ssize_t check_stored(
    Py_ssize_t n_stored, Py_ssize_t n_indices, const row_value[::1] indptr
) except -1:
    # The number of rows that these are.
    if n_indices != n_stored:
        raise ValueError("indices must have one value for each of data")
    return check_rows(indptr, n_stored)


@cython.final
@cython.auto_pickle(False)
cdef class Stochastic:
    """scikit-learn's stochastic gradient descent on one output, a step on every row.

    Parameters
    ----------
    kind, param
        The loss, as in `add_gradient`.
    n_features : int
        Number of columns.
    coef : ndarray of float64, changed
        The coefficients without `scale`, and zeros behind them up to a multiple of 8.
    mean : ndarray of float64, shape of `coef`, or None, changed
        The mean of the coefficients after the steps that count for it.
    paid : ndarray of float64, shape of `coef`, or None, changed
        What truncation has taken off them, zeros at first; needed where `l1` is not 0.
    rule : int
        0 for updates by a rate; 1 and 2 for the passive-aggressive ones, PA-I and
        PA-II.
    aggressiveness : float
        Their constant.
    alpha : float
        Factor of the penalty, not negative.
    l1, l2 : float
        The parts of it that are the sum of |coef| and half the sum of coef^2.
    intercept_rate : float
        Factor of steps of the intercept; 0 for none.
    average_from : float
        Number of the first step that counts for the mean; inf for none.

    Attributes
    ----------
    intercept, mean_intercept : float
        The intercept and the mean of it.
    t : float
        Number of the next step, 1 at first.
    scale : float
        What `coef` must be multiplied by; 1 after `settle`.
    in_order : bool
        Whether predictions of float64 rows are summed one product after the other and
        every formula is rounded as scikit-learn does: the same bits, for steps in which
        rounding grows. False at first.

    Raises
    ------
    ValueError
        If shapes disagree or `kind` is unknown.

    References
    ----------
    L. Bottou, "Stochastic gradient descent tricks", 2012; Y. Tsuruoka, J. Tsujii,
    S. Ananiadou, "Stochastic gradient descent training for L1-regularized log-linear
    models with cumulative penalty", ACL 2009; K. Crammer, O. Dekel, J. Keshet,
    S. Shalev-Shwartz, Y. Singer, "Online passive-aggressive algorithms", JMLR 7, 2006.
    """
    cdef Sgd sgd
    cdef double[::1] coef
    cdef double[::1] mean
    cdef double[::1] paid

    def __init__(
        self, int kind, double param, Py_ssize_t n_features, double[::1] coef,
        double[::1] mean, double[::1] paid, int rule, double aggressiveness,
        double alpha, double l1, double l2, double intercept_rate, double average_from,
    ):
        cdef Py_ssize_t padded = whole_lanes(n_features)
        if n_features < 1 or coef.shape[0] != padded:
            raise ValueError("coef must have a multiple of 8 values")
        if mean is not None and mean.shape[0] != padded:
            raise ValueError("mean must have the shape of coef")
        if paid is not None and paid.shape[0] != padded:
            raise ValueError("paid must have the shape of coef")
        if (mean is None and average_from <= DBL_MAX) or (paid is None and l1 != 0.0):
            raise ValueError("mean and paid must be there where they are needed")
        self.coef = coef
        self.mean = mean
        self.paid = paid
        self.sgd.kind = known(kind, 1)
        self.sgd.param = param
        self.sgd.rule = rule
        self.sgd.in_order = False
        self.sgd.aggressiveness = aggressiveness
        self.sgd.alpha = alpha
        self.sgd.l1 = l1
        self.sgd.l2 = l2
        self.sgd.intercept_rate = intercept_rate
        self.sgd.penalized = l1 != 0.0 or l2 != 0.0
        self.sgd.average_from = average_from
        self.sgd.n_features = n_features
        self.sgd.w = &coef[0]
        self.sgd.mean = NULL if mean is None else &mean[0]
        self.sgd.paid = NULL if paid is None else &paid[0]
        self.sgd.pairs = NULL
        self.sgd.t = self.sgd.scale = self.sgd.mean_scale = 1.0
        self.sgd.intercept = self.sgd.mean_intercept = self.sgd.mean_share = 0.0
        self.sgd.owed = self.sgd.objective = self.sgd.loss = self.sgd.nothing = 0.0
        measure(&self.sgd)

    @property
    def intercept(self):
        return self.sgd.intercept

    @intercept.setter
    def intercept(self, double value):
        self.sgd.intercept = value

    @property
    def mean_intercept(self):
        return self.sgd.mean_intercept

    @mean_intercept.setter
    def mean_intercept(self, double value):
        self.sgd.mean_intercept = value

    @property
    def t(self):
        return self.sgd.t

    @t.setter
    def t(self, double value):
        self.sgd.t = value

    @property
    def scale(self):
        return self.sgd.scale

    @property
    def in_order(self):
        return self.sgd.in_order

    @in_order.setter
    def in_order(self, bint value):
        self.sgd.in_order = value

    def settle(self):
        """Make `coef` and `mean` what they stand for."""
        with nogil:
            take_scale(&self.sgd)

    cdef Py_ssize_t check(
        self, Py_ssize_t n_rows, const double[::1] y, const double[::1] sample_weight,
        const Py_ssize_t[::1] order, const double[::1] rates, double[:, ::1] trace,
    ) except -1:
        # The number of steps of an epoch.
        cdef Py_ssize_t n_epochs = trace.shape[0]
        if n_epochs < 1 or trace.shape[1] != 4 or order.shape[0] % n_epochs != 0:
            raise ValueError("trace must have shape (n_epochs, 4)")
        if y.shape[0] != n_rows:
            raise ValueError("y must have one value for each row of X")
        check_steps(n_rows, sample_weight, order, rates)
        return order.shape[0] // n_epochs

    def step(
        self, const x_value[:, :] X, const double[::1] y,
        const double[::1] sample_weight, const Py_ssize_t[::1] order,
        const double[::1] rates, double[:, ::1] trace,
    ):
        """Make a step on each of some rows.

        Parameters
        ----------
        X : ndarray of float32 or float64, shape (n_samples, n_features)
            Features. The values of a row are contiguous.
        y : ndarray of float64, shape (n_samples,)
            Targets.
        sample_weight : ndarray of float64, shape (n_samples,), or None
            Factors of the updates; None for 1.
        order : ndarray of intp, shape (n_steps,)
            The rows to take, in this order.
        rates : ndarray of float64, shape (n_steps,)
            Learning rate of every step.
        trace : ndarray of float64, shape (n_epochs, 4), changed
            Of as many equal parts of the steps: the sum of the losses of their rows,
            each before its own step, that of losses and penalties, the sum of |coef|
            and |intercept| after them, which is finite if these are, and 0 or, if a
            prediction was not finite, NaN.

        Raises
        ------
        ValueError
            If shapes disagree or a row of `order` is not there. Values are not
            inspected.

        Notes
        -----
        Releases the GIL. Splitting epochs over several calls gives the same bits. Where
        a call begins within an epoch, last digits may depend on it, as a row of up to
        32 features is predicted from the step before if that was made in the same call.
        """
        cdef Py_ssize_t n = X.shape[0], d = X.shape[1], step, part, e
        cdef const double* weight = NULL
        if d != self.sgd.n_features:
            raise ValueError("X must have n_features columns")
        if d > 1 and X.strides[1] != sizeof(x_value) or X.strides[0] % sizeof(x_value):
            raise ValueError("the values of a row of X must be contiguous")
        part = self.check(n, y, sample_weight, order, rates, trace)
        if order.shape[0] == 0:
            return
        if sample_weight is not None:
            weight = &sample_weight[0]
        step = X.strides[0] // <Py_ssize_t> sizeof(x_value)
        self.sgd.single = x_value is float
        with nogil:
            for e in range(trace.shape[0]):
                self.sgd.loss = self.sgd.objective = self.sgd.nothing = 0.0
                step_on_rows(
                    &self.sgd, &X[0, 0], step, &y[0], weight,
                    &order[e * part], part, &rates[e * part],
                )
                note(&self.sgd, &trace[e, 0])

    def step_csr(
        self, const x_value[::1] data, const index_value[::1] indices,
        const row_value[::1] indptr, const double[::1] y,
        const double[::1] sample_weight, const Py_ssize_t[::1] order,
        const double[::1] rates, double[:, ::1] trace,
    ):
        """Make a step on each of some rows of a sparse matrix.

        Parameters
        ----------
        data, indices, indptr
            The matrix, as in `add_gradient_csr`; no column twice in a row.
        y, sample_weight, order, rates, trace
            As in `step`.

        Raises
        ------
        ValueError
            If shapes disagree, or a row or a column is not there. Steps up to a row
            whose columns are not there have been made then.
        MemoryError
            If there is no room for a copy of the coefficients.

        Notes
        -----
        Time for the values that the rows store, and once for all coefficients. Releases
        the GIL.
        """
        cdef Py_ssize_t n = check_stored(data.shape[0], indices.shape[0], indptr)
        cdef Py_ssize_t part, e
        cdef const x_value* values = NULL
        cdef const index_value* columns = NULL
        cdef const double* weight = NULL
        cdef bint in_range
        part = self.check(n, y, sample_weight, order, rates, trace)
        if order.shape[0] == 0:
            return
        if sample_weight is not None:
            weight = &sample_weight[0]
        if data.shape[0] > 0:
            values, columns = &data[0], &indices[0]
        self.sgd.single = x_value is float
        if self.sgd.l1 != 0.0:
            self.sgd.pairs = <double*> malloc(
                2 * self.sgd.n_features * sizeof(double)
            )
            if self.sgd.pairs == NULL:
                raise MemoryError()
        with nogil:
            for e in range(trace.shape[0]):
                self.sgd.loss = self.sgd.objective = self.sgd.nothing = 0.0
                in_range = step_on_sparse_rows(
                    &self.sgd, values, columns, &indptr[0], &y[0], weight,
                    &order[e * part], part, &rates[e * part],
                )
                note(&self.sgd, &trace[e, 0])
                if not in_range:
                    break
            free(self.sgd.pairs)
            self.sgd.pairs = NULL
        if not in_range:
            raise ValueError("indices must be from 0 to n_features - 1")


@cython.final
@cython.auto_pickle(False)
cdef class StochasticOutputs:
    """`Stochastic` on outputs that tell a class from the rest, by one reading of X.

    Each makes the steps that it would make alone.

    Parameters
    ----------
    kind, param
        The loss, as in `add_gradient`.
    n_features : int
        Number of columns.
    coef : ndarray of float64, shape (n_features, n_sides), changed
        The coefficients without `scale`, those of a feature side by side, and zeros
        behind them up to a multiple of 4.
    mean : ndarray of float64, shape of `coef`, or None, changed
        Their means after the steps that count for them.
    paid : ndarray of float64, shape of `coef`, or None, changed
        What truncation has taken off them, zeros at first; needed where `l1` is not 0.
    intercept, mean_intercept : ndarray of float64, shape (n_outputs,)
        The intercepts to begin with, and their means.
    class_weight : ndarray of float64, shape (n_outputs,)
        Factors of the steps of an output on rows of its class.
    low : float
        The target of an output in rows of other classes, which is 1 in those of its
        own.
    rule, aggressiveness, alpha, l1, l2, intercept_rate, average_from
        As in `Stochastic`.
    t : float
        Number of the first step.

    Attributes
    ----------
    in_order : bool
        Whether slopes are rounded as scikit-learn does, see `Stochastic`.
    n_outputs : int
        How many there are.

    Raises
    ------
    ValueError
        If shapes disagree or `kind` is unknown.
    MemoryError
        If there is no memory for some values of each output.
    """
    cdef SgdOutputs sgd
    cdef double[:, ::1] coef
    cdef double[:, ::1] mean
    cdef double[:, ::1] paid

    def __init__(
        self, int kind, double param, Py_ssize_t n_features, double[:, ::1] coef,
        double[:, ::1] mean, double[:, ::1] paid, const double[::1] intercept,
        const double[::1] mean_intercept, const double[::1] class_weight, double low,
        int rule, double aggressiveness, double alpha, double l1, double l2,
        double intercept_rate, double average_from, double t,
    ):
        cdef Py_ssize_t n = intercept.shape[0], k
        if n < 1 or mean_intercept.shape[0] != n or class_weight.shape[0] != n:
            raise ValueError("intercepts and class_weight must have n_outputs values")
        if coef.shape[0] != n_features or coef.shape[1] != whole_sides(n):
            raise ValueError("coef must have shape (n_features, n_sides)")
        if mean is not None and (
            mean.shape[0] != n_features or mean.shape[1] != whole_sides(n)
        ):
            raise ValueError("mean must have the shape of coef")
        if paid is not None and (
            paid.shape[0] != n_features or paid.shape[1] != whole_sides(n)
        ):
            raise ValueError("paid must have the shape of coef")
        if n_features < 1 or n_features > INT_MAX:
            raise ValueError("n_features must be at least 1 and below 2^31")
        if (mean is None and average_from <= DBL_MAX) or (paid is None and l1 != 0.0):
            raise ValueError("mean and paid must be there where they are needed")
        self.coef = coef
        self.mean = mean
        self.paid = paid
        self.sgd.n = n
        self.sgd.width = whole_sides(n)
        self.sgd.low = low
        self.sgd.one.kind = known(kind, 1)
        self.sgd.one.param = param
        self.sgd.one.rule = rule
        self.sgd.one.in_order = False
        self.sgd.one.aggressiveness = aggressiveness
        self.sgd.one.alpha = alpha
        self.sgd.one.l1 = l1
        self.sgd.one.l2 = l2
        self.sgd.one.intercept_rate = intercept_rate
        self.sgd.one.penalized = l1 != 0.0 or l2 != 0.0
        self.sgd.one.average_from = average_from
        self.sgd.one.n_features = n_features
        self.sgd.one.w = &coef[0, 0]
        self.sgd.one.mean = NULL if mean is None else &mean[0, 0]
        self.sgd.one.paid = NULL if paid is None else &paid[0, 0]
        self.sgd.one.t = t
        self.sgd.one.scale = self.sgd.one.mean_scale = 1.0
        self.sgd.one.mean_share = self.sgd.one.owed = 0.0
        self.sgd.one.intercept = self.sgd.one.mean_intercept = 0.0
        free(self.sgd.memory)  # of an earlier call
        if not allocate_sgd(&self.sgd):
            raise MemoryError()
        for k in range(n):
            self.sgd.intercept[k] = intercept[k]
            self.sgd.mean_intercept[k] = mean_intercept[k]
            self.sgd.class_weight[k] = class_weight[k]
        measure_outputs(&self.sgd, self.sgd.size, self.sgd.square)

    def __dealloc__(self):
        free(self.sgd.memory)

    @property
    def n_outputs(self):
        return self.sgd.n

    @property
    def in_order(self):
        return self.sgd.one.in_order

    @in_order.setter
    def in_order(self, bint value):
        self.sgd.one.in_order = value

    cdef Py_ssize_t check(
        self, Py_ssize_t n_rows, const Py_ssize_t[::1] label,
        const double[::1] sample_weight, const Py_ssize_t[::1] order,
        const double[::1] rates, double[:, :, ::1] trace,
    ) except -1:
        # The number of steps of an epoch.
        cdef Py_ssize_t n_epochs = trace.shape[0], n_steps = order.shape[0]
        if (
            n_epochs < 1 or trace.shape[1] != self.sgd.n or trace.shape[2] != 4
            or n_steps % n_epochs != 0
        ):
            raise ValueError("trace must have shape (n_epochs, n_outputs, 4)")
        if label.shape[0] != n_rows:
            raise ValueError("label must have one value for each row of X")
        check_steps(n_rows, sample_weight, order, rates)
        if n_rows > 0 and not all_below(&label[0], n_rows, self.sgd.n + 1):
            raise ValueError("label must be from 0 to n_outputs")
        return n_steps // n_epochs

    def step(
        self, const x_value[:, :] X, const Py_ssize_t[::1] label,
        const double[::1] sample_weight, const Py_ssize_t[::1] order,
        const double[::1] rates, double[:, :, ::1] trace,
    ):
        """Make a step on each of some rows.

        Parameters
        ----------
        X : ndarray of float32 or float64, shape (n_samples, n_features)
            Features. The values of a row are contiguous.
        label : ndarray of intp, shape (n_samples,)
            The output of whose class a row is; n_outputs for none.
        sample_weight : ndarray of float64, shape (n_samples,), or None
            Factors of the updates; None for 1.
        order : ndarray of intp, shape (n_steps,)
            The rows to take, in this order.
        rates : ndarray of float64, shape (n_steps,)
            Learning rate of every step.
        trace : ndarray of float64, shape (n_epochs, n_outputs, 4), changed
            Of as many equal parts of the steps, and of every output, what
            `Stochastic.step` notes.

        Raises
        ------
        ValueError
            If shapes disagree, a label is out of range or a row of `order` is not
            there. Values are not inspected.
        MemoryError
            If there is no room for an index of the columns.

        Notes
        -----
        Releases the GIL. Splitting epochs over several calls gives the same models.
        """
        cdef Py_ssize_t n = X.shape[0], d = X.shape[1], part, apart, e, j
        cdef const double* weight = NULL
        cdef int32_t* every
        if d != self.sgd.one.n_features:
            raise ValueError("X must have n_features columns")
        if d > 1 and X.strides[1] != sizeof(x_value) or X.strides[0] % sizeof(x_value):
            raise ValueError("the values of a row of X must be contiguous")
        part = self.check(n, label, sample_weight, order, rates, trace)
        if part == 0:
            return
        if sample_weight is not None:
            weight = &sample_weight[0]
        apart = X.strides[0] // <Py_ssize_t> sizeof(x_value)
        every = <int32_t*> malloc(d * sizeof(int32_t))
        if every == NULL:
            raise MemoryError()
        self.sgd.one.single = x_value is float
        self.sgd.whole = True
        with nogil:
            for j in range(d):
                every[j] = <int32_t> j
            for e in range(trace.shape[0]):
                begin_epoch(&self.sgd)
                step_outputs_on_rows(
                    &self.sgd, &X[0, 0], apart, every, &label[0], weight,
                    &order[e * part], part, &rates[e * part],
                )
                note_outputs(&self.sgd, &trace[e, 0, 0])
            free(every)

    def step_csr(
        self, const x_value[::1] data, const index_value[::1] indices,
        const row_value[::1] indptr, const Py_ssize_t[::1] label,
        const double[::1] sample_weight, const Py_ssize_t[::1] order,
        const double[::1] rates, double[:, :, ::1] trace,
    ):
        """Make a step on each of some rows of a sparse matrix.

        Parameters
        ----------
        data, indices, indptr
            The matrix, as in `add_gradient_csr`; no column twice in a row.
        label, sample_weight, order, rates, trace
            As in `step`.

        Raises
        ------
        ValueError
            If shapes disagree, a label is out of range, or a row or a column is not
            there. Steps up to a row whose columns are not there have been made then.

        Notes
        -----
        Time for the values that the rows store, and once an epoch for all coefficients.
        Releases the GIL.
        """
        cdef Py_ssize_t n = check_stored(data.shape[0], indices.shape[0], indptr)
        cdef Py_ssize_t part, e
        cdef const x_value* values = NULL
        cdef const index_value* columns = NULL
        cdef const double* weight = NULL
        cdef bint in_range = True
        part = self.check(n, label, sample_weight, order, rates, trace)
        if part == 0:
            return
        if sample_weight is not None:
            weight = &sample_weight[0]
        if data.shape[0] > 0:
            values, columns = &data[0], &indices[0]
        self.sgd.one.single = x_value is float
        self.sgd.whole = False
        with nogil:
            for e in range(trace.shape[0]):
                begin_epoch(&self.sgd)
                in_range = step_outputs_on_sparse_rows(
                    &self.sgd, values, columns, &indptr[0], &label[0], weight,
                    &order[e * part], part, &rates[e * part],
                )
                note_outputs(&self.sgd, &trace[e, 0, 0])
                if not in_range:
                    break
        if not in_range:
            raise ValueError("indices must be from 0 to n_features - 1")

    cdef int check_output(self, Py_ssize_t output, Py_ssize_t n_coef) except -1:
        if not 0 <= output < self.sgd.n:
            raise ValueError("output must be from 0 to n_outputs - 1")
        if n_coef != self.sgd.one.n_features:
            raise ValueError("coef and mean must have n_features values")
        return 0

    def model(self, Py_ssize_t output, double[::1] coef, double[::1] mean):
        """Look at an output.

        Parameters
        ----------
        output : int
            Its number.
        coef : ndarray of float64, shape (n_features,), changed
            Becomes its coefficients.
        mean : ndarray of float64, shape (n_features,), or None, changed
            Becomes their mean.

        Returns
        -------
        intercept, mean_intercept : float
            The intercept, and the mean of it.

        Raises
        ------
        ValueError
            If there is no such output, or shapes disagree.
        """
        self.check_output(output, coef.shape[0])
        if mean is not None and mean.shape[0] != coef.shape[0]:
            raise ValueError("coef and mean must have n_features values")
        if mean is not None and self.sgd.one.mean == NULL:
            raise ValueError("there are no means")
        take(
            &self.sgd, output, self.sgd.one.scale, &coef[0],
            NULL if mean is None else &mean[0],
        )
        return self.sgd.intercept[output], self.sgd.mean_intercept[output]

    def stored(self, Py_ssize_t output, double[::1] coef):
        """Look at the coefficients of an output without the factor of all of them.

        Parameters
        ----------
        output : int
            Its number.
        coef : ndarray of float64, shape (n_features,), changed
            Becomes its coefficients without the factor.

        Returns
        -------
        float
            Its intercept.

        Raises
        ------
        ValueError
            If there is no such output, or shapes disagree.
        """
        self.check_output(output, coef.shape[0])
        take(&self.sgd, output, 1.0, &coef[0], NULL)
        return self.sgd.intercept[output]

    def drop(self, Py_ssize_t output):
        """Go on without an output; the numbers of those behind it fall by one.

        Parameters
        ----------
        output : int
            Its number, not of the only one.

        Raises
        ------
        ValueError
            If there is no such output.
        """
        if not 0 <= output < self.sgd.n or self.sgd.n == 1:
            raise ValueError("output must be from 0 to n_outputs - 1, and not alone")
        with nogil:
            drop(&self.sgd, output)
