"""The result of descending a function."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gdfast._typing import Doubles
from gdfast.fit import Kept, Late, State, shown, summary
from gdfast.history import History


@dataclass(frozen=True, eq=False, kw_only=True)
class Minimum(Kept):
    """Where the descent of a function ended, and how.

    Parameters
    ----------
    x : ndarray of float64, shape (n,), or float
        The point; a number if `x0` was one.
    fun : float
        The value of the function there.
    n_iter : int
        Updates made.
    converged : bool
        Whether a tolerance was reached.
    stop_reason : str
        Why the run ended, in words, and what would help if it did not converge.
    learning_rate : float
        The rate of the last step.
    history : History or None
        What every iteration saw.
    nfev, njev : int
        Calls made of `fun` and of `grad`.
    state : State or None
        What `gdfast.minimize` needs to go on with this run.

    Notes
    -----
    `stop_reason` and `history` are put together when they are first read.

    Examples
    --------
    >>> import gdfast
    >>> run = gdfast.minimize(
    ...     lambda w: (w - 2) ** 2, 5.0, grad=lambda w: 2 * (w - 2), gtol=1e-6
    ... )
    >>> print(run)
    x              2
    fun            0
    iterations     1
    learning rate  0.5
    Converged after 1 iteration: the largest gradient component is 0, below gtol=1e-06.
    """

    x: Doubles | float
    fun: float
    n_iter: int
    converged: bool
    stop_reason: Late[str] = Late()
    learning_rate: float
    history: Late[History | None] = field(default=Late(), repr=False)
    nfev: int
    njev: int
    state: State | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return a summary of a few lines."""
        values = np.atleast_1d(self.x)
        labels = [f"x[{j}]" for j in range(len(values))] if np.ndim(self.x) else ["x"]
        rows = [
            *shown(labels, values),
            ("fun", f"{self.fun:.10g}"),
            ("iterations", str(self.n_iter)),
            ("learning rate", f"{self.learning_rate:.6g}"),
        ]
        return summary(rows, self.stop_reason)
