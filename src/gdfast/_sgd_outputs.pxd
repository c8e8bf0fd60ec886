# The same on several outputs that tell a class from the rest, from one reading of the
# rows, in an order that they share. w, mean and paid are tables with the outputs of a
# feature side by side; factors, rates and what is owed are the same for all outputs.

from libc.math cimport fabs
from libc.stdint cimport int32_t
from libc.stdlib cimport calloc

from gdfast._blocks cimport ask_for_all, x_value
from gdfast._losses cimport LOG_LOSS
from gdfast._sgd cimport (
    BY_RATE, PASSIVE_AGGRESSIVE_1, Sgd, end_step, logistic_slope, loss_of_some,
    settled_mean, shrinkage, square_of, truncated, updating,
)
from gdfast._simd cimport (
    WIDTH, absolute, load, splat, store, vec, where_less,
)
from gdfast._sparse cimport all_below, index_value, row_value
from gdfast._sparse_outputs cimport predict_row, scatter_row

cdef enum:
    SIDE = 4  # outputs are side by side up to a multiple of this
    ROWS_AHEAD = 2        # whose coefficients are asked for where these are so many
    FAR_VALUES = 1 << 19  # that they lie beyond the second-level cache

cdef struct SgdOutputs:
    Sgd one            # what they have in common, and the tables
    Py_ssize_t n       # outputs
    Py_ssize_t width   # that in whole vectors: from one feature to the next
    double low         # target of rows of other classes; else 1
    bint whole         # whether rows are stored whole
    double* memory     # a piece for all of these, each of `width` values:
    double* intercept
    double* mean_intercept
    double* class_weight  # of the rows of the class
    double* square     # sum of squared coefficients
    double* size       # of their sizes
    double* loss       # sums over the steps, as in Sgd
    double* objective
    double* nothing
    double* product    # w . x of the row at hand
    double* z
    double* y
    double* slope
    double* value      # of the loss
    double* step       # what the coefficients move by, in parts of x
    double* factor     # and what w does
    double* zeros


cdef inline Py_ssize_t whole_sides(Py_ssize_t n) noexcept nogil:
    return (n + SIDE - 1) // SIDE * SIDE


cdef inline bint allocate_sgd(SgdOutputs* sgd) noexcept nogil:
    # False when there is no memory.
    cdef Py_ssize_t k, width = sgd.width
    sgd.memory = <double*> calloc(16 * width, sizeof(double))
    if sgd.memory == NULL:
        return False
    sgd.intercept = sgd.memory
    sgd.mean_intercept = sgd.intercept + width
    sgd.class_weight = sgd.mean_intercept + width
    sgd.square = sgd.class_weight + width
    sgd.size = sgd.square + width
    sgd.loss = sgd.size + width
    sgd.objective = sgd.loss + width
    sgd.nothing = sgd.objective + width
    sgd.product = sgd.nothing + width
    sgd.z = sgd.product + width
    sgd.y = sgd.z + width
    sgd.slope = sgd.y + width
    sgd.value = sgd.slope + width
    sgd.step = sgd.value + width
    sgd.factor = sgd.step + width
    sgd.zeros = sgd.factor + width
    for k in range(width):
        sgd.y[k] = sgd.low
    return True


cdef inline void measure(
    const SgdOutputs* sgd, double* sizes, double* squares
) noexcept nogil:
    # Sizes and squares of the coefficients of every output. The table is read in order,
    # as it may be large.
    cdef Py_ssize_t _j, k
    cdef const double* row = sgd.one.w
    cdef vec w, scale = splat(sgd.one.scale)
    for k in range(sgd.width):
        sizes[k] = squares[k] = 0.0
    for _j in range(sgd.one.n_features):
        k = 0
        while k < sgd.width:
            w = scale * load(row + k)
            store(sizes + k, load(sizes + k) + absolute(w))
            store(squares + k, load(squares + k) + w * w)
            k += WIDTH
        row += sgd.width


