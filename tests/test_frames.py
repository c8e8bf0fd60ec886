"""Data frames: the numbers and names of their columns, or which column is no such."""

import numpy as np
import pytest

import gdfast
from gdfast._validation import check_X

A, B = np.array([1.0, 2.0, 4.0, 7.0, 5.0]), np.array([8.0, 3.0, 5.0, 1.0, 9.0])
Y = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
FLAG = A > 3
NUMPY_TYPES = ["float64", "float32", "float16", "int64", "int8", "uint16", "bool"]
NULLABLE = ["Float64", "Float32", "Int64", "Int16", "UInt8", "boolean"]


def assert_read(frame, expected, names=("a", "b")):
    values, found = check_X(frame)
    assert values.dtype in (np.float32, np.float64)
    assert values.tolist() == np.asarray(expected, float).tolist()
    assert found == names


@pytest.mark.parametrize("dtype", [*NUMPY_TYPES, *NULLABLE])
@pytest.mark.parametrize("other", ["float64", "Float64", "bool", "int8"])
def test_columns_of_pandas(dtype, other):
    pd = pytest.importorskip("pandas")
    a = FLAG if dtype in ("bool", "boolean") else A
    b = FLAG if other == "bool" else B
    frame = pd.DataFrame({"a": a, "b": b}).astype({"a": dtype, "b": other})
    assert_read(frame, np.c_[a, b])
    assert_read(frame[["a"]], a[:, None], ("a",))
    assert_read(frame["a"], a[:, None], ("a",))
    expected = gdfast.train(np.c_[A, B], a.astype(float), sample_weight=a + 1.0)
    fit = gdfast.train(np.c_[A, B], frame["a"], sample_weight=pd.Series(a + 1.0))
    assert fit.coef.tolist() == expected.coef.tolist()


@pytest.mark.parametrize("dtype", ["double", "float", "int64", "uint8", "bool"])
def test_columns_of_pandas_over_pyarrow(dtype):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    a = FLAG if dtype == "bool" else A
    frame = pd.DataFrame({"a": a, "b": B}).astype({"a": f"{dtype}[pyarrow]"})
    assert_read(frame, np.c_[a, B])
    assert_read(frame["a"], a[:, None], ("a",))
    frame.loc[1, "a"] = None
    with pytest.raises(ValueError, match=r"^X column 'a' has missing values"):
        gdfast.train(frame, Y)


@pytest.mark.parametrize("dtype", ["Float64", "Float32", "Int64", "UInt8", "Boolean"])
def test_columns_of_polars(dtype):
    pl = pytest.importorskip("polars")
    a = FLAG if dtype == "Boolean" else A
    frame = pl.DataFrame({"a": a, "b": B}).with_columns(
        pl.col("a").cast(getattr(pl, dtype))
    )
    assert_read(frame, np.c_[a, B])
    assert_read(frame["a"], a[:, None], ("a",))
    expected = gdfast.train(np.c_[A, B], a.astype(float))
    assert gdfast.train(np.c_[A, B], frame["a"]).coef.tolist() == expected.coef.tolist()


def test_columns_of_pyarrow():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": A, "b": FLAG, "c": pa.array([1, 2, 3, 4, 5], pa.int8())})
    assert_read(table, np.c_[A, FLAG, 1:6], ("a", "b", "c"))
    fit = gdfast.train(np.c_[A, B], table["c"], sample_weight=pa.array(A))
    expected = gdfast.train(np.c_[A, B], np.arange(1.0, 6), sample_weight=A)
    assert fit.coef.tolist() == expected.coef.tolist()
    with pytest.raises(TypeError, match=r"^X column 'd' must hold numbers, got 'u'"):
        gdfast.train(table.append_column("d", pa.array(list("uvuuv"))), Y)


def frames(**columns):
    """Yield a frame of every library that is there."""
    for library, make in (("pandas", "DataFrame"), ("polars", "DataFrame")):
        try:
            module = pytest.importorskip(library)
        except pytest.skip.Exception:
            continue
        yield getattr(module, make)(columns)


