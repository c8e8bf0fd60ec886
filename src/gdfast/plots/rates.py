"""Three learning rates side by side: too small, right and too large."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdfast._typing import Doubles
from gdfast._validation import check_int, check_number
from gdfast.finder import learning_rates as rates_of
from gdfast.fit import DivergenceError, Fit
from gdfast.losses import LOSSES
from gdfast.minimization import minimize
from gdfast.plots.axes import INK, VERMILION, new_axes, text_of, write_out_ticks
from gdfast.plots.data import numbered
from gdfast.plots.landscape import Landscape, landscape_of
from gdfast.plots.results import Result, path_of, result_of
from gdfast.plots.runs import loss_curve
from gdfast.plots.surfaces import (
    draw_contours,
    draw_curve,
    draw_hops,
    draw_path,
    mark_minima,
    mark_minimum,
    surface_of,
)
from gdfast.rates import is_exact
from gdfast.training import train

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

REGIMES = ("too small", "right", "too large")
SETTLED = "large, yet settles"  # of a rate that was meant to be too large
# Of the largest stable rate: at 1/2, which "auto" stands for, a function of one
# parameter would be at its minimum after one step.
SHARES = (0.01, 0.3, 1.1)
MOST_DOUBLINGS = 8  # of the last one, until its run does not settle
RISE = 0.05  # of the fall since the start: what a run that settles does not rise by
TITLE_LETTERS = 11  # in points
ROOM = 1.15  # of the width of axes: how wide titles may be
STABLE, UNKNOWN, UNSTABLE = "#B9D9EA", "#DDDDDD", "#F3C9A8"  # blue, grey, vermilion
DIFFERENCE = 1e-4  # of the view: the step of a second difference


def learning_rate_regimes(
    run: Any,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    fun: Callable[..., Any] | None = None,
    learning_rates: Sequence[float] | None = None,
    max_iter: int = 20,
    sample_weight: ArrayLike | None = None,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw what too small, right and too large a learning rate do to the same problem.

    Three runs of plain gradient descent are made from where `run` began, on its loss
    and penalty. Above each picture its rate stands on a scale on which the largest
    stable one is marked, or a bound of it.

    Parameters
    ----------
    run : Fit, Minimum or estimator
        A run. It began at zeros if it did not keep its parameters; that of a function
        has to keep them (``history="full"``).
    X, y : array-like
        The data of a model.
    fun : callable, optional
        The function of a `Minimum`, called with the point alone; returns a number.
    learning_rates : sequence of 3 floats, optional
        The rates, from the smallest on; None for 1 %, 30 % and 110 % of the largest
        stable one. The last of these is doubled, up to 8 times, until it is seen to be
        too large.
    max_iter : int
        How many steps to make.
    sample_weight : array-like, shape (n_samples,), optional
        Weights of the rows, as in the training.
    axes : sequence of 3 matplotlib.axes.Axes, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    list of matplotlib.axes.Axes
        `axes`, or those of the new figure (``axes[0].figure``). They are lowered where
        the figure has no layout engine, if their titles would be cut otherwise.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, if the loss has no largest stable rate, or if a
        function does not curve at its minimum.
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    The largest stable rate of a model is that of `gdfast.learning_rates`, of these
    data; of standardised columns if the run was trained on them. It is exact for
    squared errors without "l1". Other losses curve less near their minimum than they do
    at most, so that larger rates may be stable too: there it is a bound, with "≥" in
    front of it, and the scale is grey up to a rate that is seen to be too large. That
    of a function is 2 / L with L the largest curvature at its minimum, by second
    differences: there it holds for steps near the minimum.

    A run settles if its loss ends below the start and does not rise in its second half
    by more than 5 % of this fall. "too large" are rates at which it does not, and those
    above the exact largest one; any other is called "large, yet settles".

    The three pictures show the steps on the loss of one parameter, the way over the
    contours of two, or the loss curve if there are more; the first two from one place
    to another that is the same in all three.

    Examples
    --------
    >>> import gdfast
    >>> from gdfast.plots import learning_rate_regimes
    >>> def square(w):
    ...     return w**2
    >>> run = gdfast.minimize(square, 1.0, learning_rate=0.1, history="full")
    >>> axes = learning_rate_regimes(run, fun=square, learning_rates=(0.1, 0.5, 1.1))
    >>> print(axes[2].get_title())
    too large: 1.1
    largest stable: 1
    """
    result = result_of(run)
    max_iter = check_int(max_iter, "max_iter", low=1)
    problem: _Model | _Function
    if isinstance(result, Fit):
        problem = _Model(result, run, X, y, fun, sample_weight)
    else:
        problem = _Function(run, X, y, fun, sample_weight)
    stable = problem.largest_stable_rate()
    rates = _check_rates(learning_rates, stable)
    runs = [problem.run(rate, max_iter) for rate in rates]
    if learning_rates is None:
        for _ in range(MOST_DOUBLINGS):
            if not _settles(runs[2]):
                break
            rates[2] *= 2
            runs[2] = problem.run(rates[2], max_iter)
    largest = stable if problem.exact else math.inf  # as far as is known
    if not _settles(runs[2]):
        largest = max(stable, min(largest, rates[2]))
    regimes = REGIMES if rates[2] >= largest else (*REGIMES[:2], SETTLED)
    if axes is None:
        axes = new_axes(3)
    axes = list(axes)
    if len(axes) != 3:
        raise ValueError(f"axes must be 3 axes, got {len(axes)}")
    count = len(path_of(runs[0]).labels)
    if count <= 2:
        _draw_ways(axes, [problem.landscape(one, count) for one in runs])
    else:
        for ax, one in zip(axes, runs, strict=True):
            loss_curve(one, ax=ax)
    mark = f"largest stable{':' if problem.exact else ' ≥'} {text_of(stable, 6)}"
    for ax, name, rate in zip(axes, regimes, rates, strict=True):
        _draw_scale(ax, rate, rates, stable, largest)
        if ax.get_yscale() == "linear":
            write_out_ticks(ax.yaxis)  # the scale is where their factor would be
        ax.set_title(f"{name}: {text_of(rate)}\n{mark}", fontsize=TITLE_LETTERS)
    for ax in axes[1:]:
        if count <= 2:
            ax.set_ylabel("")
    _keep_titles_inside(axes)
    return axes