cdef inline void take_scale(SgdOutputs* sgd) noexcept nogil:
    # Make the scale 1, and the averages what `mean` says, without a change of either.
    cdef Py_ssize_t at
    cdef Sgd* one = &sgd.one
    for at in range(one.n_features * sgd.width):
        if one.mean != NULL:
            one.mean[at] = settled_mean(one, at)
        one.w[at] *= one.scale
    one.mean_share = 0.0
    one.mean_scale = one.scale = 1.0


cdef inline void shrink(SgdOutputs* sgd, double rate) noexcept nogil:
    # Multiply all coefficients by what a step of the penalty makes of them.
    cdef double factor = shrinkage(&sgd.one, rate)
    cdef Py_ssize_t k
    sgd.one.scale *= factor
    for k in range(sgd.width):
        sgd.square[k] *= factor * factor
        sgd.size[k] *= factor
    if sgd.one.scale < 1e-9:  # and w / scale would become too large
        take_scale(sgd)


cdef inline void look(SgdOutputs* sgd) noexcept nogil:
    # Predictions, losses and slopes of all outputs, and the sums of losses.
    cdef Sgd* one = &sgd.one
    cdef Py_ssize_t k = 0
    cdef double alpha = one.alpha if one.penalized and one.rule == BY_RATE else 0.0
    cdef vec z, value, slope, penalty, scale = splat(one.scale)
    while k < sgd.width:
        z = scale * load(sgd.product + k) + load(sgd.intercept + k)
        value = loss_of_some(one.kind, z, load(sgd.y + k), one.param, &slope)
        penalty = splat(0.5 * one.l2) * load(sgd.square + k)
        penalty += splat(one.l1) * load(sgd.size + k)
        store(sgd.z + k, z)
        store(sgd.value + k, value)
        store(sgd.slope + k, slope)
        store(sgd.nothing + k, load(sgd.nothing + k) + splat(0.0) * z)
        store(sgd.loss + k, load(sgd.loss + k) + value)
        value += splat(alpha) * penalty
        store(sgd.objective + k, load(sgd.objective + k) + value)
        k += WIDTH
    if one.in_order and one.kind == LOG_LOSS:
        for k in range(sgd.n):
            sgd.slope[k] = logistic_slope(sgd.z[k], sgd.y[k])


cdef inline void begin_step(
    SgdOutputs* sgd, Py_ssize_t label, double weight, double rate, double square
) noexcept nogil:
    # What all outputs move by, in parts of x, and what w does; intercepts move.
    cdef Sgd* one = &sgd.one
    cdef Py_ssize_t k
    cdef double step
    for k in range(sgd.n):
        step = updating(
            one, sgd.z[k], sgd.y[k], sgd.slope[k], sgd.value[k], square, rate
        )
        sgd.step[k] = step * (weight * sgd.class_weight[k] if k == label else weight)
    if one.l2 != 0.0:
        shrink(sgd, rate)
    for k in range(sgd.n):
        sgd.intercept[k] += sgd.step[k] * one.intercept_rate
        sgd.factor[k] = sgd.step[k] / one.scale


cdef inline void keep_mean(
    const SgdOutputs* sgd, const x_value* x, const index_value* index, Py_ssize_t n
) noexcept nogil:
    # Take from the means what the move of w adds to them, rounded as scikit-learn does.
    cdef Py_ssize_t s, k
    cdef double* mean
    for s in range(n):
        mean = sgd.one.mean + index[s] * sgd.width
        for k in range(sgd.n):
            mean[k] -= sgd.one.mean_share * <double> x[s] * sgd.factor[k]


