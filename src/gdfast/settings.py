"""What a run is asked to do, whatever the data: arguments of `train`, checked."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gdfast._validation import check_bool, check_number
from gdfast.losses import Loss
from gdfast.optimizers import Optimizer
from gdfast.penalties import Penalty
from gdfast.schedules import Constant, Schedule, check_schedule
from gdfast.stopping import Tolerances

RATE_WORDS = ("auto", "backtracking")
RATE_NOTE = ', a schedule, a function of the step, "backtracking" or "auto"'
RATES_TO_GIVE = (
    "Pass a number such as 0.01, a schedule such as gdfast.schedules.InvScaling(0.1), "
    'or optimizer="adam", which has a rate of its own'
)
BACKTRACKING = ("gd", "accelerated")  # which a step may be tried of


class Settings(NamedTuple):
    """The arguments of `train` that need no data to be checked.

    Parameters
    ----------
    loss : Loss
        The loss.
    penalty : Penalty
        What is added to its mean, without bounds.
    optimizer : Optimizer
        The update rule.
    backtracks : bool
        Whether the rate of every step is found by trying.
    schedule : Schedule or None
        The rates; None if they are found so, or from the curvature.
    max_iter : int
        Largest number of iterations.
    max_seconds : float or None
        Time after which no more are made; None for no such time.
    deadline : float
        The same as `time.perf_counter` gives it.
    tolerances : Tolerances
        The stopping rules.
    n_iter_no_change : int
        Iterations without a lower loss, for rules that wait so long.
    early_stopping : float or None
        The part of the rows that is held out to stop by; None for none.
    fit_intercept : bool
        Whether there is an intercept.
    standardize : bool
        Whether columns are standardised.
    history : {"loss", "full", False}
        What is kept of every iteration.
    callback : callable or None
        The caller's.
    callback_every : int
        Iterations from one call to the next.
    on_interrupt : {"raise", "return"}
        What comes of Ctrl-C.
    n_threads : int or None
        Largest number of threads.
    verbose : bool
        Whether there is a progress bar.
    """

    loss: Loss
    penalty: Penalty
    optimizer: Optimizer
    backtracks: bool
    schedule: Schedule | None
    max_iter: int
    max_seconds: float | None
    deadline: float
    tolerances: Tolerances
    n_iter_no_change: int
    early_stopping: float | None
    fit_intercept: bool
    standardize: bool
    history: str | bool
    callback: Callable[[Any], Any] | None
    callback_every: int
    on_interrupt: str
    n_threads: int | None
    verbose: bool

    def arguments(self) -> dict[str, Any]:
        """Return what the run was asked to do and its result does not say otherwise.

        Returns
        -------
        dict of str to number, text or None
            Arguments of `train` by their names, tolerances that are off as 0.
        """
        rate: float | str = "backtracking" if self.backtracks else "auto"
        if isinstance(self.schedule, Constant):
            rate = float(self.schedule.eta0)
        elif self.schedule is not None:
            rate = repr(self.schedule)
        return {
            "learning_rate": rate,
            "max_iter": self.max_iter,
            "max_seconds": self.max_seconds,
            **self.tolerances._asdict(),
            "n_iter_no_change": self.n_iter_no_change,
            "fit_intercept": self.fit_intercept,
        }


def check_deadline(max_seconds: object) -> tuple[float | None, float]:
    """Return the time from which no more steps are made.

    Parameters
    ----------
    max_seconds : float or None
        Seconds from now.

    Returns
    -------
    max_seconds : float or None
        The same.
    deadline : float
        As `time.perf_counter` gives it; inf for None.

    Raises
    ------
    TypeError, ValueError
        If it is not a number above 0.
    """
    if max_seconds is None:
        return None, math.inf
    now = time.perf_counter()
    seconds = check_number(
        max_seconds, "max_seconds", low=0, open_low=True, note=" or None"
    )
    return seconds, now + seconds


def check_rate(
    learning_rate: object, rule: Optimizer, loss: Loss | None
) -> tuple[bool, Schedule | None]:
    """Return how the rates of the steps come about.

    Parameters
    ----------
    learning_rate : float, str, Schedule or callable
        The argument of `train`.
    rule : Optimizer
        The update rule.
    loss : Loss or None
        The loss; None for a function, of which nothing is known.

    Returns
    -------
    backtracks : bool
        Whether the rate of every step is found by trying.
    schedule : Schedule or None
        The rates, if nothing has to be found.

    Raises
    ------
    TypeError, ValueError
        If it is no rate, or one that there is not for this rule and loss.
    """
    if isinstance(learning_rate, str) and learning_rate not in RATE_WORDS:
        raise ValueError(
            f"learning_rate must be a number{RATE_NOTE}; got {learning_rate!r}"
        )
    if not isinstance(learning_rate, str):
        return False, check_schedule(learning_rate, "learning_rate", RATE_NOTE)
    bent = math.inf if loss is None else loss.max_curvature
    can_backtrack = (loss is None or loss.smooth) and rule.name in BACKTRACKING
    if learning_rate == "backtracking":
        if can_backtrack:
            return True, None
        what = "a function" if loss is None else repr(loss.name)
        raise ValueError(
            'learning_rate="backtracking" is for losses without a kink and the '
            f"optimizers {' and '.join(map(repr, BACKTRACKING))}, not for {what} with "
            f"{rule.name!r}"
        )
    if rule.published_rate is not None:
        return False, Constant(rule.published_rate)
    if bent < math.inf or can_backtrack:
        return bent == math.inf, None
    if loss is None:
        raise ValueError(
            f"learning_rate must be given for a function with the optimizer "
            f'{rule.name!r}: "auto" would come from its largest curvature, of which '
            "nothing is known"
        )
    raise ValueError(
        f"learning_rate must be given for the loss {loss.name!r} with the optimizer "
        f'{rule.name!r}: "auto" comes from the largest curvature of the loss, which '
        f"has none. {RATES_TO_GIVE}"
    )


def check_tolerances(gtol: object, xtol: object, ftol: object) -> Tolerances:
    """Return the tolerances.

    Parameters
    ----------
    gtol, xtol, ftol : float or None
        Arguments of `train`.

    Returns
    -------
    Tolerances
        With 0 for None.

    Raises
    ------
    TypeError, ValueError
        If one is not a number of at least 0.
    """
    return Tolerances(
        _tolerance(gtol, "gtol"), _tolerance(xtol, "xtol"), _tolerance(ftol, "ftol")
    )


def _tolerance(value: object, name: str) -> float:
    """Return a tolerance, 0 for None."""
    return 0.0 if value is None else check_number(value, name, low=0, note=" or None")


def check_early_stopping(
    early_stopping: object, validation_fraction: object
) -> float | None:
    """Return the part of the rows to hold out.

    Parameters
    ----------
    early_stopping : bool
        The argument of `train`.
    validation_fraction : float
        That as well.

    Returns
    -------
    float or None
        None for none.

    Raises
    ------
    TypeError, ValueError
        If they are not a truth value and a number between 0 and 1.
    """
    fraction = check_number(validation_fraction, "validation_fraction")
    if not 0 < fraction < 1:
        raise ValueError(
            f"validation_fraction must be between 0 and 1, got {fraction:g}"
        )
    return fraction if check_bool(early_stopping, "early_stopping") else None


def check_history(history: Any) -> str | bool:
    """Return what is kept of every iteration.

    Parameters
    ----------
    history : {"loss", "full", False}
        The argument of `train`.

    Returns
    -------
    str or False
        The same.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if isinstance(history, str) and history in ("loss", "full"):
        return history
    if history is not False:
        raise ValueError(f'history must be "loss", "full" or False, got {history!r}')
    return False


def check_callback(callback: Any) -> Callable[[Any], Any] | None:
    """Return a callback.

    Parameters
    ----------
    callback : callable or None
        The argument of `train`.

    Returns
    -------
    callable or None
        The same.

    Raises
    ------
    TypeError
        If it cannot be called.
    """
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {callback!r}")
    return callback  # type: ignore[no-any-return]


def check_interrupt(on_interrupt: object) -> str:
    """Return what comes of Ctrl-C.

    Parameters
    ----------
    on_interrupt : {"raise", "return"}
        The argument of `train`.

    Returns
    -------
    str
        The same.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not isinstance(on_interrupt, str) or on_interrupt not in ("raise", "return"):
        raise ValueError(
            f'on_interrupt must be "raise" or "return", got {on_interrupt!r}'
        )
    return on_interrupt
