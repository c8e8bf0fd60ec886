"""Pictures of a run: the loss curve and the fitted line.

Both functions draw into the axes they are given, or into a new figure that
only its axes hold: it is made with `matplotlib.figure.Figure` and not with
pyplot, so no display is needed, no backend is chosen, and nothing has to be
closed. Save it with ``ax.figure.savefig(path)``; to show a picture in a
window, make the axes with ``plt.subplots()`` and pass them as `ax`.

matplotlib is imported when a picture is drawn, never with this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gdfast._validation import check_X, check_y, raise_nonfinite
from gdfast.csr import CSR
from gdfast.fit import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

__all__ = ["fitted_line", "loss_curve", "new_axes"]

# Okabe and Ito's palette, which colour-blind readers can tell apart, without
# its black and its yellow: they vanish on dark and on light backgrounds.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

_MOST_MARKED_STEPS = 30
_MOST_LARGE_POINTS = 300
_MOST_POINTS = 5000

# Beyond it matplotlib's margins and ticks overflow, and the axes come out wrong: a run
# that diverges gets there.
_LOG_RANGE = (1e-200, 1e200)


def loss_curve(fit: Fit, *, ax: Axes | None = None) -> Axes:
    """Draw the loss of a run against its iterations.

    Parameters
    ----------
    fit : Fit
        A run that kept its history (``history="loss"`` or ``"full"``).
    ax : matplotlib.axes.Axes, optional
        Where to draw; None makes a new figure. Runs drawn into the same axes
        get different colours, and ``ax.legend()`` tells their learning rates.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of the new figure (``ax.figure``).

    Raises
    ------
    TypeError
        If `fit` is not a `Fit`.
    ValueError
        If `fit` has no history.
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    The loss axis becomes logarithmic when all that is drawn in the axes is
    positive and spans more than two decades; otherwise its scale is left as it
    was. The steps of a short run are marked.

    Examples
    --------
    >>> import gdfast
    >>> from gdfast.plots import loss_curve
    >>> fit = gdfast.train([[1.0], [2.0], [3.0]], [3.0, 5.0, 7.0], gtol=1e-9)
    >>> ax = loss_curve(fit)
    >>> ax.get_ylabel(), ax.get_yscale()
    ('mean squared error', 'log')
    >>> ax.figure.savefig("loss.png")  # doctest: +SKIP
    """
    _check_fit(fit)
    if fit.history is None:
        raise ValueError(
            'fit has no history to draw: call train with history="loss" or "full"'
        )
    if ax is None:
        [ax] = new_axes()
    from matplotlib.ticker import MaxNLocator

    iteration = fit.history["iteration"]
    ax.plot(
        iteration,
        fit.history["loss"],
        color=_COLOURS[len(ax.lines) % len(_COLOURS)],
        linewidth=2,
        marker="o" if len(iteration) <= _MOST_MARKED_STEPS else "",
        markersize=5,
        label=f"learning rate {fit.learning_rate:.4g}",
    )
    lowest, highest = ax.dataLim.intervaly
    if lowest > 0 and highest / 100 > lowest:
        if lowest < _LOG_RANGE[0] or highest > _LOG_RANGE[1]:
            ax.set_ylim(np.clip([lowest, highest], *_LOG_RANGE))
        ax.set_yscale("log")
    if ax.get_xscale() == "linear":
        ax.xaxis.set_major_locator(
            MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
        )
        ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel("iteration")
    ax.set_ylabel(f"mean {fit.loss_name.replace('_', ' ')}")
    return ax


def fitted_line(
    fit: Fit, X: ArrayLike, y: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Draw the data and the line fitted to them.

    Parameters
    ----------
    fit : Fit
        A model of one feature.
    X : array-like, shape (n_samples,) or (n_samples, 1)
        The feature.
    y : array-like, shape (n_samples,)
        The targets. A name of theirs (a pandas or polars Series has one)
        becomes the label of the vertical axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of the new figure (``ax.figure``).

    Raises
    ------
    TypeError
        If `fit` is not a `Fit`, or `X` or `y` does not hold numbers.
    ValueError
        If the model has more than one feature, `X` is not fit for
        ``fit.predict``, or `y` has not one finite value per row of `X`.
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    Of more than 5000 points a random sample of that size is drawn, the same
    one every time, with the points at the ends of both ranges added; the
    legend says so. The line spans all the data.

    Examples
    --------
    >>> import gdfast
    >>> from gdfast.plots import fitted_line
    >>> X, y = [[1.0], [2.0], [3.0]], [3.0, 5.0, 7.0]
    >>> ax = fitted_line(gdfast.train(X, y, gtol=1e-9), X, y)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['data', 'y = 2 x + 1']
    >>> ax.figure.savefig("line.png")  # doctest: +SKIP
    """
    _check_fit(fit)
    if fit.coef.shape != (1,):
        raise ValueError(
            f"a fitted line needs a model of one feature, fit has {fit.coef.size}"
        )
    predicted = fit.predict(X)
    rows, _ = check_X(X)
    x = rows.dot(np.ones(1)) if isinstance(rows, CSR) else rows[:, 0]
    target = check_y(y, len(x))
    raise_nonfinite(y=target)  # and X in predict
    if ax is None:
        [ax] = new_axes()

    shown = _sample_with_ends(x, target)
    few = len(shown) <= _MOST_LARGE_POINTS
    ax.plot(
        x[shown],
        target[shown],
        linestyle="",
        marker="o",
        markersize=6 if few else 3.5,
        markeredgewidth=0,
        alpha=0.8 if few else 0.35,
        color=_COLOURS[0],
        label="data"
        if len(shown) == len(x)
        else f"data ({len(shown):,} of {len(x):,} points)",
    )
    ends = [x.argmin(), x.argmax()]
    ax.plot(
        x[ends], predicted[ends], color=_COLOURS[1], linewidth=2, label=_equation(fit)
    )
    # Names are anybody's text: a "$" in one is a dollar, not mathematics.
    ax.set_xlabel(fit.feature_names[0] if fit.feature_names else "x", parse_math=False)
    name = getattr(y, "name", None)
    ax.set_ylabel(name if isinstance(name, str) else "y", parse_math=False)
    _add_legend_above_data(ax)
    return ax