class _Model:
    """The problem of a linear model."""

    exact: bool  # whether no rate above the largest stable one is stable

    def __init__(
        self, fit: Fit, run: Any, X: Any, y: Any, fun: Any, sample_weight: Any
    ) -> None:
        if X is None or y is None or fun is not None:
            raise TypeError("a model needs the data, X and y, and no fun")
        self._X, self._y = X, numbered(run, y)
        l1, l2 = fit.penalty.get("l1", 0.0), fit.penalty.get("l2", 0.0)
        self._options: dict[str, Any] = {
            "loss": LOSSES[fit.loss_name](**fit.loss_params),
            "penalty": "elasticnet" if fit.penalty else None,
            "alpha": l1 + l2,
            "l1_ratio": l1 / (l1 + l2) if fit.penalty else 0.0,
            "fit_intercept": (
                fit.state is None or len(fit.state.params) > fit.coef.size
            ),
            "standardize": fit.standardized,
            "sample_weight": sample_weight,
        }
        self.exact = is_exact(self._options["loss"], l1)
        self._start: dict[str, Any] = {}
        history = fit.history
        if history is not None and "coef" in (history.array.dtype.names or ()):
            self._start["coef_init"] = history["coef"][0]
            if self._options["fit_intercept"]:
                self._start["intercept_init"] = history["intercept"][0]

    def largest_stable_rate(self) -> float:
        """Return it."""
        return rates_of(self._X, self._y, **self._options).max_stable

    def run(self, rate: float, max_iter: int) -> Result:
        """Return a run at a rate."""
        try:
            return train(
                self._X,
                self._y,
                learning_rate=rate,
                max_iter=max_iter,
                history="full",
                **self._options,
                **self._start,
            )
        except DivergenceError as error:
            fit: Fit = error.fit
            return fit

    def landscape(self, run: Result, n: int) -> Landscape:
        """Return the loss of all parameters."""
        weight = self._options["sample_weight"]
        return landscape_of(run, self._X, self._y, None, weight, None, n)


