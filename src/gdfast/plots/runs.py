"""A run against its iterations: the loss, and the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gdfast.plots.axes import (
    LOG_RANGE,
    add_legend,
    count_iterations,
    name_axis,
    new_axes,
    next_look,
)
from gdfast.plots.results import curve_of, path_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PARAMETERS = 12  # with a line in the legend each


def loss_curve(*runs: Any, ax: Axes | None = None) -> Axes:
    """Draw the loss of runs against their iterations.

    Parameters
    ----------
    *runs : Fit, Minimum or estimator
        Runs that kept their history (``history="loss"`` or ``"full"``). Of
        `SGDRegressor` and `SGDClassifier` their `loss_curve_` is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None makes a new figure. Runs drawn into the same axes get
        different colours, after six of them with other lines and marks; of several in
        one call a legend tells the learning rates, and other update rules than "gd",
        and ``ax.legend()`` does at any time.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of the new figure (``ax.figure``).

    Raises
    ------
    TypeError
        If there is no run, or one is nothing of these.
    ValueError
        If a run has no history, or a curve for each of several classes.
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
    if not runs:
        raise TypeError("loss_curve needs a run to draw")
    curves = [curve_of(run) for run in runs]
    if ax is None:
        [ax] = new_axes()
    for curve in curves:
        ax.plot(
            curve.iteration,
            curve.loss,
            **next_look(ax, len(curve.iteration)),
            linewidth=2,
            markersize=5,
            label=curve.label,
        )
    lowest, highest = ax.dataLim.intervaly
    if lowest > 0 and highest / 100 > lowest:
        if lowest < LOG_RANGE[0] or highest > LOG_RANGE[1]:
            ax.set_ylim(np.clip([lowest, highest], *LOG_RANGE))
        ax.set_yscale("log")
    count_iterations(ax)
    ax.set_ylabel(" or ".join(dict.fromkeys(curve.loss_label for curve in curves)))
    if len(curves) > 1:
        add_legend(ax)
    return ax


def parameters(run: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the parameters of a run against its iterations.

    Parameters
    ----------
    run : Fit, Minimum or estimator
        A run that kept its parameters (``history="full"``).
    ax : matplotlib.axes.Axes, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of the new figure (``ax.figure``).

    Raises
    ------
    TypeError
        If `run` is nothing of these.
    ValueError
        If it did not keep its parameters.
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    Of more than 12 parameters all lines are drawn, and the legend leaves them out.

    Examples
    --------
    >>> import gdfast
    >>> from gdfast.plots import parameters
    >>> run = gdfast.minimize(
    ...     lambda w: w[0] ** 2 + w[1] ** 2, (5, -4), learning_rate=0.1, max_iter=20,
    ...     history="full",
    ... )
    >>> ax = parameters(run)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['x[0]', 'x[1]']
    """
    path = path_of(run)
    if ax is None:
        [ax] = new_axes()
    for values, label in zip(path.params.T, path.labels, strict=True):
        ax.plot(
            path.iteration,
            np.clip(values, -LOG_RANGE[1], LOG_RANGE[1]),
            **next_look(ax, len(values)),
            linewidth=2,
            markersize=5,
            label=label,
        )
    count_iterations(ax)
    if len(path.labels) == 1:
        name_axis(ax.yaxis, path.labels[0])
        return ax
    ax.set_ylabel("value of the parameter")
    if len(path.labels) <= MOST_PARAMETERS:
        add_legend(ax, plain=True)
    return ax
