# scikit-learn's stochastic gradient descent: a step on every example by itself. The
# coefficients are `scale` times w, so that shrinking all of them takes one product.

from libc.math cimport exp, fabs, fma

from gdfast._blocks cimport (
    AHEAD_BYTES, AHEAD_ROW, NEAR_ROWS, ask_for_all, ask_for_lines, load_any, x_value,
)
from gdfast._losses cimport (
    EPSILON_INSENSITIVE, HALF_SQUARED_ERROR, HINGE, HUBER, LOG_LOSS, MODIFIED_HUBER,
    PERCEPTRON, POISSON, QUANTILE, SQUARED_EPSILON_INSENSITIVE, SQUARED_ERROR,
    SQUARED_HINGE, evaluate,
)
from gdfast._simd cimport (
    LANES, PARTS, WIDTH, absolute, divide, fold, join, lane, load,
    prefetch, prefetch_far, splat, store, vec, where_less,
)
from gdfast._sparse cimport all_below, foresee_row, index_value, row_value

cdef enum:
    # How an update follows from the slope.
    BY_RATE = 0
    PASSIVE_AGGRESSIVE_1 = 1
    PASSIVE_AGGRESSIVE_2 = 2

    MAX_AHEAD = 64     # rows that are asked for before their turn
    FEW_FEATURES = 32  # of a short row
    DRAWS = 32         # exchanges of rows that are drawn before they are made

cdef struct Sgd:
    # One output: its settings, its state, and sums over the steps made.
    int kind
    double param
    int rule              # how an update follows
    bint in_order         # whether to round as scikit-learn does, see `Stochastic`
    bint single           # whether rows are float32, and factors rounded to it
    double aggressiveness  # of passive-aggressive updates
    double alpha
    double l1             # shares of the penalty
    double l2
    double intercept_rate  # factor of its steps; 0 for no intercept
    bint penalized
    double square         # sum of squared coefficients after the last step that moved
    double average_from   # first step that counts for the average; inf for none
    double size           # of their sizes then, before any was truncated
    Py_ssize_t n_features
    double t              # number of the next step
    double* w             # with zeros up to whole lanes
    double scale
    bint taken            # whether w holds it since the last step
    double intercept
    double* mean          # the average of w is (mean + mean_share w) / mean_scale
    double mean_share
    double mean_scale
    double mean_intercept
    double* paid          # what truncation has taken off every coefficient,
    double owed           # and what it may
    double* pairs         # w and paid of every column while sparse rows are stepped on
    double loss           # sum over the steps
    double nothing        # 0 unless a prediction was not finite
    double objective      # sum of losses and penalties


cdef inline vec loss_of_some(
    int kind, vec z, vec y, double param, vec* slope
) noexcept nogil:
    # The losses of some examples or outputs, and their slopes.
    if kind == HALF_SQUARED_ERROR:
        return evaluate(HALF_SQUARED_ERROR, z, y, param, slope)
    if kind == LOG_LOSS:
        return evaluate(LOG_LOSS, z, y, param, slope)
    if kind == HINGE:
        return evaluate(HINGE, z, y, param, slope)
    if kind == HUBER:
        return evaluate(HUBER, z, y, param, slope)
    if kind == EPSILON_INSENSITIVE:
        return evaluate(EPSILON_INSENSITIVE, z, y, param, slope)
    if kind == SQUARED_EPSILON_INSENSITIVE:
        return evaluate(SQUARED_EPSILON_INSENSITIVE, z, y, param, slope)
    if kind == SQUARED_HINGE:
        return evaluate(SQUARED_HINGE, z, y, param, slope)
    if kind == MODIFIED_HUBER:
        return evaluate(MODIFIED_HUBER, z, y, param, slope)
    if kind == PERCEPTRON:
        return evaluate(PERCEPTRON, z, y, param, slope)
    if kind == SQUARED_ERROR:
        return evaluate(SQUARED_ERROR, z, y, param, slope)
    if kind == QUANTILE:
        return evaluate(QUANTILE, z, y, param, slope)
    return evaluate(POISSON, z, y, param, slope)


