"""The logistic loss of one example: the oracle is decimal arithmetic.

The squared losses are tested with the sums that they are part of, in test_kernel.py.
"""

import math
import struct
from decimal import Decimal, localcontext

import numpy as np
import pytest

from gdfast.losses import LOSSES

LOG_LOSS = LOSSES["log_loss"].kind
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


def point(kernel, z, y, kind=LOG_LOSS):
    """Return loss and slope of one example: the intercept is its z."""
    gradient = np.zeros(2)
    loss, _ = kernel.add_gradient(
        kind, np.zeros((1, 1)), np.array([y]), None, None, np.array([0.0, z]), gradient
    )
    return loss, gradient[1]


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
        LOG_LOSS, np.eye(n, dtype=dtype), y, None, None, z, gradient
    )
    each = [point(compiled, *pair) for pair in zip(z, y.astype(float), strict=True)]
    assert gradient.tolist() == [slope for _, slope in each]
    total = math.fsum(loss for loss, _ in each)
    assert loss_sum == pytest.approx(total, rel=1e-15 * max(n, 4))
