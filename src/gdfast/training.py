"""Train a linear model; and the loss and its gradient, for those who start there."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gdfast._typing import Doubles
from gdfast._validation import (
    check_bool,
    check_class_weight,
    check_coef,
    check_int,
    check_number,
    check_sample_weight,
    check_X,
    check_y,
    raise_nonfinite,
)
from gdfast.curvature import largest_eigenvalue, needs_moments, operations
from gdfast.descent import Descent, RowCallback, descend
from gdfast.diagnosis import explain
from gdfast.drivers import Driver, Moments, choose
from gdfast.fit import DivergenceError, Fit, settle
from gdfast.history import History
from gdfast.losses import Loss, check_loss
from gdfast.progress import progress_bar
from gdfast.scaling import column_scales
from gdfast.stopping import ConvergenceWarning, Monitor, Reason, Tolerances
from gdfast.sums import Examples, GradientSum, Summation
from gdfast.threads import Team

# The largest stable learning rate is reported when finding it costs at most this many
# operations (some tens of microseconds), or a tenth of the run's.
FREE_OPERATIONS = 1e5
# The largest stable rate and why a run ended take longer to find than a small run.
# When X and the way of the parameters are at most this many values, a fit keeps a copy
# of the data and finds them when it is asked.
KEPT_VALUES = 4096


class Iteration(NamedTuple):
    """What a callback is told before every update, and at the end.

    Parameters
    ----------
    iteration : int
        Its number, from 1.
    loss : float
        Mean loss.
    coef : ndarray of float64, shape (n_features,)
        Coefficients, in the caller's units.
    intercept : float
        Constant term.
    """

    iteration: int
    loss: float
    coef: Doubles
    intercept: float


class Units(NamedTuple):
    """Turns the caller's coefficients into those of the columns trained on, and back.

    Parameters
    ----------
    columns : ndarray of float64, shape (2, n_features), or None
        Centres and factors of the columns trained on.
    n_features : int
        Number of columns.
    fit_intercept : bool
        Whether parameters end with the intercept.
    """

    columns: Doubles | None
    n_features: int
    fit_intercept: bool

    def params(self, coef: Doubles, intercept: float) -> Doubles:
        """Return the parameters of a model.

        Parameters
        ----------
        coef : ndarray of float64, shape (n_features,)
            The caller's coefficients.
        intercept : float
            The caller's intercept.

        Returns
        -------
        ndarray of float64, shape (n_params,)
            Parameters to train.
        """
        if self.columns is not None:
            center, factor = self.columns
            intercept = intercept + float(center @ coef)
            coef = coef / factor
        params = np.empty(self.n_features + self.fit_intercept)
        params[: self.n_features] = coef
        params[self.n_features :] = intercept
        return params

    def model(self, params: Doubles) -> tuple[Doubles, Doubles]:
        """Return the coefficients and intercepts of one or more parameter vectors.

        Parameters
        ----------
        params : ndarray of float64, shape (..., n_params)
            Trained parameters.

        Returns
        -------
        coef : ndarray of float64, shape (..., n_features)
            The caller's coefficients, a copy.
        intercept : ndarray of float64, shape (...)
            The caller's intercepts, 0 if none is fitted.
        """
        coef = params[..., : self.n_features].copy()
        if self.fit_intercept:
            intercept = params[..., self.n_features].copy()
        else:
            intercept = np.zeros(params.shape[:-1])
        if self.columns is not None:
            center, factor = self.columns
            with np.errstate(over="ignore", invalid="ignore"):  # of a diverged run
                coef *= factor
                if self.fit_intercept:
                    intercept = intercept - coef @ center
        return coef, intercept


def train(
    X: ArrayLike,
    y: ArrayLike,
    *,
    loss: str = "squared_error",
    learning_rate: float | str = "auto",
    max_iter: int = 1000,
    gtol: float | None = None,
    xtol: float | None = None,
    ftol: float | None = None,
    fit_intercept: bool = True,
    coef_init: ArrayLike | None = None,
    intercept_init: float | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: Mapping[int, float] | str | None = None,
    standardize: bool = False,
    history: str | bool = "loss",
    callback: Callable[[Iteration], Any] | None = None,
    n_threads: int | None = None,
    verbose: bool = False,
) -> Fit:
    """Train a linear model by full-batch gradient descent.

    Minimises the mean loss of ``z = X @ coef + intercept``, the mean weighted by
    `sample_weight`; every iteration sums the gradients of all examples and subtracts
    `learning_rate` times their mean from the parameters.

    Parameters
    ----------
    X : array-like, CSR matrix or data frame, of shape (n_samples, n_features)
        Features; one dimension is one feature. float32 and float64 arrays and memory
        maps with contiguous rows are read in place, and so are SciPy's CSR matrices;
        everything else is copied once, and other sparse matrices become CSR. Data
        frames give their column names to the fit.
    y : array-like, shape (n_samples,)
        Targets; from 0 to 1 for "log_loss".
    loss : {"squared_error", "half_squared_error", "log_loss"}
        Loss of one example: ``(z - y)^2``, half of it, or, for targets from 0 to 1 that
        are labels or probabilities, ``log(1 + exp(z)) - y z``.
    learning_rate : float or "auto"
        Factor of the gradient, above 0. "auto" takes half of the largest stable one, 1
        over the largest curvature of the loss on these data, at which the loss cannot
        grow.
    max_iter : int
        Largest number of updates, at least 1.
    gtol : float or None
        Stop when no component of the gradient is as large as this. The three
        tolerances are independent; None or 0 turns a rule off.
    xtol : float or None
        Stop when an update changes no parameter by as much as this.
    ftol : float or None
        Stop when an update changes the loss by less than this fraction of it, or not
        at all.
    fit_intercept : bool
        Whether to fit a constant term.
    coef_init : array-like, shape (n_features,), or None
        Coefficients to start from; None for zeros.
    intercept_init : float or None
        Intercept to start from; None for 0.
    sample_weight : array-like, shape (n_samples,), or None
        Non-negative weights, not all zero. A weight of 2 counts as the row twice.
    class_weight : dict of class to number, "balanced" or None
        Factors of the weights of rows with y = 0 and with y = 1, for "log_loss" alone
        and labels that are 0 or 1; a class that a dict has not keeps its weights.
        "balanced" gives both classes half of the sum of all weights.
    standardize : bool
        Train on columns brought to mean 0 and standard deviation 1 (without intercept:
        to root mean square 1), as they are read and without a copy. Coefficients and
        history are in the units of `X`; `learning_rate`, `gtol` and `xtol` are those
        of the standardised columns.
    history : {"loss", "full", False}
        What to keep of every iteration: the loss, the parameters too, or nothing.
    callback : callable or None
        Called as ``callback(iteration)`` before every update and at the end with a
        named tuple (iteration, loss, coef, intercept): the row of the history. It may
        raise `StopIteration` to end the run there.
    n_threads : int or None
        Largest number of threads, at least 1; None for as many as there are cores. Any
        number gives the same bits. Threads are started only for data of more than a
        million values, and none outlives the call.
    verbose : bool
        Show a progress bar on stderr from the first second on; needs tqdm.

    Returns
    -------
    Fit
        The model and how it was found.

    Raises
    ------
    DivergenceError
        If the loss grows: at once when it is not finite, else after ten rises in a
        row, or when it ends above where it began. Its attribute `fit` holds the run.
    ValueError
        If an argument has a wrong value or shape, or X or y has values that are
        missing, infinite, or too large to be squared.
    TypeError
        If an argument has a wrong type.
    ImportError
        If `verbose` and tqdm is not installed.

    Warns
    -----
    ConvergenceWarning
        If a tolerance is given and `max_iter` ends the run before it is reached.

    Notes
    -----
    An iteration costs 4 n_samples n_features operations and one reading of `X`; the
    first row of the history is seen before any update and the last after all, so a run
    reads `X` once more than it iterates. On the moments of the data (``fit.method``),
    which squared errors allow, it costs 2 n_features^2 operations and no reading. These
    are added up by one reading at n_samples n_features^2 operations; another is made
    when loss and gradient are taken anew, as the fit becomes nearly perfect. Both agree
    to 1e-9, and the one that is estimated to be faster is taken before the first step.

    Further readings: three for `standardize`, and one for a start that is not zero,
    though none on moments. For the largest stable learning rate there are none where
    moments are known, else one at n_samples n_features^2 operations, or 40 if X has
    more than 512 rows and columns; they are made for "auto", and after a run that
    diverged, that could not lower the loss further, or beside which they cost little. A
    run ended by a rule may make up to about 50 ms of steps twice. `X` is not read to be
    checked: a missing or infinite value shows in the sums, and is looked for then.

    Sums are in float64 whatever the type of `X`. Besides what is returned and copies of
    data that cannot be read in place, a run needs a few MB (up to 30 with `standardize`
    or on moments of hundreds of columns), or a few hundredths of `X` if that is more.

    Threads sum chunks of rows, which are merged in order. Ctrl-C is answered within
    about 50 ms. The same call on the same machine gives the same bits.

    References
    ----------
    S. Ruder, "An overview of gradient descent optimization algorithms",
    arXiv:1609.04747, section 2.1, equation 1 (batch gradient descent).
    Y. Nesterov, "Lectures on Convex Optimization", 2nd ed., 2018, theorem 2.1.14 (the
    step 1/L).

    Examples
    --------
    >>> import gdfast
    >>> pizza = gdfast.example_data("pizza")
    >>> fit = gdfast.train(
    ...     pizza["Reservations"], pizza["Pizzas"], learning_rate=0.001,
    ...     max_iter=20_000,
    ... )
    >>> print(fit.coef, round(fit.intercept, 8))
    [1.08113017] 13.17226766
    >>> print(fit.predict(20).round(2))
    34.79
    """
    chosen = check_loss(loss)
    examples, feature_names = _examples(chosen, X, y, sample_weight)
    if class_weight is not None and not chosen.probability:
        raise ValueError(f"class_weight has no use for the loss {chosen.name!r}")
    weight = check_class_weight(class_weight, examples.y, examples.sample_weight)
    examples = examples._replace(sample_weight=weight)
    rate = _check_rate(learning_rate)
    max_iter = check_int(max_iter, "max_iter", low=1)
    tolerances = Tolerances(
        _check_tolerance(gtol, "gtol"),
        _check_tolerance(xtol, "xtol"),
        _check_tolerance(ftol, "ftol"),
    )
    fit_intercept = check_bool(fit_intercept, "fit_intercept")
    _check_history(history)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {callback!r}")
    bar = progress_bar(max_iter) if check_bool(verbose, "verbose") else nullcontext()
    if n_threads is not None:
        n_threads = check_int(n_threads, "n_threads", low=1)
    standardize = check_bool(standardize, "standardize")

    max_stable = None
    with Team(n_threads) as team:
        if standardize:
            examples = _standardized(examples, fit_intercept, team)
        units = Units(examples.columns, examples.X.shape[1], fit_intercept)
        start = _start(units, coef_init, intercept_init)
        summation = Summation(chosen.kind, examples, team)
        moments_needed = rate is None and needs_moments(len(examples.X), len(start))
        driver = choose(chosen, summation, start, max_iter, moments_needed)
        if rate is None:
            max_stable = _max_stable_rate(chosen, summation, driver, len(start))
            rate = _safe_rate(max_stable, examples)
        zero = None
        if np.count_nonzero(start):
            trace, _ = driver.take_steps(np.zeros_like(start), 0.0, 0, False, end=True)
            zero = trace[0]
        monitor = Monitor(tolerances, zero)
        with bar as progress:
            descent = descend(
                driver,
                start,
                rate,
                max_iter,
                monitor,
                keep_path=history == "full",
                on_row=None if callback is None else _row_callback(callback, units),
                progress=progress,
            )
    if not math.isfinite(descent.losses[0]):
        raise_nonfinite(X=examples.X, y=examples.y)
        culprits = "coef_init, intercept_init, X or y" if start.any() else "X or y"
        raise ValueError(f"{culprits} has values too large to be squared")
    n_values = max(examples.X.size, len(examples.X))  # sparse rows may hold none
    small = n_values + descent.n_iter * len(start) <= KEPT_VALUES
    judged = _copy(examples) if small else examples
    diverged = descent.reason is Reason.DIVERGED
    if max_stable is None and isinstance(driver, Moments):
        max_stable = _max_stable_rate(chosen, summation, driver, len(start))
    to_find = max_stable is None and (
        diverged
        or descent.stalled
        or _costs_little(examples, len(start), descent.n_iter)
    )
    coef, intercept = units.model(descent.params)
    fit = Fit(
        coef=coef,
        intercept=float(intercept),
        loss=float(descent.losses[-1]),
        n_iter=descent.n_iter,
        converged=descent.reason.converged,
        stop_reason=partial(explain, descent, monitor, judged),
        learning_rate=rate,
        max_stable_learning_rate=(
            partial(_find_max_stable_rate, chosen, judged, len(start), n_threads)
            if to_find
            else max_stable
        ),
        history=_history(descent, units, feature_names) if history else None,
        feature_names=feature_names,
        loss_name=chosen.name,
        standardized=examples.columns is not None,
        method=driver.method,
    )
    if not small:
        settle(fit)  # which lets the data go
    if diverged:
        raise DivergenceError(fit.stop_reason, fit)
    if descent.reason is Reason.MAX_ITER and any(tolerances):
        warnings.warn(fit.stop_reason, ConvergenceWarning, stacklevel=2)
    return fit


def loss(
    X: ArrayLike,
    y: ArrayLike,
    coef: ArrayLike,
    intercept: float = 0.0,
    *,
    loss: str = "squared_error",
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the mean loss of a linear model on some examples.

    Parameters
    ----------
    X : array-like, CSR matrix or data frame, of shape (n_samples, n_features)
        Features; one dimension is one feature.
    y : array-like, shape (n_samples,)
        Targets.
    coef : array-like, shape (n_features,), or a number if there is one feature
        Coefficients.
    intercept : float
        Constant term.
    loss : str
        Name of the loss, see `train`.
    sample_weight : array-like, shape (n_samples,), or None
        Non-negative weights, not all zero.

    Returns
    -------
    float
        (sum of weight times loss) / (sum of weights). It is inf when squares overflow.

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type, value or shape, or X or y has values that are
        missing or infinite.

    Notes
    -----
    4 n_samples n_features operations, one reading of `X`.

    Examples
    --------
    >>> import gdfast
    >>> pizza = gdfast.example_data("pizza")
    >>> gdfast.loss(pizza["Reservations"], pizza["Pizzas"], 1.5)
    94.96666666666667
    """
    totals = _totals(X, y, coef, intercept, loss, sample_weight)
    return totals.loss_sum / totals.weight_sum


