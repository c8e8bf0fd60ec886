# Functions of the caller's that are given as pointers, and what a gradient takes that
# is not given: places beside a point, and slopes from the values there.

from libc.math cimport copysign, fabs, isfinite

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


cdef inline double value_by(
    const Pointer* pointer, int n, double* x
) noexcept nogil:
    if pointer.takes_data:
        return (<ValueOfData> pointer.address)(n, x, pointer.data)
    return (<Value> pointer.address)(n, x)


cdef inline double both_by(
    const Pointer* pointer, int n, double* x, double* gradient
) noexcept nogil:
    if pointer.takes_data:
        return (<BothOfData> pointer.address)(n, x, gradient, pointer.data)
    return (<Both> pointer.address)(n, x, gradient)


cdef inline void gradient_by(
    const Pointer* pointer, int n, double* x, double* gradient
) noexcept nogil:
    if pointer.takes_data:
        (<GradientOfData> pointer.address)(n, x, gradient, pointer.data)
    else:
        (<Gradient> pointer.address)(n, x, gradient)
