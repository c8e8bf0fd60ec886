"""Why a run ended and what would help, in plain words with its numbers."""

from __future__ import annotations

import math

import numpy as np

from gdfast._typing import Doubles, Floats
from gdfast.csr import CSR
from gdfast.descent import Descended
from gdfast.fit import Fit
from gdfast.losses import LOSSES
from gdfast.minimum import Minimum
from gdfast.schedules import Constant, Schedule
from gdfast.stopping import PACE_STEPS, Monitor, Reason
from gdfast.sums import Examples

SAMPLE = 400  # rows, and columns, that the scales of the columns are judged by
UNEVEN = 3.0  # ratio of the largest column to the smallest spread worth a remark
MINIMUM = 1e-6  # error of the parameters, in parts of their size, at a minimum
CONDITION = 100.0  # of a problem, from which acceleration is worth a remark
RATES = 1 << 16  # at the start and at the end of a run, of which the largest is told
SLOW = 0.1  # fraction of the largest stable learning rate worth a remark
# What keeps "backtracking" from lowering a function.
NO_RATE = (
    "No rate that was tried makes fun fall as its gradient promises: the gradient is "
    "not that of fun, or fun has noise or a kink. To compare, leave the gradient out."
)
DIVERGED = "gradient descent diverged"  # how the reason of such a run begins


def explain(
    descent: Descended,
    monitor: Monitor,
    examples: Examples | None,
    schedule: Schedule | None,
    fit: Fit | Minimum,
) -> str:
    """Return why a run ended and, where it did not converge, what would help.

    Parameters
    ----------
    descent : Descended
        The run.
    monitor : Monitor
        Its stopping rules and last steps.
    examples : Examples or None
        The data it was run on; None for a function.
    schedule : Schedule or None
        Its learning rates; None if every step found its own.
    fit : Fit or Minimum
        What came of it, with the learning rate and the largest stable one, which is
        NaN when squares of X overflow and None where it is not known.

    Returns
    -------
    str
        A few sentences.
    """
    reason = _reason(descent, monitor, examples, schedule, fit)
    if descent.best is None or descent.reason is Reason.HELD_OUT:
        return reason
    n_iter, held_out, _ = descent.best
    return (
        f"{reason} The model is that after {_count(n_iter, 'iteration')}, whose loss "
        f"on the rows held out is the lowest, {held_out:.6g}."
    )


def is_stuck(
    descent: Descended, monitor: Monitor, examples: Examples | None, smooth: bool
) -> bool:
    """Whether a run that was cut short has come to nothing far from a minimum.

    Parameters
    ----------
    descent : Descended
        The run.
    monitor : Monitor
        Its last steps.
    examples : Examples or None
        The data; columns that are standardised are not to blame. None for a function,
        which may have any shape.
    smooth : bool
        Whether the loss has no kink; with one the gradient may stay the same for long.

    Returns
    -------
    bool
        True if its loss and its gradient are known not to fall.
    """
    if examples is None or examples.columns is not None or not smooth:
        return False
    return descent.n_iter >= PACE_STEPS and descent.stalled and monitor.is_stuck


