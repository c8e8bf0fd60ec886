"""The loop: steps downhill until a rule ends it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from gdfast._typing import Doubles
from gdfast.aligned import aligned_copy
from gdfast.backtracking import Backtracking
from gdfast.batches import Batches, OutOfTime
from gdfast.drivers import Moments, Passes
from gdfast.functions import Calls
from gdfast.holdout import HeldOutLoss
from gdfast.progress import Progress
from gdfast.stopping import Monitor, Reason, Stop
from gdfast.sums import CHUNK_VALUES

# Steps made in one call are chosen to take about this long: then Python answers Ctrl-C,
# moves the progress bar and looks at the stopping rules. When one has held, the steps
# since then were in vain and those before it are made again: that is to be a small part
# of the run, and the look no large part of the steps.
SLICE_SECONDS = 0.05
SHORTEST_SLICE_SECONDS = 0.001
SLICE_SHARE = 0.1  # of the time so far
FIRST_SLICE_VALUES = 4_000_000  # a few milliseconds where every step reads them
MAX_SLICE_STEPS = 1 << 16  # bounds what is run in vain after a rule has held

# Called before every update with its number, the mean loss, the parameters and the mean
# loss of rows held out, if any are; returns True to stop there.
RowCallback = Callable[[int, float, Doubles, float | None], bool]


Driver: TypeAlias = Passes | Moments | Backtracking | Batches | Calls


class Best(NamedTuple):
    """The model whose loss on rows held out is the lowest.

    Parameters
    ----------
    n_iter : int
        Updates made before it.
    held_out : float
        Its mean loss on the rows held out, without penalty.
    params : ndarray of float64, shape (n_params,)
        Its parameters.
    """

    n_iter: int
    held_out: float
    params: Doubles


class Place(NamedTuple):
    """Where a run was between two calls of the driver, to go back to.

    Parameters
    ----------
    n_iter : int
        Updates made.
    params : ndarray of float64, shape (n_params,)
        The parameters.
    origin : object
        What the driver knew.
    state : ndarray of float64
        What the update rule remembered.
    n_calls : int
        Calls of the driver that rows were kept of.
    best : Best or None
        The best model of these rows.
    """

    n_iter: int
    params: Doubles
    origin: Any
    state: Doubles
    n_calls: int
    best: Best | None

    def restore(self, driver: Driver) -> Doubles:
        """Put a driver back.

        Parameters
        ----------
        driver : Driver
            Makes the steps.

        Returns
        -------
        ndarray of float64, shape (n_params,)
            The parameters.
        """
        driver.origin = self.origin
        driver.updater.state[:] = self.state
        return aligned_copy(self.params)


class Rows:
    """The rows of a run, as they come.

    Attributes
    ----------
    best : Best or None
        The best model of these rows and of those before them.

    Parameters
    ----------
    done : int
        Iterations made before.
    best : Best or None
        The best model of these.
    """

    def __init__(self, done: int, best: Best | None) -> None:
        self.best = best
        self._n_iter = done
        self._losses: list[Doubles] = []
        self._path: list[Doubles] = []
        self._held_out: list[float] = []

    def add(
        self,
        trace: Doubles,
        positions: Doubles | None,
        model: Doubles | None = None,
        held_out: float | None = None,
    ) -> None:
        """Keep some rows.

        Parameters
        ----------
        trace : ndarray of float64, shape (n_rows, 3)
            What the driver noted.
        positions : ndarray of float64, shape (n_rows, n_params), or None
            The parameters, if they are kept.
        model : ndarray of float64, shape (n_params,), or None
            With rows held out, of which one row is added at a time, the model there.
        held_out : float or None
            Its mean loss on them.
        """
        if not len(trace):
            return
        self._losses.append(trace[:, 0].copy())  # a view would keep all of the trace
        if positions is not None:
            self._path.append(positions)
        if model is not None and held_out is not None:
            self._held_out.append(held_out)
            lowest = math.nan if self.best is None else self.best.held_out
            if held_out < lowest or math.isnan(lowest):
                self.best = Best(self._n_iter, held_out, model)
        self._n_iter += len(trace)

    def go_back(self, place: Place) -> None:
        """Let go of what was added since, if it was.

        Parameters
        ----------
        place : Place
            Where the run was when the driver was called last.
        """
        del self._losses[place.n_calls :]
        del self._path[place.n_calls :]
        del self._held_out[place.n_calls :]
        self.best = place.best
        self._n_iter = place.n_iter

    @property
    def n_calls(self) -> int:
        """Calls of the driver that they come from."""
        return len(self._losses)

    @property
    def first_loss(self) -> float:
        """Mean loss before the first update."""
        return float(self._losses[0][0])

    @property
    def last_losses(self) -> list[float]:
        """Mean losses of up to three rows at the end."""
        few = [losses[-3:] for losses in self._losses[-3:]]
        last: list[float] = np.concatenate(few)[-3:].tolist()
        return last

    @property
    def losses(self) -> Doubles:
        """Mean losses and penalties, of shape (n_rows,)."""
        return np.concatenate(self._losses)

    @property
    def path(self) -> Doubles | None:
        """Parameters, of shape (n_rows, n_params); None if they are not kept."""
        return np.concatenate(self._path) if self._path else None

    @property
    def held_out(self) -> Doubles | None:
        """Mean losses of rows held out, of shape (n_rows,), if there are any."""
        return np.array(self._held_out) if self._held_out else None


class Descended(NamedTuple):
    """Where a descent ended and what it saw on the way.

    Parameters
    ----------
    params : ndarray of float64, shape (n_params,)
        The last parameters.
    n_iter : int
        Updates made.
    reason : Reason
        Why it ended.
    rows : Rows
        What every update saw before it, and the end.
    gradient_max : float
        Largest component of the gradient at the end; NaN after epochs, unless they
        have stalled.
    loss : float
        Mean loss and penalty of the model that is kept: the best one of the rows, or if
        there is none the last one.
    epochs : bool
        Whether losses but the last one are those that an epoch saw on the way.
    """

    params: Doubles
    n_iter: int
    reason: Reason
    rows: Rows
    gradient_max: float
    loss: float = math.nan
    epochs: bool = False

    @property
    def best(self) -> Best | None:
        """The model to keep by its loss on rows held out; None for the last one."""
        return self.rows.best

    @property
    def knows_gradient(self) -> bool:
        """Whether the gradient at the end was found."""
        return not math.isnan(self.gradient_max)

    @property
    def stalled(self) -> bool:
        """Whether no rule ended the run and the last update did not lower the loss."""
        if not self.reason.cut_short or self.last_losses is None:
            return False
        before, after = self.last_losses
        return not after < before

    @property
    def last_losses(self) -> tuple[float, float] | None:
        """Losses before and after the last update, or of the last two epochs."""
        losses = self.rows.last_losses
        if self.epochs:
            losses.pop()
        return (losses[-2], losses[-1]) if len(losses) > 1 else None


def descend(
    driver: Driver,
    params: Doubles,
    max_iter: int,
    monitor: Monitor,
    *,
    done: int = 0,
    deadline: float = math.inf,
    keep_path: bool = False,
    held_out: HeldOutLoss | None = None,
    best: Best | None = None,
    on_row: RowCallback | None = None,
    every: int = 1,
    on_interrupt: Callable[[], None] | None = None,
    progress: Progress | None = None,
) -> Descended:
    """Make steps until a rule holds or `max_iter` are made.

    Parameters
    ----------
    driver : Driver
        Makes the steps.
    params : ndarray of float64, shape (n_params,)
        Where to start; not changed.
    max_iter : int
        Largest number of updates.
    monitor : Monitor
        The stopping rules.
    done : int
        Updates that were made before, for the numbers of steps and rows.
    deadline : float
        Time, as `time.perf_counter` gives it, from which no more steps are made; an
        epoch of batches that is not done then is given up.
    keep_path : bool
        Whether to keep the parameters of every row.
    held_out : HeldOutLoss or None
        Rows by whose loss the best model is chosen.
    best : Best or None
        The best one of the updates that were made before.
    on_row : callable or None
        Called before the first update, after every so many, and at the end.
    every : int
        Updates from one such call to the next.
    on_interrupt : callable or None
        Called on Ctrl-C, which then ends the run where the driver was called last; None
        to let it through.
    progress : callable or None
        Told the iterations made and the loss, some times a second.

    Returns
    -------
    Descended
        The end and the way. The result does not depend on how the steps were grouped
        into calls.
    """
    rows, stop, end = Rows(done, best), None, False
    model, other = None, None
    place: Place | None = None
    try:
        params = aligned_copy(params)
        n_iter = 0
        slices = Slices(driver.values_per_step, len(params), keep_path)
        while stop is None and n_iter < max_iter:
            n_steps = min(slices.n_steps, max_iter - n_iter)
            if n_iter == 0 and deadline < math.inf:
                n_steps = 1  # as it is not known how long one takes
            if on_row:
                n_steps = min(n_steps, every - n_iter % every)
            end = on_row is None and n_iter + n_steps == max_iter
            if held_out is not None:
                n_steps, end = 1, False
                model = _model(driver, params)
                other = held_out.loss(model)
            state = driver.updater.state.copy()
            place = Place(
                *(done + n_iter, params.copy(), driver.origin, state),
                *(rows.n_calls, rows.best),
            )
            asks = on_row if n_iter % every == 0 else None
            point = driver.updater.look_ahead(params) if asks else params
            steps = range(done + n_iter, done + n_iter + n_steps)
            started = time.perf_counter()
            trace, path = driver.take_steps(params, steps, keep_path, end)
            now = time.perf_counter()
            if n_iter + n_steps < max_iter:
                slices.learn(n_steps, now - started, deadline - now)
            stop = monitor.check(trace, end, other)
            seen = stop is None or stop.n_steps  # else the end shows this row
            if (
                asks
                and seen
                and asks(done + n_iter + 1, float(trace[0, 0]), point, other)
            ):
                stop = Stop(0, Reason.CALLBACK)
            lower = None
            if stop is not None and stop.reason in (Reason.NO_CHANGE, Reason.HELD_OUT):
                lower = driver.updater.lowered()
            if stop is not None and stop.n_steps < n_steps:
                # Back to the start of the slice and forward to where the rule held.
                params = place.restore(driver)
                n_steps, end = stop.n_steps, lower is None
                steps = steps[:n_steps]
                trace, path = driver.take_steps(params, steps, keep_path, end)
            rows.add(trace, path, model, other)
            n_iter += n_steps
            if lower is not None:
                driver.updater.schedule, stop = lower, None
            if progress is not None and n_steps:
                progress(n_iter, float(trace[n_steps - 1, 0]))
            if stop is None and now >= deadline and n_iter < max_iter:
                stop = Stop(0, Reason.MAX_SECONDS)
    except (KeyboardInterrupt, OutOfTime) as cut:
        stop, end = Stop(0, Reason.MAX_SECONDS), False
        if isinstance(cut, KeyboardInterrupt):
            if on_interrupt is None or place is None:
                raise
            on_interrupt()
            stop = Stop(0, Reason.INTERRUPTED)
        assert place is not None
        params, n_iter = place.restore(driver), place.n_iter - done
        rows.go_back(place)
    if not end:
        trace, path = driver.take_steps(params, range(0), keep_path, end=True)
        if held_out is not None:
            model, other = params.copy(), held_out.loss(params)
        rows.add(trace, path, model, other)
        if stop is None:
            stop = monitor.check(trace, True, other)
    loss = float(trace[-1, 0])
    may_diverge = n_iter and (stop is None or stop.reason.cut_short)
    if may_diverge and monitor.ended_above(loss):
        stop = Stop(0, Reason.DIVERGED)
    reason = Reason.MAX_ITER if stop is None else stop.reason
    if on_row and reason is not Reason.CALLBACK:
        ended = on_row(done + n_iter + 1, loss, params, other)
        if ended and reason is Reason.MAX_ITER:
            reason = Reason.CALLBACK
    if rows.best is not None:
        loss = float(look_at(driver, rows.best.params, gradient=False)[0])
    gradient_max = float(trace[-1, 1])
    descent = Descended(
        params, n_iter, reason, rows, gradient_max, loss, monitor.epochs
    )
    if monitor.epochs and descent.stalled:  # by which it shows whether to rounding
        monitor.zero = look_at(driver, np.zeros_like(params))
        descent = descent._replace(gradient_max=float(look_at(driver, params)[1]))
    return descent


def _model(driver: Driver, params: Doubles) -> Doubles:
    """Return a copy of the model of some parameters, which may be an average."""
    return driver.averaged(params) if isinstance(driver, Batches) else params.copy()


def look_at(driver: Driver, params: Doubles, gradient: bool = True) -> Doubles:
    """Return the row of a trace of some parameters, and leave the driver as it is.

    Parameters
    ----------
    driver : Driver
        Knows the objective.
    params : ndarray of float64, shape (n_params,)
        The parameters.
    gradient : bool
        Whether to find the gradient also where that takes time of its own.

    Returns
    -------
    ndarray of float64, shape (3,)
        Mean loss and penalty, the largest component of the gradient or NaN, and inf.
    """
    if isinstance(driver, Batches):
        return driver.look_at(params, gradient)
    origin: Any = driver.origin
    trace, _ = driver.take_steps(params.copy(), range(0), False, end=True)
    driver.origin = origin
    row: Doubles = trace[0]
    return row


class Slices:
    """Chooses how many steps to make between two looks at the world.

    Parameters
    ----------
    values_per_step : int
        Values that a step reads.
    n_params : int
        Number of parameters.
    keep_path : bool
        Whether the parameters of every step are kept.

    Attributes
    ----------
    n_steps : int
        Steps to make next.
    """

    def __init__(self, values_per_step: int, n_params: int, keep_path: bool) -> None:
        work = values_per_step + 64
        self.most = MAX_SLICE_STEPS
        if keep_path:
            self.most = max(1, min(self.most, CHUNK_VALUES // n_params))
        self.n_steps = max(1, min(self.most, FIRST_SLICE_VALUES // work))
        self._seconds = 0.0

    def learn(self, n_steps: int, seconds: float, left: float) -> None:
        """Adapt to the time that some steps took.

        Parameters
        ----------
        n_steps : int
            Steps made.
        seconds : float
            Their time.
        left : float
            Time until no more are made.
        """
        self._seconds += seconds
        aim = max(SHORTEST_SLICE_SECONDS, SLICE_SHARE * self._seconds)
        aim = min(SLICE_SECONDS, aim, max(left, 0.0))
        fitting = n_steps * aim / max(seconds, 1e-9)
        self.n_steps = max(1, min(self.most, 4 * n_steps, int(fitting)))
