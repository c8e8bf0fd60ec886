"""The loss against one or two parameters, and the way that a run took down it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdfast._typing import Doubles
from gdfast.plots.axes import (
    BLUE,
    COLOUR_MAP,
    GREEN,
    INK,
    VERMILION,
    add_legend,
    check_axes_3d,
    name_axis,
    new_axes,
    new_axes_3d,
    rows_apart,
    text_of,
    write_out_ticks,
)
from gdfast.plots.landscape import FAR, Landscape, View, landscape_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpl_toolkits.mplot3d import Axes3D
    from numpy.typing import ArrayLike

CURVE_POINTS = 401
GRID_POINTS = 61  # along each side of a surface
FINE_POINTS = 181  # of contours that cost next to nothing: narrow valleys need them
N_LEVELS = 14
LOWEST_LEVEL = 1e-4  # of the height of a surface, where its valley is so deep
MOST_MINIMA = 6  # of a curve; more are no valleys, but noise
# Parts of the picture:
ARROW_APART = 0.08  # from one arrow to the next
ARROW_LENGTH = 0.045  # at least: less would be all head
DOT_APART = 0.015
STEP_APART = 0.002
GRADIENT_LENGTH = 0.2  # of the longest arrow of a gradient
NUMBERS_ROOM = (0.17, 0.07)  # of the components that are written beside it
MOST_ARROWS = 25
# Parts of the picture's height below which the value of a minimum is rounding.
SEARCHED, SOLVED = 1e-9, 1e-24


def loss_along(
    run: Any,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    fun: Callable[..., Any] | None = None,
    parameter: int | str | None = None,
    limits: tuple[float, float] | None = None,
    sample_weight: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss against one parameter, its minimum, and the steps of a run.

    Parameters
    ----------
    run : Fit, Minimum or estimator
        A run that kept its parameters (``history="full"``).
    X, y : array-like
        The data of a model.
    fun : callable, optional
        The function of a `Minimum`, called with the point alone; returns a number.
    parameter : int or str, optional
        Which parameter: its number, the intercept after the coefficients, or the name
        of its feature, or "intercept". None for the first one.
    limits : pair (low, high), optional
        From where to where. None for a valley with the minimum in its middle, as wide
        as the way of the run.
    sample_weight : array-like, shape (n_samples,), optional
        Weights of the rows, as in the training.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of the new figure (``ax.figure``).

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, if the run kept no parameters, or if its model has
        several outputs.
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    All other parameters are held where the run ended, which the legend says. Steps are
    drawn at the loss that they saw: on the curve if there are no other parameters, and
    else off it as long as these were on their way.

    A function that has several minima in the picture has each of them marked. Its
    minima are found to within what can be seen.

    A curve of a squared error costs one pass over the data. Of any other loss each of
    401 points is a sum over the rows, of 50,000 drawn at random if there are more.

    Examples
    --------
    >>> import gdfast
    >>> from gdfast.plots import loss_along
    >>> pizza = gdfast.example_data("pizza")
    >>> X, y = pizza["Reservations"], pizza["Pizzas"]
    >>> fit = gdfast.train(
    ...     X, y, learning_rate=0.001, max_iter=100, fit_intercept=False,
    ...     history="full",
    ... )
    >>> ax = loss_along(fit, X, y, limits=(-1, 4))
    >>> [text.get_text() for text in ax.get_legend().get_texts()][1:]
    ['100 steps, learning rate 0.001', 'minimum 69.12 at 1.844']
    """
    scene = landscape_of(run, X, y, fun, sample_weight, parameter, 1)
    view = scene.view(limits)
    if ax is None:
        [ax] = new_axes()
    draw_curve(ax, scene, view)
    draw_hops(ax, scene, view)
    mark_minima(ax, scene, view)
    add_legend(ax, plain=True, framealpha=0.9)
    return ax


