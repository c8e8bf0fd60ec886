"""Read tables of numbers from files: the right numbers or a clear error."""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gdfast.delimited import (
    TableError,
    choose_columns,
    no_column,
    read_layout,
    read_values,
)

_DATA = Path(__file__).with_name("data")
_EXAMPLES = {"advertising": "advertising.csv", "mpg": "mpg.csv", "pizza": "pizza.txt"}


@dataclass(frozen=True, eq=False)
class Table:
    """A table of finite numbers with named columns.

    ``numpy.asarray(table)`` is `values`; ``train`` takes a table as `X` and
    keeps the names.

    Parameters
    ----------
    columns : tuple of str
        Names of the columns.
    values : ndarray of float64, shape (n_rows, n_columns), C-contiguous
        The numbers.
    n_dropped : int
        Rows of the file that were left out because of empty cells.
    notes : tuple of str
        What the reader decided by itself, one sentence each: that there is no
        header or a doubtful one, which columns it left out for want of a name.

    Examples
    --------
    >>> table = example_data("mpg")
    >>> table.columns, len(table)
    (('pounds_1000', 'mpg'), 7)
    >>> table["mpg"]
    array([18., 15., 18., 16., 15., 14., 24.])
    """

    columns: tuple[str, ...]
    values: NDArray[np.float64] = field(repr=False)
    n_dropped: int = 0
    notes: tuple[str, ...] = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is None:  # which NumPy 1 does not take
            return np.asarray(self.values, dtype=dtype)
        return np.array(self.values, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the columns, as a data frame does."""
        return iter(self.columns)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return one column, shape (n_rows,)."""
        return self.values[:, self._index(name)]

    def select(self, names: Sequence[str]) -> Table:
        """Return a table of some columns.

        Parameters
        ----------
        names : sequence of str
            Names of the columns, in the order wanted.

        Returns
        -------
        Table
            The columns named, copied.

        Raises
        ------
        KeyError
            If there is no column of a name.
        TypeError
            If `names` is a single string.
        """
        _refuse_string("names", names)
        index = [self._index(name) for name in names]
        values = np.ascontiguousarray(self.values[:, index])
        return Table(tuple(names), values, self.n_dropped, self.notes)

    def _index(self, name: str) -> int:
        if name not in self.columns:
            raise KeyError(no_column(name, self.columns))
        return self.columns.index(name)


def example_data(name: str) -> Table:
    """Read one of the example tables that come with gdfast.

    Parameters
    ----------
    name : {"advertising", "mpg", "pizza"}
        Budgets for TV, radio and newspaper, and sales; weight of cars in
        thousands of pounds, and miles per gallon; reservations, and pizzas.

    Returns
    -------
    Table
        All its rows and named columns.

    Raises
    ------
    ValueError
        If there is no such table.

    Examples
    --------
    >>> example_data("pizza").columns
    ('Reservations', 'Pizzas')
    """
    if name not in _EXAMPLES:
        raise ValueError(f"name must be one of {sorted(_EXAMPLES)}, got {name!r}")
    return read_table(_DATA / _EXAMPLES[name])


def read_table(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    drop: Collection[str] = (),
    drop_missing: bool = False,
) -> Table:
    """Read a table of numbers from a text file.

    Cells are separated by tabs, semicolons or commas, the first of these that
    the first line has, or else by white space. The first line is a header if
    it has a cell of text; without a header the columns are named "1", "2" and
    so on. Blank lines are no rows.

    Parameters
    ----------
    path : str or path-like
        A file of UTF-8 text, with or without byte order mark; also a pipe.
    columns : sequence of str, optional
        Columns to read, in this order; the others may hold anything. By
        default all that have a name (a column of row numbers often has none).
    drop : collection of str
        Columns to leave out.
    drop_missing : bool
        Leave out rows that lack a value in a column that is read, be it an
        empty cell, NaN, NA, N/A, NULL or None. By default, that is an error.

    Returns
    -------
    Table
        The columns and rows that were asked for.

    Raises
    ------
    TableError
        If a cell is not a finite number, a line has too few or too many cells,
        a column does not exist or two have one name, or the file is empty or
        not text. A ValueError that names file, line and column, and that sums
        up all bad cells column by column.
    TypeError
        If `columns` or `drop` is a single string.
    OSError
        If the file cannot be read, or is changed while being read.

    Examples
    --------
    >>> table = read_table(_DATA / "advertising.csv", columns=["Radio", "Sales"])
    >>> table.values[:2]
    array([[37.8, 22.1],
           [39.3, 10.4]])
    """
    _refuse_string("columns", columns)
    _refuse_string("drop", drop)
    with open(path, "rb") as file:
        # What comes through a pipe can be read only once, so it is kept.
        source = file if file.seekable() else io.BytesIO(file.read())
        with _named_errors(os.fspath(path), source):
            text = io.TextIOWrapper(source, encoding="utf-8-sig")
            layout = read_layout(text)
            index = choose_columns(layout.names, columns, drop)
            values, n_dropped = read_values(text, layout, index, drop_missing)
    notes = layout.notes()
    unnamed = [str(j) for j, name in enumerate(layout.names, 1) if not name]
    if unnamed and columns is None:
        notes += (f"left out for having no name: column {', '.join(unnamed)}",)
    return Table(tuple(layout.names[j] for j in index), values, n_dropped, notes)


@contextmanager
def _named_errors(path: str, source: BinaryIO) -> Iterator[None]:
    """Name the file in every error, and refuse one that was changed meanwhile."""
    before = _stamp(source)
    failure = None
    try:
        yield
    except UnicodeDecodeError:
        failure = TableError(f"{path}: {_find_not_utf8(source)}")
    except TableError as error:
        problem, *columns = error.args
        failure = TableError(f"{path}: {problem}", *columns)
    if _stamp(source) != before:
        raise OSError(f"{path}: changed while being read")
    if failure:
        raise failure


def _stamp(source: BinaryIO) -> tuple[int, int] | None:
    """Size and time of the open file; another that takes its name is no matter."""
    if isinstance(source, io.BytesIO):
        return None
    status = os.fstat(source.fileno())
    return status.st_size, status.st_mtime_ns


def _find_not_utf8(source: BinaryIO) -> str:
    source.seek(0)
    for line, content in enumerate(source, 1):
        try:
            content.decode()
        except UnicodeDecodeError as error:
            byte = content[error.start]
            return f"line {line} is not UTF-8 text (byte 0x{byte:02x})"
    return "not UTF-8 text"


def _refuse_string(argument: str, value: object) -> None:
    # It would be taken for a list of one-letter names.
    if isinstance(value, str):
        raise TypeError(f"{argument} must be a list of names, got the string {value!r}")
