# One update of the parameters: the penalty, and each rule of `gdfast.optimizers` once.
#
# A rule turns the gradient into a displacement d and says which step s it stands for,
# parameter by parameter; what follows is the same for all: the parameter becomes
# prox(parameter - d), where prox takes s l1 off its size and puts it within its bounds.

from libc.math cimport INFINITY, NAN, fabs, sqrt

cdef enum RuleKind:
    GD = 0
    MOMENTUM = 1
    NESTEROV = 2
    ACCELERATED = 3
    ADAGRAD = 4
    ADADELTA = 5
    RMSPROP = 6
    ADAM = 7
    ADAMAX = 8
    NADAM = 9
    N_RULES = 10

cdef enum:
    N_SCALARS = 2  # of a state, in front of what it knows of each parameter


cdef struct Rule:
    int kind
    double first  # the rule's own constants, in the order of its class in Python
    double second
    double third
    double l1
    double l2
    const double* lower  # of each coefficient, or NULL
    const double* upper
    Py_ssize_t n_bound  # parameters, from the first on, with a penalty or bounds
    Py_ssize_t n_params
    double* state  # scalars, then one or two values of each parameter


cdef inline bint has_inertia(int kind) noexcept nogil:
    # Whether a rule remembers its last displacement.
    return kind == MOMENTUM or kind == NESTEROV or kind == ACCELERATED


cdef inline bint looks_ahead(int kind) noexcept nogil:
    # Whether a rule takes the gradient where that would lead.
    return kind == NESTEROV or kind == ACCELERATED


cdef inline int n_slots(int kind) noexcept nogil:
    # Values that a rule remembers of each parameter.
    if kind == GD:
        return 0
    return 1 if has_inertia(kind) or kind == ADAGRAD or kind == RMSPROP else 2


cdef inline double inertia(const Rule* rule) noexcept nogil:
    # The part of the last displacement that is made again. That of the accelerated
    # method grows with t, which the state holds: 0 before the first step.
    if rule.kind != ACCELERATED:
        return rule.first
    if rule.state[0] <= 1.0:
        return 0.0
    return (rule.state[0] - 1.0) / next_t(rule.state[0])


cdef inline double next_t(double t) noexcept nogil:
    return 0.5 * (1.0 + sqrt(1.0 + 4.0 * t * t))


cdef inline void look_ahead(
    const Rule* rule, const double* params, double* point
) noexcept nogil:
    # Where the gradient is taken: the parameters, or where inertia would lead.
    cdef Py_ssize_t j
    cdef double share = inertia(rule)
    cdef const double* last = rule.state + N_SCALARS
    cdef bint ahead = looks_ahead(rule.kind)
    for j in range(rule.n_params):
        point[j] = params[j] - share * last[j] if ahead else params[j]


cdef inline const double* next_point(
    const Rule* rule, const double* params, double* memory, bint stepping
) noexcept nogil:
    # The same where it is asked for; the parameters themselves after the last step.
    if not stepping or not looks_ahead(rule.kind):
        return params
    look_ahead(rule, params, memory)
    return memory


cdef inline double penalize(
    const Rule* rule, const double* point, double* gradient
) noexcept nogil:
    # Add the gradient of the squares to that of the mean loss unless this is NULL;
    # returns the penalty.
    cdef Py_ssize_t j
    cdef double sizes = 0.0, squares = 0.0
    if rule.l1 == 0.0 and rule.l2 == 0.0:
        return 0.0
    for j in range(rule.n_bound):
        sizes += fabs(point[j])
        squares += point[j] * point[j]
        if gradient != NULL:
            gradient[j] += rule.l2 * point[j]
    return rule.l1 * sizes + 0.5 * rule.l2 * squares


cdef inline double shrunk(double value, double by) noexcept nogil:
    # value, nearer to zero by so much; zero if it is not so large, NaN if it is NaN.
    if value > by:
        return value - by
    if value < -by:
        return value + by
    return 0.0 if value == value else value


cdef inline double steepness(
    const Rule* rule, Py_ssize_t j, double at, double slope
) noexcept nogil:
    # The smallest subgradient of the objective in one parameter: zero at a minimum,
    # also where |w| has a kink or a bound is in the way.
    if j < rule.n_bound:
        if at > 0.0:
            slope += rule.l1
        elif at < 0.0:
            slope -= rule.l1
        else:
            slope = shrunk(slope, rule.l1)
        if rule.lower != NULL and (
            (slope > 0.0 and at <= rule.lower[j])
            or (slope < 0.0 and at >= rule.upper[j])
        ):
            return 0.0
    return fabs(slope)


cdef inline double steepest(
    const Rule* rule, const double* point, const double* gradient
) noexcept nogil:
    # The largest of them; NaN when there is one.
    cdef Py_ssize_t j
    cdef double size, result = 0.0
    for j in range(rule.n_params):
        size = steepness(rule, j, point[j], gradient[j])
        if size > result or size != size:
            result = size
    return result


cdef inline double prox(
    const Rule* rule, Py_ssize_t j, double value, double step
) noexcept nogil:
    # The proximal operator of step times what is not smooth.
    if j >= rule.n_bound:
        return value
    if rule.l1 != 0.0:
        value = shrunk(value, step * rule.l1)
    if rule.lower != NULL:
        if value < rule.lower[j]:
            value = rule.lower[j]
        elif value > rule.upper[j]:
            value = rule.upper[j]
    return value


