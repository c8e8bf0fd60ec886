"""Columns of data frames and series; none of their libraries is imported here.

An object can be a frame of a library only where that was imported before.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOATS = [np.dtype(np.float32), np.dtype(np.float64)]
SERIES = [
    ("pandas", "Series"),
    ("polars", "Series"),
    ("pyarrow", "ChunkedArray"),
    ("pyarrow", "Array"),
]


def columns(values: Any, name: str) -> list[tuple[str, NDArray[Any]]] | None:
    """Return the columns of a frame, or a series as one, each with a name for messages.

    Parameters
    ----------
    values : object
        What may be a frame or a series of pandas or polars, or a table or column of
        pyarrow.
    name : str
        What to call it in messages.

    Returns
    -------
    list of (str, ndarray), or None
        None if it is something else, or a frame of pandas that can be read without a
        copy.

    Raises
    ------
    ValueError
        If a column has missing values.
    """
    if _is(values, "pandas", "DataFrame"):
        dtypes = list(values.dtypes)
        if dtypes and all(dtype in FLOATS and dtype == dtypes[0] for dtype in dtypes):
            return None
        found = [(label, values.iloc[:, j]) for j, label in enumerate(values.columns)]
    elif _is(values, "polars", "DataFrame"):
        found = [(series.name, series) for series in values.get_columns()]
    elif _is(values, "pyarrow", "Table"):
        found = list(zip(values.column_names, values.columns, strict=True))
    elif any(_is(values, *each) for each in SERIES):
        return [(name, _values(values, name))]
    else:
        return None
    titled = [(f"{name} column {label!r}", column) for label, column in found]
    return [(title, _values(column, title)) for title, column in titled]


def sparse_frame(values: Any) -> Any | None:
    """Return a frame of pandas as a sparse matrix if all its columns are sparse.

    Parameters
    ----------
    values : object
        What may be such a frame.

    Returns
    -------
    coo_matrix or None
        A copy; None for another object, and where zeros are not what is left out.
    """
    if not _is(values, "pandas", "DataFrame"):
        return None
    sparse = sys.modules["pandas"].SparseDtype
    if len(values.columns) == 0 or not all(
        isinstance(dtype, sparse) and dtype.fill_value == 0 for dtype in values.dtypes
    ):
        return None
    return values.sparse.to_coo()


def _is(values: object, library: str, kind: str) -> bool:
    """Whether an object is of a class of a library that may not be there."""
    found = getattr(sys.modules.get(library), kind, None)
    return found is not None and isinstance(values, found)


def _values(column: Any, title: str) -> NDArray[Any]:
    """Return a column as an array, without a copy where that can be."""
    if hasattr(type(column), "null_count"):  # polars, pyarrow
        if callable(column.null_count):
            missing = column.null_count() > 0
        else:
            missing = column.null_count > 0
    else:
        missing = not isinstance(column.dtype, np.dtype) and column.isna().any()
    if missing:
        raise ValueError(f"{title} has missing values; drop or fill such rows first")
    if _is(column, "pyarrow", "Array"):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    kind = getattr(getattr(column, "dtype", None), "kind", None)
    if kind in ("b", "i", "u", "f") and not isinstance(column.dtype, np.dtype):
        return np.asarray(column.to_numpy(dtype=np.float64))  # else it were of objects
    return np.asarray(column.to_numpy())
