"""Steps of gradient descent: the kernel, its NumPy twin, NumPy and PyTorch at best.

GB/s are those of X and y, counted once a step whoever reads them how often; the
contestant "read" only adds up the same bytes, which is the most that memory can give.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from bench.gdfast_loops import ALL_THREADS, THREADS, gdfast_steps, in_kernel
from bench.numpy_loops import numpy_descend
from bench.reading import read
from bench.torch_loop import INSTALLED, torch_descend
from gdfast import _reference

pytestmark = pytest.mark.benchmark(max_time=0.1, min_rounds=3)

SIZES = {  # of every loss; those of eight features show how time grows with the rows
    "squared_error": (
        (10**2, 8),
        (10**3, 1),
        (10**3, 8),
        (10**4, 8),
        (10**4, 100),
        (10**5, 8),
        (10**6, 1),
        (10**6, 8),
        (10**6, 32),
        (10**5, 128),
        (10**6, 128),
        (10**5, 512),
        (10**4, 4096),
        (10**7, 1),
        (10**7, 8),
    ),
    "log_loss": ((10**3, 1), (10**5, 8), (10**6, 8), (10**5, 128)),
}
CASES = {"squared_error": "step", "log_loss": "log_loss step"}


def twin_descend(X, y, params, rates, losses, loss):
    trace = np.empty((len(rates), 3))
    _reference.descend(*in_kernel(loss), X, y, None, None, params, rates, trace, None)
    losses[:] = trace[:, 0]


def contestants():
    """Return functions of X, y, params, rates, losses and loss; `measure` sets BLAS."""
    found = {f"gdfast-{n}": partial(gdfast_steps, n_threads=n) for n in THREADS}
    found |= {f"twin-{n}": twin_descend for n in ALL_THREADS}
    found |= {f"numpy-{n}": numpy_descend for n in ALL_THREADS}
    if INSTALLED:
        found |= {
            f"torch-{n}": partial(torch_descend, n_threads=n) for n in ALL_THREADS
        }
    return found


CONTESTANTS = contestants()


@pytest.mark.parametrize("contestant", CONTESTANTS)
def test_descend(contestant, problem, benchmark, measure):
    X, y, loss, rates, *expected = problem
    name, threads = contestant.split("-")

    def descend():
        params, losses = np.zeros(X.shape[1] + 1), np.empty(len(rates))
        CONTESTANTS[contestant](X, y, params, rates, losses, loss=loss)
        return params, losses

    params, losses = measure(
        descend,
        CASES[loss],
        name,
        X,
        y,
        len(rates),
        int(threads),
        repeats=problem.repeats if name == "gdfast" else 1,
    )
    benchmark.extra_info["loss"] = losses[-1]
    np.testing.assert_allclose(params, expected[0], problem.rtol)
    np.testing.assert_allclose(losses, expected[1], problem.rtol)


@pytest.mark.parametrize("threads", ALL_THREADS)
def test_read(threads, problem, measure):
    X, y, loss, rates, *_ = problem
    times = len(rates) * min(10, problem.repeats)
    measure(
        lambda: read(X, y, times, threads), CASES[loss], "read", X, y, times, threads
    )
