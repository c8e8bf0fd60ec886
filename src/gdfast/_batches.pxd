# Steps on the rows of one batch after the other.

from gdfast._blocks cimport Data, Work
from gdfast._passes cimport add_pass, weight_sum
from gdfast._updates cimport Rule, next_point, penalize, update

cdef struct Batches:
    # What batches are made of, and what comes of them.
    const Data* data
    Py_ssize_t size
    const double* rates
    double* point      # memory of the parameters' size for each of these
    double* gradient
    double* sums       # of weight times objective, and of the weights
    double* path_sum   # of the parameters after updates, or NULL,
    Py_ssize_t first   # from this one on


cdef inline void take_batch(
    Data* batch, const Batches* batches, Py_ssize_t start
) noexcept nogil:
    # Point to the rows of a batch: in their order, or as they lie.
    cdef const Data* data = batches.data
    batch.n_rows = min(batches.size, data.n_rows - start)
    if data.order != NULL:
        batch.order = data.order + start
        batch.n_ordered = data.n_rows - start
        return
    batch.X = data.X + start * data.x_step
    batch.y = data.y + start * data.y_step
    if data.sample_weight != NULL:
        batch.sample_weight = data.sample_weight + start


cdef inline double step_on_batch(
    int kind, double param, const Data* batch, Work* work, const Rule* rule,
    const Batches* batches, double weights, double rate, double* params,
) noexcept nogil:
    # Update by the mean gradient of a batch; returns the objective before that.
    cdef const double* point = next_point(rule, params, batches.point, True)
    cdef double* gradient = batches.gradient
    cdef Py_ssize_t j
    cdef double value
    for j in range(rule.n_params):
        gradient[j] = 0.0
    work.n_rows = 0  # what is in the block is of another batch
    value = add_pass(
        kind, param, batch, work, point, gradient,
        rule.n_params > batch.n_features * batch.n_outputs,
    ) / weights
    for j in range(rule.n_params):
        gradient[j] /= weights
    value += penalize(rule, point, gradient)
    update(rule, gradient, rate, params)
    return value


cdef inline Py_ssize_t step_on_batches(
    int kind, double param, Work* work, const Rule* rule, const Batches* batches,
    double* params,
) noexcept nogil:
    # A step on every batch that weighs something; returns how many these are.
    cdef Data batch = batches.data[0]
    cdef Py_ssize_t start = 0, made = 0, j
    cdef double weights
    while start < batches.data.n_rows:
        take_batch(&batch, batches, start)
        weights = weight_sum(&batch)
        if weights != 0.0:
            batches.sums[0] += weights * step_on_batch(
                kind, param, &batch, work, rule, batches, weights,
                batches.rates[made], params,
            )
            batches.sums[1] += weights
            if batches.path_sum != NULL and made >= batches.first:
                for j in range(rule.n_params):
                    batches.path_sum[j] += params[j]
            made += 1
        start += batch.n_rows
    return made
