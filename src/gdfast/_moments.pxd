# A pass that adds up second moments beside the gradient: squared errors need no other.

from gdfast._blocks cimport Data, Work, fold_lanes, load_block, whole_lanes, x_size
from gdfast._passes cimport add_block, add_column, begin_pass
from gdfast._simd cimport LANES, PARTS, TALL, WIDTH, load, prefetch, splat, store, vec


cdef inline void weigh_rows(const Work* work, double* left) noexcept nogil:
    # left = weight x of every row of the block.
    cdef Py_ssize_t i, j
    cdef const double* x = <const double*> work.x
    for i in range(whole_lanes(work.n_rows)):
        for j in range(work.step):
            left[i * work.step + j] = work.weight[i] * x[i * work.step + j]


cdef inline void add_some_sums(
    const double* x, int n_vectors, const Work* work, double* gradient, double* total
) noexcept nogil:
    # gradient += sum of slope x and total += sum of weight x of some features.
    cdef Py_ssize_t i
    cdef int k
    cdef vec slope, weight, value
    cdef vec[2 * PARTS] slopes, weights
    for k in range(n_vectors):
        slopes[k] = weights[k] = splat(0.0)
    for i in range(work.n_rows):
        slope = splat(work.slope[i])
        weight = splat(work.weight[i])
        for k in range(n_vectors):
            value = load(x + k * WIDTH)
            slopes[k] += slope * value
            weights[k] += weight * value
        x += work.step
    for k in range(n_vectors):
        store(gradient + k * WIDTH, load(gradient + k * WIDTH) + slopes[k])
        store(total + k * WIDTH, load(total + k * WIDTH) + weights[k])


cdef inline void add_sums(const Work* work, double* total) noexcept nogil:
    # The sums of slope x and of weight x, which share the reading of x.
    cdef Py_ssize_t j = 0
    cdef const double* x = <const double*> work.x
    while j + 2 * LANES <= work.padded:
        add_some_sums(x + j, 2 * PARTS, work, work.gradient + j, total + j)
        j += 2 * LANES
    if j < work.padded:
        add_some_sums(x + j, PARTS, work, work.gradient + j, total + j)


cdef inline void add_square(
    const double* left, const double* x, const Work* work, const char* ahead,
    Py_ssize_t ahead_step, double* second,
) noexcept nogil:
    # second += sum of left x' in a square of 2 WIDTH on the diagonal, but for a quarter
    # above it. Each row asks for a part of the next block, as memory would idle.
    cdef Py_ssize_t _i
    cdef int k
    cdef vec near, far, scalar
    cdef vec[WIDTH] high
    cdef vec[2 * WIDTH] low
    for k in range(WIDTH):
        high[k] = low[2 * k] = low[2 * k + 1] = splat(0.0)
    for _i in range(work.n_rows):
        prefetch(ahead)
        ahead += ahead_step
        near = load(x)
        far = load(x + WIDTH)
        for k in range(WIDTH):
            high[k] += splat(left[k]) * near
        for k in range(WIDTH):
            scalar = splat(left[WIDTH + k])
            low[2 * k] += scalar * near
            low[2 * k + 1] += scalar * far
        x += work.step
        left += work.step
    for k in range(WIDTH):
        store(second, load(second) + high[k])
        second += work.padded
    for k in range(WIDTH):
        store(second, load(second) + low[2 * k])
        store(second + WIDTH, load(second + WIDTH) + low[2 * k + 1])
        second += work.padded


cdef inline void add_tile(
    const double* left, const double* x, const Work* work, double* second
) noexcept nogil:
    # second += sum of left x' in a tile of TALL by 2 WIDTH; its sums stay in registers.
    cdef Py_ssize_t _i
    cdef int k
    cdef vec near, far, scalar
    cdef vec[2 * TALL] part
    for k in range(2 * TALL):
        part[k] = splat(0.0)
    for _i in range(work.n_rows):
        near = load(x)
        far = load(x + WIDTH)
        for k in range(TALL):
            scalar = splat(left[k])
            part[2 * k] += scalar * near
            part[2 * k + 1] += scalar * far
        x += work.step
        left += work.step
    for k in range(TALL):
        store(second, load(second) + part[2 * k])
        store(second + WIDTH, load(second + WIDTH) + part[2 * k + 1])
        second += work.padded


cdef inline void add_products(
    const double* left, const Data* data, const Work* work, const char* ahead,
    double* second,
) noexcept nogil:
    # second += sum of left x' on and below the diagonal.
    cdef Py_ssize_t a, j, start = 0, d = data.n_features
    cdef Py_ssize_t ahead_step = 2 * WIDTH * x_size(data)
    cdef const double* x = <const double*> work.x
    if data.x_step != d * x_size(data):
        ahead = work.x  # is here already, and what lies between rows is not asked for
    while start < d:
        a = start
        while a < min(start + 2 * WIDTH, d):
            j = 0
            while j < start:
                add_tile(left + a, x + j, work, second + a * work.padded + j)
                j += 2 * WIDTH
            a += TALL
        add_square(
            left + start, x + start, work, ahead, ahead_step,
            second + start * (work.padded + 1),
        )
        ahead += work.n_rows * ahead_step
        start += 2 * WIDTH


cdef inline double add_moment_pass(
    int kind, double param, const Data* data, Work* work, const double* params,
    bint fit_intercept, double* left, double* total, double* second,
) noexcept nogil:
    # As `add_pass`, with total += sum of weight x and second += sum of weight x x'. The
    # gradient stays in `work`. `left` is where weighted rows go, or NULL.
    cdef Py_ssize_t start = 0, i
    cdef double b = begin_pass(data, work, params, fit_intercept)
    cdef const double* x = work.x_memory
    cdef const double* weighted = x if left == NULL else left
    while start < data.n_rows:
        load_block(data, start, work)
        add_block(kind, param, x, data, work, b, False)
        if work.weight == NULL:
            for i in range(work.n_rows):
                work.weight_memory[i] = 1.0
            work.weight = work.weight_memory
        if left != NULL:
            weigh_rows(work, left)
        if data.n_features == 1:
            add_column(x, work.slope, work.n_rows, work.gradient)
            add_column(x, work.weight, work.n_rows, total)
            add_column(x, weighted, work.n_rows, second)
        else:
            add_sums(work, total)
            add_products(
                weighted, data, work,
                data.X + (start + work.n_rows) * data.x_step, second,
            )
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
