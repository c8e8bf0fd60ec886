# Steps on the rows of one batch after the other.

from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t

from gdfast._blocks cimport Data, Work
from gdfast._passes cimport add_pass, fold_lanes, weight_sum
from gdfast._sparse cimport (
    add_centred_pass, add_sparse_pass, add_stored, is_one_block,
)
from gdfast._simd cimport LANES
from gdfast._sparse_outputs cimport add_sparse_outputs, add_stored_outputs
from gdfast._updates cimport GD, Rule, next_point, penalize, update

cdef struct Batches:
    # What batches are made of, and what comes of them.
    const Data* data
    Py_ssize_t size
    const double* rates
    double* point      # memory of the parameters' size for each of these
    double* gradient
    double* coef
    double* sums       # of weight times objective, by outputs, and of the weights
    double* path_sum   # of the parameters after updates, or NULL,
    Py_ssize_t first   # from this one on
    double* common     # factor of the coefficients, and sums of squares by outputs


cdef inline void take_batch(
    Data* batch, const Batches* batches, Py_ssize_t start
) noexcept nogil:
    # Point to the rows of a batch: in their order, or as they lie.
    cdef const Data* data = batches.data
    batch.n_rows = min(batches.size, data.n_rows - start)
    batch.n_known = data.n_rows - start
    if data.order != NULL:
        batch.order = data.order + start
        return
    if data.indptr == NULL:
        batch.X = data.X + start * data.x_step
    elif data.wide_row:
        batch.indptr = <const int64_t*> data.indptr + start
    else:
        batch.indptr = <const int32_t*> data.indptr + start
    batch.y = data.y + start * data.y_step
    if data.sample_weight != NULL:
        batch.sample_weight = data.sample_weight + start


cdef inline bint sum_batch(
    int kind, double param, const Data* batch, Work* work, const double* point,
    const Batches* batches, bint fit_intercept,
) noexcept nogil:
    # Add up a batch, into zeros; False at an index out of range.
    cdef double* gradient = batches.gradient
    if batch.indptr == NULL:
        work.n_rows = 0  # what is in the block is of another batch
        add_pass(kind, param, batch, work, point, gradient, fit_intercept)
        return True
    if batch.n_outputs > 1:
        return add_sparse_outputs(
            kind, param, batch, work, point, gradient, fit_intercept
        )
    if batch.center == NULL:
        return add_sparse_pass(
            kind, param, batch, work, point, gradient, fit_intercept
        )
    return add_centred_pass(
        kind, param, batch, work, point, gradient, fit_intercept, batches.coef
    )


cdef inline void note_losses(
    const Data* batch, const Work* work, const Batches* batches, double weights
) noexcept nogil:
    # sums += losses and weights of a batch.
    cdef Py_ssize_t o
    for o in range(batch.n_outputs):
        batches.sums[o] += fold_lanes(work.loss_sum + o * LANES)
    batches.sums[batch.n_outputs] += weights


cdef inline bint step_on_batch(
    int kind, double param, const Data* batch, Work* work, const Rule* rule,
    const Batches* batches, double weights, double rate, double* params,
    bint note_penalty,
) noexcept nogil:
    # Update by the mean gradient of a batch, and note the objective before that, with
    # its penalty or without; False and no update at an index out of range.
    cdef const double* point = next_point(rule, params, batches.point, True)
    cdef double* gradient = batches.gradient
    cdef double penalty
    cdef Py_ssize_t j
    for j in range(rule.n_params):
        gradient[j] = 0.0
    if not sum_batch(
        kind, param, batch, work, point, batches,
        rule.n_params > batch.n_features * batch.n_outputs,
    ):
        return False
    for j in range(rule.n_params):
        gradient[j] /= weights
    note_losses(batch, work, batches, weights)
    penalty = penalize(rule, point, gradient)
    if note_penalty:
        batches.sums[0] += weights * penalty
    update(rule, gradient, rate, params)
    return True


# ---- steps in place

cdef inline bint steps_in_place(
    const Data* data, const Rule* rule, const Batches* batches
) noexcept nogil:
    # Whether a step changes no coefficient but those of the columns stored in a batch,
    # beside a factor that all have in common.
    return (
        data.indptr != NULL and data.center == NULL and batches.path_sum == NULL
        and rule.kind == GD and rule.l1 == 0.0 and rule.lower == NULL
    )


