# One pass over sparse rows: predictions, slopes as for any, and the gradient, while a
# block of them is in the cache. They are taken as they lie, or in an order. Only slopes
# come in vectors, as what is read and written besides lies anywhere.

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc
from libc.string cimport memset

from gdfast._blocks cimport (
    Data, Work, ask_for_all, gather_targets, load_targets, whole_lanes, x_value,
)
from gdfast._passes cimport fold_lanes, slope_rows
from gdfast._simd cimport LANES, prefetch_far

ctypedef fused index_value:
    int32_t
    int64_t

ctypedef fused row_value:
    int32_t
    int64_t

ctypedef fused place:
    int32_t
    int64_t
    Py_ssize_t

cdef enum:
    # Values of a block that stays in the second-level cache: it takes coefficients and
    # gradient by turns, which with many features leave little of each other there. A
    # row that has more is a block by itself.
    BLOCK_STORED = 4096
    BATCH_STORED = 65536  # of a block that is stepped on by itself, if it can be
    MAX_SPARSE_ROWS = 2048
    ROWS_AHEAD = 8    # of an order that are asked for while another is predicted,
    PLACES_AHEAD = 32  # and from where on it is asked where they are


cdef inline bint allocate_rows(
    Work* work, Py_ssize_t n_rows, Py_ssize_t max_stored
) noexcept nogil:
    # One piece of memory for all that a pass needs; False when there is none.
    cdef Py_ssize_t lanes = whole_lanes(min(n_rows, MAX_SPARSE_ROWS))
    work.memory = <double*> calloc(2 * LANES + 4 * lanes, sizeof(double))
    if work.memory == NULL:
        return False
    work.max_rows = MAX_SPARSE_ROWS
    work.max_stored = max_stored
    work.loss_sum = work.memory
    work.slope_sum = work.loss_sum + LANES
    work.z = work.slope_sum + LANES
    work.slope = work.z + lanes
    work.y_memory = work.slope + lanes
    work.weight_memory = work.y_memory + lanes
    return True


cdef inline Py_ssize_t row_at(const Data* data, Py_ssize_t i) noexcept nogil:
    return i if data.order == NULL else data.order[i]


cdef inline Py_ssize_t choose_rows(
    const row_value* row, const Data* data, Py_ssize_t start, Work* work
) noexcept nogil:
    # Take as many rows as a block has values for, and one at least; returns how many
    # values they have.
    cdef Py_ssize_t most = min(work.max_rows, data.n_rows - start), r, more, stored = 0
    work.n_rows = 0
    while work.n_rows < most:
        r = row_at(data, start + work.n_rows)
        more = row[r + 1] - row[r]
        if work.n_rows > 0 and stored + more > work.max_stored:
            break
        stored += more
        work.n_rows += 1
    return stored


cdef inline bint all_below(
    const place* index, Py_ssize_t n, Py_ssize_t limit
) noexcept nogil:
    # Whether all indices are from 0 to limit - 1. Python has looked, but nobody knows
    # what a callback or another thread has done to them since.
    cdef Py_ssize_t k
    cdef place low = 0, high = 0
    for k in range(n):
        low = min(low, index[k])
        high = max(high, index[k])
    return low >= 0 and high < limit


cdef inline void foresee_row(
    const x_value* x, const index_value* index, Py_ssize_t n_stored
) noexcept nogil:
    # Have a row brought to the second-level cache.
    ask_for_all(x, n_stored * <Py_ssize_t> sizeof(x_value))
    ask_for_all(index, n_stored * <Py_ssize_t> sizeof(index_value))


cdef inline double predict(
    const x_value* x, const index_value* index, Py_ssize_t n, Py_ssize_t ahead,
    const double* coef,
) noexcept nogil:
    # x . coef of one row, in four sums as one would wait for itself. What lies so many
    # values ahead is asked for, whether it is there or not.
    cdef Py_ssize_t k = 0
    cdef double a = 0.0, b = 0.0, c = 0.0, d = 0.0
    while k + 4 <= n:
        prefetch_far(x + k + ahead)
        prefetch_far(index + k + ahead)
        a += coef[index[k]] * <double> x[k]
        b += coef[index[k + 1]] * <double> x[k + 1]
        c += coef[index[k + 2]] * <double> x[k + 2]
        d += coef[index[k + 3]] * <double> x[k + 3]
        k += 4
    while k < n:
        a += coef[index[k]] * <double> x[k]
        k += 1
    return (a + b) + (c + d)


