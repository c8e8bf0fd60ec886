"""The option of the benchmarks, their data, and what is noted beside every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from cpuinfo import get_cpu_info
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import gdfast
from gdfast import _kernel, _reference

Floats = NDArray[Any]
Doubles = NDArray[np.float64]

# Values of X that a timed call goes through at least: then it takes milliseconds, and
# neither the clock nor the call from Python has a part in it.
CALL_VALUES = 10_000_000
RATE = 0.1  # stable on all problems: their largest is near 1


class Problem(NamedTuple):
    """Data to descend on, and where the descent has to arrive.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_samples, n_features)
        Independent normal features.
    y : ndarray, dtype of `X`, shape (n_samples,)
        A linear function of them, and normal noise.
    rates : ndarray of float64, shape (n_steps,)
        Learning rate of every step.
    params : ndarray of float64, shape (n_features + 1,)
        Parameters after the last step.
    losses : ndarray of float64, shape (n_steps,)
        Mean loss before every step.
    """

    X: Floats
    y: Floats
    rates: Doubles
    params: Doubles
    losses: Doubles

    @property
    def rtol(self) -> float:
        """Return how near others must come: NumPy sums float32 in float32."""
        return 1e-9 if self.X.dtype == np.float64 else 1e-3


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--max-bytes",
        type=float,
        default=1e8,
        help="leave out data larger than this (default: %(default)g, about a minute; "
        "1e9 for everything, 0 for the smallest of every case)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "problem" not in metafunc.fixturenames:
        return
    limit = metafunc.config.getoption("max_bytes")
    cases = [
        (n, d, dtype)
        for n, d in metafunc.module.SIZES
        for dtype in (np.float64, np.float32)
        if n * d * np.dtype(dtype).itemsize <= limit
        or (n, d) == metafunc.module.SIZES[0]
    ]
    names = [f"{n}x{d}-{dtype.__name__}" for n, d, dtype in cases]
    metafunc.parametrize("problem", cases, indirect=True, ids=names)


@pytest.fixture(scope="module")  # made once a size, and gone before the next one
def problem(request: pytest.FixtureRequest) -> Problem:
    n, d, dtype = request.param
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype)
    y = X @ np.ones(d, dtype) + rng.standard_normal(n, dtype) + dtype(1)
    disabled = request.config.getoption("benchmark_disable")
    n_steps = 2 if disabled else max(2, CALL_VALUES // (n * d))
    params, trace = np.zeros(d + 1), np.empty((n_steps, 3))
    rates = np.full(n_steps, RATE)
    _reference.descend(0, X, y, None, None, params, rates, trace, None)
    return Problem(X, y, rates, params, trace[:, 0])


@pytest.fixture(scope="session")
def cpu(request: pytest.FixtureRequest) -> str:
    if request.config.getoption("benchmark_disable"):
        return ""  # asking takes a second
    return str(get_cpu_info()["brand_raw"])


@pytest.fixture
def measure(benchmark: Any, cpu: str) -> Callable[..., Any]:
    """Return a function that times another one and notes what it did."""

    def measure(
        function: Callable[[], Any],
        case: str,
        contestant: str,
        X: Floats,
        y: Floats,
        passes: int,
        threads: int = 1,
    ) -> Any:
        """Time a function that goes over X and y `passes` times."""
        n, d = X.shape
        benchmark.group = f"{case} {n} x {d} {X.dtype}"
        with threadpool_limits(threads, user_api="blas"):
            result = benchmark(function)
        benchmark.extra_info |= {
            "case": case,
            "n_samples": n,
            "n_features": d,
            "dtype": str(X.dtype),
            "contestant": contestant,
            "threads": threads,
            "passes": passes,
            "cpu": cpu,
            "kernel": Path(_kernel.__file__).name,
            "version": gdfast.__version__,
        }
        if benchmark.enabled:
            passes_per_s = passes / benchmark.stats.stats.min
            benchmark.extra_info["rows_per_s"] = n * passes_per_s
            benchmark.extra_info["gb_per_s"] = (
                (X.nbytes + y.nbytes) * passes_per_s / 1e9
            )
        return result

    return measure
