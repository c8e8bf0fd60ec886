"""Standardised columns: the centres and factors that bring columns to one scale."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gdfast._backend import kernel
from gdfast._typing import Doubles, Flags, Floats, Ints
from gdfast.csr import CSR
from gdfast.losses import HalfSquaredError
from gdfast.sums import Examples, Summation
from gdfast.threads import Team

# Half a squared error has the slope 1 where predictions are 0 and targets -1: then its
# gradient is the sum of the rows, and the kernel adds up columns.
LOSS = HalfSquaredError()
PIECE_VALUES = 1 << 16  # of X that NumPy works on while they are in the cache
WIDE = 1 << 10  # values of a row that NumPy makes a long loop of


def column_scales(examples: Examples, center: bool, team: Team) -> Doubles:
    """Find what brings every column to mean 0 and standard deviation 1.

    Parameters
    ----------
    examples : Examples
        The rows, weighted as they are when trained on.
    center : bool
        Whether to take out the mean; without it the root mean square becomes 1.
    team : Team
        The threads to do it on.

    Returns
    -------
    ndarray of float64, shape (2, n_features)
        Centres and factors. A column without spread keeps the factor 1. Not finite
        where a value of X is not, or a column is too small for a factor.

    Notes
    -----
    Three readings: for the range, the mean from its middle, and the squares in units of
    the largest, so that 1e8 + noise and 1e200 times noise are measured as well as the
    noise alone. Any number of threads gives the same bits.
    """
    parts = examples.parts()
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if isinstance(examples.X, CSR):
            low, high, rest = _sparse_range(examples, team)
        else:
            low, high = _range(parts, team)
        origin = low / 2 + high / 2
        if not center:
            origin[:] = 0.0
            low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
        unit = np.exp2(np.frexp(np.maximum(high - origin, origin - low))[1])
        columns = np.array([origin, 1 / unit])
        if center:
            columns[0] += unit * _mean(examples._replace(columns=columns), team)
        if isinstance(examples.X, CSR):
            square = _sparse_mean_square(examples, columns, rest, team)
        else:
            square = _mean_square(parts, columns, team)
        deviation = unit * np.sqrt(square)
        columns[1] = 1 / np.where(are_constant(low, high), 1.0, deviation)
    return columns


def column_ranges(examples: Examples, team: Team) -> tuple[Doubles, Doubles]:
    """Find the least and the largest value of every column.

    Parameters
    ----------
    examples : Examples
        The rows; those without weight do not count.
    team : Team
        The threads to do it on.

    Returns
    -------
    low, high : ndarray of float64, shape (n_features,)
        The ends; NaN where a value is.
    """
    if isinstance(examples.X, CSR):
        low, high, _ = _sparse_range(examples, team)
        return low, high
    return _range(examples.parts(), team)


def are_constant(low: Doubles, high: Doubles) -> Flags:
    """Return which columns have values that differ by rounding alone.

    Parameters
    ----------
    low, high : ndarray of float64, shape (n_features,)
        Their least and largest values.

    Returns
    -------
    ndarray of bool, shape (n_features,)
        What is made of the spread of these would be noise.
    """
    size = np.maximum(np.abs(low), np.abs(high))
    flags: Flags = high - low <= 8 * np.finfo(float).eps * size
    return flags


def _range(parts: list[Examples], team: Team) -> tuple[Doubles, Doubles]:
    """Return the least and the largest value of every column that has weight."""

    def find(part: Examples) -> tuple[Doubles, Doubles]:
        n_features = part.X.shape[1]
        low, high = np.full(n_features, np.inf), np.full(n_features, -np.inf)
        for X, _, weight, *_ in part.chunks(_piece_rows(n_features)):
            rows = X if weight is None or weight.all() else X[weight > 0]
            wide = _side_by_side(rows)
            least = wide.min(axis=0, initial=np.inf)
            most = wide.max(axis=0, initial=-np.inf)
            np.minimum(low, least.reshape(-1, n_features).min(axis=0), out=low)
            np.maximum(high, most.reshape(-1, n_features).max(axis=0), out=high)
        return low, high

    lows, highs = zip(*team.map(find, parts), strict=True)
    return np.min(lows, axis=0), np.max(highs, axis=0)


def _sparse_range(examples: Examples, team: Team) -> tuple[Doubles, Doubles, Doubles]:
    """Return the same for sparse rows, and the weight of what a column stores not."""

    def find(part: Examples) -> tuple[Doubles, Doubles, Doubles, Doubles]:
        n_features = part.X.shape[1]
        low, high = np.full(n_features, np.inf), np.full(n_features, -np.inf)
        count, weight_sum = np.zeros((2, n_features))
        for column, value, weight in _stored(part):
            np.minimum.at(low, column, value)
            np.maximum.at(high, column, value)
            count += np.bincount(column, minlength=n_features)
            weight_sum += np.bincount(column, weight, n_features)
        return low, high, count, weight_sum

    found = zip(*team.map(find, examples.parts()), strict=True)
    lows, highs, counts, weight_sums = map(np.array, found)
    low, high = lows.min(axis=0), highs.max(axis=0)
    weight = examples.sample_weight
    n_rows = len(examples.X) if weight is None else np.count_nonzero(weight)
    total = n_rows if weight is None else weight.sum()
    # Rounding must not leave a little weight to a column that stores all.
    zeros = counts.sum(axis=0) < n_rows
    rest = np.where(zeros, np.maximum(total - weight_sums.sum(axis=0), 0.0), 0.0)
    low[zeros] = np.minimum(low[zeros], 0.0)
    high[zeros] = np.maximum(high[zeros], 0.0)
    return low, high, rest


def _sparse_mean_square(
    examples: Examples, columns: Doubles, rest: Doubles, team: Team
) -> Doubles:
    """Return the same as `_mean_square` for sparse rows; the rest are zeros."""
    center, factor = columns

    def add(part: Examples) -> Doubles:
        total = np.zeros(len(center))
        for column, value, weight in _stored(part):
            scaled = (value - center[column]) * factor[column]
            total += np.bincount(column, weight * scaled * scaled, len(center))
        return total

    total: Doubles = sum(team.map(add, examples.parts()))  # type: ignore[assignment]
    weight = examples.sample_weight
    total += rest * (center * factor) ** 2
    total /= len(examples.X) if weight is None else weight.sum()
    return total


def _stored(part: Examples) -> Iterator[tuple[Ints, Doubles, Doubles]]:
    """Yield column, value and weight of all that sparse rows with weight store.

    Every place comes once: a square is not that of parts of a value.
    """
    X, _, weight, *_ = part
    assert isinstance(X, CSR)
    for rows in X.chunks(max(PIECE_VALUES, X.shape[1])):
        piece = X[rows].merged()
        weights = np.ones(len(piece)) if weight is None else weight[rows]
        weights = weights[piece.row_numbers()]
        some = weights > 0
        values = piece.values[some].astype(np.float64)
        yield piece.columns[some], values, weights[some]


def _mean(examples: Examples, team: Team) -> Doubles:
    """Return the weighted mean of every column."""
    targets = np.broadcast_to(-1.0, len(examples.X))
    examples = examples._replace(y=targets, n_outputs=1)
    summation = Summation(LOSS, examples, team)
    totals = summation.gradient(np.zeros(examples.X.shape[1]))
    return totals.gradient / totals.weight_sum


def _mean_square(parts: list[Examples], columns: Doubles, team: Team) -> Doubles:
    """Return the weighted mean square of every column, centred and scaled."""
    n_features = columns.shape[1]
    params = np.zeros(n_features)

    def add(part: Examples) -> tuple[Doubles, float]:
        total, weight_sum = np.zeros(n_features), 0.0
        for X, _, weight, *_ in part.chunks(_piece_rows(n_features)):
            wide = _side_by_side(X)
            center, factor = columns
            if len(wide) < len(X):
                center, factor = np.tile(columns, wide.shape[1] // n_features)
            with np.errstate(over="ignore", invalid="ignore"):
                squares = wide - center
                squares *= factor
                squares *= squares
            squares = squares.reshape(X.shape)
            targets = np.broadcast_to(-1.0, len(X))
            sums = kernel.add_gradient(
                LOSS.kind, LOSS.param, squares, targets, weight, None, params, total
            )
            weight_sum += sums[1]
        return total, weight_sum

    totals, weights = zip(*team.map(add, parts), strict=True)
    mean: Doubles = sum(totals) / sum(weights)
    return mean


def _piece_rows(n_features: int) -> int:
    """Return the rows of a piece: whole wide rows, and half a megabyte of doubles."""
    rows = max(1, PIECE_VALUES // n_features)
    together = _rows_together(n_features)
    return max(1, rows // together) * together


def _rows_together(n_features: int) -> int:
    return max(1, WIDE // n_features)


def _side_by_side(X: Floats) -> Floats:
    """Return rows as fewer and wider ones, as NumPy takes long over short ones."""
    together = _rows_together(X.shape[1])
    if not X.flags.c_contiguous or len(X) % together:
        return X
    return X.reshape(len(X) // together, -1)
