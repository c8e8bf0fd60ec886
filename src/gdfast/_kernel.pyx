"""Sum the per-example gradients and apply the update, compiled.

Design, with the reason for each point:

(a) A pass walks blocks of rows that stay in the first-level cache: z = X coef + b, then
    loss and slope of every row, then gradient += slope X. X is read from memory once.
(b) The choice of loss is made once per block and never per example; there is no
    function pointer and no Python call inside a loop.
(c) All arithmetic is in double, whatever X holds: float32 values are widened as a block
    is loaded, so a million float32 rows lose no digits, and only the loading of a
    block knows the type of X and y.
(d) Rows of at most `NARROW` features are turned into columns as they are loaded, so
    that every loop below runs over rows and fills the vector registers also at d = 1.
(e) Sums that gcc may not reorder are written with eight partial sums: they vectorise
    without -ffast-math and give the same bits at every optimisation level.
(f) No learning-rate schedule, no stopping rule and no output: rates come in as an
    array, what every step saw goes out as an array (`trace`).
(g) The intercept is fitted when `params` has one value more than X has columns; it is
    the last one.

`gdfast._reference` holds the same functions in NumPy, written to be read.
"""
from libc.math cimport fabs
from libc.stdlib cimport free, malloc

from gdfast._losses cimport (
    SQUARED_ERROR, HALF_SQUARED_ERROR, N_LOSSES,
    half_squared_error, half_squared_error_slope, squared_error, squared_error_slope,
)

ctypedef fused x_value:
    float
    double

ctypedef fused y_value:
    float
    double

cdef enum:
    BLOCK_VALUES = 4096  # of a block, as doubles: 32 KiB
    MAX_BLOCK_ROWS = 504  # not 512: columns 4 KiB apart share cache sets
    MIN_BLOCK_ROWS = 4   # rows that `add_rows` takes at once
    NARROW = 8           # features; wider rows fill the registers by themselves

cdef struct Data:
    # A chunk of examples as the caller holds it. Steps are in bytes.
    const char* X
    Py_ssize_t x_step
    bint x_single        # float32, else float64
    const char* y
    Py_ssize_t y_step
    bint y_single
    const double* sample_weight  # NULL: every row weighs 1
    const double* center         # NULL: columns are taken as they are
    const double* scale
    Py_ssize_t n_rows
    Py_ssize_t n_features

cdef struct Block:
    # Some rows in double, ready for the loops; `x` and `y` may point into X and y.
    Py_ssize_t n_rows
    Py_ssize_t max_rows
    const double* x
    Py_ssize_t step      # doubles from one row to the next; narrow: one column
    const double* y
    double* x_memory     # where they are put when they cannot be used in place
    double* y_memory
    double* z
    double* loss
    double* slope


cdef inline bint is_narrow(const Data* data) noexcept nogil:
    return data.n_features <= NARROW


cdef inline bint is_ready(const Data* data) noexcept nogil:
    # Whether the loops can read X where it is.
    if data.x_single or data.center != NULL:
        return False
    return not is_narrow(data) or (
        data.n_features == 1 and data.x_step == sizeof(double)
    )


cdef bint allocate(Block* block, const Data* data) noexcept nogil:
    # One piece of memory for all that a pass needs; False when there is none.
    cdef Py_ssize_t copied = 0 if is_ready(data) else data.n_features
    cdef Py_ssize_t rows = BLOCK_VALUES // data.n_features
    rows = max(MIN_BLOCK_ROWS, min(MAX_BLOCK_ROWS, rows))
    rows = min(rows, data.n_rows)
    block.x_memory = <double*> malloc((copied + 4) * rows * sizeof(double))
    if block.x_memory == NULL:
        return False
    block.max_rows = rows
    block.y_memory = block.x_memory + copied * rows
    block.z = block.y_memory + rows
    block.loss = block.z + rows
    block.slope = block.loss + rows
    return True


