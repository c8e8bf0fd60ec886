"""Every loss of one example; oracles are decimal arithmetic and numbers by hand.

Sums of them over examples are compared with formulas in test_kernel.py.
"""

import functools
import math
import struct
from decimal import Decimal, localcontext

import numpy as np
import pytest

from gdfast.losses import LOSSES, Domain

LOG_LOSS = LOSSES["log_loss"]()
# "multinomial" has no single output; its tests are in test_outputs.py.
SINGLE = {k: loss for k, loss in LOSSES.items() if loss.domain is not Domain.CLASS}
INSTANCES = [
    *(loss() for loss in SINGLE.values()),
    LOSSES["huber"](epsilon=1.25),
    LOSSES["epsilon_insensitive"](epsilon=0.0),
    LOSSES["epsilon_insensitive"](epsilon=0.75),
    LOSSES["squared_epsilon_insensitive"](epsilon=0.75),
    LOSSES["quantile"](quantile=0.125),
]
# Dense, and denser where 1 + exp(-|z|) is not yet 1; the offsets are to hit no zeros of
# the last bits.
JITTER = np.random.default_rng(7).uniform(-0.5, 0.5, (2, 1201))
GRID = np.r_[
    np.linspace(-1000, 1000, 1201) + JITTER[0],
    np.linspace(-40, 40, 1201) + JITTER[1] / 20,
]
# Zero, denormal, the smallest normal, a last bit of 1; log(sqrt(2) - 1), where the
# logarithm changes its branch; where 1 + exp(-z) becomes 1; where exp(z) is held, where
# it is denormal and where it is zero.
SPECIAL = [
    *(0.0, 5e-324, 2.3e-308, 1e-300, 2.0**-53, 1e-16, 1e-8, 0.5, 1.0),
    *np.nextafter(-np.log(math.sqrt(2) - 1), [0, 1, 2]).tolist(),
    *(36.0, 36.7, 36.8, 37.0, 38.0, 707.9, 708.0),
]
HELD = [708.1, 709.7, 710.0, 744.4, 745.0, 746.0, 1000.0]
POINTS = [*GRID[np.abs(GRID) <= 708].tolist(), *SPECIAL, *(-z for z in SPECIAL)]


def point(kernel, z, y, loss=LOG_LOSS):
    """Return loss and slope of one example: the intercept is its z."""
    gradient = np.zeros(2)
    value, _ = kernel.add_gradient(
        *(loss.kind, loss.param, np.zeros((1, 1)), np.array([y]), None, None),
        *(np.array([0.0, z]), gradient),
    )
    return value, gradient[1]


def exact(z):
    """Return log(1 + exp(z)) - max(z, 0) and the sigmoid of z, to 40 digits."""
    with localcontext(prec=45) as context:
        context.Emin = -999999
        e = (-abs(Decimal(z))).exp()
        log1p = (1 + e).ln() if e > Decimal("1e-20") else e - e * e / 2
        return log1p, (e if z < 0 else 1) / (1 + e)


@pytest.fixture(scope="module")
def oracle():
    """The exact parts of the loss and of its slope at every point."""
    return [(z, *exact(z)) for z in POINTS]


def ulps(got, true, unit):
    """Return the error in units in the last place of some number."""
    return float(abs(Decimal(got) - true) / Decimal(math.ulp(float(unit))))


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_loss_of_a_class_is_right_to_the_last_digits(kernel, oracle, y):
    # Nothing cancels: the loss itself is right, however small.
    with localcontext(prec=120):
        for z, log1p, _ in oracle:
            true = max(Decimal(z), 0) - Decimal(y) * Decimal(z) + log1p
            loss, _ = point(kernel, z, y)
            assert ulps(loss, true, true) < 3, z  # 2.7 at most among 660 000


