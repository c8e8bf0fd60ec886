"""The steps of docs/from-loop-to-kernel.md, from the loop over examples to moments."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from bench import from_page
from bench.gdfast_loops import (
    ALL_THREADS,
    CORES,
    METHODS,
    PORTABLE,
    THREADS,
    WIDEST,
    gdfast_steps,
    train_by,
)
from bench.reading import read

pytestmark = pytest.mark.benchmark(max_time=0.2, min_rounds=1)

# The larger is wide enough for the products to wait for memory, and in no cache.
SIZES = {"squared_error": ((10**3, 8), (250_000, 32))}
DTYPES = (np.float64,)
PAGE = from_page.functions()
STEPS = {"by_examples": 1, "by_arrays": 2, "by_products": 2, "by_blocks": 2}  # timed
STEPS |= {"kernel": 20, "vectors": 20, "threads": 20, "moments": 1000}
MISSING = {  # in this version, or on this machine
    "vectors": WIDEST is PORTABLE,
    "threads": CORES == 1 or CORES not in THREADS,
    "moments": "moments" not in METHODS,
}


@pytest.mark.parametrize("way", [way for way in STEPS if not MISSING.get(way)])
def test_walk(way, problem, measure):
    X, y, _, [rate, *_], *_ = problem
    n_steps = STEPS[way]
    threads = CORES if way == "threads" else 1

    def by_page(rows, targets):
        w, b = [0.0] * X.shape[1], 0.0
        for _ in range(n_steps):
            w, b = PAGE[way](rows, targets, w, b, rate)
        return [*w, b]

    def by_kernel(kernel):
        params, losses = np.zeros(X.shape[1] + 1), np.empty(n_steps)
        rates = np.full(n_steps, rate)
        gdfast_steps(X, y, params, rates, losses, threads, kernel=kernel)
        return params

    def by_train():
        fit = train_by(way, X, y, rate, n_steps)
        return [*fit.coef, fit.intercept]

    run = {
        "kernel": partial(by_kernel, PORTABLE),
        "vectors": partial(by_kernel, WIDEST),
        "threads": partial(by_kernel, WIDEST),
        "moments": by_train,
    }.get(way, partial(by_page, X, y))
    if way == "by_examples":  # lists, as tutorials have them
        run = partial(by_page, X.tolist(), y.tolist())
    params = measure(run, "walk", way, X, y, n_steps, threads)
    np.testing.assert_allclose(params, PAGE["by_moments"](X, y, rate, n_steps), 1e-9)


@pytest.mark.parametrize("threads", ALL_THREADS)
def test_read(threads, problem, measure):
    X, y, *_ = problem
    measure(lambda: read(X, y, 20, threads), "walk", "read", X, y, 20, threads)
