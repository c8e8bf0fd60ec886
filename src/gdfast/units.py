"""The caller's coefficients, and the parameters that are trained."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gdfast._typing import Doubles

TILE = 2048  # features that are transposed at a time


class Units(NamedTuple):
    """Turns the caller's coefficients into those of the columns trained on, and back.

    Parameters
    ----------
    columns : ndarray of float64, shape (2, n_features), or None
        Centres and factors of the columns trained on.
    n_features : int
        Number of columns.
    fit_intercept : bool
        Whether parameters end with the intercept.
    bounds : ndarray of float64, shape (2, n_features), or None
        The caller's bounds of the coefficients.
    outputs : int or None
        Number of outputs of a model whose coefficients have shape (n_outputs,
        n_features), and so have the bounds; None for a single one.

    Notes
    -----
    Parameters have the outputs of a feature side by side, those of the intercepts last.
    """

    columns: Doubles | None
    n_features: int
    fit_intercept: bool
    bounds: Doubles | None = None
    outputs: int | None = None

    @property
    def coef_shape(self) -> tuple[int, ...]:
        """Shape of the caller's coefficients."""
        if self.outputs is None:
            return (self.n_features,)
        return (self.outputs, self.n_features)

    @property
    def n_coef(self) -> int:
        """Number of coefficients, of all outputs."""
        return self.n_features * (self.outputs or 1)

    @property
    def n_params(self) -> int:
        """Number of coefficients and intercepts."""
        return (self.n_features + self.fit_intercept) * (self.outputs or 1)

    def params(self, coef: Doubles, intercept: Doubles | float) -> Doubles:
        """Return the parameters of a model.

        Parameters
        ----------
        coef : ndarray of float64, shape (n_features,) or (n_outputs, n_features)
            The caller's coefficients.
        intercept : float or ndarray of float64, shape (n_outputs,)
            The caller's intercepts; a number is that of all outputs.

        Returns
        -------
        ndarray of float64, shape (n_params,)
            Parameters to train.
        """
        if self.columns is not None:
            center, factor = self.columns
            intercept = intercept + coef @ center
            coef = coef / factor
        params = np.empty(self.n_params)
        params[: self.n_coef] = coef.T.reshape(-1)
        params[: self.n_coef] += 0.0  # no -0.0: see `gdfast.batches.multiply`
        if self.fit_intercept:
            params[self.n_coef :] = intercept
        return params

    @property
    def trained_bounds(self) -> Doubles | None:
        """Bounds of the coefficients as parameters."""
        bounds = self.bounds
        if bounds is not None and self.columns is not None:
            bounds = bounds / self.columns[1]
        if bounds is not None and self.outputs:
            bounds = bounds.swapaxes(1, 2).reshape(2, -1)
        return bounds

    def model(self, params: Doubles) -> tuple[Doubles, Doubles]:
        """Return the coefficients and intercepts of one or more parameter vectors.

        Parameters
        ----------
        params : ndarray of float64, shape (..., n_params)
            Trained parameters.

        Returns
        -------
        coef : ndarray of float64, shape (..., n_features)
            The caller's coefficients, a copy; of several outputs of shape (...,
            n_outputs, n_features).
        intercept : ndarray of float64, shape (...) or (..., n_outputs)
            The caller's intercepts, 0 if none is fitted.
        """
        n, table = self.n_features, params
        if self.outputs is None:
            coef = params[..., :n].copy()
        else:
            table = params.reshape(*params.shape[:-1], -1, self.outputs)
            coef = _transposed(table[..., :n, :])
            table = table.swapaxes(-1, -2)
        if self.fit_intercept:
            intercept = table[..., n].copy()
        else:
            intercept = np.zeros(table.shape[:-1])
        if self.columns is not None:
            center, factor = self.columns
            with np.errstate(over="ignore", invalid="ignore"):  # of a diverged run
                coef *= factor
                if self.bounds is not None:  # which rounding may have left
                    coef = coef.clip(*self.bounds)
                if self.fit_intercept:
                    intercept = intercept - coef @ center
        return coef, intercept


def _transposed(table: Doubles) -> Doubles:
    """Return a copy with the last two axes swapped, some features at a time.

    So what is written stays in the cache until whole lines of it are.
    """
    *outer, n_features, n_outputs = table.shape
    copy = np.empty((*outer, n_outputs, n_features))
    for start in range(0, n_features, TILE):
        part = slice(start, start + TILE)
        copy[..., part] = table[..., part, :].swapaxes(-1, -2)
    return copy


def plain(intercept: Doubles) -> float | Doubles:
    """Return a single intercept as a number.

    Parameters
    ----------
    intercept : ndarray of float64, shape () or (n_outputs,)
        As `Units.model` returns it.

    Returns
    -------
    float or ndarray of float64, shape (n_outputs,)
        The same.
    """
    return intercept if np.ndim(intercept) else float(intercept)