cdef inline double loss_of_one(
    int kind, double z, double y, double param, double* slope
) noexcept nogil:
    # The loss of an example, and its slope.
    cdef vec steep, value
    value = loss_of_some(kind, splat(z), splat(y), param, &steep)
    slope[0] = lane(steep, 0)
    return lane(value, 0)


cdef inline void make_pairs(Sgd* sgd) noexcept nogil:
    # Bring w and paid to where a row finds both on one line of the cache.
    cdef Py_ssize_t j
    for j in range(sgd.n_features):
        sgd.pairs[2 * j] = sgd.w[j]
        sgd.pairs[2 * j + 1] = sgd.paid[j]


cdef inline void take_pairs(Sgd* sgd) noexcept nogil:
    # Bring them back.
    cdef Py_ssize_t j
    for j in range(sgd.n_features):
        sgd.w[j] = sgd.pairs[2 * j]
        sgd.paid[j] = sgd.pairs[2 * j + 1]


cdef inline double settled_mean(const Sgd* sgd, Py_ssize_t at) noexcept nogil:
    # An average of w, rounded as by the BLAS of scikit-learn.
    return fma(sgd.mean_share, sgd.w[at], sgd.mean[at]) * (1.0 / sgd.mean_scale)


cdef inline void take_scale(Sgd* sgd) noexcept nogil:
    # Make the scale 1, and the average what `mean` says, without a change of either.
    cdef Py_ssize_t j
    if sgd.pairs != NULL:
        take_pairs(sgd)
    if sgd.mean != NULL:
        for j in range(sgd.n_features):
            sgd.mean[j] = settled_mean(sgd, j)
        sgd.mean_share = 0.0
        sgd.mean_scale = 1.0
    for j in range(sgd.n_features):
        sgd.w[j] *= sgd.scale
    sgd.scale = 1.0
    sgd.taken = True
    if sgd.pairs != NULL:
        make_pairs(sgd)


cdef inline double shrinkage(const Sgd* sgd, double rate) noexcept nogil:
    # What a step of the penalty multiplies all coefficients by. With float32 rows
    # scikit-learn rounds that, which shows far more than its own size.
    cdef double factor = max(0.0, 1.0 - sgd.l2 * rate * sgd.alpha)
    return <float> factor if sgd.single else factor


cdef inline void shrink(Sgd* sgd, double rate) noexcept nogil:
    # Multiply all coefficients by that.
    cdef double factor = shrinkage(sgd, rate)
    sgd.scale *= factor
    sgd.square *= factor * factor
    sgd.size *= factor
    if sgd.scale < 1e-9:  # and w / scale would become too large
        take_scale(sgd)


cdef inline double updating(
    const Sgd* sgd, double z, double y, double slope, double loss, double square,
    double rate,
) noexcept nogil:
    # The factor of x in the update; `square` is the sum of x^2.
    cdef double step
    if sgd.rule == BY_RATE:
        return -rate * max(-1e12, min(slope, 1e12))
    if sgd.rule == PASSIVE_AGGRESSIVE_1:
        step = min(sgd.aggressiveness, loss / square)
    else:
        step = loss / (square + 0.5 / sgd.aggressiveness)
    if sgd.kind == HINGE:
        return step if y > 0.0 else -step
    return -step if y - z < 0.0 else step


cdef inline double begin_step(
    Sgd* sgd, double product, double square, double y, double weight, double rate,
    bint* moves,
) noexcept nogil:
    # All of a step but what is done to w: returns what w moves by, in parts of x.
    # `product` is w . x, `square` the sum of x^2.
    cdef double z = sgd.scale * product + sgd.intercept, slope, loss, step
    loss = loss_of_one(sgd.kind, z, y, sgd.param, &slope)
    sgd.nothing += 0.0 * z
    if sgd.in_order and sgd.kind == LOG_LOSS:
        slope = logistic_slope(z, y)
    sgd.loss += loss
    sgd.objective += loss
    if sgd.penalized and sgd.rule == BY_RATE:
        sgd.objective += sgd.alpha * (0.5 * sgd.l2 * sgd.square + sgd.l1 * sgd.size)
    moves[0] = sgd.rule != PASSIVE_AGGRESSIVE_1 or square != 0.0
    if not moves[0]:
        return 0.0
    step = weight * updating(sgd, z, y, slope, loss, square, rate)
    if sgd.l2 != 0.0:
        shrink(sgd, rate)
    sgd.intercept += step * sgd.intercept_rate
    return step


