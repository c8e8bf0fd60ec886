"""Which learning rates the data allow, and how many steps they need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gdfast._typing import Doubles
from gdfast._validation import check_bool, check_int, check_number, raise_nonfinite
from gdfast.curvature import MAX_EXACT, second_moment
from gdfast.losses import Loss, check_loss
from gdfast.optimizers import GD, Accelerated, Momentum, Nesterov, Optimizer
from gdfast.penalties import Penalty, check_penalty
from gdfast.preparation import standardized
from gdfast.rates import curvature, is_exact, safe_rate, stable_rate
from gdfast.sums import Summation
from gdfast.threads import Team
from gdfast.training import checked_examples

MAX_DOUBLINGS = 50  # of a number of steps, until it is too large to be one
# At the very best rate of momentum the way across the steepest valley swings up to many
# times its height before it shrinks. For curvatures up to this part more it does not.
MARGIN = 4 / 3
# Eigenvalues below such a part of the largest one are rounding, for each parameter.
NULL = 8 * float(np.finfo(float).eps)


class Rate(NamedTuple):
    """A learning rate for an update rule.

    Parameters
    ----------
    optimizer : Optimizer
        The rule, with its best constants where they follow from the curvatures.
    learning_rate : float
        The rate.
    stable_below : float
        The largest stable rate of this rule.
    n_iter : int or None
        Iterations of `gdfast.train` that it needs from zeros to `gtol`; None where
        they are not known, or too many to count.
    """

    optimizer: Optimizer
    learning_rate: float
    stable_below: float
    n_iter: int | None


@dataclass(frozen=True, repr=False)
class LearningRates:
    """What `gdfast.learning_rates` found; prints as a table.

    Parameters
    ----------
    max_stable : float
        The rate above which plain gradient descent diverges, 2 / L; of a loss that is
        not a square, and with "l1", a rate below which it cannot.
    best : float or None
        Its best constant rate, 2 / (L + mu).
    condition : float or None
        L / mu: how much more the objective curves along one direction than along
        another. The iterations grow with it, or with its root.
    largest_curvature : float
        L, the largest eigenvalue of the second derivatives of the objective; for a loss
        that is not a square, what it is at most.
    smallest_curvature : float or None
        mu, the smallest one that is not zero; None if it is not known.
    gtol : float
        What the largest component of the gradient is to fall below.
    rates : tuple of Rate
        One or two for each update rule.
    """

    max_stable: float
    best: float | None
    condition: float | None
    largest_curvature: float
    smallest_curvature: float | None
    gtol: float
    rates: tuple[Rate, ...]

    def __repr__(self) -> str:
        """Return the table."""
        rows = self.cells()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        ]
        return "\n".join([*lines, self.curvatures()])

    def cells(self) -> list[tuple[str, ...]]:
        """Return the table as it is printed.

        Returns
        -------
        list of tuple of str
            The titles, then the cells of each row.
        """
        titles = ("optimizer", "learning rate", "stable below", "iterations")
        rows: list[tuple[str, ...]] = [titles]
        for rule, rate, stable, n_iter in self.rates:
            steps = "?" if n_iter is None else f"{n_iter:,}"
            rows.append((_named(rule), f"{rate:.6g}", f"{stable:.6g}", steps))
        return rows

    def curvatures(self) -> str:
        """Return the sentence below the table.

        Returns
        -------
        str
            The curvatures, and what the iterations are counted to.
        """
        if self.condition is None:
            return f"Curvatures up to {self.largest_curvature:.6g}."
        return (
            f"Curvatures from {self.smallest_curvature:.6g} to "
            f"{self.largest_curvature:.6g}, condition {self.condition:.4g}; "
            f"iterations to gtol={self.gtol:g}."
        )


def _named(rule: Optimizer) -> str:
    """Return a rule as it is printed: its name, and its momentum if it has one."""
    if isinstance(rule, (Momentum, Nesterov)):
        return f"{rule.name}, momentum={rule.momentum:.6g}"
    return rule.name


class Modes(NamedTuple):
    """The directions of a quadratic objective that curve, each by itself.

    Parameters
    ----------
    curvatures : ndarray of float64, shape (n_modes,)
        Of each, from the smallest on.
    directions : ndarray of float64, shape (n_params, n_modes)
        Each of length 1.
    shares : ndarray of float64, shape (n_modes, n_outputs)
        Of the gradient at zeros, in each direction.
    """

    curvatures: Doubles
    directions: Doubles
    shares: Doubles

    def steepest(self, left: Doubles) -> float:
        """Return the largest component of a gradient.

        Parameters
        ----------
        left : ndarray of float64, shape (n_modes,)
            What is left of each share.

        Returns
        -------
        float
            Its size.
        """
        return float(np.abs(self.directions @ (left[:, None] * self.shares)).max())


def learning_rates(
    X: ArrayLike,
    y: ArrayLike,
    *,
    loss: str | Loss = "squared_error",
    penalty: str | None = None,
    alpha: float = 0.0001,
    l1_ratio: float = 0.15,
    gtol: float = 1e-6,
    fit_intercept: bool = True,
    sample_weight: ArrayLike | None = None,
    standardize: bool = False,
    n_threads: int | None = None,
) -> LearningRates:
    """Find the learning rates that suit some data, and what they cost in iterations.

    The rates follow from the curvatures of the objective, L the largest and mu the
    smallest, and so does how fast each update rule comes near the minimum of a squared
    error. Nothing is trained.

    Parameters
    ----------
    X : array-like, CSR matrix or data frame, of shape (n_samples, n_features)
        Features, see `train`, of which all that follows is meant as well: the rates are
        for runs with the same arguments.
    y : array-like, shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    loss : str or `gdfast.losses.Loss`
        Loss of one example, without a kink.
    penalty : {"l2", "l1", "elasticnet"} or None
        What is added to the mean loss, times `alpha`.
    alpha : float
        Factor of the penalty, not negative.
    l1_ratio : float
        Share of abs(coef) in "elasticnet", from 0 to 1.
    gtol : float
        What the largest component of the gradient is to fall below, above 0.
    fit_intercept : bool
        Whether to fit a constant term.
    sample_weight : array-like, shape (n_samples,), or None
        Non-negative weights, not all zero.
    standardize : bool
        Whether to train on standardised columns.
    n_threads : int or None
        Largest number of threads, at least 1.

    Returns
    -------
    LearningRates
        The rates, and the expected number of iterations of each.

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type, value or shape, if X or y has values that are
        missing, infinite or too large to be squared, or if the loss has a kink or
        curves without bound.

    Notes
    -----
    =============  ===================  ===================================  ======
    update rule    learning rate        momentum                             source
    =============  ===================  ===================================  ======
    "gd"           1 / L, "auto"                                             [1]_
    "gd"           2 / (L + mu)                                              [1]_
    `Momentum`     4 / (sqrt L' + sqrt  ((sqrt k' - 1) / (sqrt k' + 1))^2    [2]_
                   mu)^2
    `Nesterov`     4 / (3 L + mu)       (sqrt(3 k + 1) - 2) /                [3]_
                                        (sqrt(3 k + 1) + 2)
    "accelerated"  1 / L, "auto"        grows, begins anew                   [4]_
    =============  ===================  ===================================  ======

    k is the condition L / mu. These are the best constants for quadratic objectives, if
    L' and k' were L and k. Here they are 4/3 of these: at the very best rate a run
    rises far before it falls, and looks like a divergence.

    Iterations are counted from zeros, for squared errors without "l1", whose gradient
    is a sum of shares that shrink by themselves, each by a factor that its own
    curvature gives: the counts are those of a run but for rounding, and for a few
    where the gradient swings; rules that look ahead make one more. For "accelerated",
    whose restarts depend on the way, the count is made as if shares shrank by
    ``1 - sqrt(curvature / L)``, which is what restarts are for [4]_: a run takes
    between half and twice as many, and a few.

    One reading of `X` at n_samples n_features^2 operations, and n_features^3 for the
    eigenvalues. mu and counts are only found for up to 512 parameters. A curvature
    below 1e-15 of the largest one, for each parameter, is taken for none: there
    nothing moves.

    References
    ----------
    .. [1] Y. Nesterov, "Lectures on Convex Optimization", 2nd ed., 2018, theorems
       2.1.14 and 2.1.15.
    .. [2] B. T. Polyak, "Some methods of speeding up the convergence of iteration
       methods", 1964.
    .. [3] L. Lessard, B. Recht, A. Packard, "Analysis and design of optimization
       algorithms via integral quadratic constraints", SIAM J. Optim. 26(1), 2016,
       proposition 1.
    .. [4] B. O'Donoghue, E. Candes, "Adaptive restart for accelerated gradient
       schemes", Found. Comput. Math. 15, 2015, section 2 and 4.

    Examples
    --------
    >>> import gdfast
    >>> mpg = gdfast.example_data("mpg")
    >>> found = gdfast.learning_rates(mpg["pounds_1000"], mpg["mpg"])
    >>> found.max_stable, found.best
    (0.0698201, 0.0696840)
    """
    chosen = check_loss(loss)
    examples, _, _ = checked_examples(chosen, X, y, sample_weight)
    added = check_penalty(penalty, alpha, l1_ratio)
    tolerance = check_number(gtol, "gtol", low=0, open_low=True)
    with_intercept = check_bool(fit_intercept, "fit_intercept")
    scales = check_bool(standardize, "standardize")
    if n_threads is not None:
        n_threads = check_int(n_threads, "n_threads", low=1)
    if not chosen.smooth or chosen.max_curvature == math.inf:
        raise ValueError(
            f"the loss {chosen.name!r} has no largest curvature that a learning rate "
            "could follow from"
        )
    with Team(n_threads) as team:
        if scales:
            examples = standardized(examples, with_intercept, team)
        n_columns = examples.X.shape[1] + with_intercept
        n_params = n_columns * examples.n_outputs
        summation = Summation(chosen, examples, team)
        largest = curvature(summation, added, n_params)
        safe = safe_rate(largest, examples)
        modes = None
        if is_exact(chosen, added.l1) and n_columns <= MAX_EXACT:
            modes = _modes(summation, added, n_columns)
    return _rates(largest, safe, modes, tolerance)


def _modes(summation: Summation, penalty: Penalty, n_columns: int) -> Modes:
    """Return the directions of the objective that curve."""
    examples = summation.examples
    hessian = summation.loss.max_curvature * second_moment(summation, n_columns)
    features = np.arange(n_columns) < examples.X.shape[1]
    hessian[features, features] += penalty.l2
    curvatures, directions = np.linalg.eigh(hessian)
    bent = curvatures > NULL * n_columns * curvatures[-1]
    directions = directions[:, bent]
    totals = summation.gradient(np.zeros(n_columns * examples.n_outputs))
    gradient = (totals.gradient / totals.weight_sum).reshape(n_columns, -1)
    if not np.isfinite(gradient).all():
        raise_nonfinite(X=examples.X, y=examples.targets)
        raise ValueError("y has values too large for the loss")
    return Modes(curvatures[bent], directions, directions.T @ gradient)


def _rates(
    largest: float, safe: float, modes: Modes | None, gtol: float
) -> LearningRates:
    """Return the rates of every rule, with that of "auto"."""

    def of(rule: Optimizer, rate: float, n_iter: int | None) -> Rate:
        return Rate(rule, rate, stable_rate(rule, largest), n_iter)

    stable = stable_rate(GD(), largest)
    if modes is None or not len(modes.curvatures):
        unknown = of(GD(), safe, None), of(Accelerated(), safe, None)
        return LearningRates(stable, None, None, largest, None, gtol, unknown)
    smallest = float(modes.curvatures[0])
    condition = max(largest / smallest, 1.0)
    best = 2 / (largest + smallest)
    root, wide = math.sqrt(MARGIN * condition), math.sqrt(3 * condition + 1)
    momentum = Momentum(((root - 1) / (root + 1)) ** 2)
    nesterov = Nesterov((wide - 2) / (wide + 2))
    of_momentum = 4 / (math.sqrt(MARGIN * largest) + math.sqrt(smallest)) ** 2
    of_nesterov = 4 / (3 * largest + smallest)
    rates = (
        of(GD(), safe, count(modes, gtol, safe)),
        of(GD(), best, count(modes, gtol, best)),
        of(momentum, of_momentum, count(modes, gtol, of_momentum, momentum.momentum)),
        of(
            nesterov,
            of_nesterov,
            count(modes, gtol, of_nesterov, nesterov.momentum, ahead=True),
        ),
        of(Accelerated(), safe, count_accelerated(modes, gtol, largest)),
    )
    return LearningRates(stable, best, condition, largest, smallest, gtol, rates)


def count(
    modes: Modes, gtol: float, rate: float, momentum: float = 0.0, ahead: bool = False
) -> int | None:
    """Return after how many steps the gradient is small.

    Parameters
    ----------
    modes : Modes
        The objective.
    gtol : float
        What its largest component is to fall below.
    rate : float
        The learning rate.
    momentum : float
        Part of the last displacement that is made again.
    ahead : bool
        Whether the gradient is taken where that leads.

    Returns
    -------
    int or None
        The steps; None for 2^50 and more.

    Notes
    -----
    Distance e from the minimum and displacement v of each mode make a linear step,
    whose matrix is squared until enough of them are made; then the last doubling is
    halved.
    """
    kept = 1 - rate * modes.curvatures
    inertia = momentum * kept if ahead else np.full_like(kept, momentum)
    step = np.array([[kept, -inertia], [1 - kept, inertia]]).transpose(2, 0, 1)

    def small(made: Doubles) -> bool:
        left = made[:, 0, 0] - momentum * ahead * made[:, 1, 0]
        return modes.steepest(left) < gtol

    made = np.broadcast_to(np.eye(2), step.shape)
    if small(made):
        return int(ahead)  # the step that a gradient ahead is of is made
    powers = [step]
    while not small(powers[-1]):
        if len(powers) == MAX_DOUBLINGS:
            return None
        powers.append(powers[-1] @ powers[-1])
    n_iter = 0
    for doublings in reversed(range(len(powers) - 1)):
        further = made @ powers[doublings]
        if not small(further):
            made, n_iter = further, n_iter + 2**doublings
    return n_iter + 1 + ahead


def count_accelerated(modes: Modes, gtol: float, largest: float) -> int:
    """Return about how many steps accelerated gradient descent needs.

    Parameters
    ----------
    modes : Modes
        The objective.
    gtol : float
        What the largest component of its gradient is to fall below.
    largest : float
        The curvature that the learning rate is the inverse of.

    Returns
    -------
    int
        The steps until every mode's share of the gradient is so small, if each shrinks
        by ``1 - sqrt(curvature / largest)`` a step, as with the best momentum for it.
    """
    sizes = np.abs(modes.directions).max(axis=0) * np.abs(modes.shares).max(axis=1)
    left = np.log(np.maximum(sizes / gtol, 1.0))
    pace = -np.log1p(-np.minimum(np.sqrt(modes.curvatures / largest), 1 - 1e-9))
    return math.ceil(float((left / pace).max())) + 1  # as the gradient is taken ahead
