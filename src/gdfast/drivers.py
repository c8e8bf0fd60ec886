"""How steps are made: by passes over the examples, or on their moments.

Both have the same meaning and the same members; `choose` takes the cheaper one. What a
step does with the gradient is up to an `Updater`, which both are given.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gdfast._backend import kernel
from gdfast._typing import Doubles
from gdfast.csr import CSR
from gdfast.fit import State
from gdfast.losses import Loss
from gdfast.optimizers import GD, Optimizer
from gdfast.penalties import Penalty
from gdfast.schedules import Adaptive, Schedule
from gdfast.sums import (
    CHUNK_VALUES,
    Examples,
    GradientSum,
    Summation,
    moment_room,
)

CENTER_ROWS = 1024  # rows, or up to twice as many, whose mean centres the columns
# Costs in cycles, measured at 3 to 3.5 GHz and data from memory; see `saving`.
PASS_ROW, PASS_VALUE = 4.0, 1.0
MOMENT_ROW, MOMENT_VALUE, MOMENT_PRODUCT = 10.0, 2.0, 0.1
STEP, STEP_VALUE, STEP_PRODUCT = 150.0, 8.0, 0.4
WORTH_IT = 3e6  # cycles to save, a millisecond: small data are better read


class Origin(NamedTuple):
    """A point where loss and gradient are known from a pass over the data.

    Parameters
    ----------
    params : ndarray of float64, shape (n_params,)
        The point.
    loss : float
        Mean loss.
    gradient : ndarray of float64, shape (n_params,)
        Gradient of the mean loss, for centred columns.
    is_start : bool
        Whether they come from the pass that added up the moments.
    """

    params: Doubles
    loss: float
    gradient: Doubles
    is_start: bool


class Updater:
    """The rule, the penalty, the rates and what the rule remembers between steps.

    Parameters
    ----------
    optimizer : Optimizer
        The rule.
    penalty : Penalty
        What is added to the mean loss, and bounds.
    n_coef, n_params : int
        Number of coefficients, and of these and the intercepts.
    schedule : Schedule or None
        The learning rates; None if they are to be found from the curvature.

    Attributes
    ----------
    schedule : Schedule or None
        As passed, or as found.
    step : Update
        The same for the kernel.
    state : ndarray of float64
        The memory; what is written to it, the rule takes for its own.
    sparing : bool
        Whether a step changes no parameter whose gradient is 0, but for a factor that
        all coefficients have in common.
    squares : bool
        Whether the penalty has the sum of the squares of the coefficients.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        penalty: Penalty,
        n_coef: int,
        n_params: int,
        schedule: Schedule | None = None,
    ) -> None:
        self.schedule = schedule
        self._optimizer = optimizer
        self._penalty = penalty
        self.sparing = (
            isinstance(optimizer, GD) and not penalty.l1 and penalty.bounds is None
        )
        self.squares = penalty.l2 != 0
        self.state = np.zeros(2 + optimizer.n_slots * n_params)
        self.step = self._step(n_coef, n_params, self.state)

    def _step(self, n_coef: int, n_params: int, state: Doubles) -> kernel.Update:
        """Return the rule and the penalty for the kernel."""
        kind, constants = self._optimizer.kind, self._optimizer.constants
        n_intercepts = n_params - n_coef
        return kernel.Update(
            kind, constants, n_coef, n_intercepts, *self._penalty, state
        )

    def step_of(self, n_coef: int, n_params: int) -> kernel.Update:
        """Return the same for some of the parameters.

        The rule must remember nothing, and the penalty have no bounds.

        Parameters
        ----------
        n_coef, n_params : int
            Number of coefficients, and of these and the intercepts.

        Returns
        -------
        Update
            For the kernel.
        """
        return self._step(n_coef, n_params, np.zeros(2))

    def look_ahead(self, params: Doubles) -> Doubles:
        """Return the point where the next gradient is taken.

        Parameters
        ----------
        params : ndarray of float64, shape (n_params,)
            The parameters.

        Returns
        -------
        ndarray of float64, shape (n_params,)
            A copy of them, but for rules that look ahead.
        """
        point = params.copy()
        if self._optimizer.looks_ahead:
            self.step.look_ahead(params, point)
        return point

    def rates(self, steps: range) -> Doubles:
        """Return the learning rates of some steps, numbered from 0.

        Parameters
        ----------
        steps : range
            The steps.

        Returns
        -------
        ndarray of float64, shape (len(steps),)
            The rates.
        """
        if not steps:
            return np.empty(0)
        assert self.schedule is not None
        return self.schedule.rates(steps.start, len(steps))

    def lowered(self) -> Adaptive | None:
        """Return the rates to go on with when the loss has stopped falling.

        Returns
        -------
        Adaptive or None
            None where there are none.
        """
        schedule = self.schedule
        return schedule.lowered() if isinstance(schedule, Adaptive) else None

    def last_rate(self, n_iter: int) -> float:
        """Return the learning rate of the last step, or what was meant for the first.

        Parameters
        ----------
        n_iter : int
            Steps made.

        Returns
        -------
        float
            The rate.
        """
        assert self.schedule is not None
        return float(self.schedule(max(n_iter, 1)))


