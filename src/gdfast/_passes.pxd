# One pass over the data: predictions, losses and slopes, and the sum of the gradients.

from libc.string cimport memset

from gdfast._blocks cimport (
    Data, Work, by_fours, foresee, load_any, load_block, whole_lanes, x_value, y_value,
)
from gdfast._losses cimport (
    EPSILON_INSENSITIVE, HALF_SQUARED_ERROR, HINGE, HUBER, LOG_LOSS, MODIFIED_HUBER,
    PERCEPTRON, POISSON, QUANTILE, SQUARED_EPSILON_INSENSITIVE, SQUARED_ERROR,
    SQUARED_HINGE, Loss, evaluate,
)
from gdfast._simd cimport (
    LANES, PARTS, WIDTH, fold, fold4, lead, load, splat, store, vec,
)


cdef inline void predict_column(
    const x_value* x, const Work* work, double b
) noexcept nogil:
    # z = x coef + b of one feature.
    cdef Py_ssize_t i
    cdef vec coef = splat(work.coef[0]), intercept = splat(b)
    for i in range(whole_lanes(work.n_rows) // WIDTH):
        store(work.z + i * WIDTH, load_any(x + i * WIDTH) * coef + intercept)


cdef inline void predict_four(
    const x_value* x, const Work* work, double b
) noexcept nogil:
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


cdef inline void predict_each(
    const x_value* x, const Work* work, double b
) noexcept nogil:
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


cdef inline void slope_loop(
    Loss kind, double param, const y_value* y, const Work* work
) noexcept nogil:
    # Slope of every row by one loss, and the sums of loss and slope.
    cdef Py_ssize_t i = 0, n = work.n_rows
    cdef int k
    cdef const double* z = work.z
    cdef vec loss, slope
    cdef vec[PARTS] losses, slopes
    for k in range(PARTS):
        losses[k] = load(work.loss_sum + k * WIDTH)
        slopes[k] = load(work.slope_sum + k * WIDTH)
    while i < n:
        for k in range(PARTS):
            loss = evaluate(kind, load(z + i), load_any(y + i), param, &slope)
            keep(work, i, loss, slope, &losses[k], &slopes[k])
            i += WIDTH
    for k in range(PARTS):
        store(work.loss_sum + k * WIDTH, losses[k])
        store(work.slope_sum + k * WIDTH, slopes[k])


cdef inline void slope_rows(
    int kind, double param, const y_value* y, const Work* work
) noexcept nogil:
    # The choice of loss: each constant makes a loop of its own.
    if kind == SQUARED_ERROR:
        slope_loop(SQUARED_ERROR, param, y, work)
    elif kind == HALF_SQUARED_ERROR:
        slope_loop(HALF_SQUARED_ERROR, param, y, work)
    elif kind == LOG_LOSS:
        slope_loop(LOG_LOSS, param, y, work)
    elif kind == HUBER:
        slope_loop(HUBER, param, y, work)
    elif kind == EPSILON_INSENSITIVE:
        slope_loop(EPSILON_INSENSITIVE, param, y, work)
    elif kind == SQUARED_EPSILON_INSENSITIVE:
        slope_loop(SQUARED_EPSILON_INSENSITIVE, param, y, work)
    elif kind == QUANTILE:
        slope_loop(QUANTILE, param, y, work)
    elif kind == POISSON:
        slope_loop(POISSON, param, y, work)
    elif kind == HINGE:
        slope_loop(HINGE, param, y, work)
    elif kind == SQUARED_HINGE:
        slope_loop(SQUARED_HINGE, param, y, work)
    elif kind == MODIFIED_HUBER:
        slope_loop(MODIFIED_HUBER, param, y, work)
    elif kind == PERCEPTRON:
        slope_loop(PERCEPTRON, param, y, work)


cdef inline void add_column(
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


cdef inline void add_rows(
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


cdef inline void add_features(
    const x_value* x, const Data* data, const Work* work
) noexcept nogil:
    # gradient += sum of slope x; of one feature lane by lane.
    if data.n_features == 1:
        add_column(x, work.slope, work.n_rows, work.gradient)
    else:
        add_rows(x, work.slope, work, work.gradient)


cdef inline void add_block(
    int kind, double param, const x_value* x, const Data* data, Work* work,
    double b,
) noexcept nogil:
    # The loops over a block; where moments are added up, that of the gradient is there.
    cdef Py_ssize_t i
    if data.n_features == 1:
        predict_column(x, work, b)
    elif by_fours(data, work):
        predict_four(x, work, b)
    else:
        predict_each(x, work, b)
    for i in range(work.n_rows, whole_lanes(work.n_rows)):
        work.z[i] = 0.0  # weighs nothing, but inf would make NaN of it
    if work.y_single:
        slope_rows(kind, param, <const float*> work.y, work)
    else:
        slope_rows(kind, param, <const double*> work.y, work)
    if data.order != NULL:  # the other half of what is to be asked for
        foresee(data, work, work.n_rows - work.n_rows // 2)
    if not work.moments:
        add_features(x, data, work)


cdef inline double fold_lanes(const double* lane_sum) noexcept nogil:
    cdef int k
    cdef vec[PARTS] part
    for k in range(PARTS):
        part[k] = load(lane_sum + k * WIDTH)
    return fold(part)


cdef inline double begin_pass(
    const Data* data, Work* work, const double* params, bint fit_intercept
) noexcept nogil:
    # Zero the sums and take over the parameters; returns the intercept.
    cdef Py_ssize_t d = data.n_features, j
    memset(work.coef, 0, 2 * (work.padded + LANES) * sizeof(double))
    for j in range(d):
        work.coef[j] = params[j]
    return params[d] if fit_intercept else 0.0


cdef inline void end_gradient(
    const Data* data, const Work* work, double* gradient, bint fit_intercept
) noexcept nogil:
    # gradient += the sums of a pass.
    cdef Py_ssize_t d = data.n_features, j
    if d == 1:
        gradient[0] += fold_lanes(work.gradient)
    else:
        for j in range(d):
            gradient[j] += work.gradient[j]
    if fit_intercept:
        gradient[d] += fold_lanes(work.slope_sum)


cdef inline double add_pass(
    int kind, double param, const Data* data, Work* work,
    const double* params, double* gradient, bint fit_intercept,
) noexcept nogil:
    # One pass over the data: adds to gradient, returns the sum of the losses.
    cdef Py_ssize_t start = 0
    cdef double b = begin_pass(data, work, params, fit_intercept)
    while start < data.n_rows:
        if work.n_rows != data.n_rows:  # else all of them are here since the last pass
            load_block(data, start, work)
        if work.single:
            add_block(kind, param, <const float*> work.x, data, work, b)
        else:
            add_block(kind, param, <const double*> work.x, data, work, b)
        start += work.n_rows
    end_gradient(data, work, gradient, fit_intercept)
    return fold_lanes(work.loss_sum)


cdef inline double weight_sum(const Data* data) noexcept nogil:
    cdef Py_ssize_t i, row
    cdef double[LANES] part
    if data.sample_weight == NULL:
        return <double> data.n_rows
    memset(part, 0, sizeof(part))
    for i in range(data.n_rows):
        row = i if data.order == NULL else data.order[i]
        part[i % LANES] += data.sample_weight[row]
    return fold_lanes(part)
