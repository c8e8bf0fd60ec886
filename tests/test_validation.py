"""Bad input and odd input: a right answer or an error that names the argument."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import gdfast
from gdfast import ConvergenceWarning, DivergenceError

DATA = Path(__file__).parent / "data"

X = np.array([[1.0, 8.0], [2.0, 3.0], [4.0, 5.0], [7.0, 1.0], [5.0, 9.0]])
Y = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
MODEL = gdfast.train(X, Y)

TAKE_X = {
    "train": lambda X: gdfast.train(X, Y),
    "train standardized": lambda X: gdfast.train(X, Y, standardize=True),
    "train at a rate": lambda X: gdfast.train(X, Y, learning_rate=1e-3),
    "loss": lambda X: gdfast.loss(X, Y, [1.0, 2.0]),
    "gradient": lambda X: gdfast.gradient(X, Y, [1.0, 2.0]),
    "predict": lambda X: MODEL.predict(X),
}
TAKE_Y = {
    "train": lambda y: gdfast.train(X, y),
    "train standardized": lambda y: gdfast.train(X, y, standardize=True),
    "train at a rate": lambda y: gdfast.train(X, y, learning_rate=1e-3),
    "train from a start": lambda y: gdfast.train(X, y, coef_init=[1.0, 2.0]),
    "loss": lambda y: gdfast.loss(X, y, [1.0, 2.0]),
    "gradient": lambda y: gdfast.gradient(X, y, [1.0, 2.0]),
}
TAKE_WEIGHT = {
    "train": lambda weight: gdfast.train(X, Y, sample_weight=weight),
    "loss": lambda weight: gdfast.loss(X, Y, [1.0, 2.0], sample_weight=weight),
    "gradient": lambda weight: gdfast.gradient(X, Y, [1.0, 2.0], sample_weight=weight),
}


def raises(error, name):
    """Expect an error whose message has the name of the argument as a word."""
    return pytest.raises(error, match=rf"\b{name}\b")


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


def bits(fit):
    """Return all that a run computed, to be compared bit by bit."""
    history = b"" if fit.history is None else fit.history.array.tobytes()
    numbers = [fit.intercept, fit.loss, fit.learning_rate, fit.n_iter]
    return fit.coef.tobytes() + np.array(numbers, dtype=float).tobytes() + history


def assert_same_bits(fit, expected):
    assert bits(fit) == bits(expected)
    assert fit.stop_reason == expected.stop_reason


def run(code, **options):
    """Run code in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    ).stdout


# ---- X ----------------------------------------------------------------------------


BAD_X = {
    "nan": (changed(X, (3, 1), np.nan), ValueError),
    "inf": (changed(X, (3, 1), np.inf), ValueError),
    "-inf": (changed(X, (3, 1), -np.inf), ValueError),
    "float32 nan": (changed(X, (3, 1), np.nan).astype(np.float32), ValueError),
    "float16 inf": (changed(X, (3, 1), np.inf).astype(np.float16), ValueError),
    "object None": (changed(X.astype(object), (3, 1), None), ValueError),
    "object nan": (changed(X.astype(object), (3, 1), float("nan")), ValueError),
    "object text": (changed(X.astype(object), (3, 1), "1.0"), TypeError),
    "object complex": (changed(X.astype(object), (3, 1), 1j), TypeError),
    "object Decimal": (changed(X.astype(object), (3, 1), Decimal(1)), TypeError),
    "object overflow": (changed(X.astype(object), (3, 1), 10**400), ValueError),
    "complex": (X.astype(complex), TypeError),
    "text": (X.astype(str), TypeError),
    "bytes": (X.astype(bytes), TypeError),
    "dates": (X.astype("M8[s]"), TypeError),
    "durations": (X.astype("m8[s]"), TypeError),
    "records": (X.astype([("a", float)]), TypeError),
    "masked": (np.ma.masked_equal(X, 9.0), ValueError),
    "three dimensions": (X[None], ValueError),
    "no rows": (np.empty((0, 2)), ValueError),
    "no columns": (np.empty((5, 0)), ValueError),
    "empty": ([], ValueError),
    "ragged": ([[1.0, 2.0], [3.0]], ValueError),
    "None": (None, (TypeError, ValueError)),
    "word": ("X", (TypeError, ValueError)),
    "dict": ({"a": [1.0]}, TypeError),
    "object": (object(), TypeError),
}


@pytest.mark.parametrize("call", TAKE_X.values(), ids=TAKE_X)
@pytest.mark.parametrize(("bad", "error"), BAD_X.values(), ids=BAD_X)
def test_bad_X(call, bad, error):
    with raises(error, "X"):
        call(bad)


@pytest.mark.parametrize("call", [TAKE_X[name] for name in ("loss", "predict")])
def test_another_number_of_columns_than_coefficients(call):
    with pytest.raises(ValueError, match=r"\bX\b"):
        call(X[:, :1])


@pytest.mark.parametrize("call", TAKE_X.values(), ids=TAKE_X)
@pytest.mark.parametrize(("cell", "error"), [(None, ValueError), ("two", TypeError)])
def test_a_list_with_a_cell_that_is_no_number(call, cell, error):
    rows = X.tolist()
    rows[1][0] = cell
    # The place is named, and the row is not left out.
    with pytest.raises(error, match=r"^X .*\b(1, 0|two)|^X must hold .* <U"):
        call(rows)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("row", [0, 70_000])
def test_the_place_of_a_bad_value_is_named(value, row):
    # 70 000 lies in the second piece that is searched.
    tall = np.zeros((100_000, 2))
    tall[row, 1] = value
    with pytest.raises(ValueError, match=rf"^X .*\[{row}, 1\]"):
        gdfast.train(tall, np.ones(len(tall)), max_iter=1)
    with pytest.raises(ValueError, match=rf"^y .*\[{row}\]"):
        gdfast.train(np.ones((len(tall), 2)), tall[:, 1], max_iter=1)


