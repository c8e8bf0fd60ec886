# Each loss of one example, once: l(z, y) and its slope dl/dz, where z is the raw
# prediction x . coef + intercept and y the target, for as many examples as a vector has
# lanes. Any finite z and y are safe: what is too large for a double becomes inf, which
# the caller tests once per step, and NaN stays NaN in the loss. At a kink the slope is
# that of scikit-learn. The numbers are those of `gdfast.losses.LOSSES`.

from libc.math cimport INFINITY

from gdfast._simd cimport absolute, divide, exponent, scale, splat, vec, where_less

# The number of each loss, as a type of its own: a fused function becomes one for each.
cdef enum SquaredError:
    SQUARED_ERROR = 0
cdef enum HalfSquaredError:
    HALF_SQUARED_ERROR = 1
cdef enum LogLoss:
    LOG_LOSS = 2
cdef enum Huber:
    HUBER = 3
cdef enum EpsilonInsensitive:
    EPSILON_INSENSITIVE = 4
cdef enum SquaredEpsilonInsensitive:
    SQUARED_EPSILON_INSENSITIVE = 5
cdef enum Quantile:
    QUANTILE = 6
cdef enum Poisson:
    POISSON = 7
cdef enum Hinge:
    HINGE = 8
cdef enum SquaredHinge:
    SQUARED_HINGE = 9
cdef enum ModifiedHuber:
    MODIFIED_HUBER = 10
cdef enum Perceptron:
    PERCEPTRON = 11

cdef enum:
    MULTINOMIAL = 12  # of all outputs of a row together: `softmax_rows`
    N_LOSSES = 13

ctypedef fused Loss:
    SquaredError
    HalfSquaredError
    LogLoss
    Huber
    EpsilonInsensitive
    SquaredEpsilonInsensitive
    Quantile
    Poisson
    Hinge
    SquaredHinge
    ModifiedHuber
    Perceptron


cdef inline vec evaluate(
    Loss kind, vec z, vec y, double param, vec* slope
) noexcept nogil:
    # The loss of this type.
    if Loss is SquaredError:
        return squared_error(z, y, slope)
    elif Loss is HalfSquaredError:
        return half_squared_error(z, y, slope)
    elif Loss is LogLoss:
        return log_loss(z, y, slope)
    elif Loss is Huber:
        return huber(z, y, param, slope)
    elif Loss is EpsilonInsensitive:
        return epsilon_insensitive(z, y, param, slope)
    elif Loss is SquaredEpsilonInsensitive:
        return squared_epsilon_insensitive(z, y, param, slope)
    elif Loss is Quantile:
        return quantile(z, y, param, slope)
    elif Loss is Poisson:
        return poisson(z, y, slope)
    elif Loss is Hinge:
        return hinge(z, y, slope)
    elif Loss is SquaredHinge:
        return squared_hinge(z, y, slope)
    elif Loss is ModifiedHuber:
        return modified_huber(z, y, slope)
    else:
        return perceptron(z, y, slope)


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
    cdef vec e = exp_finite(zero - absolute(z))
    cdef vec rest = divide(splat(1.0), 1.0 + e)
    slope[0] = where_less(z, zero, e * rest, rest) - y
    return where_less(z, zero, zero, z) - y * z + log1p_unit(e)


cdef inline vec huber(vec z, vec y, double epsilon, vec* slope) noexcept nogil:
    # |z - y| up to epsilon is squared and halved; beyond, the line goes on: with c the
    # smaller of both, c (|z - y| - c / 2) and the slope c, with the sign of z - y.
    cdef vec zero = splat(0.0), limit = splat(epsilon)
    cdef vec residual = z - y
    cdef vec size = absolute(residual)
    cdef vec c = where_less(limit, size, limit, size)
    slope[0] = where_less(residual, zero, zero - c, c)
    return c * (size - 0.5 * c)


cdef inline vec epsilon_insensitive(
    vec z, vec y, double epsilon, vec* slope
) noexcept nogil:
    # max(0, |z - y| - epsilon) and the sign of z - y, 0 up to epsilon.
    cdef vec zero = splat(0.0)
    cdef vec residual = z - y
    cdef vec excess = absolute(residual) - epsilon
    cdef vec sign = where_less(residual, zero, splat(-1.0), splat(1.0))
    slope[0] = where_less(zero, excess, sign, zero)
    return where_less(excess, zero, zero, excess)