cdef inline void truncate(
    SgdOutputs* sgd, const x_value* x, const index_value* index, Py_ssize_t n,
    Py_ssize_t k,
) noexcept nogil:
    # w += factor x of a vector of outputs, and what is owed off that. Squares and sizes
    # are, as in scikit-learn, those before the latter where rows are stored whole.
    cdef Sgd* one = &sgd.one
    cdef Py_ssize_t s, at
    cdef vec before, moved, after, paid, factor = load(sgd.factor + k)
    cdef vec sizes = splat(0.0), squares = splat(0.0), scale = splat(one.scale)
    for s in range(n):
        at = index[s] * sgd.width + k
        before = load(one.w + at)
        paid = load(one.paid + at)
        moved = before + factor * splat(<double> x[s])
        after = truncated(one, moved, &paid)
        store(one.w + at, after)
        store(one.paid + at, paid)
        if sgd.whole:
            sizes += absolute(moved)
            squares += moved * moved
        else:
            sizes += absolute(after) - absolute(before)
            squares += (after - before) * (after + before)
    sizes = scale * sizes
    squares = scale * scale * squares
    if sgd.whole:  # and only of outputs that moved
        factor = absolute(factor)
        sizes = where_less(splat(0.0), factor, sizes, load(sgd.size + k))
        squares = where_less(splat(0.0), factor, squares, load(sgd.square + k))
    else:
        sizes += load(sgd.size + k)
        squares += load(sgd.square + k)
    store(sgd.size + k, sizes)
    store(sgd.square + k, squares)


cdef inline void add_row(
    SgdOutputs* sgd, const x_value* x, const index_value* index, Py_ssize_t n,
    double square,
) noexcept nogil:
    # w += factor x of all outputs.
    cdef Py_ssize_t k
    cdef double step
    scatter_row(x, index, n, sgd.factor, sgd.width, sgd.one.w, sgd.square, False)
    for k in range(sgd.n):
        step = sgd.step[k]
        sgd.square[k] += step * (2.0 * sgd.one.scale * sgd.product[k] + step * square)


cdef inline void step_on_row(
    SgdOutputs* sgd, const x_value* x, const index_value* index, Py_ssize_t n,
    Py_ssize_t label, double weight, double rate,
) noexcept nogil:
    # A step of all outputs; `label` is the one whose target is 1.
    cdef Sgd* one = &sgd.one
    cdef Py_ssize_t k = 0
    cdef double square = square_of(x, n), share
    predict_row(x, index, n, one.w, sgd.zeros, sgd.width, sgd.product)
    if label < sgd.n:
        sgd.y[label] = 1.0
    look(sgd)
    if one.rule != PASSIVE_AGGRESSIVE_1 or square != 0.0:
        begin_step(sgd, label, weight, rate, square)
        if one.t >= one.average_from:
            keep_mean(sgd, x, index, n)
        share = end_step(one, rate)
        for k in range(sgd.n):
            sgd.mean_intercept[k] += share * (sgd.intercept[k] - sgd.mean_intercept[k])
        if one.l1 == 0.0:
            add_row(sgd, x, index, n, square)
        else:
            k = 0
            while k < sgd.width:
                truncate(sgd, x, index, n, k)
                k += WIDTH
    if label < sgd.n:
        sgd.y[label] = sgd.low


cdef inline void begin_epoch(SgdOutputs* sgd) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(sgd.width):
        sgd.loss[k] = sgd.objective[k] = sgd.nothing[k] = 0.0


cdef inline void note(const SgdOutputs* sgd, double* trace) noexcept nogil:
    # What an epoch has seen, and whether the models are finite: a row for each output.
    cdef Py_ssize_t k
    measure(sgd, sgd.z, sgd.slope)  # which no row needs any more
    for k in range(sgd.n):
        trace[4 * k] = sgd.loss[k]
        trace[4 * k + 1] = sgd.objective[k]
        trace[4 * k + 2] = sgd.z[k] + fabs(sgd.intercept[k])
        trace[4 * k + 3] = sgd.nothing[k]


cdef inline void step_on_rows(
    SgdOutputs* sgd, const x_value* X, Py_ssize_t apart, const int32_t* every,
    const Py_ssize_t* label, const double* weight, const Py_ssize_t* order,
    Py_ssize_t n_steps, const double* rates,
) noexcept nogil:
    # Steps on rows that are stored whole; `every` is their columns from 0 on.
    cdef Py_ssize_t i, at
    for i in range(n_steps):
        at = order[i]
        step_on_row(
            sgd, X + at * apart, every, sgd.one.n_features, label[at],
            1.0 if weight == NULL else weight[at], rates[i],
        )


