"""Whole runs of `train`: on large data, on the tutorial's, and a single step."""

from __future__ import annotations

import numpy as np
import pytest

import gdfast
from bench.gdfast_loops import ALL_THREADS, THREADS, in_kernel, train_by
from bench.numpy_loops import numpy_descend, tutorial_train
from gdfast import _reference

SQUARED = in_kernel("squared_error")

pytestmark = pytest.mark.benchmark(max_time=0.1, min_rounds=3)

SIZES = {
    "squared_error": ((10**3, 1), (10**5, 8), (10**6, 8), (10**5, 512), (10**7, 8))
}
RUNS = 20  # of gdfast on the pizza data in a timed call, so that a slower one shows
CALLS = 200  # of one step there
CONTESTANTS = [f"gdfast-{n}" for n in THREADS]
CONTESTANTS += [f"{name}-{n}" for name in ("twin", "numpy") for n in ALL_THREADS]


@pytest.mark.parametrize("contestant", CONTESTANTS)
def test_train(contestant, problem, benchmark, measure):
    X, y, _, rates, *expected = problem
    name, threads = contestant.split("-")

    def by_gdfast():
        fit = train_by("passes", X, y, float(rates[0]), len(rates), int(threads))
        return np.append(fit.coef, fit.intercept), fit.loss

    def by_twin():
        params, trace = np.zeros(X.shape[1] + 1), np.empty((len(rates), 3))
        _reference.descend(*SQUARED, X, y, None, None, params, rates, trace, None)
        gradient = np.zeros_like(params)
        loss_sum, weight_sum = _reference.add_gradient(
            *SQUARED, X, y, None, None, params, gradient
        )
        return params, loss_sum / weight_sum

    def by_numpy():
        params, losses = np.zeros(X.shape[1] + 1), np.empty(len(rates))
        numpy_descend(X, y, params, rates, losses)
        residual = X @ params[:-1].astype(X.dtype) + X.dtype.type(params[-1]) - y
        return params, residual @ residual / len(X)

    run = {"gdfast": by_gdfast, "twin": by_twin, "numpy": by_numpy}[name]
    repeats = problem.repeats if name == "gdfast" else 1
    params, loss = measure(
        run, "train", name, X, y, len(rates) + 1, int(threads), repeats
    )
    benchmark.extra_info["loss"] = float(loss)
    np.testing.assert_allclose(params, expected[0], problem.rtol)


@pytest.fixture(scope="module")
def pizza():
    table = gdfast.example_data("pizza")
    return table["Reservations"].copy(), table["Pizzas"].copy()


def by_gdfast(x, y, n_steps):
    fit = gdfast.train(x, y, learning_rate=0.001, max_iter=n_steps)
    return fit.coef[0], fit.intercept


def by_numpy(x, y, n_steps):
    params, rates = np.zeros(2), np.full(n_steps, 0.001)
    numpy_descend(x[:, None], y, params, rates, np.empty(n_steps))
    return tuple(params)


def by_tutorial(x, y, n_steps):
    return tutorial_train(x, y, n_steps, 0.001, with_loss=True)


def by_tutorial_without_loss(x, y, n_steps):
    return tutorial_train(x, y, n_steps, 0.001, with_loss=False)


@pytest.mark.benchmark(min_rounds=2)  # a round of the tutorial takes a second
@pytest.mark.parametrize(
    "run", [by_gdfast, by_numpy, by_tutorial, by_tutorial_without_loss]
)
def test_pizza(run, pizza, benchmark, measure):
    x, y = pizza
    name = run.__name__.removeprefix("by_")
    w, b = measure(
        lambda: run(x, y, 20_000),
        "pizza",
        name,
        x[:, None],
        y,
        20_000,
        repeats=RUNS if name == "gdfast" else 1,
    )
    benchmark.extra_info["loss"] = gdfast.loss(x, y, w, b)
    np.testing.assert_allclose((w, b), (1.0811301700, 13.1722676564), rtol=1e-10)


def by_gdfast_auto(x, y, n_steps):
    fit = gdfast.train(x, y, max_iter=n_steps)
    return fit.coef[0], fit.intercept


@pytest.mark.parametrize("run", [by_gdfast, by_gdfast_auto, by_numpy, by_tutorial])
def test_one_step(run, pizza, benchmark, measure):
    x, y = pizza
    name = run.__name__.removeprefix("by_")
    w, b = measure(
        lambda: run(x, y, 1), "one step", name, x[:, None], y, 1, repeats=CALLS
    )
    benchmark.extra_info["loss"] = loss = gdfast.loss(x, y, w, b)
    if run is by_gdfast_auto:  # at a rate of its own
        assert loss < gdfast.loss(x, y, *by_tutorial(x, y, 1))
    else:
        np.testing.assert_allclose((w, b), by_tutorial(x, y, 1), rtol=1e-12)
