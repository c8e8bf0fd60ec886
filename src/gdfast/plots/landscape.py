"""The loss as a function of one or two parameters, all others held where they are."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from gdfast._typing import Doubles
from gdfast._validation import check_sample_weight, check_X, raise_nonfinite
from gdfast.fit import DivergenceError, Fit
from gdfast.functions import Called, as_number
from gdfast.losses import LOSSES, Loss
from gdfast.minimization import minimize
from gdfast.plots.data import column, numbered
from gdfast.plots.results import Path, loss_label, path_of, result_of
from gdfast.preparation import standardized
from gdfast.stopping import ConvergenceWarning
from gdfast.sums import Examples, Summation
from gdfast.targets import check_targets
from gdfast.threads import Team

MOST_ROWS = 50_000  # of a loss that is not a square, which is added up for every point
HIGHEST = 4.0  # what is seen of a path: up to so many times the height it starts at
MARGIN = 0.3  # of the view, around path and minimum
FAR = 1e100  # what a run that diverges comes to is no place to look at
# Of the loss at zeros: from a model with so much more, as after a divergence, the way
# to the minimum is so long that rounding loses the minimum.
LOST = 1e16
NEAR_EDGE = 1e-6  # of the view: what is lowest there goes on falling outside


class Height(Protocol):
    """A function of one or two parameters."""

    def values(self, points: Doubles) -> Doubles:
        """Return its values at points of shape (n_points, n)."""
        ...

    def gradient(self, point: Doubles) -> Doubles:
        """Return its gradient at a point of shape (n,)."""
        ...

    def minimum(self) -> Doubles | None:
        """Return where it is lowest, if a formula says so."""
        ...


class View(NamedTuple):
    """The part of the parameters that a picture shows.

    Parameters
    ----------
    low, high : ndarray of float64, shape (n,)
        Its corners.
    """

    low: Doubles
    high: Doubles

    @property
    def size(self) -> Doubles:
        """Its width and height."""
        return self.high - self.low

    def holds(self, points: Doubles) -> Any:
        """Whether it holds each of the points of shape (n_points, n), or (n,)."""
        return ((points >= self.low) & (points <= self.high)).all(axis=-1)

    def parts(self, points: Doubles) -> Doubles:
        """Return points in parts of its width and height."""
        scaled: Doubles = (points - self.low) / self.size
        return scaled


@dataclass(frozen=True, eq=False)
class Landscape:
    """What a run went down on, and its way.

    Parameters
    ----------
    height : Height
        The loss.
    loss_label : str
        What it is.
    labels : list of str
        What the parameters are.
    points : ndarray of float64, shape (n_rows, n)
        The path.
    loss : ndarray of float64, shape (n_rows,)
        The loss of its points, at their own values of all other parameters.
    held : str
        What these are held at, in words; empty where there are none.
    learning_rate : float
        Of the last step.
    """

    height: Height
    loss_label: str
    labels: list[str]
    points: Doubles
    loss: Doubles
    held: str
    learning_rate: float

    def view(self, limits: Any, also: Doubles | None = None) -> View:
        """Return the part to show.

        Parameters
        ----------
        limits : pair, pair of pairs or None
            The caller's: (low, high) of each parameter. None for the path as far as it
            does not rise far above its start, and the minimum.
        also : ndarray of float64, shape (n_points, n), or None
            Points that are to be seen besides, if the caller has no limits.

        Returns
        -------
        View
            The part.

        Raises
        ------
        ValueError
            If `limits` is something else.
        """
        n = self.points.shape[1]
        if limits is not None:
            return _check_limits(limits, n)
        shown = np.isfinite(self.points).all(axis=1) & np.isfinite(self.loss)
        if not shown.any():
            raise ValueError("run has no point that is finite")
        shown &= (np.abs(self.points) < FAR).all(axis=1)
        lowest = self.height.minimum()
        foot = self.loss[shown].min()
        if lowest is not None:
            foot = min(foot, self.height.values(lowest[None])[0])
        shown &= self.loss - foot <= HIGHEST * (self.loss[0] - foot)
        shown[0] = True
        points = self.points[shown]
        if lowest is None:
            width = np.ptp(points, axis=0)
            width[width == 0] = max(width.max(), np.abs(points).max(), 1.0)
            around = View(points.min(axis=0) - width, points.max(axis=0) + width)
            lowest = self.polished(points[self.loss[shown].argmin()], around)
        if n == 1:  # a valley with the minimum in its middle
            points = np.r_[points, 2 * lowest - points]
        points = np.r_[points, lowest[None]]
        if also is not None:
            points = np.r_[points, also]
        low, high = points.min(axis=0), points.max(axis=0)
        width = high - low
        width[width == 0] = width.max() or max(1.0, np.abs(low).max())
        margin = (MARGIN if n > 1 else MARGIN / 2) * width
        return View(low - margin, high + margin)

    def polished(self, start: Doubles, view: View) -> Doubles:
        """Return a minimum near a point, in a view.

        Parameters
        ----------
        start : ndarray of float64, shape (n,)
            The point.
        view : View
            Where to look, and in whose parts steps are made.

        Returns
        -------
        ndarray of float64, shape (n,)
            A point that is no higher.
        """
        size = view.size

        def height(parts: Doubles) -> tuple[float, Doubles]:
            point = view.low + size * parts
            value = self.height.values(point[None])[0]
            return float(value), size * self.height.gradient(point)

        begin = np.clip(view.parts(start), 0, 1)
        with warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                run = minimize(
                    height,
                    begin,
                    grad=True,
                    bounds=(0.0, 1.0),
                    optimizer="accelerated",
                    xtol=1e-9,
                    max_iter=300,
                    history=False,
                )
            except (DivergenceError, ValueError):  # steps off a cliff
                return start
        ends = np.array([start, view.low + size * np.asarray(run.x)])
        end: Doubles = ends[self.height.values(ends).argmin()]
        return end

    def lowest(self, view: View, points: Doubles, values: Doubles) -> Doubles | None:
        """Return the lowest point of a view.

        Parameters
        ----------
        view : View
            The part of the parameters.
        points : ndarray of float64, shape (n_points, n)
            Many points of it.
        values : ndarray of float64, shape (n_points,)
            The loss there.

        Returns
        -------
        ndarray of float64, shape (n,), or None
            The point; None if what is lowest is on the edge, and lower outside.
        """
        lowest = self.height.minimum()
        if lowest is None:
            if not np.isfinite(values).any():
                return None
            lowest = self.polished(points[np.nanargmin(_finite(values))], view)
        inside = View(
            view.low + NEAR_EDGE * view.size, view.high - NEAR_EDGE * view.size
        )
        return lowest if inside.holds(lowest) else None


def landscape_of(
    run: Any,
    X: Any,
    y: Any,
    fun: Callable[..., Any] | None,
    sample_weight: Any,
    parameters: Any,
    n: int,
) -> Landscape:
    """Return what a run went down on, as a function of some of its parameters.

    Parameters
    ----------
    run : Fit, Minimum or estimator
        A run that kept its parameters.
    X, y : array-like
        The data of a model.
    fun : callable or None
        The function of a `Minimum`.
    sample_weight : array-like or None
        Weights of the rows.
    parameters : object
        The caller's choice of parameters; None for the first ones.
    n : int
        How many there have to be.

    Returns
    -------
    Landscape
        The loss, and the path.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, or the run kept no parameters.
    """
    result, path = result_of(run), path_of(run)
    if isinstance(result, Fit) and result.coef.ndim > 1:
        raise ValueError(
            f"run has {len(result.coef)} outputs, whose losses are added up; a picture "
            "of the loss needs a model of one output"
        )
    chosen = _choose(path, parameters, n)
    others = np.delete(np.arange(len(path.labels)), chosen)
    finite = np.isfinite(path.params).all(axis=1) & np.isfinite(path.loss)
    last = path.params[finite.nonzero()[0][-1] if finite.any() else 0]
    height: Height
    if isinstance(result, Fit):
        if X is None or y is None:
            raise TypeError("the loss of a model needs the data, X and y")
        if fun is not None:
            raise TypeError("fun is for a Minimum; the loss of a model needs X and y")
        height = _of_model(result, X, numbered(run, y), sample_weight, last, chosen)
    else:
        if X is not None or y is not None or sample_weight is not None:
            raise TypeError("X, y and sample_weight are for models; a Minimum has none")
        if not callable(fun):
            raise TypeError(
                f"fun must be the function that run is a minimum of, got {fun!r}"
            )
        height = OfFunction(fun, last, chosen, np.ndim(result.x) == 0)
    return Landscape(
        height,
        loss_label(result),
        [path.labels[j] for j in chosen],
        path.params[:, chosen],
        path.loss,
        _held(path, others, last),
        result.learning_rate,
    )


class OfFunction:
    """A function of the caller's, in some of its variables.

    Parameters
    ----------
    fun : callable
        The function.
    at : ndarray of float64, shape (n_variables,)
        Where the other variables are held.
    chosen : list of int
        Which variables vary.
    scalar : bool
        Whether the function takes a number.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        at: Doubles,
        chosen: list[int],
        scalar: bool,
    ) -> None:
        self._fun = fun
        self._at = at
        self._chosen = chosen
        self._scalar = scalar
        self._differences = Called(fun, None, (), len(at), scalar, None)

    def values(self, points: Doubles) -> Doubles:
        """Return its values at points of shape (n_points, n)."""
        with quiet():
            return np.array([self._value(self._full(point)) for point in points])

    def gradient(self, point: Doubles) -> Doubles:
        """Return its gradient at a point, by central differences."""
        with quiet():
            gradient = self._differences.gradient(self._full(point)).gradient
        chosen: Doubles = gradient[self._chosen]
        return chosen

    def minimum(self) -> Doubles | None:
        """Return None: it has to be looked for."""
        return None

    def _full(self, point: Doubles) -> Doubles:
        """Return all variables."""
        full = self._at.copy()
        full[self._chosen] = point
        return full

    def _value(self, full: Doubles) -> float:
        return as_number(self._fun(full[0] if self._scalar else full))


