"""Sum the per-example gradients and apply the update, compiled.

Design, with the reason for each point:

(a) A pass walks blocks of some kB: z = X coef + b, then loss and slope of every row,
    then gradient += slope X while the block is still in the first-level cache. X is
    read from memory once, and in order, as that is what the processor can foresee; a
    block is small because memory idles while the gradient is added up. Asking for the
    next block ahead (prefetch instructions) made every case slower.
(b) The choice of loss is made once per block and never per example; there is no
    function pointer and no Python call inside a loop.
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

`gdfast._reference` holds the same functions in NumPy, written to be read.
"""
from libc.math cimport fabs, sqrt
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from gdfast._losses cimport (
    HALF_SQUARED_ERROR, LOG_LOSS, N_LOSSES, SQUARED_ERROR,
    half_squared_error, log_loss, squared_error,
)
from gdfast cimport _simd
from gdfast._simd cimport (
    LANES, PARTS, WIDTH, fold, fold4, lead, load, load_single, splat, store, vec,
)

ctypedef fused x_value:
    float
    double

ctypedef fused y_value:
    float
    double

cdef enum:
    BLOCK_VALUES = 1024     # of X
    MIN_BLOCK_ROWS = 4
    MAX_BLOCK_ROWS = 256
    MOMENT_VALUES = 512     # of X in a block that moments are made of,
    MIN_MOMENT_ROWS = 16    # with so many rows that its sums are rarely put away
    SHORT_ROW = 16          # four rows up to this lie close to each other, and those
    LONG_ROW = 2048         # from this on are read in order each, and share coef

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

cdef struct Work:
    # What a pass needs beside the data: the block at hand, and running sums.
    bint moments         # whether moments are added up beside the gradient
    Py_ssize_t padded    # features, and zeros up to whole lanes
    Py_ssize_t copy_step  # values from one row to the next where rows are copied
    Py_ssize_t max_rows  # of a block
    Py_ssize_t n_rows    # of this block; its arrays go on with zeros to whole lanes
    const char* x        # in X, or in `x_memory` as doubles
    Py_ssize_t step      # values from one row to the next
    bint single          # whether they are float32
    const char* y        # in y, or in `y_memory` as doubles
    bint y_single
    const double* weight  # NULL: every row weighs 1
    double* memory       # one piece for all of these
    double* coef
    double* gradient     # sums; of one feature in lanes
    double* loss_sum     # in lanes
    double* slope_sum
    double* z
    double* slope
    double* y_memory
    double* weight_memory
    double* x_memory


cdef inline Py_ssize_t whole_lanes(Py_ssize_t n) noexcept nogil:
    return (n + LANES - 1) // LANES * LANES


cdef inline Py_ssize_t x_size(const Data* data) noexcept nogil:
    return sizeof(float) if data.x_single else sizeof(double)


cdef inline Py_ssize_t y_size(const Data* data) noexcept nogil:
    return sizeof(float) if data.y_single else sizeof(double)


cdef inline bint by_fours(const Data* data) noexcept nogil:
    # Whether predictions are made for four rows at once.
    return data.n_features <= SHORT_ROW or data.n_features >= LONG_ROW


