# Several outputs from one reading of the rows: z = x W + b of each, the slopes of each
# as for one output, or of all together, and gradient += slope x of each.
#
# Parameters are [W; b] row by row, of n_features + 1 rows with a value for each output.
# For a pass they are put into tiles, some outputs wide, which begin with b. Sums over
# features run in one lane for each row and output, in their order, so that tiles may
# have any width.

from libc.string cimport memset

from gdfast._blocks cimport (
    Data, Work, fold_lanes, fold_losses, foresee, load_block, whole_lanes, x_size,
)
from gdfast._losses cimport MULTINOMIAL, exp_finite, log1p_positive
from gdfast._simd cimport (
    LANES, PARTS, WIDTH, divide, load, prefetch, splat, store, vec, where_less,
)
from gdfast._slopes cimport slope_rows

cdef enum:
    # Tiles whose sums stay in registers: 4 rows by 3 vectors of outputs, or 8 by 1; and
    # 5 outputs by 2 vectors of features.
    MAX_VECTORS = 3
    MAX_TALL = 5


cdef inline int tile_vectors(Py_ssize_t outputs_left) noexcept nogil:
    # Vectors of outputs in the next tile.
    return min(MAX_VECTORS, (outputs_left + WIDTH - 1) // WIDTH)


cdef inline void begin_outputs(
    const Data* data, Work* work, const double* params, bint fit_intercept
) noexcept nogil:
    # Zero the sums and put the parameters into tiles.
    cdef Py_ssize_t n = data.n_outputs, d = data.n_features, o = 0, width, j, k
    cdef double* coef = work.coef
    memset(
        work.gradient, 0, (n * work.padded + 2 * n * LANES) * sizeof(double)
    )
    while o < n:
        width = tile_vectors(n - o) * WIDTH
        for k in range(min(width, n - o)):
            coef[k] = params[d * n + o + k] if fit_intercept else 0.0
        for j in range(d):
            coef += width
            for k in range(min(width, n - o)):
                coef[k] = params[j * n + o + k]
        coef += width
        o += width


cdef inline void predict_tile(
    const double* x, const double* coef, int n_rows, int n_vectors, const Data* data,
    const Work* work, double* to,
) noexcept nogil:
    # z = x W + b of some rows and vectors of outputs, row by row.
    cdef Py_ssize_t j
    cdef int k, r
    cdef vec scalar
    cdef vec[MAX_VECTORS] wide
    cdef vec[4 * MAX_VECTORS] part
    for k in range(n_rows * n_vectors):
        part[k] = load(coef + k % n_vectors * WIDTH)
    for j in range(data.n_features):
        coef += n_vectors * WIDTH
        for k in range(n_vectors):
            wide[k] = load(coef + k * WIDTH)
        for r in range(n_rows):
            scalar = splat(x[r * work.step + j])
            for k in range(n_vectors):
                part[r * n_vectors + k] += scalar * wide[k]
    for k in range(n_rows * n_vectors):
        store(to + k * WIDTH, part[k])


cdef inline void predict_outputs(const Data* data, const Work* work) noexcept nogil:
    # z of the rows of the block, output after output.
    cdef Py_ssize_t n = data.n_outputs, o = 0, i, k, r, width
    cdef int vectors
    cdef double[8 * 3 * 4] tile
    cdef const double* coef = work.coef
    cdef const double* x
    while o < n:
        vectors = tile_vectors(n - o)
        width = vectors * WIDTH
        i = 0
        while i < work.n_rows:
            x = <const double*> work.x + i * work.step
            if vectors == 1:
                predict_tile(x, coef, 8, 1, data, work, tile)
            else:
                for r in range(2):
                    if vectors == 2:
                        predict_tile(x, coef, 4, 2, data, work, tile + 4 * r * width)
                    else:
                        predict_tile(x, coef, 4, 3, data, work, tile + 4 * r * width)
                    x += 4 * work.step
            for k in range(min(width, n - o)):
                for r in range(LANES):
                    work.z[(o + k) * work.lanes + i + r] = tile[r * width + k]
            i += LANES
        coef += (data.n_features + 1) * width
        o += width


cdef inline vec softmax(
    const double* z, const double* y, Py_ssize_t n, Py_ssize_t step, double* slope
) noexcept nogil:
    # log(sum of exp(z)) - y . z of some rows and the slopes exp(z) / sum - y: with m
    # the largest z, of which there may be several, m + log(1 + rest) - y . z, where
    # rest is the sum of the other exp(z - m), which cannot overflow.
    cdef Py_ssize_t k
    cdef vec zero = splat(0.0), one = splat(1.0), m = load(z)
    cdef vec value, e, share, rest = splat(0.0), equal = splat(-1.0), at = splat(0.0)
    for k in range(1, n):
        value = load(z + k * step)
        m = where_less(m, value, value, m)
    for k in range(n):
        value = load(z + k * step)
        e = exp_finite(value - m)
        store(slope + k * step, e)
        rest += where_less(value, m, e, zero)
        equal += where_less(value, m, zero, one)
        at += load(y + k * step) * value
    rest += equal
    share = divide(one, 1.0 + rest)
    for k in range(n):
        store(slope + k * step, load(slope + k * step) * share - load(y + k * step))
    return (m - at) + log1p_positive(rest)


cdef inline void softmax_rows(const Data* data, const Work* work) noexcept nogil:
    # Slopes of all outputs of every row, and the sums of loss and slopes.
    cdef Py_ssize_t i = 0, k, lane
    cdef double* slope
    cdef double* total
    cdef vec loss, weight = splat(1.0)
    while i < work.n_rows:
        lane = i % LANES
        slope = work.slope + i
        loss = softmax(
            work.z + i, work.y_memory + i, data.n_outputs, work.lanes, slope
        )
        if work.weight != NULL:
            weight = load(work.weight + i)
            loss = loss * weight
        store(work.loss_sum + lane, load(work.loss_sum + lane) + loss)
        for k in range(data.n_outputs):
            total = work.slope_sum + k * LANES + lane
            store(slope, load(slope) * weight)
            store(total, load(total) + load(slope))
            slope += work.lanes
        i += WIDTH


cdef inline void slope_outputs(
    int kind, double param, const Data* data, const Work* work
) noexcept nogil:
    # Slopes of the rows of the block, output after output.
    cdef Py_ssize_t _k
    cdef Work one = work[0]
    if kind == MULTINOMIAL:
        softmax_rows(data, work)
        return
    for _k in range(data.n_outputs):
        slope_rows(kind, param, <const double*> one.y_memory, &one)
        one.z += work.lanes
        one.slope += work.lanes
        one.y_memory += work.lanes
        one.loss_sum += LANES
        one.slope_sum += LANES


cdef inline void add_output_tile(
    const double* x, const double* slope, int n_outputs, const Work* work,
    const char* ahead, Py_ssize_t ahead_step, double* total,
) noexcept nogil:
    # total += sum of slope x of some outputs and two vectors of features. Each row asks
    # for a part of the next block unless there is no step, as memory would idle.
    cdef Py_ssize_t i
    cdef int k
    cdef vec near = load(x), far = load(x + WIDTH), scalar
    cdef vec[2 * MAX_TALL] part
    for k in range(n_outputs):
        scalar = splat(slope[k * work.lanes])
        part[2 * k] = scalar * near
        part[2 * k + 1] = scalar * far
    for i in range(1, work.n_rows):
        if ahead_step != 0:
            prefetch(ahead)
            ahead += ahead_step
        x += work.step
        near = load(x)
        far = load(x + WIDTH)
        for k in range(n_outputs):
            scalar = splat(slope[k * work.lanes + i])
            part[2 * k] += scalar * near
            part[2 * k + 1] += scalar * far
    for k in range(n_outputs):
        store(total, load(total) + part[2 * k])
        store(total + WIDTH, load(total + WIDTH) + part[2 * k + 1])
        total += work.padded


cdef inline void add_some_outputs(
    const double* x, const double* slope, Py_ssize_t n_outputs, const Work* work,
    const char* ahead, Py_ssize_t ahead_step, double* total,
) noexcept nogil:
    # The choice of tile: each number of outputs makes a loop of its own.
    if n_outputs == 5:
        add_output_tile(x, slope, 5, work, ahead, ahead_step, total)
    elif n_outputs == 4:
        add_output_tile(x, slope, 4, work, ahead, ahead_step, total)
    elif n_outputs == 3:
        add_output_tile(x, slope, 3, work, ahead, ahead_step, total)
    elif n_outputs == 2:
        add_output_tile(x, slope, 2, work, ahead, ahead_step, total)
    else:
        add_output_tile(x, slope, 1, work, ahead, ahead_step, total)


cdef inline void add_output_rows(
    const Data* data, const Work* work, const char* ahead
) noexcept nogil:
    # gradient += sum of slope x of every output.
    cdef Py_ssize_t n = data.n_outputs, j = 0, o, tall
    cdef Py_ssize_t ahead_step = 2 * WIDTH * x_size(data), step
    cdef const double* x = <const double*> work.x
    while j < work.padded:
        o = 0
        step = ahead_step
        while o < n:
            tall = (n - o) // ((n - o + MAX_TALL - 1) // MAX_TALL)
            add_some_outputs(
                x + j, work.slope + o * work.lanes, tall, work, ahead, step,
                work.gradient + o * work.padded + j,
            )
            step = 0
            o += tall
        ahead += work.n_rows * ahead_step
        j += 2 * WIDTH


cdef inline void add_outputs(
    int kind, double param, const Data* data, Py_ssize_t start, const Work* work,
    bint gradient,
) noexcept nogil:
    # The loops over a block, with that of the gradient or without.
    cdef Py_ssize_t i, k
    predict_outputs(data, work)
    for k in range(data.n_outputs):
        for i in range(work.n_rows, whole_lanes(work.n_rows)):
            work.z[k * work.lanes + i] = 0.0  # weighs nothing, but inf would make NaN
    slope_outputs(kind, param, data, work)
    if gradient:
        add_output_rows(data, work, data.X + (start + work.n_rows) * data.x_step)


cdef inline void end_outputs(
    const Data* data, const Work* work, double* gradient, bint fit_intercept
) noexcept nogil:
    # gradient += the sums of a pass.
    cdef Py_ssize_t n = data.n_outputs, j, k
    for j in range(data.n_features):
        for k in range(n):
            gradient[j * n + k] += work.gradient[k * work.padded + j]
    if fit_intercept:
        for k in range(n):
            gradient[data.n_features * n + k] += fold_lanes(work.slope_sum + k * LANES)


cdef inline double add_output_pass(
    int kind, double param, const Data* data, Work* work,
    const double* params, double* gradient, bint fit_intercept,
) noexcept nogil:
    # One pass over the data: adds to gradient unless that is NULL, returns the sum of
    # the losses.
    cdef Py_ssize_t start = 0
    begin_outputs(data, work, params, fit_intercept)
    while start < data.n_rows:
        if work.n_rows != data.n_rows:  # else all of them are here since the last pass
            load_block(data, start, work)
        add_outputs(kind, param, data, start, work, gradient != NULL)
        if data.order != NULL:  # the other half of what is to be asked for
            foresee(data, work, work.n_rows - work.n_rows // 2)
        start += work.n_rows
    if gradient != NULL:
        end_outputs(data, work, gradient, fit_intercept)
    return fold_losses(work, data.n_outputs)