class OfModel:
    """The mean loss and the penalty of a model, in some of its parameters.

    Parameters
    ----------
    loss : Loss
        The loss.
    columns : ndarray of float64, shape (n_samples, n)
        What each parameter is multiplied with.
    rest : ndarray of float64, shape (n_samples,)
        What all other parameters add to the predictions.
    y : ndarray of float32 or float64, shape (n_samples,)
        Targets.
    weight : ndarray of float64, shape (n_samples,), or None
        Weights of the rows.
    at : ndarray of float64, shape (n,)
        The parameters of the model.
    l1, l2 : ndarray of float64, shape (n,)
        Factors of the penalty of each parameter.
    constant : float
        The penalty of all others.

    Notes
    -----
    A squared error is a quadratic function: its minimum is solved for once, at
    n_samples operations, and every value follows from the distance to that, which loses
    no digits. Of any other loss each value is a sum over the rows, of 50,000 at most
    that are drawn at random, the same ones every time.
    """

    def __init__(
        self,
        loss: Loss,
        columns: Doubles,
        rest: Doubles,
        y: Any,
        weight: Doubles | None,
        at: Doubles,
        l1: Doubles,
        l2: Doubles,
        constant: float,
    ) -> None:
        self._l1, self._l2, self._constant = l1, l2, constant
        self._sums: Summation | None = None
        if loss.quadratic:
            shares = np.ones(len(y)) if weight is None else weight
            shares = shares / shares.sum()
            with quiet():
                loss_there = shares @ (rest + columns @ at - y) ** 2
            if not loss_there <= LOST * (shares @ (rest - y) ** 2):
                at = np.zeros_like(at)
            roots = np.sqrt(shares)[:, None]
            sizes = np.sqrt((shares[:, None] * columns**2).sum(axis=0))
            sizes[sizes == 0] = 1.0
            residual = rest + columns @ at - y
            # The shortest way from the model to a minimum, if there are many of them.
            way = np.linalg.lstsq(
                roots * columns / sizes, -roots[:, 0] * residual, rcond=None
            )[0]
            self._lowest: Doubles = at + way / sizes
            factor = loss.max_curvature / 2
            left = residual + columns @ (self._lowest - at)
            self._foot = factor * float(shares @ left**2)
            self._curvature = 2 * factor * (columns.T @ (shares[:, None] * columns))
            return
        if len(y) > MOST_ROWS:
            rows = np.random.default_rng(0).choice(len(y), MOST_ROWS, replace=False)
            columns, rest, y = columns[rows], rest[rows], y[rows]
            weight = None if weight is None else weight[rows]
        # The rest is a feature too, whose coefficient is 1.
        X = np.column_stack([columns, rest])
        self._sums = Summation(loss, Examples(X, y.astype(float), weight), Team(1))

    def values(self, points: Doubles) -> Doubles:
        """Return the loss at points of shape (n_points, n)."""
        penalty = np.abs(points) @ self._l1 + points**2 @ self._l2 / 2 + self._constant
        if self._sums is None:
            away = points - self._lowest
            bowl = ((away @ self._curvature) * away).sum(axis=1) / 2
            total: Doubles = self._foot + bowl + penalty
            return total
        means = []
        for point in points:
            totals = self._sums.gradient(np.r_[point, 1.0])
            means.append(totals.loss_sum / totals.weight_sum)
        return np.array(means) + penalty

    def gradient(self, point: Doubles) -> Doubles:
        """Return the gradient at a point."""
        penalty = self._l1 * np.sign(point) + self._l2 * point
        if self._sums is None:
            slope: Doubles = self._curvature @ (point - self._lowest) + penalty
            return slope
        totals = self._sums.gradient(np.r_[point, 1.0])
        mean: Doubles = totals.gradient[: len(point)] / totals.weight_sum + penalty
        return mean

    def minimum(self) -> Doubles | None:
        """Return where it is lowest, if that is solved for."""
        if self._sums is not None or self._l1.any() or self._l2.any():
            return None
        return self._lowest


