"""Parse delimited text into numbers: the right ones, or an error on all faults.

A plain file (no quotes, equally many cells on every line, finite numbers in
the columns asked for) goes through NumPy's C parser once. Any other is read
again, cell by cell, which allows what NumPy does not and counts all faults.
"""

from __future__ import annotations

import csv
import difflib
import itertools
import math
import re
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

# What programs write for a value that is missing, in lower case, beside NaN.
MISSING = frozenset({"na", "n/a", "<na>", "null", "none"})
NOUNS = {
    "empty": ("empty cell", "empty cells"),
    "missing": ("missing value", "missing values"),
    "text": ("cell of text", "cells of text"),
    "infinite": ("infinite value", "infinite values"),
}
SHOWN_FAULTS = 12
SHOWN_COLUMNS = 30


class TableError(ValueError):
    """A file is not the table of numbers that was asked for.

    Parameters
    ----------
    problem : str
        What was found where: file, line, column.
    text_columns : tuple of str
        Columns with text, or without any value, which `drop` would leave out.
    missing_columns : tuple of str
        Columns with empty cells, whose rows `drop_missing` would leave out.
    """

    def __init__(
        self,
        problem: str,
        text_columns: tuple[str, ...] = (),
        missing_columns: tuple[str, ...] = (),
    ) -> None:
        super().__init__(problem, text_columns, missing_columns)
        self.problem = problem
        self.text_columns = text_columns
        self.missing_columns = missing_columns

    def __str__(self) -> str:
        return self.render(lambda names: f"drop={list(names)}", "drop_missing=True")

    def render(self, drop: Callable[[tuple[str, ...]], str], drop_missing: str) -> str:
        """Return the problem and what helps, in the words of the caller's options.

        Parameters
        ----------
        drop : callable
            Returns how to drop columns of these names; of many it is given the first.
        drop_missing : str
            How to drop the rows with empty cells.

        Returns
        -------
        str
            One line.
        """
        sentences = [self.problem]
        if self.text_columns:
            noun = "column" if len(self.text_columns) == 1 else "columns"
            option = drop(self.text_columns[:SHOWN_FAULTS])
            if more := _more_columns(len(self.text_columns)):
                option += f" ({more})"
            sentences.append(f"{option} leaves the {noun} out")
        if self.missing_columns:
            sentences.append(f"{drop_missing} leaves the rows with empty cells out")
        return "; ".join(sentences)


@dataclass(frozen=True)
class Layout:
    """What the first line tells about a file.

    Parameters
    ----------
    separator : str or None
        What stands between two cells; None for any run of white space.
    names : tuple of str
        Names of the columns.
    header_line : int
        Line of the header, from 1; 0 if there is none.
    """

    separator: str | None
    names: tuple[str, ...]
    header_line: int

    def notes(self) -> tuple[str, ...]:
        """Say what was decided, where another might have decided otherwise."""
        if not self.header_line:
            last = self.names[-1]
            named = (
                "column is named 1" if last == "1" else f"columns are named 1 to {last}"
            )
            return (f"no header line; the {named}",)
        numbers = [name for name in self.names if not _fault(name)]
        if not numbers:
            return ()
        line = f"line {self.header_line} is taken for the header"
        return (f"{line}, although {numbers[0]!r} in it is a number",)


def read_layout(text: TextIO) -> Layout:
    """Find the separator and the names of the columns.

    Parameters
    ----------
    text : text file object
        Seekable.

    Returns
    -------
    Layout
        Separated by the first of tab, semicolon and comma that the first line has
        outside of quotes; that line is a header if one of its cells is text.

    Raises
    ------
    TableError
        If there is no first line, it is no text, or it gives a name twice.
    """
    text.seek(0)
    first = next((line for line in text if line.strip()), "")
    if "\0" in first:
        raise TableError("line 1 is not text: it has NUL bytes")
    unquoted = re.sub('"[^"]*"', "", first)
    separator = next((mark for mark in "\t;," if mark in unquoted), None)
    line, cells = next(_rows(text, separator), (0, []))
    if not cells:
        raise TableError("the file is empty")
    names = tuple(cell.strip() for cell in cells)
    if all(_fault(name) != "text" for name in names):
        return Layout(separator, tuple(str(j + 1) for j in range(len(names))), 0)
    for name in names:
        if name and names.count(name) > 1:
            raise TableError(f"line {line} gives the name {name!r} to two columns")
    return Layout(separator, names, line)