cdef inline vec squared_epsilon_insensitive(
    vec z, vec y, double epsilon, vec* slope
) noexcept nogil:
    # e^2 and 2 e with the sign of z - y, where e = max(0, |z - y| - epsilon).
    cdef vec zero = splat(0.0)
    cdef vec residual = z - y
    cdef vec excess = absolute(residual) - epsilon
    cdef vec e = where_less(excess, zero, zero, excess)
    slope[0] = where_less(residual, zero, zero - (e + e), e + e)
    return e * e


cdef inline vec quantile(vec z, vec y, double level, vec* slope) noexcept nogil:
    # (1 - level) (z - y) above y, and level (y - z) up to there; the slope of either.
    cdef vec residual = z - y
    slope[0] = where_less(splat(0.0), residual, splat(1.0 - level), splat(-level))
    return slope[0] * residual


cdef inline vec poisson(vec z, vec y, vec* slope) noexcept nogil:
    # exp(z) - y z and exp(z) - y, for y >= 0.
    cdef vec expected = exponential(z)
    slope[0] = expected - y
    return expected - y * z


cdef inline vec hinge(vec z, vec y, vec* slope) noexcept nogil:
    # max(0, 1 - s z) and, up to s z = 1, -s, where s = 2 y - 1 is the class, -1 or 1.
    cdef vec zero = splat(0.0)
    cdef vec s = (y + y) - 1.0
    cdef vec lack = 1.0 - s * z
    slope[0] = where_less(lack, zero, zero, zero - s)
    return where_less(lack, zero, zero, lack)


cdef inline vec squared_hinge(vec z, vec y, vec* slope) noexcept nogil:
    # m^2 and -2 s m, where m = max(0, 1 - s z).
    cdef vec zero = splat(0.0)
    cdef vec s = (y + y) - 1.0
    cdef vec lack = 1.0 - s * z
    cdef vec m = where_less(lack, zero, zero, lack)
    slope[0] = -2.0 * s * m
    return m * m


cdef inline vec modified_huber(vec z, vec y, vec* slope) noexcept nogil:
    # m = max(0, 1 - s z) squared, and from m = 2 on the line -4 s z = 4 m - 4: with c
    # the smaller of m and 2, c (2 m - c) and the slope -2 s c.
    cdef vec zero = splat(0.0), limit = splat(2.0)
    cdef vec s = (y + y) - 1.0
    cdef vec lack = 1.0 - s * z
    cdef vec m = where_less(lack, zero, zero, lack)
    cdef vec c = where_less(limit, m, limit, m)
    slope[0] = -2.0 * s * c
    return c * ((m + m) - c)


cdef inline vec perceptron(vec z, vec y, vec* slope) noexcept nogil:
    # max(0, -s z) and, up to s z = 0, -s.
    cdef vec zero = splat(0.0)
    cdef vec s = (y + y) - 1.0
    cdef vec margin = s * z
    slope[0] = where_less(zero, margin, zero, zero - s)
    return where_less(zero, margin, zero, zero - margin)


cdef inline vec exponential(vec x) noexcept nogil:
    # exp(x) within 1.1 ulp; below -708 that of -708, which is 3e-308, and inf where it
    # is too large for a double.
    cdef vec limit = splat(709.782712893384)
    cdef vec e = exp_finite(where_less(limit, x, limit, x))
    return where_less(limit, x, splat(INFINITY), e)


cdef inline vec exp_finite(vec x) noexcept nogil:
    # exp(x) within 1.1 ulp where it is finite; below -708 that of -708, 3e-308.
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


cdef inline vec log1p_positive(vec x) noexcept nogil:
    # log(1 + x) for 0 <= x < 2^1000 within 2 ulp: k log 2 + log(1 + r), r from 0 to 1.
    cdef vec k = exponent(1.0 + x)
    cdef vec r = scale(1.0 + x, 6755399441055744.0 - k) - 1.0
    return k * 0.6931471805599453 + log1p_unit(where_less(k, splat(0.5), x, r))