def _check_fit(fit: Fit) -> None:
    """Raise TypeError for anything but a Fit, such as its history alone."""
    if not isinstance(fit, Fit):
        raise TypeError(f"fit must be a Fit as train returns it, got {type(fit)!r}")


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
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "pictures need matplotlib: pip install 'gdfast[plot]'"
        ) from error
    width = 6.4 if n_columns == 1 else 5.5 * n_columns
    figure = Figure(figsize=(width, 4.0), dpi=100, layout="constrained")
    row: list[Axes] = list(figure.subplots(1, n_columns, squeeze=False)[0])
    for ax in row:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(color="0.5", alpha=0.25, linewidth=0.8)
        ax.set_axisbelow(True)
    return row


def _sample_with_ends(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.intp]:
    """Return the indices of the points to draw: all, or a sample of many.

    The sample is random, since a regular one would alias with periodic data,
    and holds the ends of both ranges, so the axes show where the data reach.
    """
    if len(x) <= _MOST_POINTS:
        return np.arange(len(x))
    sample = np.random.default_rng(0).choice(len(x), _MOST_POINTS, replace=False)
    return np.union1d(sample, [x.argmin(), x.argmax(), y.argmin(), y.argmax()])


def _equation(fit: Fit) -> str:
    """Return the line's equation with four digits, as ``y = 1.081 x + 13.17``."""
    equation = f"y = {fit.coef[0]:.4g} x"
    if fit.intercept:
        sign = "-" if fit.intercept < 0 else "+"
        equation += f" {sign} {abs(fit.intercept):.4g}"
    return equation.replace("-", "\N{MINUS SIGN}")


def _add_legend_above_data(ax: Axes) -> None:
    """Add a legend at the top of the axes, in room made for it above the data.

    A legend above the axes would collide with a title, and ``loc="best"`` has
    no good place in a full cloud. Extending the data limits, and not the
    view, leaves the axes free to rescale, and limits that were set alone.
    """
    legend = ax.legend(loc="upper left", framealpha=1, edgecolor="none")
    for handle in legend.get_lines():
        handle.set_alpha(1)
    share = min(legend.get_window_extent().height / ax.bbox.height, 0.5)
    bottom, top = ax.dataLim.intervaly
    ax.update_datalim([(0.0, bottom + (top - bottom) / (1 - share))], updatex=False)
    ax.autoscale_view()