def test_a_bad_value_of_a_row_without_weight_is_still_an_error():
    with raises(ValueError, "X"):
        gdfast.train(changed(X, (3, 1), np.nan), Y, sample_weight=[1, 1, 1, 0, 1])


def test_a_masked_array_without_masked_cells_is_an_array():
    assert_same_bits(gdfast.train(np.ma.array(X), np.ma.array(Y)), MODEL)


def test_masked_cells_of_rows_in_a_list_are_not_used():
    rows = [np.ma.array(row, mask=[False, i == 2]) for i, row in enumerate(X)]
    with raises(ValueError, "X"):
        gdfast.train(rows, Y)


def test_missing_values_of_pandas():
    pd = pytest.importorskip("pandas")
    for dtype in ["Int64", "Float64", "boolean", "float64", object]:
        column = pd.Series([1, None, 0, 1, 1]).astype(dtype)
        with pytest.raises(ValueError, match=r"^X .*missing"):
            gdfast.train(pd.DataFrame({"a": column, "b": X[:, 0]}), Y)
        with pytest.raises(ValueError, match=r"^X .*missing"):
            gdfast.train(pd.DataFrame({"a": column}), Y)
        with pytest.raises(ValueError, match=r"^y .*missing"):
            gdfast.train(X, column)
        with raises(ValueError, "sample_weight"):
            gdfast.train(X, Y, sample_weight=column)


def test_missing_values_of_polars():
    pl = pytest.importorskip("polars")
    for values in ([1, None, 0, 1, 1], [1.0, None, 0.5, 1.0, 1.0], [True, None] * 2):
        column = pl.Series("a", [*values, None][:5])
        with pytest.raises(ValueError, match=r"^X .*missing"):
            gdfast.train(pl.DataFrame({"a": column, "b": X[:, 0]}), Y)
        with pytest.raises(ValueError, match=r"^y .*missing"):
            gdfast.train(X, column)


def test_missing_values_of_pyarrow():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, None, 0, 1, 1], "b": X[:, 0]})
    with pytest.raises(ValueError, match=r"^X .*missing"):
        gdfast.train(table, Y)
    with pytest.raises(ValueError, match=r"^y .*missing"):
        gdfast.train(X, table["a"])


def test_text_and_dates_of_frames():
    pd = pytest.importorskip("pandas")
    columns = [
        ["u", "v", "u", "u", "v"],
        pd.Categorical(["u", "v", "u", "u", "v"]),
        pd.date_range("2020-01-01", periods=5),
        pd.to_datetime(["2020-01-01", None] * 2 + ["2020-01-02"]),
    ]
    for column in columns:
        with raises(TypeError, "X"):
            gdfast.train(pd.DataFrame({"a": column}), Y)
        with raises(TypeError, "X"):
            gdfast.train(pd.DataFrame({"a": column, "b": X[:, 0]}), Y)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_their_values_with_names(library):
    frame_type = pytest.importorskip(library).DataFrame
    fit = gdfast.train(frame_type({"one": X[:, 0], "two": X[:, 1]}), Y)
    assert_same_bits(fit, MODEL)
    assert fit.feature_names == ("one", "two")
    assert fit.predict(X).tolist() == MODEL.predict(X).tolist()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_in_another_order_at_predict(library):
    frame_type = pytest.importorskip(library).DataFrame
    frame = frame_type({"one": X[:, 0], "two": X[:, 1]})
    fit = gdfast.train(frame, Y)
    with pytest.raises(ValueError, match=r"X has the feature names 'two', 'one'"):
        fit.predict(frame[["two", "one"]])
    with pytest.raises(ValueError, match=r"'one', 'three'"):
        fit.predict(frame_type({"one": X[:, 0], "three": X[:, 1]}))
    with raises(ValueError, "X"):
        fit.predict(frame_type({"one": X[:, 0]}))


def test_frames_with_names_that_are_no_text_have_none():
    pd = pytest.importorskip("pandas")
    assert gdfast.train(pd.DataFrame(X), Y).feature_names is None


def test_a_series_names_the_feature_and_one_without_name_does_not():
    pd = pytest.importorskip("pandas")
    pl = pytest.importorskip("polars")
    named = gdfast.train(pd.Series(X[:, 0], name="one"), Y)
    assert named.feature_names == ("one",)
    assert gdfast.train(pd.Series(X[:, 0]), Y).feature_names is None
    # A series of polars without a name is called "".
    assert gdfast.train(pl.Series(X[:, 0]), Y).feature_names is None
    expected = named.predict(X[:, 0]).tolist()
    assert named.predict(pl.Series(X[:, 0])).tolist() == expected


# ---- y and sample_weight ----------------------------------------------------------


BAD_Y = {
    "None": (None, (TypeError, ValueError)),
    "number": (3.0, (TypeError, ValueError)),
    "NumPy number": (np.float64(3.0), (TypeError, ValueError)),
    "word": ("3", (TypeError, ValueError)),
    "object": (object(), TypeError),
    "(n, 1, 1)": (Y[:, None, None], ValueError),
    "(1, n)": (Y[None], ValueError),
    "(n, 0)": (np.empty((5, 0)), ValueError),
    "short": (Y[:4], ValueError),
    "long": (np.append(Y, 1.0), ValueError),
    "empty": ([], ValueError),
    "ragged": ([[3.0], [1.0, 2.0], [4.0], [1.0], [5.0]], ValueError),
    "nan": (changed(Y, 2, np.nan), ValueError),
    "inf": (changed(Y, 2, np.inf), ValueError),
    "float32 -inf": (changed(Y, 2, -np.inf).astype(np.float32), ValueError),
    "list with None": ([3.0, 1.0, None, 1.0, 5.0], ValueError),
    "list with text": ([3.0, 1.0, "4", 1.0, 5.0], TypeError),
    "object text": (changed(Y.astype(object), 2, "4"), TypeError),
    "object overflow": (changed(Y.astype(object), 2, 10**400), ValueError),
    "complex": (Y.astype(complex), TypeError),
    "text": (Y.astype(str), TypeError),
    "dates": (Y.astype("M8[s]"), TypeError),
    "masked": (np.ma.masked_equal(Y, 4.0), ValueError),
}


