# Several outputs from one reading of sparse rows. Parameters and gradient have the
# outputs of a feature side by side, so that a stored value touches one run of memory.

from libc.stdlib cimport calloc

from gdfast._blocks cimport (
    Data, Work, fold_lanes, load_targets, spread_targets, whole_lanes, x_value,
)
from gdfast._outputs cimport slope_outputs
from gdfast._simd cimport LANES, WIDTH, load, prefetch_far, splat, store, vec
from gdfast._sparse cimport BLOCK_STORED, all_below, choose_rows, index_value, row_value

cdef enum:
    MAX_ROWS = 256     # of a block, fewer than of one output as each has more values
    MAX_VECTORS = 5    # of outputs whose sums stay in registers
    MAX_SINGLE = 3     # outputs that are left and do not fill a vector
    ROWS_AHEAD = 2     # whose coefficients are asked for where these are so many
    FAR_VALUES = 1 << 19  # that they lie beyond the second-level cache


cdef inline bint allocate_sparse_outputs(Work* work, const Data* data) noexcept nogil:
    # One piece of memory for all that a pass needs; False when there is none.
    cdef Py_ssize_t n = data.n_outputs, lanes
    work.max_rows = min(data.n_rows, MAX_ROWS)
    work.max_stored = BLOCK_STORED
    work.lanes = lanes = whole_lanes(work.max_rows) + LANES
    work.memory = <double*> calloc(
        (1 + n) * LANES + (3 * n + 1) * lanes + n, sizeof(double)
    )
    if work.memory == NULL:
        return False
    work.loss_sum = work.memory
    work.slope_sum = work.loss_sum + LANES
    work.z = work.slope_sum + n * LANES
    work.slope = work.z + n * lanes
    work.y_memory = work.slope + n * lanes
    work.weight_memory = work.y_memory + n * lanes
    work.x_memory = work.weight_memory + lanes  # slopes of the outputs of one row
    return True


cdef inline void predict_some(
    const x_value* x, const index_value* index, Py_ssize_t n_stored,
    const double* coef, const double* intercept, Py_ssize_t n_outputs,
    int n_vectors, int n_single, double* to,
) noexcept nogil:
    # x . coef + intercept of one row and some outputs.
    cdef Py_ssize_t s
    cdef int k
    cdef vec scalar
    cdef vec[MAX_VECTORS] part
    cdef double[MAX_SINGLE] single
    cdef const double* row
    for k in range(n_vectors):
        part[k] = splat(0.0) if intercept == NULL else load(intercept + k * WIDTH)
    for k in range(n_single):
        single[k] = 0.0 if intercept == NULL else intercept[k]
    for s in range(n_stored):
        row = coef + index[s] * n_outputs
        scalar = splat(<double> x[s])
        for k in range(n_vectors):
            part[k] += scalar * load(row + k * WIDTH)
        for k in range(n_single):
            single[k] += <double> x[s] * row[k]
    for k in range(n_vectors):
        store(to + k * WIDTH, part[k])
    for k in range(n_single):
        to[k] = single[k]


cdef inline void scatter_some(
    const x_value* x, const index_value* index, Py_ssize_t n_stored,
    const double* slope, Py_ssize_t n_outputs, int n_vectors, int n_single,
    double* gradient,
) noexcept nogil:
    # gradient += slope x of one row and some outputs.
    cdef Py_ssize_t s
    cdef int k
    cdef vec scalar
    cdef vec[MAX_VECTORS] part
    cdef double[MAX_SINGLE] single
    cdef double* row
    for k in range(n_vectors):
        part[k] = load(slope + k * WIDTH)
    for k in range(n_single):
        single[k] = slope[k]
    for s in range(n_stored):
        row = gradient + index[s] * n_outputs
        scalar = splat(<double> x[s])
        for k in range(n_vectors):
            store(row + k * WIDTH, load(row + k * WIDTH) + scalar * part[k])
        for k in range(n_single):
            row[k] += <double> x[s] * single[k]


cdef inline void come_near(
    const index_value* index, const row_value* row, Py_ssize_t n_rows,
    const double* values, Py_ssize_t n_outputs,
) noexcept nogil:
    # Ask for the coefficients, or the gradient, of a row that follows the first one.
    cdef Py_ssize_t s, k
    cdef const double* at
    if ROWS_AHEAD >= n_rows:
        return
    for s in range(row[ROWS_AHEAD], row[ROWS_AHEAD + 1]):
        at = values + index[s] * n_outputs
        k = 0
        while k < n_outputs:
            prefetch_far(at + k)
            k += LANES
        prefetch_far(at + n_outputs - 1)  # which may be on a further line


