# A quadratic function of the parameters, which the mean of squared errors is.

from libc.math cimport fabs

from gdfast._simd cimport LANES, PARTS, WIDTH, fold, load, splat, vec


cdef struct Quadratic:
    # A quadratic function, see `descend_quadratic`, and what is known at a point.
    Py_ssize_t n
    double loss
    const double* gradient
    const double* hessian
    const double* center
    const double* origin
    double* moved  # distance from the origin
    double* slope  # gradient at the point
    double* size   # root of each second derivative


cdef inline double dot(const double* a, const double* b, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i = 0
    cdef int k
    cdef vec[PARTS] part
    cdef double rest = 0.0
    for k in range(PARTS):
        part[k] = splat(0.0)
    while i + LANES <= n:
        for k in range(PARTS):
            part[k] += load(a + i) * load(b + i)
            i += WIDTH
    while i < n:
        rest += a[i] * b[i]
        i += 1
    return fold(part) + rest


cdef inline bint evaluate(
    Quadratic* at, const double* params, double* loss
) noexcept nogil:
    # The function and its gradient at a point; False where rounding would show.
    cdef Py_ssize_t j, n = at.n
    cdef double linear, curved, terms, size = 0.0, bent = 0.0
    for j in range(n):
        at.moved[j] = params[j] - at.origin[j]
    if at.center != NULL:
        at.moved[n - 1] += dot(at.center, at.moved, n - 1)
    linear = dot(at.gradient, at.moved, n)
    terms = fabs(at.loss)
    for j in range(n):
        curved = dot(at.hessian + j * n, at.moved, n)
        bent += at.moved[j] * curved
        at.slope[j] = at.gradient[j] + curved
        terms += fabs(at.gradient[j] * at.moved[j])
        size += fabs(at.moved[j]) * at.size[j]
    loss[0] = at.loss + (linear + 0.5 * bent)
    if at.center != NULL:
        for j in range(n - 1):
            at.slope[j] += at.center[j] * at.slope[n - 1]
    return not fabs(loss[0]) < 1e-5 * (terms + size * size)