def gradient(
    X: ArrayLike,
    y: ArrayLike,
    coef: ArrayLike,
    intercept: float = 0.0,
    *,
    loss: str = "squared_error",
    sample_weight: ArrayLike | None = None,
) -> tuple[Doubles, float]:
    """Return the gradient of the mean loss of a linear model.

    Parameters
    ----------
    X : array-like, CSR matrix or data frame, of shape (n_samples, n_features)
        Features; one dimension is one feature.
    y : array-like, shape (n_samples,)
        Targets.
    coef : array-like, shape (n_features,), or a number if there is one feature
        Where the gradient is taken: coefficients.
    intercept : float
        Where the gradient is taken: constant term.
    loss : str
        Name of the loss, see `train`.
    sample_weight : array-like, shape (n_samples,), or None
        Non-negative weights, not all zero.

    Returns
    -------
    coef_gradient : ndarray of float64, shape (n_features,)
        Derivatives by the coefficients; a number if `coef` is one.
    intercept_gradient : float
        Derivative by the intercept.

    Raises
    ------
    TypeError, ValueError
        As `gdfast.loss`.

    Notes
    -----
    4 n_samples n_features operations, one reading of `X`.

    Examples
    --------
    >>> import gdfast
    >>> mpg = gdfast.example_data("mpg")
    >>> coef, intercept = gdfast.gradient(mpg["pounds_1000"], mpg["mpg"], 0.0, 0.0)
    >>> print(coef, intercept)
    -119.71714285714286 -34.285714285714285
    """
    totals = _totals(X, y, coef, intercept, loss, sample_weight)
    mean = totals.gradient / totals.weight_sum
    return mean[:-1].reshape(np.shape(coef))[()], float(mean[-1])


