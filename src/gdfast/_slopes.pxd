# Loss and slope of every row of a block, by each loss, and their sums.

from gdfast._blocks cimport Work, load_any, y_value
from gdfast._losses cimport (
    EPSILON_INSENSITIVE, HALF_SQUARED_ERROR, HINGE, HUBER, LOG_LOSS, MODIFIED_HUBER,
    PERCEPTRON, POISSON, QUANTILE, SQUARED_EPSILON_INSENSITIVE, SQUARED_ERROR,
    SQUARED_HINGE, Loss, evaluate,
)
from gdfast._simd cimport PARTS, WIDTH, load, store, vec


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
