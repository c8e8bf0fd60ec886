"""The loop: steps downhill until a rule ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from gdfast._typing import Doubles
from gdfast.backtracking import Backtracking
from gdfast.drivers import Moments, Passes
from gdfast.progress import Progress
from gdfast.stopping import Monitor, Reason, Stop
from gdfast.sums import CHUNK_VALUES

# Steps made in one call are chosen to take about this long: then Python answers Ctrl-C,
# moves the progress bar and looks at the stopping rules.
SLICE_SECONDS = 0.05
FIRST_SLICE_VALUES = 4_000_000  # a few milliseconds where every step reads them
MAX_SLICE_STEPS = 1 << 16  # bounds what is run in vain after a rule has held

# Called before every update with its number, the mean loss and the parameters;
# returns True to stop there.
RowCallback = Callable[[int, float, Doubles], bool]


Driver: TypeAlias = Passes | Moments | Backtracking


class Descent(NamedTuple):
    """Where a descent ended and what it saw on the way.

    Parameters
    ----------
    params : ndarray of float64, shape (n_params,)
        The last parameters.
    n_iter : int
        Updates made.
    reason : Reason
        Why it ended.
    losses : ndarray of float64, shape (n_iter + 1,)
        Mean loss before every update and at the end.
    path : ndarray of float64, shape (n_iter + 1, n_params), or None
        Parameters before every update and at the end.
    gradient_max : float
        Largest component of the gradient at the end.
    """

    params: Doubles
    n_iter: int
    reason: Reason
    losses: Doubles
    path: Doubles | None
    gradient_max: float

    @property
    def stalled(self) -> bool:
        """Whether `max_iter` came and the last update did not lower the loss."""
        ended = self.reason is Reason.MAX_ITER
        return ended and not self.losses[-1] < self.losses[-2]


def descend(
    driver: Driver,
    params: Doubles,
    max_iter: int,
    monitor: Monitor,
    *,
    keep_path: bool = False,
    on_row: RowCallback | None = None,
    progress: Progress | None = None,
) -> Descent:
    """Make full-batch steps until a rule holds or `max_iter` are made.

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
    keep_path : bool
        Whether to keep the parameters of every row.
    on_row : callable or None
        Called before every update; then every step is a call of its own.
    progress : callable or None
        Told the iterations made and the loss, some times a second.

    Returns
    -------
    Descent
        The end and the way. The result does not depend on how the steps were grouped
        into calls.
    """
    params = params.copy()
    losses: list[Doubles] = []
    path: list[Doubles] = []
    n_iter = 0
    stop: Stop | None = None
    slices = Slices(
        driver.values_per_step, len(params), keep_path, single=on_row is not None
    )
    while stop is None and n_iter < max_iter:
        n_steps = min(slices.n_steps, max_iter - n_iter)
        end = on_row is None and n_iter + n_steps == max_iter
        before, origin = params.copy(), driver.origin
        remembered = driver.updater.state.copy()
        point = driver.updater.look_ahead(params) if on_row else before
        steps = range(n_iter, n_iter + n_steps)
        started = time.perf_counter()
        trace, positions = driver.take_steps(params, steps, keep_path, end)
        if n_iter + n_steps < max_iter:
            slices.learn(n_steps, time.perf_counter() - started)
        stop = monitor.check(trace)
        seen = stop is None or stop.n_steps  # else the end shows this row
        if on_row and seen and on_row(n_iter + 1, float(trace[0, 0]), point):
            stop = Stop(0, Reason.CALLBACK)
        if stop is not None and stop.n_steps < n_steps:
            # Back to the start of the slice and forward to where the rule held.
            params, driver.origin = before, origin
            driver.updater.state[:] = remembered
            n_steps, end = stop.n_steps, True
            steps = steps[:n_steps]
            trace, positions = driver.take_steps(params, steps, keep_path, end)
        n_iter += n_steps
        losses.append(trace[:, 0].copy())  # a view would keep all of the trace
        if positions is not None:
            path.append(positions)
        if progress is not None and n_steps:
            progress(n_iter, float(trace[n_steps - 1, 0]))
    if not end:
        trace, positions = driver.take_steps(params, range(0), keep_path, end=True)
        losses.append(trace[:, 0])
        if positions is not None:
            path.append(positions)
        if stop is None:
            stop = monitor.check(trace)
    loss = float(trace[-1, 0])
    if stop is None and monitor.ended_above(loss):
        stop = Stop(0, Reason.DIVERGED)
    reason = Reason.MAX_ITER if stop is None else stop.reason
    if on_row and reason is not Reason.CALLBACK:
        ended = on_row(n_iter + 1, loss, params)
        if ended and reason is Reason.MAX_ITER:
            reason = Reason.CALLBACK
    return Descent(
        params,
        n_iter,
        reason,
        np.concatenate(losses),
        np.concatenate(path) if keep_path else None,
        float(trace[-1, 1]),
    )


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
    single : bool
        Whether every step is to be made by itself.

    Attributes
    ----------
    n_steps : int
        Steps to make next.
    """

    def __init__(
        self, values_per_step: int, n_params: int, keep_path: bool, single: bool
    ) -> None:
        work = values_per_step + 64
        self.most = 1 if single else MAX_SLICE_STEPS
        if keep_path:
            self.most = max(1, min(self.most, CHUNK_VALUES // n_params))
        self.n_steps = max(1, min(self.most, FIRST_SLICE_VALUES // work))

    def learn(self, n_steps: int, seconds: float) -> None:
        """Adapt to the time that some steps took.

        Parameters
        ----------
        n_steps : int
            Steps made.
        seconds : float
            Their time.
        """
        fitting = n_steps * SLICE_SECONDS / max(seconds, 1e-9)
        self.n_steps = max(1, min(self.most, 4 * n_steps, int(fitting)))
