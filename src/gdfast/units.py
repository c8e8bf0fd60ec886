"""The caller's coefficients, and the parameters that are trained."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gdfast._typing import Doubles


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
    """

    columns: Doubles | None
    n_features: int
    fit_intercept: bool
    bounds: Doubles | None = None

    def params(self, coef: Doubles, intercept: float) -> Doubles:
        """Return the parameters of a model.

        Parameters
        ----------
        coef : ndarray of float64, shape (n_features,)
            The caller's coefficients.
        intercept : float
            The caller's intercept.

        Returns
        -------
        ndarray of float64, shape (n_params,)
            Parameters to train.
        """
        if self.columns is not None:
            center, factor = self.columns
            intercept = intercept + float(center @ coef)
            coef = coef / factor
        params = np.empty(self.n_features + self.fit_intercept)
        params[: self.n_features] = coef
        params[self.n_features :] = intercept
        return params

    @property
    def trained_bounds(self) -> Doubles | None:
        """Bounds of the columns trained on."""
        if self.bounds is None or self.columns is None:
            return self.bounds
        bounds: Doubles = self.bounds / self.columns[1]
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
            The caller's coefficients, a copy.
        intercept : ndarray of float64, shape (...)
            The caller's intercepts, 0 if none is fitted.
        """
        coef = params[..., : self.n_features].copy()
        if self.fit_intercept:
            intercept = params[..., self.n_features].copy()
        else:
            intercept = np.zeros(params.shape[:-1])
        if self.columns is not None:
            center, factor = self.columns
            with np.errstate(over="ignore", invalid="ignore"):  # of a diverged run
                coef *= factor
                if self.bounds is not None:  # which rounding may have left
                    coef = coef.clip(*self.bounds)
                if self.fit_intercept:
                    intercept = intercept - coef @ center
        return coef, intercept