cdef void load_values(
    const x_value* first, const Data* data, Block* block
) noexcept nogil:
    # Copy rows into the block as doubles, centred and scaled where asked.
    cdef Py_ssize_t i, j, d = data.n_features
    cdef Py_ssize_t step = data.x_step // <Py_ssize_t> sizeof(x_value)
    cdef double* to = block.x_memory
    cdef const x_value* values
    cdef double center, scale
    if is_narrow(data):
        block.step = block.max_rows
        for j in range(d):
            values = first + j
            if data.center == NULL:
                for i in range(block.n_rows):
                    to[i] = values[i * step]
            else:
                center = data.center[j]
                scale = data.scale[j]
                for i in range(block.n_rows):
                    to[i] = (values[i * step] - center) * scale
            to += block.step
    else:
        block.step = d
        for i in range(block.n_rows):
            values = first + i * step
            if data.center == NULL:
                for j in range(d):
                    to[j] = values[j]
            else:
                for j in range(d):
                    to[j] = (values[j] - data.center[j]) * data.scale[j]
            to += d
    block.x = block.x_memory


cdef void load_block(const Data* data, Py_ssize_t start, Block* block) noexcept nogil:
    # Bring in the rows from `start` on: as many as a block holds.
    cdef Py_ssize_t i
    cdef const char* X = data.X + start * data.x_step
    cdef const char* y = data.y + start * data.y_step
    block.n_rows = min(block.max_rows, data.n_rows - start)
    if is_ready(data):
        block.x = <const double*> X
        block.step = data.x_step // <Py_ssize_t> sizeof(double)
    elif data.x_single:
        load_values(<const float*> X, data, block)
    else:
        load_values(<const double*> X, data, block)
    if not data.y_single and data.y_step == sizeof(double):
        block.y = <const double*> y
        return
    block.y = block.y_memory
    for i in range(block.n_rows):
        if data.y_single:
            block.y_memory[i] = (<const float*> (y + i * data.y_step))[0]
        else:
            block.y_memory[i] = (<const double*> (y + i * data.y_step))[0]


cdef inline double fold(const double* part) noexcept nogil:
    # The sum of eight partial sums.
    return (
        ((part[0] + part[4]) + (part[2] + part[6]))
        + ((part[1] + part[5]) + (part[3] + part[7]))
    )


cdef double dot(const double* a, const double* b, Py_ssize_t n) noexcept nogil:
    # Sum of a[i] b[i] in eight partial sums.
    cdef double[8] part
    cdef double rest = 0.0
    cdef Py_ssize_t i, k
    for k in range(8):
        part[k] = 0.0
    for i in range(0, n - 7, 8):
        for k in range(8):
            part[k] += a[i + k] * b[i + k]
    for i in range(n - n % 8, n):
        rest += a[i] * b[i]
    return fold(part) + rest


cdef double total(const double* a, Py_ssize_t n) noexcept nogil:
    # Sum of a[i] in eight partial sums.
    cdef double[8] part
    cdef double rest = 0.0
    cdef Py_ssize_t i, k
    for k in range(8):
        part[k] = 0.0
    for i in range(0, n - 7, 8):
        for k in range(8):
            part[k] += a[i + k]
    for i in range(n - n % 8, n):
        rest += a[i]
    return fold(part) + rest


cdef void predict_rows(
    const Block* block, const double* coef, double intercept, Py_ssize_t d
) noexcept nogil:
    # z = x . coef + intercept of every row.
    cdef Py_ssize_t i, j
    cdef const double* column
    cdef double* z = block.z
    if d > NARROW:
        for i in range(block.n_rows):
            z[i] = dot(block.x + i * block.step, coef, d) + intercept
        return
    for i in range(block.n_rows):
        z[i] = block.x[i] * coef[0] + intercept
    for j in range(1, d):
        column = block.x + j * block.step
        for i in range(block.n_rows):
            z[i] += column[i] * coef[j]


