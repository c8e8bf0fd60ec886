"""Penalties and bounds, against other solvers and the conditions of a minimum."""

import math

import numpy as np
import pytest

import gdfast
from gdfast import drivers
from gdfast.optimizers import OPTIMIZERS

PENALTIES = {
    "l2": {"penalty": "l2", "alpha": 0.3},
    "l1": {"penalty": "l1", "alpha": 0.3},
    "elasticnet": {"penalty": "elasticnet", "alpha": 0.3, "l1_ratio": 0.4},
}
SHARES = {"l2": 0.0, "l1": 1.0, "elasticnet": 0.4}
FIVE = (0.0, -0.5, -np.inf, 0.2, -np.inf), (np.inf, 0.5, -0.1, 0.3, np.inf)


@pytest.fixture
def data(rng):
    X = rng.standard_normal((80, 5)) * (1.0, 0.3, 2.0, 1.0, 0.7) + 0.4
    y = X @ (1.0, -2.0, 0.5, 0.02, 0.0) + 3 + 0.1 * rng.standard_normal(80)
    return X, y, rng.uniform(0.5, 2, 80)


@pytest.fixture(params=["passes", "moments"])
def method(request, monkeypatch):
    worth = -np.inf if request.param == "moments" else np.inf
    monkeypatch.setattr(drivers, "WORTH_IT", worth)
    return request.param


def shrunk(value, by):
    return np.sign(value) * np.maximum(np.abs(value) - by, 0)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("bounds", [None, FIVE, (0.0, 1.0)])
def test_every_step_is_a_proximal_one(name, bounds, data, method):
    X, y, weight = data
    fit = gdfast.train(
        X,
        y,
        sample_weight=weight,
        learning_rate=0.03,
        max_iter=60,
        bounds=bounds,
        history="full",
        **PENALTIES[name],
    )
    assert fit.method == method
    share, alpha = SHARES[name], 0.3
    low, high = (-np.inf, np.inf) if bounds is None else bounds
    w, b = np.clip(np.zeros(5), low, high), 0.0
    for row in fit.history:
        r = X @ w + b - y
        objective = weight @ r**2 / weight.sum() + alpha * (
            share * np.abs(w).sum() + (1 - share) / 2 * w @ w
        )
        np.testing.assert_allclose(row["coef"], w, rtol=1e-10, atol=1e-13)
        assert row["loss"] == pytest.approx(objective, rel=1e-10)
        g = 2 * X.T @ (weight * r) / weight.sum() + alpha * (1 - share) * w
        w = np.clip(shrunk(w - 0.03 * g, 0.03 * alpha * share), low, high)
        b -= 0.03 * 2 * weight @ r / weight.sum()


def test_the_intercept_is_free(data):
    X, y, _ = data
    fit = gdfast.train(
        X, y + 100, penalty="l1", alpha=50, bounds=(-1, 1), optimizer="accelerated",
        gtol=1e-10, max_iter=10**5,
    )  # fmt: skip
    assert (fit.coef == 0).all()
    assert fit.intercept == pytest.approx((y + 100).mean(), rel=1e-12)


@pytest.mark.parametrize("optimizer", ["gd", "momentum", "nesterov", "accelerated"])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("standardize", [False, True])
def test_minima_are_those_of_scikit_learn(optimizer, share, standardize, data, method):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y, weight = data
    fit = gdfast.train(
        X,
        y,
        sample_weight=weight,
        loss="half_squared_error",
        penalty="elasticnet",
        alpha=0.2,
        l1_ratio=share,
        optimizer=optimizer,
        standardize=standardize,
        gtol=1e-12,
        max_iter=10**5,
    )
    assert fit.converged
    rows = X
    if standardize:
        mean = weight @ X / weight.sum()
        rows = (X - mean) / np.sqrt(weight @ (X - mean) ** 2 / weight.sum())
    if share == 0:
        other = linear_model.Ridge(0.2 * weight.sum(), solver="cholesky")
    else:
        other = linear_model.ElasticNet(
            alpha=0.2, l1_ratio=share, tol=1e-14, max_iter=10**6
        )
    other.fit(rows, y, sample_weight=weight)
    np.testing.assert_allclose(fit.predict(X), other.predict(rows), atol=1e-9)
    if share:
        assert ((fit.coef == 0) == (other.coef_ == 0)).all()
        assert (fit.coef == 0).any()
        assert not np.signbit(fit.coef[fit.coef == 0]).any()