cdef inline double in_w(const Sgd* sgd, double step) noexcept nogil:
    # A step in units of w.
    return step / sgd.scale if sgd.in_order else step * (1.0 / sgd.scale)


cdef inline double end_step(Sgd* sgd, double rate) noexcept nogil:
    # The average of w of a step, after w has moved, and what may be truncated of it;
    # returns the share of the step in averages.
    cdef double share = 0.0
    if sgd.t >= sgd.average_from:
        share = 1.0 / (sgd.t - sgd.average_from + 1.0)
        if share < 1.0:
            sgd.mean_scale /= 1.0 - share
        sgd.mean_share += share * sgd.mean_scale * sgd.scale
        sgd.mean_intercept += share * (sgd.intercept - sgd.mean_intercept)
    sgd.t += 1.0
    sgd.owed += sgd.l1 * rate * sgd.alpha
    return share


cdef inline double logistic_slope(double z, double y) noexcept nogil:
    # That of `log_loss`, as scikit-learn rounds it.
    cdef double e
    if z > -37.0:
        e = exp(-z)
        return ((1.0 - y) - y * e) / (1.0 + e)
    return exp(z) - y


cdef inline vec truncated(const Sgd* sgd, vec w, vec* paid) noexcept nogil:
    # Coefficients brought nearer to zero by what is owed and not paid yet, without a
    # branch that nobody foresees; one that is zero stays so.
    cdef vec zero = splat(0.0), scale = splat(sgd.scale), size, value, sign
    sign = where_less(zero, w, splat(1.0), where_less(w, zero, splat(-1.0), zero))
    size = splat(sgd.owed) + sign * paid[0]
    if sgd.in_order:
        size = divide(size, scale)
    else:
        size = size * divide(splat(1.0), scale)
    size = absolute(w) - size
    value = sign * where_less(zero, size, size, zero)
    paid[0] += scale * (value - w)
    return value


cdef inline vec some(const x_value* x, Py_ssize_t n) noexcept nogil:
    # The first values, and zeros if there are fewer than lanes.
    if n >= WIDTH:
        return load_any(x)
    return join(
        <double> x[0] if n > 0 else 0.0, <double> x[1] if n > 1 else 0.0,
        <double> x[2] if n > 2 else 0.0, 0.0,
    )


cdef inline double square_of(const x_value* x, Py_ssize_t n) noexcept nogil:
    # The sum of x^2.
    cdef Py_ssize_t j = 0
    cdef int k
    cdef vec value
    cdef vec[PARTS] square
    for k in range(PARTS):
        square[k] = splat(0.0)
    while j < n:
        for k in range(PARTS):
            value = some(x + j, n - j)
            square[k] += value * value
            j += WIDTH
    return fold(square)


# ---- rows that are stored whole

cdef inline double dot(
    const x_value* x, const double* w, Py_ssize_t n, const x_value* ahead
) noexcept nogil:
    # x . w in twice as many lanes as a fold takes; asks for a row that lies ahead.
    cdef Py_ssize_t j = 0
    cdef int k
    cdef vec[2 * PARTS] part
    for k in range(2 * PARTS):
        part[k] = splat(0.0)
    while j + 2 * LANES <= n:
        ask_for_lines(ahead + j, 2 * LANES * sizeof(x_value))
        for k in range(2 * PARTS):
            part[k] += load_any(x + j) * load(w + j)
            j += WIDTH
    ask_for_all(ahead + j, (n - j) * <Py_ssize_t> sizeof(x_value))
    while j + LANES <= n:
        for k in range(PARTS):
            part[k] += load_any(x + j) * load(w + j)
            j += WIDTH
    if j < n:
        for k in range(PARTS):
            part[k] += some(x + j, n - j) * load(w + j)
            j += WIDTH
    for k in range(PARTS):
        part[k] += part[PARTS + k]
    return fold(part)


