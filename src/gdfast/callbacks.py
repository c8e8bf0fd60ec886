"""What callers are told while a run goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gdfast._typing import Doubles
from gdfast.descent import RowCallback
from gdfast.units import Units, plain


class Iteration(NamedTuple):
    """What a callback is told before every update, and at the end.

    Parameters
    ----------
    iteration : int
        Its number, from 1.
    loss : float
        Mean loss.
    coef : ndarray of float64, shape (n_features,)
        Coefficients, in the caller's units; of several outputs of shape (n_outputs,
        n_features).
    intercept : float
        Constant term; of several outputs an ndarray of shape (n_outputs,).
    validation_loss : float or None
        Mean loss of the rows held out, with `early_stopping`.
    """

    iteration: int
    loss: float
    coef: Doubles
    intercept: float | Doubles
    validation_loss: float | None = None


class Point(NamedTuple):
    """What a callback of `gdfast.minimize` is told before every update, and at the end.

    Parameters
    ----------
    iteration : int
        Its number, from 1.
    x : ndarray of float64, shape (n,), or float
        The point; a number if `x0` was one.
    fun : float
        The value of the function there.
    """

    iteration: int
    x: Doubles | float
    fun: float


def iteration(units: Units) -> Callable[..., Iteration]:
    """Return what makes of a row of a run what its callback is told.

    Parameters
    ----------
    units : Units
        The caller's.

    Returns
    -------
    callable
        For `row_callback`.
    """

    def of_row(
        number: int, loss: float, params: Doubles, held_out: float | None
    ) -> Iteration:
        coef, intercept = units.model(params)
        return Iteration(number, loss, coef, plain(intercept), held_out)

    return of_row


def point(scalar: bool) -> Callable[..., Point]:
    """Return the same for the descent of a function.

    Parameters
    ----------
    scalar : bool
        Whether points are numbers for the caller.

    Returns
    -------
    callable
        For `row_callback`.
    """

    def of_row(number: int, value: float, params: Doubles, _: None) -> Point:
        return Point(number, float(params[0]) if scalar else params.copy(), value)

    return of_row


def row_callback(
    callback: Callable[[Any], Any], of_row: Callable[..., Any]
) -> RowCallback:
    """Return what calls a callback from the loop.

    Parameters
    ----------
    callback : callable
        The caller's; True, or `StopIteration`, ends the run.
    of_row : callable
        Makes of a row what the caller is told.

    Returns
    -------
    callable
        For `gdfast.descent.descend`.
    """

    def on_row(
        number: int, loss: float, params: Doubles, held_out: float | None
    ) -> bool:
        told = of_row(number, loss, params, held_out)
        try:
            result = callback(told)
            return isinstance(result, (bool, np.bool_)) and bool(result)
        except StopIteration:
            return True

    return on_row
