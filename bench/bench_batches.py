"""An epoch of mini-batches: the kernel, its twin, NumPy and PyTorch at their best.

Shuffled, and in order, that is as rows lie. GB/s are those of X and y, read once an
epoch. Drawing the order is not timed.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from bench.gdfast_loops import in_kernel
from bench.numpy_loops import numpy_epoch
from bench.torch_loop import INSTALLED, torch_epoch
from gdfast import _reference
from gdfast._backend import kernel

pytestmark = pytest.mark.benchmark(max_time=0.1, min_rounds=3)

SIZES = {"squared_error": ((10**4, 32), (10**6, 32))}
DTYPES = (np.float64,)
BATCH_SIZES = (1, 32, 256)
RATE = 0.005


def in_kernel_epoch(kernel, X, y, params, order, size, rate):
    rates, sums = np.full(-(-len(X) // size), rate), np.zeros(2)
    data = *in_kernel("squared_error"), X, y, None, None
    kernel.descend_batches(*data, order, size, params, rates, sums, None, 0)


CONTESTANTS = {
    "gdfast": partial(in_kernel_epoch, kernel),
    "twin": partial(in_kernel_epoch, _reference),
    "numpy": numpy_epoch,
}
if INSTALLED:
    CONTESTANTS["torch"] = torch_epoch


@pytest.mark.parametrize("size", BATCH_SIZES)
@pytest.mark.parametrize("shuffled", [True, False], ids=["shuffled", "in order"])
@pytest.mark.parametrize("contestant", CONTESTANTS)
def test_epoch(contestant, shuffled, size, problem, measure):
    X, y = problem.X, problem.y
    if size == 1 and len(X) > 10**5:
        pytest.skip("takes others up to a minute")
    order = np.random.default_rng(1).permutation(len(X)) if shuffled else None

    def epoch(contestant=contestant):
        params = np.zeros(X.shape[1] + 1)
        CONTESTANTS[contestant](X, y, params, order, size, RATE)
        return params

    case = f"epoch of batches of {size}{' shuffled' * shuffled}"
    params = measure(epoch, case, contestant, X, y, 1)
    if len(X) == SIZES["squared_error"][0][0]:
        np.testing.assert_allclose(params, epoch("numpy"), 1e-9)
