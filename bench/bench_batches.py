"""An epoch of mini-batches: the kernel, and NumPy at best; shuffled, and as rows lie.

GB/s are those of X and y, read once an epoch. Drawing the order is not timed.
"""

from __future__ import annotations

import numpy as np
import pytest

from bench.gdfast_loops import in_kernel
from bench.numpy_loops import numpy_epoch
from gdfast._backend import kernel

pytestmark = pytest.mark.benchmark(max_time=0.1, min_rounds=3)

SIZES = {"squared_error": ((10**4, 32), (10**6, 32))}
DTYPES = (np.float64,)
BATCH_SIZES = (1, 32, 256)
RATE = 0.005


def gdfast_epoch(X, y, params, order, size):
    rates, sums = np.full(-(-len(X) // size), RATE), np.zeros(2)
    data = *in_kernel("squared_error"), X, y, None, None
    kernel.descend_batches(*data, order, size, params, rates, sums, None, 0)


def by_numpy(X, y, params, order, size):
    numpy_epoch(X, y, params, order, size, RATE)


CONTESTANTS = {"gdfast": gdfast_epoch, "numpy": by_numpy}


@pytest.mark.parametrize("size", BATCH_SIZES)
@pytest.mark.parametrize("shuffled", [True, False], ids=["shuffled", "in order"])
@pytest.mark.parametrize("contestant", CONTESTANTS)
def test_epoch(contestant, shuffled, size, problem, measure):
    X, y = problem.X, problem.y
    if size == 1 and len(X) > 10**5:
        pytest.skip("takes NumPy seconds")
    order = np.random.default_rng(1).permutation(len(X)) if shuffled else None

    def epoch(contestant=contestant):
        params = np.zeros(X.shape[1] + 1)
        CONTESTANTS[contestant](X, y, params, order, size)
        return params

    case = f"epoch of batches of {size}{' shuffled' * shuffled}"
    params = measure(epoch, case, contestant, X, y, 1)
    if len(X) == SIZES["squared_error"][0][0]:
        np.testing.assert_allclose(params, epoch("numpy"), 1e-9)