cdef void slope_rows(
    int kind, const Block* block, const double* sample_weight
) noexcept nogil:
    # Loss and slope of every row, times its weight.
    cdef Py_ssize_t i, n = block.n_rows
    cdef const double* y = block.y
    cdef const double* z = block.z
    cdef double* loss = block.loss
    cdef double* slope = block.slope
    if kind == SQUARED_ERROR:
        for i in range(n):
            loss[i] = squared_error(z[i], y[i])
            slope[i] = squared_error_slope(z[i], y[i])
    elif kind == HALF_SQUARED_ERROR:
        for i in range(n):
            loss[i] = half_squared_error(z[i], y[i])
            slope[i] = half_squared_error_slope(z[i], y[i])
    if sample_weight != NULL:
        for i in range(n):
            loss[i] *= sample_weight[i]
            slope[i] *= sample_weight[i]


cdef void add_rows(const Block* block, Py_ssize_t d, double* gradient) noexcept nogil:
    # gradient += sum of slope x, four rows at a time so that gradient is read less.
    cdef Py_ssize_t i, j, n = block.n_rows
    cdef const double* slope = block.slope
    cdef const double* x0
    cdef const double* x1
    cdef const double* x2
    cdef const double* x3
    if d <= NARROW:
        for j in range(d):
            gradient[j] += dot(block.x + j * block.step, slope, n)
        return
    for i in range(0, n - 3, 4):
        x0 = block.x + i * block.step
        x1 = x0 + block.step
        x2 = x1 + block.step
        x3 = x2 + block.step
        for j in range(d):
            gradient[j] += (
                (slope[i] * x0[j] + slope[i + 1] * x1[j])
                + (slope[i + 2] * x2[j] + slope[i + 3] * x3[j])
            )
    for i in range(n - n % 4, n):
        x0 = block.x + i * block.step
        for j in range(d):
            gradient[j] += slope[i] * x0[j]


cdef double add_pass(
    int kind, const Data* data, Block* block,
    const double* params, double* gradient, bint fit_intercept,
) noexcept nogil:
    # One pass over the data: adds to gradient, returns the sum of the losses.
    cdef Py_ssize_t d = data.n_features, start = 0
    cdef double loss_sum = 0.0
    cdef double intercept = params[d] if fit_intercept else 0.0
    cdef const double* weight = NULL
    while start < data.n_rows:
        load_block(data, start, block)
        if data.sample_weight != NULL:
            weight = data.sample_weight + start
        predict_rows(block, params, intercept, d)
        slope_rows(kind, block, weight)
        add_rows(block, d, gradient)
        if fit_intercept:
            gradient[d] += total(block.slope, block.n_rows)
        loss_sum += total(block.loss, block.n_rows)
        start += block.n_rows
    return loss_sum


cdef double weight_sum(const Data* data) noexcept nogil:
    if data.sample_weight == NULL:
        return <double> data.n_rows
    return total(data.sample_weight, data.n_rows)


cdef double largest(const double* values, Py_ssize_t n) noexcept nogil:
    # max |values[i]|; NaN when there is one.
    cdef Py_ssize_t i
    cdef double result = 0.0, size
    for i in range(n):
        size = fabs(values[i])
        if size > result or size != size:
            result = size
    return result


cdef double update(
    double* params, const double* gradient, Py_ssize_t n, double rate
) noexcept nogil:
    # params -= rate * gradient; returns the largest change of a parameter.
    cdef Py_ssize_t i
    cdef double before, change, result = 0.0
    for i in range(n):
        before = params[i]
        params[i] = before - rate * gradient[i]
        change = fabs(params[i] - before)
        if change > result or change != change:
            result = change
    return result