class Passes:
    """Reads the examples once a step.

    Parameters
    ----------
    summation : Summation
        Of the loss over the examples.
    updater : Updater
        What is done with the gradient.

    Notes
    -----
    One call of the kernel for all steps where the data are small. Where they are not,
    chunk by chunk, on threads; Ctrl-C is answered between two chunks.
    """

    method = "passes"
    origin: Origin | None = None  # nothing is remembered from step to step
    carried: Doubles | None = None  # nor is anything from run to run

    def __init__(self, summation: Summation, updater: Updater) -> None:
        self.summation = summation
        self.updater = updater

    @property
    def values_per_step(self) -> int:
        """Values that a step reads."""
        return self.summation.values_per_pass

    def last_rate(self, n_iter: int) -> float:
        """Return the rate of the last step, or what was meant for the first one.

        Parameters
        ----------
        n_iter : int
            Steps made.

        Returns
        -------
        float
            The rate.
        """
        return self.updater.last_rate(n_iter)

    def take_steps(
        self, params: Doubles, steps: range, keep_path: bool, end: bool
    ) -> tuple[Doubles, Doubles | None]:
        """Make some steps, changing `params` and the state of the updater.

        Parameters
        ----------
        params : ndarray of float64, shape (n_params,), changed
            The parameters.
        steps : range
            The steps, numbered from 0.
        keep_path : bool
            Whether to keep the parameters of every row.
        end : bool
            Whether to look at where the steps led to as well.

        Returns
        -------
        trace : ndarray of float64, shape (n_steps, 3) or (n_steps + 1, 3)
            Of every step, mean loss and penalty, max |gradient| before it, largest
            change by it; at the end, inf for a change.
        path : ndarray of float64, shape (len(trace), n_params), or None
            The parameters that every row was seen at.
        """
        loss, examples = self.summation.loss, self.summation.examples
        trace, path = outputs(params, len(steps), keep_path, end)
        rates, step = self.updater.rates(steps), self.updater.step
        # Sparse rows are rarely so few that Python takes longer than they do.
        if not isinstance(examples.X, CSR) and examples.X.size <= CHUNK_VALUES:
            kernel.descend(
                *(loss.kind, loss.param, *examples[:-1]),
                *(params, rates, trace, path, step, examples.n_outputs),
            )
            return trace, path
        for t in range(len(trace)):
            stepping = t < len(rates)
            point = self.updater.look_ahead(params) if stepping else params.copy()
            totals = self.summation.gradient(point)
            if path is not None:
                path[t] = point
            step.take_step(
                totals.loss_sum / totals.weight_sum,
                point,
                totals.gradient / totals.weight_sum,
                rates[t : t + 1] if stepping else None,
                params,
                trace[t],
            )
        return trace, path


