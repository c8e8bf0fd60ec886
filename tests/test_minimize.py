"""Descending a function, against closed forms, loops in NumPy and SciPy."""

import math
import pickle
import signal
import threading
import time
import warnings
from fractions import Fraction

import numpy as np
import pytest
from scipy import optimize

import gdfast
from gdfast import descent, functions
from gdfast.optimizers import OPTIMIZERS
from gdfast.schedules import Adaptive, InvScaling

PUBLISHED = [rule for rule in OPTIMIZERS if OPTIMIZERS[rule].published_rate]


def square(w):
    return w**2


def twice(w):
    return 2 * w


def bowl(w):
    return w @ w


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def rosenbrock_gradient(x):
    bent = x[1] - x[0] ** 2
    return np.array([-2 * (1 - x[0]) - 400 * x[0] * bent, 200 * bent])


def both(x):
    return rosenbrock(x), rosenbrock_gradient(x)


def valleys(w):
    return (w**2 - 1) ** 2 + 0.3 * w


def valleys_slope(w):
    return 4 * w * (w**2 - 1) + 0.3


# The tutorial's numbers: mission D of the project.


def test_a_square_from_5():
    run = gdfast.minimize(
        square, 5.0, grad=twice, learning_rate=0.1, max_iter=2, history="full"
    )
    assert run.history["x"] == pytest.approx([5, 4, 3.2], rel=1e-12)
    assert run.history["fun"] == pytest.approx([25, 16, 10.24], rel=1e-12)
    assert isinstance(run.x, float)
    assert (run.x, run.fun) == (run.history["x"][-1], run.history["fun"][-1])


def test_a_bowl_from_5_and_minus_4():
    run = gdfast.minimize(
        bowl, (5, -4), grad=twice, learning_rate=0.1, max_iter=1, history="full"
    )
    assert run.x == pytest.approx([4, -3.2], rel=1e-12)
    away = np.linalg.norm(run.history["x"], axis=1)
    assert away == pytest.approx([math.sqrt(41), math.sqrt(26.24)], rel=1e-12)


def test_the_regimes_of_the_learning_rate():
    def run(rate, **options):
        return gdfast.minimize(
            square, 1.0, grad=twice, learning_rate=rate, history="full", **options
        )

    small = run(0.01, max_iter=100)
    assert small.x == pytest.approx(0.98**100, rel=1e-12)
    assert run(0.5, max_iter=1).x == 0
    assert run(0.9, max_iter=4).history["x"] == pytest.approx(
        [1, -0.8, 0.64, -0.512, 0.4096], rel=1e-12
    )
    still = run(1.0, max_iter=6)
    assert still.history["x"].tolist() == [1, -1, 1, -1, 1, -1, 1]
    assert "fun no longer falls" in still.stop_reason
    assert "smaller learning_rate" in still.stop_reason


@pytest.mark.parametrize("max_iter", [10, 1000])
def test_a_rate_of_1_1_diverges_and_says_so(max_iter):
    with pytest.raises(gdfast.DivergenceError) as caught:
        gdfast.minimize(square, 1.0, grad=twice, learning_rate=1.1, max_iter=max_iter)
    message = str(caught.value)
    assert "after 10 iterations fun is 38.3376, up from 1 at the start" in message
    assert "learning_rate=1.1 is too large" in message
    assert "standardize" not in message
    assert caught.value.fit.x == pytest.approx(6.1917364224, rel=1e-12)


@pytest.mark.parametrize("optimizer", ["gd", "accelerated"])
def test_a_gradient_of_another_function_is_named_as_the_cause(optimizer):
    """Not the rate, which the caller did not choose, nor the number of iterations."""
    try:
        run = gdfast.minimize(
            bowl, [1.0, 2.0], grad=lambda x: -twice(x), optimizer=optimizer
        )
    except gdfast.DivergenceError as error:
        run = error.fit
    assert "the gradient is not that of fun" in run.stop_reason
    assert "learning_rate" not in run.stop_reason
    assert "max_iter." not in run.stop_reason


