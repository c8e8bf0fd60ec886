"""What is added to the mean loss, and where the coefficients may be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gdfast._typing import Doubles
from gdfast._validation import check_number

PENALTIES = ("l2", "l1", "elasticnet")


class Penalty(NamedTuple):
    """The penalty ``l1 sum |coef| + l2 / 2 sum coef^2`` and bounds of coefficients.

    Parameters
    ----------
    l1 : float
        Factor of the sizes.
    l2 : float
        Factor of half of the squares.
    bounds : ndarray of float64, shape (2, n_features), or None
        Smallest and largest values; None where there are none.
    """

    l1: float = 0.0
    l2: float = 0.0
    bounds: Doubles | None = None

    @property
    def factors(self) -> dict[str, float]:
        """The factors that are not 0, by their names."""
        if self is NO_PENALTY:
            return {}
        named = {"l1": self.l1, "l2": self.l2}
        return {name: value for name, value in named.items() if value}


NO_PENALTY = Penalty()


def check_penalty(penalty: object, alpha: object, l1_ratio: object) -> Penalty:
    """Return a penalty by its name.

    Parameters
    ----------
    penalty : {"l2", "l1", "elasticnet"} or None
        Its name.
    alpha : float
        Its factor, not negative.
    l1_ratio : float
        The share of the sizes in "elasticnet", from 0 to 1.

    Returns
    -------
    Penalty
        The penalty, without bounds.

    Raises
    ------
    ValueError, TypeError
        If an argument has a wrong value or type, whether or not it is used.
    """
    alpha = check_number(alpha, "alpha", low=0)
    share = check_number(l1_ratio, "l1_ratio")
    if not 0 <= share <= 1:
        raise ValueError(f"l1_ratio must be from 0 to 1, got {l1_ratio!r}")
    if penalty is None:
        return NO_PENALTY
    if not (isinstance(penalty, str) and penalty in PENALTIES):
        known = ", ".join(map(repr, PENALTIES))
        raise ValueError(f"penalty must be one of {known}, or None; got {penalty!r}")
    if penalty != "elasticnet":
        share = float(penalty == "l1")
    return Penalty(l1=alpha * share, l2=alpha * (1 - share))


def check_bounds(
    bounds: object, n_features: int, outputs: int | None = None
) -> Doubles:
    """Return bounds of the coefficients as an array.

    Parameters
    ----------
    bounds : pair of float or array-like
        Smallest and largest values, each a number or one for each column, or of several
        outputs one for each of theirs; -inf and inf where there is no bound.
    n_features : int
        Number of columns.
    outputs : int or None
        Number of outputs; None for a single one without a dimension of its own.

    Returns
    -------
    ndarray of float64, shape (2, n_features) or (2, n_outputs, n_features)
        The bounds.

    Raises
    ------
    ValueError
        If it is no pair, a shape is wrong, or a bound is NaN or above its partner.
    TypeError
        If they are not numbers.
    """
    if not isinstance(bounds, (tuple, list, np.ndarray)) or len(bounds) != 2:
        raise ValueError(f"bounds must be a pair (low, high), got {bounds!r}")
    shape = (n_features,) if outputs is None else (outputs, n_features)
    array = np.empty((2, *shape))
    for row, bound in zip(array, bounds, strict=True):
        try:
            values = np.asarray(bound)
        except ValueError as error:
            raise ValueError(f"bounds must be numbers or arrays: {error}") from error
        if values.dtype.kind not in "iuf":
            raise TypeError(f"bounds must be numbers, got {bound!r}")
        if values.shape not in ((), (n_features,), shape):
            each = "" if outputs is None else f" of each of the {outputs} outputs"
            raise ValueError(
                "bounds must be numbers or arrays with one for each of the "
                f"{n_features} coefficients{each}, got shape {values.shape}"
            )
        row[:] = values
    low, high = array
    if not ((low <= high) & (low < np.inf) & (high > -np.inf)).all():
        raise ValueError(
            "bounds must leave room: no NaN, no low above its high, no low of inf and "
            "no high of -inf"
        )
    return array