def _examples(
    loss: Loss, X: object, y: object, sample_weight: object
) -> tuple[Examples, tuple[str, ...] | None]:
    """Return checked data, and the names of its columns if known."""
    features, feature_names = check_X(X)
    targets = check_y(y, len(features))
    if loss.probability and not (targets.min() >= 0 and targets.max() <= 1):
        raise_nonfinite(y=targets)
        raise ValueError(f"y must be from 0 to 1 for the loss {loss.name!r}")
    weight = check_sample_weight(sample_weight, len(features))
    return Examples(features, targets, weight), feature_names


def _copy(examples: Examples) -> Examples:
    """Return examples that nobody else can change."""
    X, y, weight, columns = examples
    weight = None if weight is None else weight.copy()
    return Examples(X.copy(), y.copy(), weight, columns)


def _check_rate(learning_rate: object) -> float | None:
    """Return the learning rate as a number, None for "auto"."""
    if isinstance(learning_rate, str) and learning_rate == "auto":
        return None
    return check_number(
        learning_rate, "learning_rate", low=0, open_low=True, note=' or "auto"'
    )


def _check_tolerance(value: object, name: str) -> float:
    """Return a tolerance, 0 for None."""
    return 0.0 if value is None else check_number(value, name, low=0, note=" or None")


