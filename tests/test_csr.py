"""Sparse matrices: the same model as of the same numbers in full, and safe."""

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gdfast
from gdfast import ConvergenceWarning, drivers, sums
from gdfast.csr import CSR
from gdfast.losses import LOSSES, Domain
from gdfast.scaling import column_scales
from gdfast.sums import Examples
from gdfast.threads import Team

sparse = pytest.importorskip("scipy.sparse")

# "multinomial" has no single output; its tests are in test_outputs.py.
SINGLE = {k: loss for k, loss in LOSSES.items() if loss.domain is not Domain.CLASS}
INDEX_TYPES = [np.int32, np.int64]
FLOAT_TYPES = [np.float32, np.float64]
FORMULAS = {  # loss and slope
    0: lambda z, y: ((z - y) ** 2, 2 * (z - y)),
    1: lambda z, y: ((z - y) ** 2 / 2, z - y),
    2: lambda z, y: (np.log1p(np.exp(z)) - y * z, 1 / (1 + np.exp(-z)) - y),
}
OPTIONS = [
    {},
    {"fit_intercept": False},
    {"standardize": True},
    {"standardize": True, "fit_intercept": False},
    {"learning_rate": 0.01},
]


def matrix(rng, n, d, density=0.2, dtype=np.float64):
    """Return a matrix that has empty rows and columns if it can."""
    X = sparse.random(n, d, density, format="csr", rng=rng, dtype=dtype)
    X.data -= dtype(0.25)
    if n > 3:
        X = sparse.vstack([X[:1], sparse.csr_matrix((2, d), dtype=dtype), X[3:]])
    return sparse.csr_matrix(X)


def disordered(rng, X):
    """Return the same numbers out of order, as sums of two and beside zeros."""
    rows = np.repeat(np.arange(X.shape[0]), 3 * np.diff(X.indptr))
    beside = (X.indices + 1) % X.shape[1]
    columns = np.stack([X.indices, X.indices, beside], axis=1).ravel()
    half = X.data / 2  # exact
    data = np.stack([half, half, np.zeros_like(half)], axis=1).ravel()
    order = np.lexsort((rng.permutation(len(rows)), rows))
    return sparse.csr_matrix((data[order], columns[order], 3 * X.indptr), X.shape)


def arrays(X, index=np.int32, pointer=np.int32):
    return X.data, X.indices.astype(index), X.indptr.astype(pointer)


def add(kernel, X, y, weight, params, kind=0, index=np.int32, pointer=np.int32):
    gradient = np.zeros_like(params)
    totals = kernel.add_gradient_csr(
        kind, 0.0, *arrays(X, index, pointer), y, weight, X.shape[1], params, gradient
    )
    return gradient, *totals