class Moments:
    """Knows a loss that is a square as what it is: a quadratic function of p numbers.

    Parameters
    ----------
    loss : Loss
        A loss whose second derivative is constant.
    summation : Summation
        Of the loss over the examples.
    updater : Updater
        What is done with the gradient.
    params : ndarray of float64, shape (n_params,)
        Where the descent starts.
    carried : ndarray of float64, shape (n_params + 1,), or None
        That of another driver on the same data, to go on as it would have.

    Attributes
    ----------
    origin : Origin
        All that changes from step to step; put back, it makes the same steps again.

    Notes
    -----
    One pass adds up the second moments of the columns, centred near their mean where
    there is an intercept and they are not standardised; a step then costs 2 p^2
    operations whatever the number of rows. Loss and gradient are known at an origin,
    from a pass, and followed from there. Where terms of the loss cancel to a part in
    1e5, as they do when a fit becomes nearly perfect, another pass makes the point at
    hand the origin; the second moments stay.
    """

    method = "moments"

    def __init__(
        self,
        loss: Loss,
        summation: Summation,
        updater: Updater,
        params: Doubles,
        carried: Doubles | None = None,
    ) -> None:
        self.updater = updater
        examples = summation.examples
        n_features = examples.X.shape[1]
        self.center = None
        if len(params) > n_features and examples.columns is None:
            self.center = _near_mean(examples)
            columns = np.array([self.center, np.ones(n_features)])
            examples = examples._replace(columns=columns)
        self.summation = Summation(loss, examples, summation.team)
        if carried is not None:
            params = carried[:-1]
        sums = self.summation.moments(self._centred(params))
        self.origin: Origin | None = self._at(params, sums.totals, is_start=True)
        if carried is not None and not carried[-1]:
            self._renew(params)
        self._curvature = loss.max_curvature
        self._hessian = sums.moment / sums.totals.weight_sum
        self._hessian *= self._curvature

    @property
    def values_per_step(self) -> int:
        """Values that a step reads."""
        return int(self._hessian.size)

    @property
    def is_finite(self) -> bool:
        """Whether no square overflowed."""
        return bool(np.isfinite(self._hessian).all())

    def last_rate(self, n_iter: int) -> float:
        """Return the rate of the last step, or what was meant for the first one."""
        return self.updater.last_rate(n_iter)

    def take_steps(
        self, params: Doubles, steps: range, keep_path: bool, end: bool
    ) -> tuple[Doubles, Doubles | None]:
        """Make some steps, as `Passes.take_steps`."""
        trace, path = outputs(params, len(steps), keep_path, end)
        rates = self.updater.rates(steps)
        done = 0
        while done < len(trace):
            assert self.origin is not None
            origin, loss, gradient, _ = self.origin
            done += kernel.descend_quadratic(
                loss,
                gradient,
                self._hessian,
                self.center,
                origin,
                params,
                rates[done:],
                trace[done:],
                None if path is None else path[done:],
                self.updater.step,
            )
            if done < len(trace):
                point = params.copy()
                if done < len(rates):
                    point = self.updater.look_ahead(params)
                self._renew(point)
        return trace, path

    @property
    def carried(self) -> Doubles:
        """The origin's parameters, and whether it is the start; the rest is in X."""
        assert self.origin is not None
        return np.append(self.origin.params, float(self.origin.is_start))

    def second_moment(self) -> Doubles:
        """Return the mean of ``[x, 1] [x, 1]'`` of the columns as they are trained on.

        Returns
        -------
        ndarray of float64, shape (n_params, n_params)
            Symmetric; for columns that are not centred, whatever is done here.
        """
        moment: Doubles = self._hessian / self._curvature
        if self.center is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                for matrix in (moment, moment.T):
                    for row, shift in zip(matrix, self.center, strict=False):
                        row += shift * matrix[-1]
        return moment

    def _centred(self, params: Doubles) -> Doubles:
        """Return the parameters of the same predictions from centred columns."""
        params = params.copy()
        if self.center is not None:
            params[-1] += self.center @ params[:-1]
        return params

    def _renew(self, params: Doubles) -> None:
        """Make a point the origin, by another pass."""
        totals = self.summation.gradient(self._centred(params))
        self.origin = self._at(params, totals, is_start=False)

    @staticmethod
    def _at(params: Doubles, totals: GradientSum, is_start: bool) -> Origin:
        """Return an origin from the sums there."""
        gradient, loss_sum, weight_sum = totals
        loss, gradient = loss_sum / weight_sum, gradient / weight_sum
        return Origin(params.copy(), loss, gradient, is_start)


