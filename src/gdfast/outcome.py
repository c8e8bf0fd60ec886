"""From the end of a run to its fit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gdfast._typing import Doubles
from gdfast._validation import raise_nonfinite
from gdfast.batches import Batches
from gdfast.descent import Best, Descended, Driver
from gdfast.diagnosis import explain
from gdfast.drivers import Moments
from gdfast.fit import DivergenceError, Fit, Sampling, State, settle
from gdfast.history import History
from gdfast.losses import Loss
from gdfast.minimum import Minimum
from gdfast.preparation import Prepared
from gdfast.rates import costs_little, curvature, find_stable_rate, stable_rate
from gdfast.settings import Settings
from gdfast.stopping import ConvergenceWarning, Monitor, Reason
from gdfast.sums import Examples
from gdfast.units import Units, plain

# The largest stable rate and why a run ended take longer to find than a small run.
# When X and the way of the parameters are at most this many values, a fit keeps a copy
# of the data and finds them when it is asked. Rows of a history it always keeps as they
# came: to put millions of them together takes longer than an answer to Ctrl-C may.
KEPT_VALUES = 4096


def raise_unstarted(run: Prepared, descent: Descended, loss: Loss) -> None:
    """Raise for a start whose loss is not finite.

    Parameters
    ----------
    run : Prepared
        The run before its first step.
    descent : Descended
        What came of it.
    loss : Loss
        The loss.

    Raises
    ------
    ValueError
        If it is not, with the values of X or y that are the reason if there are any.
    """
    seen, first = descent.rows.first_loss, run.monitor.first
    before = seen if first is None else float(first[0])
    if math.isfinite(before) and math.isfinite(seen):
        return
    raise_nonfinite(X=run.examples.X, y=run.examples.targets)
    if math.isfinite(before):  # and the first epoch diverged
        return
    culprits = "X or y"
    if run.start.params.any():
        culprits = "coef_init, intercept_init, X or y"
    raise ValueError(
        f"{culprits} has values too large for the loss {loss.name!r}, which is not "
        "finite"
    )


def make_fit(
    run: Prepared,
    descent: Descended,
    settings: Settings,
    asked: dict[str, Any],
    sampling: Sampling,
    feature_names: tuple[str, ...] | None,
) -> Fit:
    """Return what came of a run.

    Parameters
    ----------
    run : Prepared
        The run before its first step.
    descent : Descended
        Its steps.
    settings : Settings
        What it was asked to do.
    asked : dict of str to number, text or None
        The same as the fit keeps it.
    sampling : Sampling
        Which rows its steps saw.
    feature_names : tuple of str or None
        Names of the columns.

    Returns
    -------
    Fit
        The model and how it was found.
    """
    driver, start, monitor, units, examples, _, penalty, *_ = run
    updater, n_iter = driver.updater, start.done + descent.n_iter
    n_values = max(examples.X.size, len(examples.X))  # sparse rows may hold none
    small = n_values + descent.n_iter * len(start.params) <= KEPT_VALUES
    judged = _copy(examples) if small else examples
    history = partial(_history, descent, units, feature_names, start.done)
    best = descent.best
    last = driver.last if isinstance(driver, Batches) else descent.params
    coef, intercept = units.model(descent.params if best is None else best.params)
    fit = Fit(
        coef=coef,
        intercept=plain(intercept),
        loss=descent.loss,
        n_iter=n_iter,
        converged=descent.reason.converged,
        stop_reason=partial(
            explain, descent, monitor, judged, settings.schedule or updater.schedule
        ),
        learning_rate=driver.last_rate(n_iter),
        max_stable_learning_rate=_stable_rate(run, descent, settings, judged),
        history=history if settings.history else None,
        feature_names=feature_names,
        n_classes=examples.n_classes,
        loss_name=settings.loss.name,
        loss_params=settings.loss.params,
        penalty=penalty.factors,
        standardized=settings.standardize,
        method=driver.method,
        n_samples=len(examples.X),
        settings=asked,
        state=State(
            last,
            settings.optimizer,
            updater.state,
            driver.method,
            driver.carried,
            what_was_watched(driver, monitor, best),
            sampling,
        ),
    )
    if not small:
        settle(fit)  # which lets the data go
    return fit


def tell(fit: Fit | Minimum, descent: Descended, warns: bool) -> None:
    """Raise or warn if a run did not do what it was asked to.

    Parameters
    ----------
    fit : Fit or Minimum
        What came of it.
    descent : Descended
        Its steps.
    warns : bool
        Whether it was to come to more before `max_iter` or `max_seconds` ended it; the
        caller of the caller is warned.

    Raises
    ------
    DivergenceError
        If it diverged.
    """
    if descent.reason is Reason.DIVERGED:
        raise DivergenceError(fit.stop_reason, fit)
    ended = descent.reason in (Reason.MAX_ITER, Reason.MAX_SECONDS)
    if ended and warns:
        warnings.warn(fit.stop_reason, ConvergenceWarning, stacklevel=3)


def _stable_rate(
    run: Prepared, descent: Descended, settings: Settings, judged: Examples
) -> float | Callable[[Fit], float] | None:
    """Return the largest stable rate, how to find it, or None if that is not worth it.

    There is none for losses that curve without bound, and for rules and rates that
    adapt to the gradients.
    """
    loss, rule, driver = settings.loss, settings.optimizer, run.driver
    n_params, bent = len(run.start.params), run.curvature
    adapts = rule.stability is None or settings.backtracks or driver.method == "batches"
    if adapts or loss.max_curvature == math.inf:
        return None
    if bent is None and isinstance(driver, Moments):
        bent = curvature(driver.summation, run.penalty, n_params, driver)
    if bent is not None:
        return stable_rate(rule, bent)
    if (
        costs_little(run.examples, n_params, descent.n_iter)
        or descent.reason is Reason.DIVERGED
        or descent.stalled
    ):
        return partial(
            find_stable_rate,
            rule,
            loss,
            judged,
            run.penalty,
            n_params,
            settings.n_threads,
        )
    return None


def what_was_watched(
    driver: Driver, monitor: Monitor, best: Best | None = None
) -> Doubles | None:
    """Return what rules that wait for a lower loss know at the end of a run.

    Parameters
    ----------
    driver : Driver
        Made the steps.
    monitor : Monitor
        Watched them.
    best : Best or None
        The model that is kept, if it is not the last one.

    Returns
    -------
    ndarray of float64 or None
        For the state of the run; None if no rule waits.
    """
    patience = monitor.patience
    if patience is None:
        return None
    known = [driver.last_rate(0), patience.lowest, patience.waited]
    if best is None:
        return np.array(known)
    return np.array([*known, best.n_iter, best.held_out, *best.params])


def _copy(examples: Examples) -> Examples:
    """Return examples that nobody else can change."""
    X, y, weight, columns, n_outputs = examples
    weight = None if weight is None else weight.copy()
    return Examples(X.copy(), y.copy(), weight, columns, n_outputs)


def _history(
    descent: Descended,
    units: Units,
    feature_names: tuple[str, ...] | None,
    done: int,
    fit: Fit,
) -> History:
    """Return the rows of a run in the caller's units."""
    rows, path = descent.rows, descent.rows.path
    if path is None:
        return History.from_rows(rows.losses, done=done, validation_loss=rows.held_out)
    coef, intercept = units.model(path)
    return History.from_rows(
        rows.losses,
        coef,
        intercept if units.fit_intercept else None,
        feature_names,
        done,
        rows.held_out,
    )