def train(X, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return gdfast.train(X, y, **{"history": "full", **options})


def assert_same_run(found, expected, rtol=1e-10):
    """Compare every row of two histories."""
    assert found.n_iter == expected.n_iter
    for name in ("loss", "coef", "intercept"):
        if name in expected.history.array.dtype.names:
            size = np.abs(expected.history[name]).max()
            np.testing.assert_allclose(
                found.history[name], expected.history[name], rtol, rtol * size
            )


# ----------------------------------------------------------------------- the kernel


@pytest.mark.parametrize("dtype", FLOAT_TYPES)
@pytest.mark.parametrize("y_dtype", FLOAT_TYPES)
@pytest.mark.parametrize("index", INDEX_TYPES)
@pytest.mark.parametrize("pointer", INDEX_TYPES)
@pytest.mark.parametrize("kind", FORMULAS)
def test_sums_equal_longdouble(kernel, rng, dtype, y_dtype, index, pointer, kind):
    for n, d, density in [(1, 1, 1), (41, 7, 0.3), (9, 3000, 0.9), (700, 5, 0.5)]:
        X = disordered(rng, matrix(rng, n, d, density, dtype))
        y = rng.uniform(0, 1, n).astype(y_dtype)
        wide = np.zeros((n, d), np.longdouble)
        row = np.repeat(np.arange(n), np.diff(X.indptr))
        np.add.at(wide, (row, X.indices), X.data.astype(np.longdouble))
        for weight in (None, rng.uniform(0, 2, n)):
            params = rng.standard_normal(d + n % 2) / np.sqrt(d)
            s = np.ones(n, np.longdouble) if weight is None else weight
            z = (wide * params[:d]).sum(axis=1) + params[d:].sum()
            loss, slope = FORMULAS[kind](z, y)
            expected = (s * slope) @ wide
            if n % 2:
                expected = np.append(expected, (s * slope).sum())
            found, loss_sum, weight_sum = add(
                kernel, X, y, weight, params, kind, index, pointer
            )
            size = float(np.abs(s * slope).sum())
            np.testing.assert_allclose(found, expected.astype(float), 0, 1e-14 * size)
            assert loss_sum == pytest.approx(float((s * loss).sum()), 1e-13)
            assert weight_sum == pytest.approx(float(np.sum(s)), 1e-15)


def test_sums_equal_products_of_scipy(kernel, rng):
    X, y = matrix(rng, 2000, 300, 0.1), rng.standard_normal(2000)
    params = rng.standard_normal(301)
    residual = X @ params[:-1] + params[-1] - y
    gradient, loss_sum, weight_sum = add(kernel, X, y, None, params)
    np.testing.assert_allclose(gradient[:-1], 2 * (X.T @ residual), 1e-11, 1e-11)
    assert gradient[-1] == pytest.approx(2 * residual.sum(), 1e-10)
    assert loss_sum == pytest.approx(residual @ residual, 1e-12)
    assert weight_sum == 2000


def test_parts_of_indptr_are_parts_of_the_rows(kernel, rng):
    # Whole numbers, so that sums are exact in any order.
    X = matrix(rng, 900, 9, 0.4)
    X.data = np.round(8 * X.data)
    y, weight = rng.integers(-8, 9, (2, 900)).astype(float)
    params = rng.integers(-4, 5, 10).astype(float)
    weight = np.abs(weight)
    whole = add(kernel, X, y, weight, params)
    gradient, loss_sum, weight_sum = np.zeros(10), 0.0, 0.0
    for start, stop in [(0, 1), (1, 3), (3, 500), (500, 900)]:
        totals = kernel.add_gradient_csr(
            *(0, 0.0, X.data, X.indices, X.indptr[start : stop + 1]),
            *(y[start:stop], weight[start:stop], 9, params, gradient),
        )
        loss_sum, weight_sum = loss_sum + totals[0], weight_sum + totals[1]
    assert gradient.tolist() == whole[0].tolist()
    assert (loss_sum, weight_sum) == whole[1:]


def test_rows_that_store_nothing_have_a_loss(kernel):
    X, y = sparse.csr_matrix((3, 2)), np.array([1.0, 2.0, 3.0])
    gradient, loss_sum, weight_sum = add(kernel, X, y, None, np.array([5.0, 7.0, 1.0]))
    assert gradient.tolist() == [0.0, 0.0, 2 * (0 - 1 - 2)]
    assert (loss_sum, weight_sum) == (0 + 1 + 4, 3)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_every_width_of_vectors_gives_the_same_bits(builds, data):
    n, d = data.draw(st.integers(1, 600), "n"), data.draw(st.integers(1, 50), "d")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    dtype = data.draw(st.sampled_from(FLOAT_TYPES), "dtype")
    X = matrix(rng, n, d, data.draw(st.floats(0, 1), "density"), dtype)
    y = rng.uniform(0, 1, n).astype(dtype)
    weight = rng.uniform(0, 2, n) if data.draw(st.booleans(), "weighted") else None
    params = rng.standard_normal(d + data.draw(st.booleans(), "intercept"))
    kind = data.draw(st.integers(0, 2), "kind")
    plain, wide = (add(kernel, X, y, weight, params, kind) for kernel in builds)
    assert plain[0].tobytes() == wide[0].tobytes()
    assert plain[1:] == wide[1:]


GOOD = {
    "kind": 0,
    "param": 0.0,
    "data": np.ones(3),
    "indices": np.array([0, 1, 1]),
    "indptr": np.array([0, 1, 3]),
    "y": np.ones(2),
    "sample_weight": None,
    "n_features": 2,
    "params": np.zeros(3),
    "gradient": np.zeros(3),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"indptr": np.zeros(1, int), "y": np.ones(0)}, "at least one row"),
        ({"indptr": np.zeros(0, int), "y": np.ones(0)}, "at least one row"),
        ({"n_features": 0}, "one column"),
        ({"n_features": -1}, "one column"),
        ({"y": np.ones(3)}, "y must have one value"),
        ({"sample_weight": np.ones(3)}, "sample_weight must have one value"),
        ({"indptr": np.array([-1, 1, 3])}, "indptr must stay within data"),
        ({"indptr": np.array([0, 1, 4])}, "indptr must stay within data"),
        ({"indptr": np.array([0, 2**40, 3])}, "indptr must not fall"),
        ({"indptr": np.array([0, -1, 3])}, "indptr must not fall"),
        ({"indptr": np.array([2, 1, 3])}, "indptr must not fall"),
        ({"params": np.zeros(4)}, "params must have n_features"),
        ({"kind": 13}, "unknown loss number 13"),
        ({"gradient": np.zeros(2)}, "gradient must have the shape of params"),
        ({"indices": np.array([0, 1])}, "indices must have one value for each"),
        ({"indices": np.array([0, 1, 1, 1])}, "indices must have one value for each"),
        ({"indices": np.array([0, 1, 2])}, "indices must be from 0 to n_features - 1"),
        ({"indices": np.array([0, -1, 0])}, "indices must be from 0 to n_features - 1"),
        ({"indices": np.array([0, 2**40, 0])}, "indices must be from 0 to n_feat"),
    ],
)
def test_wrong_rows_are_errors(kernel, change, message):
    with pytest.raises(ValueError, match=message):
        kernel.add_gradient_csr(**{**GOOD, **change})