def _check_history(history: object) -> None:
    if isinstance(history, str) and history in ("loss", "full"):
        return
    if history is not False:
        raise ValueError(f'history must be "loss", "full" or False, got {history!r}')


def _start(units: Units, coef_init: object, intercept_init: object) -> Doubles:
    """Return the parameters to start from."""
    coef = np.zeros(units.n_features)
    intercept = 0.0
    if coef_init is not None:
        coef = check_coef(coef_init, units.n_features, "coef_init")
    if intercept_init is not None:
        if not units.fit_intercept:
            raise ValueError("intercept_init has no use with fit_intercept=False")
        intercept = check_number(intercept_init, "intercept_init")
    return units.params(coef, intercept)


def _standardized(examples: Examples, fit_intercept: bool, team: Team) -> Examples:
    """Return the examples with standardised columns."""
    columns = column_scales(examples, fit_intercept, team)
    if not np.isfinite(columns).all() or not columns[1].all():
        raise_nonfinite(X=examples.X)
        raise ValueError(
            "X has values too large or too small to be squared; scale its columns"
        )
    return examples._replace(columns=columns)


def _max_stable_rate(
    loss: Loss, summation: Summation, driver: Driver | None, n_params: int
) -> float:
    """Return 2 / the largest curvature; inf for flat, NaN for overflow."""
    moment = driver.second_moment() if isinstance(driver, Moments) else None
    curvature = loss.max_curvature * largest_eigenvalue(summation, n_params, moment)
    return 2 / curvature if curvature else math.inf