def _reason(
    descent: Descended,
    monitor: Monitor,
    examples: Examples | None,
    schedule: Schedule | None,
    fit: Fit | Minimum,
) -> str:
    """Return the same of the run alone, whatever model of it is kept."""
    gtol, xtol, ftol = monitor.tolerances
    done = f"after {_count(descent.n_iter, 'iteration')}"
    gradient = f"the largest gradient component is {descent.gradient_max:.4g}"
    with_gradient = f"; {gradient}" if descent.knows_gradient else ""
    match descent.reason:
        case Reason.GTOL if descent.gradient_max < gtol:
            return f"Converged {done}: {gradient}, below gtol={gtol:g}."
        case Reason.GTOL:
            return (
                f"Converged {done}: where the rule looked ahead, no gradient component "
                f"was as large as gtol={gtol:g}; at the model {gradient}."
            )
        case Reason.XTOL:
            return (
                f"Converged {done}: the last one changed no parameter by as much as "
                f"xtol={xtol:g}."
            )
        case Reason.FTOL:
            return (
                f"Converged {done}: the last one changed {_objective(fit)} by less "
                f"than ftol={ftol:g} of it."
            )
        case Reason.HELD_OUT:
            assert descent.best is not None
            n_iter, held_out, _ = descent.best
            return (
                f"Stopped early {done}: the loss on the rows held out was the lowest, "
                f"{held_out:.6g}, after {n_iter:,}, whose model this is."
            )
        case Reason.NO_CHANGE:
            return (
                f"Converged {done}: {_objective(fit)} no longer falls, and the "
                f"learning rate, {fit.learning_rate:.4g}, is the lowest."
            )
        case Reason.CALLBACK:
            return f"Stopped by the callback {done}{with_gradient}."
        case Reason.DIVERGED:
            return _divergence(descent, monitor, examples, schedule, fit)
        case Reason.MAX_ITER | Reason.MAX_SECONDS | Reason.INTERRUPTED:
            return _unfinished(descent, monitor, examples, schedule, fit, with_gradient)


def _unfinished(
    descent: Descended,
    monitor: Monitor,
    examples: Examples | None,
    schedule: Schedule | None,
    fit: Fit | Minimum,
    with_gradient: str,
) -> str:
    """Return how far a run was that was cut short, and what would have helped."""
    limit = descent.reason.value
    cause = "by Ctrl-C" if descent.reason is Reason.INTERRUPTED else f"at {limit}"
    gtol = monitor.tolerances.gtol
    max_stable = _max_stable(fit)
    rate, at_step = _largest_rate(schedule, descent, fit)
    smooth = isinstance(fit, Minimum) or LOSSES[fit.loss_name].smooth
    done = f"after {_count(descent.n_iter, 'iteration')}"
    parts = [f"Stopped {cause} {done}{with_gradient}"]
    if descent.n_iter == 0:
        return f"{parts[0]}."
    if descent.last_losses is None:
        return f"{parts[0]}."
    before, after = descent.last_losses
    parts[0] += ", and "
    if descent.stalled:
        parts[0] += f"{_objective(fit)} no longer falls."
    elif before > 0:
        fall = 100 * (before - after) / before
        parts[0] += f"the last one lowered {_objective(fit)} by {fall:.2g} %."
    else:  # which has no parts
        fall = before - after
        parts[0] += f"the last one lowered {_objective(fit)} by {fall:.2g}."
    pace = monitor.pace() if gtol and smooth else 0.0  # a kink stays steep
    if pace:
        more = _count(math.ceil(monitor.way_to(gtol) / pace), "iteration")
        parts.append(f"At the present pace gtol={gtol:g} needs about {more} more.")
    if max_stable is not None and rate >= max_stable:
        parts.append(_too_large(rate, at_step, max_stable, examples))
        return " ".join(parts)
    uneven = 1.0
    if examples is not None:
        n_coef = examples.X.shape[1] * examples.n_outputs
        uneven = unevenness(examples, len(descent.params) > n_coef)
    assert monitor.zero is not None
    error = descent.gradient_max * uneven * uneven
    stuck = is_stuck(descent, monitor, examples, smooth)
    if descent.stalled and not stuck and error <= MINIMUM * monitor.zero[1]:
        return f"{parts[0]} Gradient descent can do no more here, to rounding."
    if descent.stalled and schedule is None and isinstance(fit, Minimum):
        return f"{parts[0]} {NO_RATE}"
    helps = advice(uneven, rate, at_step, max_stable)
    rule = None if fit.state is None else fit.state.optimizer.name
    if pace and rule == "gd" and max_stable is not None and not at_step:
        condition = 2 * rate / max_stable / pace
        steps = math.ceil(monitor.way_to(gtol) * math.sqrt(condition))
        if condition > CONDITION:
            helps.append(
                'optimizer="accelerated", which at the condition that the pace shows, '
                f"{_factor(condition)}, needs about {_count(steps, 'iteration')}"
            )
    if descent.stalled and descent.epochs:
        helps.append(
            "a learning_rate that falls, or average=True, as steps on batches end up "
            "wandering around the minimum"
        )
    if descent.stalled and (not smooth or examples is None):  # of any shape
        helps.append(
            "a smaller learning_rate, as steps too long cross the minimum to and fro"
        )
    if stuck and not helps:
        helps.append(
            "columns that are less alike, as steps that are short enough for what they "
            "have in common are too short for what they differ in"
        )
    if not descent.stalled or not helps:
        cut_off = descent.reason is Reason.INTERRUPTED
        helps.append("more time" if cut_off else f"a larger {limit}")
    parts.append(f"What would help: {'; '.join(helps)}.")
    return " ".join(parts)


