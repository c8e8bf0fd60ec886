# One pass over sparse rows: predictions, slopes as for any, and the gradient, while a
# block of them is in the cache. Only slopes come in vectors, as what is read and
# written besides lies anywhere.

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc

from gdfast._blocks cimport Data, Work, load_targets, whole_lanes, x_value
from gdfast._passes cimport slope_rows
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
    MAX_SPARSE_ROWS = 2048


cdef inline bint allocate_rows(Work* work, Py_ssize_t n_rows) noexcept nogil:
    # One piece of memory for all that a pass needs; False when there is none.
    cdef Py_ssize_t lanes = whole_lanes(min(n_rows, MAX_SPARSE_ROWS))
    work.memory = <double*> calloc(2 * LANES + 4 * lanes, sizeof(double))
    if work.memory == NULL:
        return False
    work.max_rows = MAX_SPARSE_ROWS
    work.loss_sum = work.memory
    work.slope_sum = work.loss_sum + LANES
    work.z = work.slope_sum + LANES
    work.slope = work.z + lanes
    work.y_memory = work.slope + lanes
    work.weight_memory = work.y_memory + lanes
    return True


cdef inline void choose_rows(
    const row_value* row, Py_ssize_t rows_left, Work* work
) noexcept nogil:
    # Take as many rows as are full with BLOCK_STORED values, and one at least.
    cdef Py_ssize_t most = min(work.max_rows, rows_left)
    work.n_rows = 1
    while work.n_rows < most and row[work.n_rows + 1] - row[0] <= BLOCK_STORED:
        work.n_rows += 1


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


cdef inline bint add_sparse_pass(
    int kind, double param, const x_value* x, const index_value* index,
    const row_value* row, const Data* data, Work* work, const double* coef, double b,
    double* gradient,
) noexcept nogil:
    # One pass over the rows: adds to gradient; False at an index out of range.
    cdef Py_ssize_t start = 0, i, k, ahead
    while start < data.n_rows:
        choose_rows(row, data.n_rows - start, work)
        k = row[0]
        ahead = row[work.n_rows] - k  # which is about where the next block is
        if not all_below(index + k, ahead, data.n_features):
            return False
        for i in range(work.n_rows):
            k = row[i]
            work.z[i] = predict(
                x + k, index + k, row[i + 1] - k, ahead, coef
            ) + b
        for i in range(work.n_rows, whole_lanes(work.n_rows)):
            work.z[i] = 0.0  # weighs nothing, but inf would make NaN of it
        load_targets(data, start, work)
        if work.y_single:
            slope_rows(kind, param, <const float*> work.y, work)
        else:
            slope_rows(kind, param, <const double*> work.y, work)
        for i in range(work.n_rows):
            k = row[i]
            scatter(x + k, index + k, row[i + 1] - k, work.slope[i], gradient)
        row += work.n_rows
        start += work.n_rows
    return True