cdef Data describe(
    const x_value[:, :] X, const y_value[:] y,
    const double[::1] sample_weight, const double[:, ::1] columns,
) except *:
    # The pointers of one chunk, after the shapes have been compared.
    cdef Data data
    cdef Py_ssize_t n = X.shape[0], d = X.shape[1]
    if n == 0 or d == 0:
        raise ValueError("X must have at least one row and one column")
    if d > 1 and X.strides[1] != sizeof(x_value):
        raise ValueError("the values of a row of X must be contiguous")
    if y.shape[0] != n:
        raise ValueError("y must have one value for each row of X")
    if sample_weight is not None and sample_weight.shape[0] != n:
        raise ValueError("sample_weight must have one value for each row of X")
    if columns is not None and (columns.shape[0] != 2 or columns.shape[1] != d):
        raise ValueError("columns must have shape (2, n_features)")
    data.X = <const char*> &X[0, 0]
    data.x_step = X.strides[0]
    data.x_single = x_value is float
    data.y = <const char*> &y[0]
    data.y_step = y.strides[0]
    data.y_single = y_value is float
    data.n_rows = n
    data.n_features = d
    data.sample_weight = NULL
    if sample_weight is not None:
        data.sample_weight = &sample_weight[0]
    data.center = data.scale = NULL
    if columns is not None:
        data.center = &columns[0, 0]
        data.scale = &columns[1, 0]
    return data


cdef bint has_intercept(Py_ssize_t n_params, Py_ssize_t n_features) except -1:
    if n_params != n_features and n_params != n_features + 1:
        raise ValueError(
            "params must have n_features values, or one more for the intercept"
        )
    return n_params != n_features


cdef int known(int kind) except -1:
    if not 0 <= kind < N_LOSSES:
        raise ValueError(f"unknown loss number {kind}")
    return kind


