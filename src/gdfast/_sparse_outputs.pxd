# Several outputs from one reading of sparse rows. Parameters and gradient have the
# outputs of a feature side by side, so that a stored value touches one run of memory.

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc
from libc.string cimport memset

from gdfast._blocks cimport (
    Data, Work, fold_lanes, gather_targets, load_targets, spread_targets,
    whole_lanes, x_value,
)
from gdfast._outputs cimport slope_outputs
from gdfast._simd cimport (
    LANES, WIDTH, load, prefetch_far, splat, store, vec,
)
from gdfast._sparse cimport (
    PLACES_AHEAD, all_below, choose_rows, foresee_row, index_value, row_at, row_value,
)

cdef enum:
    MAX_ROWS = 256     # of a block, fewer than of one output as each has more values
    MAX_VECTORS = 5    # of outputs whose sums stay in registers
    MAX_SINGLE = 3     # outputs that are left and do not fill a vector
    STORED_AHEAD = 8   # rows of an order that are asked for ahead


cdef inline bint allocate_sparse_outputs(
    Work* work, Py_ssize_t n_rows, Py_ssize_t n_outputs, Py_ssize_t max_stored
) noexcept nogil:
    # One piece of memory for all that a pass needs; False when there is none.
    cdef Py_ssize_t n = n_outputs, lanes
    work.max_rows = min(n_rows, MAX_ROWS)
    work.max_stored = max_stored
    work.lanes = lanes = whole_lanes(work.max_rows) + LANES
    work.memory = <double*> calloc(
        2 * n * LANES + (3 * n + 1) * lanes + 2 * n, sizeof(double)
    )
    if work.memory == NULL:
        return False
    work.loss_sum = work.memory
    work.slope_sum = work.loss_sum + n * LANES
    work.z = work.slope_sum + n * LANES
    work.slope = work.z + n * lanes
    work.y_memory = work.slope + n * lanes
    work.weight_memory = work.y_memory + n * lanes
    work.x_memory = work.weight_memory + lanes  # two values of each output
    return True


cdef inline void predict_some(
    const x_value* x, const index_value* index, Py_ssize_t n_stored,
    const double* coef, const double* first, Py_ssize_t n_outputs, int n_vectors,
    int n_single, double* to,
) noexcept nogil:
    # x . coef + first of one row and some outputs.
    cdef Py_ssize_t s
    cdef int k
    cdef vec scalar
    cdef vec[MAX_VECTORS] part
    cdef double[MAX_SINGLE] single
    cdef const double* row
    for k in range(n_vectors):
        part[k] = load(first + k * WIDTH)
    for k in range(n_single):
        single[k] = first[k]
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


cdef inline void predict_row(
    const x_value* x, const index_value* index, Py_ssize_t n_stored,
    const double* coef, const double* first, Py_ssize_t n, double* to,
) noexcept nogil:
    # The same for all outputs.
    cdef Py_ssize_t o = 0
    while o < n:
        if n - o >= 5 * WIDTH:
            predict_some(
                x, index, n_stored, coef + o, first + o, n, 5, 0, to + o
            )
            o += 5 * WIDTH
        elif n - o >= 3 * WIDTH:
            predict_some(
                x, index, n_stored, coef + o, first + o, n, 3, 0, to + o
            )
            o += 3 * WIDTH
        elif n - o >= 2 * WIDTH:
            predict_some(
                x, index, n_stored, coef + o, first + o, n, 2, 0, to + o
            )
            o += 2 * WIDTH
        elif n - o >= WIDTH:
            predict_some(
                x, index, n_stored, coef + o, first + o, n, 1, 0, to + o
            )
            o += WIDTH
        elif n - o == 3:
            predict_some(
                x, index, n_stored, coef + o, first + o, n, 0, 3, to + o
            )
            o += 3
        elif n - o == 2:
            predict_some(
                x, index, n_stored, coef + o, first + o, n, 0, 2, to + o
            )
            o += 2
        else:
            predict_some(
                x, index, n_stored, coef + o, first + o, n, 0, 1, to + o
            )
            o += 1


