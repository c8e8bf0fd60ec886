"""Steps whose size is found on the way, for losses whose curvature is not known."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gdfast._typing import Doubles
from gdfast.drivers import Updater, outputs
from gdfast.sums import Objective

GROWTH = 1.2  # of the rate after a step that was right at once
SHRINKAGE = 0.5
FIRST_RATE = 1.0  # where losses and gradients do not say
MAX_TRIALS = 200  # in one step; then there is none
# A change of the loss by less than this part of it is taken for rounding, and the
# gradients are asked instead.
ROUNDING = 1e-8


class Smooth(NamedTuple):
    """What is smooth in the objective, at a point: mean loss and squared coefficients.

    Parameters
    ----------
    point : ndarray of float64, shape (n_params,)
        The point.
    loss : float
        Mean loss.
    mean_gradient : ndarray of float64, shape (n_params,)
        Its gradient.
    value : float
        Mean loss and penalty of the squares.
    gradient : ndarray of float64, shape (n_params,)
        Its gradient.
    """

    point: Doubles
    loss: float
    mean_gradient: Doubles
    value: float
    gradient: Doubles


class Carried(NamedTuple):
    """What is carried from step to step.

    Parameters
    ----------
    rate : float
        Learning rate to try next.
    last_rate : float or None
        That of the last step; None before the first one.
    seen : Smooth or None
        What is known of the parameters that the last step led to.
    """

    rate: float
    last_rate: float | None
    seen: Smooth | None


class Backtracking:
    """Tries a rate and makes it smaller until the step does what it promises.

    Parameters
    ----------
    objective : Objective
        Of the loss over the examples, or a function of the caller's.
    updater : Updater
        What is done with the gradient; its rule is gradient descent, accelerated or
        not.
    n_coef : int
        Number of coefficients, of all outputs.
    l2 : float
        Factor of half of their squares in the penalty.
    carried : ndarray of float64, shape (2,), or None
        That of another driver, to go on as it would have.

    Attributes
    ----------
    origin : Carried
        All that changes from step to step; put back, it makes the same steps again.

    Notes
    -----
    A step d from y at a rate is taken if for the smooth part S of the objective
    ``S(y + d) <= S(y) + S'(y) . d + d . d / (2 rate)``, which for plain gradient
    descent is the rule of Armijo [1]_ with a constant of 1/2. Where the difference of S
    is all rounding, ``(S'(y + d) - S'(y)) . d <= d . d / rate`` is asked [2]_. The rate
    is halved, or more where the gradients show a larger curvature, until this holds,
    and grows by a fifth after a step that was right at once. The first rate to be tried
    is twice the value over the square of its gradient, which is hardly ever too small;
    after the first step it is the inverse of the curvature seen. Each trial is a pass.

    References
    ----------
    .. [1] L. Armijo, "Minimization of functions having Lipschitz continuous first
       partial derivatives", Pacific J. Math. 16(1), 1966.
    .. [2] S. Becker, E. Candes, M. Grant, "Templates for convex cone problems with
       applications to sparse signal recovery", Math. Prog. Comp. 3, 2011, section 5.3.
    """

    method = "passes"

    def __init__(
        self,
        objective: Objective,
        updater: Updater,
        n_coef: int,
        l2: float,
        carried: Doubles | None = None,
    ) -> None:
        self.objective = objective
        self.updater = updater
        self.origin = Carried(FIRST_RATE, None, None)
        if carried is not None:
            rate, last_rate = carried.tolist()
            self.origin = Carried(rate, last_rate, None)
        self._n_coef = n_coef
        self._l2 = l2

    @property
    def carried(self) -> Doubles | None:
        """The next rate and the last one; None before the first step."""
        rate, last_rate, _ = self.origin
        return None if last_rate is None else np.array([rate, last_rate])

    @property
    def values_per_step(self) -> int:
        """Values that a step reads at least."""
        return self.objective.values_per_pass

    def last_rate(self, n_iter: int) -> float:
        """Return the rate of the last step, or what would be tried first."""
        return self.origin.last_rate or self.origin.rate

    def take_steps(
        self, params: Doubles, steps: range, keep_path: bool, end: bool
    ) -> tuple[Doubles, Doubles | None]:
        """Make some steps, as `gdfast.drivers.Passes.take_steps`."""
        trace, path = outputs(params, len(steps), keep_path, end)
        for t, row in enumerate(trace):
            if t < len(steps):
                at = self._smooth(self.updater.look_ahead(params))
                self._take_step(at, params, row)
            else:
                at = self._smooth(params.copy())
                self._try(at, None, params, row)
            if path is not None:
                path[t] = at.point
        return trace, path

    def _take_step(self, at: Smooth, params: Doubles, row: Doubles) -> None:
        """Change the parameters by the first step that does what it promises."""
        rate = self.origin.rate
        if self.origin.last_rate is None:
            rate = _first_rate(at)
        state = self.updater.state.copy()
        for trial in range(MAX_TRIALS):
            changed = params.copy()
            self._try(at, rate, changed, row)
            seen = self._smooth(changed)
            holds, fitting = _judged(at, seen, rate)
            if holds:
                params[:] = changed
                if self.origin.last_rate is None:
                    following = fitting  # the first rate was a guess
                else:
                    following = rate if trial else rate * GROWTH
                self.origin = Carried(following, rate, seen)
                return
            self.updater.state[:] = state
            rate = min(SHRINKAGE * rate, fitting)
        row[2] = math.inf  # the parameters stay, for good
        self.origin = Carried(0.0, rate, at)

    def _try(
        self, at: Smooth, rate: float | None, params: Doubles, row: Doubles
    ) -> None:
        """Change the parameters by a step at a rate, or note what is seen alone."""
        rates = None if rate is None else np.array([rate])
        self.updater.step.take_step(
            at.loss, at.point, at.mean_gradient.copy(), rates, params, row
        )

    def _smooth(self, point: Doubles) -> Smooth:
        """Return what is known of a point, or find it in a pass."""
        known = self.origin.seen
        if known is not None and np.array_equal(known.point, point):
            return known
        gradient_sum, loss_sum, weight_sum = self.objective.gradient(point)
        loss, mean_gradient = loss_sum / weight_sum, gradient_sum / weight_sum
        coef, gradient = point[: self._n_coef], mean_gradient.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            gradient[: self._n_coef] += self._l2 * coef
            value = loss + self._l2 * float(coef @ coef) / 2
        return Smooth(point, loss, mean_gradient, value, gradient)


def _first_rate(at: Smooth) -> float:
    """Return a rate that is hardly too small: a trial that is too long says how long.

    If the smooth part curves by L at most and has a minimum of at least 0, its gradient
    g is such that ``g . g <= 2 L value``.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        square = float(at.gradient @ at.gradient)
    rate = 2 * abs(at.value) / square if square > 0 else FIRST_RATE
    return rate if 0 < rate < math.inf else FIRST_RATE


def _judged(at: Smooth, seen: Smooth, rate: float) -> tuple[bool, float]:
    """Return whether a step does what it promises, and the rate that would fit it."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        moved = seen.point - at.point
        square = float(moved @ moved)
        bent = float((seen.gradient - at.gradient) @ moved)
        longest = square / (2 * rate) if rate > 0 else 0.0  # of one that underflowed
        promised = float(at.gradient @ moved) + longest
    if square == 0 or not math.isfinite(at.value):
        return True, rate  # what is not finite the caller sees in the trace
    if not math.isfinite(seen.value):
        return False, SHRINKAGE**4 * rate
    change = seen.value - at.value
    fitting = square / bent if bent > 0 else rate
    if abs(change) > ROUNDING * max(abs(at.value), abs(seen.value)):
        return change <= promised, fitting
    return bent <= square / rate, fitting