@pytest.mark.parametrize("call", TAKE_Y.values(), ids=TAKE_Y)
@pytest.mark.parametrize(("bad", "error"), BAD_Y.values(), ids=BAD_Y)
def test_bad_y(call, bad, error):
    with raises(error, "y"):
        call(bad)


def test_bad_sparse_y():
    sparse = pytest.importorskip("scipy.sparse")
    with raises(TypeError, "y"):
        gdfast.train(X, sparse.csr_matrix(Y))


BAD_WEIGHT = {
    "negative": (-np.ones(5), ValueError),
    "one slightly negative": ([1, 1, -1e-300, 1, 1], ValueError),
    "nan": ([1, 1, np.nan, 1, 1], ValueError),
    "float32 nan": (np.array([1, 1, np.nan, 1, 1], dtype=np.float32), ValueError),
    "inf": ([1, 1, np.inf, 1, 1], ValueError),
    "zeros": (np.zeros(5), ValueError),
    "short": (np.ones(4), ValueError),
    "long": (np.ones(6), ValueError),
    "short, with nan": ([1, np.nan, 1], ValueError),
    "empty": ([], ValueError),
    "(n, 1)": (np.ones((5, 1)), ValueError),
    "(1, n)": (np.ones((1, 5)), ValueError),
    "number": (1.0, (TypeError, ValueError)),
    "word": ("balanced", (TypeError, ValueError)),
    "object": (object(), TypeError),
    "list with None": ([1, 1, None, 1, 1], ValueError),
    "list with text": ([1, 1, "1", 1, 1], TypeError),
    "complex": (np.ones(5, dtype=complex), TypeError),
    "masked": (np.ma.masked_equal([1, 1, 2, 1, 1], 2), ValueError),
}


@pytest.mark.parametrize("call", TAKE_WEIGHT.values(), ids=TAKE_WEIGHT)
@pytest.mark.parametrize(("bad", "error"), BAD_WEIGHT.values(), ids=BAD_WEIGHT)
def test_bad_sample_weight(call, bad, error):
    with raises(error, "sample_weight"):
        call(bad)


@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-200, 1e200, 1e307, 1.7e308])
def test_only_ratios_of_weights_count(size):
    # Their sum may overflow, and the product with a slope underflow.
    weight = np.array([1.0, 0.5, 0.25, 1.0, 0.0]) if size > 1e-323 else np.ones(5)
    fit = gdfast.train(X, Y, sample_weight=weight * size, max_iter=200)
    expected = gdfast.train(X, Y, sample_weight=weight, max_iter=200)
    assert fit.coef == pytest.approx(expected.coef, rel=1e-9)
    assert fit.loss == pytest.approx(expected.loss, rel=1e-9)


# ---- other arguments --------------------------------------------------------------

NUMBERS = {  # what no real-valued argument takes
    "text": ("0.1", TypeError),
    "bool": (True, TypeError),
    "complex": (1j, TypeError),
    "list": ([0.1], TypeError),
    "array": (np.array([0.1, 0.2]), TypeError),
    "object": (object(), TypeError),
    "nan": (np.nan, ValueError),
    "float32 nan": (np.float32("nan"), ValueError),
    "inf": (np.inf, ValueError),
    "-inf": (-np.inf, ValueError),
    "overflow": (10**400, ValueError),
}
NEGATIVE = {"negative": (-1e-9, ValueError)}
FLAGS = {
    "one": (1, TypeError),
    "zero": (0, TypeError),
    "text": ("yes", TypeError),
    "None": (None, TypeError),
    "nan": (np.nan, TypeError),
    "array": (np.array([True, False]), TypeError),
}
VECTORS = {
    "nan": ([1.0, np.nan], ValueError),
    "inf": ([np.inf, 1.0], ValueError),
    "short": ([1.0], ValueError),
    "long": ([1.0, 2.0, 3.0], ValueError),
    "column": ([[1.0], [2.0]], ValueError),
    "number": (1.0, ValueError),
    "empty": ([], ValueError),
    "ragged": ([[1.0], [1.0, 2.0]], ValueError),
    "missing": ([1.0, None], ValueError),
    "masked": (np.ma.masked_equal([1.0, 2.0], 2.0), ValueError),
    "text": ("ab", TypeError),
    "cell of text": ([1.0, "2"], TypeError),
    "complex": ([1j, 2.0], TypeError),
    "object": (object(), TypeError),
    "overflow": ([1.0, 10**400], ValueError),
}
NONE = {"None": (None, TypeError)}
BAD_ARGUMENTS = {
    "learning_rate": {
        **NUMBERS,
        "text": ("0.1", ValueError),
        **NEGATIVE,
        **NONE,
        "zero": (0.0, ValueError),
        "underflow": (np.longdouble("1e-4000"), ValueError),
        "unknown text": ("fast", ValueError),
    },
    "max_iter": {
        **{case: bad for case, bad in NUMBERS.items() if case != "overflow"},
        **NONE,
        "nan": (np.nan, (TypeError, ValueError)),
        "inf": (np.inf, (TypeError, ValueError)),
        "-inf": (-np.inf, (TypeError, ValueError)),
        "float32 nan": (np.float32("nan"), (TypeError, ValueError)),
        "zero": (0, ValueError),
        "negative": (-5, ValueError),
        "fraction": (2.5, TypeError),
        "whole float": (10.0, TypeError),
    },
    "gtol": {**NUMBERS, **NEGATIVE},
    "xtol": {**NUMBERS, **NEGATIVE},
    "ftol": {**NUMBERS, **NEGATIVE},
    "fit_intercept": FLAGS,
    "standardize": FLAGS,
    "verbose": FLAGS,
    "intercept_init": NUMBERS,
    "coef_init": VECTORS,
    "loss": {
        "unknown": ("absolute_error", ValueError),
        "None": (None, (TypeError, ValueError)),
        "number": (0, (TypeError, ValueError)),
        "list": (["squared_error"], (TypeError, ValueError)),
        "nan": (np.nan, (TypeError, ValueError)),
    },
    "history": {
        "True": (True, (TypeError, ValueError)),
        "None": (None, (TypeError, ValueError)),
        "unknown": ("all", ValueError),
        "zero": (0, (TypeError, ValueError)),
        "list": (["loss"], (TypeError, ValueError)),
        "array": (np.array(["loss", "full"]), (TypeError, ValueError)),
    },
    "callback": {
        "text": ("print", TypeError),
        "number": (3, TypeError),
        "True": (True, TypeError),
    },
}


