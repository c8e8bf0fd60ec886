"""SGDRegressor and SGDClassifier: gdfast's and scikit-learn's, by class and parameters.

GB/s are those of X and y, read once an epoch. Whole calls of `fit` are timed, with all
of their checks; on few rows little else is left of them, least where `fit` makes one
epoch.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import linear_model

import gdfast.sklearn

pytestmark = pytest.mark.benchmark(max_time=0.1, min_rounds=3)

CONTESTANTS = {"gdfast": gdfast.sklearn, "scikit-learn": linear_model}
EPOCHS = 3
DENSE = ((10**4, 8), (10**6, 8), (250_000, 32), (60_000, 128), (15_000, 512))
DENSE += ((2_000, 4096),)
SPARSE = ((10**3, 2**10, 10), (10**5, 2**18, 60))  # rows, columns, values of a row
N_CLASSES = 20
params = {"max_iter": EPOCHS, "tol": None, "random_state": 0}
contestants = pytest.mark.parametrize("contestant", CONTESTANTS)


def pytest_generate_tests(metafunc):
    limit = metafunc.config.getoption("max_bytes")
    if "dense" in metafunc.fixturenames:
        sizes = [
            (n, d, dtype)
            for n, d in DENSE
            for dtype in (np.float64, np.float32)
            if n * d * np.dtype(dtype).itemsize <= limit or (n, d) == DENSE[0]
        ]
        names = [f"{n}x{d}-{dtype.__name__}" for n, d, dtype in sizes]
        metafunc.parametrize("dense", sizes, ids=names)
    if "sparse" in metafunc.fixturenames:
        sizes = [size for size in SPARSE if 12 * size[0] * size[2] <= limit]
        sizes = sizes or SPARSE[:1]
        names = [f"{n}x{d}" for n, d, _ in sizes]
        metafunc.parametrize("sparse", sizes, indirect=True, ids=names)


@pytest.fixture(scope="module")
def sparse(request):
    """Return sparse rows like those of texts: few columns are common."""
    n, d, per_row = request.param
    rng = np.random.default_rng(0)
    columns = (d * rng.random((n, per_row)) ** 3).astype(np.int32)
    data = rng.random((n, per_row))
    indptr = np.arange(0, n * per_row + 1, per_row, dtype=np.int32)
    X = sp.csr_array((data.ravel(), columns.ravel(), indptr), shape=(n, d))
    X.sum_duplicates()
    X.nbytes = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    return X


@contestants
def test_dense(contestant, dense, measure):
    n, d, dtype = dense
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype)
    y = X @ np.ones(d, dtype) / np.sqrt(d) + rng.standard_normal(n, dtype)

    def fit(contestant=contestant):
        cls = CONTESTANTS[contestant].SGDRegressor
        return cls(**params, eta0=0.001).fit(X, y).coef_

    coef = measure(fit, "SGDRegressor", contestant, X, y, EPOCHS)
    if (n, d) == DENSE[0]:
        rtol = 1e-9 if dtype == np.float64 else 1e-4
        np.testing.assert_allclose(coef, fit("scikit-learn"), rtol)


@contestants
@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_sparse(contestant, penalty, sparse, measure):
    y = np.random.default_rng(1).integers(0, 2, sparse.shape[0])

    def fit():
        cls = CONTESTANTS[contestant].SGDClassifier
        return cls(**params, penalty=penalty).fit(sparse, y).coef_

    measure(fit, f"SGDClassifier sparse {penalty}", contestant, sparse, y, EPOCHS)


@contestants
@pytest.mark.parametrize("threads", [1, 2])
def test_classes(contestant, threads, sparse, measure):
    y = np.random.default_rng(1).integers(0, N_CLASSES, sparse.shape[0])

    def fit():
        cls = CONTESTANTS[contestant].SGDClassifier
        return cls(max_iter=1, tol=None, n_jobs=threads).fit(sparse, y).coef_

    case = f"SGDClassifier sparse {N_CLASSES} classes"
    measure(fit, case, contestant, sparse, y, N_CLASSES, threads)


@contestants
def test_classes_as_they_lie(contestant, sparse, measure):
    y = np.random.default_rng(1).integers(0, N_CLASSES, sparse.shape[0])

    def fit():
        cls = CONTESTANTS[contestant].SGDClassifier
        return cls(**params, shuffle=False).fit(sparse, y).coef_

    case = f"SGDClassifier sparse {N_CLASSES} classes as they lie"
    measure(fit, case, contestant, sparse, y, EPOCHS * N_CLASSES)


@contestants
@pytest.mark.parametrize(
    ("batch_size", "threads"), [(32, 1), (32, 2), (None, 1), (None, 2)], ids=str
)
def test_classes_in_one_reading(contestant, batch_size, threads, sparse, measure):
    y = np.random.default_rng(1).integers(0, N_CLASSES, sparse.shape[0])
    theirs = linear_model.SGDClassifier(**params, n_jobs=threads)
    ours = gdfast.sklearn.GDClassifier(
        "hinge", optimizer="gd", learning_rate=0.1, max_iter=EPOCHS, gtol=None,
        batch_size=batch_size, n_threads=threads, random_state=0,
    )  # fmt: skip
    model = ours if contestant == "gdfast" else theirs
    case = f"GDClassifier sparse {N_CLASSES} classes"
    case += " in batches" if batch_size else ""
    passes = EPOCHS * N_CLASSES
    measure(lambda: model.fit(sparse, y), case, contestant, sparse, y, passes, threads)


@contestants
@pytest.mark.parametrize("name", ["SGDRegressor", "SGDClassifier"])
@pytest.mark.parametrize("method", ["fit", "fit once", "partial_fit", "predict"])
def test_few_rows(contestant, name, method, measure):
    rng = np.random.default_rng(0)
    method, _, once = method.partition(" ")
    n, d = (100, 5) if method == "fit" else (32, 10)
    X = rng.standard_normal((n, d))
    y = X @ np.arange(float(d)) + rng.standard_normal(n)
    if name == "SGDClassifier":
        y = (y > 0).astype(int)
    options = {"max_iter": 1, "tol": None} if once else {}
    model = getattr(CONTESTANTS[contestant], name)(random_state=0, **options).fit(X, y)
    passes = model.n_iter_ if method == "fit" else 1
    if method == "predict":
        X, y = X[:1].copy(), y[:1]

    def call():
        return model.predict(X) if method == "predict" else getattr(model, method)(X, y)

    case = f"{name}.{method} few rows {once}".strip()
    measure(call, case, contestant, X, y, passes)