cdef inline double dot_in_order(
    const x_value* x, const double* w, Py_ssize_t n, const x_value* ahead
) noexcept nogil:
    # The same, one product after the other.
    cdef Py_ssize_t j
    cdef double total = 0.0
    ask_for_all(ahead, min(n * <Py_ssize_t> sizeof(x_value), AHEAD_ROW))
    for j in range(n):
        total += w[j] * <double> x[j]
    return total


cdef inline vec moved(double* w, vec x, vec factor, vec* square) noexcept nogil:
    # w += factor x in one vector, whose squares are added to a sum; returns w.
    cdef vec value = load(w) + factor * x
    square[0] += value * value
    store(w, value)
    return value


cdef inline double add_row(
    const x_value* x, double factor, double* w, Py_ssize_t n
) noexcept nogil:
    # w += factor x; returns the sum of w^2 after that.
    cdef Py_ssize_t j = 0
    cdef int k
    cdef vec scalar = splat(factor)
    cdef vec[PARTS] square
    for k in range(PARTS):
        square[k] = splat(0.0)
    while j + LANES <= n:
        for k in range(PARTS):
            moved(w + j, load_any(x + j), scalar, &square[k])
            j += WIDTH
    if j < n:
        for k in range(PARTS):
            moved(w + j, some(x + j, n - j), scalar, &square[k])
            j += WIDTH
    return fold(square)


cdef inline double add_and_dot(
    const x_value* x, double factor, const x_value* next, double* w, Py_ssize_t n,
    const x_value* ahead, double* sum_of_squares,
) noexcept nogil:
    # `add_row`, and `dot` of the next row, with one reading of w: the same bits.
    cdef Py_ssize_t j = 0
    cdef int k
    cdef vec scalar = splat(factor), value
    cdef vec[2 * PARTS] part
    cdef vec[PARTS] square
    for k in range(PARTS):
        part[k] = part[PARTS + k] = square[k] = splat(0.0)
    while j + 2 * LANES <= n:
        ask_for_lines(ahead + j, 2 * LANES * sizeof(x_value))
        for k in range(2 * PARTS):
            value = moved(w + j, load_any(x + j), scalar, &square[k % PARTS])
            part[k] += load_any(next + j) * value
            j += WIDTH
    ask_for_all(ahead + j, (n - j) * <Py_ssize_t> sizeof(x_value))
    while j + LANES <= n:
        for k in range(PARTS):
            value = moved(w + j, load_any(x + j), scalar, &square[k])
            part[k] += load_any(next + j) * value
            j += WIDTH
    if j < n:
        for k in range(PARTS):
            value = moved(w + j, some(x + j, n - j), scalar, &square[k])
            part[k] += some(next + j, n - j) * value
            j += WIDTH
    for k in range(PARTS):
        part[k] += part[PARTS + k]
    sum_of_squares[0] = fold(square)
    return fold(part)


cdef inline void keep_mean(Sgd* sgd, const x_value* x, double factor) noexcept nogil:
    # Take from the mean what w + factor x adds to it, rounded as scikit-learn does.
    cdef Py_ssize_t j
    for j in range(sgd.n_features):
        sgd.mean[j] -= sgd.mean_share * <double> x[j] * factor


cdef inline double size_of(const double* w, Py_ssize_t n) noexcept nogil:
    # The sum of |w|.
    cdef Py_ssize_t j = 0
    cdef int k
    cdef vec[PARTS] size
    for k in range(PARTS):
        size[k] = splat(0.0)
    while j < n:
        for k in range(PARTS):
            size[k] += absolute(load(w + j))
            j += WIDTH
    return fold(size)


cdef inline void truncate(Sgd* sgd) noexcept nogil:
    # Take off all coefficients what is owed.
    cdef Py_ssize_t j = 0
    cdef vec paid
    while j < sgd.n_features:
        paid = load(sgd.paid + j)
        store(sgd.w + j, truncated(sgd, load(sgd.w + j), &paid))
        store(sgd.paid + j, paid)
        j += WIDTH


cdef inline void note(const Sgd* sgd, double* row) noexcept nogil:
    # What an epoch has seen, and whether the model is finite.
    row[0] = sgd.loss
    row[1] = sgd.objective
    row[2] = sgd.scale * size_of(sgd.w, sgd.n_features) + fabs(sgd.intercept)
    row[3] = sgd.nothing


