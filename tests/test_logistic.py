"""Training with the logistic loss: the optimum, its targets, and what is said."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import gdfast
from gdfast import ConvergenceWarning


def classes(rng, n=200, d=3):
    """Return overlapping classes, so that there is an optimum."""
    X = rng.standard_normal((n, d)) * np.linspace(1, 2, d) + 0.5
    z = X @ rng.standard_normal(d) - 0.3 + rng.logistic(size=n)
    return X, (z > 0).astype(float)


def log_loss(X, y, coef, intercept, weight=None):
    z = X @ coef + intercept
    return np.average(np.logaddexp(0, z) - y * z, weights=weight)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_optimum_is_that_of_scikit_learn(rng, fit_intercept, standardize, weighted):
    X, y = classes(rng)
    weight = rng.uniform(0.2, 3, len(X)) if weighted else None
    fit = gdfast.train(
        *(X, y),
        loss="log_loss",
        sample_weight=weight,
        fit_intercept=fit_intercept,
        standardize=standardize,
        gtol=1e-10,
        max_iter=100_000,
    )
    assert fit.converged
    model = LogisticRegression(
        C=np.inf, tol=1e-12, max_iter=10_000, fit_intercept=fit_intercept
    )
    model.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(fit.coef, model.coef_[0], rtol=1e-6)
    assert fit.intercept == pytest.approx(np.sum(model.intercept_), rel=1e-6)
    expected = log_loss(X, y, fit.coef, fit.intercept, weight)
    assert fit.loss == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_auto_never_rises(rng, standardize, scale):
    X, y = classes(rng, d=6)
    fit = gdfast.train(
        X * scale, y, loss="log_loss", standardize=standardize, max_iter=3000
    )
    assert fit.history["loss"][0] == pytest.approx(np.log(2), rel=1e-15)
    assert (np.diff(fit.history["loss"]) <= 1e-15).all()
    rows = np.column_stack([X * scale, np.ones(len(X))])
    if not standardize:
        top = np.linalg.eigvalsh(rows.T @ rows / len(X))[-1]
        assert fit.max_stable_learning_rate == pytest.approx(8 / top, rel=1e-9)


def test_targets_between_the_labels_are_shares_of_them(rng):
    # 0.25 is a row of label 1 with a weight of 0.25, and one of label 0 with 0.75.
    X, _ = classes(rng)
    share = rng.choice([0, 0.25, 0.5, 1], len(X))
    options = {"loss": "log_loss", "max_iter": 500}
    fit = gdfast.train(X, share, **options)
    twice = gdfast.train(
        np.r_[X, X],
        np.r_[np.ones(len(X)), np.zeros(len(X))],
        sample_weight=np.r_[share, 1 - share],
        learning_rate=fit.learning_rate,
        **options,
    )
    np.testing.assert_allclose(fit.coef, twice.coef, rtol=1e-10)
    assert fit.loss == pytest.approx(twice.loss, rel=1e-12)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint8, np.float32, list])
def test_labels_of_any_type(rng, dtype):
    X, y = classes(rng)
    expected = gdfast.train(X, y, loss="log_loss", max_iter=50)
    labels = y.tolist() if dtype is list else y.astype(dtype)
    found = gdfast.train(X, labels, loss="log_loss", max_iter=50)
    assert found.coef.tobytes() == expected.coef.tobytes()
    assert found.history.array.tobytes() == expected.history.array.tobytes()
    assert found.loss_name == "log_loss"


CALLS = {
    "train": lambda X, y: gdfast.train(X, y, loss="log_loss"),
    "loss": lambda X, y: gdfast.loss(X, y, [1.0], loss="log_loss"),
    "gradient": lambda X, y: gdfast.gradient(X, y, [1.0], loss="log_loss"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("wrong", [-1, 2, 1 + 1e-15, -5e-324, 1e300])
def test_targets_outside_0_and_1_are_an_error(call, wrong):
    with pytest.raises(ValueError, match=r"^y must be from 0 to 1 .*'log_loss'"):
        call([[1.0], [2.0], [3.0]], [0.0, wrong, 0.0])


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_missing_targets_are_an_error_of_their_own(call, wrong):
    with pytest.raises(ValueError, match=r"\by\b") as raised:
        call([[1.0], [2.0], [3.0]], [0.0, wrong, 1.0])
    assert "from 0 to 1" not in str(raised.value)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_text_labels_are_an_error(call):
    with pytest.raises((TypeError, ValueError), match=r"\by\b"):
        call([[1.0], [2.0]], ["no", "yes"])


@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_gradient_are_the_formulas(rng, weighted):
    X, y = rng.standard_normal((77, 4)), rng.random(77)
    weight = rng.uniform(0, 2, 77) if weighted else None
    coef, intercept = rng.standard_normal(4), -0.4
    options = {"loss": "log_loss", "sample_weight": weight}
    found = gdfast.loss(X, y, coef, intercept, **options)
    expected = log_loss(X, y, coef, intercept, weight)
    assert found == pytest.approx(expected, rel=1e-14)
    slope = 1 / (1 + np.exp(-(X @ coef + intercept))) - y
    found, found_intercept = gdfast.gradient(X, y, coef, intercept, **options)
    np.testing.assert_allclose(
        found, np.average(slope[:, None] * X, axis=0, weights=weight), rtol=1e-12
    )
    expected = np.average(slope, weights=weight)
    assert found_intercept == pytest.approx(expected, rel=1e-12)


def test_classes_that_a_line_divides(rng):
    # No optimum: the coefficients grow for ever, the loss falls for ever.
    X = np.r_[rng.uniform(-2, -1, 20), rng.uniform(1, 2, 20)]
    y = (X > 0).astype(float)
    with pytest.warns(ConvergenceWarning, match="Stopped at max_iter"):
        fit = gdfast.train(X, y, loss="log_loss", max_iter=2000, gtol=1e-9)
    assert (np.diff(fit.history["loss"]) < 0).all()
    assert fit.coef > 3
    assert "a larger max_iter" in fit.stop_reason
    assert "at max_iter after 2,000 iterations" in fit.stop_reason


@pytest.mark.parametrize("label", [0, 1])
def test_a_single_class(label):
    fit = gdfast.train([1.0, 2.0, 4.0], [label] * 3, loss="log_loss", max_iter=5000)
    assert fit.loss < 1e-2
    assert np.sign(fit.coef + fit.intercept) == 2 * label - 1


def test_uneven_columns_are_said(rng):
    X, y = classes(rng)
    fit = gdfast.train(X * [1, 1, 1000], y, loss="log_loss")
    assert "standardize=True" in fit.stop_reason


@pytest.mark.parametrize("rate", [1e3, 1e6])
def test_a_rate_too_large_is_no_model(rng, rate):
    # The slope is bounded: the loss grows, but not for ever.
    X, y = classes(rng)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            fit = gdfast.train(X, y, loss="log_loss", learning_rate=rate, max_iter=100)
        except gdfast.DivergenceError as error:
            fit = error.fit
    assert fit.loss > np.log(2)
    assert "is above the largest stable one" in fit.stop_reason
    assert f"{fit.max_stable_learning_rate:.6g}" in fit.stop_reason


def test_values_that_overflow_are_an_error():
    X = np.array([[1e200], [-1e200], [3e200]])
    with pytest.raises(ValueError, match="too large to be squared"):
        gdfast.train(X, [0, 1, 1], loss="log_loss")


def test_loss_of_the_command(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("x,label\n-2,0\n-1,1\n0,0\n1,1\n2,1\n3,0\n4,1\n")

    def run(*options):
        return subprocess.run(
            [sys.executable, "-m", "gdfast", "fit", *options],
            capture_output=True,
            text=True,
            check=False,
        )

    done = run(path, "--target", "label", "--loss", "log_loss", "--no-standardize")
    assert done.returncode == 0
    x, y = np.arange(-2.0, 5), np.array([0, 1, 0, 1, 1, 0, 1.0])
    fit = gdfast.train(x, y, loss="log_loss")
    assert f"loss (log_loss)  {fit.loss:.10g}" in done.stdout
    done = run(path, "--target", "x", "--loss", "log_loss")
    assert done.returncode == 1
    assert "y must be from 0 to 1" in done.stderr
    assert "Traceback" not in done.stderr
    done = run(path, "--target", "label", "--loss", "log")
    assert done.returncode == 2
    assert "log_loss" in done.stderr
    assert "log_loss" in run("--help").stdout