class _Function:
    """The problem of a function."""

    exact = True  # near the minimum

    def __init__(self, run: Any, X: Any, y: Any, fun: Any, sample_weight: Any) -> None:
        count = len(path_of(run).labels)
        self._scene = landscape_of(
            run, X, y, fun, sample_weight, list(range(count)) if count > 1 else 0, count
        )
        self._fun = fun
        start = self._scene.points[0]
        result: Any = result_of(run)
        self._start = start if np.ndim(result.x) else start[0]

    def largest_stable_rate(self) -> float:
        """Return it, as it is near the minimum."""
        scene = self._scene
        view = scene.view(None)
        at = scene.polished(scene.points[np.nanargmin(scene.loss)], view)
        steps = DIFFERENCE * view.size
        hessian = np.empty((len(at), len(at)))
        for j, step in enumerate(steps):
            across = np.zeros(len(at))
            across[j] = step
            above, below = (
                scene.height.gradient(at + across),
                scene.height.gradient(at - across),
            )
            hessian[j] = (above - below) / (2 * step)
        largest = float(np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1])
        if not largest > 0:
            raise ValueError("fun does not curve at its minimum: no rate is too large")
        return 2 / largest

    def run(self, rate: float, max_iter: int) -> Result:
        """Return a run at a rate."""
        options: dict[str, Any] = {"max_iter": max_iter, "history": "full"}
        try:
            return minimize(self._fun, self._start, learning_rate=rate, **options)
        except DivergenceError as error:
            minimum: Result = error.fit
            return minimum

    def landscape(self, run: Result, n: int) -> Landscape:
        """Return the function of all its variables."""
        return landscape_of(run, None, None, self._fun, None, None, n)


def _draw_ways(axes: Sequence[Axes], scenes: list[Landscape]) -> None:
    """Draw three ways over the same loss of one or two parameters."""
    view = scenes[1].view(None)  # of the right one, from the start to the minimum
    if len(scenes[0].labels) == 1:
        for ax, scene in zip(axes, scenes, strict=True):
            draw_curve(ax, scene, view)
            draw_hops(ax, scene, view)
            mark_minima(ax, scene, view)
        return
    surface = surface_of(scenes[1], view)
    for ax, scene in zip(axes, scenes, strict=True):
        draw_contours(ax, scene, surface, bar=False)
        draw_path(ax, scene, view)
        mark_minimum(ax, surface)


def _settles(run: Result) -> bool:
    """Whether a run goes down, as far as it was made."""
    loss = path_of(run).loss
    late = loss[len(loss) // 2 :]
    if not np.isfinite(late).all():
        return False
    fall = loss[0] - late[-1]
    return bool(fall > 0 and np.diff(late).max(initial=0.0) <= RISE * fall)


def _draw_scale(
    ax: Axes, rate: float, rates: Doubles, stable: float, largest: float
) -> None:
    """Draw a scale of learning rates above axes: this one, and the largest stable.

    Between this and `largest`, from which on they are known to be too large, is grey.
    """
    scale = ax.inset_axes((0, 1.03, 1, 0.045))
    high = 1.1 * max(*rates, stable)
    scale.set(xlim=(0, high), ylim=(0, 1), xticks=[], yticks=[])
    scale.axvspan(0, stable, color=STABLE, linewidth=0)
    if largest > stable:
        scale.axvspan(stable, min(largest, high), color=UNKNOWN, linewidth=0)
    if largest < high:
        scale.axvspan(largest, high, color=UNSTABLE, linewidth=0)
    scale.axvline(stable, color=INK, linewidth=2)
    scale.plot(
        [rate],
        [0.5],
        marker="D",
        markersize=7,
        color=VERMILION,
        markeredgecolor="white",
        clip_on=False,
    )
    scale.spines[:].set_visible(False)


def _keep_titles_inside(axes: Sequence[Axes]) -> None:
    """Lower axes, all alike, whose titles would be cut for want of a layout engine.

    Titles that would meet those beside them get smaller letters.
    """
    figure: Any = axes[0].figure
    if figure.get_layout_engine() is not None:
        return
    cut, share = 0.0, 1.0
    for ax in axes:
        ax.get_tightbbox()  # puts the title above the scale
        title = ax.title.get_window_extent()
        if title.y1 > figure.bbox.y1:
            cut = max(cut, title.y1 + title.height / 8 - figure.bbox.y1)
        share = min(share, ROOM * ax.bbox.width / title.width)
    for ax in axes:
        ax.title.set_fontsize(share * TITLE_LETTERS)
        left, bottom, width, height = ax.get_position(original=True).bounds
        lower = max(height - cut / figure.bbox.height, height / 2)
        ax.set_position((left, bottom, width, lower))


def _check_rates(rates: Any, stable: float) -> Doubles:
    """Return the three rates to draw."""
    if rates is None:
        return stable * np.array(SHARES)
    try:
        given = [check_number(rate, "learning_rates", low=0) for rate in rates]
    except TypeError as error:
        raise TypeError(
            f"learning_rates must be 3 numbers above 0, got {rates!r}"
        ) from error
    if len(given) != 3 or not 0 < given[0] < given[1] < given[2]:
        raise ValueError(
            f"learning_rates must be 3 numbers above 0, rising; got {rates!r}"
        )
    return np.array(given)