cdef inline void scatter_some(
    const x_value* x, const index_value* index, Py_ssize_t n_stored,
    const double* slope, Py_ssize_t n_outputs, int n_vectors, int n_single,
    double* total, double* square, bint squares,
) noexcept nogil:
    # total += slope x of one row and some outputs. If that is asked for, square of each
    # output += what that adds to the sum of the squares.
    cdef Py_ssize_t s
    cdef int k
    cdef vec scalar, before, more
    cdef vec[MAX_VECTORS] part
    cdef vec[MAX_VECTORS] grown
    cdef double[MAX_SINGLE] single
    cdef double* row
    cdef double one_more
    for k in range(n_vectors):
        part[k] = load(slope + k * WIDTH)
        if squares:
            grown[k] = load(square + k * WIDTH)
    for k in range(n_single):
        single[k] = slope[k]
    for s in range(n_stored):
        row = total + index[s] * n_outputs
        scalar = splat(<double> x[s])
        for k in range(n_vectors):
            before = load(row + k * WIDTH)
            more = scalar * part[k]
            store(row + k * WIDTH, before + more)
            if squares:
                grown[k] += more * (before + before + more)
        for k in range(n_single):
            one_more = <double> x[s] * single[k]
            if squares:
                square[n_vectors * WIDTH + k] += one_more * (
                    row[k] + row[k] + one_more
                )
            row[k] += one_more
    if squares:
        for k in range(n_vectors):
            store(square + k * WIDTH, grown[k])