cdef inline void scatter(
    const x_value* x, const index_value* index, Py_ssize_t n,
    double slope, double* gradient,
) noexcept nogil:
    # gradient += slope x of one row.
    cdef Py_ssize_t k = 0
    while k + 4 <= n:
        gradient[index[k]] += slope * <double> x[k]
        gradient[index[k + 1]] += slope * <double> x[k + 1]
        gradient[index[k + 2]] += slope * <double> x[k + 2]
        gradient[index[k + 3]] += slope * <double> x[k + 3]
        k += 4
    while k < n:
        gradient[index[k]] += slope * <double> x[k]
        k += 1


cdef inline double scatter_grown(
    const x_value* x, const index_value* index, Py_ssize_t n,
    double slope, double* total,
) noexcept nogil:
    # The same; returns what that adds to the sum of the squares of `total`.
    cdef Py_ssize_t k
    cdef double more, grown = 0.0
    for k in range(n):
        more = slope * <double> x[k]
        grown += more * (total[index[k]] + total[index[k]] + more)
        total[index[k]] += more
    return grown


cdef inline bint predict_rows(
    const x_value* x, const index_value* index, const row_value* row, const Data* data,
    Py_ssize_t start, Py_ssize_t stored, Work* work, const double* coef,
) noexcept nogil:
    # z = x . coef of the rows of a block as they lie; the next one is about as
    # many values ahead. False at an index out of range.
    cdef Py_ssize_t i, k
    row += start
    if not all_below(index + row[0], stored, data.n_features):
        return False
    for i in range(work.n_rows):
        k = row[i]
        work.z[i] = predict(x + k, index + k, row[i + 1] - k, stored, coef)
    return True


cdef inline bint predict_ordered(
    const x_value* x, const index_value* index, const row_value* row, const Data* data,
    Py_ssize_t start, Work* work, const double* coef,
) noexcept nogil:
    # The same of rows in an order, of which as much of another is asked for as there is
    # of this one.
    cdef const Py_ssize_t* order = data.order + start
    cdef Py_ssize_t left = data.order_end - order, i, k, n, far, ahead
    for i in range(work.n_rows):
        if i + PLACES_AHEAD < left:
            far = order[i + PLACES_AHEAD]
            prefetch_far(row + far)
            prefetch_far(data.y + far * data.y_step)
        k = row[order[i]]
        n = row[order[i] + 1] - k
        if not all_below(index + k, n, data.n_features):
            return False
        ahead = row[order[i + ROWS_AHEAD]] - k if i + ROWS_AHEAD < left else 0
        work.z[i] = predict(x + k, index + k, n, ahead, coef)
    return True


cdef inline bint slope_block(
    int kind, double param, const x_value* x, const index_value* index,
    const row_value* row, const Data* data, Py_ssize_t start, Work* work,
    const double* coef, double b, double scale,
) noexcept nogil:
    # Slopes at scale x . coef + b of the rows from `start` on: as many as a block
    # holds.
    cdef Py_ssize_t stored = choose_rows(row, data, start, work), i
    if data.order == NULL:
        if not predict_rows(x, index, row, data, start, stored, work, coef):
            return False
        load_targets(data, start, work)
    else:
        if not predict_ordered(x, index, row, data, start, work, coef):
            return False
        gather_targets(data, start, work)
    for i in range(work.n_rows):
        work.z[i] = scale * work.z[i] + b
    for i in range(work.n_rows, whole_lanes(work.n_rows)):
        work.z[i] = 0.0  # weighs nothing, but inf would make NaN of it
    if work.y_single:
        slope_rows(kind, param, <const float*> work.y, work)
    else:
        slope_rows(kind, param, <const double*> work.y, work)
    return True


cdef inline void scatter_rows(
    const x_value* x, const index_value* index, const row_value* row, const Data* data,
    Py_ssize_t start, const Work* work, double factor, double* total, double* grown,
) noexcept nogil:
    # total += factor times the sum of slope x over the rows of a block.
    cdef Py_ssize_t i, r, k
    cdef double slope
    for i in range(work.n_rows):
        r = row_at(data, start + i)
        k = row[r]
        slope = factor * work.slope[i]
        if grown == NULL:
            scatter(x + k, index + k, row[r + 1] - k, slope, total)
        else:
            grown[0] += scatter_grown(x + k, index + k, row[r + 1] - k, slope, total)


