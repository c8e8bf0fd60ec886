# A pass that adds up second moments beside the gradient: squared errors need no other.

from gdfast._blocks cimport Data, Work, load_block, whole_lanes
from gdfast._passes cimport (
    add_block, add_column, add_features, begin_pass, fold_lanes,
)
from gdfast._simd cimport WIDTH, load, splat, store, vec


cdef inline void weigh_rows(const Work* work, double* left) noexcept nogil:
    # left = weight x of every row of the block.
    cdef Py_ssize_t i, j
    cdef const double* x = <const double*> work.x
    for i in range(whole_lanes(work.n_rows)):
        for j in range(work.step):
            left[i * work.step + j] = work.weight[i] * x[i * work.step + j]


cdef inline void add_products(
    const double* left, const Work* work, Py_ssize_t d, double* second
) noexcept nogil:
    # second += sum of left x' in tiles of 4 by 2 WIDTH, whose sums stay in registers;
    # the tiles that touch the diagonal or lie below it.
    cdef Py_ssize_t a = 0, j, i
    cdef int k
    cdef const double* x
    cdef const double* factor
    cdef double* to
    cdef vec near, far, scalar
    cdef vec[8] part
    while a < d:
        j = 0
        while j < min(a + 4, d):
            for k in range(8):
                part[k] = splat(0.0)
            x = <const double*> work.x + j
            factor = left + a
            for i in range(work.n_rows):
                near = load(x + i * work.step)
                far = load(x + i * work.step + WIDTH)
                for k in range(4):
                    scalar = splat(factor[i * work.step + k])
                    part[2 * k] += scalar * near
                    part[2 * k + 1] += scalar * far
            for k in range(4):
                to = second + (a + k) * work.padded + j
                store(to, load(to) + part[2 * k])
                store(to + WIDTH, load(to + WIDTH) + part[2 * k + 1])
            j += 2 * WIDTH
        a += 4


cdef inline double add_moment_pass(
    int kind, const Data* data, Work* work, const double* params, bint fit_intercept,
    double* left, double* total, double* second,
) noexcept nogil:
    # As `add_pass`, with second += sum of weight x x', and total += sum of weight x if
    # there is an intercept. The gradient stays in `work`.
    cdef Py_ssize_t start = 0, i
    cdef double b = begin_pass(data, work, params, fit_intercept)
    cdef const double* x = work.x_memory
    while start < data.n_rows:
        load_block(data, start, work)
        add_block(kind, x, data, work, b)
        if work.weight == NULL:
            for i in range(work.n_rows):
                work.weight_memory[i] = 1.0
            work.weight = work.weight_memory
        if fit_intercept:
            add_features(x, work.weight, data, work, total)
        if data.sample_weight != NULL:
            weigh_rows(work, left)
        if data.n_features == 1:
            add_column(x, left, work.n_rows, second)
        else:
            add_products(left, work, data.n_features, second)
        start += work.n_rows
    return fold_lanes(work.loss_sum)


cdef inline void end_moment(
    const Work* work, Py_ssize_t d, double* total, double weights,
    double[:, ::1] moment,
) noexcept nogil:
    # moment += the sums of a pass: `total`, of rows, and behind it the lower triangle
    # of products.
    cdef Py_ssize_t i, j
    cdef double* row = total + work.padded
    if d == 1:
        total[0] = fold_lanes(total)
        row[0] = fold_lanes(row)
    for i in range(d):
        for j in range(i):
            moment[i, j] += row[j]
            moment[j, i] += row[j]
        moment[i, i] += row[i]
        row += work.padded
    if moment.shape[0] > d:
        for j in range(d):
            moment[d, j] += total[j]
            moment[j, d] += total[j]
        moment[d, d] += weights
