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


def row_callback(callback: Callable[[Iteration], Any], units: Units) -> RowCallback:
    """Return what calls a callback from the loop, in the caller's units.

    Parameters
    ----------
    callback : callable
        The caller's; True, or `StopIteration`, ends the run.
    units : Units
        What parameters are turned into.

    Returns
    -------
    callable
        For `gdfast.descent.descend`.
    """

    def on_row(
        iteration: int, loss: float, params: Doubles, held_out: float | None
    ) -> bool:
        coef, intercept = units.model(params)
        row = Iteration(iteration, loss, coef, plain(intercept), held_out)
        try:
            result = callback(row)
            return isinstance(result, (bool, np.bool_)) and bool(result)
        except StopIteration:
            return True

    return on_row