@pytest.mark.parametrize("y", [0.25, 0.3, 1 / 3, 0.9])
def test_loss_of_a_share_is_right_but_for_what_cancels(kernel, oracle, y):
    with localcontext(prec=120):
        for z, log1p, _ in oracle:
            terms = max(Decimal(z), 0), Decimal(y) * Decimal(z), log1p
            loss, _ = point(kernel, z, y)
            largest = max(map(abs, terms))
            # 3.3 at most among 330 000, where the terms are of one size.
            assert ulps(loss, terms[0] - terms[1] + log1p, largest) < 3.5, z


@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_slope_is_right_but_for_what_cancels(kernel, oracle, y):
    with localcontext(prec=120):
        for z, _, sigmoid in oracle:
            _, slope = point(kernel, z, y)
            largest = max(sigmoid, Decimal(y))
            assert ulps(slope, sigmoid - Decimal(y), largest) < 3, z  # 2.6 as above


@pytest.mark.parametrize("z", HELD)
def test_beyond_708_what_is_below_every_normal_number_is_as_good_as_zero(kernel, z):
    assert 0 <= point(kernel, -z, 0.0)[0] < 3.4e-308
    assert 0 <= point(kernel, -z, 0.0)[1] < 3.4e-308
    assert 0 <= point(kernel, z, 1.0)[0] < 3.4e-308
    assert point(kernel, z, 1.0)[1] == 0
    assert point(kernel, -z, 1.0) == (z, -1)
    assert point(kernel, z, 0.0) == (z, 1)
    assert point(kernel, z, 0.25) == (0.75 * z, 0.75)


@pytest.mark.parametrize("size", [1e16, 1e154, 1e300, np.finfo(float).max])
def test_nothing_overflows(kernel, size):
    assert point(kernel, size, 0.0) == (size, 1)
    assert point(kernel, -size, 1.0) == (size, -1)
    assert point(kernel, size, 0.5) == (size / 2, 0.5)
    assert point(kernel, size, 1.0)[0] < 3.4e-308
    assert point(kernel, -size, 0.0)[0] < 3.4e-308


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("y", [0.0, 0.25, 1.0])
def test_either_zero_has_the_loss_log_two(kernel, zero, y):
    assert point(kernel, zero, y) == (math.log(2), 0.5 - y)


@pytest.mark.parametrize("z", [np.inf, -np.inf])
@pytest.mark.parametrize("y", [0.0, 0.5, 1.0])
def test_an_infinite_prediction_has_no_finite_loss(kernel, z, y):
    # Neither has one with the limit 0: 0 times inf is in it, and a run ends there.
    with np.errstate(invalid="ignore"):
        loss, slope = point(kernel, z, y)
    assert not np.isfinite(loss)
    assert slope == pytest.approx((z > 0) - y, abs=4e-308)


def test_missing_predictions_and_targets_have_no_loss(kernel):
    for value in (np.nan, -np.nan):
        assert np.isnan(point(kernel, value, 0.0)).all()
        assert np.isnan(point(kernel, 1.0, value)).all()
    # Any bits of NaN: those below the fraction are shifted to be an exponent.
    for bits in (0x7FF80000000007A2, 0x7FFFFFFFFFFFFFFF, 0xFFF8000000000BFF):
        [value] = struct.unpack("d", struct.pack("Q", bits))
        assert np.isnan(point(kernel, value, 0.0)[0])
        assert np.isnan(point(kernel, value, 1.0)[0])


def test_classes_mirror_each_other(kernel):
    for z in [*POINTS, *HELD, 1e300, -1e300]:
        assert point(kernel, z, 1.0)[0] == point(kernel, -z, 0.0)[0]


def test_loss_rises_and_is_convex(kernel):
    z = np.arange(-708, 708, 0.25)
    of_zero = np.array([point(kernel, value, 0.0) for value in z])
    of_one = np.array([point(kernel, value, 1.0) for value in z])
    assert (np.diff(of_zero[:, 0]) > 0).all()
    assert (np.diff(of_one[:, 0]) < 0).all()
    assert (np.diff(of_zero[:, 1]) >= 0).all()
    assert (np.diff(of_one[:, 1]) >= 0).all()
    assert (of_zero[:, 0] > 0).all()
    assert (of_one[:, 0] > 0).all()
    assert ((of_zero[:, 1] > 0) & (of_zero[:, 1] <= 1)).all()
    assert ((of_one[:, 1] <= 0) & (of_one[:, 1] >= -1)).all()