@pytest.mark.parametrize(("start", "side"), [(-2, -1), (-0.1, -1), (0.2, 1), (2, 1)])
def test_the_valley_is_the_one_it_starts_in(start, side):
    run = gdfast.minimize(
        valleys, start, grad=valleys_slope, learning_rate=0.01, gtol=1e-10
    )
    low, high = (-2, 0) if side < 0 else (0.2, 2)
    there = optimize.minimize_scalar(valleys, bounds=(low, high), method="bounded")
    assert run.x == pytest.approx(there.x, abs=1e-5)
    assert abs(valleys_slope(run.x)) < 1e-10


def test_it_does_not_leave_a_maximum():
    run = gdfast.minimize(np.cos, 0.0, grad=lambda x: -np.sin(x), gtol=1e-9)
    assert run.n_iter == 0
    assert run.x == 0
    assert run.converged


# The rules.


def loop(rule, gradient, x, eta, n):
    """Return the points of a few rules, as their papers write them."""
    v, m, s, path = 0.0, 0.0, 0.0, [x]
    for t in range(1, n + 1):
        if rule == "gd":
            x = x - eta * gradient(x)
        elif rule in ("momentum", "nesterov"):
            g = gradient(x - 0.9 * v if rule == "nesterov" else x)
            v = 0.9 * v + eta * g
            x = x - v
        else:
            g = gradient(x)
            m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
            x = x - eta * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
        path.append(x)
    return path


@pytest.mark.parametrize("rule", ["gd", "momentum", "nesterov", "adam"])
def test_the_steps_are_those_of_a_loop(rule):
    run = gdfast.minimize(
        *(rosenbrock, (-1.2, 1)),
        grad=rosenbrock_gradient,
        optimizer=rule,
        learning_rate=2e-4,
        max_iter=50,
        history="full",
    )
    path = loop(rule, rosenbrock_gradient, np.array([-1.2, 1]), 2e-4, 50)
    np.testing.assert_allclose(run.x, path[-1], rtol=1e-12)
    if rule != "nesterov":  # whose rows are where it takes the gradient
        np.testing.assert_allclose(run.history["x"], path, rtol=1e-12)
        np.testing.assert_allclose(
            run.history["fun"], [rosenbrock(x) for x in path], rtol=1e-9
        )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("bounds", [None, (-0.4, 0.8)])
def test_every_rule_makes_the_steps_that_it_makes_on_data(rng, optimizer, bounds):
    X, y = rng.standard_normal((30, 3)), rng.standard_normal(30)
    options = {"optimizer": optimizer, "learning_rate": 0.05, "max_iter": 60}
    options |= {"bounds": bounds, "history": "full"}
    fit = gdfast.train(X, y, fit_intercept=False, **options)
    run = gdfast.minimize(
        lambda w: np.mean((X @ w - y) ** 2),
        np.zeros(3),
        grad=lambda w: 2 * X.T @ (X @ w - y) / 30,
        **options,
    )
    # Which divides what is left of gradients near 0 by one another.
    error = 1e-6 if optimizer == "rmsprop" else 1e-12
    np.testing.assert_allclose(run.history["x"], fit.history["coef"], atol=error)
    np.testing.assert_allclose(run.history["fun"], fit.history["loss"], atol=error)
    assert run.n_iter == fit.n_iter == 60


@pytest.mark.parametrize("optimizer", ["gd", "accelerated", *PUBLISHED])
def test_auto_is_backtracking_or_the_published_rate(optimizer):
    def run(rate):
        options = {"optimizer": optimizer, "learning_rate": rate, "max_iter": 40}
        return gdfast.minimize(both, (-1.2, 1), grad=True, **options)

    published = OPTIMIZERS[optimizer].published_rate
    given = run("backtracking" if published is None else published)
    assert run("auto").x.tobytes() == given.x.tobytes()


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov"])
def test_there_is_no_auto_for_rules_that_need_a_curvature(optimizer):
    with pytest.raises(ValueError, match="learning_rate must be given for a function"):
        gdfast.minimize(square, 1.0, optimizer=optimizer)
    with pytest.raises(ValueError, match="not for a function with"):
        gdfast.minimize(square, 1.0, optimizer=optimizer, learning_rate="backtracking")


