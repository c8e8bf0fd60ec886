"""When a descent ends, and the sentence that says why.

The rules are functions of the trace that the kernel writes, a row per step: mean loss,
max |gradient|, largest change of a parameter. They are looked at after some steps, not
between two, so a rule that holds earlier than the last step says how many to keep.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gdfast._typing import Doubles, Flags

# This many rises of the loss in a row are a divergence if they add up to more than
# rounding, which is taken for this large a part of each prediction.
GROWTH_STEPS = 10
ROUNDING = 1e-8
# Where steps may raise the loss, one of so many times those of the start and of the
# zero model is a divergence.
FAR_ABOVE = 10.0
PACE_STEPS = 100  # steps from which the pace of convergence is judged
STEADY = 1.001  # largest gradient over the smallest of these, where there is none
NOTHING = 1e-10  # gradient, in parts of the zero model's, that may be rounding


class ConvergenceWarning(UserWarning):
    """`max_iter` or `max_seconds` came before a tolerance, or the run was stuck."""


class Reason(enum.Enum):
    """Why a descent ended."""

    GTOL = "gtol"
    XTOL = "xtol"
    FTOL = "ftol"
    MAX_ITER = "max_iter"
    MAX_SECONDS = "max_seconds"
    INTERRUPTED = "interrupted"
    CALLBACK = "callback"
    HELD_OUT = "early_stopping"
    NO_CHANGE = "n_iter_no_change"
    DIVERGED = "diverged"

    @property
    def converged(self) -> bool:
        """Whether a rule was reached that the run aimed at."""
        return not self.cut_short and self not in (Reason.CALLBACK, Reason.DIVERGED)

    @property
    def cut_short(self) -> bool:
        """Whether more steps would have been made."""
        return self in (Reason.MAX_ITER, Reason.MAX_SECONDS, Reason.INTERRUPTED)


class Tolerances(NamedTuple):
    """The three tolerances, 0 for a rule that is off.

    Parameters
    ----------
    gtol : float
        Stop when max |gradient| < gtol.
    xtol : float
        Stop when no parameter changed by xtol or more.
    ftol : float
        Stop when the loss changed by less than ftol times itself, or not at all.
    """

    gtol: float = 0.0
    xtol: float = 0.0
    ftol: float = 0.0


class Patience:
    """Counts iterations since a loss was the lowest so far.

    Parameters
    ----------
    n_iter_no_change : int
        How many are too many.

    Attributes
    ----------
    lowest : float
        The lowest loss so far.
    waited : int
        Iterations since.
    """

    def __init__(self, n_iter_no_change: int) -> None:
        self.n_iter_no_change = n_iter_no_change
        self.lowest = math.inf
        self.waited = 0

    def ends(self, losses: Doubles) -> int | None:
        """Return the first iteration that is one too many, and begin to count anew.

        Parameters
        ----------
        losses : ndarray of float64, shape (n_iter,)
            Of further iterations.

        Returns
        -------
        int or None
            Its place in `losses`; those after it are not counted.
        """
        for place, loss in enumerate(losses.tolist()):
            self.waited += 1
            if loss < self.lowest:
                self.lowest, self.waited = loss, 0
            if self.waited == self.n_iter_no_change:
                self.waited = 0
                return place
        return None


class Stop(NamedTuple):
    """A rule that holds, and how many of the steps shown come before it.

    Parameters
    ----------
    n_steps : int
        Updates to keep of those in the trace.
    reason : Reason
        The rule.
    """

    n_steps: int
    reason: Reason


class Monitor:
    """Watches one descent.

    Parameters
    ----------
    tolerances : Tolerances
        The rules.
    zero : ndarray of float64, shape (3,), or None
        Row of a trace for the model that is zero everywhere, whose loss and gradient
        others are measured by; None when that is where the descent starts. Of epochs,
        whose gradients are not known, NaN for the gradient until they have stalled.
    falls : bool
        Whether a stable descent never raises the loss. Where it may, as momentum does
        and steps across a kink, rises are a divergence only far above the losses of
        the start and of the zero model.
    epochs : bool
        Whether rows are epochs, whose losses were seen on the way and not before it;
        the last row of a trace without update has that of the end, which is another
        measure.
    patience : Patience or None
        Waits for the loss to fall, or that of rows held out; None for no such rule.
    looks_ahead : bool
        Whether gradients are not those of the model but of a point ahead of it, which
        the step from there makes the model.

    Attributes
    ----------
    zero : ndarray of float64, shape (3,), or None
        As passed, or the first row seen.
    recent : ndarray of float64, shape (at most `PACE_STEPS`, 3)
        The last rows seen that come before the stop.
    """

    def __init__(
        self,
        tolerances: Tolerances,
        zero: Doubles | None,
        falls: bool = True,
        epochs: bool = False,
        patience: Patience | None = None,
        looks_ahead: bool = False,
    ) -> None:
        self.tolerances = tolerances
        self.zero = zero
        self.falls = falls
        self.epochs = epochs
        self.patience = patience
        self.looks_ahead = looks_ahead
        self.first: Doubles | None = None
        self.early: list[float] = []  # losses of the first steps
        self.recent = np.empty((0, 3))

    def check(
        self, trace: Doubles, end: bool = False, held_out: float | None = None
    ) -> Stop | None:
        """Find the first rule that holds in some further steps.

        Parameters
        ----------
        trace : ndarray of float64, shape (n_steps, 3)
            Of each step, mean loss and max |gradient| before its update and the
            largest change of a parameter by it; inf in a last row without update.
        end : bool
            Whether there is such a row.
        held_out : float or None
            Mean loss of rows held out, before the only step.

        Returns
        -------
        Stop or None
            The rule that holds first; None if none does.
        """
        if self.first is None:
            self.first = trace[0].copy()
        if self.zero is None:
            self.zero = self.first
        if not self.falls and len(self.early) < GROWTH_STEPS:
            self.early += trace[: GROWTH_STEPS - len(self.early), 0].tolist()
        known = len(self.recent)
        rows = np.concatenate((self.recent, trace)) if known else trace
        finite = np.isfinite(rows[:, 0])
        lowest = int(finite.argmin())  # the first that is not, if any is not
        n_finite = len(rows) if finite[lowest] else lowest
        # What is seen before update k happens at 2k, what is seen by it at 2k + 1.
        events = [
            (2 * int(flags[known:].argmax()) + by_update, reason)
            for flags, by_update, reason in self._rules(rows[:n_finite])
            if flags[known:].any()
        ]
        if n_finite < len(rows):
            events.append((2 * (n_finite - known) + self.epochs, Reason.DIVERGED))
        if self.patience is not None:
            losses, reason = trace[:, 0], Reason.NO_CHANGE
            if held_out is not None:
                losses, reason = np.array([held_out]), Reason.HELD_OUT
            place = self.patience.ends(losses[:-1] if end else losses)
            if place is not None:
                events.append((2 * place + 1, reason))
        if not events:
            self.recent = rows[-PACE_STEPS:].copy()  # a view would keep all of them
            return None
        moment, reason = min(events, key=lambda event: event[0])
        stop = Stop((moment + 1) // 2, reason)
        self.recent = rows[: known + stop.n_steps][-PACE_STEPS:].copy()
        return stop

    def ended_above(self, loss: float) -> bool:
        """Whether a descent that no rule ended has diverged.

        A short run may not have risen often enough, but the loss of a stable descent
        never ends above where it began, or far above that if it may rise.

        Parameters
        ----------
        loss : float
            Mean loss at the end.

        Returns
        -------
        bool
            True if it is above by more than rounding.
        """
        limit = self._limit()
        return bool(loss > limit and loss - limit > self._rounding(limit))

    def pace(self) -> float:
        """Return by what the logarithm of the gradient shrank a step of late.

        Returns
        -------
        float
            0 when it did not.
        """
        gradient = self.recent[:, 1]
        if len(gradient) < 2 or not 0 < gradient[-1] < gradient[0]:
            return 0.0
        return math.log(gradient[0] / gradient[-1]) / (len(gradient) - 1)

    @property
    def is_stuck(self) -> bool:
        """Whether the gradient has not changed of late, far from rounding.

        Then no step leads anywhere: those that its steepest direction allows are too
        small for the others, as where the columns of X are far from 0.
        """
        gradient = self.recent[:, 1]
        if len(gradient) < PACE_STEPS or self.zero is None:
            return False
        smallest, largest = float(gradient.min()), float(gradient.max())
        return NOTHING * self.zero[1] < smallest and largest < STEADY * smallest

    def way_to(self, gtol: float) -> float:
        """Return by what the logarithm of the gradient has to shrink yet.

        Parameters
        ----------
        gtol : float
            The largest component aimed at, above 0.

        Returns
        -------
        float
            The difference of the logarithms.
        """
        return math.log(self.recent[-1, 1] / gtol)

    def _rules(self, rows: Doubles) -> Iterator[tuple[Flags, int, Reason]]:
        """Yield each rule that is on: where it holds, if by the update, its name."""
        if len(rows) > GROWTH_STEPS:
            yield self._grown(rows[:, 0]), int(self.epochs), Reason.DIVERGED
        gtol, xtol, ftol = self.tolerances
        if gtol:
            yield rows[:, 1] < gtol, int(self.looks_ahead), Reason.GTOL
        if ftol:
            loss = rows[:, 0]
            still = np.zeros(len(rows), dtype=bool)
            change_of_loss = np.abs(np.diff(loss))
            still[1:] = change_of_loss < ftol * np.abs(loss[:-1])
            still[1:] |= change_of_loss == 0  # also at a loss of zero
            if self.epochs:
                still &= rows[:, 2] < math.inf
            still[1:] &= rows[:-1, 2] < math.inf  # unless that was no step
            yield still, int(self.epochs), Reason.FTOL
        if xtol:
            yield rows[:, 2] < xtol, 1, Reason.XTOL

    def _grown(self, loss: Doubles) -> Flags:
        """Return where the loss has risen for long and by more than rounding."""
        grown = np.zeros(len(loss), dtype=bool)
        n_rises = np.zeros(len(loss), dtype=int)
        np.cumsum(loss[1:] > loss[:-1], out=n_rises[1:])
        now, then = slice(GROWTH_STEPS, None), slice(-GROWTH_STEPS)
        grown[now] = n_rises[now] - n_rises[then] == GROWTH_STEPS
        grown[now] &= loss[now] - loss[then] > self._rounding(loss[then])
        if not self.falls:
            grown &= loss > self._limit()
        return grown

    def _limit(self) -> float:
        """Return the loss that a stable descent does not end above."""
        assert self.first is not None
        assert self.zero is not None
        first, zero = float(self.first[0]), float(self.zero[0])
        if self.falls:
            return first
        measure = max(first, zero)
        if measure > 0:
            return FAR_ABOVE * measure
        # A perceptron begins at 0, which is no measure, and a function anywhere.
        return measure + FAR_ABOVE * (-measure if measure < 0 else max(self.early))

    def _rounding(self, loss: Any) -> Any:
        """Return the largest rise of a loss (number or array) that rounding explains.

        A squared error is the mean of r^2, r being the difference of numbers of the
        size of y: when these are off by a part e, of the size of the root of the zero
        model's loss, r^2 is off by 2 r e and e^2. Other losses rise less steeply. One
        of another size than the zero model's, or below zero, is off by a part of
        itself.
        """
        assert self.zero is not None
        size = np.abs(loss)
        error = ROUNDING * np.sqrt(np.maximum(size, self.zero[0]))
        return 2 * np.sqrt(size) * error + error**2