cdef inline void come_near(
    const index_value* index, Py_ssize_t n_stored, const double* values,
    Py_ssize_t n_outputs,
) noexcept nogil:
    # Ask for the coefficients of a row, as those of it wait for the step before.
    cdef Py_ssize_t s, size = n_outputs * <Py_ssize_t> sizeof(double)
    for s in range(n_stored):
        ask_for_all(values + index[s] * n_outputs, size)


cdef inline bint step_on_sparse_rows(
    SgdOutputs* sgd, const x_value* x, const index_value* index, const row_value* row,
    const Py_ssize_t* label, const double* weight, const Py_ssize_t* order,
    Py_ssize_t n_steps, const double* rates,
) noexcept nogil:
    # The same on sparse rows; False at an index out of range.
    cdef Py_ssize_t i, k, at, stored, d = sgd.one.n_features
    cdef bint far = d * sgd.width >= FAR_VALUES
    for i in range(n_steps):
        if far and i + ROWS_AHEAD < n_steps:
            at = order[i + ROWS_AHEAD]
            k = row[at]
            stored = row[at + 1] - k
            if all_below(index + k, stored, d):
                come_near(index + k, stored, sgd.one.w, sgd.width)
        at = order[i]
        k = row[at]
        stored = row[at + 1] - k
        if not all_below(index + k, stored, d):
            return False
        step_on_row(
            sgd, x + k, index + k, stored, label[at],
            1.0 if weight == NULL else weight[at], rates[i],
        )
    return True


cdef inline void take(
    const SgdOutputs* sgd, Py_ssize_t k, double scale, double* coef, double* mean
) noexcept nogil:
    # w of an output, times a factor, and the means of the coefficients.
    cdef Py_ssize_t j, at
    for j in range(sgd.one.n_features):
        at = j * sgd.width + k
        coef[j] = sgd.one.w[at] * scale
        if mean != NULL:
            mean[j] = settled_mean(&sgd.one, at)


cdef inline void leave_out(
    double* table, Py_ssize_t n_rows, Py_ssize_t width, Py_ssize_t n, Py_ssize_t k,
    Py_ssize_t to_width,
) noexcept nogil:
    # Close the gap that one of n values of every row leaves, in place.
    cdef Py_ssize_t j, i
    cdef double* to
    for j in range(n_rows):
        to = table + j * to_width
        for i in range(n):
            if i != k:
                to[0] = table[j * width + i]
                to += 1
        while to < table + (j + 1) * to_width:
            to[0] = 0.0
            to += 1


cdef inline void drop(SgdOutputs* sgd, Py_ssize_t k) noexcept nogil:
    # Go on without an output.
    cdef Sgd* one = &sgd.one
    cdef Py_ssize_t width = whole_sides(sgd.n - 1)
    leave_out(one.w, one.n_features, sgd.width, sgd.n, k, width)
    if one.mean != NULL:
        leave_out(one.mean, one.n_features, sgd.width, sgd.n, k, width)
    if one.paid != NULL:
        leave_out(one.paid, one.n_features, sgd.width, sgd.n, k, width)
    leave_out(sgd.intercept, 1, sgd.width, sgd.n, k, sgd.width)
    leave_out(sgd.mean_intercept, 1, sgd.width, sgd.n, k, sgd.width)
    leave_out(sgd.class_weight, 1, sgd.width, sgd.n, k, sgd.width)
    leave_out(sgd.square, 1, sgd.width, sgd.n, k, sgd.width)
    leave_out(sgd.size, 1, sgd.width, sgd.n, k, sgd.width)
    leave_out(sgd.factor, 1, sgd.width, sgd.n, k, sgd.width)
    sgd.n -= 1
    sgd.width = width