cdef inline void settle(
    const Rule* rule, const Batches* batches, double* params
) noexcept nogil:
    # Multiply the coefficients by what they have in common. None is -0.0 then: whether
    # a step would make 0.0 of that depends on which other outputs there are.
    cdef Py_ssize_t j
    if batches.common[0] != 1.0:
        for j in range(rule.n_bound):
            params[j] = params[j] * batches.common[0] + 0.0
    batches.common[0] = 1.0


cdef inline void measure(
    const Rule* rule, const Batches* batches, const double* params
) noexcept nogil:
    # Square the coefficients.
    cdef Py_ssize_t n = batches.data.n_outputs, j = 0, o
    cdef double* square = batches.common + 1
    for o in range(n):
        square[o] = 0.0
    while j < rule.n_bound:
        for o in range(n):
            square[o] += params[j + o] * params[j + o]
        j += n


cdef inline void note_squares(
    const Rule* rule, const Batches* batches, double weights
) noexcept nogil:
    # sums += the penalty, where that is the squares.
    cdef Py_ssize_t o
    cdef double scale = batches.common[0]
    for o in range(batches.data.n_outputs):
        batches.sums[o] += weights * (
            0.5 * rule.l2 * scale * scale * batches.common[1 + o]
        )


cdef inline bint step_in_place(
    int kind, double param, const Data* batch, Work* work, const Rule* rule,
    const Batches* batches, double weights, double rate, double* params,
) noexcept nogil:
    # The same, adding the gradients of a block of sparse rows to the parameters, so
    # that the cost of a step does not depend on how many there are.
    cdef Py_ssize_t n = batch.n_outputs, d = batch.n_features * n, o
    cdef bint fit_intercept = rule.n_params > d, in_range
    cdef double* b = params + d
    cdef double factor = -rate / weights, scale = batches.common[0]
    cdef double to = scale * (1.0 - rate * rule.l2)
    cdef double* grown = NULL
    if rule.l2 != 0.0:
        grown = batches.common + 1
        note_squares(rule, batches, weights)
    if n == 1:
        in_range = add_stored(
            kind, param, batch, work, params, b[0] if fit_intercept else 0.0, scale,
            factor / to, params, grown,
        )
    else:
        in_range = add_stored_outputs(
            kind, param, batch, work, params, b if fit_intercept else NULL, scale,
            factor / to, params, grown,
        )
    if not in_range:
        return False
    if fit_intercept:
        for o in range(n):
            b[o] += factor * fold_lanes(work.slope_sum + o * LANES)
    batches.common[0] = to
    note_losses(batch, work, batches, weights)
    return True


cdef inline bint step_anyhow(
    int kind, double param, const Data* batch, Work* work, const Rule* rule,
    const Batches* batches, double weights, double rate, double* params,
) noexcept nogil:
    # The same where steps are made in place, if this one can be. Coefficients divided
    # by a factor that has become tiny would be too large.
    cdef bint in_range
    if is_one_block(batch, work) and (
        fabs(batches.common[0] * (1.0 - rate * rule.l2)) > 1e-9
    ):
        return step_in_place(
            kind, param, batch, work, rule, batches, weights, rate, params
        )
    settle(rule, batches, params)
    if rule.l2 != 0.0:
        measure(rule, batches, params)
        note_squares(rule, batches, weights)
    in_range = step_on_batch(
        kind, param, batch, work, rule, batches, weights, rate, params, False
    )
    if rule.l2 != 0.0:
        measure(rule, batches, params)
    return in_range


cdef inline Py_ssize_t step_on_batches(
    int kind, double param, Work* work, const Rule* rule, const Batches* batches,
    double* params,
) noexcept nogil:
    # A step on every batch that weighs something; returns how many these are, or -1
    # where one has an index out of range.
    cdef Data batch = batches.data[0]
    cdef Py_ssize_t start = 0, made = 0, j
    cdef double weights
    cdef bint in_place = steps_in_place(&batch, rule, batches), in_range = True
    if not in_place and batches.common != NULL:
        settle(rule, batches, params)
    while start < batches.data.n_rows and in_range:
        take_batch(&batch, batches, start)
        weights = weight_sum(&batch)
        start += batch.n_rows
        if weights == 0.0:
            continue
        if in_place:
            in_range = step_anyhow(
                kind, param, &batch, work, rule, batches, weights, batches.rates[made],
                params,
            )
        else:
            in_range = step_on_batch(
                kind, param, &batch, work, rule, batches, weights, batches.rates[made],
                params, True,
            )
        if batches.path_sum != NULL and made >= batches.first and in_range:
            for j in range(rule.n_params):
                batches.path_sum[j] += params[j]
        made += 1
    return made if in_range else -1
