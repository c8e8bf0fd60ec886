"""A descent as a film."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from gdfast._files import atomic_write
from gdfast._typing import Doubles
from gdfast._validation import check_int
from gdfast.fit import Fit
from gdfast.plots.axes import VERMILION, new_axes, rows_apart, text_of
from gdfast.plots.landscape import Landscape, View, landscape_of
from gdfast.plots.models import fitted_line, moving_rows, response_of
from gdfast.plots.results import path_of, result_of
from gdfast.plots.runs import loss_curve
from gdfast.plots.surfaces import (
    STEP_APART,
    draw_contours,
    draw_curve,
    mark_minima,
    mark_minimum,
    near,
    surface_of,
)

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

SUFFIXES = (".gif", ".html")
FRAMES_PER_SECOND = 10
LAST_FRAMES = 8  # that stand still before it begins again
FILE_DPI = 80

# What stands on the buttons of the page, by the name of the icon that matplotlib takes
# from a font in the net.
ICONS = {
    b"minus": "\N{MINUS SIGN}",
    b"fast-backward": "|\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}",
    b"step-backward": "|\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
    b"play fa-flip-horizontal": "\N{BLACK LEFT-POINTING TRIANGLE}",
    b"pause": "\N{DOUBLE VERTICAL LINE}",
    b"play": "\N{BLACK RIGHT-POINTING TRIANGLE}",
    b"step-forward": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}|",
    b"fast-forward": "\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}|",
    b"plus": "+",
}

Update = Callable[[int], None]


def animate(
    run: Any,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    fun: Callable[..., Any] | None = None,
    parameters: Sequence[int | str] | None = None,
    n_frames: int = 60,
    sample_weight: ArrayLike | None = None,
    path: str | os.PathLike[str] | None = None,
    axes: Sequence[Axes] | None = None,
) -> FuncAnimation:
    """Show a run as it goes down: its line through the data, and its way on the loss.

    Parameters
    ----------
    run : Fit, Minimum or estimator
        A run that kept its parameters (``history="full"``).
    X, y : array-like
        The data of a model.
    fun : callable, optional
        The function of a `Minimum`, called with the point alone; returns a number.
    parameters : pair of int or str, optional
        Which parameters of several to show, see `loss_contours`; None for the first
        two.
    n_frames : int
        How many iterations to show at most, chosen so that the parameters move by about
        as much from each to the next; the last one is shown for longer.
    sample_weight : array-like, shape (n_samples,), optional
        Weights of the rows, as in the training.
    path : path-like, optional
        A file to write it to: ``.gif``, or ``.html`` with buttons and all pictures
        inside. It appears as a whole or not at all.
    axes : sequence of 2 matplotlib.axes.Axes, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        The animation. Keep it as long as it is to move in a window or a notebook;
        ``animation.to_jshtml()`` is the page as text.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, if the run kept no parameters, or if `path` has another
        suffix.
    OSError
        If the file cannot be written.
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    A model of one feature is shown as a line through the data, on the left; all else as
    its loss over the iterations. Beside it is the loss of one parameter as a curve, or
    of two as contours.

    A frame takes about a tenth of a second to write, and in a file 10 kB of GIF or
    100 kB of HTML.

    Examples
    --------
    >>> import tempfile, os, gdfast
    >>> from gdfast.plots import animate
    >>> mpg = gdfast.example_data("mpg")
    >>> X, y = mpg.select(["pounds_1000"]), mpg["mpg"]
    >>> fit = gdfast.train(X, y, learning_rate=0.01, max_iter=20, history="full")
    >>> path = os.path.join(tempfile.mkdtemp(), "descent.gif")
    >>> animation = animate(fit, X, y, n_frames=5, path=path)
    >>> os.path.exists(path)
    True
    """
    suffix = "" if path is None else PurePath(os.fspath(path)).suffix.lower()
    if path is not None and suffix not in SUFFIXES:
        raise ValueError(f"path must end in one of {', '.join(SUFFIXES)}, got {path!r}")
    n_frames = check_int(n_frames, "n_frames", low=1)
    way, result = path_of(run), result_of(run)
    n = min(len(way.labels), 2)
    chosen = 0 if n == 1 and parameters is None else parameters
    scene = landscape_of(run, X, y, fun, sample_weight, chosen, n)
    own = axes is None
    left, right = _pair(axes)
    view = scene.view(None)
    rows = moving_rows(way, n_frames)
    rows = np.union1d(rows, [len(way.iteration) - 1])
    rows = rows[rows < max(1, len(near(scene.points, view)))]
    if isinstance(result, Fit) and result.coef.shape == (1,):
        assert X is not None
        assert y is not None
        updates = [_line(left, run, X, y, way.params[rows])]
    else:
        updates = [_loss(left, run)]
    updates.append(_way(right, scene, view))

    from matplotlib.animation import FuncAnimation, HTMLWriter, PillowWriter

    def show(frame: int) -> None:
        row = int(rows[min(frame, len(rows) - 1)])
        for update in updates:
            update(row)
        left.set_title(f"iteration {way.iteration[row]:,}")
        right.set_title(f"loss {text_of(way.loss[row])}")

    show(0)
    figure: Any = left.figure
    if own:  # nothing may move but what the run moves
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    animation = FuncAnimation(
        figure,
        show,
        frames=len(rows) + LAST_FRAMES,
        interval=1000 / FRAMES_PER_SECOND,
        init_func=lambda: None,
    )
    if path is None:
        return animation
    writer: Any = PillowWriter(fps=FRAMES_PER_SECOND)
    if suffix == ".html":
        writer = HTMLWriter(fps=FRAMES_PER_SECOND, embed_frames=True)
    with tempfile.TemporaryDirectory() as folder:
        film = os.path.join(folder, f"film{suffix}")
        animation.save(film, writer=writer, dpi=FILE_DPI)
        with open(film, "rb") as written:
            content = written.read()
    if suffix == ".html":
        content = _alone(content)
    with atomic_write(path) as file:
        file.write(content)
    return animation


def _alone(page: bytes) -> bytes:
    """Return a page of matplotlib's that needs nothing from the net."""
    page = re.sub(rb'<link rel="stylesheet"\s+href="https?:[^>]*>', b"", page)
    for name, text in ICONS.items():
        page = page.replace(b'<i class="fa fa-%b"></i>' % name, text.encode())
    return b'<!DOCTYPE html>\n<meta charset="utf-8">\n' + page