def cases(table):
    return [
        pytest.param(name, value, error, id=f"{name}-{case}")
        for name, bad in table.items()
        for case, (value, error) in bad.items()
    ]


@pytest.mark.parametrize(("name", "value", "error"), cases(BAD_ARGUMENTS))
def test_bad_arguments_of_train(name, value, error):
    calls = []
    options = {"callback": calls.append, name: value}
    with raises(error, name):
        gdfast.train(X, Y, **options)
    assert not calls  # nothing was trained before


@pytest.mark.parametrize("function", [gdfast.loss, gdfast.gradient])
@pytest.mark.parametrize(
    ("name", "value", "error"),
    cases(
        {
            "coef": {**VECTORS, "None": (None, (TypeError, ValueError))},
            "intercept": {**NUMBERS, **NONE},
            "loss": BAD_ARGUMENTS["loss"],
        }
    ),
)
def test_bad_arguments_of_loss_and_gradient(function, name, value, error):
    with raises(error, name):
        function(X, Y, **{"coef": [1.0, 2.0], name: value})


def test_an_intercept_to_start_from_needs_one_to_fit():
    with raises(ValueError, "intercept_init"):
        gdfast.train(X, Y, intercept_init=1.0, fit_intercept=False)


def test_numbers_of_other_types_are_numbers():
    expected = gdfast.train(X, Y, learning_rate=0.0078125, max_iter=100, gtol=0.5)
    fit = gdfast.train(
        X,
        Y,
        learning_rate=np.float32(0.0078125),
        max_iter=np.int8(100),
        gtol=np.float16(0.5),
        xtol=0,
        fit_intercept=np.True_,
    )
    assert_same_bits(fit, expected)


@pytest.mark.parametrize(
    "options", [{"coef_init": [1e200, 0.0]}, {"intercept_init": 1e200}]
)
def test_a_start_too_far_away_is_named(options):
    (name,) = options
    with raises((ValueError, DivergenceError), name):
        gdfast.train(X, Y, **options)


# ---- layouts and types ------------------------------------------------------------


def around(array, shape, place):
    """Return a copy of an array that is a view of a larger one, of other values."""
    other = np.nan if array.dtype.kind == "f" else 77
    larger = np.full(shape, other, dtype=array.dtype)
    larger[place] = array
    return larger[place]


def every_third_row(array):
    return around(array, (3 * len(array), *array.shape[1:]), np.s_[1::3])


def every_third_value(array):
    return around(array, (*array.shape[:-1], 3 * array.shape[-1]), np.s_[..., 1::3])


def middle_columns(array):
    return around(array, (*array.shape[:-1], array.shape[-1] + 2), np.s_[..., 1:-1])


def misaligned(array):
    memory = bytearray(array.nbytes + 1)
    result = np.ndarray(array.shape, array.dtype, memory, offset=1)
    result[...] = array
    return result


def packed_records(array):
    # A row is a byte and the values, so that no other row is aligned.
    n_columns = array.size // len(array)
    row = [("flag", "i1"), ("values", array.dtype, (n_columns,))]
    records = np.zeros(len(array), dtype=row)
    records["values"] = array.reshape(len(array), -1)
    return records["values"] if array.ndim == 2 else records["values"][:, 0]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def memory_map(array):
    with tempfile.TemporaryFile() as file:
        array.tofile(file)
        return np.memmap(file, array.dtype, "r", shape=array.shape)


def subclass(array):
    return array.view(np.recarray)


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "rows reversed": lambda array: array[::-1].copy()[::-1],
    "values reversed": lambda array: array[..., ::-1].copy()[..., ::-1],
    "every third row": every_third_row,
    "every third value": every_third_value,
    "middle columns": middle_columns,
    "misaligned": misaligned,
    "packed records": packed_records,
    "read-only": read_only,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "memory map": memory_map,
    "subclass": subclass,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_hold_the_same_values(layout):
    for array in (X, Y):
        np.testing.assert_array_equal(layout(array), array)
    assert not misaligned(X).flags.aligned
    assert not packed_records(X).flags.aligned


@pytest.fixture(params=[1, 3, 8, 9, 40])
def problem(request, rng):
    # On both sides of the 8 columns where the kernel turns from columns to rows.
    n = 203
    X = rng.standard_normal((n, request.param))
    y = X.sum(axis=1) + rng.standard_normal(n)
    return X, y, rng.random(n), rng.standard_normal(request.param)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("standardize", [False, True])