cdef inline double displacement(
    int kind, const Rule* rule, double g, double rate,
    double* a, double* b, double share, double* step
) noexcept nogil:
    # What a rule takes off a parameter whose derivative is g; a and b are what it
    # remembers of it. `step` enters as the learning rate.
    cdef double size
    if has_inertia(kind):
        return share * a[0] + rate * g
    if kind == ADAGRAD:
        a[0] += g * g
        step[0] = rate / sqrt(a[0] + rule.first)
        return step[0] * g
    if kind == RMSPROP:
        a[0] = rule.first * a[0] + (1.0 - rule.first) * (g * g)
        step[0] = rate / sqrt(a[0] + rule.second)
        return step[0] * g
    if kind == ADADELTA:
        a[0] = rule.first * a[0] + (1.0 - rule.first) * (g * g)
        size = sqrt(b[0] + rule.second) / sqrt(a[0] + rule.second)
        b[0] = rule.first * b[0] + (1.0 - rule.first) * ((size * g) * (size * g))
        step[0] = rate * size
        return step[0] * g
    if kind == ADAMAX:
        a[0] = rule.first * a[0] + (1.0 - rule.first) * g
        size = rule.second * b[0]
        b[0] = fabs(g) if fabs(g) > size or g != g else size
        step[0] = rate / b[0] if b[0] != 0.0 else 0.0
        return step[0] * (a[0] / rule.state[0])
    if kind == ADAM or kind == NADAM:
        a[0] = rule.first * a[0] + (1.0 - rule.first) * g
        b[0] = rule.second * b[0] + (1.0 - rule.second) * (g * g)
        step[0] = rate / (sqrt(b[0] / rule.state[1]) + rule.third)
        if kind == ADAM:
            return step[0] * (a[0] / rule.state[0])
        return step[0] * (
            (rule.first * a[0] + (1.0 - rule.first) * g) / rule.state[0]
        )
    return rate * g


cdef inline double move(
    int kind, const Rule* rule, const double* gradient, double rate, double* params
) noexcept nogil:
    # Update all parameters by one rule; returns the largest change.
    cdef Py_ssize_t j
    cdef double before, after, ahead, change, step, unused = 0.0
    cdef double uphill = 0.0, result = 0.0, share = inertia(rule)
    cdef double* a = rule.state + N_SCALARS
    cdef double* b = a + rule.n_params
    if kind == ADAM or kind == ADAMAX or kind == NADAM:  # 1 - constant^t
        rule.state[0] = rule.first * rule.state[0] + (1.0 - rule.first)
    if kind == ADAM or kind == NADAM:
        rule.state[1] = rule.second * rule.state[1] + (1.0 - rule.second)
    for j in range(rule.n_params):
        before = params[j]
        step = rate
        change = displacement(
            kind, rule, gradient[j], rate, &unused if n_slots(kind) == 0 else a + j,
            b + j if n_slots(kind) == 2 else &unused, share, &step,
        )
        params[j] = after = prox(rule, j, before - change, step)
        if has_inertia(kind):
            ahead = before - share * a[j]
            uphill += (ahead - after) * (after - before)
            a[j] = before - after
        change = fabs(after - before)
        if change > result or change != change:
            result = change
    if kind == ACCELERATED:
        rule.state[0] = 0.0 if uphill > 0.0 else next_t(rule.state[0])
    return result


cdef inline double update(
    const Rule* rule, const double* gradient, double rate, double* params
) noexcept nogil:
    # Update all parameters; returns the largest change. The rule is chosen once.
    if rule.kind == GD:
        return move(GD, rule, gradient, rate, params)
    if rule.kind == MOMENTUM or rule.kind == NESTEROV:
        return move(MOMENTUM, rule, gradient, rate, params)
    if rule.kind == ACCELERATED:
        return move(ACCELERATED, rule, gradient, rate, params)
    if rule.kind == ADAGRAD:
        return move(ADAGRAD, rule, gradient, rate, params)
    if rule.kind == ADADELTA:
        return move(ADADELTA, rule, gradient, rate, params)
    if rule.kind == RMSPROP:
        return move(RMSPROP, rule, gradient, rate, params)
    if rule.kind == ADAM:
        return move(ADAM, rule, gradient, rate, params)
    if rule.kind == ADAMAX:
        return move(ADAMAX, rule, gradient, rate, params)
    return move(NADAM, rule, gradient, rate, params)


cdef inline void take_step(
    const Rule* rule, double loss, const double* point, double* gradient,
    const double* rate, double* params, double* row,
) noexcept nogil:
    # Note what is seen at a point in a row of a trace, and update unless rate is NULL,
    # as it must be without a gradient.
    row[0] = loss + penalize(rule, point, gradient)
    row[1] = NAN if gradient == NULL else steepest(rule, point, gradient)
    row[2] = INFINITY
    if rate != NULL:
        row[2] = update(rule, gradient, rate[0], params)
        if rate[0] == 0.0 and row[2] == 0.0:  # no step, and no sign of a minimum
            row[2] = INFINITY