def test_a_column_of_text_is_named():
    for frame in frames(fine=A, words=["u", "v", "u", "u", "v"]):
        with pytest.raises(TypeError, match=r"^X column 'words' must hold .*numbers"):
            gdfast.train(frame, Y)
        with pytest.raises(TypeError, match=r"^y must hold .*numbers"):
            gdfast.train(A, frame["words"])


def test_a_column_with_missing_values_is_named():
    for frame in frames(fine=A, gaps=[1, None, 0, 1, 1]):
        if hasattr(frame, "iloc"):
            frame = frame.astype({"gaps": "Int64"})
        with pytest.raises(ValueError, match=r"^X column 'gaps' has missing values"):
            gdfast.train(frame, Y)
        with pytest.raises(ValueError, match=r"^y has missing values"):
            gdfast.train(A, frame["gaps"])
        with pytest.raises(ValueError, match=r"^sample_weight has missing values"):
            gdfast.train(A, Y, sample_weight=frame["gaps"])


def test_a_column_of_categories_or_dates_is_named():
    pd = pytest.importorskip("pandas")
    for column in (
        pd.Categorical(["u", "v", "u", "u", "v"]),
        pd.date_range("2020-01-01", periods=5),
        pd.date_range("2020-01-01", periods=5, tz="UTC"),
    ):
        with pytest.raises(TypeError, match=r"^X column 'b' must hold"):
            gdfast.train(pd.DataFrame({"a": A, "b": column}), Y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_frame_of_one_block_is_not_copied(dtype):
    pd = pytest.importorskip("pandas")
    values = np.c_[A, B].astype(dtype)
    frame = pd.DataFrame(values, columns=["a", "b"], copy=False)
    assert np.shares_memory(check_X(frame)[0], values)


def test_a_series_is_not_copied():
    pd = pytest.importorskip("pandas")
    pl = pytest.importorskip("polars")
    for series in (pd.Series(A, copy=False), pl.Series("a", A)):
        assert np.shares_memory(check_X(series)[0], np.asarray(series))


def test_two_columns_of_one_name():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(np.c_[A, B], columns=["a", "a"]).astype("Float64")
    assert_read(frame, np.c_[A, B], ("a", "a"))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_without_columns_is_an_error(library):
    frame = pytest.importorskip(library).DataFrame()
    with pytest.raises(ValueError, match="X must have at least one row and one column"):
        gdfast.train(frame, Y)


def test_sparse_frames_of_pandas():
    pd = pytest.importorskip("pandas")
    pytest.importorskip("scipy", "1.16.1")  # as pandas 3 asks
    zeros = np.where(FLAG, A, 0.0)
    frame = pd.DataFrame({"a": zeros, "b": B})
    expected = gdfast.train(frame, Y, max_iter=50)
    whole = frame.astype(pd.SparseDtype(float, 0.0))
    assert check_X(whole)[0].size == 2 + 5 + (FLAG.sum() - 2)
    mixed = frame.astype({"a": pd.SparseDtype(float, 0.0)})
    other = frame.astype(pd.SparseDtype(float, 5.0))
    for same in (whole, mixed, other):
        fit = gdfast.train(same, Y, max_iter=50)
        np.testing.assert_allclose(fit.coef, expected.coef, 1e-12)
        assert fit.feature_names == ("a", "b")
        np.testing.assert_allclose(fit.predict(same), expected.predict(frame), 1e-12)
    gaps = pd.DataFrame({"a": pd.arrays.SparseArray([1, np.nan, 2, 3, 4])})
    with pytest.raises(ValueError, match=r"^X .*missing values"):
        gdfast.train(gaps, Y)


def test_columns_may_have_any_name():
    pandas = pytest.importorskip("pandas")
    names = ["tocsr", "column_names", "null_count", "shape", "values"]
    rng = np.random.default_rng(0)
    X, y = rng.random((9, 5)), rng.random(9)
    for frame in (
        pandas.DataFrame(X, columns=names),
        pandas.DataFrame(X, columns=names, index=["null_count", *"abcdefgh"]),
        pandas.DataFrame(X, columns=names).astype("Float64"),
    ):
        fit = gdfast.train(frame, y, max_iter=5)
        assert fit.feature_names == tuple(names)
        assert fit.coef.tobytes() == gdfast.train(X, y, max_iter=5).coef.tobytes()
