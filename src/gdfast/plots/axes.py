"""Axes without a display, and what all pictures look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gdfast._typing import Doubles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from mpl_toolkits.mplot3d import Axes3D
    from numpy.typing import NDArray

# Okabe and Ito's palette, which colour-blind readers can tell apart, without
# its black and its yellow: they vanish on dark and on light backgrounds.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# Of lines and marks, for as many rounds of the colours.
STYLES, MARKS = ("-", "--", ":"), ("o", "s", "^")
BLUE, VERMILION, GREEN = COLOURS[:3]
INK = "#222222"
# Of a surface: rises evenly in lightness, so it reads in grey and to any eye.
COLOUR_MAP = "viridis"

MOST_MARKED_STEPS = 30
TICK_DIGITS = 6
LETTER_WIDTH = 0.58  # of its height, on the average
FEWEST_LETTERS = 34  # of a name, however small the axes are
SMALLEST_LETTERS = 6.0  # of a legend, in points
MOST_POINTS = 5000  # of data, and of a path: what lies between cannot be seen

# Beyond it matplotlib's margins and ticks overflow, and the axes come out wrong: a run
# that diverges gets there.
LOG_RANGE = (1e-200, 1e200)


def new_axes(n_columns: int = 1) -> list[Axes]:
    """Return styled axes, side by side in a figure that pyplot does not know.

    Parameters
    ----------
    n_columns : int
        How many.

    Returns
    -------
    list of matplotlib.axes.Axes
        From left to right.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    # Three and more are for a look at what differs, in a page as wide as one.
    width = {1: 6.4, 2: 11.0}.get(n_columns, 2.7 * n_columns)
    figure = new_figure(width, 4.0 if n_columns < 3 else 3.2)
    row: list[Axes] = list(figure.subplots(1, n_columns, squeeze=False)[0])
    for ax in row:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(color="0.5", alpha=0.25, linewidth=0.8)
        ax.set_axisbelow(True)
    return row


def new_axes_3d() -> Axes3D:
    """Return axes of three dimensions, in a figure that pyplot does not know.

    Returns
    -------
    mpl_toolkits.mplot3d.Axes3D
        The axes.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    figure = new_figure(6.4, 4.8)
    ax: Any = figure.add_subplot(projection="3d")
    return ax


def new_figure(width: float, height: float = 4.0) -> Figure:
    """Return an empty figure that pyplot does not know.

    Parameters
    ----------
    width, height : float
        Its size in inches.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "pictures need matplotlib: pip install 'gdfast[plot]'"
        ) from error
    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def check_axes_3d(ax: Any) -> None:
    """Raise for axes that have no third dimension.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Of the caller.

    Raises
    ------
    TypeError
        If they are flat.
    """
    if not hasattr(ax, "get_zlim"):
        raise TypeError(
            "ax must have three dimensions: figure.add_subplot(projection='3d')"
        )


def count_iterations(ax: Axes) -> None:
    """Label the horizontal axis with iterations, at whole numbers.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes; a scale that is not linear keeps its ticks.
    """
    from matplotlib.ticker import MaxNLocator

    if ax.get_xscale() == "linear":
        ax.xaxis.set_major_locator(
            MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
        )
        ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel("iteration")


def write_out_ticks(*axes: Axis) -> None:
    """Write every tick's number by itself, without a factor apart from them.

    Parameters
    ----------
    *axes : matplotlib.axis.Axis
        Axes where such a factor, say 1e6 at the end, would meet other text.
    """
    for axis in axes:
        axis.set_major_formatter(lambda value, _: text_of(value, TICK_DIGITS))


def name_axis(axis: Axis, name: str) -> None:
    """Label an axis with a name of the caller's, shortened to what there is room for.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        The axis.
    name : str
        The name, which is no formula if it has dollar signs.
    """
    box = axis.axes.bbox
    length = box.height if axis is axis.axes.yaxis else box.width
    figure: Any = axis.axes.figure
    inches = length / figure.dpi
    letters = int(72 * inches / (LETTER_WIDTH * float(axis.label.get_fontsize())))
    text = shortened(name, max(letters, FEWEST_LETTERS))
    axis.set_label_text(text, parse_math=False)


def shortened(text: str, letters: int) -> str:
    """Return text that ends in an ellipsis where it is too long.

    Parameters
    ----------
    text : str
        A line or several.
    letters : int
        How many there may be in each.

    Returns
    -------
    str
        The text.
    """
    lines = text.split("\n")
    return "\n".join(
        line if len(line) <= letters else f"{line[: letters - 3]}..." for line in lines
    )


