# Each loss of one example, once: l(z, y) and its slope dl/dz, where z is the raw
# prediction x . coef + intercept and y the target, for as many examples as a vector has
# lanes. Any finite z and y are safe; |z - y| above 1e154 overflows to inf, which the
# caller tests once per step. The numbers are those of `gdfast.losses.LOSSES`.

from gdfast._simd cimport absolute, divide, scale, splat, vec, where_less

cdef enum LossKind:
    SQUARED_ERROR = 0
    HALF_SQUARED_ERROR = 1
    LOG_LOSS = 2
    N_LOSSES = 3


cdef inline vec squared_error(vec z, vec y, vec* slope) noexcept nogil:
    # (z - y)^2 and 2 (z - y)
    cdef vec residual = z - y
    slope[0] = residual + residual
    return residual * residual


cdef inline vec half_squared_error(vec z, vec y, vec* slope) noexcept nogil:
    # (z - y)^2 / 2 and z - y
    cdef vec residual = z - y
    slope[0] = residual
    return 0.5 * residual * residual


cdef inline vec log_loss(vec z, vec y, vec* slope) noexcept nogil:
    # log(1 + exp(z)) - y z and 1 / (1 + exp(-z)) - y, for y from 0 to 1. Only exp(-|z|)
    # is taken, which cannot overflow.
    cdef vec zero = splat(0.0)
    cdef vec e = exp_negative(zero - absolute(z))
    cdef vec rest = divide(splat(1.0), 1.0 + e)
    slope[0] = where_less(z, zero, e * rest, rest) - y
    return where_less(z, zero, zero, z) - y * z + log1p_unit(e)


cdef inline vec exp_negative(vec x) noexcept nogil:
    # exp(x) for x <= 0 within 1 ulp; below -708 that of -708, which is 3e-308.
    # x = k log 2 + r, exp(x) = 2^k (1 + r + r^2 q(r)); q is a minimax polynomial, and
    # log 2 is split so that k times its first part is exact.
    cdef double shift = 6755399441055744.0  # 1.5 2^52: adding it rounds to integers
    cdef vec at_least = where_less(x, splat(-708.0), splat(-708.0), x)
    cdef vec shifted_k = 1.4426950408889634 * at_least + shift
    cdef vec k = shifted_k - shift
    cdef vec r = (
        at_least - k * 0.6931471803691238
    ) - k * 1.9082149292705877e-10
    cdef vec r2 = r * r
    cdef vec q = (  # in pairs, which do not wait for each other
        (0.5000000000000001 + r * 0.16666666666666669)
        + r2 * (0.04166666666662413 + r * 0.008333333333330062)
    ) + (r2 * r2) * (
        (0.0013888888917213717 + r * 0.00019841269863053618)
        + r2 * (
            (2.4801521295954376e-05 + r * 2.7557268459997064e-06)
            + r2 * (2.762008844540975e-07 + r * 2.510038549551032e-08)
        )
    )
    return scale(1.0 + (r + r2 * q), shifted_k)


cdef inline vec log1p_unit(vec x) noexcept nogil:
    # log(1 + x) for 0 <= x <= 1 within 2 ulp. Above sqrt(2) - 1 the logarithm of half
    # of 1 + x is taken; log((1 + s) / (1 - s)) = 2 s + s^3 p(s^2) with a minimax p.
    cdef vec limit = splat(0.41421356237309503)
    cdef vec s = divide(
        where_less(x, limit, x, x - 1.0), where_less(x, limit, x + 2.0, x + 3.0)
    )
    cdef vec t = s * s
    cdef vec t2 = t * t
    cdef vec p = (
        (0.666666666666667 + t * 0.3999999999989931)
        + t2 * (0.2857142862606338 + t * 0.22222211120449298)
    ) + (t2 * t2) * (
        (0.1818289017031397 + t * 0.15331686868638428) + t2 * 0.14616878919029822
    )
    return where_less(x, limit, splat(0.0), splat(0.6931471805599453)) + (
        2.0 * s + s * t * p
    )