# ---------------------------------------------------------------------- whole runs


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("dtype", FLOAT_TYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_every_step_is_that_of_the_full_matrix(rng, options, name, dtype, weighted):
    X = matrix(rng, 300, 20, 0.3, dtype)
    y = (rng.uniform(0, 1, 300) < 0.5).astype(float)
    weight = rng.integers(0, 3, 300) if weighted else None
    options = {**options, "loss": name, "max_iter": 60, "sample_weight": weight}
    if np.isinf(LOSSES[name].max_curvature):  # no "auto", or one that follows rounding
        options["learning_rate"] = 0.01
    expected = train(X.toarray(), y, **options)
    for same in (X, disordered(rng, X)):
        found = train(same, y, **options)
        assert_same_run(found, expected)
        assert found.method == "passes"
        assert found.learning_rate == pytest.approx(expected.learning_rate, 1e-9)
        prediction = expected.predict(X.toarray())
        np.testing.assert_allclose(found.predict(same), prediction, 1e-9, 1e-12)
        coef, intercept = found.coef, found.intercept
        model = (y, coef, intercept)
        chosen = {"loss": name, "sample_weight": weight}
        loss = gdfast.loss(X.toarray(), *model, **chosen)
        assert gdfast.loss(same, *model, **chosen) == pytest.approx(loss, 1e-12)
        got, slope = gdfast.gradient(same, *model, **chosen)
        full, full_slope = gdfast.gradient(X.toarray(), *model, **chosen)
        np.testing.assert_allclose([*got, slope], [*full, full_slope], 0, 1e-12)


@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
def test_every_format_is_its_numbers(rng, kind, form):
    X, y = matrix(rng, 30, 6), rng.standard_normal(30)
    same = getattr(sparse, f"{form}_{kind}")(X)
    assert same.format == form
    expected = train(X.toarray(), y, max_iter=20)
    assert_same_run(train(same, y, max_iter=20), expected)
    np.testing.assert_allclose(expected.predict(same), expected.predict(X.toarray()))


@pytest.mark.parametrize("index", [*INDEX_TYPES, np.int16, np.uint64, ">i4"])
@pytest.mark.parametrize("pointer", [*INDEX_TYPES, np.uint8, ">i8"])
def test_every_type_of_index(rng, index, pointer):
    X, y = matrix(rng, 30, 6), rng.standard_normal(30)
    expected = train(X, y, max_iter=20)
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(pointer)
    assert train(X, y, max_iter=20).coef.tolist() == expected.coef.tolist()


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint32, np.int64, ">f8", "f2"])
def test_every_type_of_values(rng, dtype):
    X, y = matrix(rng, 30, 6), rng.standard_normal(30)
    X.data = np.round(X.data * 4) % 2
    expected = train(X, y, max_iter=20)
    X.data = X.data.astype(dtype)
    assert train(X, y, max_iter=20).coef.tolist() == expected.coef.tolist()


