# A function of the caller's that is given as a pointer, and its gradient: by another
# pointer, by the same, or by central differences.

from libc.math cimport INFINITY, NAN, copysign, fabs, isfinite

cdef extern from *:
    """
    // The error of a central difference is least near the cube root of that of the
    // values, 2^-52.
    static const double GDFAST_STEP = 6.055454452393343e-06;
    """
    const double STEP "GDFAST_STEP"

ctypedef double (*Value)(int, double*) noexcept nogil
ctypedef double (*ValueOfData)(int, double*, void*) noexcept nogil
ctypedef void (*Gradient)(int, double*, double*) noexcept nogil
ctypedef void (*GradientOfData)(int, double*, double*, void*) noexcept nogil
ctypedef double (*Both)(int, double*, double*) noexcept nogil
ctypedef double (*BothOfData)(int, double*, double*, void*) noexcept nogil


cdef struct Pointer:
    void* address  # or NULL
    void* data     # what it is passed last, if it takes something
    bint takes_data


cdef struct Objective:
    int n
    Pointer value
    Pointer gradient
    bint at_once  # whether `value` gives the gradient too
    const double* lower  # of the places that differences are taken at, or NULL
    const double* upper
    double* point  # a copy of each point, for it to read and to write to
    double* place  # what differences move about in
    Py_ssize_t n_values
    Py_ssize_t n_gradients


cdef inline bint all_finite(const double* values, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        if not isfinite(values[j]):
            return False
    return True


cdef inline void fill(double* values, Py_ssize_t n, double value) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        values[j] = value


cdef inline void find_places(
    double x, double low, double high, double* places
) noexcept nogil:
    # Two places beside x: on both sides of it, or where there is more room.
    cdef double step = STEP * (fabs(x) if fabs(x) > 1.0 else 1.0)
    cdef double room = high - x if high - x >= x - low else low - x
    places[0] = x - step
    places[1] = x + step
    if (low <= places[0] and places[1] <= high) or not low <= x <= high:
        return
    if room == 0.0:  # the variable is fixed
        return
    if fabs(room) / 2.0 < step:
        step = fabs(room) / 2.0
    step = copysign(step, room)
    places[0] = x + step
    places[1] = x + 2.0 * step


cdef inline double slope_of_three(
    double x, double value, const double* places, const double* values
) noexcept nogil:
    # The derivative at x of the parabola through three points.
    cdef double near = places[0] - x, far = places[1] - x
    if places[0] < x < places[1]:
        return (values[1] - values[0]) / (places[1] - places[0])
    return (
        (values[0] - value) * far / near - (values[1] - value) * near / far
    ) / (far - near)


cdef inline double call(
    Objective* f, const double* point, double* gradient
) noexcept nogil:
    # The value, and in the gradient what the function writes there, if it does.
    cdef Py_ssize_t j
    for j in range(f.n):
        f.point[j] = point[j]
    f.n_values += 1
    if f.at_once:
        f.n_gradients += 1
        if f.value.takes_data:
            return (<BothOfData> f.value.address)(
                f.n, f.point, gradient, f.value.data
            )
        return (<Both> f.value.address)(f.n, f.point, gradient)
    if f.value.takes_data:
        return (<ValueOfData> f.value.address)(f.n, f.point, f.value.data)
    return (<Value> f.value.address)(f.n, f.point)


cdef inline void call_gradient(
    Objective* f, const double* point, double* gradient
) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(f.n):
        f.point[j] = point[j]
    f.n_gradients += 1
    if f.gradient.takes_data:
        (<GradientOfData> f.gradient.address)(
            f.n, f.point, gradient, f.gradient.data
        )
    else:
        (<Gradient> f.gradient.address)(f.n, f.point, gradient)


cdef inline void take_differences(
    Objective* f, const double* point, double value, double* gradient
) noexcept nogil:
    cdef double low = -INFINITY, high = INFINITY
    cdef double[2] places
    cdef double[2] values
    cdef Py_ssize_t j
    cdef int k
    for j in range(f.n):
        f.place[j] = point[j]
    for j in range(f.n):
        if f.lower != NULL:
            low, high = f.lower[j], f.upper[j]
        find_places(point[j], low, high, places)
        for k in range(2):
            f.place[j] = places[k]
            values[k] = call(f, f.place, gradient)
        f.place[j] = point[j]
        gradient[j] = slope_of_three(point[j], value, places, values)


cdef inline double evaluate_function(
    Objective* f, const double* point, double* gradient
) noexcept nogil:
    # Value and gradient; NaN, and no call, where there is none to ask for.
    cdef double value
    fill(gradient, f.n, NAN)
    if not all_finite(point, f.n):
        return NAN
    value = call(f, point, gradient)
    if f.at_once or not isfinite(value):
        return value
    if f.gradient.address != NULL:
        call_gradient(f, point, gradient)
    else:
        take_differences(f, point, value, gradient)
    return value
