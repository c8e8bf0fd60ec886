"""The gradient of sparse rows: the kernel, and SciPy's products with X and with X.T.

GB/s are those of values, indices and y, counted once whoever reads them how often.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from gdfast.csr import CSR
from gdfast.losses import SquaredError
from gdfast.sums import Examples, Summation
from gdfast.threads import Team

pytestmark = pytest.mark.benchmark(max_time=0.1, min_rounds=5)

# Rows, features, values a row, and whether few columns have most, as words do.
CASES = {
    "small": (10**3, 100, 10, False),
    "narrow": (10**6, 1000, 10, False),
    "even": (10**5, 10**4, 100, False),
    "text": (10**5, 1 << 18, 60, True),
    "wide": (10**5, 10**6, 50, False),
}
INDICES = (np.int32, np.int64)


def columns_of(n_values: int, n_features: int, uneven: bool) -> NDArray[np.intp]:
    """Return columns at random; if uneven, the k-th most frequent one as 1 / k."""
    rng = np.random.default_rng(0)
    if not uneven:
        return rng.integers(0, n_features, n_values)
    shares = np.cumsum(1 / np.arange(1, n_features + 1))
    ranks = np.searchsorted(shares, rng.random(n_values) * shares[-1])
    return rng.permutation(n_features)[ranks]


def pytest_generate_tests(metafunc):
    limit = metafunc.config.getoption("max_bytes")
    cases = [
        case
        for case, (n, _, per_row, _) in CASES.items()
        if 16 * n * per_row <= limit or case == "small"
    ]
    metafunc.parametrize("matrix", cases, indirect=True)


@pytest.fixture(scope="module")
def matrix(request):
    n, d, per_row, uneven = CASES[request.param]
    rng = np.random.default_rng(1)
    n_values = n * per_row
    starts = np.arange(0, n_values + 1, per_row)
    stored = rng.standard_normal(n_values), columns_of(n_values, d, uneven), starts
    X = sparse.csr_array(stored, shape=(n, d))
    X.sum_duplicates()
    return request.param, X, rng.standard_normal(n), rng.standard_normal(d + 1)


def by_scipy(X, y, params):
    slope = X @ params[:-1]
    slope += params[-1]
    slope -= y
    slope *= 2
    return np.append(X.T @ slope, slope.sum())


@pytest.mark.parametrize("contestant", ["gdfast-1", "gdfast-2", "scipy-1"])
@pytest.mark.parametrize("index", INDICES, ids=["int32", "int64"])
def test_gradient(contestant, index, matrix, measure):
    case, X, y, params = matrix
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    X.nbytes = X.data.nbytes + X.indices.nbytes
    name, threads = contestant.split("-")
    rows = CSR(X.data, X.indices, X.indptr, X.shape[1])
    with Team(int(threads)) as team:
        summation = Summation(SquaredError(), Examples(rows, y), team)

        def gradient():
            if name == "scipy":
                return by_scipy(X, y, params)
            return summation.gradient(params).gradient

        same = f"gradient of {case} {index.__name__}"
        found = measure(gradient, same, name, X, y, 1, int(threads))
    np.testing.assert_allclose(found, by_scipy(X, y, params), 1e-8, 1e-8)
