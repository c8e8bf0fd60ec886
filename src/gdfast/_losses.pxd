# Each loss of one example, once: l(z, y) and its slope dl/dz, where z is the raw
# prediction x . coef + intercept and y the target. Any finite z and y are safe;
# |z - y| above 1e154 overflows to inf, which the caller tests once per step.
# The numbers are those of `gdfast.losses.LOSSES`.

cdef enum LossKind:
    SQUARED_ERROR = 0
    HALF_SQUARED_ERROR = 1
    N_LOSSES = 2


cdef inline double squared_error(double z, double y) noexcept nogil:
    # (z - y)^2
    return (z - y) * (z - y)


cdef inline double squared_error_slope(double z, double y) noexcept nogil:
    # 2 (z - y)
    return 2.0 * (z - y)


cdef inline double half_squared_error(double z, double y) noexcept nogil:
    # (z - y)^2 / 2
    return 0.5 * (z - y) * (z - y)


cdef inline double half_squared_error_slope(double z, double y) noexcept nogil:
    # z - y
    return z - y