def test_any_layout_gives_the_bits_of_a_plain_copy(problem, layout, dtype, standardize):
    plain = [array.astype(dtype) for array in problem]
    fits, predictions, losses, gradients = [], [], [], []
    for X, y, weight, start in (plain, map(layout, plain)):
        fit = gdfast.train(
            X,
            y,
            sample_weight=weight,
            coef_init=start,
            standardize=standardize,
            history="full",
            max_iter=15,
        )
        fits.append(fit)
        predictions.append(fit.predict(X))
        losses.append(gdfast.loss(X, y, start))
        gradients.append(gdfast.gradient(X, y, start)[0].tobytes())
    assert_same_bits(*fits)
    assert predictions[0] == pytest.approx(predictions[1], rel=1e-12)
    assert losses[0] == losses[1]
    assert gradients[0] == gradients[1]


@pytest.mark.parametrize(
    "dtype",
    ["bool", "i1", "u1", ">i2", "u4", "i8", ">u8", "f2", ">f2", "f4", ">f4", "g", "O"],
)
def test_any_real_type_gives_the_bits_of_float64(rng, dtype):
    X = rng.integers(0, 2, (50, 3)).astype(dtype)
    y = rng.integers(0, 2, 50).astype(dtype)
    expected = gdfast.train(X.astype(np.float64), y.astype(np.float64))
    assert_same_bits(gdfast.train(X, y, sample_weight=np.ones(50, dtype)), expected)
    assert_same_bits(gdfast.train(X.tolist(), y.tolist()), expected)
    fit = gdfast.train(X, y, coef_init=np.zeros(3, dtype))
    assert_same_bits(fit, expected)


@pytest.mark.parametrize("columns", [1, 3, 12])
def test_float32_gives_the_bits_of_the_same_values_in_float64(rng, columns):
    X = (1000 + rng.standard_normal((999, columns))).astype(np.float32)
    y = rng.standard_normal(999).astype(np.float32)
    for standardize in (False, True):
        fit, expected = (
            gdfast.train(X.astype(dtype), y.astype(dtype), standardize=standardize)
            for dtype in (np.float32, np.float64)
        )
        assert_same_bits(fit, expected)


def test_one_row_repeated_without_copies():
    X = np.broadcast_to([[1.0, 2.0, 3.0]], (100, 3))
    y = np.broadcast_to(5.0, 100)
    assert_same_bits(gdfast.train(X, y), gdfast.train(X.copy(), y.copy()))


@pytest.mark.parametrize(
    "X",
    [range(1, 6), (1, 2, 3, 4, 5), np.arange(1, 6), [[1], [2], [3], [4], [5]]],
    ids=repr,
)
def test_one_dimension_is_one_feature(X):
    expected = gdfast.train(np.arange(1.0, 6.0).reshape(-1, 1), Y)
    assert_same_bits(gdfast.train(X, Y), expected)
    assert_same_bits(gdfast.train(X, Y, coef_init=0.0), expected)