def next_look(ax: Axes, n_points: int) -> dict[str, Any]:
    """Return what tells the next line from those before it.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where it will be.
    n_points : int
        How many points it has; few are marked.

    Returns
    -------
    dict
        Properties of a `matplotlib.lines.Line2D`: its colour, and the style and mark of
        this round of the colours.
    """
    rounds, number = divmod(len(ax.lines), len(COLOURS))
    rounds %= len(STYLES)
    return {
        "color": COLOURS[number],
        "linestyle": STYLES[rounds],
        "marker": MARKS[rounds] if n_points <= MOST_MARKED_STEPS else "",
    }


def add_legend(ax: Axes, *, plain: bool = False, **options: Any) -> Legend:
    """Add a legend that fits into its axes, and does not push them together.

    A layout that made room for it would leave axes of a few pixels where several share
    a figure.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes, with all that is drawn in them.
    plain : bool
        Whether names of the caller's are in it, which are no formulas if they have
        dollar signs.
    **options
        Of `matplotlib.axes.Axes.legend`.

    Returns
    -------
    matplotlib.legend.Legend
        The legend, in smaller letters where it would be wider than the axes.
    """
    options = {"framealpha": 1, "edgecolor": "none"} | options

    def added(**size: float) -> Legend:
        legend = ax.legend(**options, **size)
        legend.set_in_layout(False)
        for text in legend.get_texts() if plain else ():
            text.set_parse_math(False)
        return legend

    legend = added()
    share = ax.bbox.width / legend.get_window_extent().width
    if share < 1:
        letters = float(legend.get_texts()[0].get_fontsize())
        legend = added(fontsize=max(share * letters, min(letters, SMALLEST_LETTERS)))
    return legend


def add_legend_above_data(ax: Axes) -> None:
    """Add a legend at the top of the axes, in room made for it above the data.

    A legend above the axes would collide with a title, and ``loc="best"`` has
    no good place in a full cloud. Extending the data limits, and not the
    view, leaves the axes free to rescale, and limits that were set alone.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes, with all that is drawn in them.
    """
    legend = add_legend(ax, loc="upper left")
    for handle in legend.get_lines():
        if handle.get_marker() == "o":  # a cloud is paler than its points
            handle.set_alpha(1)
    share = min(legend.get_window_extent().height / ax.bbox.height, 0.5)
    bottom, top = ax.dataLim.intervaly
    ax.update_datalim([(0.0, bottom + (top - bottom) / (1 - share))], updatex=False)
    ax.autoscale_view()


def sample_with_ends(*columns: NDArray[Any]) -> NDArray[np.intp]:
    """Return the indices of the points to draw: all, or a sample of many.

    The sample is random, since a regular one would alias with periodic data,
    and holds the ends of all ranges, so the axes show where the data reach.

    Parameters
    ----------
    *columns : ndarray, shape (n_points,)
        Coordinates.

    Returns
    -------
    ndarray of intp
        In rising order.
    """
    n_points = len(columns[0])
    if n_points <= MOST_POINTS:
        return np.arange(n_points)
    sample = np.random.default_rng(0).choice(n_points, MOST_POINTS, replace=False)
    ends = [end for column in columns for end in (column.argmin(), column.argmax())]
    return np.union1d(sample, ends)


def rows_apart(points: Doubles, least: float) -> NDArray[np.intp]:
    """Return rows of a path that are some way apart from each other, from the first on.

    Parameters
    ----------
    points : ndarray of float64, shape (n_rows, n)
        The path, in parts of the picture's width and height.
    least : float
        How far.

    Returns
    -------
    ndarray of intp
        The first row, and each that is that far from the one before it in this list.

    Notes
    -----
    Of a long path only its first rows, and then fewer and fewer, are looked at: late
    steps are short.
    """
    rows = np.arange(len(points))
    if len(rows) > MOST_POINTS:
        late = np.geomspace(MOST_POINTS // 2, len(rows) - 1, MOST_POINTS // 2)
        rows = np.r_[rows[: MOST_POINTS // 2], np.unique(late.astype(np.intp))]
    kept = [0]
    last = points[0]
    for row, point in zip(rows.tolist(), points[rows], strict=True):
        if np.hypot.reduce(point - last) >= least:
            kept.append(row)
            last = point
    return np.array(kept)


def text_of(value: float, digits: int = 4) -> str:
    """Return a number as it stands in a picture, with a minus sign of full width.

    Parameters
    ----------
    value : float
        The number.
    digits : int
        How many of its digits.

    Returns
    -------
    str
        The text.
    """
    rounded = float(f"{value:.{digits}g}")
    plain = 1000 <= abs(rounded) < 1e6
    text = f"{rounded:,.0f}" if plain else f"{value:.{digits}g}"
    return text.replace("-", "\N{MINUS SIGN}")
