"""Learning rates that change from step to step.

A schedule is called with the number of a step, from 1, or with an array of such, and
returns the rate or the rates. `train` takes a schedule, or any function of the number
of a step, as `learning_rate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gdfast._typing import Doubles
from gdfast._validation import check_int, check_number

KNOWN_RATES = 1 << 18  # of a function, which are more than are asked for twice


@dataclass(frozen=True)
class Schedule:
    """What all schedules have in common; the schedules are its subclasses."""

    def __call__(self, t: Any) -> Any:
        """Return the learning rate of step t, a whole number from 1, or an array."""
        raise NotImplementedError

    def rates(self, done: int, n_steps: int) -> Doubles:
        """Return the learning rates of some steps.

        Parameters
        ----------
        done : int
            Steps made before.
        n_steps : int
            How many rates.

        Returns
        -------
        ndarray of float64, shape (n_steps,)
            The rates.

        Raises
        ------
        ValueError
            If one is not finite or is negative.
        """
        with np.errstate(all="ignore"):  # and looked at
            rates = np.asarray(self(np.arange(done + 1.0, done + n_steps + 1)), float)
        if rates.shape not in ((), (n_steps,)):
            raise ValueError(
                "learning_rate must give one number for each step, got an array of "
                f"shape {rates.shape} for {n_steps} steps"
            )
        rates = np.ascontiguousarray(np.broadcast_to(rates, n_steps))
        wrong = ~((rates >= 0) & (rates < math.inf))
        if wrong.any():
            t = int(wrong.argmax())
            raise ValueError(
                "learning_rate must give finite numbers of at least 0, got "
                f"{rates[t]} for step {done + t + 1}"
            )
        return rates


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate in every step.

    Parameters
    ----------
    eta0 : float
        The rate, above 0.

    Examples
    --------
    >>> Constant(0.1)(7)
    0.1
    """

    eta0: float

    def __post_init__(self) -> None:
        """Check the parameters."""
        if type(self.eta0) is not float or not 0 < self.eta0 < math.inf:
            check_number(self.eta0, "eta0", low=0, open_low=True)

    def __call__(self, t: Any) -> Any:
        """Return the learning rate of step t."""
        return self.eta0 + 0.0 * t

    def rates(self, done: int, n_steps: int) -> Doubles:
        """Return the learning rates of some steps."""
        rates = np.empty(n_steps)
        rates.fill(self.eta0)
        return rates


@dataclass(frozen=True)
class InvScaling(Schedule):
    """``eta0 / t^power_t``, scikit-learn's "invscaling".

    Parameters
    ----------
    eta0 : float
        Rate of the first step, above 0.
    power_t : float
        Exponent, at least 0.

    Examples
    --------
    >>> InvScaling(0.1, power_t=0.5)(np.array([1, 4, 100]))
    array([0.1 , 0.05, 0.01])
    """

    eta0: float = 0.01
    power_t: float = 0.25

    def __post_init__(self) -> None:
        """Check the parameters."""
        check_number(self.eta0, "eta0", low=0, open_low=True)
        check_number(self.power_t, "power_t", low=0)

    def __call__(self, t: Any) -> Any:
        """Return the learning rate of step t."""
        return self.eta0 / t**self.power_t


@dataclass(frozen=True)
class Optimal(Schedule):
    """``1 / (alpha (t0 + t - 1))``, scikit-learn's "optimal" [1]_.

    t0 is such that the first rate is ``alpha^(-1/4)``, as it is there for every loss:
    10 for an alpha of 1e-4, which is far too much for squared errors.

    Parameters
    ----------
    alpha : float
        Factor of the penalty, above 0.

    References
    ----------
    .. [1] L. Bottou, "Stochastic gradient descent tricks", 2012, section 5.2.

    Examples
    --------
    >>> round(Optimal(alpha=1e-4)(1), 12)
    10.0
    """

    alpha: float = 0.0001

    def __post_init__(self) -> None:
        """Check the parameters."""
        check_number(self.alpha, "alpha", low=0, open_low=True)

    def __call__(self, t: Any) -> Any:
        """Return the learning rate of step t."""
        return 1 / (self.alpha * (self.alpha**-0.75 + t - 1))


