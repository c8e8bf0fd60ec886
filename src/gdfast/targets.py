"""Targets: of one output or of several, as numbers or as classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gdfast._typing import Floats
from gdfast._validation import check_y, raise_nonfinite
from gdfast.losses import Domain, Loss

SUM_TOLERANCE = 1e-6  # of probabilities, which may have been rounded to float32


class Targets(NamedTuple):
    """Targets as the kernel reads them.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_samples,) or (n_samples * outputs,)
        Targets, those of a row side by side, or numbers of classes.
    outputs : int or None
        Number of outputs; None for a single one without a dimension of its own.
    """

    values: Floats
    outputs: int | None = None


def check_targets(
    loss: Loss, y: object, n_samples: int, outputs: int | None = None
) -> Targets:
    """Return targets that a loss is defined for.

    Parameters
    ----------
    loss : Loss
        The loss.
    y : array-like, shape (n_samples,) or (n_samples, n_outputs)
        Numbers, or numbers of classes.
    n_samples : int
        How many rows there must be.
    outputs : int or None
        Number of outputs of a given model, which may have classes that y has not. None
        if it follows from y, where every class up to the largest must be.

    Returns
    -------
    Targets
        `y` itself where that can be.

    Raises
    ------
    TypeError, ValueError
        If y has a wrong type or shape, or values that the loss is not for.
    """
    array = check_y(y, n_samples, max_dims=2)
    if array.ndim == 2:
        _check_columns(loss, array, outputs)
        return Targets(np.ascontiguousarray(array).reshape(-1), array.shape[1])
    if loss.domain is Domain.CLASS:
        _raise_misfit(loss, array)
        return Targets(array, _n_classes(loss, array, outputs))
    place = loss.misfit(array)
    several = (outputs or 1) > 1 or (place is not None and array[place] >= 2)
    if loss.has_labels and several and _are_classes(array, outputs):
        return Targets(array, outputs or int(array.max()) + 1)
    _raise_misfit(loss, array)
    if outputs is not None:
        raise ValueError(
            f"y must have shape (n_samples, {outputs}) where coef has {outputs} rows, "
            f"got shape {array.shape}"
        )
    return Targets(array)


def _check_columns(loss: Loss, y: Floats, outputs: int | None) -> None:
    """Raise for targets of several outputs that a loss is not for."""
    if outputs is not None and y.shape[1] != outputs:
        raise ValueError(
            f"y must have shape (n_samples, {outputs}) where coef has {outputs} rows, "
            f"got shape {y.shape}"
        )
    if loss.domain is not Domain.CLASS:
        _raise_misfit(loss, y)
        return
    if y.shape[1] < 2:
        raise ValueError(
            f"y must have a column for each of two classes or more for the loss "
            f"{loss.name!r}, got shape {y.shape}"
        )
    raise_nonfinite(y=y)
    good = (y >= 0).all(axis=1) & (abs(y.sum(axis=1) - 1) <= SUM_TOLERANCE)
    if not good.all():
        at = int(good.argmin())
        raise ValueError(
            f"y must have rows of probabilities, not negative and with the sum 1, for "
            f"the loss {loss.name!r}, got {y[at]} at [{at}]"
        )


def _are_classes(y: Floats, outputs: int | None) -> bool:
    """Whether y is the numbers of all classes from 0 on, or of some of a model's."""
    if not (y.min() >= 0 and y.max() < (outputs or len(y))):  # NaN is not either
        return False
    if not (y == np.floor(y)).all():
        return False
    return outputs is not None or bool(_counts(y, 0).all())


def _counts(y: Floats, n_classes: int) -> NDArray[np.intp]:
    """Return how often each of the first classes occurs, and any after them."""
    return np.bincount(y.astype(np.intp), minlength=n_classes)


def _n_classes(loss: Loss, y: Floats, outputs: int | None) -> int:
    """Return the number of classes of numbers of such."""
    largest = int(y.max())
    if outputs is not None:
        if largest >= outputs:
            raise ValueError(f"y has the class {largest}, but coef has {outputs} rows")
        return outputs
    # Of more classes than rows, one of the first is missing.
    counts = _counts(y[y < len(y)], min(largest + 1, len(y)))
    if not counts.all():
        raise ValueError(
            f"y must have every class from 0 to the largest for the loss "
            f"{loss.name!r}; it has {largest}, but not {counts.argmin()}"
        )
    if largest == 0:
        raise ValueError(
            f"y must have two classes or more for the loss {loss.name!r}, got 0 alone"
        )
    return largest + 1


def _raise_misfit(loss: Loss, y: Floats) -> None:
    """Raise for the first target that a loss is not defined for."""
    place = loss.misfit(y)
    if place is None:
        return
    raise_nonfinite(y=y)
    value, hint = y[place], ""
    if loss.has_labels and y.ndim == 1 and value >= 2 and value == np.floor(value):
        hint = "; several classes are numbered from 0 on and all occur"
    raise ValueError(
        f"y must be {loss.domain.value} for the loss {loss.name!r}, got {value} at "
        f"[{', '.join(map(str, place))}]{hint}"
    )