@pytest.mark.parametrize("optimizer", ["gd", "accelerated"])
def test_backtracking_finds_what_scipy_finds(rng, optimizer):
    A = rng.standard_normal((6, 4))
    b = rng.standard_normal(6)

    def fun(x):
        return np.logaddexp(0, A @ x - b).sum() + 0.05 * x @ x

    run = gdfast.minimize(
        fun, np.zeros(4), optimizer=optimizer, gtol=1e-7, max_iter=20_000
    )
    there = optimize.minimize(fun, np.zeros(4), method="BFGS", options={"gtol": 1e-7})
    assert run.converged
    np.testing.assert_allclose(run.x, there.x, atol=1e-5)
    assert run.fun == pytest.approx(there.fun, rel=1e-12)


@pytest.mark.parametrize("offset", [0, -1.0, 25, -25, 1e6, -25 + 1e-12])
@pytest.mark.parametrize("unit", [1e-3, 1, 1e4])
def test_backtracking_does_not_depend_on_what_is_added(offset, unit):
    run = gdfast.minimize(
        lambda w: (w / unit) ** 2 + offset,
        5.0 * unit,
        grad=lambda w: 2 * w / unit**2,
        gtol=1e-6 / unit,
    )
    assert run.converged
    assert abs(run.x) < 1e-6 * unit


def test_backtracking_walks_around_where_there_is_no_value():
    def fun(x):
        return x - math.log(x) if x > 0 else math.nan

    run = gdfast.minimize(fun, 1e-3, grad=lambda x: 1 - 1 / x, gtol=1e-9)
    assert run.x == pytest.approx(1, abs=1e-8)


def test_schedules_and_adaptive_rates():
    run = gdfast.minimize(
        square, 1.0, grad=twice, learning_rate=InvScaling(0.4, 0.5), max_iter=3
    )
    x = 1.0
    for t in (1, 2, 3):
        x -= 0.4 / math.sqrt(t) * 2 * x
    assert run.x == pytest.approx(x, rel=1e-12)
    run = gdfast.minimize(  # to and fro, until the rate is a fifth
        abs, 0.35, grad=np.sign, learning_rate=Adaptive(0.1, 1e-5), max_iter=10_000
    )
    assert run.converged
    assert "fun no longer falls, and the learning rate" in run.stop_reason
    assert run.x == pytest.approx(0, abs=1e-5)


def test_bounds_are_kept(rng):
    seen = []

    def fun(x):
        seen.append(x)
        return rosenbrock(x)

    options = {"gtol": 1e-6, "max_iter": 50_000}
    bounds = [(-2, 0.5), (-2, 2)]  # a pair for each variable, as everywhere in SciPy
    run = gdfast.minimize(fun, (-1.2, 1), bounds=bounds, **options)
    assert run.converged
    there = optimize.minimize(rosenbrock, (-1.2, 1), bounds=bounds)
    np.testing.assert_allclose(run.x, there.x, atol=1e-4)
    assert (np.array(seen) <= (0.5, 2)).all()
    assert (np.array(seen) >= -2).all()
    for same in (
        optimize.Bounds([-2, -2], [0.5, 2]),
        np.array(bounds),
        [(None, 0.5), (-math.inf, None)],
    ):
        other = gdfast.minimize(fun, (-1.2, 1), bounds=same, **options)
        np.testing.assert_allclose(other.x, run.x, atol=1e-9)
    for all_alike in ((-1, 0.5), (None, 0.5), optimize.Bounds(-1, 0.5)):
        other = gdfast.minimize(bowl, np.ones(3) / 4, bounds=all_alike, gtol=1e-9)
        assert other.converged
        assert (other.x <= 0.5).all()


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "nesterov", "accelerated"])
@pytest.mark.parametrize("offset", [-50, 0, 50])
@pytest.mark.parametrize("rate", [0.002, 0.02])
def test_rules_that_may_rise_do_so_below_zero_too(optimizer, offset, rate):
    run = gdfast.minimize(
        lambda x: bowl(x) + offset, (5, -4), grad=twice, optimizer=optimizer,
        learning_rate=rate, max_iter=30_000, gtol=1e-6,
    )  # fmt: skip
    assert run.converged
    np.testing.assert_allclose(run.x, 0, atol=1e-6)