def add_gradient(
    int kind, const x_value[:, :] X, const y_value[:] y,
    const double[::1] sample_weight, const double[:, ::1] columns,
    const double[::1] params, double[::1] gradient,
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
    X : ndarray of float32 or float64, shape (n_samples, n_features)
        Features. The values of a row are contiguous, rows may be any step apart;
        read-only arrays and memory maps are accepted.
    y : ndarray of float32 or float64, shape (n_samples,)
        Targets.
    sample_weight : ndarray of float64, shape (n_samples,), or None
        Non-negative weights; None weighs every row 1.
    columns : ndarray of float64, shape (2, n_features), or None
        Centres and factors: the features are ``(X - columns[0]) * columns[1]``.
    params : ndarray of float64, shape (n_features,) or (n_features + 1,)
        Where the gradient is taken: coefficients, then the intercept if it has one.
    gradient : ndarray of float64, shape of `params`, changed
        The running sum.

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
        If there is no scratch memory: some 16 KiB and, where X cannot be read in
        place, 32 KiB or four rows of doubles, whichever is more.

    Notes
    -----
    4 n_samples n_features floating-point operations; `X` is read from memory once.
    Releases the GIL; may be called from several threads with different `gradient`.

    Examples
    --------
    >>> g = np.zeros(3)
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> add_gradient(0, X, np.ones(2), None, None, np.zeros(3), g)
    (2.0, 2.0)
    >>> g
    array([ -8., -12.,  -4.])
    """
    cdef Data data = describe(X, y, sample_weight, columns)
    cdef bint fit_intercept = has_intercept(params.shape[0], data.n_features)
    cdef Block block
    cdef double loss_sum
    known(kind)
    if gradient.shape[0] != params.shape[0]:
        raise ValueError("gradient must have the shape of params")
    if not allocate(&block, &data):
        raise MemoryError()
    with nogil:
        loss_sum = add_pass(
            kind, &data, &block, &params[0], &gradient[0], fit_intercept
        )
        free(block.x_memory)
    return loss_sum, weight_sum(&data)


def apply_update(double[::1] params, const double[::1] gradient, double rate):
    """Take one step downhill: ``params -= rate * gradient``.

    Parameters
    ----------
    params : ndarray of float64, shape (n_params,), changed
        The parameters.
    gradient : ndarray of float64, shape (n_params,)
        Gradient of the mean loss at `params`.
    rate : float
        Learning rate.

    Returns
    -------
    change : float
        Largest absolute change of a parameter; NaN when one became NaN.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> params = np.array([1.0, 2.0])
    >>> apply_update(params, np.array([1.0, -4.0]), 0.5)
    2.0
    >>> params
    array([0.5, 4. ])
    """
    if params.shape[0] == 0 or gradient.shape[0] != params.shape[0]:
        raise ValueError("gradient must have the shape of params")
    return update(&params[0], &gradient[0], params.shape[0], rate)


def descend(
    int kind, const x_value[:, :] X, const y_value[:] y,
    const double[::1] sample_weight, const double[:, ::1] columns,
    double[::1] params, const double[::1] rates,
    double[:, ::1] trace, double[:, ::1] path,
):
    """Make ``len(rates)`` full-batch steps of gradient descent in one call.

    Each step sums the gradients of all examples, divides by the sum of the weights,
    notes what it saw and then updates: ``params -= rates[t] * gradient``.

    Parameters
    ----------
    kind, X, y, sample_weight, columns
        The loss and the examples, as in `add_gradient`.
    params : ndarray of float64, shape (n_features,) or (n_features + 1,), changed
        Coefficients, then the intercept if one is fitted.
    rates : ndarray of float64, shape (n_steps,)
        Learning rate of every step.
    trace : ndarray of float64, shape (n_steps, 3), changed
        Of every step: mean loss and max |gradient| before its update, and the largest
        change of a parameter by it.
    path : ndarray of float64, shape (n_steps, n_params), or None, changed
        The parameters before every update.

    Raises
    ------
    ValueError
        If shapes disagree or `kind` is unknown. Values are not inspected.
    MemoryError
        If there is no scratch memory.

    Notes
    -----
    4 n_samples n_features operations and one reading of `X` a step. Releases the GIL.
    Splitting the steps over several calls gives the same bits.

    Examples
    --------
    >>> X = np.array([[1.0], [2.0]]); y = np.array([2.0, 4.0])
    >>> params = np.zeros(1); trace = np.empty((2, 3))
    >>> descend(0, X, y, None, None, params, np.array([0.1, 0.1]), trace, None)
    >>> params
    array([1.5])
    >>> trace
    array([[10. , 10. ,  1. ],
           [ 2.5,  5. ,  0.5]])
    """
    cdef Data data = describe(X, y, sample_weight, columns)
    cdef Py_ssize_t n_params = params.shape[0], n_steps = rates.shape[0], t, j
    cdef bint fit_intercept = has_intercept(n_params, data.n_features)
    cdef Block block
    cdef double* gradient
    cdef double* at = &params[0]
    cdef double weights
    known(kind)
    if trace.shape[0] != n_steps or trace.shape[1] != 3:
        raise ValueError("trace must have shape (n_steps, 3)")
    if path is not None and (path.shape[0] != n_steps or path.shape[1] != n_params):
        raise ValueError("path must have shape (n_steps, n_params)")
    gradient = <double*> malloc(n_params * sizeof(double))
    if gradient == NULL or not allocate(&block, &data):
        free(gradient)
        raise MemoryError()
    with nogil:
        weights = weight_sum(&data)
        for t in range(n_steps):
            for j in range(n_params):
                gradient[j] = 0.0
            trace[t, 0] = add_pass(
                kind, &data, &block, at, gradient, fit_intercept
            ) / weights
            for j in range(n_params):
                gradient[j] /= weights
            trace[t, 1] = largest(gradient, n_params)
            if path is not None:
                for j in range(n_params):
                    path[t, j] = at[j]
            trace[t, 2] = update(at, gradient, n_params, rates[t])
        free(gradient)
        free(block.x_memory)