def choose_columns(
    names: tuple[str, ...], columns: Sequence[str] | None, drop: Collection[str]
) -> list[int]:
    """Return the positions of the columns to read.

    Parameters
    ----------
    names : tuple of str
        Names of all columns, empty for those without.
    columns : sequence of str or None
        Names of those wanted, in order; None for all with a name.
    drop : collection of str
        Names of those not wanted.

    Returns
    -------
    list of int
        At least one.

    Raises
    ------
    TableError
        If a column does not exist, is wanted twice, or none is left.
    """
    if columns is None:
        columns = [name for name in names if name]
    for name in (*columns, *drop):
        if not name or name not in names:
            raise TableError(no_column(name, names))
    index = [names.index(name) for name in columns if name not in drop]
    if not index:
        raise TableError("no column is left to read")
    if len(set(index)) < len(index):
        raise TableError("a column is asked for twice")
    return index


def no_column(name: str, names: Sequence[str]) -> str:
    """Say that there is no such column, and which one may have been meant.

    Parameters
    ----------
    name : str
        Not a column.
    names : sequence of str
        The columns.

    Returns
    -------
    str
        One line.
    """
    known = {column.lower(): column for column in names if column}
    close = difflib.get_close_matches(str(name).lower(), known, n=1)
    hint = f", did you mean {known[close[0]]!r}?" if close else ","
    listed = [repr(column) for column in known.values()]
    if len(listed) > SHOWN_COLUMNS:
        listed[SHOWN_COLUMNS:] = ["..."]
    return f"no column {name!r}{hint} the columns are {', '.join(listed)}"


def read_values(
    text: TextIO, layout: Layout, index: list[int], drop_missing: bool
) -> tuple[NDArray[np.float64], int]:
    """Read the numbers of some columns.

    Parameters
    ----------
    text : text file object
        Seekable; it is read once or twice.
    layout : Layout
        As `read_layout` found it.
    index : list of int
        Positions of the columns.
    drop_missing : bool
        Whether to leave out rows with empty cells in these columns.

    Returns
    -------
    values : ndarray of float64, shape (n_rows, len(index)), C-contiguous
        Finite numbers.
    n_dropped : int
        Rows left out.

    Raises
    ------
    TableError
        If there are cells that are not finite numbers, lines with too few or too
        many cells, or no rows.
    """
    values = _read_plain(text, layout, index)
    if values is not None:
        return values, 0
    return _read_cells(text, layout, index, drop_missing)


def _read_plain(
    text: TextIO, layout: Layout, index: list[int]
) -> NDArray[np.float64] | None:
    """Parse quickly, or return None if the file is not a plain one."""
    separator, n_columns = layout.separator, len(layout.names)
    blank = " \r\n" if separator else None  # beside a separator only spaces are

    def plain_lines() -> Iterator[str]:
        # NumPy looks only at the cells it reads, so one comma too many would
        # shift them unseen; and it warns of a file without rows.
        n_rows = 0
        for line in itertools.islice(text, layout.header_line, None):
            n_cells = line.count(separator) + 1 if separator else len(line.split())
            if n_cells == n_columns and '"' not in line:
                n_rows += 1
                yield line
            elif line.strip(blank) or n_columns == 1:
                raise ValueError("not a plain line")
        if not n_rows:
            raise ValueError("no rows")

    text.seek(0)
    try:
        values = np.loadtxt(
            plain_lines(), delimiter=separator, comments=None, usecols=index, ndmin=2
        )
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _read_cells(
    text: TextIO, layout: Layout, index: list[int], drop_missing: bool
) -> tuple[NDArray[np.float64], int]:
    """Parse with care, cell by cell."""
    rows = _rows(text, layout.separator, len(layout.names))
    if layout.header_line:
        next(rows, None)
    numbers = array("d")
    faults = _Faults(layout.names)
    n_dropped = 0
    for line, row in rows:
        if len(row) != len(layout.names):
            faults.uneven.append((line, len(row)))
            continue
        cells = [row[j] for j in index]
        floats = _to_floats(cells)
        if floats is None:
            kinds = [_fault(cell) for cell in cells]
            if drop_missing and ("empty" in kinds or "missing" in kinds):
                n_dropped += 1
                continue
            for j, kind, cell in zip(index, kinds, cells, strict=True):
                faults.add(j, kind, line, cell)
            floats = [] if any(kinds) else [float(cell) for cell in cells]
        faults.n_rows += 1
        numbers.extend(floats)
    faults.check(n_dropped)
    return np.frombuffer(numbers).reshape(-1, len(index)), n_dropped


