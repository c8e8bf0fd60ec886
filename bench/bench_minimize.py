"""Steps of `minimize` on a function in Python, against the loop that anyone writes."""

from __future__ import annotations

import numpy as np
import pytest

import gdfast

pytestmark = [
    pytest.mark.benchmark(max_time=0.5, min_rounds=3),
    pytest.mark.skipif(not hasattr(gdfast, "minimize"), reason="of a later version"),
]

N_STEPS = 10_000
RATE = 1e-4
START = np.array([5.0, -4.0])


def value(w):
    return float(w @ w)


def gradient(w):
    return 2 * w


def both(w):
    return value(w), gradient(w)


def by_gdfast(n_steps):
    run = gdfast.minimize(
        value, START, grad=gradient, learning_rate=RATE, max_iter=n_steps
    )
    return run.x


def by_gdfast_at_once(n_steps):
    run = gdfast.minimize(both, START, grad=True, learning_rate=RATE, max_iter=n_steps)
    return run.x


def by_numpy(n_steps):
    w = START
    for _ in range(n_steps):
        value(w)
        w = w - RATE * gradient(w)
    return w


def by_calls(n_steps):
    """Make the calls alone, at a point that stays where it is."""
    for _ in range(n_steps):
        value(START)
        gradient(START)


@pytest.mark.parametrize("run", [by_gdfast, by_gdfast_at_once, by_numpy, by_calls])
def test_function(run, benchmark, measure):
    n_steps = N_STEPS if benchmark.enabled else 2
    name = run.__name__.removeprefix("by_")
    point, none = START[None], np.empty(0)  # what stands for rows and targets
    found = measure(lambda: run(n_steps), "function", name, point, none, n_steps)
    if found is not None:
        np.testing.assert_allclose(found, (1 - 2 * RATE) ** n_steps * START, 1e-9)