@pytest.mark.parametrize("dtype", FLOAT_TYPES)
@pytest.mark.parametrize("index", INDEX_TYPES)
def test_arrays_are_read_in_place_and_left_as_they_are(rng, dtype, index):
    X = disordered(rng, matrix(rng, 50, 6, dtype=dtype))
    X.data, X.indices, X.indptr = arrays(X, index, index)
    before = [each.tobytes() for each in (X.data, X.indices, X.indptr)]
    for each in (X.data, X.indices, X.indptr):
        each.setflags(write=False)
    rows, _ = gdfast._validation.check_X(X)
    assert np.shares_memory(rows.data, X.data)
    assert np.shares_memory(rows.indices, X.indices)
    assert np.shares_memory(rows.indptr, X.indptr)
    train(X, rng.standard_normal(50), standardize=True, max_iter=5).predict(X)
    assert [each.tobytes() for each in (X.data, X.indices, X.indptr)] == before


def test_a_slice_of_longer_arrays(rng):
    X, y = matrix(rng, 30, 6), rng.standard_normal(30)
    expected = train(X, y, max_iter=20)
    spare = np.full(9, 7)
    X.data, X.indices = np.r_[X.data, spare * np.nan], np.r_[X.indices, spare]
    assert train(X, y, max_iter=20).coef.tolist() == expected.coef.tolist()


# ------------------------------------------------------------------------- threads


@pytest.mark.parametrize("standardize", [False, True])
def test_any_number_of_threads_gives_the_same_bits(rng, monkeypatch, standardize):
    monkeypatch.setattr(sums, "CHUNK_VALUES", 500)
    monkeypatch.setattr(drivers, "CHUNK_VALUES", 500)
    X, y = matrix(rng, 2000, 15), rng.standard_normal(2000)
    X = sparse.vstack([X, sparse.csr_matrix((3000, 15))]).tocsr()
    y = np.r_[y, np.zeros(3000)]
    assert len(Examples(CSR(*arrays(X), 15), y).parts()) > 10
    options = {"standardize": standardize, "max_iter": 30}
    fits = [train(X, y, n_threads=n, **options) for n in (1, 2, 3, 7)]
    assert len({fit.history.array.tobytes() for fit in fits}) == 1
    assert len({fit.learning_rate for fit in fits}) == 1
    monkeypatch.undo()
    assert_same_run(fits[0], train(X.toarray(), y, **options))