def memory(array):
    """Return the bytes of an array, and of what it is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return bytes(array.base) if isinstance(array.base, bytearray) else array.tobytes()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i4", "O"])
@pytest.mark.parametrize("standardize", [False, True])
def test_inputs_are_left_as_they_are(rng, layout, dtype, standardize):
    if dtype == "O" and layout in (misaligned, memory_map, subclass):
        pytest.skip("objects have no such layout")
    shapes = {"X": (40, 3), "y": 40, "sample_weight": 40, "coef_init": 3}
    inputs = {
        name: layout(rng.integers(1, 9, shape).astype(dtype))
        for name, shape in shapes.items()
    }
    before = {name: memory(array) for name, array in inputs.items()}

    def spoil(row):
        row.coef[:] = np.nan

    fit = gdfast.train(
        **inputs, standardize=standardize, history="full", max_iter=5, callback=spoil
    )
    fit.predict(inputs["X"])
    gdfast.gradient(inputs["X"], inputs["y"], inputs["coef_init"])
    fit.coef[:] = np.nan  # nor does the fit hold on to them
    fit.history.array["coef"] = np.nan
    assert {name: memory(array) for name, array in inputs.items()} == before


def test_inputs_survive_an_error():
    before = X.tobytes(), Y.tobytes()
    with pytest.raises(DivergenceError):
        gdfast.train(X, Y, learning_rate=1e6)
    assert (X.tobytes(), Y.tobytes()) == before


# ---- numbers too large, too small, too close --------------------------------------


@pytest.mark.parametrize("size", [1e160, 1e200, 1e308, -1e200])
def test_a_column_too_large_to_be_squared(size):
    huge = changed(X, (slice(None), 1), size * (X[:, 1] / 9))
    with raises(ValueError, "X"):
        gdfast.train(huge, Y)
    with pytest.raises((ValueError, DivergenceError), match=r"\bX\b"):
        gdfast.train(huge, Y, learning_rate=1e-3)
    # Standardised columns have no size.
    fit = gdfast.train(huge, Y, standardize=True)
    expected = gdfast.train(X, Y, standardize=True)
    assert fit.predict(huge) == pytest.approx(expected.predict(X), rel=1e-9)


@pytest.mark.parametrize("start", [None, [1.0, 2.0]])
def test_targets_too_large_to_be_squared(start):
    with raises(ValueError, "y"):
        gdfast.train(X, Y * 1e200, coef_init=start)


@pytest.mark.parametrize("power", [-500, -300, 300, 500])
def test_columns_of_any_size_that_can_be_squared(power):
    # Powers of two are exact: the same model in other units, to the last bit.
    expected = gdfast.train(X, Y, standardize=True)
    fit = gdfast.train(np.ldexp(X, power), Y, standardize=True)
    assert np.ldexp(fit.coef, power).tobytes() == expected.coef.tobytes()
    assert fit.intercept == expected.intercept
    assert fit.loss == expected.loss


@pytest.mark.parametrize("options", [{"standardize": True}, {"fit_intercept": False}])
def test_a_column_too_small_to_be_squared(options):
    # y = 1e200 x, but 1e-200 squared is 0: not a model of zeros without a word.
    x = np.array([1e-200, 2e-200, 4e-200])
    y = np.array([1.0, 2.0, 4.0])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit = gdfast.train(x, y, **options)
        except ValueError as error:
            assert "X" in str(error)  # noqa: PT017
            return
    assert caught or fit.predict(x) == pytest.approx(y, rel=1e-6)


@pytest.mark.parametrize("rate", [1.0, 1e6, 1e300])
@pytest.mark.parametrize("max_iter", [1, 2, 9, 10, 11, 1000])
@pytest.mark.parametrize("standardize", [False, True])
def test_a_rate_far_too_large_gives_no_model(mpg, rate, max_iter, standardize):
    rate = 1e6 * rate if standardize else rate
    with pytest.raises(DivergenceError, match="learning_rate"):
        gdfast.train(
            *mpg, learning_rate=rate, max_iter=max_iter, standardize=standardize
        )


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, 1 / 3, 12345678.9, -np.pi * 1e5])
@pytest.mark.parametrize("n", [10, 1000, 100_000])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_constant_column_is_left_alone_when_standardized(rng, constant, n, weighted):
    # The mean of n equal numbers is not that number, to rounding.
    x = rng.standard_normal(n)
    y = 3 * x + 5 + rng.standard_normal(n)
    weight = rng.random(n) if weighted else None
    options = {"sample_weight": weight, "standardize": True, "max_iter": 100}
    alone = gdfast.train(x, y, **options)
    fit = gdfast.train(np.column_stack([x, np.full(n, constant)]), y, **options)
    assert fit.learning_rate == pytest.approx(alone.learning_rate, rel=1e-6)
    assert abs(fit.coef[1]) < 1e-6 * (abs(constant) + 1)
    assert fit.coef[0] == pytest.approx(alone.coef[0], rel=1e-9)
    new = np.array([[1.0, constant], [2.0, constant]])
    assert fit.predict(new) == pytest.approx(alone.predict(new[:, 0]), rel=1e-9)


@pytest.mark.parametrize("constant", [1.0, 0.1, -1e8, 12345.678])
@pytest.mark.parametrize("n", [50, 1000])
def test_a_column_that_is_constant_to_rounding(rng, constant, n):
    # Such as shares that add up to 1. Its last bits are no feature: coefficients of
    # 1e14 would follow from them, and predictions of few digits.
    x = rng.standard_normal(n)
    y = 3 * x + 5 + rng.standard_normal(n)
    last_bits = np.finfo(float).eps * rng.integers(-2, 3, n)
    X = np.column_stack([x, constant * (1 + last_bits)])
    options = {"standardize": True, "max_iter": 500}
    alone = gdfast.train(x, y, **options)
    fit = gdfast.train(X, y, **options)
    assert gdfast.loss(X, y, fit.coef, fit.intercept) == pytest.approx(fit.loss)
    new = np.array([[1.0, constant], [2.0, constant]])
    assert fit.predict(new) == pytest.approx(alone.predict(new[:, 0]), rel=1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    ("inside", "outside"),
    [(0.0, 1.0), (0.1, 5.0), (1 / 3, -7.0), (2.0, 1e200), (0.0, 1e-200)],
)
def test_rows_without_weight_do_not_count_when_standardized(
    rng, fit_intercept, inside, outside
):
    # The column is constant where the weight is not zero.
    x, y = rng.standard_normal((2, 1000))
    X = np.column_stack([x, np.full(1000, inside)])
    X[-10:, 1] = outside
    weight = np.ones(1000)
    weight[-10:] = 0
    options = {"standardize": True, "fit_intercept": fit_intercept, "max_iter": 200}
    expected = gdfast.train(X[:-10], y[:-10], **options)
    try:
        fit = gdfast.train(X, y, sample_weight=weight, **options)
    except ValueError:
        assert outside == 1e200  # noqa: PT017
        return
    assert fit.coef == pytest.approx(expected.coef, rel=1e-9, abs=1e-9)
    assert fit.intercept == pytest.approx(expected.intercept, rel=1e-9)
    assert fit.loss == pytest.approx(expected.loss, rel=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_offset_1e8_and_spread_1(rng, fit_intercept, weighted):
    spread = rng.standard_normal((300, 2))
    X = 1e8 + spread  # exact from here on
    spread = X - 1e8
    y = spread @ [2.0, -3.0] + 7 + 0.1 * rng.standard_normal(300)
    weight = rng.random(300) if weighted else np.ones(300)
    options = {"sample_weight": weight, "fit_intercept": fit_intercept}
    if not fit_intercept:
        # The columns are collinear to 1e-8: hopeless for gradient descent, and said.
        with pytest.warns(ConvergenceWarning):
            gdfast.train(X, y, standardize=True, gtol=1e-9, **options)
        return
    fit = gdfast.train(X, y, standardize=True, gtol=1e-10, max_iter=10_000, **options)
    root = np.sqrt(weight)
    A = np.column_stack([spread, np.ones(300)])
    exact = np.linalg.lstsq(A * root[:, None], y * root, rcond=None)[0]
    assert fit.coef == pytest.approx(exact[:2], rel=1e-6)
    assert fit.intercept == pytest.approx(exact[2] - 1e8 * exact[:2].sum(), rel=1e-6)
    assert fit.predict(X) == pytest.approx(A @ exact, abs=1e-6)


def test_offset_1e8_without_standardize_is_said(rng):
    X = 1e8 + rng.standard_normal((300, 2))
    y = X @ [2.0, -3.0]
    with pytest.warns(ConvergenceWarning, match="standardize=True"):
        gdfast.train(X, y, gtol=1e-6)
    assert "standardize=True" in gdfast.train(X, y).stop_reason


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_million_rows_of_mean_1000(rng, dtype):
    n = 1_000_000
    X = (1000 + rng.standard_normal((n, 3), dtype=np.float32)).astype(dtype)
    centred = X.astype(np.float64) - 1000
    y = (centred.sum(axis=1) + rng.standard_normal(n)).astype(dtype)
    fit = gdfast.train(X, y, standardize=True, gtol=1e-9)
    A = np.column_stack([centred, np.ones(n)])
    exact = np.linalg.solve(A.T @ A, A.T @ y.astype(np.float64))
    assert fit.coef == pytest.approx(exact[:3], rel=1e-8)
    assert fit.intercept == pytest.approx(exact[3] - 1000 * exact[:3].sum(), rel=1e-8)


def wide(rng):
    return rng.standard_normal((6, 15))


def duplicates(rng):
    X = rng.standard_normal((30, 3))
    return X[:, [0, 1, 2, 0, 0, 1]]


def wide_duplicates(rng):
    return rng.standard_normal((6, 9))[:, [0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1]]


def zero_column(rng):
    return np.column_stack([rng.standard_normal((30, 2)), np.zeros(30)])


def sum_of_others(rng):
    X = rng.standard_normal((30, 3))
    return np.column_stack([X, X.sum(axis=1)])


@pytest.mark.parametrize(
    "make", [wide, duplicates, wide_duplicates, zero_column, sum_of_others]
)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [False, True])
def test_problems_with_many_solutions(rng, make, fit_intercept, standardize):
    X = make(rng)
    n = len(X)
    y = rng.standard_normal(n)
    fit = gdfast.train(
        X,
        y,
        fit_intercept=fit_intercept,
        standardize=standardize,
        gtol=1e-11,
        max_iter=200_000,
    )
    A = np.column_stack([X, np.ones(n)]) if fit_intercept else X
    least_norm = np.linalg.lstsq(A, y, rcond=None)[0]
    residual = fit.predict(X) - y
    assert np.isfinite(fit.coef).all()
    assert np.abs(residual - (A @ least_norm - y)).max() < 1e-8
    if not standardize:
        # From zero, gradient descent never leaves the span of the rows.
        params = np.append(fit.coef, fit.intercept)[: A.shape[1]]
        assert params == pytest.approx(least_norm, abs=1e-7)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("standardize", [False, True])
def test_as_few_rows_as_there_can_be(n, standardize):
    fit = gdfast.train(X[:n], Y[:n], standardize=standardize, gtol=1e-9)
    assert fit.predict(X[:n]) == pytest.approx(Y[:n], abs=1e-8)


def test_a_column_of_zeros_alone():
    fit = gdfast.train(np.zeros((5, 1)), Y, fit_intercept=False)
    assert fit.coef.tolist() == [0.0]
    fit = gdfast.train(np.zeros((5, 1)), Y, gtol=1e-9)
    assert (fit.coef[0], fit.intercept) == (0.0, pytest.approx(Y.mean()))


def test_agrees_with_scikit_learn(rng):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X = rng.standard_normal((200, 4)) * [1, 10, 100, 1000] + [0, 5, -300, 1e4]
    y = X @ [1.0, 0.1, 0.01, 0.001] + rng.standard_normal(200)
    weight = rng.random(200)
    for sample_weight in (None, weight):
        for fit_intercept in (True, False):
            expected = linear_model.LinearRegression(fit_intercept=fit_intercept).fit(
                X, y, sample_weight
            )
            fit = gdfast.train(
                X,
                y,
                sample_weight=sample_weight,
                fit_intercept=fit_intercept,
                standardize=True,
                gtol=1e-10,
                max_iter=100_000,
            )
            assert fit.coef == pytest.approx(expected.coef_, rel=1e-7)
            assert fit.intercept == pytest.approx(expected.intercept_, rel=1e-7)


def nist(name):
    """Return X, y, whether there is an intercept, and the certified values."""
    with open(DATA / "nist_strd.json") as file:
        data = json.load(file)["datasets"][name]
    x = np.array(data["x"], dtype=float)
    if data["degree"] is not None:
        x = np.stack([x[0] ** power for power in range(1, data["degree"] + 1)])
    certified = np.array(data["coef"], dtype=float)
    return x.T, np.array(data["y"], dtype=float), data["intercept"], certified


@pytest.mark.parametrize(
    ("name", "digits"),
    [("Norris", 12), ("NoInt1", 14), ("NoInt2", 14), ("Pontius", 8), ("Longley", 7)],
)
def test_certified_values(name, digits):
    X, y, fit_intercept, certified = nist(name)
    fit = gdfast.train(
        X,
        y,
        fit_intercept=fit_intercept,
        standardize=True,
        gtol=1e-13 * np.abs(y).max(),
        max_iter=1_000_000,
    )
    found = np.append(fit.intercept, fit.coef) if fit_intercept else fit.coef
    assert found == pytest.approx(certified, rel=10.0**-digits)


@pytest.mark.parametrize("name", ["Wampler1", "Wampler5", "Filip"])
def test_polynomials_beyond_gradient_descent_are_said(name):
    X, y, fit_intercept, _ = nist(name)
    with pytest.warns(ConvergenceWarning):
        gdfast.train(
            X,
            y,
            fit_intercept=fit_intercept,
            standardize=True,
            gtol=1e-10 * np.abs(y).max(),
            max_iter=20_000,
        )


# ---- signals, threads, processes, memory ------------------------------------------

SIGINT_SETUP = """
import sys, time, numpy as np, gdfast
x = np.linspace(0, 1, 30)
tall = np.ones((1_500_000, 2))
tall[::2] = 0.5
wide = np.full((2000, 700), 0.5)
wide[::2] = np.linspace(0, 1, 700)
def callback(row):
    pass