@pytest.mark.parametrize("optimizer", ["gd", "accelerated"])
@pytest.mark.parametrize("bounds", [(0.0, np.inf), (-0.2, 0.6), FIVE])
def test_minima_within_bounds_are_those_of_scipy(optimizer, bounds, data, method):
    optimize = pytest.importorskip("scipy.optimize")
    X, y, _ = data
    y = y - 3
    fit = gdfast.train(
        X, y, bounds=bounds, optimizer=optimizer, fit_intercept=False, gtol=1e-11,
        max_iter=10**5,
    )  # fmt: skip
    assert fit.converged
    expected = optimize.lsq_linear(X, y, bounds, tol=1e-14, method="bvls").x
    np.testing.assert_allclose(fit.coef, expected, atol=1e-8)
    low, high = np.broadcast_to(bounds[0], 5), np.broadcast_to(bounds[1], 5)
    assert ((fit.coef >= low) & (fit.coef <= high)).all()
    assert ((fit.coef == low) | (fit.coef == high)).any()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_keeps_zeros_and_bounds(name, data, method):
    X, y, _ = data
    y = y - y.mean()
    fit = gdfast.train(
        X, y, optimizer=name, learning_rate=0.05, max_iter=300, history="full",
        penalty="l1", alpha=0.5, bounds=(-0.25, 0.5),
    )  # fmt: skip
    assert (fit.coef == 0).any()
    assert ((fit.coef >= -0.25) & (fit.coef <= 0.5)).all()
    if name not in ("nesterov", "accelerated"):  # these look beyond them
        assert (np.abs(fit.history["coef"] - 0.125) <= 0.375).all()


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_logistic_minima_are_those_of_scikit_learn(share, data):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y, _ = data
    labels = (y > np.median(y)).astype(float)
    fit = gdfast.train(
        X, labels, loss="log_loss", penalty="elasticnet", alpha=0.02, l1_ratio=share,
        optimizer="accelerated", gtol=1e-11, max_iter=10**5,
    )  # fmt: skip
    assert fit.converged
    other = linear_model.LogisticRegression(
        C=1 / (0.02 * len(y)), l1_ratio=share, solver="saga", tol=1e-13, max_iter=10**5,
        random_state=0,
    ).fit(X, labels)  # fmt: skip
    np.testing.assert_allclose(fit.coef, other.coef_[0], atol=1e-6)
    np.testing.assert_allclose(fit.intercept, other.intercept_[0], atol=1e-6)


@pytest.mark.parametrize("name", PENALTIES)
def test_auto_and_the_stable_rate_take_in_the_penalty(name, data, method):
    X, y, _ = data
    plain = gdfast.train(X, y, max_iter=1)
    fit = gdfast.train(X, y, max_iter=1, **PENALTIES[name])
    l2 = 0.3 * (1 - SHARES[name])
    curvature = 2 / plain.max_stable_learning_rate + l2
    assert fit.learning_rate == pytest.approx(1 / curvature, rel=1e-12)
    assert fit.max_stable_learning_rate == pytest.approx(2 / curvature, rel=1e-12)


def test_power_of_two_scales_are_exact(data, method):
    # Twice X halves coefficients and, times four, alpha of squares; halves that of l1.
    X, y, _ = data
    one = gdfast.train(X, y, learning_rate=0.02, fit_intercept=False, **PENALTIES["l2"])
    other = gdfast.train(
        2 * X, y, learning_rate=0.005, fit_intercept=False, penalty="l2", alpha=1.2
    )
    assert (2 * other.coef).tobytes() == one.coef.tobytes()
    one = gdfast.train(X, y, learning_rate=0.02, fit_intercept=False, **PENALTIES["l1"])
    other = gdfast.train(
        2 * X, y, learning_rate=0.005, fit_intercept=False, penalty="l1", alpha=0.6
    )
    assert (2 * other.coef).tobytes() == one.coef.tobytes()