@pytest.mark.parametrize("n_outputs", [1, 4])
def test_sums_of_pieces_are_those_of_all_rows(rng, monkeypatch, n_outputs):
    loss, X = LOSSES["huber"](), matrix(rng, 2000, 15)
    y = rng.standard_normal(2000 * n_outputs)
    params = rng.standard_normal(16 * n_outputs)
    columns = None if n_outputs > 1 else np.array([rng.random(15), np.arange(1.0, 16)])
    rows = Examples(CSR(*arrays(X), 15), y, None, columns, n_outputs)
    with Team(2) as team:
        whole = sums.Summation(loss, rows, team).gradient(params)
        monkeypatch.setattr(sums, "CHUNK_VALUES", 500 * n_outputs)
        monkeypatch.setattr(sums, "MIN_CHUNK_STORED", 10**6)
        assert len(list(rows.pieces())) > 10
        assert len(rows.parts()) == 1
        summation = sums.Summation(loss, rows, team)
        found = summation.gradient(params)
        np.testing.assert_allclose(found.gradient, whole.gradient, 1e-11)
        losses = found.loss_sum, 2000 * summation.mean_loss(params)
        np.testing.assert_allclose(losses, whole.loss_sum, 1e-14)
        team.stopped = True  # by Ctrl-C: what has begun is given up
        assert sums.add_up(loss, rows, params, team).weight_sum == 0
        team.stopped = False


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 100))
def test_chunks_hold_all_rows_and_few_values(counts, most):
    indptr = np.r_[0, np.cumsum(counts)].astype(np.int32)
    n_stored = indptr[-1]
    X = CSR(np.ones(n_stored), np.zeros(n_stored, np.int32), indptr, 1)
    parts = list(X.chunks(most))
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert parts[-1].stop == len(counts)
    work = [sum(counts[part]) + part.stop - part.start for part in parts]
    for part, size, following in zip(parts, work, [*parts[1:], None], strict=True):
        assert size <= most or part.stop - part.start == 1
        if following is not None:  # the next row did not fit
            assert size + counts[following.start] + 1 > most


# -------------------------------------------------------------------- standardising


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", FLOAT_TYPES)
def test_scales_equal_longdouble(rng, center, weighted, dtype):
    X = sparse.hstack(
        [
            matrix(rng, 400, 6, 0.3, dtype),
            sparse.csr_matrix(rng.normal(5, 1, (400, 2)).astype(dtype)),  # full
            sparse.csr_matrix((400, 1)),  # zeros
            sparse.csr_matrix(np.full((400, 1), 3.0)),  # constant
            1e-150 * matrix(rng, 400, 1, 0.3),
        ]
    ).tocsr()
    weight = rng.integers(0, 3, 400).astype(float) if weighted else None
    rows = disordered(rng, X)
    rows = CSR(rows.data, rows.indices, rows.indptr, X.shape[1])
    found = column_scales(Examples(rows, np.zeros(400), weight), center, Team(1))
    wide = X.toarray().astype(np.longdouble)
    s = np.ones(400) if weight is None else weight
    mean = s @ wide / s.sum() if center else np.zeros(X.shape[1])
    deviation = np.sqrt(s @ (wide - mean) ** 2 / s.sum())
    deviation[8] = 1
    if center:
        deviation[9] = 1
    np.testing.assert_allclose(found[0], mean.astype(float), 1e-13, 1e-300)
    np.testing.assert_allclose(found[1], (1 / deviation).astype(float), 1e-12)


def test_values_of_rows_without_weight_set_no_scale(rng):
    X = matrix(rng, 100, 4, 0.5)
    y, weight = rng.standard_normal(100), np.ones(100)
    weight[50:] = 0
    expected = train(X[:50], y[:50], standardize=True, max_iter=30)
    X.data[X.indptr[50] :] *= 1e6
    found = train(X, y, sample_weight=weight, standardize=True, max_iter=30)
    assert_same_run(found, expected)


# --------------------------------------------------------------------- bad matrices


def broken(name, **changes):
    """Return a matrix that SciPy would not have made so."""
    X = getattr(sparse, f"{name}_matrix")(
        [[1.0, 0, 2], [0, 3, 0], [4, 5, 6], [0, 0, 7]]
    )
    for attribute, value in changes.items():
        setattr(X, attribute, value)
    return X


def at(array, place, value):
    array = array.copy()
    array[place] = value
    return array


