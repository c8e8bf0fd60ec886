"""Sums over examples: the only thing gdfast does to data.

A sum over all rows is the sum of the sums over chunks of them, so one chunk, one file
and one machine are added up alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gdfast import _kernel
from gdfast._validation import Floats

Doubles = NDArray[np.float64]

# Values of X in a chunk that Python sees: 8 MB, some milliseconds of work, so that a
# temporary copy of one stays small and Ctrl-C is answered between two.
CHUNK_VALUES = 1 << 20


class Examples(NamedTuple):
    """Rows of data that the kernel can read.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_samples, n_features)
        Features; the values of a row are contiguous.
    y : ndarray of float32 or float64, shape (n_samples,)
        Targets.
    sample_weight : ndarray of float64, shape (n_samples,), or None
        Non-negative weights.
    columns : ndarray of float64, shape (2, n_features), or None
        Centres and factors: what is summed over is ``(X - columns[0]) * columns[1]``.
    """

    X: Floats
    y: Floats
    sample_weight: Doubles | None = None
    columns: Doubles | None = None

    def chunks(self) -> Iterator[Examples]:
        """Yield the rows in order, some at a time, without copying them.

        Yields
        ------
        examples : Examples
            Views of some rows.
        """
        X, y, weight, columns = self
        rows = max(1, CHUNK_VALUES // X.shape[1])
        if len(X) <= rows:
            yield self
            return
        for start in range(0, len(X), rows):
            part = slice(start, start + rows)
            yield Examples(
                X[part], y[part], None if weight is None else weight[part], columns
            )

    def features(self) -> Floats:
        """Return the features as they are summed over.

        Returns
        -------
        ndarray of float32 or float64, shape (n_samples, n_features)
            X itself where there are no `columns`, else a float64 copy.
        """
        if self.columns is None:
            return self.X
        features: Doubles = (self.X - self.columns[0]) * self.columns[1]
        return features


class GradientSum(NamedTuple):
    """What one pass over the examples adds up.

    Parameters
    ----------
    gradient : ndarray of float64, shape (n_params,)
        Sum of weight times gradient; the last one is the intercept's, if fitted.
    loss_sum : float
        Sum of weight times loss.
    weight_sum : float
        Sum of the weights.
    """

    gradient: Doubles
    loss_sum: float
    weight_sum: float


def gradient_sum(kind: int, examples: Examples, params: Doubles) -> GradientSum:
    """Add up the loss and its gradient over all examples.

    Parameters
    ----------
    kind : int
        Number of the loss.
    examples : Examples
        The rows.
    params : ndarray of float64, shape (n_features,) or (n_features + 1,)
        Coefficients, then the intercept if there is one.

    Returns
    -------
    GradientSum
        The totals.
    """
    gradient = np.zeros(len(params))
    loss_sum = weight_sum = 0.0
    for chunk in examples.chunks():
        loss, weight = _kernel.add_gradient(kind, *chunk, params, gradient)
        loss_sum += loss
        weight_sum += weight
    return GradientSum(gradient, loss_sum, weight_sum)


def column_scales(examples: Examples, center: bool) -> Doubles:
    """Find what brings every column to mean 0 and standard deviation 1.

    Parameters
    ----------
    examples : Examples
        The rows, weighted as they are when trained on.
    center : bool
        Whether to take out the mean; without it the root mean square becomes 1.

    Returns
    -------
    ndarray of float64, shape (2, n_features)
        Centres and factors. A constant column keeps the factor 1.

    Notes
    -----
    Two passes, so that a column of 1e8 + noise is measured as well as the noise alone.
    """
    n_features = examples.X.shape[1]
    columns = np.zeros((2, n_features))
    if center:
        columns[0] = _mean(examples, columns[0], 1)
    deviation = np.sqrt(_mean(examples, columns[0], 2))
    constant = deviation <= 8 * np.finfo(float).eps * np.abs(columns[0])
    columns[1] = 1 / np.where(constant, 1.0, deviation)
    return columns


def _mean(examples: Examples, center: Doubles, power: int) -> Doubles:
    """Return the weighted mean of ``(X - center)**power`` of every column."""
    moment = np.zeros(len(center))
    weight_sum = 0.0
    for X, _, weight, _ in examples.chunks():
        values = (X - center) ** power
        weights = np.ones(len(X)) if weight is None else weight
        moment += weights @ values
        weight_sum += weights.sum()
    return moment / weight_sum
