"""Whole runs of `train` by both of its methods, short and long, narrow and wide.

A pass a step and one pass for the moments cross somewhere; "gdfast" is the method that
`train` chooses, and is to be as fast as the faster one.
"""

from __future__ import annotations

import numpy as np
import pytest

from bench import from_page
from bench.conftest import CALL_VALUES
from bench.gdfast_loops import METHODS, method_of, train_by
from bench.numpy_loops import numpy_descend

pytestmark = pytest.mark.benchmark(max_time=0.1, min_rounds=3)

SIZES = {
    "squared_error": (
        (10**4, 8),
        (10**6, 1),
        (10**6, 8),
        (10**6, 32),
        (10**5, 128),
        (10**5, 512),
        (10**7, 8),
    )
}
DTYPES = (np.float64,)
STEPS = (2, 10, 100, 1000)
SCALED_FROM = 10  # longer runs by passes take long, and bench/report.py scales instead
CASES = [
    (way, n_steps)
    for way in ("gdfast", *METHODS, "numpy")
    for n_steps in STEPS
    if n_steps <= SCALED_FROM or (way in ("gdfast", "moments") and "moments" in METHODS)
]


@pytest.mark.parametrize(("way", "n_steps"), CASES)
def test_run(way, n_steps, problem, benchmark, measure):
    X, y, _, [rate, *_], *_ = problem

    def by_numpy():
        params = np.zeros(X.shape[1] + 1)
        numpy_descend(X, y, params, np.full(n_steps, rate), np.empty(n_steps))
        return params

    def by_train():
        fit = train_by(None if way == "gdfast" else way, X, y, rate, n_steps)
        benchmark.extra_info["method"] = method_of(fit)
        return [*fit.coef, fit.intercept]

    run = by_numpy if way == "numpy" else by_train
    repeats = max(1, CALL_VALUES // (X.size * min(n_steps, SCALED_FROM)))
    case = f"run of {n_steps} steps"
    params = measure(run, case, way, X, y, n_steps, repeats=repeats)
    expected = from_page.functions()["by_moments"](X, y, rate, n_steps)
    np.testing.assert_allclose(params, expected, 1e-9)