def _divergence(
    descent: Descended,
    monitor: Monitor,
    examples: Examples | None,
    schedule: Schedule | None,
    fit: Fit | Minimum,
) -> str:
    """Return iteration, learning rate, the largest stable one and what to do."""
    assert monitor.first is not None
    # The first epoch's loss is not that of the start.
    losses = np.append(monitor.first[0], descent.rows.losses[1:])
    if losses[-1] == -math.inf:
        return (
            f"{DIVERGED}: after {_count(len(losses) - 1, 'iteration')} "
            f"{_objective(fit)} is -inf. It falls without bound: what has no minimum "
            "needs bounds."
        )
    max_stable = _max_stable(fit)
    lowest = int(np.nanargmin(losses))
    seen = (
        f"{DIVERGED}: after {_count(len(losses) - 1, 'iteration')} "
        f"{_objective(fit)} is {losses[-1]:.6g}, up from {losses[lowest]:.6g} "
        f"{f'after {lowest}' if lowest else 'at the start'}."
    )
    if max_stable is not None and math.isnan(max_stable):
        cause = "Values of X are too large to be squared: scale the columns."
    elif schedule is None and isinstance(fit, Minimum):
        cause = NO_RATE
    else:
        rate, at_step = _largest_rate(schedule, descent, fit)
        cause = _too_large(rate, at_step, max_stable, examples)
    return f"{seen} {cause}"


def _objective(fit: Fit | Minimum) -> str:
    """Return what to call what the run lowers."""
    return "fun" if isinstance(fit, Minimum) else "the loss"


def _max_stable(fit: Fit | Minimum) -> float | None:
    """Return the largest stable learning rate; None where it is not known."""
    return None if isinstance(fit, Minimum) else fit.max_stable_learning_rate


def _largest_rate(
    schedule: Schedule | None, descent: Descended, fit: Fit | Minimum
) -> tuple[float, int]:
    """Return the largest rate of a run and, if it was not always this, its step."""
    epochs = isinstance(fit, Fit) and fit.method == "batches"
    if schedule is None or isinstance(schedule, Constant) or epochs:
        return fit.learning_rate, 0  # an epoch is many updates
    done = fit.n_iter - descent.n_iter
    n_steps = max(descent.n_iter, 1)
    looks = [done]
    if n_steps > RATES:
        looks.append(done + n_steps - RATES)
    largest = []
    for look in looks:
        rates = schedule.rates(look, min(n_steps, RATES))
        at = int(rates.argmax())
        largest.append((float(rates[at]), look + at + 1))
    return max(largest, key=lambda rate_and_step: rate_and_step[0])


def _too_large(
    rate: float, at_step: int, max_stable: float | None, examples: Examples | None
) -> str:
    """Return the largest stable learning rate beside the one used, and what to do."""
    of_step = f" of step {at_step}" if at_step else ""
    if max_stable is None:  # of a loss that curves without bound, or an adaptive rule
        todo = f"learning_rate={rate:g}{of_step} is too large. Pass a smaller one"
        if examples is None:
            return f"{todo}."
        scale = ", or scale the columns with standardize=True"
        return f"{todo}{scale if examples.columns is None else ''}."
    place = "above" if rate > max_stable else "at" if rate == max_stable else "below"
    todo = 'Pass a smaller learning_rate, or "auto"'
    if examples is not None and examples.columns is None:
        todo += ", or scale the columns with standardize=True"
    return (
        f"learning_rate={rate:g}{of_step} is {place} the largest stable one, "
        f"{max_stable:.6g}. {todo}."
    )


