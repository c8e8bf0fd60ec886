"""When a run ends, why, and what is said about it."""

import functools
import math
import re
import sys
import time
import types
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import gdfast
from gdfast import (
    ConvergenceWarning,
    DivergenceError,
    curvature,
    descent,
    drivers,
    progress,
)

# Without an end in sight but the rules.
LONG = 100_000


def design(X, fit_intercept=True):
    X = np.reshape(X, (len(X), -1))
    return np.column_stack([X, np.ones(len(X))]) if fit_intercept else X


@functools.cache
def plain_loop(name, rate, n_iter):
    """Return loss and largest slope before every update and at the end, and changes."""
    X, y = np.array(gdfast.example_data(name)).T
    A = design(X)
    params = np.zeros(A.shape[1])
    losses, slopes, changes = [], [], []
    for _ in range(n_iter + 1):
        residual = A @ params - y
        gradient = 2 * (A.T @ residual) / len(y)
        updated = params - rate * gradient
        losses.append(residual @ residual / len(y))
        slopes.append(np.abs(gradient).max())
        changes.append(np.abs(updated - params).max())
        params = updated
    return np.array(losses), np.array(slopes), np.array(changes[:-1])


def gradient_size(data, fit):
    coef, intercept = gdfast.gradient(*data, fit.coef, fit.intercept)
    return max(np.abs(coef).max(), abs(intercept))


def updates_until(flags):
    """Return the index of the first True."""
    assert flags.any()
    return int(np.argmax(flags))


def largest_stable(X, fit_intercept=True):
    A = design(X, fit_intercept)
    return 2 / np.linalg.eigvalsh(2 * A.T @ A / len(A))[-1]


def all_of(fit):
    """Return everything a run computed and said, to be compared bit by bit."""
    numbers = [fit.intercept, fit.loss, fit.learning_rate, fit.n_iter, fit.converged]
    return (
        fit.coef.tobytes(),
        np.array(numbers, dtype=float).tobytes(),
        fit.history.array.tobytes(),
        fit.stop_reason,
    )


