"""Data, and the line or plane that was fitted to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdfast._typing import Doubles
from gdfast._validation import check_int, check_X, check_y, raise_nonfinite
from gdfast.fit import Fit
from gdfast.plots.axes import (
    BLUE,
    VERMILION,
    add_legend_above_data,
    check_axes_3d,
    name_axis,
    new_axes,
    new_axes_3d,
    sample_with_ends,
    text_of,
)
from gdfast.plots.data import column, numbered, target_label
from gdfast.plots.results import Path, fit_of, path_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpl_toolkits.mplot3d import Axes3D
    from numpy.typing import ArrayLike, NDArray

MOST_LARGE_POINTS = 300
CURVE_POINTS = 201
SAME_PLACE = 1e-3  # of all the way: parameters nearer than this look alike


class Model(NamedTuple):
    """A linear model of one output.

    Parameters
    ----------
    coef : ndarray of float64, shape (n_features,)
        Coefficients.
    intercept : float
        Constant term.
    feature_names : sequence of str or None
        Names of the features.
    """

    coef: Doubles
    intercept: float
    feature_names: Sequence[str] | None


class Response(NamedTuple):
    """How raw predictions stand for y.

    Parameters
    ----------
    name : str
        What they are.
    of : callable
        Turns them into what y is expected to be.
    """

    name: str
    of: Callable[[Doubles], Doubles]


RAW = Response("y", lambda raw: raw)
RESPONSES = {
    "log_loss": Response("log-odds", lambda raw: 0.5 + 0.5 * np.tanh(raw / 2)),
    "poisson": Response("log y", lambda raw: np.exp(np.minimum(raw, 700.0))),
}


def response_of(run: Any) -> Response:
    """Return how the raw predictions of a model stand for y.

    Parameters
    ----------
    run : Fit or estimator
        The model.

    Returns
    -------
    Response
        `RAW` where they are y.
    """
    fit = getattr(run, "fit_", run)
    name = fit.loss_name if isinstance(fit, Fit) else getattr(fit, "loss", None)
    return RESPONSES.get(name, RAW) if isinstance(name, str) else RAW


def fitted_line(
    run: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    iterations: int | Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the data and the line fitted to them, or the lines on the way to it.

    Parameters
    ----------
    run : Fit or estimator
        A model of one feature; any estimator with `coef_` and `intercept_`.
    X : array-like, shape (n_samples,) or (n_samples, 1)
        The feature.
    y : array-like, shape (n_samples,)
        The targets. A name of theirs (a pandas or polars Series has one)
        becomes the label of the vertical axis.
    iterations : int, sequence of int or None
        Whose lines to draw as well, the earlier the paler: that of the model before
        the update of each of these iterations; or how many, chosen so that the line
        moves by about as much from each to the next. They need ``history="full"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of the new figure (``ax.figure``).

    Raises
    ------
    TypeError
        If `run` is no model, or `X` or `y` does not hold numbers.
    ValueError
        If the model has more than one feature, `X` is not fit for
        ``fit.predict``, `y` has not one finite value per row of `X`, or `iterations`
        asks for what the run did not keep.
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    Of more than 5000 points a random sample of that size is drawn, the same
    one every time, with the points at the ends of both ranges added; the
    legend says so. The line spans all the data.

    For "log_loss" it is the curve of the probability of 1, or of the second class of a
    classifier, and for "poisson" that of the expected y; the legend has the equation of
    the log-odds, or of the logarithm.

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
    model = _model(run, 1, "line")
    columns, target = _examples(run, model, X, y)
    x = columns[0]
    earlier = [] if iterations is None else _earlier(path_of(run), iterations)
    if ax is None:
        [ax] = new_axes()

    shown = sample_with_ends(x, target)
    few = len(shown) <= MOST_LARGE_POINTS
    ax.plot(
        x[shown],
        target[shown],
        linestyle="",
        marker="o",
        markersize=6 if few else 3.5,
        markeredgewidth=0,
        alpha=0.8 if few else 0.35,
        color=BLUE,
        label=_points_label(shown, x),
    )
    response = response_of(run)
    bends = response is not RAW
    across = np.linspace(x.min(), x.max(), CURVE_POINTS if bends else 2)
    for number, (_, params) in enumerate(earlier):
        raw = params[0] * across + (params[1] if len(params) > 1 else 0.0)
        ax.plot(
            across,
            response.of(raw),
            color=VERMILION,
            alpha=0.2 + 0.5 * number / len(earlier),
            linewidth=1.5,
            # One line of the legend for all of them.
            label=_earlier_label([row for row, _ in earlier]) if number == 0 else "",
        )
    ax.plot(
        across,
        response.of(model.coef[0] * across + model.intercept),
        color=VERMILION,
        alpha=1,
        linewidth=2,
        label=_equation(model, response.name),
    )
    # Names are anybody's text: a "$" in one is a dollar, not mathematics.
    name_axis(ax.xaxis, feature_label(model, 0))
    name_axis(ax.yaxis, target_label(y))
    add_legend_above_data(ax)
    return ax


def fitted_plane(
    run: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    iterations: int | Sequence[int] | None = None,
    ax: Axes3D | None = None,
) -> Axes3D:
    """Draw the data and the plane fitted to them, or the planes on the way to it.

    Parameters
    ----------
    run : Fit or estimator
        A model of two features; any estimator with `coef_` and `intercept_`.
    X : array-like, shape (n_samples, 2)
        The features.
    y : array-like, shape (n_samples,)
        The targets, whose name labels the vertical axis.
    iterations : int, sequence of int or None
        Whose planes to draw as well, as nets, the earlier the paler; see
        `fitted_line`.
    ax : mpl_toolkits.mplot3d.Axes3D, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    mpl_toolkits.mplot3d.Axes3D
        `ax`, or the axes of the new figure (``ax.figure``).

    Raises
    ------
    TypeError
        If `run` is no model, `X` or `y` does not hold numbers, or `ax` is flat.
    ValueError
        As `fitted_line`, of a model that has not two features.
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    Of more than 5000 points a random sample is drawn, as in `fitted_line`.

    Examples
    --------
    >>> import gdfast
    >>> from gdfast.plots import fitted_plane
    >>> X, y = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [1.0, 2.0, 3.0, 4.0]
    >>> ax = fitted_plane(gdfast.train(X, y, gtol=1e-9), X, y)
    >>> ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()
    ('x1', 'x2', 'y')
    """
    model = _model(run, 2, "plane")
    columns, target = _examples(run, model, X, y)
    earlier = [] if iterations is None else _earlier(path_of(run), iterations)
    if ax is None:
        ax = new_axes_3d()
    check_axes_3d(ax)
    shown = sample_with_ends(*columns, target)
    ax.computed_zorder = False  # it would put all of the points behind the plane
    across = [np.linspace(x.min(), x.max(), 11) for x in columns]
    grid = np.meshgrid(*across)
    level = model.coef[0] * grid[0] + model.coef[1] * grid[1] + model.intercept
    for number, (_, params) in enumerate(earlier):
        constant = params[2] if len(params) > 2 else 0.0
        ax.plot_wireframe(
            *grid,
            params[0] * grid[0] + params[1] * grid[1] + constant,
            color=VERMILION,
            alpha=0.15 + 0.35 * number / len(earlier),
            linewidth=0.8,
            rstride=5,
            cstride=5,
        )
    # What is below the plane is drawn before it, and shines through.
    fitted = sum(c * x[shown] for c, x in zip(model.coef, columns, strict=True))
    above = target[shown] >= fitted + model.intercept
    for part, order in ((~above, 1), (above, 3)):
        ax.scatter(
            *(x[shown][part] for x in columns),
            target[shown][part],
            color=BLUE,
            s=18 if len(shown) <= MOST_LARGE_POINTS else 6,
            linewidth=0,
            alpha=0.8,
            depthshade=False,
            zorder=order,
            label=_points_label(shown, target) if order == 3 else "",
        )
    ax.plot_surface(
        *grid, level, color=VERMILION, alpha=0.45, linewidth=0, shade=False, zorder=2
    )
    name_axis(ax.xaxis, feature_label(model, 0))
    name_axis(ax.yaxis, feature_label(model, 1))
    name_axis(ax.zaxis, target_label(y))
    return ax


def feature_label(model: Model, number: int) -> str:
    """Return what a feature is called in pictures.

    Parameters
    ----------
    model : Model
        The model.
    number : int
        Which of its features.

    Returns
    -------
    str
        Its name, or x with its number.
    """
    if model.feature_names is not None:
        return str(model.feature_names[number])
    return "x" if len(model.coef) == 1 else f"x{number + 1}"


def moving_rows(path: Path, n_rows: int) -> NDArray[np.intp]:
    """Return rows of a path between which the parameters move by about as much.

    Parameters
    ----------
    path : Path
        The run.
    n_rows : int
        How many rows at most, at least 1.

    Returns
    -------
    ndarray of intp
        The first, the last, and some between them; the first alone where nothing moves.

    Notes
    -----
    A parameter counts by the part of its own range that it moves, so that neither
    units nor scales matter; what overflows does not.
    """
    params = path.params[np.isfinite(path.params).all(axis=1)]
    spread = np.ptp(params, axis=0)
    moved = np.abs(np.diff(params, axis=0)) / np.where(spread > 0, spread, 1)
    way = np.r_[0.0, moved.max(axis=1, initial=0.0).cumsum()]
    if way[-1] == 0 or n_rows == 1:
        return np.zeros(1, dtype=np.intp)
    wanted = np.linspace(0, way[-1] * (1 - SAME_PLACE), n_rows)
    return np.unique(np.searchsorted(way, wanted))


def _model(run: Any, n_features: int, what: str) -> Model:
    """Return the model of a run, or of an estimator that keeps nothing else."""
    if hasattr(run, "coef_") and not hasattr(run, "fit_"):
        coef, intercept = np.asarray(run.coef_), np.asarray(run.intercept_)
        names = getattr(run, "feature_names_in_", None)
    else:
        fit: Fit = fit_of(run)
        coef, intercept, names = fit.coef, np.asarray(fit.intercept), fit.feature_names
    if coef.shape[-1] != n_features:
        count = ("no", "one feature", "two features")[n_features]
        raise ValueError(
            f"a fitted {what} needs a model of {count}, run has {coef.shape[-1]}"
        )
    if coef.size != n_features:
        raise ValueError(
            f"a fitted {what} needs a model of one output, run has "
            f"{coef.size // n_features}"
        )
    return Model(coef.reshape(-1), float(intercept.reshape(-1)[0]), names)


def _examples(
    run: Any, model: Model, X: object, y: object
) -> tuple[list[Doubles], Doubles]:
    """Return the checked columns of X, and y."""
    matrix, _ = check_X(X)
    if isinstance(run, Fit):
        run.predict(X)  # which knows what X has to be
    elif matrix.shape[1] != len(model.coef):
        raise ValueError(
            f"X has {matrix.shape[1]} columns, but the model has {len(model.coef)} "
            "coefficients"
        )
    target = check_y(numbered(run, y), len(matrix))
    raise_nonfinite(X=matrix, y=target)
    columns = [column(matrix, number) for number in range(len(model.coef))]
    return columns, target.astype(float)


def _earlier(path: Path, iterations: object) -> list[tuple[int, Doubles]]:
    """Return the iterations to draw, with their parameters."""
    first = int(path.iteration[0])
    if isinstance(iterations, Integral):
        rows = moving_rows(path, check_int(iterations, "iterations", low=1))
        rows = rows[rows < len(path.iteration) - 1]  # which is the model itself
    else:
        try:
            numbers = np.asarray(iterations)
        except ValueError:
            numbers = np.empty(0)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            raise TypeError(
                f"iterations must be a whole number or several, got {iterations!r}"
            )
        rows = numbers - first
        if not ((rows >= 0) & (rows < len(path.iteration))).all():
            raise ValueError(
                f"iterations must be from {first} to {path.iteration[-1]}, those that "
                f"run kept; got {iterations!r}"
            )
    return [(first + row, path.params[row]) for row in rows.tolist()]


def _earlier_label(iterations: list[int]) -> str:
    """Return the line of the legend for earlier lines."""
    if len(iterations) == 1:
        return f"before iteration {iterations[0]:,}"
    return f"before iterations {iterations[0]:,} to {iterations[-1]:,}"


def _points_label(shown: NDArray[np.intp], x: Doubles) -> str:
    """Return the line of the legend for the data."""
    if len(shown) == len(x):
        return "data"
    return f"data ({len(shown):,} of {len(x):,} points)"


def _equation(model: Model, name: str) -> str:
    """Return the line's equation with four digits, as ``y = 1.081 x + 13.17``."""
    equation = f"{name} = {text_of(model.coef[0])} x"
    if model.intercept:
        sign = "\N{MINUS SIGN}" if model.intercept < 0 else "+"
        equation += f" {sign} {text_of(abs(model.intercept))}"
    return equation
