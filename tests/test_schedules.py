"""Learning rates that change from step to step."""

import math

import numpy as np
import pytest

import gdfast
from gdfast import descent, diagnosis, drivers
from gdfast import schedules as schedules_module
from gdfast.schedules import (
    SCHEDULES,
    Adaptive,
    Constant,
    Cosine,
    Exponential,
    InvScaling,
    Optimal,
    Schedule,
    WarmUp,
)

# The rate of a step t from 1, in plain Python.
CASES = {
    Constant(0.1): lambda t: 0.1,
    InvScaling(0.1, 0.5): lambda t: 0.1 / t**0.5,
    InvScaling(): lambda t: 0.01 / t**0.25,
    Optimal(0.01): lambda t: 1 / (0.01 * (1 / (0.01 * 0.01**-0.25) + t - 1)),
    Exponential(0.1, 0.9): lambda t: 0.1 * 0.9 ** (t - 1),
    Cosine(0.1, 20): lambda t: 0.1 * math.cos(math.pi * min(t - 1, 20) / 40) ** 2,
    Cosine(0.1, 7, last=0.04): lambda t: (
        0.04 + 0.06 * (1 + math.cos(math.pi * min(t - 1, 7) / 7)) / 2
    ),
    Adaptive(0.1): lambda t: 0.1,  # where the loss falls in every step
    WarmUp(0.1, 5): lambda t: 0.1 * min(t / 5, 1),
    WarmUp(Exponential(0.1, 0.9), 5): lambda t: 0.1 * 0.9 ** (t - 1) * min(t / 5, 1),
}


@pytest.fixture
def data(rng):
    X = rng.standard_normal((40, 2))
    return X, X @ (1.0, -2.0) + 0.1 * rng.standard_normal(40)


def test_there_is_a_case_of_every_schedule():
    assert {type(schedule) for schedule in CASES} == set(SCHEDULES)


@pytest.mark.parametrize("schedule", CASES, ids=str)
def test_rates_are_those_of_the_formula(schedule):
    expected = [CASES[schedule](t) for t in range(1, 41)]
    np.testing.assert_allclose(schedule.rates(0, 40), expected, rtol=1e-12, atol=1e-17)
    np.testing.assert_array_equal(schedule.rates(0, 40)[7:31], schedule.rates(7, 24))
    single = [schedule(t) for t in range(1, 41)]
    np.testing.assert_allclose(single, expected, rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize("moments", [False, True])
@pytest.mark.parametrize("schedule", CASES, ids=str)
def test_every_step_is_made_at_its_rate(schedule, moments, data, monkeypatch):
    monkeypatch.setattr(drivers, "WORTH_IT", -np.inf if moments else np.inf)
    X, y = data
    options = {"fit_intercept": False, "max_iter": 30, "history": "full"}
    if isinstance(schedule, Optimal):
        X = X / 100  # its first steps are large
    fit = gdfast.train(X, y, learning_rate=schedule, **options)
    w = np.zeros(2)
    for t, row in enumerate(fit.history["coef"], 1):
        np.testing.assert_allclose(row, w, rtol=1e-10, atol=1e-14)
        w = w - CASES[schedule](t) * 2 * X.T @ (X @ w - y) / 40
    assert fit.learning_rate == pytest.approx(CASES[schedule](30), rel=1e-12)
    monkeypatch.setattr(descent, "MAX_SLICE_STEPS", 4)
    parts = gdfast.train(X, y, learning_rate=schedule, **options)
    assert parts.history.array.tobytes() == fit.history.array.tobytes()


def test_a_function_is_told_the_number_of_the_step(data):
    X, y = data
    steps = []

    def rate(t):
        steps.append(t)
        return 0.1 / t

    fit = gdfast.train(X, y, learning_rate=rate, max_iter=25)
    assert steps[:25] == list(range(1, 26))
    assert all(type(t) is int for t in steps)
    same = gdfast.train(X, y, learning_rate=InvScaling(0.1, 1.0), max_iter=25)
    np.testing.assert_allclose(fit.coef, same.coef, rtol=1e-12)
    warm = gdfast.train(X, y, learning_rate=WarmUp(rate, 3), max_iter=25)
    assert warm.history["loss"][1] > fit.history["loss"][1]


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_a_wrong_rate_of_a_function_is_named(value, data):
    X, y = data
    with pytest.raises(ValueError, match=r"learning_rate of step 5 must"):
        gdfast.train(X, y, learning_rate=lambda t: 0.1 if t < 5 else value)
    with pytest.raises(TypeError, match="learning_rate of step 1 must be a number"):
        gdfast.train(X, y, learning_rate=lambda t: "0.1")


def test_a_wrong_rate_of_a_schedule_is_named():
    class Growing(Schedule):
        def __call__(self, t):
            return 1e308 * t

    with pytest.raises(ValueError, match=r"at least 0, got inf for step 11"):
        Growing().rates(10, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(0.0), "eta0 must be a finite number greater than 0"),
        (lambda: InvScaling(0.1, -1), "power_t must be a finite number of at least 0"),
        (lambda: InvScaling(math.inf), "eta0 must be a finite number"),
        (lambda: Optimal(0), "alpha must be a finite number greater than 0"),
        (lambda: Exponential(0.1, 1.1), "decay must be at most 1"),
        (lambda: Exponential(0.1, 0), "decay must be a finite number greater than 0"),
        (lambda: Cosine(0.1, 0), "n_steps must be at least 1"),
        (lambda: Cosine(0.1, 5, last=0.2), "last must be at most eta0"),
        (lambda: WarmUp(0.1, 0), "n_steps must be at least 1"),
        (lambda: WarmUp(-0.1, 3), "schedule must be a finite number greater than 0"),
    ],
)
def test_wrong_parameters_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "value", ["fast", "constant", None, [0.1], Constant, Schedule()]
)
def test_a_wrong_learning_rate_is_named(value, data):
    error = ValueError if isinstance(value, str) else TypeError
    with pytest.raises(error, match="learning_rate must be a number, a schedule"):
        gdfast.train(*data, learning_rate=value)