def _of_model(
    fit: Fit, X: Any, y: Any, sample_weight: Any, last: Doubles, chosen: list[int]
) -> OfModel:
    """Return the loss of a model, by some of its parameters."""
    fit.predict(X)  # which knows what X has to be
    matrix, _ = check_X(X)
    loss = LOSSES[fit.loss_name](**fit.loss_params)
    targets = check_targets(loss, y, len(matrix)).values
    raise_nonfinite(y=targets)
    weight = check_sample_weight(sample_weight, len(matrix))
    n_features = len(fit.coef)
    coef = last[:n_features].copy()
    parts = []
    rest = np.zeros(len(matrix))
    if len(last) > n_features and n_features not in chosen:
        rest += last[n_features]
    for j in chosen:
        if j == n_features:
            parts.append(np.ones(len(matrix)))
        else:
            parts.append(column(matrix, j))
            coef[j] = 0.0
    if coef.any():
        rest += matrix.dot(coef)
    scale = np.ones(n_features)
    if fit.standardized and fit.penalty:  # it is of the columns trained on
        with Team(None) as team:
            examples = Examples(matrix, targets, weight)
            examples = standardized(examples, len(last) > n_features, team)
        assert examples.columns is not None
        scale = 1 / examples.columns[1]
    l1 = np.append(fit.penalty.get("l1", 0.0) * scale, 0.0)
    l2 = np.append(fit.penalty.get("l2", 0.0) * scale**2, 0.0)
    constant = np.abs(coef) @ l1[:-1] + coef**2 @ l2[:-1] / 2
    return OfModel(
        *(loss, np.column_stack(parts), rest, targets, weight, last[chosen]),
        *(l1[chosen], l2[chosen], float(constant)),
    )


