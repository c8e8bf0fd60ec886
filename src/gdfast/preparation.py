"""From data and settings to where a run starts and how its steps are made."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gdfast._typing import Doubles
from gdfast._validation import check_coef, check_intercept, raise_nonfinite
from gdfast.backtracking import Backtracking
from gdfast.batches import Batches, Batching, largest_curvature
from gdfast.curvature import needs_moments
from gdfast.descent import Best, Driver, look_at
from gdfast.drivers import Updater, choose
from gdfast.fit import Fit, Sampling, State
from gdfast.holdout import HeldOutLoss
from gdfast.optimizers import Optimizer
from gdfast.penalties import Penalty
from gdfast.rates import curvature, safe_rate
from gdfast.scaling import column_scales
from gdfast.schedules import Adaptive, Constant
from gdfast.settings import Settings
from gdfast.stopping import Monitor, Patience
from gdfast.sums import Examples, Summation
from gdfast.threads import Team
from gdfast.units import Units

KNOWN = 5  # numbers of `State.watched` before the parameters of the best model


class Start(NamedTuple):
    """The parameters that a run starts from.

    Parameters
    ----------
    params : ndarray of float64, shape (n_params,)
        The parameters.
    done : int
        Iterations made before.
    state : State or None
        Where the run ended that is gone on with.
    """

    params: Doubles
    done: int = 0
    state: State | None = None


class Prepared(NamedTuple):
    """A run whose first step is the next thing to do.

    Parameters
    ----------
    driver : Driver
        Makes the steps.
    start : Start
        From here.
    monitor : Monitor
        Watches them.
    units : Units
        The caller's.
    examples : Examples
        The data, with the columns trained on.
    held_out : HeldOutLoss or None
        The part of them that steps are not made by.
    penalty : Penalty
        What is added to the mean loss, with the bounds of these columns.
    best : Best or None
        The best model of iterations made before, by the loss of rows held out.
    curvature : float or None
        The largest one of the objective, if it had to be found.
    """

    driver: Driver
    start: Start
    monitor: Monitor
    units: Units
    examples: Examples
    held_out: HeldOutLoss | None
    penalty: Penalty
    best: Best | None
    curvature: float | None


def standardized(examples: Examples, fit_intercept: bool, team: Team) -> Examples:
    """Return examples with standardised columns.

    Parameters
    ----------
    examples : Examples
        The data.
    fit_intercept : bool
        Whether columns are centred.
    team : Team
        The threads to do it on.

    Returns
    -------
    examples : Examples
        The same data.

    Raises
    ------
    ValueError
        If values of X are not finite, or overflow or vanish when they are squared.
    """
    columns = column_scales(examples, fit_intercept, team)
    if not np.isfinite(columns).all() or not columns[1].all():
        raise_nonfinite(X=examples.X)
        raise ValueError(
            "X has values too large or too small to be squared; scale its columns"
        )
    return examples._replace(columns=columns)


def given_start(units: Units, coef_init: object, intercept_init: object) -> Start:
    """Return a start from a model, or from zeros.

    Parameters
    ----------
    units : Units
        The caller's.
    coef_init, intercept_init : object
        Arguments of `train`.

    Returns
    -------
    Start
        The start.

    Raises
    ------
    TypeError, ValueError
        If they have a wrong type, shape or value.
    """
    if coef_init is None and intercept_init is None and units.bounds is None:
        return Start(np.zeros(units.n_params))
    coef = np.zeros(units.coef_shape)
    intercept: float | Doubles = 0.0
    if coef_init is not None:
        coef = check_coef(coef_init, units.n_features, units.outputs, "coef_init")
    if intercept_init is not None:
        if not units.fit_intercept:
            raise ValueError("intercept_init has no use with fit_intercept=False")
        intercept = check_intercept(intercept_init, units.outputs, "intercept_init")
    if units.bounds is not None:
        inside = coef.clip(*units.bounds)
        if coef_init is not None and (coef != inside).any():
            raise ValueError("coef_init must be within bounds")
        coef = inside
    return Start(units.params(coef, intercept))


def check_resume(resume: object) -> tuple[Fit, State]:
    """Return a fit that can be gone on with, and where it ended.

    Parameters
    ----------
    resume : Fit
        The argument of `train`.

    Returns
    -------
    fit : Fit
        The same.
    state : State
        Where it ended.

    Raises
    ------
    TypeError, ValueError
        If it is no fit, or one that does not know.
    """
    if not isinstance(resume, Fit):
        raise TypeError(f"resume must be a fit, got {resume!r}")
    if resume.state is None:
        raise ValueError(
            "resume must be a fit that keeps where it ended, got an old one"
        )
    return resume, resume.state


def check_same_rule(state: State, rule: Optimizer) -> None:
    """Raise if a run would go on by another update rule.

    Parameters
    ----------
    state : State
        Where the run before ended.
    rule : Optimizer
        The update rule of this run.

    Raises
    ------
    ValueError
        If it is another one.
    """
    if state.optimizer != rule:
        raise ValueError(
            f"resume has the optimizer {state.optimizer}, which must be given again; "
            f"got {rule}"
        )


def resumed_sampling(before: Sampling, now: Sampling, seeded: bool) -> Sampling:
    """Return which rows a run sees that goes on with another.

    Parameters
    ----------
    before : Sampling
        That of the run before.
    now : Sampling
        That of this run as it was asked for.
    seeded : bool
        Whether it was asked for by a number, which has to be the same then.

    Returns
    -------
    Sampling
        The same, drawn from what the run before drew from.

    Raises
    ------
    ValueError
        If they differ.
    """
    for name, was, got in zip(Sampling._fields, before, now, strict=True):
        option = "early_stopping" if name == "validation_fraction" else name
        if (was is None) != (got is None):
            raise ValueError(
                f"resume must be given with {option} if it was trained so, and not "
                "otherwise"
            )
        if name != "start" and was != got:
            raise ValueError(
                f"resume was trained with {name}={was}, which must be given again; "
                f"got {got}"
            )
    if seeded and before.start != now.start:
        raise ValueError(
            "resume was trained with another random_state, which must be given again, "
            "or None for the same"
        )
    return before


def resumed_start(fit: Fit, state: State, units: Units, settings: Settings) -> Start:
    """Return a start from where a run ended, if it can be gone on with.

    Parameters
    ----------
    fit : Fit
        What came of that run.
    state : State
        Where it ended.
    units : Units
        The caller's, of this run.
    settings : Settings
        Those of this run.

    Returns
    -------
    Start
        The start.

    Raises
    ------
    ValueError
        If it was a run with other settings or other columns.
    """
    check_same_rule(state, settings.optimizer)
    loss = settings.loss
    if (fit.loss_name, fit.loss_params) != (loss.name, loss.params):
        raise ValueError(
            f"resume has the loss {fit.loss_name!r} with {fit.loss_params}, which must "
            f"be given again; got {loss}"
        )
    if fit.standardized != (units.columns is not None):
        raise ValueError(
            f"resume was trained with standardize={fit.standardized}, which must be "
            "given again"
        )
    if fit.coef.shape != units.coef_shape or len(state.params) != units.n_params:
        several = f"; y has {units.outputs} outputs" if units.outputs else ""
        raise ValueError(
            f"resume has {' x '.join(map(str, fit.coef.shape))} coefficients and "
            f"{len(state.params) - fit.coef.size} intercepts; X has {units.n_features} "
            f"columns, and fit_intercept is {units.fit_intercept}{several}"
        )
    if state.method == "passes" and settings.backtracks != (state.carried is not None):
        raise ValueError(
            'resume must be given with "backtracking" if it was trained so, and not '
            "otherwise"
        )
    bounds = units.trained_bounds
    coef = state.params[: units.n_coef]
    if bounds is not None and (coef != coef.clip(*bounds)).any():
        raise ValueError("resume must have ended within bounds")
    return Start(state.params.copy(), fit.n_iter, state)


def prepare(
    settings: Settings,
    batching: Batching | None,
    examples: Examples,
    held_out: Examples | None,
    units: Units,
    start: Start,
    team: Team,
) -> Prepared:
    """Choose how the steps are made and at which rates.

    Parameters
    ----------
    settings : Settings
        What the run is asked to do.
    batching : Batching or None
        How rows make batches; None for all of them in every step.
    examples : Examples
        The data, with the columns trained on.
    held_out : Examples or None
        Rows that are held out.
    units : Units
        The caller's.
    start : Start
        Where the run starts.
    team : Team
        The threads to do it on.

    Returns
    -------
    Prepared
        The run.

    Raises
    ------
    ValueError
        If a rate has to be found and values of X cannot be squared.
    """
    params = start.params
    n_coef, n_params = units.n_coef, len(params)
    penalty = settings.penalty
    if units.bounds is not None:
        penalty = penalty._replace(bounds=units.trained_bounds)
    loss, schedule = settings.loss, settings.schedule
    summation = Summation(loss, examples, team)
    updater = Updater(settings.optimizer, penalty, n_coef, n_params, schedule)
    before = start.state
    if before:
        updater.state[:] = before.memory
    bent = None
    driver: Driver
    if batching is not None:
        watches_change = settings.tolerances.xtol > 0
        driver = Batches(
            summation, updater, n_params, batching, settings.deadline, watches_change
        )
        if schedule is None:
            bound = largest_curvature(loss, penalty, examples)
            updater.schedule = Constant(safe_rate(bound, examples))
    elif settings.backtracks:
        carried = before.carried if before else None
        driver = Backtracking(summation, updater, n_coef, penalty.l2, carried)
    else:
        to_find = schedule is None
        n_columns = n_params // examples.n_outputs
        needed = to_find and needs_moments(len(examples.X), n_columns)
        max_iter = settings.max_iter
        driver = choose(loss, summation, updater, params, max_iter, needed, before)
        if to_find:
            bent = curvature(summation, penalty, n_params, driver)
            updater.schedule = Constant(safe_rate(bent, examples))
    monitor = _monitor(settings, driver, params, held_out is not None)
    if isinstance(driver, Batches) and before is not None:
        assert before.carried is not None
        driver.go_on(before.carried)
    best, others = None, None
    if monitor.patience and before is not None and before.watched is not None:
        best = recall(before.watched, monitor.patience, updater)
    if held_out is not None:
        others = HeldOutLoss(loss, held_out._replace(columns=examples.columns), team)
    return Prepared(
        driver, start, monitor, units, examples, others, penalty, best, bent
    )


def _monitor(
    settings: Settings, driver: Driver, params: Doubles, holds_out: bool
) -> Monitor:
    """Return what watches the run, with the losses that others are measured by."""
    at_zeros = not np.count_nonzero(params)  # which takes less time than params.any()
    zero = first = None
    epochs = isinstance(driver, Batches)
    if isinstance(driver, Batches):  # the first one does not show where it began
        zero = np.array([driver.summation.loss_of_zeros(), np.nan, np.inf])
        first = zero if at_zeros else look_at(driver, params, gradient=False)
    elif not at_zeros:
        zero = look_at(driver, np.zeros_like(params))
    adapts = isinstance(settings.schedule, Adaptive)
    falls = settings.optimizer.name == "gd" and settings.loss.smooth
    patience = Patience(settings.n_iter_no_change) if adapts or holds_out else None
    monitor = Monitor(
        settings.tolerances,
        zero,
        falls and not (epochs or adapts),
        epochs,
        patience,
        looks_ahead=settings.optimizer.looks_ahead,
    )
    monitor.first = first
    return monitor


def recall(watched: Doubles, patience: Patience, updater: Updater) -> Best | None:
    """Make rules that wait for a lower loss know what they knew at the end of a run.

    Parameters
    ----------
    watched : ndarray of float64
        That of the state of the run.
    patience : Patience
        Waits.
    updater : Updater
        Has the learning rate.

    Returns
    -------
    Best or None
        The best model until then, if rows were held out.
    """
    rate, patience.lowest, waited, *best = watched[:KNOWN].tolist()
    patience.waited = int(waited)
    if isinstance(updater.schedule, Adaptive):
        updater.schedule = replace(updater.schedule, eta0=rate)
    if not best:
        return None
    n_iter, held_out = best
    return Best(int(n_iter), held_out, watched[KNOWN:].copy())