cdef inline void predict_row(
    const x_value* x, const index_value* index, Py_ssize_t n_stored,
    const double* coef, const double* intercept, Py_ssize_t n, double* to,
) noexcept nogil:
    # The same for all outputs, some at a time.
    cdef Py_ssize_t o = 0
    cdef const double* b = intercept
    while o < n:
        if intercept != NULL:
            b = intercept + o
        if n - o >= 5 * WIDTH:
            predict_some(x, index, n_stored, coef + o, b, n, 5, 0, to + o)
            o += 5 * WIDTH
        elif n - o >= 3 * WIDTH:
            predict_some(x, index, n_stored, coef + o, b, n, 3, 0, to + o)
            o += 3 * WIDTH
        elif n - o >= 2 * WIDTH:
            predict_some(x, index, n_stored, coef + o, b, n, 2, 0, to + o)
            o += 2 * WIDTH
        elif n - o >= WIDTH:
            predict_some(x, index, n_stored, coef + o, b, n, 1, 0, to + o)
            o += WIDTH
        elif n - o == 3:
            predict_some(x, index, n_stored, coef + o, b, n, 0, 3, to + o)
            o += 3
        elif n - o == 2:
            predict_some(x, index, n_stored, coef + o, b, n, 0, 2, to + o)
            o += 2
        else:
            predict_some(x, index, n_stored, coef + o, b, n, 0, 1, to + o)
            o += 1


cdef inline void scatter_row(
    const x_value* x, const index_value* index, Py_ssize_t n_stored,
    const double* slope, Py_ssize_t n, double* gradient,
) noexcept nogil:
    # The same for all outputs, some at a time.
    cdef Py_ssize_t o = 0
    while o < n:
        if n - o >= 5 * WIDTH:
            scatter_some(x, index, n_stored, slope + o, n, 5, 0, gradient + o)
            o += 5 * WIDTH
        elif n - o >= 3 * WIDTH:
            scatter_some(x, index, n_stored, slope + o, n, 3, 0, gradient + o)
            o += 3 * WIDTH
        elif n - o >= 2 * WIDTH:
            scatter_some(x, index, n_stored, slope + o, n, 2, 0, gradient + o)
            o += 2 * WIDTH
        elif n - o >= WIDTH:
            scatter_some(x, index, n_stored, slope + o, n, 1, 0, gradient + o)
            o += WIDTH
        elif n - o == 3:
            scatter_some(x, index, n_stored, slope + o, n, 0, 3, gradient + o)
            o += 3
        elif n - o == 2:
            scatter_some(x, index, n_stored, slope + o, n, 0, 2, gradient + o)
            o += 2
        else:
            scatter_some(x, index, n_stored, slope + o, n, 0, 1, gradient + o)
            o += 1


cdef inline bint add_sparse_outputs(
    int kind, double param, const x_value* x, const index_value* index,
    const row_value* row, const Data* data, Work* work, const double* params,
    bint fit_intercept, double* gradient,
) noexcept nogil:
    # One pass over the rows: adds to gradient; False at an index out of range.
    cdef Py_ssize_t start = 0, n = data.n_outputs, i, k, o
    cdef const double* intercept = NULL
    cdef const row_value* here
    cdef double* at = work.x_memory
    cdef bint far = data.n_features * n >= FAR_VALUES
    if fit_intercept:
        intercept = params + data.n_features * n
    while start < data.n_rows:
        choose_rows(row, data, start, work)
        here = row + start
        k = here[0]
        if not all_below(index + k, here[work.n_rows] - k, data.n_features):
            return False
        for i in range(work.n_rows):
            if far:
                come_near(index, here + i, work.n_rows - i, params, n)
            k = here[i]
            predict_row(x + k, index + k, here[i + 1] - k, params, intercept, n, at)
            for o in range(n):
                work.z[o * work.lanes + i] = at[o]
        for i in range(work.n_rows, whole_lanes(work.n_rows)):
            for o in range(n):
                work.z[o * work.lanes + i] = 0.0  # weighs nothing
        load_targets(data, start, work)
        spread_targets(data, start, work)
        slope_outputs(kind, param, data, work)
        for i in range(work.n_rows):
            for o in range(n):
                at[o] = work.slope[o * work.lanes + i]
            if far:
                come_near(index, here + i, work.n_rows - i, gradient, n)
            k = here[i]
            scatter_row(x + k, index + k, here[i + 1] - k, at, n, gradient)
        start += work.n_rows
    if fit_intercept:
        for o in range(n):
            gradient[data.n_features * n + o] += fold_lanes(work.slope_sum + o * LANES)
    return True