cdef inline bint is_zero(const double* slope, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t o
    for o in range(n):
        if slope[o] != 0.0:
            return False
    return True


cdef inline bint has_few(const double* slope, Py_ssize_t n) noexcept nogil:
    # Whether most vectors of slopes are zero.
    cdef Py_ssize_t o = 0, zeros = 0
    while o < n:
        zeros += is_zero(slope + o, min(WIDTH, n - o))
        o += WIDTH
    return 2 * zeros * WIDTH > n


cdef inline void scatter_row(
    const x_value* x, const index_value* index, Py_ssize_t n_stored,
    const double* slope, Py_ssize_t n, double* to, double* square, bint squares,
) noexcept nogil:
    # The same for all outputs, without those whose slopes are zero if they are many.
    cdef Py_ssize_t o = 0
    cdef bint few = has_few(slope, n)
    while o < n:
        if few and is_zero(slope + o, min(WIDTH, n - o)):
            o += min(WIDTH, n - o)
        elif few and n - o >= WIDTH:
            scatter_some(
                x, index, n_stored, slope + o, n, 1, 0, to + o, square + o, squares
            )
            o += WIDTH
        elif n - o >= 5 * WIDTH:
            scatter_some(
                x, index, n_stored, slope + o, n, 5, 0, to + o, square + o, squares
            )
            o += 5 * WIDTH
        elif n - o >= 3 * WIDTH:
            scatter_some(
                x, index, n_stored, slope + o, n, 3, 0, to + o, square + o, squares
            )
            o += 3 * WIDTH
        elif n - o >= 2 * WIDTH:
            scatter_some(
                x, index, n_stored, slope + o, n, 2, 0, to + o, square + o, squares
            )
            o += 2 * WIDTH
        elif n - o >= WIDTH:
            scatter_some(
                x, index, n_stored, slope + o, n, 1, 0, to + o, square + o, squares
            )
            o += WIDTH
        elif n - o == 3:
            scatter_some(
                x, index, n_stored, slope + o, n, 0, 3, to + o, square + o, squares
            )
            o += 3
        elif n - o == 2:
            scatter_some(
                x, index, n_stored, slope + o, n, 0, 2, to + o, square + o, squares
            )
            o += 2
        else:
            scatter_some(
                x, index, n_stored, slope + o, n, 0, 1, to + o, square + o, squares
            )
            o += 1


cdef inline void ask_ahead(
    const x_value* x, const index_value* index, const row_value* row,
    const Data* data, Py_ssize_t i,
) noexcept nogil:
    # Ask for rows of an order that follow on one, also those of the next batches. Their
    # coefficients need not be asked for: predictions do not wait for each other.
    cdef Py_ssize_t at, k
    if i + PLACES_AHEAD < data.n_known:
        at = data.order[i + PLACES_AHEAD]
        prefetch_far(row + at)
        prefetch_far(data.y + at * data.y_step)
    if i + STORED_AHEAD < data.n_known:
        at = data.order[i + STORED_AHEAD]
        k = row[at]
        foresee_row(x + k, index + k, row[at + 1] - k)


cdef inline bint slope_sparse_block(
    int kind, double param, const x_value* x, const index_value* index,
    const row_value* row, const Data* data, Py_ssize_t start, Work* work,
    const double* coef, const double* intercept, double scale,
) noexcept nogil:
    # Slopes at scale x . coef + intercept of the rows from `start` on: as many as a
    # block holds. False at an index out of range.
    cdef Py_ssize_t n = data.n_outputs, i, k, o, at
    cdef double* z = work.x_memory
    cdef double* first = z + n
    for o in range(n):
        first[o] = 0.0 if intercept == NULL else intercept[o] / scale
    choose_rows(row, data, start, work)
    for i in range(work.n_rows):
        if data.order != NULL:
            ask_ahead(x, index, row, data, start + i)
        at = row_at(data, start + i)
        k = row[at]
        if not all_below(index + k, row[at + 1] - k, data.n_features):
            return False
        predict_row(x + k, index + k, row[at + 1] - k, coef, first, n, z)
        for o in range(n):
            work.z[o * work.lanes + i] = scale * z[o]
    for i in range(work.n_rows, whole_lanes(work.n_rows)):
        for o in range(n):
            work.z[o * work.lanes + i] = 0.0  # weighs nothing
    if data.order == NULL:
        load_targets(data, start, work)
    else:
        gather_targets(data, start, work)
    spread_targets(data, start, work)
    slope_outputs(kind, param, data, work)
    return True


cdef inline void scatter_block(
    const x_value* x, const index_value* index, const row_value* row, const Data* data,
    Py_ssize_t start, const Work* work, double factor, double* total, double* square,
) noexcept nogil:
    # total += factor times the sum of slope x over the rows of a block; square of each
    # output, if there is one, += what that adds to the sum of the squares.
    cdef Py_ssize_t n = data.n_outputs, i, k, o, at
    cdef double* slope = work.x_memory
    for i in range(work.n_rows):
        at = row_at(data, start + i)
        k = row[at]
        for o in range(n):
            slope[o] = factor * work.slope[o * work.lanes + i]
        if square == NULL:
            scatter_row(x + k, index + k, row[at + 1] - k, slope, n, total, slope, 0)
        else:
            scatter_row(x + k, index + k, row[at + 1] - k, slope, n, total, square, 1)


cdef inline bint add_outputs_of_types(
    int kind, double param, const x_value* x, const index_value* index,
    const row_value* row, const Data* data, Work* work, const double* coef,
    const double* intercept, double scale, double factor, double* total,
    double* grown,
) noexcept nogil:
    # total += factor times the sum of slope x, unless that is NULL; False at an index
    # out of range.
    cdef Py_ssize_t start = 0
    while start < data.n_rows:
        if not slope_sparse_block(
            kind, param, x, index, row, data, start, work, coef, intercept, scale
        ):
            return False
        if total != NULL:
            scatter_block(x, index, row, data, start, work, factor, total, grown)
        start += work.n_rows
    return True


cdef inline bint add_outputs_of_index(
    int kind, double param, const x_value* x, const index_value* index,
    const Data* data, Work* work, const double* coef, const double* intercept,
    double scale, double factor, double* total, double* grown,
) noexcept nogil:
    if data.wide_row:
        return add_outputs_of_types(
            kind, param, x, index, <const int64_t*> data.indptr, data, work, coef,
            intercept, scale, factor, total, grown,
        )
    return add_outputs_of_types(
        kind, param, x, index, <const int32_t*> data.indptr, data, work, coef,
        intercept, scale, factor, total, grown,
    )


cdef inline bint add_outputs_of(
    int kind, double param, const x_value* x, const Data* data, Work* work,
    const double* coef, const double* intercept, double scale, double factor,
    double* total, double* grown,
) noexcept nogil:
    if data.wide_index:
        return add_outputs_of_index(
            kind, param, x, <const int64_t*> data.indices, data, work, coef,
            intercept, scale, factor, total, grown,
        )
    return add_outputs_of_index(
        kind, param, x, <const int32_t*> data.indices, data, work, coef, intercept,
        scale, factor, total, grown,
    )


cdef inline bint add_stored_outputs(
    int kind, double param, const Data* data, Work* work, const double* coef,
    const double* intercept, double scale, double factor, double* total,
    double* grown,
) noexcept nogil:
    # The choice of types. Predictions are scale x . coef + intercept. Leaves the sums
    # of losses and slopes in `work`, and adds to `grown`, if that is there, what is
    # added to the sum of the squares of `total`.
    memset(work.loss_sum, 0, 2 * data.n_outputs * LANES * sizeof(double))
    if data.x_single:
        return add_outputs_of(
            kind, param, <const float*> data.X, data, work, coef, intercept, scale,
            factor, total, grown,
        )
    return add_outputs_of(
        kind, param, <const double*> data.X, data, work, coef, intercept, scale,
        factor, total, grown,
    )


cdef inline bint add_sparse_outputs(
    int kind, double param, const Data* data, Work* work, const double* params,
    double* gradient, bint fit_intercept,
) noexcept nogil:
    # One pass over the rows: adds to gradient unless that is NULL, leaves the losses in
    # `work`; False at an index out of range.
    cdef Py_ssize_t n = data.n_outputs, d = data.n_features * n, o
    if not add_stored_outputs(
        kind, param, data, work, params, params + d if fit_intercept else NULL, 1.0,
        1.0, gradient, NULL,
    ):
        return False
    if fit_intercept and gradient != NULL:
        for o in range(n):
            gradient[d + o] += fold_lanes(work.slope_sum + o * LANES)
    return True
