"""Steps of gradient descent: the kernel, its NumPy twin, and NumPy at its best.

GB/s are those of X and y, counted once a step whoever reads them how often; the
contestant "read" only adds up the same bytes, which is the most that memory can give.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from bench.numpy_loops import numpy_descend
from gdfast import _kernel, _reference

pytestmark = pytest.mark.benchmark(max_time=0.2, min_rounds=3)

SIZES = (
    (10**3, 1),
    (10**4, 100),
    (10**5, 8),
    (10**6, 1),
    (10**6, 8),
    (10**6, 32),
    (10**5, 128),
    (10**5, 512),
    (10**7, 1),
    (10**7, 8),
)
CORES = os.cpu_count() or 1
CONTESTANTS = ["gdfast-1", "twin-1", "numpy-1"]
if CORES > 1:
    CONTESTANTS += [f"numpy-{CORES}"]


@pytest.mark.parametrize("contestant", CONTESTANTS)
def test_descend(contestant, problem, benchmark, measure):
    X, y, rates, *expected = problem
    name, threads = contestant.split("-")

    def descend():
        params = np.zeros(X.shape[1] + 1)
        trace = np.empty((len(rates), 3))
        if name == "numpy":
            numpy_descend(X, y, params, rates, trace[:, 0])
        else:
            module = _kernel if name == "gdfast" else _reference
            module.descend(0, X, y, None, None, params, rates, trace, None)
        return params, trace[:, 0]

    params, losses = measure(descend, "step", name, X, y, len(rates), int(threads))
    benchmark.extra_info["loss"] = losses[-1]
    np.testing.assert_allclose(params, expected[0], problem.rtol)
    np.testing.assert_allclose(losses, expected[1], problem.rtol)


def test_read(problem, measure):
    X, y, rates, *_ = problem
    words = [a.reshape(-1).view(np.int64) for a in (X, y)]

    def read():
        for _ in rates:
            for word in words:
                word.sum()

    measure(read, "step", "read", X, y, len(rates))