"""
LONG_RUNS = {
    "small data": "gdfast.train(x, x, max_iter=10**12, learning_rate=1e-9)",
    "full history": (
        "gdfast.train(x, x, max_iter=10**8, learning_rate=1e-9, history='full')"
    ),
    "callback": (
        "gdfast.train(x, x, max_iter=10**9, learning_rate=1e-9, callback=callback)"
    ),
    "many rows": (
        "gdfast.train(tall, tall[:, 0], max_iter=10**6, learning_rate=1e-9,"
        " loss='log_loss', standardize=True)"
    ),
    "moments": "gdfast.train(tall, tall[:, 0], max_iter=10**9, learning_rate=1e-9)",
    "the largest rate": (
        "[gdfast.train(wide, wide[:, 0], max_iter=1) for _ in range(10**6)]"
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("call", LONG_RUNS.values(), ids=LONG_RUNS)
def test_ctrl_c_is_answered(call):
    code = SIGINT_SETUP + textwrap.dedent(
        f"""
        expected = gdfast.train(x, x).coef.tobytes()
        print("ready", flush=True)
        try:
            {call}
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(gdfast.train(x, x).coef.tobytes() == expected)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        end = threading.Timer(20, process.kill)  # rather than wait for ever
        end.start()
        try:
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.4)
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
            assert time.monotonic() - sent < 2
            # Usable after: the same bits as before.
            assert process.stdout.readline() == "True\n"
        finally:
            end.cancel()
            process.kill()