def _rows(
    text: TextIO, separator: str | None, n_columns: int | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of every row, and the number of its first line.

    Blank lines are no rows, except in a table of one column: there, a blank line
    between two others is how an empty cell looks.
    """
    text.seek(0)
    lines = text if separator else (" ".join(line.split()) for line in text)
    reader = csv.reader(
        lines, delimiter=separator or " ", skipinitialspace=True, strict=True
    )
    line = 1
    started = False
    gaps: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cells) or len(cells) > 1 or (cells and n_columns == 1):
                yield from gaps
                gaps.clear()
                yield line, cells
                started = True
            elif n_columns == 1 and started:
                gaps.append((line, [""]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"line {line} cannot be split into cells: {error}") from None


def _to_floats(cells: list[str]) -> list[float] | None:
    """Convert the cells of a row, or return None if one may be at fault."""
    try:
        floats = [float(cell) for cell in cells]
    except ValueError:
        return None
    # float() takes 1_000 for a number, which in a table it hardly is.
    plain = math.isfinite(sum(floats)) and "_" not in "".join(cells)
    return floats if plain else None


def _fault(cell: str) -> str:
    """Say what keeps a cell from being a finite number, "" if nothing does."""
    cell = cell.strip().lower()
    if not cell:
        return "empty"
    if cell in MISSING:
        return "missing"
    try:
        value = float(cell.replace("_", "?"))
    except ValueError:
        return "text"
    if math.isnan(value):
        return "missing"
    return "infinite" if math.isinf(value) else ""


def _more_columns(n: int) -> str:
    """Say how many of n columns are not shown, "" if all are."""
    hidden = n - SHOWN_FAULTS
    if hidden <= 0:
        return ""
    return "and 1 more column" if hidden == 1 else f"and {hidden:,} more columns"


class _Faults:
    """Lines and cells that are not as they should be, counted."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.n_rows = 0
        self.uneven: list[tuple[int, int]] = []  # line, number of cells
        # For every column and fault: how many, then line and cell of the first.
        self.cells: dict[tuple[int, str], tuple[int, int, str]] = {}

    def add(self, column: int, fault: str, line: int, cell: str) -> None:
        if fault:
            count, first_line, first = self.cells.get((column, fault), (0, line, cell))
            self.cells[column, fault] = count + 1, first_line, first

    def check(self, n_dropped: int) -> None:
        """Raise one error for all faults, or for want of rows."""
        found = [self._describe(*key) for key in sorted(self.cells)]
        if more := _more_columns(len(found)):
            found[SHOWN_FAULTS:] = [more]
        if self.uneven:
            line, n_cells = self.uneven[0]
            more = f" (and {len(self.uneven) - 1} more)" if self.uneven[1:] else ""
            cells = "1 cell" if n_cells == 1 else f"{n_cells} cells"
            found.insert(0, f"line {line}{more} has {cells}, not {len(self.names)}")
        if not found and not self.n_rows:
            found = ["every row has an empty cell" if n_dropped else "no rows of data"]
        if found:
            missing = {j for j, fault in self.cells if fault in ("empty", "missing")}
            useless = {
                j
                for (j, fault), (count, _, _) in self.cells.items()
                if fault == "text" or (j in missing and count == self.n_rows)
            }
            raise TableError(
                "; ".join(found), self._sorted(useless), self._sorted(missing - useless)
            )

    def _sorted(self, columns: set[int]) -> tuple[str, ...]:
        return tuple(self.names[j] for j in sorted(columns))

    def _describe(self, column: int, fault: str) -> str:
        count, line, cell = self.cells[column, fault]
        place = f"at line {line}"
        if cell.strip():
            place = f"{cell[:40]!r} {place}"
        if count == 1:
            what = f"1 {NOUNS[fault][0]}, {place}"
        elif fault == "text" and count == self.n_rows:
            what = f"text, {place}"
        else:
            what = f"{count} {NOUNS[fault][1]}, the first {place}"
        return f"column {self.names[column]!r} has {what}"