cdef inline void measure(Sgd* sgd) noexcept nogil:
    # Note squares and sizes of the coefficients.
    cdef double* w = sgd.w
    sgd.square = sgd.scale * sgd.scale * dot(w, w, sgd.n_features, w)
    sgd.size = sgd.scale * size_of(w, sgd.n_features)


cdef inline double predict_row(
    const Sgd* sgd, const x_value* x, const x_value* ahead
) noexcept nogil:
    # x . w.
    if sgd.in_order:
        return dot_in_order(x, sgd.w, sgd.n_features, ahead)
    return dot(x, sgd.w, sgd.n_features, ahead)


cdef inline bint step_on_row(
    Sgd* sgd, const x_value* x, const x_value* next, double y, double weight,
    double rate, const x_value* ahead, double* product,
) noexcept nogil:
    # `product` is x . w. Where w moves, the same reading of it gives next . w, unless w
    # is truncated after that or sums are to be in order; returns whether it did.
    cdef Py_ssize_t n = sgd.n_features
    cdef bint moves, predicts = sgd.l1 == 0.0 and not sgd.in_order
    cdef double square = 0.0, step, factor
    if sgd.rule != BY_RATE:
        square = square_of(x, n)
    step = begin_step(sgd, product[0], square, y, weight, rate, &moves)
    if not moves:
        return False
    if step != 0.0:
        factor = in_w(sgd, step)
        if predicts:
            product[0] = add_and_dot(x, factor, next, sgd.w, n, ahead, &square)
        else:
            square = add_row(x, factor, sgd.w, n)
        sgd.square = sgd.scale * sgd.scale * square
        if sgd.l1 != 0.0:
            sgd.size = sgd.scale * size_of(sgd.w, n)
        if sgd.t >= sgd.average_from:
            keep_mean(sgd, x, factor)
    end_step(sgd, rate)
    if sgd.l1 != 0.0:
        truncate(sgd)
    return predicts and step != 0.0