FINE = broken("csr")
FINE_CSC = broken("csc")
LONG = broken("coo").col.astype(np.int64)
BAD = {
    "index above": ("csr", {"indices": at(FINE.indices, 2, 3)}),
    "index far above": ("csr", {"indices": at(FINE.indices, -1, 2**31 - 1)}),
    "index below": ("csr", {"indices": at(FINE.indices, 0, -1)}),
    "long index": ("csr", {"indices": at(FINE.indices.astype(np.int64), 0, 2**62)}),
    "unsigned index": ("csr", {"indices": at(FINE.indices.astype("u8"), 0, 2**64 - 1)}),
    "indptr from 1": ("csr", {"indptr": at(FINE.indptr, 0, 1)}),
    "indptr below 0": ("csr", {"indptr": at(FINE.indptr, 0, -1)}),
    "indptr falls": ("csr", {"indptr": at(FINE.indptr, 2, 1)}),
    "indptr far above": ("csr", {"indptr": at(FINE.indptr, 2, 2**30)}),
    "indptr above": ("csr", {"indptr": at(FINE.indptr, -1, 8)}),
    "indptr short": ("csr", {"indptr": FINE.indptr[:-1]}),
    "indptr long": ("csr", {"indptr": np.r_[FINE.indptr, 7]}),
    "indptr empty": ("csr", {"indptr": FINE.indptr[:0]}),
    "indices short": ("csr", {"indices": FINE.indices[:-1]}),
    "data short": ("csr", {"data": FINE.data[:-1]}),
    "csc index": ("csc", {"indices": at(FINE_CSC.indices, 2, 2**31 - 1)}),
    "csc indptr": ("csc", {"indptr": at(FINE_CSC.indptr, 1, 2**30)}),
    "coo row": ("coo", {"row": at(broken("coo").row, 3, 2**30)}),
    "coo column": ("coo", {"col": at(broken("coo").col, 3, -5)}),
    "coo long column": ("coo", {"coords": (np.arange(7) % 4, at(LONG, 3, 2**32 + 1))}),
    "coo short": ("coo", {"data": broken("coo").data[:-1]}),
    "bsr index": ("bsr", {"indices": at(broken("bsr").indices, 0, 2**30)}),
    "nan": ("csr", {"data": at(FINE.data, 3, np.nan)}),
    "inf": ("csr", {"data": at(FINE.data, 3, np.inf)}),
    "float indices": ("csr", {"indices": FINE.indices.astype(float)}),
    "two lines": ("csr", {"indices": FINE.indices[:, None]}),
    "complex": ("csr", {"data": FINE.data * 1j}),
}
Y = np.array([1.0, 2.0, 3.0, 5.0])
MODEL = gdfast.train(FINE, Y)
CALLS = {
    "train": lambda X: gdfast.train(X, Y),
    "train standardized": lambda X: gdfast.train(X, Y, standardize=True),
    "train at a rate": lambda X: gdfast.train(X, Y, learning_rate=1e-3),
    "loss": lambda X: gdfast.loss(X, Y, [1.0, 2.0, 3.0]),
    "gradient": lambda X: gdfast.gradient(X, Y, [1.0, 2.0, 3.0]),
    "predict": MODEL.predict,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("name", BAD)
def test_a_bad_matrix_is_an_error(call, name):
    form, changes = BAD[name]
    X = broken(form, **changes)
    wrong_types = {"float indices", "two lines", "complex"}
    error = TypeError if name in wrong_types else ValueError
    with pytest.raises(error, match=r"^X (is a sparse matrix|has |must hold real)"):
        call(X)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_an_empty_matrix_is_an_error(shape):
    with pytest.raises(ValueError, match="X must have at least one row and one column"):
        gdfast.train(sparse.csr_matrix(shape), np.ones(shape[0]))


def test_one_dimension_is_an_error():
    with pytest.raises(ValueError, match="X must have two dimensions"):
        gdfast.train(sparse.coo_array(np.ones(4)), Y)


def test_the_place_of_a_bad_value_is_named():
    X = broken("csr", data=at(FINE.data, 5, np.inf))
    with pytest.raises(
        ValueError, match=r"^X has an infinite value \(inf\) at \[2, 2\]"
    ):
        gdfast.train(X, Y)


def test_sparse_targets_and_weights_are_errors():
    with pytest.raises(TypeError, match="y is a sparse matrix"):
        gdfast.train(FINE, sparse.csr_matrix(Y))
    with pytest.raises(TypeError, match="sample_weight is a sparse matrix"):
        gdfast.train(FINE, Y, sample_weight=sparse.csr_matrix(Y))


def test_another_number_of_columns_than_coefficients():
    with pytest.raises(ValueError, match="X has 2 columns, but the model has 3"):
        MODEL.predict(sparse.csr_matrix(np.ones((1, 2))))


def test_an_index_that_a_callback_breaks_is_an_error():
    X = FINE.copy()

    def spoil(_):
        X.indices[0] = 2**30

    with pytest.raises(ValueError, match="indices must be from 0"):
        gdfast.train(X, Y, callback=spoil)


# --------------------------------------------------------------- what follows a run


def test_what_a_run_says_is_that_of_the_full_matrix(rng):
    X = matrix(rng, 200, 10, 0.5)
    X.data *= np.where(X.indices == 3, 1000.0, 1.0)
    y = rng.standard_normal(200)
    for options in ({"max_iter": 50}, {"max_iter": 50, "learning_rate": 1e-9}):
        found, expected = train(X, y, **options), train(X.toarray(), y, **options)
        assert "standardize=True" in expected.stop_reason
        assert found.stop_reason == expected.stop_reason
    for data in (X, X.toarray()):
        with pytest.raises(gdfast.DivergenceError, match="largest stable one, [0-9]"):
            train(data, y, learning_rate=1.0)


def test_a_small_matrix_is_kept_until_a_fit_is_asked(rng):
    X, y = matrix(rng, 20, 3), rng.standard_normal(20)
    expected = str(train(X, y, max_iter=5))
    fit = train(X, y, max_iter=5)
    X.data[:] = 1e9
    assert str(fit) == expected


def test_many_rows_that_store_nothing_are_not_kept():
    n = 100_000
    fit = train(sparse.csr_matrix((n, 2)), np.ones(n), learning_rate=0.1, max_iter=2)
    assert not callable(fit.__dict__["stop_reason"])


def test_a_matrix_of_zeros_has_a_rate():
    fit = train(sparse.csr_matrix((5, 2)), np.ones(5), fit_intercept=False, max_iter=3)
    assert (fit.learning_rate, fit.coef.tolist()) == (1.0, [0.0, 0.0])


def test_a_wide_matrix_is_never_made_full(rng):
    n = 100_000
    X = sparse.random(n, n, 3e-5, format="csr", rng=rng)
    y = X @ rng.standard_normal(n)
    for options in ({}, {"standardize": True}):
        tracemalloc.start()
        fit = gdfast.train(X, y, max_iter=5, **options)
        fit.predict(X)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # 40 vectors of the Lanczos method, 0.8 MB each; in full it were 80 GB.
        assert peak < 60e6
    loss = gdfast.loss(X, y, fit.coef, fit.intercept)
    assert loss == pytest.approx(fit.loss, 1e-9)
    assert fit.loss < np.var(y)


def test_a_logistic_fit_equals_that_of_scikit_learn(rng):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X = matrix(rng, 500, 8, 0.4)
    y = (X @ rng.standard_normal(8) + rng.logistic(size=500) > 0).astype(float)
    fit = gdfast.train(X, y, loss="log_loss", gtol=1e-9, max_iter=200_000)
    other = linear_model.LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000)
    other.fit(X, y)
    np.testing.assert_allclose(fit.coef, other.coef_[0], 1e-5, 1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("rate", [10.0, 1e40, 1e300])
def test_a_run_that_diverges_does_so_without_warnings(rng, standardize, rate):
    X = matrix(rng, 60, 4, 0.5)
    with pytest.raises(gdfast.DivergenceError):
        gdfast.train(X, rng.random(60), standardize=standardize, learning_rate=rate)