cdef bint allocate(Work* work, const Data* data, bint moments) noexcept nogil:
    # One piece of memory for all that a pass needs; False when there is none.
    cdef Py_ssize_t padded = whole_lanes(data.n_features)
    cdef Py_ssize_t rows = BLOCK_VALUES // data.n_features
    cdef Py_ssize_t least = MIN_BLOCK_ROWS, lanes
    if moments:
        rows = MOMENT_VALUES // padded
        least = MIN_MOMENT_ROWS
    rows = max(least, min(MAX_BLOCK_ROWS, rows // 4 * 4))
    lanes = whole_lanes(rows)
    work.moments = moments
    work.padded = padded
    work.max_rows = rows
    work.copy_step = 1 if data.n_features == 1 else padded
    if moments and padded % 64 == 0:  # rows 512 bytes apart share sets of the cache
        work.copy_step += LANES
    work.memory = <double*> calloc(
        2 * padded + 2 * LANES + 4 * lanes + lanes * max(work.copy_step, LANES),
        sizeof(double),
    )
    if work.memory == NULL:
        return False
    work.n_rows = 0
    work.coef = work.memory
    work.gradient = work.coef + padded
    work.loss_sum = work.gradient + padded
    work.slope_sum = work.loss_sum + LANES
    work.z = work.slope_sum + LANES
    work.slope = work.z + lanes
    work.y_memory = work.slope + lanes
    work.weight_memory = work.y_memory + lanes
    work.x_memory = work.weight_memory + lanes
    return True


cdef bint in_place(const Data* data, Py_ssize_t start, const Work* work) noexcept nogil:
    # Whether the loops can read the rows of a block in X: they read whole lanes, which
    # may reach into the next rows but not into what lies beside or behind X.
    cdef Py_ssize_t size = x_size(data)
    cdef Py_ssize_t row = data.n_features * size
    if data.center != NULL or work.moments or data.x_step % size != 0:
        return False
    if data.n_features == 1:
        return data.x_step == size and work.n_rows % LANES == 0
    if by_fours(data) and work.n_rows % 4 != 0:
        return False
    if work.padded == data.n_features:
        return True
    return data.x_step == row and (
        (start + work.n_rows - 1) * row + work.padded * size <= data.n_rows * row
    )


cdef inline vec load_any(const x_value* source) noexcept nogil:
    if x_value is float:
        return load_single(source)
    else:
        return load(source)


cdef void copy_rows(const x_value* start, const Data* data, Work* work) noexcept nogil:
    # Copy rows as doubles, centred and scaled where asked, and zeros behind them.
    cdef Py_ssize_t i, j, d = data.n_features
    cdef Py_ssize_t rows = whole_lanes(work.n_rows)
    cdef double* to = work.x_memory
    cdef const x_value* row
    cdef vec x
    for i in range(work.n_rows):
        row = <const x_value*> (<const char*> start + i * data.x_step)
        j = 0
        while j + WIDTH <= d:
            x = load_any(row + j)
            if data.center != NULL:
                x = (x - load(data.center + j)) * load(data.scale + j)
            store(to + j, x)
            j += WIDTH
        while j < d:
            to[j] = row[j]
            if data.center != NULL:
                to[j] = (to[j] - data.center[j]) * data.scale[j]
            j += 1
        while j < work.copy_step:
            to[j] = 0.0
            j += 1
        to += work.copy_step
    memset(to, 0, (rows - work.n_rows) * work.copy_step * sizeof(double))
    work.x = <const char*> work.x_memory
    work.step = work.copy_step
    work.single = False


cdef const double* load_column(
    const char* first, Py_ssize_t step, bint single, const Work* work, double* memory
) noexcept nogil:
    # Values of the rows of a block as doubles, and zeros up to whole lanes.
    cdef Py_ssize_t i
    for i in range(work.n_rows):
        if single:
            memory[i] = (<const float*> (first + i * step))[0]
        else:
            memory[i] = (<const double*> (first + i * step))[0]
    for i in range(work.n_rows, whole_lanes(work.n_rows)):
        memory[i] = 0.0
    return memory


cdef void load_block(const Data* data, Py_ssize_t start, Work* work) noexcept nogil:
    # Bring in the rows from `start` on: as many as a block holds.
    cdef const char* X = data.X + start * data.x_step
    cdef Py_ssize_t i
    work.n_rows = min(work.max_rows, data.n_rows - start)
    if in_place(data, start, work):
        work.x = X
        work.step = data.x_step // x_size(data)
        work.single = data.x_single
    elif data.x_single:
        copy_rows(<const float*> X, data, work)
    else:
        copy_rows(<const double*> X, data, work)
    work.y = data.y + start * data.y_step
    work.y_single = data.y_single
    if work.n_rows % LANES != 0 or data.y_step != y_size(data):
        work.y_single = False
        work.y = <const char*> load_column(
            work.y, data.y_step, data.y_single, work, work.y_memory
        )
    if data.sample_weight != NULL:
        work.weight = data.sample_weight + start
        if work.n_rows % LANES != 0:
            work.weight = load_column(
                <const char*> work.weight, sizeof(double), False,
                work, work.weight_memory,
            )
    elif work.n_rows % LANES != 0:  # rows that are not there weigh nothing
        for i in range(whole_lanes(work.n_rows)):
            work.weight_memory[i] = 1.0 if i < work.n_rows else 0.0
        work.weight = work.weight_memory
    else:
        work.weight = NULL


cdef void predict_column(const x_value* x, const Work* work, double b) noexcept nogil:
    # z = x coef + b of one feature.
    cdef Py_ssize_t i
    cdef vec coef = splat(work.coef[0]), intercept = splat(b)
    for i in range(whole_lanes(work.n_rows) // WIDTH):
        store(work.z + i * WIDTH, load_any(x + i * WIDTH) * coef + intercept)


cdef void predict_four(const x_value* x, const Work* work, double b) noexcept nogil:
    # z = x . coef + b, four rows at once as they share the reading of coef.
    cdef Py_ssize_t i, j
    cdef int k, r
    cdef const x_value* row
    cdef vec coef
    cdef vec[4 * PARTS] part
    for i in range(0, work.n_rows, 4):
        row = x + i * work.step
        for r in range(4):
            part[r * PARTS] = lead(b)
            for k in range(1, PARTS):
                part[r * PARTS + k] = splat(0.0)
        j = 0
        while j < work.padded:
            for k in range(PARTS):
                coef = load(work.coef + j)
                for r in range(4):
                    part[r * PARTS + k] += load_any(row + r * work.step + j) * coef
                j += WIDTH
        fold4(part, work.z + i)


cdef void predict_each(const x_value* x, const Work* work, double b) noexcept nogil:
    # z = x . coef + b, row after row, in twice as many lanes.
    cdef Py_ssize_t i, j
    cdef int k
    cdef vec[2 * PARTS] part
    for i in range(work.n_rows):
        for k in range(2 * PARTS):
            part[k] = splat(0.0)
        j = 0
        while j + 2 * LANES <= work.padded:
            for k in range(2 * PARTS):
                part[k] += load_any(x + j) * load(work.coef + j)
                j += WIDTH
        if j < work.padded:
            for k in range(PARTS):
                part[k] += load_any(x + j) * load(work.coef + j)
                j += WIDTH
        for k in range(PARTS):
            part[k] += part[PARTS + k]
        work.z[i] = fold(part) + b
        x += work.step


cdef inline void keep(
    const Work* work, Py_ssize_t i, vec loss, vec slope, vec* loss_sum, vec* slope_sum
) noexcept nogil:
    # Weigh loss and slope of some rows and add them up.
    if work.weight != NULL:
        loss = loss * load(work.weight + i)
        slope = slope * load(work.weight + i)
    store(work.slope + i, slope)
    loss_sum[0] += loss
    slope_sum[0] += slope


cdef void slope_rows(int kind, const y_value* y, const Work* work) noexcept nogil:
    # Slope of every row, and the sums of loss and slope.
    cdef Py_ssize_t i = 0, n = work.n_rows
    cdef int k
    cdef const double* z = work.z
    cdef vec loss, slope
    cdef vec[PARTS] losses, slopes
    for k in range(PARTS):
        losses[k] = load(work.loss_sum + k * WIDTH)
        slopes[k] = load(work.slope_sum + k * WIDTH)
    if kind == SQUARED_ERROR:
        while i < n:
            for k in range(PARTS):
                loss = squared_error(load(z + i), load_any(y + i), &slope)
                keep(work, i, loss, slope, &losses[k], &slopes[k])
                i += WIDTH
    elif kind == HALF_SQUARED_ERROR:
        while i < n:
            for k in range(PARTS):
                loss = half_squared_error(load(z + i), load_any(y + i), &slope)
                keep(work, i, loss, slope, &losses[k], &slopes[k])
                i += WIDTH
    elif kind == LOG_LOSS:
        while i < n:
            for k in range(PARTS):
                loss = log_loss(load(z + i), load_any(y + i), &slope)
                keep(work, i, loss, slope, &losses[k], &slopes[k])
                i += WIDTH
    for k in range(PARTS):
        store(work.loss_sum + k * WIDTH, losses[k])
        store(work.slope_sum + k * WIDTH, slopes[k])


cdef void add_column(
    const x_value* x, const double* factor, Py_ssize_t n_rows, double* lane_sum
) noexcept nogil:
    # lane_sum += factor x of one feature, lane by lane.
    cdef Py_ssize_t i = 0
    cdef int k
    cdef vec[PARTS] part
    for k in range(PARTS):
        part[k] = load(lane_sum + k * WIDTH)
    while i < n_rows:
        for k in range(PARTS):
            part[k] += load_any(x + i) * load(factor + i)
            i += WIDTH
    for k in range(PARTS):
        store(lane_sum + k * WIDTH, part[k])


cdef void add_rows(
    const x_value* x, const double* factor, const Work* work, double* total
) noexcept nogil:
    # total += sum of factor x, some features at a time so that their sums stay in
    # registers.
    cdef Py_ssize_t i, j = 0
    cdef int k
    cdef const x_value* row
    cdef vec scalar
    cdef vec[8] wide
    cdef vec[PARTS] part
    while j + 8 * WIDTH <= work.padded:
        for k in range(8):
            wide[k] = splat(0.0)
        row = x + j
        for i in range(work.n_rows):
            scalar = splat(factor[i])
            for k in range(8):
                wide[k] += scalar * load_any(row + k * WIDTH)
            row += work.step
        for k in range(8):
            store(total + j, load(total + j) + wide[k])
            j += WIDTH
    while j < work.padded:
        for k in range(PARTS):
            part[k] = splat(0.0)
        row = x + j
        for i in range(work.n_rows):
            scalar = splat(factor[i])
            for k in range(PARTS):
                part[k] += scalar * load_any(row + k * WIDTH)
            row += work.step
        for k in range(PARTS):
            store(total + j, load(total + j) + part[k])
            j += WIDTH


cdef void add_features(
    const x_value* x, const double* factor, const Data* data, const Work* work,
    double* total,
) noexcept nogil:
    # total += sum of factor x; of one feature lane by lane.
    if data.n_features == 1:
        add_column(x, factor, work.n_rows, total)
    else:
        add_rows(x, factor, work, total)


cdef void add_block(
    int kind, const x_value* x, const Data* data, const Work* work, double b
) noexcept nogil:
    # The three loops over a block.
    cdef Py_ssize_t i
    if data.n_features == 1:
        predict_column(x, work, b)
    elif by_fours(data):
        predict_four(x, work, b)
    else:
        predict_each(x, work, b)
    for i in range(work.n_rows, whole_lanes(work.n_rows)):
        work.z[i] = 0.0  # weighs nothing, but inf would make NaN of it
    if work.y_single:
        slope_rows(kind, <const float*> work.y, work)
    else:
        slope_rows(kind, <const double*> work.y, work)
    add_features(x, work.slope, data, work, work.gradient)


cdef double begin_pass(
    const Data* data, Work* work, const double* params, bint fit_intercept
) noexcept nogil:
    # Zero the sums and take over the parameters; returns the intercept.
    cdef Py_ssize_t d = data.n_features, j
    memset(work.coef, 0, 2 * (work.padded + LANES) * sizeof(double))
    for j in range(d):
        work.coef[j] = params[j]
    return params[d] if fit_intercept else 0.0


cdef void end_features(
    const Data* data, const double* total, double* result
) noexcept nogil:
    # result += a total of `add_features`.
    cdef Py_ssize_t j
    if data.n_features == 1:
        result[0] += fold_lanes(total)
    else:
        for j in range(data.n_features):
            result[j] += total[j]


cdef double add_pass(
    int kind, const Data* data, Work* work,
    const double* params, double* gradient, bint fit_intercept,
) noexcept nogil:
    # One pass over the data: adds to gradient, returns the sum of the losses.
    cdef Py_ssize_t start = 0
    cdef double b = begin_pass(data, work, params, fit_intercept)
    while start < data.n_rows:
        if work.n_rows != data.n_rows:  # else all of them are here since the last pass
            load_block(data, start, work)
        if work.single:
            add_block(kind, <const float*> work.x, data, work, b)
        else:
            add_block(kind, <const double*> work.x, data, work, b)
        start += work.n_rows
    end_features(data, work.gradient, gradient)
    if fit_intercept:
        gradient[data.n_features] += fold_lanes(work.slope_sum)
    return fold_lanes(work.loss_sum)


cdef void weigh_rows(const Work* work, double* left) noexcept nogil:
    # left = weight x of every row of the block.
    cdef Py_ssize_t i, j
    cdef const double* x = <const double*> work.x
    for i in range(whole_lanes(work.n_rows)):
        for j in range(work.step):
            left[i * work.step + j] = work.weight[i] * x[i * work.step + j]


cdef void add_products(
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


cdef double add_moment_pass(
    int kind, const Data* data, Work* work, const double* params, bint fit_intercept,
    double* left, double* total, double* second,
) noexcept nogil:
    # As `add_pass`, with total += sum of weight x and second += sum of weight x x'.
    # The gradient stays in `work`.
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
        add_features(x, work.weight, data, work, total)
        if data.sample_weight != NULL:
            weigh_rows(work, left)
        if data.n_features == 1:
            add_column(x, left, work.n_rows, second)
        else:
            add_products(left, work, data.n_features, second)
        start += work.n_rows
    return fold_lanes(work.loss_sum)


cdef double fold_lanes(const double* lane_sum) noexcept nogil:
    cdef int k
    cdef vec[PARTS] part
    for k in range(PARTS):
        part[k] = load(lane_sum + k * WIDTH)
    return fold(part)


cdef double weight_sum(const Data* data) noexcept nogil:
    cdef Py_ssize_t i
    cdef double[LANES] part
    if data.sample_weight == NULL:
        return <double> data.n_rows
    memset(part, 0, sizeof(part))
    for i in range(data.n_rows):
        part[i % LANES] += data.sample_weight[i]
    return fold_lanes(part)


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


cdef struct Quadratic:
    # A quadratic function, see `descend_quadratic`, and what is known at a point.
    Py_ssize_t n
    double loss
    const double* gradient
    const double* hessian
    const double* center
    const double* origin
    double* moved  # distance from the origin
    double* slope  # gradient at the point
    double* size   # root of each second derivative


cdef double dot(const double* a, const double* b, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i = 0
    cdef int k
    cdef vec[PARTS] part
    cdef double rest = 0.0
    for k in range(PARTS):
        part[k] = splat(0.0)
    while i + LANES <= n:
        for k in range(PARTS):
            part[k] += load(a + i) * load(b + i)
            i += WIDTH
    while i < n:
        rest += a[i] * b[i]
        i += 1
    return fold(part) + rest


cdef bint evaluate(Quadratic* at, const double* params, double* loss) noexcept nogil:
    # The function and its gradient at a point; False where rounding would show.
    cdef Py_ssize_t j, n = at.n
    cdef double linear, curved, terms, size = 0.0, bent = 0.0
    for j in range(n):
        at.moved[j] = params[j] - at.origin[j]
    if at.center != NULL:
        at.moved[n - 1] += dot(at.center, at.moved, n - 1)
    linear = dot(at.gradient, at.moved, n)
    terms = fabs(at.loss)
    for j in range(n):
        curved = dot(at.hessian + j * n, at.moved, n)
        bent += at.moved[j] * curved
        at.slope[j] = at.gradient[j] + curved
        terms += fabs(at.gradient[j] * at.moved[j])
        size += fabs(at.moved[j]) * at.size[j]
    loss[0] = at.loss + (linear + 0.5 * bent)
    if at.center != NULL:
        for j in range(n - 1):
            at.slope[j] += at.center[j] * at.slope[n - 1]
    return not fabs(loss[0]) < 1e-5 * (terms + size * size)


cdef void add_triangle(
    const double* lower, Py_ssize_t step, double[:, ::1] full
) noexcept nogil:
    # full += the symmetric matrix of which `lower` has the lower triangle.
    cdef Py_ssize_t i, j
    for i in range(full.shape[0]):
        for j in range(i):
            full[i, j] += lower[i * step + j]
            full[j, i] += lower[i * step + j]
        full[i, i] += lower[i * step + i]


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


cdef int check_outputs(
    Py_ssize_t n_steps, Py_ssize_t n_params, double[:, ::1] trace, double[:, ::1] path
) except -1:
    if trace.shape[0] != n_steps or trace.shape[1] != 3:
        raise ValueError("trace must have shape (n_steps, 3)")
    if path is not None and (path.shape[0] != n_steps or path.shape[1] != n_params):
        raise ValueError("path must have shape (n_steps, n_params)")
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
        If there is no scratch memory: some 25 KiB or ten rows of doubles, whichever is
        more.

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
    cdef Work work
    cdef double loss_sum
    known(kind)
    if gradient.shape[0] != params.shape[0]:
        raise ValueError("gradient must have the shape of params")
    if not allocate(&work, &data, False):
        raise MemoryError()
    with nogil:
        loss_sum = add_pass(
            kind, &data, &work, &params[0], &gradient[0], fit_intercept
        )
        free(work.memory)
    return loss_sum, weight_sum(&data)


def add_moments(
    int kind, const x_value[:, :] X, const y_value[:] y,
    const double[::1] sample_weight, const double[:, ::1] columns,
    const double[::1] params, double[::1] gradient,
    double[::1] first, double[:, ::1] second,
):
    """Add the loss gradient and the moments of a chunk of examples to running sums.

    Beside what `add_gradient` adds this adds, for rows x_i as `columns` gives them::

        first   +=  sum_i  s_i x_i
        second  +=  sum_i  s_i x_i x_i'

    Parameters
    ----------
    kind, X, y, sample_weight, columns, params
        As in `add_gradient`.
    gradient : ndarray of float64, shape of `params`, changed
        The running sum of gradients.
    first : ndarray of float64, shape (n_features,), changed
        The running sum of rows.
    second : ndarray of float64, shape (n_features, n_features), changed
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
        If there is no scratch memory: that of `second`, and 16 to 64 rows of doubles,
        or twice as many with weights.

    Notes
    -----
    n_samples n_features (n_features + 6) operations and one reading of `X`. Every
    product is summed in double, row after row within a block, block after block.
    Releases the GIL; may be called from several threads with different sums.

    Examples
    --------
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> g, first, second = np.zeros(3), np.zeros(2), np.zeros((2, 2))
    >>> add_moments(0, X, np.ones(2), None, None, np.zeros(3), g, first, second)
    (2.0, 2.0)
    >>> print(g, first, second)
    [ -8. -12.  -4.] [4. 6.] [[10. 14.]
     [14. 20.]]
    """
    cdef Data data = describe(X, y, sample_weight, columns)
    cdef Py_ssize_t d = data.n_features
    cdef bint fit_intercept = has_intercept(params.shape[0], d)
    cdef Work work
    cdef double* sums
    cdef double* left
    cdef double loss_sum
    known(kind)
    if gradient.shape[0] != params.shape[0]:
        raise ValueError("gradient must have the shape of params")
    if first.shape[0] != d:
        raise ValueError("first must have one value for each column of X")
    if second.shape[0] != d or second.shape[1] != d:
        raise ValueError("second must have shape (n_features, n_features)")
    if not allocate(&work, &data, True):
        raise MemoryError()
    sums = <double*> calloc(work.padded * (work.padded + 1), sizeof(double))
    left = work.x_memory
    if data.sample_weight != NULL:
        left = <double*> malloc(
            whole_lanes(work.max_rows) * work.copy_step * sizeof(double)
        )
    if sums == NULL or left == NULL:
        free(sums)
        free(work.memory)
        if data.sample_weight != NULL:
            free(left)
        raise MemoryError()
    with nogil:
        loss_sum = add_moment_pass(
            kind, &data, &work, &params[0], fit_intercept,
            left, sums, sums + work.padded,
        )
        end_features(&data, work.gradient, &gradient[0])
        if fit_intercept:
            gradient[d] += fold_lanes(work.slope_sum)
        end_features(&data, sums, &first[0])
        if d == 1:
            end_features(&data, sums + work.padded, &second[0, 0])
        else:
            add_triangle(sums + work.padded, work.padded, second)
        free(sums)
        free(work.memory)
        if data.sample_weight != NULL:
            free(left)
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
    cdef Work work
    cdef double* gradient
    cdef double* at = &params[0]
    cdef double weights
    known(kind)
    check_outputs(n_steps, n_params, trace, path)
    gradient = <double*> malloc(n_params * sizeof(double))
    if gradient == NULL or not allocate(&work, &data, False):
        free(gradient)
        raise MemoryError()
    with nogil:
        weights = weight_sum(&data)
        for t in range(n_steps):
            for j in range(n_params):
                gradient[j] = 0.0
            trace[t, 0] = add_pass(
                kind, &data, &work, at, gradient, fit_intercept
            ) / weights
            for j in range(n_params):
                gradient[j] /= weights
            trace[t, 1] = largest(gradient, n_params)
            if path is not None:
                for j in range(n_params):
                    path[t, j] = at[j]
            trace[t, 2] = update(at, gradient, n_params, rates[t])
        free(gradient)
        free(work.memory)


def descend_quadratic(
    double loss, const double[::1] gradient, const double[:, ::1] hessian,
    const double[::1] center, const double[::1] origin, double[::1] params,
    const double[::1] rates, double[:, ::1] trace, double[:, ::1] path,
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
    rates, trace, path
        As in `descend`.

    Returns
    -------
    n_steps : int
        Steps made: all, or those before the first at which `loss` and what is added
        to it cancel to a part in 1e5, so that rounding might show in the tenth digit.
        Never 0 if `params` is `origin`.

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
    cdef double* memory
    cdef Quadratic at
    if gradient.shape[0] != n or origin.shape[0] != n or n == 0:
        raise ValueError("gradient and origin must have the shape of params")
    if hessian.shape[0] != n or hessian.shape[1] != n:
        raise ValueError("hessian must have shape (n_params, n_params)")
    if center is not None and center.shape[0] != n - 1:
        raise ValueError("center must have one value less than params")
    check_outputs(n_steps, n, trace, path)
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
        while t < n_steps and evaluate(&at, &params[0], &trace[t, 0]):
            trace[t, 1] = largest(at.slope, n)
            if path is not None:
                for j in range(n):
                    path[t, j] = params[j]
            trace[t, 2] = update(&params[0], at.slope, n, rates[t])
            t += 1
        free(memory)
    return t