@pytest.mark.parametrize("offset", [-50, 0, 50])
def test_momentum_diverges(offset):
    with pytest.raises(gdfast.DivergenceError, match="too large"):
        gdfast.minimize(
            lambda x: bowl(x) + offset, (5, -4), grad=twice, optimizer="momentum",
            learning_rate=2.5, max_iter=3000,
        )  # fmt: skip


# Gradients.


@pytest.mark.parametrize("scale", [1, 1e4])
def test_central_differences(rng, scale):
    x = scale * rng.standard_normal(5)
    function = functions.Called(
        lambda x: np.sin(x / scale).sum() + x[0] * x[1] / scale**2,
        None,
        (),
        5,
        False,
        None,
    )
    gradient, value, weight = function.gradient(x)
    exact = np.cos(x / scale) / scale
    exact[:2] += x[1::-1] / scale**2
    assert weight == 1
    assert value == np.sin(x / scale).sum() + x[0] * x[1] / scale**2
    np.testing.assert_allclose(gradient, exact, atol=1e-9 / scale)
    assert (function.n_values, function.n_gradients) == (11, 0)


@pytest.mark.parametrize("x", [0.0, 1e-7, 3e-6, 0.4, 1 - 1e-7, 1.0])
def test_differences_stay_within_bounds(x):
    def fun(x):
        assert 0 <= x <= 1
        return math.exp(x)

    bounds = np.array([[0.0], [1.0]])
    function = functions.Called(fun, None, (), 1, True, bounds)
    assert function.gradient(np.array([x])).gradient == pytest.approx(
        math.exp(x), rel=1e-8
    )


@pytest.mark.parametrize("room", [0.0, 1e-9, 1e-5])
def test_differences_with_little_room_or_none(room):
    bounds = np.array([[1.0, -math.inf], [1.0 + room, math.inf]])
    function = functions.Called(bowl, None, (), 2, False, bounds)
    gradient = function.gradient(np.array([1.0, 3.0])).gradient
    np.testing.assert_allclose(gradient, [2, 6], rtol=1e-6)


def test_ways_to_give_the_gradient_agree():
    options = {"learning_rate": 1e-3, "max_iter": 300}
    given = gdfast.minimize(rosenbrock, (-1.2, 1), grad=rosenbrock_gradient, **options)
    at_once = gdfast.minimize(both, (-1.2, 1), grad=True, **options)
    left_out = gdfast.minimize(rosenbrock, (-1.2, 1), **options)
    assert given.x.tobytes() == at_once.x.tobytes()
    np.testing.assert_allclose(left_out.x, given.x, rtol=1e-7)
    assert (given.nfev, given.njev) == (at_once.nfev, at_once.njev) == (301, 301)
    assert (left_out.nfev, left_out.njev) == (5 * 301, 0)


@pytest.mark.parametrize(
    "returned", [1.5, np.float32(1.5), np.array(1.5), [1.5], [[1.5]], Fraction(3, 2)]
)
def test_values_of_many_types(returned):
    run = gdfast.minimize(
        lambda x: returned, (1, 2), grad=lambda x: (0, 1), learning_rate=0.5,
        max_iter=1,
    )  # fmt: skip
    assert type(run.fun) is float
    assert run.fun == 1.5
    assert run.x.tolist() == [1, 1.5]


def test_arguments():
    def fun(x, a, b):
        return a * (x - b) ** 2

    run = gdfast.minimize(
        fun, 1.0, (2, 3), grad=lambda x, a, b: 2 * a * (x - b), gtol=1e-9
    )
    assert run.x == pytest.approx(3)
    run = gdfast.minimize(lambda x, a: (x - a) ** 2, 1.0, 4, gtol=1e-7)
    assert run.x == pytest.approx(4)


