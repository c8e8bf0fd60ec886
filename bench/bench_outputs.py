"""Steps on several classes: gdfast's softmax on one thread and on all, NumPy at best.

GB/s are those of X and y, counted once a step. NumPy's two products of matrices read X
twice, and for float32 compute in it.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from bench.gdfast_loops import ALL_THREADS, in_kernel
from bench.numpy_loops import numpy_softmax
from bench.reading import read
from gdfast import _reference
from gdfast.losses import LOSSES
from gdfast.sums import Examples, Summation
from gdfast.threads import Team

pytestmark = pytest.mark.benchmark(max_time=0.1, min_rounds=3)

SIZES = (  # rows, columns and classes; the last one is that of the digits of MNIST
    (10**3, 32, 3),
    (10**4, 32, 3),
    (10**6, 32, 3),
    (10**5, 128, 5),
    (10**5, 512, 10),
    (60_000, 784, 10),
)
RATE = 0.001


def gdfast_softmax(X, y, params, n_steps, n_classes, n_threads):
    with Team(n_threads) as team:
        examples = Examples(X, y, n_outputs=n_classes)
        summation = Summation(LOSSES["multinomial"](), examples, team)
        for _ in range(n_steps):
            gradient, _, weight_sum = summation.gradient(params)
            params -= RATE * (gradient / weight_sum)


CONTESTANTS = {
    f"gdfast-{n}": partial(gdfast_softmax, n_threads=n) for n in ALL_THREADS
} | {f"numpy-{n}": partial(numpy_softmax, rate=RATE) for n in ALL_THREADS}


def cases(limit):
    """Return the sizes and types of up to so many bytes, and the first."""
    if "multinomial" not in LOSSES:
        return []  # an older version
    return [
        (*size, dtype)
        for size in SIZES
        for dtype in (np.float64, np.float32)
        if size[0] * size[1] * np.dtype(dtype).itemsize <= limit or size == SIZES[0]
    ]


def pytest_generate_tests(metafunc):
    limit = metafunc.config.getoption("max_bytes")
    found = cases(limit)
    names = [f"{n}x{d}x{k}-{dtype.__name__}" for n, d, k, dtype in found]
    metafunc.parametrize("classes", found, indirect=True, ids=names)


@pytest.fixture(scope="module")  # made once a size, and gone before the next one
def classes(request):
    """Return rows, their classes, the number of classes, and a step of the twin."""
    n, d, n_classes, dtype = request.param
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), np.float32).astype(dtype)
    y = X[:, :n_classes].argmax(axis=1).astype(dtype)
    gradient = np.zeros((d + 1) * n_classes)
    loss = *in_kernel("multinomial"), X, y, None, None
    _reference.add_gradient(*loss, np.zeros_like(gradient), gradient, n_classes)
    return X, y, n_classes, -RATE / n * gradient


@pytest.mark.parametrize("contestant", CONTESTANTS)
def test_softmax(contestant, classes, benchmark, measure):
    X, y, n_classes, expected = classes
    name, threads = contestant.split("-")
    repeats = max(1, 10_000_000 // (X.size * n_classes))

    def step():
        params = np.zeros((X.shape[1] + 1) * n_classes)
        CONTESTANTS[contestant](X, y, params, 1, n_classes)
        return params

    case = f"softmax step of {n_classes} classes"
    params = measure(step, case, name, X, y, 1, int(threads), repeats)
    if benchmark.enabled:
        flops = 4 * X.size * n_classes * repeats
        benchmark.extra_info["gflops"] = flops / benchmark.stats.stats.min / 1e9
    rtol = 1e-9 if X.dtype == np.float64 else 1e-3
    np.testing.assert_allclose(params, expected, rtol, rtol * abs(expected).max())


@pytest.mark.parametrize("threads", ALL_THREADS)
def test_read(threads, classes, measure):
    X, y, n_classes, _ = classes
    case = f"softmax step of {n_classes} classes"
    times = max(1, 10_000_000 // X.size)
    measure(lambda: read(X, y, times, threads), case, "read", X, y, times, threads)