def test_threads_that_share_X_give_the_serial_bits(rng):
    X = rng.standard_normal((2000, 12))
    targets = [rng.standard_normal(2000) for _ in range(8)]

    def train(y):
        return bits(gdfast.train(X, y, max_iter=300, standardize=True, history="full"))

    serial = [train(y) for y in targets]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(train, targets)) == serial


DIGEST = """
import hashlib, numpy as np, gdfast
rng = np.random.default_rng(0)
digest = hashlib.sha256()
for n, d in [(30, 2), (20_000, 50), (100, 300), (400_000, 4)]:
    X, y, weight = rng.random((n, d)), rng.random(n), rng.random(n)
    for options in [{}, {"standardize": True}, {"sample_weight": weight}]:
        fit = gdfast.train(X, y, max_iter=5, **options)
        digest.update(fit.coef.tobytes() + repr((fit.intercept, fit.loss)).encode())
    fit = gdfast.train(X, y, max_iter=5, learning_rate=1e-4)
    digest.update(fit.coef.tobytes() + repr((fit.intercept, fit.loss)).encode())
print(digest.hexdigest())
"""


def test_processes_give_the_same_bits():
    # With other hash seeds, and with one and two threads of NumPy's linear algebra.
    processes = []
    for seed, threads in [("0", "1"), ("1", "1"), ("2", "2"), ("3", "2")]:
        variables = {
            "PYTHONHASHSEED": seed,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", DIGEST],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **variables},
            )
        )
    digests = [process.communicate(timeout=60)[0] for process in processes]
    assert len(digests[0]) == 65
    assert len(set(digests)) == 1


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs fork"
)
def test_a_fork_after_and_during_a_run_can_train():
    # Children end with a number for what they found; alarm ends one that hangs.
    output = run(
        """
        import os, signal, threading, time, numpy as np, gdfast

        rng = np.random.default_rng(0)
        X, y = rng.random((20_000, 40)), rng.random(20_000)
        expected = gdfast.train(X, y, max_iter=10).coef.tobytes()

        def fork_and_train():
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                fit = gdfast.train(X, y, max_iter=10)
                os._exit(0 if fit.coef.tobytes() == expected else 1)
            return os.waitpid(pid, 0)[1]

        print(fork_and_train())
        stop = threading.Event()

        def check(row):
            if stop.is_set():
                raise StopIteration

        options = {"max_iter": 10**9, "learning_rate": 1e-9, "callback": check}
        thread = threading.Thread(
            target=gdfast.train, args=(X, y), kwargs=options
        )
        thread.start()
        time.sleep(0.2)
        print(fork_and_train(), fork_and_train())
        stop.set()
        thread.join()
        """
    )
    assert output.split() == ["0", "0", "0"]


LARGE = 160_000_000  # bytes


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss in kilobytes")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_peak_memory_of_the_process(dtype):
    growth = run(
        f"""
        import resource, numpy as np, gdfast

        def peak():
            return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        X = np.ones(({LARGE} // np.{dtype}().itemsize // 16, 16), dtype="{dtype}")
        X[::2] = 0.5
        y = np.ones(len(X), dtype="{dtype}")
        gdfast.train(X[:1000], y[:1000], max_iter=2)  # libraries are at work
        before = peak()
        gdfast.train(X, y, max_iter=2)
        gdfast.train(X, y, max_iter=2, standardize=True).predict(X)
        print((peak() - before) / X.nbytes)
        """
    )
    assert float(growth) < 0.25


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "options", [{}, {"standardize": True}, {"learning_rate": 1e-9}], ids=str
)
def test_a_wide_X_is_not_copied(dtype, options):
    X = np.ones((100, LARGE // 100 // np.dtype(dtype).itemsize), dtype=dtype)
    X[::2] = 0.5
    y = np.ones(len(X), dtype=dtype)
    tracemalloc.start()
    try:
        gdfast.train(X, y, max_iter=2, history=False, **options).predict(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / LARGE < 0.25