def _near_mean(examples: Examples) -> Doubles:
    """Return the mean of some rows from everywhere that have weight."""
    X, _, weight, *_ = examples
    n_rows = len(X) if weight is None else np.count_nonzero(weight)
    step = max(1, n_rows // CENTER_ROWS)
    total, count = np.zeros(X.shape[1]), 0
    for X, _, weight, *_ in examples.chunks():
        rows = X[::step] if weight is None else X[np.flatnonzero(weight)[::step]]
        total += rows.sum(axis=0, dtype=np.float64)
        count += len(rows)
    return total / count


def outputs(
    params: Doubles, n_steps: int, keep_path: bool, end: bool
) -> tuple[Doubles, Doubles | None]:
    """Return what steps are noted in, a trace and a path, still empty.

    Parameters
    ----------
    params : ndarray of float64, shape (n_params,)
        The parameters.
    n_steps : int
        How many steps.
    keep_path : bool
        Whether there is a path.
    end : bool
        Whether there is a row more for where the steps led to.

    Returns
    -------
    trace : ndarray of float64, shape (n_steps, 3) or (n_steps + 1, 3)
        For loss, gradient and change.
    path : ndarray of float64, shape (len(trace), n_params), or None
        For the parameters.
    """
    n_rows = n_steps + end
    path = np.empty((n_rows, len(params))) if keep_path else None
    return np.empty((n_rows, 3)), path


def choose(
    loss: Loss,
    summation: Summation,
    updater: Updater,
    params: Doubles,
    max_iter: int,
    moments_needed: bool,
    before: State | None = None,
) -> Passes | Moments:
    """Return the driver that is likely to be the faster one.

    Parameters
    ----------
    loss : Loss
        The loss.
    summation : Summation
        Of it over the examples.
    updater : Updater
        What is done with the gradient.
    params : ndarray of float64, shape (n_params,)
        Where the descent starts.
    max_iter : int
        Steps that are planned.
    moments_needed : bool
        Whether the moments are added up in any case, for the learning rate.
    before : State or None
        Where a run ended that is to be gone on with, in the same way.

    Returns
    -------
    Passes or Moments
        `Moments` if the loss is a square of one output, the moments are no burden on
        memory, no square overflows and `saving` says that it is worth it; else
        `Passes`.
    """
    n_samples, n_features = summation.examples.X.shape
    if before is None:
        saved = saving(n_samples, n_features, max_iter, moments_needed)
        worth_it, carried = saved > WORTH_IT, None
    else:
        worth_it, carried = before.method == Moments.method, before.carried
    if (
        worth_it
        and loss.quadratic
        and summation.examples.n_outputs == 1
        and not isinstance(summation.examples.X, CSR)  # whose moments are dense
        and moment_room(summation.examples) > 0
    ):
        with np.errstate(over="ignore", invalid="ignore"):
            moments = Moments(loss, summation, updater, params, carried)
        if moments.is_finite:
            return moments
    return Passes(summation, updater)


def saving(
    n_samples: int, n_features: int, n_steps: int, moments_needed: bool
) -> float:
    """Estimate what steps on moments save against passes.

    Parameters
    ----------
    n_samples, n_features : int
        Shape of the data.
    n_steps : int
        Steps to make.
    moments_needed : bool
        Whether the moments are added up in any case.

    Returns
    -------
    float
        Cycles of a processor; below zero if they cost more.

    Notes
    -----
    Left out are threads, which shorten passes and the adding up of moments alike, and
    that loss and gradient may have to be taken anew.
    ``bench/bench_runs.py`` compares the choice with the truth on both sides.
    """
    d = n_features
    one_pass = n_samples * (PASS_ROW + PASS_VALUE * d)
    build = n_samples * (MOMENT_ROW + MOMENT_VALUE * d + MOMENT_PRODUCT * d * d)
    step = STEP + STEP_VALUE * d + STEP_PRODUCT * d * d
    return n_steps * (one_pass - step) - (0.0 if moments_needed else build)