def _pair(axes: Sequence[Axes] | None) -> list[Axes]:
    """Return the two axes to draw in."""
    pair = new_axes(2) if axes is None else list(axes)
    if len(pair) != 2:
        raise ValueError(f"axes must be 2 axes, got {len(pair)}")
    return pair


def _line(ax: Axes, run: Any, X: Any, y: Any, shown: Doubles) -> Update:
    """Draw the data, and return what moves the line through them."""
    fitted_line(run, X, y, ax=ax)
    points, line = ax.lines[-2:]
    legend: Any = ax.get_legend()
    legend.remove()
    across = np.asarray(line.get_xdata(), dtype=float)
    response = response_of(run)
    data = np.asarray(points.get_ydata(), dtype=float)
    params = path_of(run).params

    def level(at: Doubles) -> Any:
        constant = at[..., 1:2] if at.shape[-1] > 1 else 0.0
        return response.of(at[..., :1] * across + constant)

    low, high = data.min(), data.max()
    room = (high - low) or 1.0
    heights = np.clip(level(shown), low - room, high + room)
    low, high = min(low, heights.min()), max(high, heights.max())
    ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))

    def update(row: int) -> None:
        line.set_ydata(level(params[row]))

    return update


def _loss(ax: Axes, run: Any) -> Update:
    """Draw the loss curve, and return what moves a dot on it."""
    loss_curve(run, ax=ax)
    curve = ax.lines[-1]
    curve.set(alpha=0.4, marker="")
    iteration, loss = (np.asarray(values) for values in curve.get_data())
    [dot] = ax.plot([], [], marker="o", markersize=8, color=VERMILION)

    def update(row: int) -> None:
        dot.set_data(iteration[row : row + 1], loss[row : row + 1])

    return update


def _way(ax: Axes, scene: Landscape, view: View) -> Update:
    """Draw the loss of one or two parameters, and return what moves the way over it."""
    from matplotlib.patheffects import withStroke

    if len(scene.labels) == 1:
        draw_curve(ax, scene, view)
        mark_minima(ax, scene, view)
        coordinates = np.c_[scene.points, scene.loss]
    else:
        surface = surface_of(scene, view)
        draw_contours(ax, scene, surface, bar=True)
        mark_minimum(ax, surface)
        coordinates = scene.points
    kept = rows_apart(view.parts(near(scene.points, view)), STEP_APART)
    halo = withStroke(linewidth=3.6, foreground="white", alpha=0.8)
    [trail] = ax.plot([], [], color=VERMILION, linewidth=1.8, path_effects=[halo])
    [dot] = ax.plot(
        [], [], marker="o", markersize=9, color=VERMILION, markeredgecolor="white"
    )

    def update(row: int) -> None:
        rows = np.append(kept[kept < row], row)
        trail.set_data(*coordinates[rows].T)
        dot.set_data(*coordinates[row : row + 1].T)

    return update