# Histories, callbacks, ends.


def test_the_printed_history():
    run = gdfast.minimize(
        bowl, (5, -4), grad=twice, learning_rate=0.1, max_iter=1, history="full"
    )
    assert str(run.history) == (
        "iteration          x[0]           x[1]            fun\n"
        "        1  5.0000000000  -4.0000000000  41.0000000000\n"
        "        2  4.0000000000  -3.2000000000  26.2400000000"
    )
    values = gdfast.minimize(square, 5.0, max_iter=1)
    assert values.history.columns == ("iteration", "fun")
    with pytest.raises(KeyError, match=r"minimize\(history=\"full\"\)"):
        values.history["x"]
    assert gdfast.minimize(square, 5.0, max_iter=1, history=False).history is None


def test_the_callback_sees_the_rows():
    rows = []
    run = gdfast.minimize(
        bowl, (5, -4), grad=twice, learning_rate=0.1, max_iter=6, callback_every=2,
        callback=rows.append, history="full",
    )  # fmt: skip
    assert [row.iteration for row in rows] == [1, 3, 5, 7]
    for row in rows:
        seen = run.history.array[row.iteration - 1]
        assert (row.x == seen["x"]).all()
        assert row.fun == seen["fun"]
    numbers = []
    gdfast.minimize(square, 5.0, callback=numbers.append, max_iter=1)
    assert type(numbers[0].x) is float


def test_the_callback_ends_the_run():
    def callback(row):
        if row.fun < 1:
            raise StopIteration

    run = gdfast.minimize(square, 5.0, grad=twice, learning_rate=0.1, callback=callback)
    assert run.fun == pytest.approx(25 * 0.64**8)
    assert run.stop_reason.startswith("Stopped by the callback after 8 iterations")


@pytest.mark.parametrize("rule", ["gtol", "xtol", "ftol"])
def test_tolerances(rule):
    options = {"grad": twice, "learning_rate": 0.1, "history": "full"}
    run = gdfast.minimize(lambda w: w**2 + 1, 5.0, **options, **{rule: 1e-3})
    x = run.history["x"]
    seen = {
        "gtol": np.abs(2 * x),
        "xtol": np.abs(np.diff(x, prepend=np.inf)),
        "ftol": np.abs(np.diff(x**2 + 1, prepend=np.inf)) / np.r_[1, x[:-1] ** 2 + 1],
    }[rule]
    assert run.converged
    assert np.flatnonzero(seen < 1e-3).tolist() == [run.n_iter]


def test_no_tolerance_reached_is_a_warning():
    with pytest.warns(gdfast.ConvergenceWarning, match="larger max_iter") as caught:
        gdfast.minimize(
            square, 5.0, grad=twice, learning_rate=0.1, max_iter=2, gtol=1e-3
        )
    assert caught[0].filename == __file__


def test_points_are_asked_for_once():
    seen = []

    def fun(x):
        seen.append(x.tobytes())
        return both(x)

    run = gdfast.minimize(
        fun, (-1.2, 1), grad=True, learning_rate=1e-3, xtol=1e-3, callback=lambda _: 0,
        callback_every=100,
    )  # fmt: skip
    assert run.n_iter > 300
    assert len(seen) == len(set(seen)) == run.nfev


@pytest.mark.parametrize("seconds", [1e-5, 1e-4, 1e-3, 1e-2, 0.1])
@pytest.mark.parametrize("rate", [0.3, 1e-2, 1e-3])
def test_few_calls_are_made_beyond_the_end(seconds, rate, monkeypatch):
    n_calls = 0

    def fun(w):
        nonlocal n_calls
        n_calls += 1
        return w**2

    class Clock:
        @staticmethod
        def perf_counter():
            return n_calls * seconds

    monkeypatch.setattr(descent, "time", Clock)
    options = {"grad": twice, "learning_rate": rate, "max_iter": 10**6, "gtol": 1e-3}
    run = gdfast.minimize(fun, 1.0, **options)
    assert run.converged
    beyond = n_calls - run.n_iter - 1
    assert beyond <= max(0.1 * run.n_iter, 1e-3 / seconds)
    assert beyond * seconds <= 0.05


