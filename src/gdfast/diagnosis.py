"""Why a run ended and what would help, in plain words with its numbers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gdfast.descent import Descent
from gdfast.stopping import Monitor, Reason
from gdfast.sums import Examples

Doubles = NDArray[np.float64]

SAMPLE_ROWS = 1000  # that the scales of the columns are judged by
UNEVEN = 3.0  # ratio of the largest column to the smallest spread worth a remark
SLOW = 0.1  # fraction of the largest stable learning rate worth a remark


def explain(
    descent: Descent,
    monitor: Monitor,
    examples: Examples,
    rate: float,
    max_stable: float | None,
) -> str:
    """Return why a run ended and, where it did not converge, what would help.

    Parameters
    ----------
    descent : Descent
        The run.
    monitor : Monitor
        Its stopping rules and last steps.
    examples : Examples
        The data it was run on.
    rate : float
        Its learning rate.
    max_stable : float or None
        The largest stable one, if known; NaN when squares of X overflow.

    Returns
    -------
    str
        A few sentences.
    """
    gtol, xtol, ftol = monitor.tolerances
    done = f"after {_count(descent.n_iter, 'iteration')}"
    gradient = f"the largest gradient component is {descent.gradient_max:.4g}"
    match descent.reason:
        case Reason.GTOL:
            return f"Converged {done}: {gradient}, below gtol={gtol:g}."
        case Reason.XTOL:
            return (
                f"Converged {done}: the last one changed no parameter by as much as "
                f"xtol={xtol:g}."
            )
        case Reason.FTOL:
            return (
                f"Converged {done}: the last one changed the loss by less than "
                f"ftol={ftol:g} of it."
            )
        case Reason.CALLBACK:
            return f"Stopped by the callback {done}; {gradient}."
        case Reason.DIVERGED:
            return _divergence(descent.losses, rate, max_stable, examples)
        case Reason.MAX_ITER:
            ended = f"Stopped at max_iter {done}; {gradient}"
    before, after = descent.losses[-2:]
    if not after < before:
        return f"{ended}, and the loss no longer falls: a minimum, to rounding."
    fall = 100 * (before - after) / before
    parts = [f"{ended}, and the last one lowered the loss by {fall:.2g} %."]
    steps = monitor.steps_to(gtol) if gtol else math.inf
    if steps < math.inf:
        more = _count(int(steps), "iteration")
        parts.append(f"At the present pace gtol={gtol:g} needs about {more} more.")
    fit_intercept = len(descent.params) > examples.X.shape[1]
    parts.append(_advice(examples, fit_intercept, rate, max_stable))
    return " ".join(parts)


def _divergence(
    losses: Doubles, rate: float, max_stable: float | None, examples: Examples
) -> str:
    """Return iteration, learning rate, the largest stable one and what to do."""
    lowest = int(np.nanargmin(losses))
    seen = (
        f"gradient descent diverged: after {_count(len(losses) - 1, 'iteration')} the "
        f"loss is {losses[-1]:.6g}, up from {losses[lowest]:.6g} after {lowest}."
    )
    if max_stable is None or math.isnan(max_stable):
        cause = f"With learning_rate={rate:g}, values of X are too large to be squared."
    else:
        above = "above" if rate > max_stable else "not above"
        cause = (
            f"learning_rate={rate:g} is {above} the largest stable one, "
            f"{max_stable:.6g}."
        )
    todo = 'Pass a smaller learning_rate, or "auto"'
    if examples.columns is None:
        todo += ", or scale the columns with standardize=True"
    return f"{seen} {cause} {todo}."


def _advice(
    examples: Examples, fit_intercept: bool, rate: float, max_stable: float | None
) -> str:
    """Return what would make the run converge sooner."""
    advice = []
    unevenness = _unevenness(examples, fit_intercept)
    if unevenness > UNEVEN:
        advice.append(
            "standardize=True, as the columns differ in size and spread by a factor "
            f"of {unevenness:,.0f}"
        )
    if max_stable is not None and rate < SLOW * max_stable:
        advice.append(
            f"a larger learning_rate, as {rate:g} is {rate / max_stable:.1g} of the "
            f"largest stable one, {max_stable:.6g}"
        )
    advice.append("a larger max_iter")
    return f"What would help: {'; '.join(advice)}."


def _unevenness(examples: Examples, fit_intercept: bool) -> float:
    """Return the largest size of a column over the smallest spread of one.

    Its square is a cheap stand-in for the condition of the problem. The intercept is a
    column of ones, from which others differ by their spread; without it sizes count
    alone. They are taken from some evenly spaced rows.
    """
    if examples.columns is not None:
        return 1.0
    X = examples.X
    sample = X[:: max(1, len(X) // SAMPLE_ROWS)].astype(np.float64)
    share = np.full(len(sample), 1 / len(sample))
    with np.errstate(over="ignore", invalid="ignore"):
        mean, size = share @ sample, share @ (sample * sample)  # squares, to the end
    largest, spread = size.max(), size
    if fit_intercept:
        largest, spread = max(largest, 1.0), size - mean * mean
    smallest = spread.min(where=spread > 1e-12 * size, initial=largest)
    if fit_intercept:
        smallest = min(smallest, 1.0)
    return math.sqrt(largest / smallest)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
