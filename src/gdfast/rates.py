"""Learning rates that follow from how much the objective curves."""

from __future__ import annotations

import math

from gdfast._validation import raise_nonfinite
from gdfast.curvature import largest_eigenvalue, operations
from gdfast.drivers import Moments, Passes
from gdfast.losses import Loss
from gdfast.optimizers import Optimizer
from gdfast.penalties import Penalty
from gdfast.sums import Examples, Summation
from gdfast.threads import Team

# The largest stable learning rate is reported when finding it costs at most this many
# operations (some tens of microseconds), or a tenth of the run's.
FREE_OPERATIONS = 1e5


def curvature(
    summation: Summation,
    penalty: Penalty,
    n_params: int,
    driver: Passes | Moments | None = None,
) -> float:
    """Return the largest curvature of the objective.

    Parameters
    ----------
    summation : Summation
        Of a loss whose curvature is bounded over the examples.
    penalty : Penalty
        What is added to its mean.
    n_params : int
        Number of parameters.
    driver : Passes, Moments or None
        What may know the second moments of the columns.

    Returns
    -------
    float
        A bound that a loss with constant curvature reaches; NaN for overflow.
    """
    moment = driver.second_moment() if isinstance(driver, Moments) else None
    n_columns = n_params // summation.examples.n_outputs
    of_mean = largest_eigenvalue(summation, n_columns, moment)
    return summation.loss.max_curvature * of_mean + penalty.l2


def safe_rate(curvature: float, examples: Examples) -> float:
    """Return the learning rate that "auto" stands for.

    Parameters
    ----------
    curvature : float
        The largest curvature of the objective; NaN for overflow.
    examples : Examples
        The data it comes from.

    Returns
    -------
    float
        1 over it; 1 where nothing curves.

    Raises
    ------
    ValueError
        If values of X are not finite, or overflow or vanish when they are squared.
    """
    if math.isnan(curvature):
        raise_nonfinite(X=examples.X)
        raise ValueError("X has values too large to be squared; scale its columns")
    if curvature == 0:
        if examples.X.any():
            raise ValueError("X has values too small to be squared; scale its columns")
        return 1.0
    return 1 / curvature


def is_exact(loss: Loss, l1: float) -> bool:
    """Whether a largest stable rate is the very largest, and not a bound below it.

    Parameters
    ----------
    loss : Loss
        The loss of one example.
    l1 : float
        Factor of the sum of abs(coef).

    Returns
    -------
    bool
        True if the objective curves everywhere as much as it does at most.
    """
    return loss.quadratic and not l1


def stable_rate(rule: Optimizer, curvature: float) -> float:
    """Return the learning rate above which a rule diverges.

    Parameters
    ----------
    rule : Optimizer
        The update rule, which has such a rate.
    curvature : float
        The largest curvature of the objective.

    Returns
    -------
    float
        The rate; inf where nothing curves.
    """
    assert rule.stability is not None
    return rule.stability / curvature if curvature else math.inf


def find_stable_rate(
    rule: Optimizer,
    loss: Loss,
    examples: Examples,
    penalty: Penalty,
    n_params: int,
    n_threads: int | None,
    fit: object,
) -> float:
    """Return the same from the data, after a run, for a field of its fit.

    Parameters
    ----------
    rule : Optimizer
        The update rule, which has such a rate.
    loss : Loss
        A loss whose curvature is bounded.
    examples : Examples
        The data.
    penalty : Penalty
        What is added to the mean loss.
    n_params : int
        Number of parameters.
    n_threads : int or None
        Largest number of threads.
    fit : Fit
        The fit; of no effect.

    Returns
    -------
    float
        The rate; NaN for overflow.
    """
    with Team(n_threads) as team:
        summation = Summation(loss, examples, team)
        return stable_rate(rule, curvature(summation, penalty, n_params))


def costs_little(examples: Examples, n_params: int, n_iter: int) -> bool:
    """Whether finding the largest stable rate is cheap beside a run.

    Parameters
    ----------
    examples : Examples
        The data.
    n_params : int
        Number of parameters.
    n_iter : int
        Steps of the run.

    Returns
    -------
    bool
        True up to `FREE_OPERATIONS`, or a tenth of those of the run.
    """
    n_samples, n_features = examples.X.shape
    n_columns = n_params // examples.n_outputs
    run = 4 * (examples.X.size + n_samples * (n_columns - n_features)) * n_iter
    run *= examples.n_outputs
    return operations(examples, n_columns) <= max(FREE_OPERATIONS, float(run) / 10)