def _find_max_stable_rate(
    loss: Loss, examples: Examples, n_params: int, n_threads: int | None, fit: Fit
) -> float:
    """Return the same after the run, for a field of its fit."""
    with Team(n_threads) as team:
        summation = Summation(loss.kind, examples, team)
        return _max_stable_rate(loss, summation, None, n_params)


def _safe_rate(max_stable: float, examples: Examples) -> float:
    """Return the learning rate that "auto" stands for."""
    if math.isnan(max_stable):
        raise_nonfinite(X=examples.X)
        raise ValueError("X has values too large to be squared; scale its columns")
    if max_stable == math.inf:
        if examples.X.any():
            raise ValueError("X has values too small to be squared; scale its columns")
        return 1.0
    return max_stable / 2


def _costs_little(examples: Examples, n_params: int, n_iter: int) -> bool:
    """Whether finding the largest stable rate is cheap beside the run."""
    n_samples = len(examples.X)
    run = 4 * (examples.X.size + n_samples * (n_params - examples.X.shape[1])) * n_iter
    return operations(examples, n_params) <= max(FREE_OPERATIONS, float(run) / 10)


def _row_callback(callback: Callable[[Iteration], Any], units: Units) -> RowCallback:
    """Return a callback in the caller's units for the loop."""

    def on_row(iteration: int, loss: float, params: Doubles) -> bool:
        coef, intercept = units.model(params)
        try:
            callback(Iteration(iteration, loss, coef, float(intercept)))
        except StopIteration:
            return True
        return False

    return on_row


def _history(
    descent: Descent, units: Units, feature_names: tuple[str, ...] | None
) -> History:
    """Return the rows of a run in the caller's units."""
    if descent.path is None:
        return History.from_rows(descent.losses)
    coef, intercept = units.model(descent.path)
    return History.from_rows(
        descent.losses,
        coef,
        intercept if units.fit_intercept else None,
        feature_names,
    )


def _totals(
    X: object,
    y: object,
    coef: object,
    intercept: object,
    loss: object,
    sample_weight: object,
) -> GradientSum:
    """Return the sums at a given model."""
    chosen = check_loss(loss)
    examples, _ = _examples(chosen, X, y, sample_weight)
    n_features = examples.X.shape[1]
    params = Units(None, n_features, fit_intercept=True).params(
        check_coef(coef, n_features), check_number(intercept, "intercept")
    )
    with Team(None) as team:
        totals = Summation(chosen.kind, examples, team).gradient(params)
    if not math.isfinite(totals.loss_sum):
        raise_nonfinite(X=examples.X, y=examples.y)
    return totals