def _choose(path: Path, parameters: Any, n: int) -> list[int]:
    """Return the numbers of the parameters that the caller chose."""
    count = len(path.labels)
    if parameters is None:
        if count < n:
            raise ValueError(f"run has {count} parameter, the picture needs {n}")
        return list(range(n))
    name = "parameter" if n == 1 else "parameters"
    given: Sequence[Any] = [parameters] if n == 1 else parameters
    if (
        isinstance(given, str)
        or not isinstance(given, (tuple, list))
        or len(given) != n
    ):
        raise ValueError(f"{name} must be {n} parameters, got {parameters!r}")
    chosen = []
    for one in given:
        if isinstance(one, (int, np.integer)) and 0 <= one < count:
            chosen.append(int(one))
            continue
        titles = [label.removeprefix("coefficient of ") for label in path.labels]
        if not isinstance(one, str) or one not in titles:
            known = ", ".join(map(repr, titles))
            raise ValueError(
                f"{name} must be numbers below {count} or of {known}; got {one!r}"
            )
        chosen.append(titles.index(one))
    if len({*chosen}) < n:
        raise ValueError(f"{name} must differ, got {parameters!r}")
    return chosen


def _held(path: Path, others: Any, last: Doubles) -> str:
    """Return in words where the other parameters are held."""
    if not len(others):
        return ""
    if len(others) == 1:
        return f"{path.labels[others[0]]} = {last[others[0]]:.4g}"
    return f"the other {len(others)} parameters as at the end"


def _check_limits(limits: Any, n: int) -> View:
    """Return the view that a caller asked for."""
    try:
        pairs = np.asarray(limits, dtype=float).reshape(-1, 2)
    except (TypeError, ValueError):
        pairs = np.empty((0, 2))
    if len(pairs) != n or np.shape(limits) not in {(2,), (n, 2)}:
        form = "(low, high)" if n == 1 else "((low, high), (low, high))"
        raise ValueError(f"limits must be {form}, got {limits!r}")
    low, high = pairs.T
    if not (np.isfinite(pairs).all() and (low < high).all()):
        raise ValueError(f"limits must be finite and rise, got {limits!r}")
    return View(low, high)


def _finite(values: Doubles) -> Doubles:
    """Return values with NaN in the place of infinities."""
    return np.where(np.isfinite(values), values, np.nan)


@contextmanager
def quiet() -> Iterator[None]:
    """Let values overflow without a word: a picture leaves them out."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        yield