@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("z", [-30.0, -5.0, -0.5, -1e-3, 0.0, 1e-3, 0.5, 5.0, 30.0])
def test_slope_is_the_difference_quotient(kernel, y, z):
    h = 2.0**-10
    slopes = []
    for start in (z - h, z):  # on either side, each half a step away
        losses = [point(kernel, x, y)[0] for x in (start, start + h)]
        middle = point(kernel, start + h / 2, y)[1]
        quotient = (losses[1] - losses[0]) / h
        assert quotient == pytest.approx(middle, rel=1e-6, abs=1e-10)
        slopes.append(quotient)
    assert slopes[0] <= slopes[1] + 1e-11


@pytest.mark.parametrize("n", [1, 3, 4, 7, 8, 9, 63, 64, 65, 255, 256, 257])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_lane_has_the_same_loss(compiled, rng, n, dtype):
    # An identity matrix gives each row the intercept and one coefficient: the slopes
    # come out one by one. Rows of a block are in different lanes of vectors.
    z = rng.uniform(-50, 50, n)
    y = rng.uniform(0, 1, n).astype(dtype)
    gradient = np.zeros(n)
    loss_sum, _ = compiled.add_gradient(
        *(2, 0.0), np.eye(n, dtype=dtype), y, None, None, z, gradient
    )
    each = [point(compiled, *pair) for pair in zip(z, y.astype(float), strict=True)]
    assert gradient.tolist() == [slope for _, slope in each]
    total = math.fsum(loss for loss, _ in each)
    assert loss_sum == pytest.approx(total, rel=1e-15 * max(n, 4))


# ------------------------------------------------------------------------ every loss

H = 2.0**-10
STEPS = np.arange(-8, 8 + H, H)  # of z; every kink below is one of them


def example_of(loss):
    """Return targets at both ends of what is usual for a loss."""
    return (0.0, 1.0) if loss.domain is not Domain.REAL else (-0.5, 2.0)


@functools.cache
def curve(kernel, loss, y):
    """Return loss and slope at all `STEPS`."""
    return np.array([point(kernel, z, y, loss) for z in STEPS]).T


@pytest.mark.parametrize("loss", INSTANCES, ids=str)
def test_every_loss_is_convex_and_of_its_curvature(compiled, loss):
    curvature, jump = 0.0, 0.0
    for y in example_of(loss):
        value, slope = curve(compiled, loss, y)
        quotient = np.diff(value) / H
        assert (quotient >= slope[:-1] - 1e-9).all()  # a slope lies below the loss
        assert (quotient <= slope[1:] + 1e-9).all()
        curvature = max(curvature, np.diff(value, 2).max() / H**2)
        jump = max(jump, np.diff(slope)[abs(STEPS[1:]) < 4].max())
    if loss.max_curvature < math.inf:
        assert curvature == pytest.approx(loss.max_curvature, rel=1e-6)
    else:
        assert curvature > 250  # of a kink that of a step; exp(8) is 2981
    assert jump < 0.1 if loss.smooth else jump >= 0.5


@pytest.mark.parametrize("loss", INSTANCES, ids=str)
def test_only_a_quadratic_loss_curves_alike_everywhere(compiled, loss):
    for y in example_of(loss):
        second = np.diff(curve(compiled, loss, y)[0], 2) / H**2
        assert loss.quadratic == bool(np.ptp(second) < 1e-6)


def loss_of(name, **params):
    return LOSSES[name](**params)


