"""The rows of a run, and the table that the tutorials print of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gdfast._files import atomic_write
from gdfast._typing import Doubles

SHOWN_ROWS = 20  # of a longer table the first and the last half of these are printed
SHOWN_COLUMNS = 10


class History:
    """What every iteration of a run saw before its update.

    Row k (``iteration`` k, from 1) holds the parameters and the loss before update k,
    as the tutorials print them; the last row is the model that the run returned.

    Parameters
    ----------
    array : ndarray, shape (n_iter + 1,)
        Structured: ``iteration`` (int64), then, in a full history, ``coef`` (float64,
        shape (n_features,)) and ``intercept`` (float64) if one is fitted, then
        ``loss`` (float64, the mean loss) and, with early stopping, ``validation_loss``
        (float64, that of the rows held out). Of several outputs
        ``coef`` has shape (n_outputs, n_features) and ``intercept`` shape
        (n_outputs,). Of a function that `gdfast.minimize` descends there are, beside
        ``iteration``, its value ``fun`` and, in a full history, before it the point
        ``x``, of the shape of `x0`.
    feature_names : tuple of str or None
        Titles of the coefficients.

    Attributes
    ----------
    array : ndarray
        As passed.

    Examples
    --------
    >>> import gdfast
    >>> mpg = gdfast.example_data("mpg")
    >>> fit = gdfast.train(
    ...     mpg["pounds_1000"], mpg["mpg"], learning_rate=0.01, max_iter=3,
    ...     history="full",
    ... )
    >>> print(fit.history)
    iteration        weight          bias            loss
            1  0.0000000000  0.0000000000  303.7142857143
            2  1.1971714286  0.3428571429  170.8431181915
            3  2.0500101956  0.5926950049  103.1740226323
            4  2.6571512957  0.7761560853   68.7027842240
    >>> fit.history["loss"][:2]
    array([303.71428571, 170.84311819])
    """

    def __init__(
        self, array: NDArray[Any], feature_names: tuple[str, ...] | None = None
    ) -> None:
        self.array = array
        self.feature_names = feature_names

    @classmethod
    def from_rows(
        cls,
        loss: Doubles,
        coef: Doubles | None = None,
        intercept: Doubles | None = None,
        feature_names: tuple[str, ...] | None = None,
        done: int = 0,
        validation_loss: Doubles | None = None,
    ) -> History:
        """Make a history of columns.

        Parameters
        ----------
        loss : ndarray of float64, shape (n_rows,)
            Mean losses.
        coef : ndarray of float64, shape (n_rows, n_features), or None
            Coefficients; of several outputs of shape (n_rows, n_outputs, n_features).
        intercept : ndarray of float64, shape (n_rows,) or (n_rows, n_outputs), or None
            Intercepts.
        feature_names : tuple of str or None
            Titles of the coefficients.
        done : int
            Iterations made before.
        validation_loss : ndarray of float64, shape (n_rows,), or None
            Mean losses of rows held out.

        Returns
        -------
        History
            With iterations numbered from the one after these.
        """
        columns = {
            "coef": coef,
            "intercept": intercept,
            "loss": loss,
            "validation_loss": validation_loss,
        }
        return cls(_table(done, columns), feature_names)

    @classmethod
    def of_function(cls, fun: Doubles, x: Doubles | None, done: int) -> History:
        """Make a history of a descent of a function.

        Parameters
        ----------
        fun : ndarray of float64, shape (n_rows,)
            Its values.
        x : ndarray of float64, shape (n_rows, n) or (n_rows,), or None
            The points.
        done : int
            Iterations made before.

        Returns
        -------
        History
            With iterations numbered from the one after these.
        """
        return cls(_table(done, {"x": x, "fun": fun}))

    @property
    def columns(self) -> tuple[str, ...]:
        """Titles of the printed columns."""
        titles = ["iteration"]
        fields = self.array.dtype.names or ()
        if "x" in fields:
            shape = self.array["x"].shape[1:]
            titles += [f"x[{j}]" for j in range(shape[0])] if shape else ["x"]
        if "coef" in fields:
            *outputs, n_features = self.array["coef"].shape[1:]
            if self.feature_names is not None and n_features > 1:
                weights = list(self.feature_names)
            elif n_features == 1:
                weights = ["weight"]
            else:
                weights = [f"weight {j + 1}" for j in range(n_features)]
            titles += _of_outputs(weights, outputs)
        if "intercept" in fields:
            titles += _of_outputs(["bias"], list(self.array["intercept"].shape[1:]))
        titles += [name for name in fields if name.endswith(("loss", "fun"))]
        return tuple(titles)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column by its name, that of a field of `array`."""
        fields = self.array.dtype.names or ()
        if name not in fields:
            hint = ""
            if not {"coef", "x"} & {*fields}:
                hint = (
                    f'; {"train" if "loss" in fields else "minimize"}(history="full")'
                )
            raise KeyError(f"this history has no {name!r}{hint}")
        column: NDArray[Any] = self.array[name]
        return column

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows."""
        return iter(self.array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return `array`, for NumPy."""
        if copy is None:  # which NumPy 1 does not take
            return np.asarray(self.array, dtype=dtype)
        return np.array(self.array, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        """Return the number of rows: iterations made, and one."""
        return len(self.array)

    def __repr__(self) -> str:
        """Return the printed table."""
        return str(self)

    def __str__(self) -> str:
        """Return the table, the middle left out where it is long or wide."""
        rows = np.arange(len(self))
        if len(rows) > SHOWN_ROWS:
            rows = np.r_[rows[: SHOWN_ROWS // 2], rows[-SHOWN_ROWS // 2 :]]
        texts = self.cells(rows)
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = ["  ".join(map(str.rjust, row, widths)) for row in texts]
        if len(rows) < len(self):
            lines.insert(1 + SHOWN_ROWS // 2, "...".rjust(widths[0]))
        return "\n".join(lines)

    def cells(self, numbers: NDArray[np.intp]) -> list[list[str]]:
        """Return some rows as they are printed.

        Parameters
        ----------
        numbers : ndarray of intp, shape (n_rows,)
            Which, the first one being 0.

        Returns
        -------
        list of list of str
            The titles, then the cells of each row, the middle left out where these
            are many.
        """
        titles = list(self.columns)
        values: list[NDArray[Any] | None] = [*self._values(self.array[numbers])]
        if len(titles) > SHOWN_COLUMNS:
            left, right = SHOWN_COLUMNS // 2, len(titles) - SHOWN_COLUMNS // 2
            titles = [*titles[:left], "...", *titles[right:]]
            values = [*values[:left], None, *values[right:]]
        texts = [_texts(column, len(numbers)) for column in values]
        return [titles, *map(list, zip(*texts, strict=True))]

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table, all rows and digits, as CSV with a header line.

        Parameters
        ----------
        path : path-like
            The file; it is replaced as a whole at the end, or left as it was.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        # csv is only needed here; keep the import of gdfast short.
        import csv
        import io

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        columns = [column.tolist() for column in self._values(self.array)]
        writer.writerows(zip(*columns, strict=True))
        with atomic_write(path) as file:
            file.write(text.getvalue().encode())

    @staticmethod
    def _values(rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the printed columns of some rows."""
        columns: list[NDArray[Any]] = []
        for name in rows.dtype.names or ():
            columns += list(rows[name].reshape(len(rows), -1).T)
        return columns


def _table(done: int, columns: dict[str, Doubles | None]) -> NDArray[Any]:
    """Return columns, of which some may be None, as a structured array."""
    given = {name: values for name, values in columns.items() if values is not None}
    fields: list[Any] = [("iteration", np.int64)]
    fields += [(name, np.float64, column.shape[1:]) for name, column in given.items()]
    n_rows = len(next(iter(given.values())))
    array = np.empty(n_rows, dtype=fields)
    array["iteration"] = np.arange(done + 1, done + n_rows + 1)
    for name, column in given.items():
        array[name] = column
    return array


def _of_outputs(titles: list[str], outputs: list[int]) -> list[str]:
    """Return titles, of a single output as they are, else of each in turn."""
    if not outputs:
        return titles
    return [f"{title} [{k}]" for k in range(outputs[0]) for title in titles]


def _texts(column: NDArray[Any] | None, n_rows: int) -> list[str]:
    """Return the cells of a column with as many decimals each as the others."""
    if column is None:
        return ["..."] * n_rows
    if column.dtype.kind == "i":
        return [str(value) for value in column]
    sizes = np.abs(column[np.isfinite(column) & (column != 0)])
    plain = len(sizes) == 0 or (sizes.max() < 1e8 and sizes.max() > 1e-4)
    return [f"{value:.10f}" if plain else f"{value:.10e}" for value in column]