def advice(
    uneven: float, rate: float, at_step: int, max_stable: float | None
) -> list[str]:
    """Return what beside more iterations would bring a run further.

    Parameters
    ----------
    uneven : float
        The `unevenness` of the data.
    rate : float
        The largest learning rate.
    at_step : int
        Its step if there were others, else 0.
    max_stable : float or None
        The largest stable one, if it is known.

    Returns
    -------
    list of str
        Parts of a sentence.
    """
    helps = []
    if uneven > UNEVEN:
        helps.append(
            "standardize=True, as the columns differ in size and spread by a factor "
            f"of {_factor(uneven)}"
        )
    if max_stable is not None and rate < SLOW * max_stable:
        largest = f"its largest, {rate:g}," if at_step else f"{rate:g}"
        helps.append(
            f"a larger learning_rate, as {largest} is {rate / max_stable:.1g} of the "
            f"largest stable one, {max_stable:.6g}"
        )
    return helps


def unevenness(examples: Examples, fit_intercept: bool) -> float:
    """Return the largest size of a column over the smallest spread of one.

    Its square is a cheap stand-in for the condition of the problem, by which an error
    of the gradient is one of the parameters; it does not see columns that are nearly
    combinations of others. The intercept is a column of ones, from which others differ
    by their spread; without it sizes count alone. They are taken from some evenly
    spaced rows and columns.

    Parameters
    ----------
    examples : Examples
        The data.
    fit_intercept : bool
        Whether there is an intercept.

    Returns
    -------
    float
        At least 1; 1 of standardised columns.
    """
    if examples.columns is not None:
        return 1.0
    X = examples.X
    unit, mean, square = _sparse_means(X) if isinstance(X, CSR) else _means(X)
    variance = square - mean**2 if fit_intercept else square
    spread = (unit * np.sqrt(variance.clip(0)))[variance > 1e-12 * square]
    sizes = [*(unit * np.sqrt(square)).tolist(), *[1.0] * fit_intercept]
    spreads = [*spread.tolist(), *[1.0] * fit_intercept]
    if not spreads:
        return 1.0
    return float(np.float64(max(sizes)) / min(spreads))


def _means(X: Floats) -> tuple[Doubles, Doubles, Doubles]:
    """Return the largest size in some columns, and in units of it two means of each.

    They are those of the values and of their squares. Columns of zeros are left out.
    """
    every_row, every_column = (max(1, n // SAMPLE) for n in X.shape)
    sample = X[::every_row, ::every_column].astype(np.float64)
    unit = np.abs(sample).max(axis=0)
    if not unit.all():
        sample, unit = sample[:, unit > 0], unit[unit > 0]
    sample /= unit  # squares of what is left neither overflow nor vanish
    share = np.full(len(sample), 1 / len(sample))
    return unit, share @ sample, share @ (sample * sample)


def _sparse_means(X: CSR) -> tuple[Doubles, Doubles, Doubles]:
    """Return the same for sparse rows: some rows, and all columns that they store."""
    sample = X.sample(SAMPLE * SAMPLE).merged()
    stored = sample.values != 0
    value = sample.values[stored].astype(np.float64)
    used, column = np.unique(sample.columns[stored], return_inverse=True)
    unit = np.zeros(len(used))
    np.maximum.at(unit, column, np.abs(value))
    value /= unit[column]
    mean = np.bincount(column, value, len(used)) / len(sample)
    square = np.bincount(column, value * value, len(used)) / len(sample)
    return unit, mean, square


def _factor(value: float) -> str:
    return f"{value:,.0f}" if value < 1e6 else f"{value:.1e}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