cdef inline bint add_rows_of_types(
    int kind, double param, const x_value* x, const index_value* index,
    const row_value* row, const Data* data, Work* work, const double* coef, double b,
    double scale, double factor, double* total, double* grown,
) noexcept nogil:
    # total += factor times the sum of slope x, unless that is NULL; False at an index
    # out of range.
    cdef Py_ssize_t start = 0
    while start < data.n_rows:
        if not slope_block(
            kind, param, x, index, row, data, start, work, coef, b, scale
        ):
            return False
        if total != NULL:
            scatter_rows(x, index, row, data, start, work, factor, total, grown)
        start += work.n_rows
    return True


cdef inline bint add_rows_of_index(
    int kind, double param, const x_value* x, const index_value* index,
    const Data* data, Work* work, const double* coef, double b, double scale,
    double factor, double* total, double* grown,
) noexcept nogil:
    if data.wide_row:
        return add_rows_of_types(
            kind, param, x, index, <const int64_t*> data.indptr, data, work, coef, b,
            scale, factor, total, grown,
        )
    return add_rows_of_types(
        kind, param, x, index, <const int32_t*> data.indptr, data, work, coef, b,
        scale, factor, total, grown,
    )


cdef inline bint add_rows_of(
    int kind, double param, const x_value* x, const Data* data, Work* work,
    const double* coef, double b, double scale, double factor, double* total,
    double* grown,
) noexcept nogil:
    if data.wide_index:
        return add_rows_of_index(
            kind, param, x, <const int64_t*> data.indices, data, work, coef, b, scale,
            factor, total, grown,
        )
    return add_rows_of_index(
        kind, param, x, <const int32_t*> data.indices, data, work, coef, b, scale,
        factor, total, grown,
    )


cdef inline bint add_stored(
    int kind, double param, const Data* data, Work* work, const double* coef, double b,
    double scale, double factor, double* total, double* grown,
) noexcept nogil:
    # The choice of types. Predictions are scale x . coef + b. Leaves the sums of losses
    # and slopes in `work`, and adds to `grown`, if that is there, what is added to the
    # sum of the squares of `total`.
    memset(work.loss_sum, 0, 2 * LANES * sizeof(double))
    if data.x_single:
        return add_rows_of(
            kind, param, <const float*> data.X, data, work, coef, b, scale, factor,
            total, grown,
        )
    return add_rows_of(
        kind, param, <const double*> data.X, data, work, coef, b, scale, factor, total,
        grown,
    )


cdef inline bint is_one_block(const Data* data, Work* work) noexcept nogil:
    # Whether all rows are predicted before any of them is added.
    if data.wide_row:
        choose_rows(<const int64_t*> data.indptr, data, 0, work)
    else:
        choose_rows(<const int32_t*> data.indptr, data, 0, work)
    return work.n_rows == data.n_rows


cdef inline bint add_sparse_pass(
    int kind, double param, const Data* data, Work* work, const double* params,
    double* gradient, bint fit_intercept,
) noexcept nogil:
    # One pass over the rows: adds to gradient unless that is NULL, leaves the losses in
    # `work`; False at an index out of range.
    cdef Py_ssize_t d = data.n_features
    cdef double b = params[d] if fit_intercept else 0.0
    if not add_stored(
        kind, param, data, work, params, b, 1.0, 1.0, gradient, NULL
    ):
        return False
    if fit_intercept and gradient != NULL:
        gradient[d] += fold_lanes(work.slope_sum)
    return True


cdef inline bint add_centred_pass(
    int kind, double param, const Data* data, Work* work, const double* params,
    double* gradient, bint fit_intercept, double* coef,
) noexcept nogil:
    # The same for columns (x - c) f, into a gradient of zeros. They are never made, as
    # they have no zeros: they predict what x does by `coef` = f w and b - c . coef, and
    # their gradient is f times that of x less c times the intercept's.
    cdef Py_ssize_t d = data.n_features, j
    cdef double b = params[d] if fit_intercept else 0.0, slope_sum
    for j in range(d):
        coef[j] = data.scale[j] * params[j]
        b -= data.center[j] * coef[j]
    if not add_stored(kind, param, data, work, coef, b, 1.0, 1.0, gradient, NULL):
        return False
    slope_sum = fold_lanes(work.slope_sum)
    for j in range(d):
        gradient[j] = (gradient[j] - data.center[j] * slope_sum) * data.scale[j]
    if fit_intercept:
        gradient[d] = slope_sum
    return True
