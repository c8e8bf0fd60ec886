"""Rows of a sparse matrix, as the kernel reads them; SciPy is not needed for them.

A matrix in compressed sparse rows (CSR) stores some of its values, row after row, and
beside each its column. What it does not store is zero.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gdfast._typing import Doubles, Floats, Ints

# Floats or CSR: both have a length, a shape, a size, and slices of rows without a copy.
Matrix: TypeAlias = Any


class CSR:
    """Some rows of a sparse matrix.

    Parameters
    ----------
    data : ndarray of float32 or float64, shape (n_stored,), contiguous
        Values.
    indices : ndarray of int32 or int64, shape (n_stored,), contiguous
        Their columns, in any order; values of the same row and column add up.
    indptr : ndarray of int32 or int64, shape (n_rows + 1,), contiguous
        Where in `data` rows begin and, one further, end.
    n_features : int
        Number of columns.

    Attributes
    ----------
    shape : tuple of int
        Number of rows and of columns.
    size : int
        Number of values that these rows store.
    """

    ndim = 2

    def __init__(
        self, data: Floats, indices: Ints, indptr: Ints, n_features: int
    ) -> None:
        self.data = data
        self.indices = indices
        self.indptr = indptr
        self.shape = len(indptr) - 1, n_features
        self.size = int(indptr[-1]) - int(indptr[0])

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> CSR:
        """Return successive rows without a copy, or any by their numbers."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            indptr = self.indptr[start : stop + 1]
            return CSR(self.data, self.indices, indptr, self.shape[1])
        starts = self.indptr[:-1][rows].astype(np.int64)
        counts = self.indptr[1:][rows] - starts
        indptr = np.concatenate([[0], np.cumsum(counts)])
        places = np.repeat(starts - indptr[:-1], counts) + np.arange(indptr[-1])
        return CSR(self.data[places], self.indices[places], indptr, self.shape[1])

    @property
    def values(self) -> Floats:
        """The values of these rows, from the first to the last one."""
        return self.data[self.indptr[0] : self.indptr[-1]]

    @property
    def columns(self) -> Ints:
        """The columns of these values."""
        return self.indices[self.indptr[0] : self.indptr[-1]]

    def row_numbers(self) -> NDArray[np.intp]:
        """Return the row of every value, the first one being 0.

        Returns
        -------
        ndarray of intp, shape (size,)
            Not falling.
        """
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def copy(self) -> CSR:
        """Return the same rows in arrays of their own.

        Returns
        -------
        CSR
            A copy.
        """
        indptr = self.indptr - self.indptr[0]
        return CSR(self.values.copy(), self.columns.copy(), indptr, self.shape[1])

    def any(self) -> bool:
        """Whether a value is not zero."""
        return bool(self.values.any())

    def chunks(self, values: int) -> Iterator[slice]:
        """Yield successive slices of rows that are about as much work each.

        Parameters
        ----------
        values : int
            Values, and rows, of a slice at most; or one row that has more.

        Yields
        ------
        slice
            The next rows.
        """
        n_rows, start = len(self), 0

        def work(row: int) -> int:
            return int(self.indptr[row]) + row

        while start < n_rows:
            full = work(start) + values + 1
            stop = bisect_left(range(n_rows + 1), full, lo=start + 2, key=work) - 1
            yield slice(start, stop)
            start = stop

    def sample(self, values: int) -> CSR:
        """Return a copy of some evenly spaced rows.

        Parameters
        ----------
        values : int
            How many values and rows there may be, up to twice as many.

        Returns
        -------
        CSR
            All rows if there are no more.
        """
        step = max(1, (self.size + len(self)) // values)
        return self[np.arange(0, len(self), step)]

    def dot(self, coef: Doubles) -> Doubles:
        """Return the products of all rows with some coefficients.

        Parameters
        ----------
        coef : ndarray of float64, shape (n_features,) or (n_outputs, n_features)
            One for every column, or of every output.

        Returns
        -------
        ndarray of float64, shape (n_rows,) or (n_rows, n_outputs)
            Sums of value times coefficient.
        """
        if coef.ndim == 2:
            return np.stack([self.dot(row) for row in coef], axis=1)
        products = self.values * coef[self.columns]
        return np.bincount(self.row_numbers(), products, len(self)).astype(float)

    def merged(self) -> CSR:
        """Return the same rows with no column twice in one.

        Returns
        -------
        CSR
            These rows where that is so, else a copy in which such values are added up.
        """
        rows, columns = self.row_numbers(), self.columns
        same_row = rows[1:] == rows[:-1]
        if not (same_row & (columns[1:] <= columns[:-1])).any():
            return self
        order = np.lexsort((columns, rows))
        rows, columns = rows[order], columns[order]
        first = np.flatnonzero(
            np.r_[True, (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])]
        )
        data = np.add.reduceat(self.values[order], first, dtype=np.float64)
        counts = np.bincount(rows[first], minlength=len(self))
        indptr = np.concatenate([[0], np.cumsum(counts)])
        return CSR(data, columns[first], indptr, self.shape[1])
