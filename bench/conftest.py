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
from bench.gdfast_loops import in_kernel
from gdfast import _kernel, _reference
from gdfast.losses import LOSSES

collect_ignore = ["pictures.py", "report.py"]  # scripts, which import what is beside
Floats = NDArray[Any]
Doubles = NDArray[np.float64]

# Values of X that a timed call goes through at least, where a step counts as some more:
# then it takes milliseconds, and neither the clock nor the call has a part in it.
CALL_VALUES = 10_000_000
STEP_VALUES = 4_000  # of NumPy's calls in a step
# gdfast makes the same run again within a timed call, so often that 15 % more time is
# more than the millisecond that bench/compare.py overlooks.
GDFAST_CALL_VALUES = 100_000_000
GDFAST_STEP_VALUES = 400
RATE = 0.1  # stable on all problems: the least that is not is 0.37


class Problem(NamedTuple):
    """Data to descend on, and where the descent has to arrive.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_samples, n_features)
        Independent normal features.
    y : ndarray, dtype of `X`, shape (n_samples,)
        A linear function of them and normal noise; for log_loss, whether it is above 0.
    loss : str
        Name of the loss.
    rates : ndarray of float64, shape (n_steps,)
        Learning rate of every step.
    params : ndarray of float64, shape (n_features + 1,)
        Parameters after the last step.
    losses : ndarray of float64, shape (n_steps,)
        Mean loss before every step.
    """

    X: Floats
    y: Floats
    loss: str
    rates: Doubles
    params: Doubles
    losses: Doubles

    @property
    def rtol(self) -> float:
        """Return how near others must come: NumPy sums float32 in float32."""
        return 1e-9 if self.X.dtype == np.float64 else 1e-3

    @property
    def repeats(self) -> int:
        """Return how often gdfast makes the run in a timed call."""
        values = len(self.rates) * (self.X.size + GDFAST_STEP_VALUES)
        return max(1, GDFAST_CALL_VALUES // values)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--max-bytes",
        type=float,
        default=1e8,
        help="leave out data larger than this (default: %(default)g, two minutes; "
        "2e9 for everything, 0 for the smallest of every case)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "problem" not in metafunc.fixturenames:
        return
    limit = metafunc.config.getoption("max_bytes")
    cases = [
        (loss, n, d, dtype)
        for loss, sizes in metafunc.module.SIZES.items()
        if loss in LOSSES
        for n, d in sizes
        for dtype in getattr(metafunc.module, "DTYPES", (np.float64, np.float32))
        if n * d * np.dtype(dtype).itemsize <= limit or (n, d) == sizes[0]
    ]
    names = [f"{loss}-{n}x{d}-{dtype.__name__}" for loss, n, d, dtype in cases]
    metafunc.parametrize("problem", cases, indirect=True, ids=names)


@pytest.fixture(scope="module")  # made once a size, and gone before the next one
def problem(request: pytest.FixtureRequest) -> Problem:
    loss, n, d, dtype = request.param
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype)
    y = X @ np.ones(d, dtype) + rng.standard_normal(n, dtype) + dtype(1)
    if loss == "log_loss":
        y = (y > 0).astype(dtype)
    disabled = request.config.getoption("benchmark_disable")
    n_steps = 2 if disabled else max(2, CALL_VALUES // (X.size + STEP_VALUES))
    params, trace = np.zeros(d + 1), np.empty((n_steps, 3))
    rates = np.full(n_steps, RATE)
    _reference.descend(*in_kernel(loss), X, y, None, None, params, rates, trace, None)
    return Problem(X, y, loss, rates, params, trace[:, 0])


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
        repeats: int = 1,
    ) -> Any:
        """Time `repeats` calls of a function that goes over X and y `passes` times."""
        n, d = X.shape
        if not benchmark.enabled:
            repeats = 1
        passes *= repeats

        def often() -> Any:
            for _ in range(repeats):
                result = function()
            return result

        benchmark.group = f"{case} {n} x {d} {X.dtype}"
        with threadpool_limits(threads, user_api="blas"):
            result = benchmark(often)
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