def test_a_start_at_zero_is_put_within_bounds(data):
    X, y, _ = data
    fit = gdfast.train(X, y, bounds=(0.5, 2.0), max_iter=1, history="full")
    np.testing.assert_array_equal(fit.history["coef"][0], np.full(5, 0.5))
    with pytest.raises(ValueError, match="coef_init must be within bounds"):
        gdfast.train(X, y, bounds=(0.5, 2.0), coef_init=np.zeros(5))
    gdfast.train(X, y, bounds=(0.5, 2.0), coef_init=np.ones(5), max_iter=1)


def test_bounds_are_in_the_units_of_X(data):
    X, y, _ = data
    fit = gdfast.train(
        X, y, bounds=FIVE, standardize=True, optimizer="accelerated", gtol=1e-10,
        max_iter=10**5,
    )  # fmt: skip
    same = gdfast.train(
        X, y, bounds=FIVE, optimizer="accelerated", gtol=1e-10, max_iter=10**5
    )
    np.testing.assert_allclose(fit.coef, same.coef, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"penalty": "L2"}, ValueError, "penalty must be one of 'l2', 'l1'"),
        ({"penalty": ["l2"]}, ValueError, "penalty must be one of"),
        ({"alpha": -1}, ValueError, "alpha must be a finite number of at least 0"),
        ({"alpha": math.nan}, ValueError, "alpha must be a finite number"),
        ({"alpha": "1"}, TypeError, "alpha must be a number"),
        ({"l1_ratio": 1.5}, ValueError, "l1_ratio must be from 0 to 1"),
        ({"l1_ratio": None}, TypeError, "l1_ratio must be a number"),
        ({"bounds": 3}, ValueError, "bounds must be a pair"),
        ({"bounds": (0, 1, 2)}, ValueError, "bounds must be a pair"),
        ({"bounds": (0, "1")}, TypeError, "bounds must be numbers"),
        ({"bounds": (0, [1, 2])}, ValueError, r"5 coefficients, got shape \(2,\)"),
        ({"bounds": (1, 0)}, ValueError, "no low above its high"),
        ({"bounds": (0, math.nan)}, ValueError, "no NaN"),
        ({"bounds": (math.inf, math.inf)}, ValueError, "no low above its high"),
    ],
)
def test_wrong_penalties_are_named(options, error, message, data):
    X, y, _ = data
    with pytest.raises(error, match=message):
        gdfast.train(X, y, **options)


def test_arguments_are_left_alone(data):
    X, y, _ = data
    low, high = np.zeros(5), np.ones(5)
    low.flags.writeable = high.flags.writeable = False
    gdfast.train(X, y, bounds=(low, high), standardize=True, max_iter=3)
    assert (low == 0).all()
    assert (high == 1).all()


def test_standardised_coefficients_keep_their_bounds(rng):
    for _ in range(60):
        X = rng.standard_normal((30, 3)) * rng.uniform(0.1, 9, 3)
        y = X @ rng.uniform(0, 1, 3)
        options = {"bounds": (0.1, 0.7), "standardize": True, "max_iter": 30}
        fit = gdfast.train(X, y, history="full", **options)
        for coef in (fit.coef, fit.history["coef"]):
            assert ((coef >= 0.1) & (coef <= 0.7)).all()
        gdfast.train(X, y, coef_init=fit.coef, **options)


def test_a_fit_names_its_objective(data):
    X, y, _ = data
    assert "\nloss (squared_error) " in str(gdfast.train(X, y, max_iter=3))
    fit = gdfast.train(X, y, max_iter=3, penalty="elasticnet", alpha=0.5, l1_ratio=0.25)
    assert fit.penalty == {"l1": 0.125, "l2": 0.375}
    assert "\nobjective (squared_error + 0.125 l1 + 0.375 l2) " in str(fit)
