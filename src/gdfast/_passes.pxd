# One pass over the data: predictions, losses and slopes, and the sum of the gradients.

from libc.string cimport memset

from gdfast._blocks cimport (
    Data, Work, by_fours, fold_lanes, foresee, load_any, load_block, whole_lanes,
    x_value,
)
from gdfast._outputs cimport add_output_pass
from gdfast._simd cimport (
    LANES, PARTS, WIDTH, fold, fold4, lead, load, splat, store, vec,
)
from gdfast._slopes cimport slope_rows


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
    double b, bint gradient,
) noexcept nogil:
    # The loops over a block, with that of the gradient or without.
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
    if gradient:
        add_features(x, data, work)


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
    # One pass over the data: adds to gradient unless that is NULL, returns the sum of
    # the losses.
    cdef Py_ssize_t start = 0
    cdef double b
    if data.n_outputs > 1:
        return add_output_pass(
            kind, param, data, work, params, gradient, fit_intercept
        )
    b = begin_pass(data, work, params, fit_intercept)
    while start < data.n_rows:
        if work.n_rows != data.n_rows:  # else all of them are here since the last pass
            load_block(data, start, work)
        if work.single:
            add_block(
                kind, param, <const float*> work.x, data, work, b, gradient != NULL
            )
        else:
            add_block(
                kind, param, <const double*> work.x, data, work, b, gradient != NULL
            )
        start += work.n_rows
    if gradient != NULL:
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