# By hand: z, y, loss and slope on both sides of every kink and at it. scikit-learn
# takes the same slopes there.
KINKS = [
    (loss_of("huber", epsilon=0.5), [
        *((0.5, 0.0, 0.125, 0.5), (0.75, 0.0, 0.25, 0.5), (0.25, 0.0, 0.03125, 0.25)),
        *((-0.5, 0.0, 0.125, -0.5), (-8.0, 0.0, 3.875, -0.5), (1.0, 1.0, 0.0, 0.0)),
    ]),
    (loss_of("epsilon_insensitive", epsilon=0.5), [
        *((0.5, 0.0, 0.0, 0.0), (0.75, 0.0, 0.25, 1.0), (0.25, 0.0, 0.0, 0.0)),
        *((-0.5, 0.0, 0.0, 0.0), (-0.75, 0.0, 0.25, -1.0), (3.0, 3.0, 0.0, 0.0)),
    ]),
    (loss_of("epsilon_insensitive", epsilon=0.0), [
        *((0.0, 0.0, 0.0, 0.0), (5e-324, 0.0, 5e-324, 1.0), (-2.0, 1.0, 3.0, -1.0)),
    ]),
    (loss_of("squared_epsilon_insensitive", epsilon=0.5), [
        *((0.5, 0.0, 0.0, 0.0), (0.75, 0.0, 0.0625, 0.5), (0.25, 0.0, 0.0, 0.0)),
        *((-0.5, 0.0, 0.0, 0.0), (-0.75, 0.0, 0.0625, -0.5), (4.0, 1.5, 4.0, 4.0)),
    ]),
    (loss_of("quantile", quantile=0.25), [
        *((1.0, 1.0, 0.0, -0.25), (2.0, 1.0, 0.75, 0.75), (0.0, 1.0, 0.25, -0.25)),
    ]),
    (loss_of("poisson"), [(0.0, 3.0, 1.0, -2.0), (0.0, 0.0, 1.0, 1.0)]),
    (loss_of("hinge"), [
        *((1.0, 1.0, 0.0, -1.0), (2.0, 1.0, 0.0, 0.0), (-3.0, 1.0, 4.0, -1.0)),
        *((-1.0, 0.0, 0.0, 1.0), (-2.0, 0.0, 0.0, 0.0), (3.0, 0.0, 4.0, 1.0)),
        *((np.nextafter(1, 2), 1.0, 0.0, 0.0), (np.nextafter(-1, -2), 0.0, 0.0, 0.0)),
    ]),
    (loss_of("squared_hinge"), [
        *((1.0, 1.0, 0.0, 0.0), (2.0, 1.0, 0.0, 0.0), (-3.0, 1.0, 16.0, -8.0)),
        *((-1.0, 0.0, 0.0, 0.0), (-2.0, 0.0, 0.0, 0.0), (0.5, 0.0, 2.25, 3.0)),
    ]),
    (loss_of("modified_huber"), [
        *((1.0, 1.0, 0.0, 0.0), (2.0, 1.0, 0.0, 0.0), (0.0, 1.0, 1.0, -2.0)),
        *((-1.0, 1.0, 4.0, -4.0), (-3.0, 1.0, 12.0, -4.0), (-0.5, 1.0, 2.25, -3.0)),
        *((1.0, 0.0, 4.0, 4.0), (3.0, 0.0, 12.0, 4.0), (-1.0, 0.0, 0.0, 0.0)),
    ]),
    (loss_of("perceptron"), [
        *((0.0, 1.0, 0.0, -1.0), (-0.0, 1.0, 0.0, -1.0), (0.0, 0.0, 0.0, 1.0)),
        *((2.0, 1.0, 0.0, 0.0), (-3.0, 1.0, 3.0, -1.0), (3.0, 0.0, 3.0, 1.0)),
        *((5e-324, 1.0, 0.0, 0.0), (-5e-324, 0.0, 0.0, 0.0)),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "rows"), KINKS, ids=str)
def test_loss_and_slope_at_every_kink(kernel, loss, rows):
    for z, y, value, slope in rows:
        assert point(kernel, z, y, loss) == (value, slope), (z, y)


@pytest.mark.parametrize(("loss", "rows"), KINKS, ids=str)
def test_scikit_learn_takes_the_same_slopes(loss, rows):
    sgd = pytest.importorskip("sklearn.linear_model._sgd_fast")
    points = pytest.importorskip("sklearn._loss._loss")
    names = {
        "epsilon_insensitive": ("EpsilonInsensitive", [loss.param]),
        "squared_epsilon_insensitive": ("SquaredEpsilonInsensitive", [loss.param]),
        "hinge": ("Hinge", [1.0]),
        "squared_hinge": ("SquaredHinge", [1.0]),
        "modified_huber": ("ModifiedHuber", []),
        "perceptron": ("Hinge", [0.0]),
    }
    for z, y, value, slope in rows:
        if loss.name in names:
            name, arguments = names[loss.name]
            other = getattr(sgd, name)(*arguments)
            target = 2 * y - 1 if loss.domain is Domain.BINARY else y
            expected = other.py_loss(z, target), other.py_dloss(z, target)
        else:
            name = {"huber": "Huber", "quantile": "Pinball", "poisson": "HalfPoisson"}
            other = getattr(points, f"Cy{name[loss.name]}Loss")(
                **({"delta": loss.param} if loss.name == "huber" else loss.params)
            )
            out = np.empty(1), np.empty(1)
            other.loss_gradient(np.array([y]), np.array([z]), None, *out)
            expected = out[0][0], out[1][0]
        assert expected == (value, slope), (z, y)


@pytest.mark.parametrize("loss", INSTANCES, ids=str)
@pytest.mark.parametrize("z", [-1000.0, 1000.0])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_far_predictions_have_a_loss(kernel, loss, z, y):
    with np.errstate(invalid="ignore"):
        value, slope = point(kernel, z, y, loss)
    if loss.name == "poisson" and z > 0:
        assert (value, slope) == (np.inf, np.inf)
        return
    e, s = loss.param, 2 * y - 1
    residual = abs(z - y)
    expected = {
        "squared_error": residual**2,
        "half_squared_error": residual**2 / 2,
        "log_loss": max(0, -s * z),
        "huber": e * residual - e * e / 2,
        "epsilon_insensitive": residual - e,
        "squared_epsilon_insensitive": (residual - e) ** 2,
        "quantile": residual * (e if z < y else 1 - e),
        "poisson": -y * z,
        "hinge": max(0, 1 - s * z),
        "squared_hinge": max(0, 1 - s * z) ** 2,
        "modified_huber": max(0, -4 * s * z),
        "perceptron": max(0, -s * z),
    }
    assert value == pytest.approx(expected[loss.name], rel=1e-15, abs=4e-308)
    assert np.isfinite(slope)


@pytest.mark.parametrize("loss", INSTANCES, ids=str)
@pytest.mark.parametrize("size", [1e16, 1e154, 1e300, np.finfo(float).max])
def test_no_finite_prediction_makes_nan(kernel, loss, size):
    for z in (size, -size):
        for y in (0.0, 1.0):
            with np.errstate(over="ignore", invalid="ignore"):
                value, slope = point(kernel, z, y, loss)
            assert value >= 0 or loss.name == "poisson"
            assert not np.isnan(value)
            assert not np.isnan(slope)


@pytest.mark.parametrize("loss", INSTANCES, ids=str)
def test_what_is_missing_has_no_loss(kernel, loss):
    for z, y in ((np.nan, 1.0), (1.0, np.nan), (np.nan, np.nan)):
        with np.errstate(invalid="ignore"):
            assert np.isnan(point(kernel, z, y, loss)[0])


@pytest.mark.parametrize("power", [-200, -3, 5, 300])
@pytest.mark.parametrize(
    ("name", "degree"),
    [
        *(("huber", 2), ("epsilon_insensitive", 1), ("quantile", 1)),
        *(("squared_epsilon_insensitive", 2), ("perceptron", 1)),
    ],
)
def test_scaling_by_powers_of_two_is_exact(compiled, rng, name, degree, power):
    factor = 2.0**power
    for z, y in rng.standard_normal((50, 2)):
        loss = LOSSES[name]()
        scaled = loss
        if hasattr(loss, "epsilon"):
            scaled = LOSSES[name](epsilon=loss.epsilon * factor)
        other = y * factor
        if name == "perceptron":
            y = other = float(y > 0)
        value, slope = point(compiled, z, y, loss)
        expected = value * factor**degree, slope * factor ** (degree - 1)
        assert point(compiled, z * factor, other, scaled) == expected


# --------------------------------------------------------------- the exponential of all

POISSON = LOSSES["poisson"]()
# Where it is 1 to rounding, at halves of log 2 where the power of two changes, near
# the largest double.
EXPONENTS = [
    *np.r_[np.linspace(-708, 709.7, 2001), np.linspace(-2, 2, 1001)].tolist(),
    *(k * math.log(2) / 2 for k in range(-2042, 2047, 9)),
    *(5e-324, -5e-324, 1e-300, 2.0**-54, -(2.0**-54), 1e-16, 1e-8, -708.0),
    *(709.4, 709.436139303104, 709.5, 709.78, 709.782712893384),
]


def test_exponential_is_right_to_the_last_digits(kernel):
    with localcontext(prec=40) as context:
        context.Emin = -999999
        for z in EXPONENTS:
            true = Decimal(z).exp()
            loss, slope = point(kernel, z, 0.0, POISSON)
            assert loss == slope
            assert ulps(slope, true, true) <= 2, z


def test_poisson_loss_is_right_but_for_what_cancels(kernel):
    with localcontext(prec=40):
        for z in EXPONENTS[::7]:
            for y in (0.1, 3.0, 1e6):
                terms = Decimal(z).exp(), Decimal(y) * Decimal(z)
                loss, slope = point(kernel, z, y, POISSON)
                assert ulps(loss, terms[0] - terms[1], max(map(abs, terms))) < 3
                true = terms[0] - Decimal(y)
                assert ulps(slope, true, max(terms[0], Decimal(y))) < 3


@pytest.mark.parametrize("z", [709.782712893385, 709.8, 710.0, 1e4, 1e300])
def test_too_large_an_exponential_is_infinite(kernel, z):
    with np.errstate(invalid="ignore"):
        assert point(kernel, z, 2.0, POISSON) == (np.inf, np.inf)
        assert point(kernel, z, 0.0, POISSON) == (np.inf, np.inf)


@pytest.mark.parametrize("z", [-708.1, -745.0, -746.0, -1e4, -1e300])
def test_too_small_an_exponential_is_as_good_as_zero(kernel, z):
    loss, slope = point(kernel, z, 0.0, POISSON)
    assert 0 <= loss == slope < 3.4e-308
    assert point(kernel, z, 1.0, POISSON) == (-z, -1.0)


def test_exponential_rises(compiled):
    z = np.sort(np.r_[EXPONENTS, [-1000.0, -708.5, 709.79, 1000.0]])
    slopes = [point(compiled, value, 0.0, POISSON)[1] for value in z]
    assert (np.diff(slopes[:-2]) >= 0).all()
    assert slopes[-2:] == [np.inf, np.inf]


@pytest.mark.parametrize("loss", INSTANCES, ids=str)
@pytest.mark.parametrize("n", [1, 7, 9, 257])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_lane_of_every_loss(compiled, rng, loss, n, dtype):
    z = rng.normal(scale=3, size=n)
    y = rng.integers(0, 2, n).astype(dtype)
    gradient = np.zeros(n)
    loss_sum, _ = compiled.add_gradient(
        *(loss.kind, loss.param, np.eye(n, dtype=dtype), y, None, None, z, gradient)
    )
    each = [
        point(compiled, *pair, loss) for pair in zip(z, y.astype(float), strict=True)
    ]
    assert gradient.tolist() == [slope for _, slope in each]
    total = math.fsum(value for value, _ in each)
    size = math.fsum(abs(value) for value, _ in each)
    assert loss_sum == pytest.approx(total, abs=1e-15 * size * max(n, 4))