def test_noisy_functions_end_where_the_rule_held(rng):
    values = []

    def fun(x):
        values.append((x + 0.1 * rng.standard_normal()) ** 2)
        return values[-1]

    run = gdfast.minimize(
        fun, 1.0, grad=twice, learning_rate=1e-3, gtol=1.9, history="loss"
    )
    assert run.converged
    assert run.history["fun"].tolist() == values[: run.n_iter + 1]


@pytest.mark.parametrize(
    "options", [{}, {"learning_rate": 1e-3}, {"optimizer": "adam"}]
)
def test_it_goes_on_as_if_it_had_not_stopped(options):
    options = {"grad": True, "history": "full", **options}
    whole = gdfast.minimize(both, (-1.2, 1), max_iter=60, **options)
    begun = gdfast.minimize(both, (-1.2, 1), max_iter=25, **options)
    begun = pickle.loads(pickle.dumps(begun))
    ended = gdfast.minimize(both, resume=begun, max_iter=35, **options)
    assert ended.x.tobytes() == whole.x.tobytes()
    assert ended.n_iter == 60
    assert ended.history.array.tobytes() == whole.history.array[25:].tobytes()


def test_pickles_keep_everything():
    run = gdfast.minimize(both, (-1.2, 1), grad=True, max_iter=5)
    again = pickle.loads(pickle.dumps(run))
    assert str(again) == str(run)
    assert again.state.memory.tobytes() == run.state.memory.tobytes()


def test_what_is_put_together_late():
    options = {"grad": True, "learning_rate": 1e-3, "max_iter": 5}
    run = gdfast.minimize(both, (-1.2, 1), history="full", **options)
    assert callable(vars(run)["history"])
    table = run.history
    assert run.history is table
    run.x[:] = 7.0  # is the caller's
    assert table["x"][-1].tolist() == run.state.params.tolist()
    short = gdfast.minimize(both, (-1.2, 1), history=False, **options)
    assert short.history is None
    assert not any(map(callable, vars(short).values()))  # and no rows are kept
    assert short.stop_reason == run.stop_reason


def test_a_function_of_no_bottom_diverges():
    def fun(x):
        with np.errstate(over="ignore"):
            return -(x**2)

    with pytest.raises(gdfast.DivergenceError, match="fun is -inf. It falls without"):
        gdfast.minimize(fun, 1.0, grad=lambda x: -2 * x, learning_rate=1.0)


# Faults.


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "fun must be callable", {"fun": 3}),
        (TypeError, "grad must be callable, True or None", {"grad": "2-point"}),
        (TypeError, "grad must be callable, True or None", {"grad": False}),
        (ValueError, "x0 must be finite", {"x0": [1, math.nan]}),
        (ValueError, "x0 must be a number or have shape", {"x0": [[1, 2]]}),
        (ValueError, "x0 must be a number or have shape", {"x0": []}),
        (TypeError, "x0 must", {"x0": [1j, 2]}),
        (TypeError, "x0 must", {"x0": "here"}),
        (TypeError, "x0 must", {"x0": None}),
        (ValueError, "x0 must be within bounds", {"bounds": (2, 3)}),
        (ValueError, "bounds must be a pair .* each of the", {"bounds": [(0, 1)] * 9}),
        (ValueError, "bounds must be a pair .*Bounds; got 7", {"bounds": 7}),
        (TypeError, "bounds must be numbers", {"bounds": ("0", "9")}),
        (ValueError, "optimizer must be", {"optimizer": "bfgs"}),
        (ValueError, "learning_rate must be", {"learning_rate": 0}),
        (ValueError, "learning_rate must be", {"learning_rate": "slow"}),
        (ValueError, "max_iter must be", {"max_iter": 0}),
        (ValueError, "max_seconds must be", {"max_seconds": 0}),
        (ValueError, "gtol must be", {"gtol": -1}),
        (ValueError, "n_iter_no_change must be", {"n_iter_no_change": 0}),
        (ValueError, "history must be", {"history": "all"}),
        (TypeError, "callback must be", {"callback": 1}),
        (ValueError, "callback_every must be", {"callback_every": 0}),
        (ValueError, "on_interrupt must be", {"on_interrupt": "stop"}),
        (TypeError, "verbose must be", {"verbose": 1}),
        (TypeError, "resume must be", {"x0": None, "resume": 1}),
    ],
    ids=str,
)
def test_wrong_arguments(error, message, arguments):
    def fun(x):
        raise AssertionError("called too early")

    with pytest.raises(error, match=message):
        gdfast.minimize(**{"fun": fun, "x0": (1.0, 1.0), **arguments})