def train_or_diverge(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            return gdfast.train(*args, **options)
        except DivergenceError as error:
            return error.fit


# ---- the four rules ---------------------------------------------------------------


def test_gtol_on_the_mpg_data(mpg):
    fit = gdfast.train(*mpg, learning_rate=0.03, gtol=1e-6, max_iter=LONG)
    assert fit.n_iter == 8577
    assert fit.converged
    # It holds where the fit is, and not one row earlier.
    assert gradient_size(mpg, fit) < 1e-6
    _, slopes, _ = plain_loop("mpg", 0.03, 25_000)
    assert updates_until(slopes < 1e-6) == 8577


@pytest.mark.parametrize(
    ("name", "tolerance", "n_iter"), [("gtol", 1e-6, 29625), ("xtol", 1e-9, 29626)]
)
def test_gtol_and_xtol_on_the_pizza_data(pizza, name, tolerance, n_iter):
    rate = 0.001
    fit = gdfast.train(*pizza, learning_rate=rate, max_iter=LONG, **{name: tolerance})
    assert fit.n_iter == n_iter
    assert fit.converged
    assert fit.stop_reason.startswith(f"Converged after {n_iter:,} iterations")
    assert f"{name}={tolerance:g}" in fit.stop_reason
    _, slopes, changes = plain_loop("pizza", rate, 29_700)
    if name == "gtol":
        assert updates_until(slopes < tolerance) == n_iter
    else:
        assert updates_until(changes < tolerance) + 1 == n_iter  # by that update


@pytest.mark.parametrize("ftol", [1e-2, 1e-4, 1e-6, 1e-9])
@pytest.mark.parametrize("rate", [0.01, 0.06, 0.069])
def test_ftol_equals_a_plain_loop(mpg, ftol, rate):
    losses, _, _ = plain_loop("mpg", rate, 25_000)
    expected = updates_until(np.abs(np.diff(losses)) < ftol * losses[:-1]) + 1
    fit = gdfast.train(*mpg, learning_rate=rate, ftol=ftol, max_iter=LONG)
    assert fit.n_iter == expected
    assert fit.converged
    assert f"ftol={ftol:g}" in fit.stop_reason


TOLERANCES = {"gtol": 3e-3, "xtol": 1e-5, "ftol": 1e-5}


@pytest.mark.parametrize("use", [(), ("gtol",), ("xtol",), ("ftol",), ("gtol", "xtol")])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_rule_that_holds_first_ends_the_run(mpg, use, scale):
    # Each tolerance is made the tightest in turn; none waits for another.
    tolerances = {
        name: value * (scale if name in use else 1)
        for name, value in TOLERANCES.items()
    }
    rate = 0.03
    losses, slopes, changes = plain_loop("mpg", rate, 25_000)
    falls = -np.diff(losses) / losses[:-1]
    ends = {
        "gtol": updates_until(slopes < tolerances["gtol"]),
        "xtol": updates_until(changes < tolerances["xtol"]) + 1,
        "ftol": updates_until(falls < tolerances["ftol"]) + 1,
    }
    for name, n_iter in ends.items():
        options = {"learning_rate": rate, "max_iter": LONG}
        fit = gdfast.train(*mpg, **options, **{name: tolerances[name]})
        assert fit.n_iter == n_iter
    fit = gdfast.train(*mpg, **options, **tolerances)
    assert fit.n_iter == min(ends.values())
    named = re.search("[gxf]tol", fit.stop_reason)[0]
    assert ends[named] == fit.n_iter
    fit = gdfast.train(*mpg, learning_rate=rate, max_iter=5)
    assert (fit.n_iter, fit.converged) == (5, False)


@pytest.mark.parametrize("name", TOLERANCES)
def test_max_iter_counts_updates(mpg, name):
    options = {"learning_rate": 0.03, name: TOLERANCES[name]}
    n_iter = gdfast.train(*mpg, **options, max_iter=LONG).n_iter
    # Reached in time is reached, one too few is not.
    fit = gdfast.train(*mpg, **options, max_iter=n_iter)
    assert (fit.n_iter, fit.converged) == (n_iter, True)
    with pytest.warns(ConvergenceWarning):
        fit = gdfast.train(*mpg, **options, max_iter=n_iter - 1)
    assert (fit.n_iter, fit.converged) == (n_iter - 1, False)
    assert "max_iter" in fit.stop_reason


@pytest.mark.parametrize("options", [{}, dict.fromkeys(TOLERANCES), {"gtol": 0}])
def test_no_rule_is_on_by_default(options):
    # A perfect start would satisfy any of them.
    fit = gdfast.train([1.0, 2.0], [3.0, 5.0], coef_init=2, intercept_init=1, **options)
    assert (fit.n_iter, fit.converged, fit.loss) == (1000, False, 0)
    assert fit.coef.tolist() == [2]


def test_a_start_at_the_minimum_needs_no_update():
    data = [1.0, 2.0], [3.0, 5.0]
    start = {"coef_init": 2, "intercept_init": 1, "max_iter": 5}
    fit = gdfast.train(*data, **start, gtol=1e-12)
    assert (fit.n_iter, fit.converged, len(fit.history)) == (0, True, 1)
    fit = gdfast.train(*data, **start, xtol=1e-12)
    assert (fit.n_iter, fit.converged, len(fit.history)) == (1, True, 2)


def test_tolerances_are_strict():
    # (w - 1)^2 from 0 at a rate of 0.25: gradients -2, -1, ..., changes 0.5, 0.25, ...
    data = [1.0], [1.0]
    options = {"fit_intercept": False, "learning_rate": 0.25, "max_iter": 20}
    assert gdfast.train(*data, **options, gtol=0.5).n_iter == 3
    assert gdfast.train(*data, **options, gtol=0.5000001).n_iter == 2
    assert gdfast.train(*data, **options, xtol=0.125).n_iter == 4
    assert gdfast.train(*data, **options, xtol=0.1250001).n_iter == 3
    # Every step keeps a quarter of the loss.
    assert gdfast.train(*data, **options, ftol=0.7500001).n_iter == 1
    with pytest.warns(ConvergenceWarning):
        assert gdfast.train(*data, **options, ftol=0.75).n_iter == 20


# ---- slices of the loop -----------------------------------------------------------

SLICED_RUNS = {
    "max_iter": {"learning_rate": 0.03, "max_iter": 300},
    "one step": {"learning_rate": 0.03, "max_iter": 1},
    "gtol": {"learning_rate": 0.03, "max_iter": LONG, "gtol": 0.5},
    "xtol": {"learning_rate": 0.03, "max_iter": LONG, "xtol": 1e-2},
    "ftol": {"learning_rate": 0.03, "max_iter": LONG, "ftol": 1e-3},
    "out of reach": {"learning_rate": 0.03, "max_iter": 200, "gtol": 1e-9},
    "all": {"learning_rate": 0.01, "max_iter": LONG, "gtol": 1, "xtol": 1e-3},
    "diverged": {"learning_rate": 0.07, "max_iter": LONG},
    "diverged fast": {"learning_rate": 1e200, "max_iter": LONG},
    "diverged late": {
        "learning_rate": 0.0699,
        "max_iter": LONG,
        "coef_init": -4.5691,
        "intercept_init": 33.585,
    },
    "standardized": {"standardize": True, "max_iter": 300, "gtol": 1e-3},
}


@pytest.mark.parametrize("options", SLICED_RUNS.values(), ids=SLICED_RUNS)
@pytest.mark.parametrize("history", ["loss", "full"])
@pytest.mark.parametrize("driver", [drivers.Passes, drivers.Moments])
def test_results_do_not_depend_on_slices(mpg, options, history, driver, monkeypatch):
    options = {**options, "history": history}
    calls = []
    take_steps = driver.take_steps

    def counted(self, params, steps, *options, **named):
        calls.append(len(steps))
        return take_steps(self, params, steps, *options, **named)

    monkeypatch.setattr(driver, "take_steps", counted)
    if driver is drivers.Moments:
        monkeypatch.setattr(drivers, "WORTH_IT", -np.inf)
    expected = all_of(train_or_diverge(*mpg, **options))
    for steps in (1, 2, 7, 64):
        calls.clear()
        monkeypatch.setattr(descent, "MAX_SLICE_STEPS", steps)
        found = all_of(train_or_diverge(*mpg, **options))
        assert max(calls) <= steps
        assert found == expected
    assert all_of(train_or_diverge(*mpg, **options, callback=id)) == expected


@pytest.mark.parametrize("seconds", [0, 1e-7, 1e9])
@pytest.mark.parametrize("first", [1, 1000, 10**9])
def test_results_do_not_depend_on_time(pizza, seconds, first, monkeypatch):
    options = {"learning_rate": 0.001, "gtol": 0.1, "max_iter": LONG}
    expected = all_of(gdfast.train(*pizza, **options))
    monkeypatch.setattr(descent, "SLICE_SECONDS", seconds)
    monkeypatch.setattr(descent, "FIRST_SLICE_VALUES", first)
    assert all_of(gdfast.train(*pizza, **options)) == expected


@pytest.mark.parametrize("step_seconds", [1e-8, 1e-5, 1e-3, 0.1])
def test_slices_stay_short_enough_for_ctrl_c(step_seconds):
    slices = descent.Slices(60, 2, False)
    for _ in range(30):
        n_steps = slices.n_steps
        slices.learn(n_steps, n_steps * step_seconds, math.inf)
        assert 1 <= slices.n_steps <= 4 * n_steps  # one lucky measurement is not all
    # A single step cannot be divided.
    assert slices.n_steps == 1 or slices.n_steps * step_seconds < 0.1
    for left in (0.01, 0.0, -1.0):  # nor may the last slice go far beyond the deadline
        slices.learn(slices.n_steps, slices.n_steps * step_seconds, left)
        assert slices.n_steps == 1 or slices.n_steps * step_seconds <= left


@pytest.mark.parametrize("step_seconds", [3e-3, 1e-4])
@pytest.mark.parametrize("gtol", [10, 5, 1e-3, 1e-8])
def test_few_steps_are_made_in_vain(mpg, step_seconds, gtol, monkeypatch):
    made = []
    take_steps = drivers.Passes.take_steps

    def counted(self, params, steps, *options, **named):
        made.append(len(steps))
        return take_steps(self, params, steps, *options, **named)

    monkeypatch.setattr(drivers.Passes, "take_steps", counted)
    clock = types.SimpleNamespace(perf_counter=lambda: step_seconds * sum(made))
    monkeypatch.setattr(descent, "time", clock)
    monkeypatch.setattr(descent, "FIRST_SLICE_VALUES", 1)
    options = {"learning_rate": 0.03, "standardize": True, "max_iter": LONG}
    fit = gdfast.train(*mpg, **options, gtol=gtol)
    # Those since the rule held, and those before it in the same slice once more.
    at_most = 1.2 * fit.n_iter + 0.002 / step_seconds + 1
    assert 10 < fit.n_iter <= sum(made) < at_most


@pytest.mark.parametrize("name", ["gtol", "xtol", "ftol", None])
def test_many_rows_follow_the_same_rules(rng, name, monkeypatch):
    # Data of several chunks take every step by itself.
    X = rng.standard_normal((4000, 3))
    y = X @ [1.0, 2.0, 3.0] + 4 + rng.standard_normal(4000)
    options = {"learning_rate": 0.05, "max_iter": 500 if name else 60}
    options.update({name: 1e-4} if name else {}, history="full")
    expected = gdfast.train(X, y, **options)
    for module in (gdfast.sums, drivers):
        monkeypatch.setattr(module, "CHUNK_VALUES", 1000)
    found = gdfast.train(X, y, **options)
    assert found.n_iter == expected.n_iter
    assert found.converged == expected.converged
    for column in ("coef", "intercept", "loss"):
        np.testing.assert_allclose(
            found.history[column], expected.history[column], rtol=1e-10
        )


# ---- divergence -------------------------------------------------------------------


def test_the_pizza_run_that_diverges(pizza):
    with pytest.raises(DivergenceError) as raised:
        gdfast.train(*pizza, learning_rate=0.005)
    error = raised.value
    assert isinstance(error, ArithmeticError)
    n_iter = error.fit.n_iter
    assert n_iter <= 36  # infinity would be reached after 1961
    losses = error.fit.history["loss"]
    assert losses[:3] == pytest.approx(
        [812.8666666667, 1131.8941261333, 1587.8389543973], rel=1e-12
    )
    expected, _, _ = plain_loop("pizza", 0.005, n_iter)
    np.testing.assert_allclose(losses, expected, rtol=1e-10)
    message = str(error)
    assert f"{n_iter} iterations" in message
    assert re.search(r"\b0\.005\b", message)
    assert "0.0045551" in message
    assert "standardize=True" in message
    assert '"auto"' in message
    assert error.fit.stop_reason == message
    assert not error.fit.converged
    # What it advises works.
    gdfast.train(*pizza, learning_rate="auto")
    gdfast.train(*pizza, standardize=True)


def test_advice_that_was_taken_is_not_repeated(pizza):
    with pytest.raises(DivergenceError) as raised:
        gdfast.train(*pizza, learning_rate=1.1, standardize=True)
    assert "standardize" not in str(raised.value)
    assert "is above the largest stable one, 1." in str(raised.value)


LARGEST = pytest.mark.parametrize(
    ("name", "fit_intercept", "largest"),
    [
        ("mpg", True, 0.0698201),
        ("pizza", True, 0.00455510),
        ("pizza", False, 0.00457038),
    ],
)


@LARGEST
def test_the_largest_stable_rates_of_the_mission(name, fit_intercept, largest, request):
    data = request.getfixturevalue(name)
    for options in ({}, {"learning_rate": 1e-3, "max_iter": 5}):
        fit = gdfast.train(*data, fit_intercept=fit_intercept, **options)
        found = fit.max_stable_learning_rate
        assert f"{found:.6g}" == f"{largest:g}"
        assert found == pytest.approx(largest_stable(data[0], fit_intercept))


@LARGEST
@pytest.mark.parametrize("excess", [1.001, 1.01, 1.5])
def test_a_rate_slightly_too_large(name, fit_intercept, largest, excess, request):
    data = request.getfixturevalue(name)
    rate = excess * largest_stable(data[0], fit_intercept)
    with pytest.raises(DivergenceError) as raised:
        gdfast.train(
            *data, learning_rate=rate, fit_intercept=fit_intercept, max_iter=LONG
        )
    assert raised.value.fit.loss < 1e12  # long before infinity
    assert f"{largest:g}" in str(raised.value)


@LARGEST
@pytest.mark.parametrize("fraction", [0.9, 0.99, 0.999])
def test_a_rate_slightly_small_enough(name, fit_intercept, largest, fraction, request):
    data = request.getfixturevalue(name)
    fit = gdfast.train(
        *data,
        learning_rate=fraction * largest,
        fit_intercept=fit_intercept,
        gtol=1e-8,
        max_iter=LONG,
    )
    A = design(data[0], fit_intercept)
    best = np.linalg.lstsq(A, data[1], rcond=None)[0]
    params = np.append(fit.coef, fit.intercept)[: A.shape[1]]
    assert fit.converged
    assert params == pytest.approx(best, abs=1e-6)


def test_the_half_loss_allows_twice_the_rate(mpg):
    fit = gdfast.train(*mpg, loss="half_squared_error")
    assert fit.max_stable_learning_rate == pytest.approx(2 * 0.0698201, rel=1e-6)
    with pytest.raises(DivergenceError):
        gdfast.train(
            *mpg, loss="half_squared_error", learning_rate=0.14, max_iter=10_000
        )


def test_a_loss_that_grows_from_a_good_start_is_noticed(mpg):
    # Long before it exceeds that of the zero model.
    x, y = mpg
    best = np.linalg.lstsq(design(x), y, rcond=None)[0]
    with pytest.raises(DivergenceError) as raised:
        gdfast.train(
            x,
            y,
            learning_rate=0.0705,
            coef_init=best[0] + 1e-3,
            intercept_init=best[1],
            max_iter=LONG,
        )
    assert raised.value.fit.loss < np.mean(y**2)


SLOW_AND_FAST = [[1.0, 0.0], [0.0, 10.0]], [1.0, 1e-6]  # curvatures 1 and 100


@pytest.mark.parametrize("max_iter", [15, 18, 19, 20, 22, 25, 28, 40])
def test_a_run_that_ends_while_the_loss_grows(max_iter):
    # At 0.03 the fast part doubles with every step, hidden by the slow one until 17.
    try:
        fit = gdfast.train(
            *SLOW_AND_FAST, fit_intercept=False, learning_rate=0.03, max_iter=max_iter
        )
    except DivergenceError as error:
        assert max_iter > 17
        assert "0.02" in str(error)  # noqa: PT017
        return
    losses = fit.history["loss"]
    if losses[-1] > losses[-2]:
        assert "minimum" not in fit.stop_reason
        assert "0.02" in fit.stop_reason  # the largest stable rate
    else:
        assert max_iter <= 18


def test_a_loss_that_grows_far_below_that_of_the_zero_model(mpg):
    # An offset of y makes the zero model bad, not the growth of the loss good.
    x, y = mpg[0], mpg[1] + 1e6
    best = np.linalg.lstsq(design(x), y, rcond=None)[0]
    start = {"coef_init": best[0] + 1e-3, "intercept_init": best[1]}
    fit = train_or_diverge(x, y, learning_rate=0.07, max_iter=500, **start)
    assert fit.history["loss"][-1] > fit.history["loss"][0] * 1.0001
    assert "minimum" not in fit.stop_reason
    assert "0.0698201" in fit.stop_reason


def test_a_rate_at_which_the_loss_stands_still():
    # w^2 from 1 at a rate of 1 jumps between 1 and -1 for ever.
    fit = train_or_diverge(
        [1.0], [0.0], coef_init=1.0, fit_intercept=False, learning_rate=1.0
    )
    assert fit.loss == 1
    assert "minimum" not in fit.stop_reason


@pytest.mark.parametrize("rate", [1e-18, 1e-20, 1e-300])
def test_a_rate_too_small_to_move(mpg, rate):
    falls = rate > 1e-19
    warns = pytest.warns(gdfast.ConvergenceWarning, match="the loss no longer falls")
    with nullcontext() if falls else warns:
        fit = gdfast.train(*mpg, learning_rate=rate)
    assert "minimum" not in fit.stop_reason
    assert "larger learning_rate" in fit.stop_reason


@pytest.mark.parametrize("rate", [1e150, 1e300])
def test_losses_beyond_all_numbers(pizza, rate):
    fit = train_or_diverge(*pizza, learning_rate=rate)
    assert not np.isfinite(fit.loss)
    assert fit.n_iter <= 3
    assert "diverged" in fit.stop_reason


# ---- no false alarms --------------------------------------------------------------


@st.composite
def problems(draw, max_rows=20, max_columns=6):
    """Return X, y and options: columns of any size and place, noisy or exact."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    n = draw(st.integers(1, max_rows))
    d = draw(st.integers(1, max_columns))
    size = 10.0 ** rng.integers(-draw(st.integers(0, 4)), 4, d)
    X = size * (rng.standard_normal((n, d)) + draw(st.sampled_from([0, 1, 1000])))
    if draw(st.booleans()):
        X[:, -1] = X[:, 0]
    y = X @ (rng.standard_normal(d) / size) + draw(st.sampled_from([0, 1, 1e6]))
    y += draw(st.sampled_from([0, 1e-6, 1, 100])) * rng.standard_normal(n)
    options = {
        "fit_intercept": draw(st.booleans()),
        "standardize": draw(st.booleans()),
        "sample_weight": rng.random(n) + 0.01 if draw(st.booleans()) else None,
    }
    return X, y, options


def assert_never_rises(losses):
    # But by the rounding of the predictions, which is that of y.
    noise = 1e-12 * (losses[0] + np.sqrt(losses[0] * losses[:-1]))
    assert (losses[1:] <= losses[:-1] + noise).all()


@pytest.mark.filterwarnings("ignore:Stopped at:gdfast.ConvergenceWarning")
@settings(max_examples=150, deadline=None)
@given(problems())
def test_auto_never_diverges(problem):
    X, y, options = problem
    fit = gdfast.train(X, y, max_iter=300, **options)
    assert np.isfinite(fit.coef).all()
    assert_never_rises(fit.history["loss"])
    assert fit.learning_rate == pytest.approx(fit.max_stable_learning_rate / 2)


@pytest.mark.filterwarnings("ignore:Stopped at:gdfast.ConvergenceWarning")
@settings(max_examples=100, deadline=None)
@given(problems(), st.sampled_from([0.5, 0.9, 0.99, 0.999]), st.integers(1, 3000))
def test_no_rate_below_the_largest_stable_one_is_called_divergent(
    problem, fraction, max_iter
):
    X, y, options = problem
    largest = gdfast.train(X, y, max_iter=1, **options).max_stable_learning_rate
    gdfast.train(X, y, learning_rate=fraction * largest, max_iter=max_iter, **options)


@settings(max_examples=100, deadline=None)
@given(problems(), st.sampled_from([1.01, 1.1, 3]))
def test_every_rate_above_the_largest_stable_one_is(problem, excess):
    X, y, options = problem
    largest = gdfast.train(X, y, max_iter=1, **options).max_stable_learning_rate
    options.update(
        coef_init=np.ones(X.shape[1]), learning_rate=excess * largest, max_iter=5000
    )
    with pytest.raises(DivergenceError):
        gdfast.train(X, y, **options)


@pytest.mark.filterwarnings("ignore:Stopped at:gdfast.ConvergenceWarning")
@settings(max_examples=100, deadline=None)
@given(problems(), st.sampled_from([0.0, 1e-12, 1e-6]), st.sampled_from([0.5, 0.99]))
def test_warm_starts_at_the_minimum_are_no_divergence(problem, shift, fraction):
    X, y, options = problem
    A = design(X, options["fit_intercept"])
    weight = options["sample_weight"]
    root = np.ones(len(y)) if weight is None else np.sqrt(weight)
    best = np.linalg.lstsq(A * root[:, None], y * root, rcond=None)[0] * (1 + shift)
    start = {"coef_init": best[: X.shape[1]]}
    if options["fit_intercept"]:
        start["intercept_init"] = best[-1]
    largest = gdfast.train(X, y, max_iter=1, **options).max_stable_learning_rate
    rate = fraction * largest
    fit = gdfast.train(X, y, learning_rate=rate, max_iter=2000, **start, **options)
    scale = np.abs(A) @ np.abs(best)
    predictions = fit.predict(X)
    assert np.abs(predictions - A @ best).max() <= (1e-9 + 10 * shift) * scale.max()


@pytest.mark.parametrize("rate", ["auto", 0.069])
def test_a_perfect_fit_is_no_divergence(mpg, rate):
    x = mpg[0]
    fit = gdfast.train(x, 3 * x - 2, learning_rate=rate, max_iter=50_000)
    assert fit.loss < 1e-24
    assert (fit.coef[0], fit.intercept) == pytest.approx((3, -2), abs=1e-9)


def test_a_run_at_rounding_level_says_that_nothing_is_left(mpg):
    fit = gdfast.train(*mpg, learning_rate=0.03, max_iter=50_000)
    assert fit.loss == pytest.approx(1.46966948, rel=1e-8)
    assert "no longer" in fit.stop_reason


# ---- the largest stable rate of other data ----------------------------------------


@settings(max_examples=100, deadline=None)
@given(problems(max_rows=12, max_columns=12))
def test_the_largest_stable_rate_is_that_of_the_eigenvalues(problem):
    X, y, options = problem
    A = X
    weight = options["sample_weight"]
    weight = np.ones(len(y)) if weight is None else weight
    if options["standardize"]:
        if not options["fit_intercept"]:
            A = X / np.sqrt(weight @ X**2 / weight.sum())
        elif len(y) > 1:
            mean = weight @ X / weight.sum()
            A = (X - mean) / np.sqrt(weight @ (X - mean) ** 2 / weight.sum())
        else:
            A = 0 * X
    A = design(A, options["fit_intercept"])
    hessian = 2 * A.T @ (weight[:, None] * A) / weight.sum()
    fit = gdfast.train(X, y, max_iter=1, **options)
    expected = 2 / np.linalg.eigvalsh(hessian)[-1]
    assert fit.max_stable_learning_rate == pytest.approx(expected, rel=1e-9)


WIDE = {
    "flat spectrum": lambda rng: rng.standard_normal((1040, 1030)),
    "more columns": lambda rng: rng.standard_normal((1025, 1200)),
    "one large column": lambda rng: (
        rng.standard_normal((1040, 1030)) * np.r_[100, np.ones(1029)]
    ),
    "falling sizes": lambda rng: (
        rng.standard_normal((1040, 1030)) * np.geomspace(1, 1e-6, 1030)
    ),
    "same rows": lambda rng: np.ones((1040, 1030)),
    "float32": lambda rng: rng.standard_normal((1040, 1030), dtype=np.float32),
}


@pytest.mark.parametrize("make", WIDE.values(), ids=WIDE)
def test_wide_data_are_measured_by_lanczos_steps(make, rng, monkeypatch):
    monkeypatch.delattr(curvature, "_smaller_moment")  # too large to be added up
    X = make(rng)
    y = rng.standard_normal(len(X))
    fit = gdfast.train(X, y, max_iter=30)
    A = design(X.astype(np.float64))
    largest = 2 * np.linalg.eigvalsh(A.T @ A / len(A))[-1]
    # Never too small an eigenvalue by so much that 1 / eigenvalue is unstable.
    found = 2 / fit.max_stable_learning_rate
    assert 0.9 * largest < found <= (1 + 1e-9) * largest
    assert_never_rises(fit.history["loss"])


@settings(max_examples=100, deadline=None)
@given(problems(max_rows=30, max_columns=30))
@example(([[0.0]], [1.0], {"fit_intercept": False}))
@example(([[1.0, 0.0], [0.0, 1.0]], [1.0, 2.0], {"fit_intercept": False}))
def test_lanczos_steps_are_enough_for_small_data_too(problem):
    X, y, options = problem
    exact = gdfast.train(X, y, max_iter=1, **options).max_stable_learning_rate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curvature, "MAX_EXACT", 0)
        fit = gdfast.train(X, y, max_iter=50, **options)
    # Forty steps are as many as there are columns, or more.
    assert fit.max_stable_learning_rate == pytest.approx(exact, rel=1e-9)
    assert_never_rises(fit.history["loss"])


def test_a_rate_that_is_costly_to_find_is_found_when_needed(rng):
    X = rng.standard_normal((2000, 300))
    y = rng.standard_normal(2000)
    fit = gdfast.train(X, y, learning_rate=1e-3, max_iter=2)
    assert fit.max_stable_learning_rate is None
    # Nor is it needed to say that the start was good enough.
    fit = gdfast.train(X, y, learning_rate=1e-3, gtol=1e9, max_iter=2)
    assert (fit.n_iter, fit.max_stable_learning_rate) == (0, None)
    with pytest.raises(DivergenceError) as raised:
        gdfast.train(X, y, learning_rate=10.0, max_iter=100)
    expected = largest_stable(X)
    assert raised.value.fit.max_stable_learning_rate == pytest.approx(expected)
    assert f"{expected:.6g}" in str(raised.value)


# ---- callbacks --------------------------------------------------------------------


@pytest.mark.parametrize("options", SLICED_RUNS.values(), ids=SLICED_RUNS)
def test_a_callback_is_told_the_rows_of_the_history(mpg, options):
    rows = []
    fit = train_or_diverge(*mpg, **options, history="full", callback=rows.append)
    assert len(rows) == len(fit.history) == fit.n_iter + 1
    for row, kept in zip(rows, fit.history.array, strict=True):
        assert row.iteration == kept["iteration"]
        assert row.loss == kept["loss"]
        assert row.coef.tobytes() == kept["coef"].tobytes()
        assert row.intercept == kept["intercept"]
        assert type(row.iteration) is int
        assert type(row.loss) is float
        assert type(row.intercept) is float


@pytest.mark.parametrize("last", [1, 2, 5, 300, 301])
@pytest.mark.parametrize("options", [{}, {"standardize": True}, {"gtol": 1e-12}])
def test_stop_iteration_returns_that_row(mpg, last, options):
    options = {"learning_rate": 0.03, "max_iter": 300, "history": "full", **options}
    rows = []

    def stop(row):
        rows.append(row)
        if row.iteration == last:
            raise StopIteration

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nobody is warned of what he did
        fit = gdfast.train(*mpg, **options, callback=stop)
    expected = train_or_diverge(*mpg, **options).history.array[:last]
    assert len(rows) == last
    assert fit.n_iter == last - 1
    assert fit.history.array.tobytes() == expected.tobytes()
    assert fit.coef.tobytes() == rows[-1].coef.tobytes()
    assert (fit.intercept, fit.loss) == (rows[-1].intercept, rows[-1].loss)
    assert not fit.converged
    assert "callback" in fit.stop_reason


def test_a_rule_that_holds_goes_before_the_callback(mpg):
    def stop(row):
        if row.loss < 10:
            raise StopIteration

    options = {"learning_rate": 0.03, "max_iter": 1000}
    stopped = gdfast.train(*mpg, **options, callback=stop)
    gradient = gradient_size(mpg, stopped)
    fit = gdfast.train(*mpg, **options, callback=stop, gtol=gradient * 1.0001)
    assert (fit.n_iter, fit.converged) == (stopped.n_iter, True)
    fit = gdfast.train(*mpg, **options, callback=stop, gtol=gradient / 1.0001)
    assert (fit.n_iter, fit.converged) == (stopped.n_iter, False)


def test_a_callback_may_keep_and_change_what_it_is_given(mpg):
    rows = []

    def spoil(row):
        rows.append(row)
        row.coef[:] = 1e99

    options = {"learning_rate": 0.03, "max_iter": 20, "history": "full"}
    fit = gdfast.train(*mpg, **options, callback=spoil)
    assert all_of(fit) == all_of(gdfast.train(*mpg, **options))
    assert {row.coef[0] for row in rows} == {1e99}
    assert len({id(row.coef) for row in rows}) == 21


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_other_errors_of_a_callback_come_through(mpg, error):
    def fail(row):
        if row.iteration == 3:
            raise error

    with pytest.raises(error):
        gdfast.train(*mpg, callback=fail)


# ---- the progress bar -------------------------------------------------------------


def test_a_short_run_shows_no_bar(mpg, capsys):
    pytest.importorskip("tqdm")
    gdfast.train(*mpg, verbose=True)
    assert capsys.readouterr() == ("", "")


def test_a_long_run_shows_a_bar_on_stderr(mpg, capsys, monkeypatch):
    tqdm = pytest.importorskip("tqdm")
    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.0)
    monkeypatch.setattr(descent, "MAX_SLICE_STEPS", 10)
    bars = []

    class Bar(tqdm.tqdm):
        def __init__(self, **options):
            super().__init__(mininterval=0, miniters=1, **options)
            bars.append(self)

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    expected = gdfast.train(*mpg, learning_rate=0.03, max_iter=100)
    fit = gdfast.train(*mpg, learning_rate=0.03, max_iter=100, verbose=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "100/100" in err
    assert f"loss {fit.history['loss'][99]:.6g}" in err
    assert (bars[0].n, bars[0].total) == (100, 100)
    assert all_of(fit) == all_of(expected)
    # A run that ends otherwise leaves no bar behind.
    with pytest.raises(DivergenceError):
        gdfast.train(*mpg, learning_rate=1.0, verbose=True)
    with pytest.raises(ZeroDivisionError):
        gdfast.train(*mpg, verbose=True, callback=lambda row: 1 // (3 - row.iteration))
    assert not tqdm.tqdm._instances


def test_without_tqdm_the_extra_is_named(mpg, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"tqdm.*gdfast\[\w+\]"):
        gdfast.train(*mpg, verbose=True)
    gdfast.train(*mpg)  # not needed otherwise


# ---- warnings and sentences -------------------------------------------------------


@pytest.mark.parametrize("name", TOLERANCES)
@pytest.mark.parametrize("reached", [True, False])
@pytest.mark.parametrize("given", [True, False])
def test_a_warning_exactly_when_a_tolerance_was_not_reached(mpg, name, reached, given):
    tolerance = {name: (1e3 if reached else 1e-14) if given else None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = gdfast.train(*mpg, learning_rate=0.03, max_iter=50, **tolerance)
    assert fit.converged == (reached and given)
    assert len(caught) == (given and not reached)
    for warning in caught:
        assert warning.category is ConvergenceWarning
        assert str(warning.message) == fit.stop_reason
        assert warning.filename == __file__


def test_one_tolerance_reached_is_enough_for_no_warning(mpg):
    fit = gdfast.train(*mpg, learning_rate=0.03, gtol=1e-14, ftol=1e-2, xtol=1e-14)
    assert fit.converged
    assert "ftol" in fit.stop_reason


def test_max_iter_says_how_far_it_was(pizza):
    with pytest.warns(ConvergenceWarning) as caught:
        fit = gdfast.train(*pizza, learning_rate=0.001, gtol=1e-6, max_iter=20_000)
    message = str(caught[0].message)
    assert message.startswith("Stopped at max_iter after 20,000 iterations")
    assert f"{gradient_size(pizza, fit):.4g}" in message
    more = re.search(r"gtol=1e-06 needs about ([\d,]+) iterations more", message)[1]
    # 29 625 are needed, as the mission says.
    assert int(more.replace(",", "")) == pytest.approx(9625, rel=0.01)
    assert "larger max_iter" in message


def test_max_iter_says_by_how_much_the_loss_still_falls(mpg):
    fit = gdfast.train(*mpg, learning_rate=0.01, max_iter=5)
    fall = 100 * (1 - 42.172069065705266 / 51.13435741865341)
    assert f"lowered the loss by {fall:.2g} %" in fit.stop_reason


def test_a_rate_that_crawls_is_said(mpg):
    fit = gdfast.train(*mpg, learning_rate=1e-5)
    assert fit.loss == pytest.approx(185.643, abs=5e-4)
    assert "larger learning_rate" in fit.stop_reason
    assert "0.0698201" in fit.stop_reason
    assert "larger learning_rate" not in gdfast.train(*mpg).stop_reason


GOOD = np.random.default_rng(5).standard_normal((200, 3))
ORTHOGONAL = np.linalg.qr(GOOD - GOOD.mean(axis=0))[0] * np.sqrt(200)


@pytest.mark.parametrize(
    ("X", "fit_intercept"),
    [
        (ORTHOGONAL * [1, 100, 0.01], True),
        (ORTHOGONAL * [1, 100, 0.01], False),
        (ORTHOGONAL * 1000, True),  # beside the column of ones
        (ORTHOGONAL / 1000, True),
        (ORTHOGONAL + 50, True),
        (ORTHOGONAL * [1, 1, 1e-3] + [0, 0, 7], True),
    ],
)
def test_standardize_is_advised_where_it_helps(X, fit_intercept):
    y = X.sum(axis=1) / X.std() + np.linspace(-1, 9, 200)
    options = {"fit_intercept": fit_intercept, "max_iter": 100}
    fit = gdfast.train(X, y, **options)
    assert "standardize=True" in fit.stop_reason
    # It does help.
    assert gdfast.train(X, y, **options, standardize=True).loss < fit.loss


@pytest.mark.parametrize(
    ("X", "options"),
    [
        (ORTHOGONAL, {}),
        (ORTHOGONAL, {"fit_intercept": False}),
        # Nothing is gained by scaling all columns alike without intercept.
        (ORTHOGONAL * 1e6, {"fit_intercept": False}),
        (ORTHOGONAL * [1, 1, 1], {"learning_rate": 1e-4}),
        # Columns that resemble each other are not helped by scaling.
        (ORTHOGONAL @ [[1, 1, 1], [0, 1e-2, 0], [0, 0, 1e-2]], {}),
        # It has been done.
        (ORTHOGONAL * [1, 100, 0.01] + 50, {"standardize": True}),
        # A column of zeros cannot be scaled.
        (ORTHOGONAL * [1, 1, 0], {}),
        (ORTHOGONAL * [1, 1, 0], {"fit_intercept": False}),
    ],
)
def test_standardize_is_not_advised_where_it_does_not(X, options):
    y = X @ [1.0, 2.0, 3.0] / np.abs(X).max() + np.linspace(-1, 1, 200)
    with pytest.warns(ConvergenceWarning):
        fit = gdfast.train(X, y, **{"max_iter": 3, "gtol": 1e-300, **options})
    assert "standardize" not in fit.stop_reason
    assert "max_iter" in fit.stop_reason


# ---- at the edges -----------------------------------------------------------------


def test_ftol_holds_at_a_loss_of_zero():
    fit = gdfast.train([[1.0, 2.0]], [3.0], ftol=1e-6)
    assert fit.converged
    assert fit.loss < 1e-28
    assert fit.n_iter < 1000


def test_columns_that_are_nearly_the_same_are_no_minimum():
    # An exact fit exists along a direction that is too flat for gradient descent.
    x = np.linspace(-1, 1, 200)
    target = np.cos(7 * x)
    with pytest.warns(gdfast.ConvergenceWarning, match="columns that are less alike"):
        fit = gdfast.train(np.column_stack([x, x + 1e-8 * target]), target)
    assert fit.loss > 0.1
    assert "minimum" not in fit.stop_reason


OFFSET = 1e8  # of columns, whose mean then is what the first steps are about


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "accelerated"},
        {"optimizer": "adam"},
        {"loss": "log_loss", "penalty": "l2"},
        {"loss": "huber", "history": False},
        {"max_iter": 10**9, "max_seconds": 1.5},
    ],
    ids=str,
)
def test_a_run_that_is_stuck_warns_without_a_tolerance(rng, options):
    X = rng.standard_normal((300, 3))
    y = (X @ (1.0, 2.0, 3.0) > 0.3).astype(float)
    with pytest.warns(gdfast.ConvergenceWarning, match="the loss no longer falls"):
        fit = gdfast.train(X + OFFSET, y, **options)
    near = options | {"max_iter": 1000, "max_seconds": None}
    best = gdfast.train(X, y, **near)  # without a warning
    assert fit.loss > 1.5 * best.loss
    gdfast.train(X + OFFSET, y, **near, standardize=True)


def test_steps_that_lead_somewhere_do_not_warn(rng):
    X = rng.standard_normal((60, 3))
    y = X @ (1.0, 2.0, 3.0)
    for scale in (1.0, (1.0, 1e3, 1e5)):
        for options in (
            {},
            {"max_iter": 99},
            {"coef_init": np.array([1, 2, 3]) / scale},
        ):
            gdfast.train(X * scale, y, **options)
    gdfast.train(X + OFFSET, y, max_iter=99)  # too few to know
    for loss in ("hinge", "perceptron"):  # whose gradient may stay the same
        gdfast.train(X, y > 0, loss=loss, learning_rate=1e-9)


@pytest.mark.parametrize("size", [1e-160, 1e-150, 1e-3, 1e150])
def test_the_factor_between_columns_of_any_size(size):
    x = np.array([1.0, 2.0, 4.0, 3.0])
    X = np.column_stack([x, size * x[::-1]])
    reason = gdfast.train(X, x, learning_rate=1e-305, max_iter=2).stop_reason
    factor = re.search(r"by a factor of ([\d.,e+]+\d)", reason)[1].replace(",", "")
    assert 1 < float(factor) / max(size, 1 / size) < 10
    assert len(reason) < 400


def test_a_growth_just_above_rounding_is_seen_in_time(mpg):
    # The unstable part of the loss starts at 1e-12 of the whole and doubles each step.
    x, y = mpg
    A = np.column_stack([x - x.mean(), np.ones(7)])
    best = np.linalg.lstsq(A, y, rcond=None)[0]
    curvature = 2 * np.mean((x - x.mean()) ** 2)
    rate = (1 + 2**0.5) / curvature if curvature > 2 else (1 + 2**0.5) / 2
    start = {"coef_init": best[:1] + 1e-5, "intercept_init": best[1] + 1e-5}
    with pytest.raises(DivergenceError) as raised:
        gdfast.train(x - x.mean(), y, learning_rate=rate, max_iter=10_000, **start)
    losses = raised.value.fit.history["loss"]
    assert losses[-1] - losses.min() < 1e-5 * losses[0]


# ---- ended from outside -----------------------------------------------------------


@pytest.mark.parametrize("every", [1, 3, 7, 100])
@pytest.mark.parametrize("optimizer", ["gd", "nesterov"])
def test_a_callback_is_called_after_every_so_many_updates(mpg, every, optimizer):
    rows = []
    options = {"optimizer": optimizer, "max_iter": 20, "history": "full"}
    fit = gdfast.train(*mpg, callback=rows.append, callback_every=every, **options)
    numbers = [*range(1, 21, every), 21]
    assert [row.iteration for row in rows] == numbers
    for row in rows:
        seen = fit.history.array[row.iteration - 1]
        assert (row.loss, row.coef, row.intercept) == (
            seen["loss"],
            seen["coef"],
            seen["intercept"],
        )
    same = gdfast.train(*mpg, **options)
    assert same.history.array.tobytes() == fit.history.array.tobytes()


@pytest.mark.parametrize("answer", [True, np.True_])
def test_a_callback_ends_the_run_by_returning_true(mpg, answer):
    def callback(row):
        return answer if row.iteration >= 10 else None

    fit = gdfast.train(*mpg, callback=callback, callback_every=4)
    assert fit.n_iter == 12
    assert fit.stop_reason.startswith("Stopped by the callback after 12 iterations")
    same = gdfast.train(*mpg, max_iter=12)
    assert all_of(fit)[0] == all_of(same)[0]


@pytest.mark.parametrize("seconds", [0.02, 0.3])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_a_run_may_take_so_long(seconds, loss, rng):
    X = rng.standard_normal((200, 3))
    y = (rng.random(200) < 0.5).astype(float)
    options = {"loss": loss, "max_iter": 10**9, "max_seconds": seconds}
    started = time.perf_counter()
    fit = gdfast.train(X, y, learning_rate=1e-9, **options)
    taken = time.perf_counter() - started
    assert seconds <= taken < seconds + 1
    assert not fit.converged
    assert fit.stop_reason.startswith("Stopped at max_seconds after")
    assert len(fit.history) == fit.n_iter + 1
    same = gdfast.train(X, y, loss=loss, learning_rate=1e-9, max_iter=fit.n_iter)
    assert same.coef.tobytes() == fit.coef.tobytes()
    with pytest.warns(gdfast.ConvergenceWarning, match="Stopped at max_seconds"):
        gdfast.train(X, y, learning_rate=1e-9, gtol=1e-9, **options)


def test_time_that_suffices_changes_nothing(mpg):
    fit = gdfast.train(*mpg, max_seconds=1000)
    assert all_of(fit) == all_of(gdfast.train(*mpg))
    for loss in ("squared_error", "huber"):
        fit = gdfast.train(*mpg, loss=loss, max_seconds=1e-9, max_iter=500)
        assert fit.n_iter == 1


class Interrupts:
    """Raises KeyboardInterrupt in some call of what makes steps, before or after it."""

    def __init__(self, monkeypatch, driver, call, after):
        self.calls, take_steps = 0, driver.take_steps

        def interrupted(driver, *arguments, **named):
            self.calls += 1
            if self.calls != call:
                return take_steps(driver, *arguments, **named)
            if after:
                take_steps(driver, *arguments, **named)
            raise KeyboardInterrupt

        monkeypatch.setattr(driver, "take_steps", interrupted)
        monkeypatch.setattr(descent, "MAX_SLICE_STEPS", 5)
        # So that a busy machine makes as many steps at a time.
        monkeypatch.setattr(descent, "SHORTEST_SLICE_SECONDS", descent.SLICE_SECONDS)


@pytest.mark.parametrize("driver", [drivers.Passes, drivers.Moments])
@pytest.mark.parametrize("optimizer", ["gd", "momentum", "accelerated"])
@pytest.mark.parametrize("call", [1, 4])
@pytest.mark.parametrize("after", [False, True])
def test_an_interrupted_run_may_give_what_it_has(
    mpg, driver, optimizer, call, after, monkeypatch
):
    if driver is drivers.Moments:
        monkeypatch.setattr(drivers, "WORTH_IT", -np.inf)
    options = {"optimizer": optimizer, "history": "full", "learning_rate": 0.01}
    n_iter = 5 * (call - 1)
    expected = gdfast.train(*mpg, max_iter=max(n_iter, 1), **options)
    Interrupts(monkeypatch, driver, call, after)
    fit = gdfast.train(*mpg, on_interrupt="return", gtol=1e-9, **options)
    assert fit.n_iter == n_iter
    assert fit.stop_reason.startswith(f"Stopped by Ctrl-C after {n_iter} iterations")
    if n_iter:
        assert fit.history.array.tobytes() == expected.history.array.tobytes()
        assert fit.coef.tobytes() == expected.coef.tobytes()
    else:
        assert fit.coef[0] == fit.intercept == 0
    assert not fit.converged
    Interrupts(monkeypatch, driver, 2, after)
    with pytest.raises(KeyboardInterrupt):
        gdfast.train(*mpg, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_seconds": 0}, ValueError, "max_seconds must be a finite number greater"),
        ({"max_seconds": "1"}, TypeError, "max_seconds must be a number or None"),
        ({"callback_every": 0}, ValueError, "callback_every must be at least 1"),
        ({"callback_every": 1.5}, TypeError, "callback_every must be a whole number"),
        ({"on_interrupt": "stop"}, ValueError, 'on_interrupt must be "raise" or'),
    ],
)
def test_wrong_options_of_the_end_are_named(mpg, options, error, message):
    with pytest.raises(error, match=message):
        gdfast.train(*mpg, **options)