@dataclass(frozen=True)
class Exponential(Schedule):
    """``eta0 decay^(t - 1)``.

    Parameters
    ----------
    eta0 : float
        Rate of the first step, above 0.
    decay : float
        Factor from step to step, above 0 and at most 1.

    Examples
    --------
    >>> Exponential(0.8, decay=0.5)(np.array([1, 2, 4]))
    array([0.8, 0.4, 0.1])
    """

    eta0: float
    decay: float

    def __post_init__(self) -> None:
        """Check the parameters."""
        check_number(self.eta0, "eta0", low=0, open_low=True)
        if check_number(self.decay, "decay", low=0, open_low=True) > 1:
            raise ValueError(f"decay must be at most 1, got {self.decay!r}")

    def __call__(self, t: Any) -> Any:
        """Return the learning rate of step t."""
        return self.eta0 * self.decay ** (t - 1.0)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a wave of a cosine, from eta0 down to a last rate, which then stays [1]_.

    Parameters
    ----------
    eta0 : float
        Rate of the first step, above 0.
    n_steps : int
        Steps until the last rate, at least 1; usually `max_iter`.
    last : float
        The last rate, from 0 to eta0.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm
       restarts", arXiv:1608.03983, equation 5 (one run of it).

    Examples
    --------
    >>> Cosine(0.2, n_steps=4)(np.array([1, 3, 5, 6])).round(12)
    array([0.2, 0.1, 0. , 0. ])
    """

    eta0: float
    n_steps: int
    last: float = 0.0

    def __post_init__(self) -> None:
        """Check the parameters."""
        check_number(self.eta0, "eta0", low=0, open_low=True)
        check_int(self.n_steps, "n_steps", low=1)
        if check_number(self.last, "last", low=0) > self.eta0:
            raise ValueError(f"last must be at most eta0, got {self.last!r}")

    def __call__(self, t: Any) -> Any:
        """Return the learning rate of step t."""
        part = np.minimum((t - 1.0) / self.n_steps, 1.0)
        return self.last + (self.eta0 - self.last) * (1 + np.cos(np.pi * part)) / 2


@dataclass(frozen=True)
class WarmUp(Schedule):
    """Another schedule, times ``t / n_steps`` in the first steps.

    Parameters
    ----------
    schedule : float or callable
        A rate, a schedule or a function of the number of a step.
    n_steps : int
        Steps until it holds unchanged, at least 1.

    Examples
    --------
    >>> WarmUp(0.2, n_steps=4)(np.array([1, 2, 4, 5]))
    array([0.05, 0.1 , 0.2 , 0.2 ])
    """

    schedule: float | Callable[[Any], Any]
    n_steps: int

    def __post_init__(self) -> None:
        """Check the parameters."""
        object.__setattr__(self, "schedule", check_schedule(self.schedule, "schedule"))
        check_int(self.n_steps, "n_steps", low=1)
        if isinstance(self.schedule, Adaptive):
            raise ValueError("schedule must not be adaptive, which knows no steps")

    def __call__(self, t: Any) -> Any:
        """Return the learning rate of step t."""
        assert callable(self.schedule)
        return self.schedule(t) * np.minimum(t / self.n_steps, 1.0)


@dataclass(frozen=True)
class Adaptive(Schedule):
    """A rate that is divided by 5 whenever the loss stops falling.

    scikit-learn's "adaptive". The loss has stopped falling when `n_iter_no_change`
    iterations of `train` in a row, which are epochs with `batch_size`, have not seen
    one below the lowest so far; with `early_stopping` it is that of the rows held out.
    The run ends when that happens at a rate of `lowest` or less.

    Parameters
    ----------
    eta0 : float
        The first rate, above 0.
    lowest : float
        The rate that is not divided any more, above 0.

    Examples
    --------
    >>> rate = Adaptive(0.1)
    >>> rate(1), rate.lowered()
    (0.1, Adaptive(eta0=0.02, lowest=1e-06))
    """

    eta0: float
    lowest: float = 1e-6

    def __post_init__(self) -> None:
        """Check the parameters."""
        check_number(self.eta0, "eta0", low=0, open_low=True)
        check_number(self.lowest, "lowest", low=0, open_low=True)

    def __call__(self, t: Any) -> Any:
        """Return the learning rate of step t, as far as is known."""
        return self.eta0 + 0.0 * t

    def lowered(self) -> Adaptive | None:
        """Return what follows when the loss has stopped falling; None for no more."""
        return replace(self, eta0=self.eta0 / 5) if self.eta0 > self.lowest else None


@dataclass(frozen=True)
class Function(Schedule):
    """A function of the number of a step.

    It is called for steps in their order, also for some that are not made. What it
    returned for the last `KNOWN_RATES` steps or half as many is kept, so that steps
    that are made again have the same rates; for one before these it is called again.

    Parameters
    ----------
    function : callable
        Returns a number.
    """

    function: Callable[[int], float]
    known: dict[int, float] = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        """Return its name: an address would be another one in every process."""
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        return f"Function({name})"

    def __call__(self, t: Any) -> Any:
        """Return the learning rate of step t."""
        if np.ndim(t):
            return np.array([self(step) for step in t])
        step = int(t)
        if step not in self.known:
            name = f"learning_rate of step {step}"
            if len(self.known) >= KNOWN_RATES:
                for old in list(self.known)[: KNOWN_RATES // 2]:
                    del self.known[old]
            self.known[step] = check_number(self.function(step), name, low=0)
        return self.known[step]


SCHEDULES: tuple[type[Schedule], ...] = (
    Constant,
    InvScaling,
    Optimal,
    Exponential,
    Cosine,
    WarmUp,
    Adaptive,
)


def check_schedule(
    value: object, name: str, note: str = ", a schedule or a function of the step"
) -> Schedule:
    """Return a learning rate as a schedule.

    Parameters
    ----------
    value : float or callable
        A number above 0, a schedule, or a function of the number of a step.
    name : str
        What to call it in messages.
    note : str
        What is allowed beside numbers, for messages.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError, ValueError
        If it is none of these.
    """
    if isinstance(value, Schedule) and type(value) is not Schedule:
        return value
    if callable(value) and not isinstance(value, (type, Schedule)):
        return Function(value)
    return Constant(check_number(value, name, low=0, open_low=True, note=note))