def test_wrong_resumes():
    run = gdfast.minimize(square, 1.0, max_iter=1)
    with pytest.raises(ValueError, match="takes the place of x0"):
        gdfast.minimize(square, 1.0, resume=run)
    with pytest.raises(ValueError, match="resume has the optimizer"):
        gdfast.minimize(square, resume=run, optimizer="adam")
    with pytest.raises(ValueError, match='with "backtracking" if'):
        gdfast.minimize(square, resume=run, learning_rate=0.1)
    with pytest.raises(ValueError, match="resume must be within bounds"):
        gdfast.minimize(square, resume=run, bounds=(2, 3))


@pytest.mark.parametrize(
    ("error", "message", "returned"),
    [
        (TypeError, "fun must return a number, got None", None),
        (TypeError, "fun must return a number, got 1j", 1j),
        (TypeError, "fun must return a number, got 'x'", "x"),
        (ValueError, r"one number, got an array of shape \(3,\)$", np.ones(3)),
        (ValueError, "pass grad=True", (1.0, 2.0)),
        (TypeError, "pass grad=True", (1.0, np.ones(2))),
        (ValueError, "fun must be finite at x0, got nan", math.nan),
        (ValueError, "fun must be finite at x0, got inf", math.inf),
    ],
    ids=str,
)
def test_wrong_values(error, message, returned):
    for grad in (None, twice):
        with pytest.raises(error, match=message):
            gdfast.minimize(lambda x: returned, (1.0, 1.0), grad=grad)


@pytest.mark.parametrize(
    ("error", "message", "returned"),
    [
        (TypeError, "must return a gradient of numbers, got None", None),
        (TypeError, "must return a gradient of numbers", [1j, 2]),
        (TypeError, "must return a gradient of numbers", [1, None]),
        (ValueError, r"a gradient of shape \(2,\), got one of shape \(\)", 1.0),
        (ValueError, r"shape \(2,\), got one of shape \(3,\)", np.ones(3)),
        (ValueError, r"shape \(2,\), got one of shape \(2, 1\)", np.ones((2, 1))),
        (ValueError, "component 1 is nan", [0, math.nan]),
        (ValueError, "component 0 is -inf", [-math.inf, 1]),
    ],
    ids=str,
)
@pytest.mark.parametrize("rate", [0.1, "auto"])
def test_wrong_gradients(error, message, returned, rate):
    for fun, grad in (
        (bowl, lambda x: returned),
        (lambda x: (bowl(x), returned), True),
    ):
        with pytest.raises(error, match=message):
            gdfast.minimize(fun, (1.0, 1.0), grad=grad, learning_rate=rate)
    with pytest.raises(TypeError, match=r"a pair \(value, gradient\) with grad=True"):
        gdfast.minimize(bowl, (1.0, 1.0), grad=True)


@pytest.mark.parametrize("rate", [1e-3, "backtracking"])
def test_what_is_written_to_is_not_ours(rate):
    kept = np.empty(2)
    x0 = np.array([-1.2, 1])

    def fun(x):
        value = rosenbrock(x)
        x[:] = math.nan
        return value

    def grad(x):
        kept[:] = rosenbrock_gradient(x)
        x[:] = 7
        return kept  # the same array every time

    options = {"learning_rate": rate, "max_iter": 30, "history": "full"}
    run = gdfast.minimize(fun, x0, grad=grad, **options)
    clean = gdfast.minimize(rosenbrock, x0, grad=rosenbrock_gradient, **options)
    assert run.history.array.tobytes() == clean.history.array.tobytes()
    assert x0.tolist() == [-1.2, 1]