def loss_contours(
    run: Any,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    fun: Callable[..., Any] | None = None,
    parameters: Sequence[int | str] | None = None,
    limits: Sequence[tuple[float, float]] | None = None,
    gradient_at: ArrayLike = (),
    sample_weight: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss of two parameters as contours, and the way of a run down it.

    Parameters
    ----------
    run : Fit, Minimum or estimator
        A run that kept its parameters (``history="full"``).
    X, y : array-like
        The data of a model.
    fun : callable, optional
        The function of a `Minimum`, called with the point alone; returns a number.
    parameters : pair of int or str, optional
        Which parameters, see `loss_along`; None for the first two.
    limits : pair of pairs, optional
        ((low, high), (low, high)) of the two. None for the way of the run, as far as
        it does not rise far above its start, and the minimum.
    gradient_at : array-like, shape (n_points, 2), optional
        Where to draw the gradient, as an arrow that points uphill with its two
        components beside it. The lengths are in proportion to each other.
    sample_weight : array-like, shape (n_samples,), optional
        Weights of the rows, as in the training.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of the new figure (``ax.figure``).

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, if the run kept no parameters, or if its model has
        several outputs.
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    The levels are the closer the nearer they are to the lowest value, in equal ratios
    of their height above it: so a valley shows its floor. Each arrow is one step, or
    several where steps are too short to be seen.

    The contours of more than two parameters are those where all others are held where
    the run ended, and the path is seen along these others.

    A surface of a squared error costs one pass over the data. Of any other loss each of
    3721 points is a sum over the rows, of 50,000 drawn at random if there are more: a
    few seconds. A function is called as often.

    Examples
    --------
    >>> import gdfast
    >>> from gdfast.plots import loss_contours
    >>> def bowl(w):
    ...     return w[0] ** 2 + w[1] ** 2
    >>> run = gdfast.minimize(
    ...     bowl, (5, -4), learning_rate=0.1, max_iter=20, history="full"
    ... )
    >>> ax = loss_contours(run, fun=bowl, gradient_at=[(5, -4)])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['20 steps, learning rate 0.1', 'gradient (uphill)', 'minimum 0 at (0, 0)']
    """
    scene = landscape_of(run, X, y, fun, sample_weight, parameters, 2)
    arrows = _check_points(gradient_at)
    view = scene.view(limits, arrows)
    if len(arrows) and limits is None:
        view = _with_gradients(scene, view, arrows)
    surface = surface_of(scene, view)
    if ax is None:
        [ax] = new_axes()
    draw_contours(ax, scene, surface, bar=True)
    draw_path(ax, scene, surface.view)
    if len(arrows):
        _draw_gradients(ax, scene, surface.view, arrows)
    mark_minimum(ax, surface)
    add_legend(ax, framealpha=0.9)
    return ax


def loss_surface(
    run: Any,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    fun: Callable[..., Any] | None = None,
    parameters: Sequence[int | str] | None = None,
    limits: Sequence[tuple[float, float]] | None = None,
    gradient_at: ArrayLike = (),
    sample_weight: ArrayLike | None = None,
    ax: Axes3D | None = None,
) -> Axes3D:
    """Draw the loss of two parameters as a surface, and the way of a run down it.

    Parameters
    ----------
    run : Fit, Minimum or estimator
        A run that kept its parameters (``history="full"``).
    X, y : array-like
        The data of a model.
    fun : callable, optional
        The function of a `Minimum`, called with the point alone; returns a number.
    parameters : pair of int or str, optional
        Which parameters, see `loss_along`; None for the first two.
    limits : pair of pairs, optional
        ((low, high), (low, high)) of the two, see `loss_contours`.
    gradient_at : array-like, shape (n_points, 2), optional
        Where to draw the gradient: an arrow along the surface, uphill.
    sample_weight : array-like, shape (n_samples,), optional
        Weights of the rows, as in the training.
    ax : mpl_toolkits.mplot3d.Axes3D, optional
        Where to draw; None makes a new figure, seen from where the path comes down
        towards the viewer.

    Returns
    -------
    mpl_toolkits.mplot3d.Axes3D
        `ax`, or the axes of the new figure (``ax.figure``).

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, `ax` is flat, the run kept no parameters, or its model
        has several outputs.
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    As `loss_contours`, whose costs it has. Path and marks are drawn over the surface,
    also where it would hide them.

    Examples
    --------
    >>> import gdfast
    >>> from gdfast.plots import loss_surface
    >>> mpg = gdfast.example_data("mpg")
    >>> X, y = mpg.select(["pounds_1000"]), mpg["mpg"]
    >>> fit = gdfast.train(X, y, learning_rate=0.01, max_iter=20, history="full")
    >>> ax = loss_surface(fit, X, y)
    >>> ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()
    ('coefficient of pounds_1000', 'intercept', 'mean squared error')
    """
    scene = landscape_of(run, X, y, fun, sample_weight, parameters, 2)
    arrows = _check_points(gradient_at)
    surface = surface_of(scene, scene.view(limits, arrows), fine=False)
    if ax is None:
        ax = new_axes_3d()
        ax.view_init(elev=32, azim=_azimuth(scene, surface))
        ax.set_box_aspect(None, zoom=0.86)  # room for the legend
    check_axes_3d(ax)
    _draw_surface(ax, scene, surface)
    _draw_path_on(ax, scene, surface.view)
    if len(arrows):
        _draw_gradients_on(ax, scene, surface.view, arrows)
    mark_minimum(ax, surface, in_space=True)
    add_legend(ax, loc="upper left", frameon=False)
    return ax


class Surface(NamedTuple):
    """The loss of two parameters on a grid.

    Parameters
    ----------
    view : View
        What it covers.
    across, along : ndarray of float64, shape (n,)
        The values of the two parameters.
    loss : ndarray of float64, shape (n, n)
        A row for each value of the second one; NaN where it is not finite.
    minimum : ndarray of float64, shape (2,), or None
        The lowest point, if it is within.
    foot : float
        The lowest value.
    exact : bool
        Whether the minimum was solved for, and not searched for.
    """

    view: View
    across: Doubles
    along: Doubles
    loss: Doubles
    minimum: Doubles | None
    foot: float
    exact: bool


def surface_of(scene: Landscape, view: View, *, fine: bool = True) -> Surface:
    """Return the loss of two parameters on a grid.

    Parameters
    ----------
    scene : Landscape
        The loss.
    view : View
        What the grid has to cover.

    fine : bool
        Whether a loss that a formula gives is to have more points.

    Returns
    -------
    Surface
        The values.

    Raises
    ------
    ValueError
        If no value is finite.
    """
    exact = scene.height.minimum() is not None
    fine = fine and exact
    n_points = FINE_POINTS if fine else GRID_POINTS
    across, along = np.linspace(view.low, view.high, n_points).T
    points = np.stack(np.meshgrid(across, along), axis=-1).reshape(-1, 2)
    values = scene.height.values(points)
    values = np.where(np.isfinite(values), values, np.nan)
    if np.isnan(values).all():
        raise ValueError("the loss is finite nowhere within the limits")
    minimum = scene.lowest(view, points, values)
    foot = np.nanmin(values)
    if minimum is not None:
        foot = min(foot, scene.height.values(minimum[None])[0])
    shape = (n_points, n_points)
    return Surface(
        view, across, along, values.reshape(shape), minimum, float(foot), exact
    )


def draw_curve(ax: Axes, scene: Landscape, view: View) -> None:
    """Draw the loss against a parameter.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    scene : Landscape
        The loss of one parameter.
    view : View
        From where to where.
    """
    points = np.linspace(view.low, view.high, CURVE_POINTS)
    label = "loss" if not scene.held else f"loss where {scene.held}"
    values = scene.height.values(points)
    ax.plot(
        points[:, 0],
        np.where(np.isfinite(values), values, np.nan),
        color=BLUE,
        linewidth=2,
        label=label,
    )
    seen = scene.loss[view.holds(scene.points)]  # which may be above the curve
    heights = np.r_[values, seen]
    heights = heights[np.isfinite(heights)]
    if len(heights):
        room = 0.05 * (np.ptp(heights) or 1.0)
        ax.set_ylim(heights.min() - room, heights.max() + room)
    ax.set_xlim(view.low[0], view.high[0])
    name_axis(ax.xaxis, scene.labels[0])
    ax.set_ylabel(scene.loss_label)


def draw_hops(ax: Axes, scene: Landscape, view: View) -> None:
    """Draw the steps of a run at the loss that they saw.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    scene : Landscape
        The run.
    view : View
        What is to be seen of it.
    """
    points = near(scene.points, view)
    if not len(points):
        return
    rows = rows_apart(view.parts(points), DOT_APART)
    ax.plot(
        points[rows, 0],
        scene.loss[rows],
        color=VERMILION,
        linewidth=1,
        marker="o",
        markersize=6,
        markeredgecolor="white",
        markeredgewidth=0.8,
        label=_steps_label(scene),
    )


def draw_contours(ax: Axes, scene: Landscape, surface: Surface, *, bar: bool) -> None:
    """Draw the contours of the loss of two parameters.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    scene : Landscape
        The loss.
    surface : Surface
        Its values.
    bar : bool
        Whether to add a bar that says which colour is which loss.
    """
    from matplotlib.colors import LogNorm

    height = surface.loss - surface.foot
    top = np.nanmax(height)
    if top > 0:
        low = max(np.nanquantile(height, 0.004), top * LOWEST_LEVEL)
        levels = np.geomspace(min(low, top / 10), top, N_LEVELS)
        height = np.maximum(height, levels[0] / 2)  # the colour of all that is lower
        norm = LogNorm(levels[0], levels[-1])
        filled = ax.contourf(
            *(surface.across, surface.along, height),
            levels=levels,
            norm=norm,
            cmap=COLOUR_MAP,
            extend="min",
        )
        ax.contour(
            *(surface.across, surface.along, height),
            levels=levels[:-1],
            colors="white",
            linewidths=0.5,
            alpha=0.6,
        )
        if bar:
            figure: Any = ax.figure
            shown = levels[:: (N_LEVELS - 1) // 4]
            colour_bar = figure.colorbar(filled, ax=ax, ticks=shown, pad=0.02)
            colour_bar.ax.minorticks_off()
            colour_bar.ax.set_yticklabels(
                [text_of(surface.foot + level, 3) for level in shown]
            )
            label = scene.loss_label
            if scene.held:
                label += f"\nwhere {scene.held}"
            colour_bar.set_label(label, parse_math=False)
    ax.grid(visible=False)
    left, right = zip(*surface.view, strict=True)
    ax.set(xlim=left, ylim=right)
    name_axis(ax.xaxis, scene.labels[0])
    name_axis(ax.yaxis, scene.labels[1])


def draw_path(ax: Axes, scene: Landscape, view: View) -> None:
    """Draw the way of a run, with arrows.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    scene : Landscape
        The run.
    view : View
        What is to be seen of it.
    """
    from matplotlib.patheffects import withStroke

    points = near(scene.points, view)
    if not len(points):
        return
    parts = view.parts(points)
    halo = withStroke(linewidth=3.6, foreground="white", alpha=0.8)
    ax.plot(
        *points[rows_apart(parts, STEP_APART)].T,
        color=VERMILION,
        linewidth=1.8,
        path_effects=[halo],
        label=_steps_label(scene),
    )
    ax.plot(
        *points[_long_steps(parts)].T,
        linestyle="",
        marker="o",
        markersize=4,
        color=VERMILION,
    )
    for begin, end in arrows_of(parts):
        # Of a patch the legend would not know where it is, and cover others instead.
        arrow: Any = ax.annotate(
            "",
            points[end],
            points[begin],
            arrowprops=arrow_style(VERMILION),
            annotation_clip=False,
            zorder=3,
        )
        arrow.arrow_patch.set_clip_path(ax.patch)
    ax.plot(
        *points[0],
        marker="o",
        markersize=8,
        color=VERMILION,
        markeredgecolor="white",
        markeredgewidth=1.5,
    )


def arrows_of(parts: Doubles) -> list[tuple[int, int]]:
    """Return from which row of a path to which one an arrow is to be drawn.

    Parameters
    ----------
    parts : ndarray of float64, shape (n_rows, n)
        The path in parts of the picture.

    Returns
    -------
    list of (int, int)
        Single steps, or several together where they are short.
    """
    rows = rows_apart(parts, ARROW_APART)
    pairs = []
    for begin, end in zip(rows[:-1].tolist(), rows[1:].tolist(), strict=True):
        # Of several steps the last ones, as the way to them may have turned.
        row = end - 1
        while row > begin and np.hypot.reduce(parts[end] - parts[row]) < ARROW_LENGTH:
            row -= 1
        pairs.append((row, end))
    return pairs[:MOST_ARROWS]


def _long_steps(parts: Doubles) -> Any:
    """Return the rows of a path after steps that are long enough for a dot each."""
    lengths = np.hypot.reduce(np.diff(parts, axis=0), axis=1)
    return 1 + np.flatnonzero(lengths >= DOT_APART)


def mark_minimum(ax: Axes, surface: Surface, *, in_space: bool = False) -> None:
    """Mark the lowest point of a surface, if it is within.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    surface : Surface
        The loss.
    in_space : bool
        Whether `ax` has three dimensions.
    """
    if surface.minimum is None:
        return
    place = surface.minimum
    if in_space:
        place = np.append(place, surface.foot)
    ax.plot(
        *place[:, None],
        linestyle="",
        marker="*",
        markersize=15,
        color=GREEN,
        markeredgecolor="white",
        zorder=6 if in_space else 2,  # over the path, but not over its arrows if flat
        label=_minimum_label(surface.minimum, surface),
    )


def mark_minima(ax: Axes, scene: Landscape, view: View) -> None:
    """Mark the minima of a curve, the lowest one first.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    scene : Landscape
        The loss of one parameter.
    view : View
        From where to where.
    """
    points = np.linspace(view.low, view.high, CURVE_POINTS)
    values = scene.height.values(points)
    lowest = scene.lowest(view, points, values)
    found = [] if lowest is None else [lowest]
    middle = values[1:-1]
    dips = 1 + np.flatnonzero((middle < values[:-2]) & (middle <= values[2:]))
    if scene.height.minimum() is None and 1 < len(dips) <= MOST_MINIMA:
        found = [
            scene.polished(points[k], View(points[k - 1], points[k + 1])) for k in dips
        ]
    found.sort(key=lambda point: float(scene.height.values(point[None])[0]))
    for number, point in enumerate(found):
        value = scene.height.values(point[None])[0]
        name = "minimum" if number == 0 else "local minimum"
        ax.plot(
            point[0],
            value,
            linestyle="",
            marker="*",
            markersize=16 if number == 0 else 12,
            color=GREEN,
            markeredgecolor="white",
            zorder=3,
            label=f"{name} {text_of(value)} at {text_of(point[0])}",
        )


def _minimum_label(point: Doubles, surface: Surface) -> str:
    """Return the line of the legend for a minimum."""
    # What is below the last digit of the picture is no digit of the minimum.
    least = 1e-6 * surface.view.size
    values = [0.0 if abs(x) < g else x for x, g in zip(point, least, strict=True)]
    place = ", ".join(text_of(x) for x in values)
    height = np.nanmax(surface.loss) - surface.foot
    # A minimum that is searched for is only found to some digits of the height.
    grain = SOLVED if surface.exact else SEARCHED
    foot = 0.0 if abs(surface.foot) < grain * height else surface.foot
    return f"minimum {text_of(foot)} at ({place})"


def _steps_label(scene: Landscape) -> str:
    """Return the line of the legend for the steps of a run."""
    n_steps = len(scene.points) - 1
    steps = "1 step" if n_steps == 1 else f"{n_steps:,} steps"
    return f"{steps}, learning rate {text_of(scene.learning_rate)}"


def near(points: Doubles, view: View) -> Doubles:
    """Return the path up to where it is out of sight, by more than the view is wide.

    Parameters
    ----------
    points : ndarray of float64, shape (n_rows, n)
        The path.
    view : View
        What is to be seen of it.

    Returns
    -------
    ndarray of float64, shape (n_kept, n)
        Its first rows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        parts = view.parts(points)
        far = ~((parts > -1) & (parts < 2)).all(axis=1)
    if not far.any():
        return points
    kept = points[: far.argmax() + 1]  # the step that leads out too
    return kept[(np.abs(kept) < FAR).all(axis=1)]


def _gradients(scene: Landscape, view: View, points: Doubles) -> tuple[Doubles, float]:
    """Return the gradients at some points, and what scales them to be drawn."""
    gradients = np.array([scene.height.gradient(point) for point in points])
    longest = np.hypot.reduce(gradients / view.size, axis=1).max()
    return gradients, GRADIENT_LENGTH / longest if longest > 0 else 0.0


def _with_gradients(scene: Landscape, view: View, points: Doubles) -> View:
    """Return a view with room for the arrows of gradients and their numbers."""
    gradients, scale = _gradients(scene, view, points)
    room = np.sign(gradients) * NUMBERS_ROOM * view.size
    ends = points + scale * gradients + 1.5 * room
    return View(
        np.minimum(view.low, ends.min(axis=0)), np.maximum(view.high, ends.max(axis=0))
    )


def _draw_gradients(ax: Axes, scene: Landscape, view: View, points: Doubles) -> None:
    """Draw the gradient at some points, with its components."""
    from matplotlib.patheffects import withStroke

    gradients, scale = _gradients(scene, view, points)
    for number, (point, gradient) in enumerate(zip(points, gradients, strict=True)):
        end = point + scale * gradient
        ax.annotate("", end, point, arrowprops=arrow_style(INK), annotation_clip=False)
        # Beyond the head; or before it, where that would be outside of the axes.
        beyond = np.where(gradient >= 0, 1, -1)
        room = view.parts(end) + beyond * NUMBERS_ROOM
        beyond = np.where((room < 0) | (room > 1), -beyond, beyond)
        ax.annotate(
            f"({', '.join(text_of(value, 3) for value in gradient)})",
            end,
            xytext=(5 * beyond[0], 5 * beyond[1]),
            textcoords="offset points",
            ha="left" if beyond[0] > 0 else "right",
            va="bottom" if beyond[1] > 0 else "top",
            color=INK,
            path_effects=[withStroke(linewidth=3, foreground="white")],
            annotation_clip=False,
        )
        ax.plot(
            *point,
            linestyle="",
            marker="s",
            markersize=5,
            color=INK,
            markeredgecolor="white",
            label="gradient (uphill)" if number == 0 else "",
        )


def arrow_style(colour: str) -> dict[str, Any]:
    """Return what an arrow looks like.

    Parameters
    ----------
    colour : str
        Its colour.

    Returns
    -------
    dict
        Properties of a `matplotlib.patches.FancyArrowPatch`.
    """
    return {
        "arrowstyle": "-|>,head_length=0.6,head_width=0.24",
        "color": colour,
        "linewidth": 1.8,
        "mutation_scale": 14,
        "shrinkA": 0,
        "shrinkB": 0,
    }


def _draw_surface(ax: Axes3D, scene: Landscape, surface: Surface) -> None:
    """Draw the loss of two parameters as a surface."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    height = surface.loss - surface.foot
    top = max(np.nanmax(height), 1e-300)
    floor = max(np.nanquantile(height, 0.004), top * LOWEST_LEVEL)
    norm = LogNorm(floor, top, clip=True)
    ax.computed_zorder = False  # the path is drawn over the surface
    ax.plot_surface(
        *np.meshgrid(surface.across, surface.along),
        surface.loss,
        facecolors=colormaps[COLOUR_MAP](norm(np.maximum(height, floor))),
        rcount=GRID_POINTS,
        ccount=GRID_POINTS,
        linewidth=0,
        antialiased=False,
        shade=False,
        alpha=0.9,
        zorder=1,
    )
    left, right = zip(*surface.view, strict=True)
    ax.set(xlim=left, ylim=right)
    name_axis(ax.xaxis, scene.labels[0])
    ax.xaxis.labelpad = 6
    name_axis(ax.yaxis, scene.labels[1])
    ax.yaxis.labelpad = 6
    label = scene.loss_label
    if scene.held:
        label += f"\nwhere {scene.held}"
    ax.set_zlabel(label, parse_math=False, labelpad=6)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_major_locator(_few_ticks())
        write_out_ticks(axis)
    written = ax.zaxis.get_major_formatter().format_ticks(ax.get_zticks())
    ax.zaxis.labelpad = max(6, 3 * max(map(len, written)) - 9)


def _few_ticks() -> Any:
    """Return a locator of few ticks, which come close to each other in space."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(5, steps=[1, 2, 5, 10])


def _azimuth(scene: Landscape, surface: Surface) -> float:
    """Return from where to look, so that the path comes down towards the viewer."""
    centre = (surface.view.low + surface.view.high) / 2
    end = centre if surface.minimum is None else surface.minimum
    way = end - scene.points[0]
    # Askew to both axes, as one that is seen end on has its ticks in a heap.
    if way[0] >= 0:
        return 30.0 if way[1] >= 0 else -60.0
    return 120.0 if way[1] >= 0 else -150.0


def _draw_path_on(ax: Axes3D, scene: Landscape, view: View) -> None:
    """Draw the way of a run on a surface, with arrows."""
    from matplotlib.patheffects import withStroke

    inside = view.holds(scene.points) & np.isfinite(scene.loss)
    out = ~inside
    n_seen = int(out.argmax()) if out.any() else len(inside)
    points, loss = scene.points[:n_seen], scene.loss[:n_seen]
    if not n_seen:
        return
    parts = view.parts(points)
    rows = rows_apart(parts, STEP_APART)
    halo = withStroke(linewidth=3.6, foreground="white", alpha=0.8)
    ax.plot(
        *points[rows].T,
        loss[rows],
        color=VERMILION,
        linewidth=1.8,
        path_effects=[halo],
        zorder=4,
        label=_steps_label(scene),
    )
    rows = _long_steps(parts)
    ax.plot(
        *points[rows].T,
        loss[rows],
        linestyle="",
        marker="o",
        markersize=4,
        color=VERMILION,
        zorder=4,
    )
    ax.plot(
        *points[:1].T,
        loss[:1],
        linestyle="",
        marker="o",
        markersize=8,
        color=VERMILION,
        markeredgecolor="white",
        markeredgewidth=1.5,
        zorder=4,
    )
    for begin, end in arrows_of(parts):
        _arrow_in_space(
            ax,
            np.append(points[begin], loss[begin]),
            np.append(points[end], loss[end]),
            VERMILION,
        )


def _draw_gradients_on(
    ax: Axes3D, scene: Landscape, view: View, points: Doubles
) -> None:
    """Draw the gradient at some points of a surface, as arrows along it."""
    gradients, scale = _gradients(scene, view, points)
    for number, (point, gradient) in enumerate(zip(points, gradients, strict=True)):
        end = np.clip(point + scale * gradient, view.low, view.high)
        heights = scene.height.values(np.array([point, end]))
        _arrow_in_space(
            ax, np.append(point, heights[0]), np.append(end, heights[1]), INK
        )
        ax.plot(
            *([x] for x in point),
            heights[:1],
            linestyle="",
            marker="s",
            markersize=5,
            color=INK,
            markeredgecolor="white",
            zorder=5,
            label="gradient (uphill)" if number == 0 else "",
        )


def _arrow_in_space(ax: Axes3D, begin: Doubles, end: Doubles, colour: str) -> None:
    """Draw an arrow between two points of three dimensions.

    matplotlib's own (`quiver`) have heads that the scales of the axes distort.
    """
    from matplotlib.patches import FancyArrowPatch
    from mpl_toolkits.mplot3d.proj3d import proj_transform

    class Arrow(FancyArrowPatch):
        def do_3d_projection(self) -> float:
            """Move to where the two points are seen, and return how far off."""
            x, y, z = proj_transform(*np.array([begin, end]).T, ax.get_proj())
            self.set_positions((x[0], y[0]), (x[1], y[1]))
            return float(np.min(z))

    arrow = Arrow((0, 0), (0, 0), zorder=5, **arrow_style(colour))
    ax.add_artist(arrow)


def _check_points(points: Any) -> Doubles:
    """Return the points at which gradients are to be drawn."""
    try:
        given = np.asarray(points, dtype=float)
    except (TypeError, ValueError):
        given = np.empty(1)
    if given.size == 0:
        return np.empty((0, 2))
    if given.ndim != 2 or given.shape[1] != 2 or not np.isfinite(given).all():
        raise ValueError(
            f"gradient_at must be points of two finite numbers each, got {points!r}"
        )
    return given