@pytest.mark.parametrize("shape", [(3, 1), (2,), (1, 3)])
def test_a_schedule_gives_a_rate_for_each_step(shape):
    class Odd(Schedule):
        def __call__(self, t):
            return np.ones(shape)

    with pytest.raises(ValueError, match="learning_rate must give one number for each"):
        Odd().rates(0, 3)


def test_a_schedule_may_give_one_rate_for_all(data):
    class Same(Schedule):
        def __call__(self, t):
            return 0.1

    fit = gdfast.train(*data, learning_rate=Same(), max_iter=9)
    same = gdfast.train(*data, learning_rate=0.1, max_iter=9)
    assert fit.coef.tobytes() == same.coef.tobytes()


def test_a_function_is_called_once_a_step(data):
    calls = []

    def rate(t):
        calls.append(t)
        return 0.1

    fit = gdfast.train(*data, learning_rate=rate, gtol=1e-6)
    assert fit.converged
    assert calls == list(range(1, len(calls) + 1))
    assert len(calls) < 2000
    numbers = iter([0.1] * 5)
    gdfast.train(*data, learning_rate=lambda t: next(numbers), max_iter=5)


def test_steps_at_a_rate_of_zero_are_no_sign_of_convergence(data):
    options = {"max_iter": 300, "xtol": 1e-12, "ftol": 1e-12}
    with pytest.warns(gdfast.ConvergenceWarning):
        fit = gdfast.train(*data, learning_rate=Cosine(1e-4, 100), **options)
    assert fit.n_iter == 300
    late = gdfast.train(
        *data,
        learning_rate=lambda t: 0.0 if t < 30 else 0.1,
        max_iter=10**4,
        ftol=1e-12,
    )
    assert late.converged
    assert late.loss < 0.1


def test_messages_name_the_largest_rate(data):
    with pytest.raises(gdfast.DivergenceError, match="learning_rate=50 of step 1 is"):
        gdfast.train(*data, learning_rate=Exponential(50.0, 0.5), max_iter=60)
    fit = gdfast.train(*data, learning_rate=Exponential(0.1, 0.5), max_iter=90)
    assert "its largest, 0.1, is" in fit.stop_reason or "0.1" not in fit.stop_reason


def test_the_end_of_a_long_run_asks_for_few_rates(data, monkeypatch):
    """A function that is asked for all of them again takes seconds."""
    monkeypatch.setattr(diagnosis, "RATES", 30)
    monkeypatch.setattr(schedules_module, "KNOWN_RATES", 100)
    asked = []

    def rate(t):
        asked.append(t)
        return 1e-3 if t < 2990 else 900.0

    with pytest.raises(gdfast.DivergenceError, match="=900 of step 2990 is"):
        gdfast.train(*data, learning_rate=rate, max_iter=2995)
    assert len(asked) <= 2995 + 100 + 60


def test_what_a_function_returned_is_not_known_for_ever(data, monkeypatch):
    monkeypatch.setattr(schedules_module, "KNOWN_RATES", 100)
    asked = []

    def rate(t):
        asked.append(t)
        return 0.1

    gdfast.train(*data, learning_rate=rate, max_iter=90, gtol=None)
    assert asked == list(range(1, 91))
    known = schedules_module.Function(rate)
    assert known(np.arange(1, 1001)).tolist() == [0.1] * 1000
    assert len(known.known) <= 100