def test_a_callback_cannot_change_the_run():
    def spoil(row):
        row.x[:] = 7

    options = {"grad": twice, "learning_rate": 0.1, "max_iter": 5}
    run = gdfast.minimize(bowl, (5, -4), callback=spoil, **options)
    assert run.x.tobytes() == gdfast.minimize(bowl, (5, -4), **options).x.tobytes()


@pytest.mark.parametrize("rate", [0.1, "backtracking"])
def test_exceptions_come_through(rate):
    class Own(Exception):
        pass

    def fun(x):
        if x < 3.5:
            raise Own("no value here")
        return x**2

    begun = gdfast.minimize(square, 5.0, learning_rate=rate, max_iter=1)
    before = pickle.dumps(begun)
    with pytest.raises(Own, match="no value here"):
        gdfast.minimize(fun, 5.0, grad=twice, learning_rate=rate)
    with pytest.raises(Own, match="no value here"):
        gdfast.minimize(fun, resume=begun, grad=twice, learning_rate=rate)
    assert pickle.dumps(begun) == before


def test_it_never_asks_for_what_is_not_a_point():
    seen = []

    def fun(x):
        seen.append(x)
        return math.inf if abs(x).max() > 1e300 else -abs(x).max()

    with pytest.raises(gdfast.DivergenceError, match="fun is inf"):
        gdfast.minimize(fun, (1.0, 2.0), grad=lambda x: -x, learning_rate=1e301)
    assert len(seen) == 2
    assert np.isfinite(seen).all()


def interrupt_after(seconds):
    timer = threading.Timer(seconds, signal.raise_signal, args=(signal.SIGINT,))
    timer.start()
    return timer


@pytest.mark.parametrize("rate", [1e-7, "backtracking"])
def test_ctrl_c(rate):
    def slow(x):
        time.sleep(1e-3)
        return both(x)

    options = {"grad": True, "learning_rate": rate, "max_iter": 10**6}
    timer = interrupt_after(0.3)
    begun = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        gdfast.minimize(slow, (-1.2, 1), **options)
    assert time.perf_counter() - begun < 2
    timer.join()
    timer = interrupt_after(0.3)
    run = gdfast.minimize(slow, (-1.2, 1), on_interrupt="return", **options)
    timer.join()
    assert run.stop_reason.startswith("Stopped by Ctrl-C after")
    options["max_iter"] = run.n_iter
    assert run.x.tobytes() == gdfast.minimize(both, (-1.2, 1), **options).x.tobytes()


def test_max_seconds():
    def slow(x):
        time.sleep(0.01)
        return x**2

    begun = time.perf_counter()
    run = gdfast.minimize(slow, 1.0, grad=twice, learning_rate=1e-6, max_seconds=0.2)
    assert time.perf_counter() - begun < 1
    assert 1 <= run.n_iter < 30
    assert "max_seconds" in run.stop_reason


def test_threads_have_runs_of_their_own():
    results = []

    def job():
        results.append(gdfast.minimize(both, (-1.2, 1), grad=True, max_iter=200).x)

    threads = [threading.Thread(target=job) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert len({x.tobytes() for x in results}) == 1


def test_many_variables_are_not_remembered_for_long():
    n = functions.CHUNK_VALUES // 3
    function = functions.Called(lambda x: (x[0], x), True, (), n, False, None)
    for k in range(8):
        function.gradient(np.full(n, float(k)))
    assert function.n_values == 8
    function.gradient(np.full(n, 7.0))
    assert function.n_values == 8
    for k in range(5):  # at most three are known
        function.gradient(np.full(n, float(k)))
    assert function.n_values == 13


def test_warnings_of_the_function_are_its_own():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gdfast.minimize(square, 1.0, grad=twice, learning_rate=0.1, max_iter=3)
    assert not caught
