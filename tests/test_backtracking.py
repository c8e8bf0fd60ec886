"""Steps whose size is found on the way."""

import math

import numpy as np
import pytest

import gdfast
from gdfast import descent

OPTIONS = {"learning_rate": "backtracking", "loss": "log_loss"}


@pytest.fixture
def data(rng):
    X = rng.standard_normal((70, 3)) * (1.0, 20.0, 0.1)
    return X, (X @ (1.0, 0.1, 3.0) + rng.logistic(size=70) > 0).astype(float)


def objective(X, y, w, b, l2=0.0):
    """Return the mean logistic loss with a penalty, and its gradient."""
    z = X @ w + b
    r = 1 / (1 + np.exp(-z)) - y
    loss = np.mean(np.logaddexp(0, z) - y * z) + l2 / 2 * w @ w
    return loss, np.append(X.T @ r / len(y) + l2 * w, r.mean())


def test_every_step_lowers_the_loss_as_armijo_asks(data):
    X, y = data
    fit = gdfast.train(X, y, max_iter=300, history="full", **OPTIONS)
    rates = []
    for row, after in zip(fit.history.array[:-1], fit.history.array[1:], strict=True):
        loss, gradient = objective(X, y, row["coef"], row["intercept"])
        assert row["loss"] == pytest.approx(loss, rel=1e-12)
        step = np.append(
            after["coef"] - row["coef"], after["intercept"] - row["intercept"]
        )
        rate = -(step @ gradient) / (gradient @ gradient)
        np.testing.assert_allclose(step, -rate * gradient, rtol=1e-6, atol=1e-12)
        assert after["loss"] <= loss - rate / 2 * gradient @ gradient + 1e-9 * loss
        rates.append(rate)
    assert fit.learning_rate == pytest.approx(rates[-1], rel=1e-6)
    # It follows the curvature: larger steps than 1 / the largest one, at last.
    assert max(rates) > 5 * gdfast.train(X, y, loss="log_loss").max_stable_learning_rate
    assert fit.max_stable_learning_rate is None
    changes = np.array(rates[2:]) / rates[1:-1]
    assert (np.isclose(changes, 1.2) | (changes <= 1 + 1e-9)).all()


@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
@pytest.mark.parametrize("bounds", [None, (-0.5, 0.3)])
def test_it_comes_to_the_minimum(penalty, bounds, data):
    X, y = data
    X = X / (1, 10, 0.2)
    options = {
        "loss": "log_loss",
        "penalty": penalty,
        "alpha": 0.02,
        "bounds": bounds,
        "max_iter": 10**5,
    }
    expected = gdfast.train(X, y, gtol=1e-10, optimizer="accelerated", **options)
    assert expected.converged
    options |= {"learning_rate": "backtracking", "gtol": 1e-9}
    for optimizer in ("gd", "accelerated"):
        found = gdfast.train(X, y, optimizer=optimizer, **options)
        assert found.converged
        np.testing.assert_allclose(found.coef, expected.coef, atol=1e-5)
        assert found.loss == pytest.approx(expected.loss, rel=1e-10)


@pytest.mark.parametrize("scale", [1e-60, 1e-9, 1e-6, 1.0, 1e6, 1e60])
def test_any_scale_is_found(scale, data):
    X, y = data
    fit = gdfast.train(scale * X, y, fit_intercept=False, max_iter=60, **OPTIONS)
    assert fit.loss < 0.45


@pytest.mark.parametrize("optimizer", ["gd", "accelerated"])
@pytest.mark.parametrize("steps", [1, 3])
def test_how_steps_are_grouped_does_not_matter(optimizer, steps, data, monkeypatch):
    X, y = data
    options = {**OPTIONS, "optimizer": optimizer, "gtol": 3e-3, "history": "full"}
    whole = gdfast.train(X, y, **options)
    assert whole.converged
    monkeypatch.setattr(descent, "MAX_SLICE_STEPS", steps)
    parts = gdfast.train(X, y, **options)
    assert parts.history.array.tobytes() == whole.history.array.tobytes()
    same = gdfast.train(X, y, **{**options, "gtol": None, "max_iter": whole.n_iter})
    assert same.history.array.tobytes() == whole.history.array.tobytes()


def test_nothing_left_to_do_is_no_fault(data):
    X = np.zeros((4, 1))
    fit = gdfast.train(X, np.array([0.0, 1.0, 0.0, 1.0]), max_iter=20, **OPTIONS)
    assert fit.loss == pytest.approx(math.log(2), rel=1e-15)
    X, y = data
    best = gdfast.train(
        X, y, gtol=1e-12, max_iter=10**5, **OPTIONS, optimizer="accelerated"
    )
    fit = gdfast.train(
        X,
        y,
        coef_init=best.coef,
        intercept_init=best.intercept,
        max_iter=500,
        **OPTIONS,
    )
    assert fit.loss <= best.loss * (1 + 1e-14)


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "nesterov"])
def test_it_is_for_rules_whose_steps_can_be_tried(optimizer, data):
    with pytest.raises(ValueError, match="'accelerated', not for 'log_loss'"):
        gdfast.train(*data, optimizer=optimizer, **OPTIONS)


def test_missing_values_are_named(data):
    X, y = data
    X[5, 1] = math.nan
    with pytest.raises(ValueError, match=r"X has a missing value \(NaN\) at \[5, 1\]"):
        gdfast.train(X, y, **OPTIONS)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-200, 1e-7, 1e7, 1e100])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_no_scale_makes_numpy_warn(scale, loss, data):
    X, y = data
    options = {"learning_rate": "backtracking", "loss": loss, "max_iter": 50}
    fit = gdfast.train(scale * X, y, fit_intercept=False, **options)
    assert fit.loss <= fit.history["loss"][0]
    if scale in (1e-7, 1e7):
        same = gdfast.train(X, y, fit_intercept=False, **options)
        assert fit.loss == pytest.approx(same.loss, rel=0.05)


def test_a_target_too_large_for_a_count_ends_without_a_traceback():
    try:
        fit = gdfast.train([[1.0]], [1e300], loss="poisson", max_iter=50)
    except (ValueError, gdfast.DivergenceError):
        return
    assert np.isfinite(fit.coef).all()