cdef inline Py_ssize_t rows_ahead(const x_value* X, Py_ssize_t n) noexcept nogil:
    # How many rows before its turn one is asked for.
    cdef Py_ssize_t size = sizeof(x_value)
    return max(1, min(MAX_AHEAD, AHEAD_BYTES // (n * size)))


cdef inline const x_value* row_of(
    const x_value* X, Py_ssize_t apart, const Py_ssize_t* order, Py_ssize_t n_steps,
    Py_ssize_t i,
) noexcept nogil:
    # The row of a step, or of the last step.
    return X + order[min(i, n_steps - 1)] * apart


cdef inline void ask_for_target(
    const double* y, const double* weight, Py_ssize_t row
) noexcept nogil:
    # Ask for the target and the weight of a row.
    prefetch(y + row)
    if weight != NULL:
        prefetch(weight + row)


cdef inline void ask_for_steps(
    const x_value* X, Py_ssize_t apart, Py_ssize_t n, const double* y,
    const double* weight, const Py_ssize_t* order, Py_ssize_t n_steps, Py_ssize_t i,
    Py_ssize_t ahead,
) noexcept nogil:
    # Ask for the target and the weight of a later step, whose row is asked for where a
    # row is predicted; and for the middle of a nearer one before its ends are read, for
    # the reason that `gather_rows` names.
    prefetch(row_of(X, apart, order, n_steps, i + NEAR_ROWS) + n // 2)
    if i + 2 * ahead < n_steps:
        ask_for_target(y, weight, order[i + 2 * ahead])


cdef inline void step_on_long_rows(
    Sgd* sgd, const x_value* X, Py_ssize_t apart, const double* y,
    const double* weight, const Py_ssize_t* order, Py_ssize_t n_steps,
    const double* rates,
) noexcept nogil:
    # Steps on some rows in an order.
    cdef Py_ssize_t i, row, n = sgd.n_features, ahead = rows_ahead(X, n)
    cdef const x_value* x = X + order[0] * apart
    cdef const x_value* next
    cdef double product = 0.0
    cdef bint predicted = False
    for i in range(n_steps):
        ask_for_steps(X, apart, n, y, weight, order, n_steps, i, ahead)
        if not predicted:
            product = predict_row(
                sgd, x, row_of(X, apart, order, n_steps, i + ahead)
            )
        row = order[i]
        next = row_of(X, apart, order, n_steps, i + 1)
        predicted = step_on_row(
            sgd, x, next, y[row], 1.0 if weight == NULL else weight[row], rates[i],
            row_of(X, apart, order, n_steps, i + 1 + ahead), &product,
        )
        x = next


# ---- short rows

cdef inline bint has_short_steps(const Sgd* sgd) noexcept nogil:
    # Whether `step_on_short_rows` may make them.
    return (
        sgd.n_features <= FEW_FEATURES and sgd.rule == BY_RATE and sgd.l1 == 0.0
        and not sgd.in_order and sgd.mean == NULL
    )


cdef inline double dot_of_next(
    const x_value* next, const x_value* x, const double* w, Py_ssize_t n,
    double* common,
) noexcept nogil:
    # next . w and next . x.
    cdef Py_ssize_t j = 0
    cdef int k
    cdef vec value
    cdef vec[PARTS] product
    cdef vec[PARTS] both
    for k in range(PARTS):
        product[k] = both[k] = splat(0.0)
    while j + LANES <= n:
        for k in range(PARTS):
            value = load_any(next + j)
            product[k] += value * load(w + j)
            both[k] += value * load_any(x + j)
            j += WIDTH
    if j < n:
        for k in range(PARTS):
            value = some(next + j, n - j)
            product[k] += value * load(w + j)
            both[k] += value * some(x + j, n - j)
            j += WIDTH
    common[0] = fold(both)
    return fold(product)


cdef inline void step_on_short_rows(
    Sgd* sgd, const x_value* X, Py_ssize_t apart, const double* y,
    const double* weight, const Py_ssize_t* order, Py_ssize_t n_steps,
    const double* rates,
) noexcept nogil:
    # The same without truncation and average. Short rows wait for the step before
    # longer than they take: of next . (w + factor x) = next . w + factor (next . x)
    # only the factor has to be waited for.
    cdef Py_ssize_t i, row, n = sgd.n_features, ahead = rows_ahead(X, n)
    cdef double z = 0.0, common = 0.0, following, loss, slope, step, square
    cdef double penalty = sgd.l2 * sgd.alpha
    cdef const x_value* x = X + order[0] * apart
    cdef const x_value* next
    sgd.taken = True
    for i in range(n_steps):
        row = order[min(i + ahead, n_steps - 1)]
        ask_for_all(X + row * apart, n * <Py_ssize_t> sizeof(x_value))
        ask_for_target(y, weight, row)
        row = order[i]
        next = row_of(X, apart, order, n_steps, i + 1)
        if sgd.taken:
            z = sgd.scale * dot(x, sgd.w, n, next) + sgd.intercept
            sgd.taken = False
        following = dot_of_next(next, x, sgd.w, n, &common)
        loss = loss_of_one(sgd.kind, z, y[row], sgd.param, &slope)
        sgd.nothing += 0.0 * z
        sgd.loss += loss
        sgd.objective += loss + 0.5 * penalty * sgd.square
        step = -rates[i] * max(-1e12, min(slope, 1e12))
        if weight != NULL:
            step *= weight[row]
        if sgd.l2 != 0.0:
            shrink(sgd, rates[i])
        z = sgd.scale * following + sgd.intercept
        z += step * (common + sgd.intercept_rate)
        sgd.intercept += step * sgd.intercept_rate
        if step != 0.0:
            square = add_row(x, in_w(sgd, step), sgd.w, n)
            sgd.square = sgd.scale * sgd.scale * square
        x = next
    sgd.t += n_steps


cdef inline void step_on_rows(
    Sgd* sgd, const x_value* X, Py_ssize_t apart, const double* y,
    const double* weight, const Py_ssize_t* order, Py_ssize_t n_steps,
    const double* rates,
) noexcept nogil:
    # The same, by the faster way.
    if has_short_steps(sgd):
        step_on_short_rows(sgd, X, apart, y, weight, order, n_steps, rates)
    else:
        step_on_long_rows(sgd, X, apart, y, weight, order, n_steps, rates)


# ---- sparse rows

cdef inline vec gather(
    const double* w, const index_value* at, Py_ssize_t n
) noexcept nogil:
    # Every other value at some places, and zeros if there are fewer than lanes.
    if n >= WIDTH:
        return join(
            w[2 * at[0]], w[2 * at[WIDTH > 1]], w[2 * at[2 if WIDTH > 2 else 0]],
            w[2 * at[3 if WIDTH > 2 else 0]],
        )
    return join(
        w[2 * at[0]] if n > 0 else 0.0, w[2 * at[1]] if n > 1 else 0.0,
        w[2 * at[2]] if n > 2 else 0.0, 0.0,
    )


cdef inline void scatter(
    vec value, double* w, const index_value* at, Py_ssize_t n
) noexcept nogil:
    # Put them back.
    cdef int k
    for k in range(WIDTH):
        if k < n:
            w[2 * at[k]] = lane(value, k)


cdef inline double sparse_dot(
    const x_value* x, const index_value* index, Py_ssize_t n, const double* w,
    int apart,
) noexcept nogil:
    # x . w in four sums, as one would wait for itself.
    cdef Py_ssize_t k = 0
    cdef double a = 0.0, b = 0.0, c = 0.0, d = 0.0
    while k + 4 <= n:
        a += w[apart * index[k]] * <double> x[k]
        b += w[apart * index[k + 1]] * <double> x[k + 1]
        c += w[apart * index[k + 2]] * <double> x[k + 2]
        d += w[apart * index[k + 3]] * <double> x[k + 3]
        k += 4
    while k < n:
        a += w[apart * index[k]] * <double> x[k]
        k += 1
    return (a + b) + (c + d)


cdef inline double sparse_dot_in_order(
    const x_value* x, const index_value* index, Py_ssize_t n, const double* w,
    int apart,
) noexcept nogil:
    # The same, one product after the other.
    cdef Py_ssize_t k
    cdef double total = 0.0
    for k in range(n):
        total += w[apart * index[k]] * <double> x[k]
    return total


cdef inline double predict_sparse_row(
    const Sgd* sgd, const x_value* x, const index_value* index, Py_ssize_t n
) noexcept nogil:
    # x . w.
    if sgd.in_order:
        if sgd.pairs != NULL:
            return sparse_dot_in_order(x, index, n, sgd.pairs, 2)
        return sparse_dot_in_order(x, index, n, sgd.w, 1)
    if sgd.pairs != NULL:
        return sparse_dot(x, index, n, sgd.pairs, 2)
    return sparse_dot(x, index, n, sgd.w, 1)


cdef inline void sparse_add(
    const x_value* x, const index_value* index, Py_ssize_t n, double factor, double* w
) noexcept nogil:
    # w += factor x.
    cdef Py_ssize_t k
    for k in range(n):
        w[index[k]] += factor * <double> x[k]


cdef inline void keep_sparse_mean(
    Sgd* sgd, const x_value* x, const index_value* index, Py_ssize_t n, double factor
) noexcept nogil:
    # As `keep_mean`.
    cdef Py_ssize_t k
    for k in range(n):
        sgd.mean[index[k]] -= sgd.mean_share * <double> x[k] * factor


cdef inline void truncate_some(
    Sgd* sgd, const x_value* x, const index_value* at, Py_ssize_t n, vec factor,
    vec* sizes, vec* squares,
) noexcept nogil:
    # The same for up to LANES values.
    cdef int k
    cdef Py_ssize_t left
    cdef vec before, after, paid
    for k in range(PARTS):
        left = n - k * WIDTH
        before = gather(sgd.pairs, at + k * WIDTH, left)
        paid = gather(sgd.pairs + 1, at + k * WIDTH, left)
        after = truncated(sgd, before + factor * some(x + k * WIDTH, left), &paid)
        scatter(after, sgd.pairs, at + k * WIDTH, left)
        scatter(paid, sgd.pairs + 1, at + k * WIDTH, left)
        sizes[k] += absolute(after) - absolute(before)
        squares[k] += (after - before) * (after + before)


cdef inline void sparse_truncate(
    Sgd* sgd, const x_value* x, const index_value* at, Py_ssize_t n, double factor
) noexcept nogil:
    # w += factor x, and what is owed off that; keeps the sums of sizes and squares.
    cdef Py_ssize_t j = 0
    cdef int k
    cdef vec scalar = splat(factor)
    cdef vec[PARTS] sizes
    cdef vec[PARTS] squares
    for k in range(PARTS):
        sizes[k] = squares[k] = splat(0.0)
    while j + LANES <= n:
        truncate_some(sgd, x + j, at + j, LANES, scalar, sizes, squares)
        j += LANES
    truncate_some(sgd, x + j, at + j, n - j, scalar, sizes, squares)
    sgd.size += sgd.scale * fold(sizes)
    sgd.square += sgd.scale * sgd.scale * fold(squares)


cdef inline void step_on_sparse_row(
    Sgd* sgd, const x_value* x, const index_value* index, Py_ssize_t n,
    double y, double weight, double rate,
) noexcept nogil:
    cdef bint moves
    cdef double square = 0.0, product, step, factor
    if sgd.rule != BY_RATE:
        square = square_of(x, n)
    product = predict_sparse_row(sgd, x, index, n)
    step = begin_step(sgd, product, square, y, weight, rate, &moves)
    if not moves:
        return
    factor = in_w(sgd, step)
    if sgd.t >= sgd.average_from:
        keep_sparse_mean(sgd, x, index, n, factor)
    end_step(sgd, rate)
    if sgd.l1 != 0.0:
        sparse_truncate(sgd, x, index, n, factor)
    elif step != 0.0:
        sparse_add(x, index, n, factor, sgd.w)
        sgd.square += step * (2.0 * sgd.scale * product + step * square_of(x, n))


cdef inline bint step_on_sparse_rows(
    Sgd* sgd, const x_value* x, const index_value* index, const row_value* row,
    const double* y, const double* weight, const Py_ssize_t* order,
    Py_ssize_t n_steps, const double* rates,
) noexcept nogil:
    # Steps on some rows in an order; False at an index out of range.
    cdef Py_ssize_t i, start, at, n = sgd.n_features
    cdef bint in_range = False
    if sgd.penalized:
        measure(sgd)
    if sgd.pairs != NULL:
        make_pairs(sgd)
    for i in range(n_steps):
        if i + 24 < n_steps:
            at = order[i + 24]
            prefetch_far(row + at)
            prefetch_far(y + at)
        if i + 12 < n_steps:
            at = order[i + 12]
            start = row[at]
            foresee_row(x + start, index + start, row[at + 1] - start)
        at = order[i]
        start = row[at]
        if not all_below(index + start, row[at + 1] - start, n):
            break
        step_on_sparse_row(
            sgd, x + start, index + start, row[at + 1] - start,
            y[at], 1.0 if weight == NULL else weight[at], rates[i],
        )
    else:
        in_range = True
    if sgd.pairs != NULL:
        take_pairs(sgd)
    return in_range


# ---- the order of the examples

cdef inline unsigned int shuffle(
    Py_ssize_t* order, Py_ssize_t n, unsigned int seed, Py_ssize_t n_draws
) noexcept nogil:
    # Exchange each of the first rows with one that follows it or with itself, drawn by
    # a xorshift generator of 32 bits (Marsaglia 2003); returns the seed to go on with.
    cdef Py_ssize_t i = 0, end = min(n_draws, n - 1), k, drawn, row
    cdef Py_ssize_t[DRAWS] other
    if seed == 0:
        seed = 1
    while i < end:
        drawn = min(DRAWS, end - i)
        for k in range(drawn):
            seed ^= seed << 13
            seed ^= seed >> 17
            seed ^= seed << 5
            other[k] = i + k + (seed % <unsigned int> 2147483648) % (n - i - k)
            prefetch(order + other[k])
        for k in range(drawn):
            row = order[other[k]]
            order[other[k]] = order[i + k]
            order[i + k] = row
        i += drawn
    return seed


cdef inline void follow(
    const Py_ssize_t* order, const Py_ssize_t* sigma, Py_ssize_t n,
    Py_ssize_t* following,
) noexcept nogil:
    # order[sigma].
    cdef Py_ssize_t i
    for i in range(n):
        following[i] = order[sigma[i]]
