"""Train a linear model; and the loss and its gradient, for those who start there."""

from __future__ import annotations

import math
import time
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
from gdfast.backtracking import Backtracking
from gdfast.batches import Batches, check_batches, largest_curvature
from gdfast.csr import CSR
from gdfast.curvature import largest_eigenvalue, needs_moments, operations
from gdfast.descent import Descent, Driver, RowCallback, descend
from gdfast.diagnosis import explain
from gdfast.drivers import Moments, Updater, choose
from gdfast.fit import DivergenceError, Fit, State, settle
from gdfast.history import History
from gdfast.losses import Loss, check_loss
from gdfast.optimizers import Optimizer, check_optimizer
from gdfast.penalties import Penalty, check_bounds, check_penalty
from gdfast.progress import progress_bar
from gdfast.scaling import column_scales
from gdfast.schedules import Constant, Schedule, check_schedule
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
RATE_WORDS = ("auto", "backtracking")
RATE_NOTE = ', a schedule, a function of the step, "backtracking" or "auto"'
BACKTRACKING = ("gd", "accelerated")  # which a step may be tried of


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
    bounds : ndarray of float64, shape (2, n_features), or None
        The caller's bounds of the coefficients.
    """

    columns: Doubles | None
    n_features: int
    fit_intercept: bool
    bounds: Doubles | None = None

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

    @property
    def trained_bounds(self) -> Doubles | None:
        """Bounds of the columns trained on."""
        if self.bounds is None or self.columns is None:
            return self.bounds
        bounds: Doubles = self.bounds / self.columns[1]
        return bounds

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
                if self.bounds is not None:  # which rounding may have left
                    coef = coef.clip(*self.bounds)
                if self.fit_intercept:
                    intercept = intercept - coef @ center
        return coef, intercept


def train(
    X: ArrayLike,
    y: ArrayLike,
    *,
    loss: str | Loss = "squared_error",
    penalty: str | None = None,
    alpha: float = 0.0001,
    l1_ratio: float = 0.15,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    optimizer: str | Optimizer = "gd",
    learning_rate: float | str | Callable[[int], float] = "auto",
    batch_size: int | None = None,
    shuffle: bool = True,
    random_state: int | np.random.Generator | None = None,
    average: bool | int = False,
    max_iter: int = 1000,
    max_seconds: float | None = None,
    gtol: float | None = None,
    xtol: float | None = None,
    ftol: float | None = None,
    fit_intercept: bool = True,
    coef_init: ArrayLike | None = None,
    intercept_init: float | None = None,
    resume: Fit | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: Mapping[int, float] | str | None = None,
    standardize: bool = False,
    history: str | bool = "loss",
    callback: Callable[[Iteration], Any] | None = None,
    callback_every: int = 1,
    on_interrupt: str = "raise",
    n_threads: int | None = None,
    verbose: bool = False,
) -> Fit:
    """Train a linear model by gradient descent, full-batch or in mini-batches.

    Minimises the mean loss of ``z = X @ coef + intercept``, the mean weighted by
    `sample_weight`, and a penalty of the coefficients; every iteration sums the
    gradients of all examples and, if `optimizer` names no other rule, subtracts
    `learning_rate` times their mean from the parameters. With `batch_size` it does so
    for one batch of examples after the other.

    Parameters
    ----------
    X : array-like, CSR matrix or data frame, of shape (n_samples, n_features)
        Features; one dimension is one feature. float32 and float64 arrays and memory
        maps with contiguous rows are read in place, and so are SciPy's CSR matrices;
        everything else is copied once, and other sparse matrices become CSR. Data
        frames give their column names to the fit.
    y : array-like, shape (n_samples,)
        Targets. They are quantities, but for some losses: from 0 to 1 for "log_loss", 0
        or more for "poisson", labels 0 or 1 for the hinge losses, "modified_huber" and
        "perceptron".
    loss : str or `gdfast.losses.Loss`
        Loss of one example: a name from the table below, for its usual parameter, or
        an instance such as ``gdfast.losses.Huber(epsilon=1.35)``.
    penalty : {"l2", "l1", "elasticnet"} or None
        What is added to the mean loss, times `alpha`: half of the sum of coef^2; the
        sum of abs(coef), by proximal steps, so that coefficients become exactly 0; or
        `l1_ratio` times the latter and 1 - `l1_ratio` times the former. The intercept
        has none. With `standardize` it is the coefficients of those columns.
    alpha : float
        Factor of the penalty, not negative; without one it has no effect.
    l1_ratio : float
        Share of abs(coef) in "elasticnet", from 0 to 1.
    bounds : pair (low, high) or None
        Smallest and largest coefficients, numbers or one for each column, in the units
        of `X`; -inf and inf where there is none. The intercept has none.
    optimizer : str or Optimizer
        The update rule: "gd", "momentum", "nesterov", "accelerated", "adagrad",
        "adadelta", "rmsprop", "adam", "adamax", "nadam", or one made of a class of
        `gdfast.optimizers`, where they are described.
    learning_rate : float, str or callable
        Factor of the gradient, above 0; a schedule of `gdfast.schedules`; or a function
        of the number of the step, from 1, which may be called for steps that are not
        made. "auto" takes 1 over the largest curvature of the objective on these data,
        at which gradient descent cannot raise it; for rules that divide by the size of
        the gradients, the rate that their authors recommend. "backtracking" tries rates
        for every step until the objective falls as promised, with "gd" and
        "accelerated"; "auto" means it there for "poisson". Losses with a kink, marked
        in the table below, have no "auto" with the other rules.
        With `batch_size`, "auto" takes 1 over the largest curvature that a single
        example can have (see Notes), there is no "backtracking", and a schedule counts
        updates, not epochs.
    batch_size : int or None
        Rows of a mini-batch, from 1 to n_samples; None for all rows in every update.
        An iteration is then an epoch, which makes an update on every batch.
    shuffle : bool
        Whether every epoch takes the rows in an order of its own; else as they lie.
    random_state : int, Generator or None
        What the orders are drawn from: that of epoch k is the k-th
        ``np.random.default_rng(random_state).permutation(n_samples)`` of one generator.
        A Generator is used itself and goes on with the next epoch's; None is another
        number every time.
    average : bool or int
        With `batch_size`, whether the model is the mean of the parameters after every
        update, from the first on or, for a number of at least 1, from that one on; the
        last parameters if fewer were made.
    max_iter : int
        Largest number of updates, at least 1; of epochs with `batch_size`.
    max_seconds : float or None
        Make no more steps when the call has taken this long, above 0; there is at least
        one.
    gtol : float or None
        Stop when no component of the gradient is as large as this; at zeros with "l1"
        and at bounds, of what of it leads downhill. The three
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
    resume : Fit or None
        A fit to go on with from where it ended, its update rule's memory included: with
        the same data and options it makes the steps, to the bit, that a longer run by
        the same `method` would have made. `max_iter` counts further updates; the
        numbers of iterations and of steps go on. Takes the place of `coef_init` and
        `intercept_init`.
    sample_weight : array-like, shape (n_samples,), or None
        Non-negative weights, not all zero. A weight of 2 counts as the row twice.
    class_weight : dict of class to number, "balanced" or None
        Factors of the weights of rows with y = 0 and with y = 1, for losses of labels
        and targets that are 0 or 1; a class that a dict has not keeps its weights.
        "balanced" gives both classes half of the sum of all weights.
    standardize : bool
        Train on columns brought to mean 0 and standard deviation 1 (without intercept:
        to root mean square 1), as they are read and without a copy. Coefficients and
        history are in the units of `X`; `learning_rate`, `gtol` and `xtol` are those
        of the standardised columns.
    history : {"loss", "full", False}
        What to keep of every iteration: the loss, the parameters too, or nothing.
    callback : callable or None
        Called as ``callback(iteration)`` before the first update, after every
        `callback_every` ones and at the end with a named tuple (iteration, loss, coef,
        intercept): the row of the history. The run ends there if it returns True or
        raises `StopIteration`; the model of a rule that looks ahead is behind what it
        was shown.
    callback_every : int
        Updates from one call to the next, at least 1. They are made without a look back
        at Python, but for some 20 a second for the other rules.
    on_interrupt : {"raise", "return"}
        What comes of Ctrl-C while steps are made: `KeyboardInterrupt`, or the model of
        some 50 ms before.
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
        row, or when it ends above where it began. Where a stable run may rise, with a
        kink or another rule than "gd", only rises to ten times the loss of the start
        and of the zero model count. The attribute `fit` holds the run.
    ValueError
        If an argument has a wrong value or shape, or X or y has values that are
        missing, infinite, too large for the loss, or not what it is for.
    TypeError
        If an argument has a wrong type.
    ImportError
        If `verbose` and tqdm is not installed.

    Warns
    -----
    ConvergenceWarning
        If a tolerance is given and `max_iter` or `max_seconds` ends the run before it
        is reached.

    Notes
    -----
    With ``z = X @ coef + intercept`` and, for labels 0 and 1, ``s = 2 y - 1``:

    ============================= ============================== ============ =========
    name                          loss of one example            y            "auto"
    ============================= ============================== ============ =========
    "squared_error"               (z - y)^2                      any          yes
    "half_squared_error"          (z - y)^2 / 2                  any          yes
    "log_loss"                    log(1 + exp(z)) - y z          from 0 to 1  yes
    "huber"                       (z - y)^2 / 2, linear from     any          yes
                                  epsilon = 0.1 on
    "epsilon_insensitive"         max(0, abs(z - y) - epsilon),  any          no
                                  epsilon = 0.1
    "squared_epsilon_insensitive" the square of that             any          yes
    "quantile"                    q max(0, y - z) +              any          no
                                  (1 - q) max(0, z - y),
                                  q = 0.5
    "poisson"                     exp(z) - y z                   0 or more    see above
    "hinge"                       max(0, 1 - s z)                0 or 1       no
    "squared_hinge"               max(0, 1 - s z)^2              0 or 1       yes
    "modified_huber"              the same, linear below         0 or 1       yes
                                  s z = -1
    "perceptron"                  max(0, -s z)                   0 or 1       no
    ============================= ============================== ============ =========

    Names, parameters and slopes at kinks are those of scikit-learn, but for its
    "squared_error", which is "half_squared_error" here, and its labels -1 and 1.

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

    With `batch_size` an update takes the mean gradient of its batch, (sum of weight
    times gradient) / (sum of weights), plus that of the penalty. The last batch of an
    epoch, with the rows that are left, has a mean of its own rows and so an update as
    long as any other; divided by `batch_size`, it would count its data less than the
    penalty. A batch whose weights are all 0 makes no update. The history has of every
    epoch the mean of what its batches saw before their own updates, loss and penalty,
    each counted by its weights; the last row has the loss of the model on all rows.
    `xtol` compares the parameters before and after an epoch and `ftol` the losses of
    successive epochs; there is no `gtol`, as no epoch knows the gradient of all rows.
    "auto" is 1 / (c max abs([x, 1])^2 + l2), c being the largest second derivative of
    the loss and l2 that of the penalty: no batch curves more, so that no plain step
    raises the objective of its own batch. A divergence is a loss that is not finite, or
    one ten times as large as those of the start and of the zero model. With `average`
    the last row alone shows the mean. Two readings of `X` beside the epochs see the
    start and the end, a third finds "auto". A batch is summed by one thread. An
    order takes 8 bytes a row.

    Sums are in float64 whatever the type of `X`. Besides what is returned and copies of
    data that cannot be read in place, a run needs a few MB (up to 30 with `standardize`
    or on moments of hundreds of columns), or a few hundredths of `X` if that is more.

    Threads sum chunks of rows, which are merged in order. Ctrl-C is answered within
    about 50 ms. The same call on the same machine gives the same bits.

    References
    ----------
    S. Ruder, "An overview of gradient descent optimization algorithms",
    arXiv:1609.04747, section 2.1, equation 1 (batch gradient descent).
    N. Parikh, S. Boyd, "Proximal algorithms", Found. Trends Optim. 1(3), 2014, section
    4.2 (proximal gradient method), 6.5.2 (soft thresholding).
    L. Bottou, F. E. Curtis, J. Nocedal, "Optimization methods for large-scale machine
    learning", SIAM Review 60(2), 2018 (stochastic and mini-batch steps).
    B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by
    averaging", SIAM J. Control Optim. 30(4), 1992; D. Ruppert, "Efficient estimations
    from a slowly convergent Robbins-Monro process", Cornell University, ORIE report
    781, 1988 (`average`).
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
    deadline = math.inf
    if max_seconds is not None:
        deadline = time.perf_counter() + check_number(
            max_seconds, "max_seconds", low=0, open_low=True, note=" or None"
        )
    chosen = check_loss(loss)
    if resume is not None and not (coef_init is None and intercept_init is None):
        raise ValueError("resume takes the place of coef_init and intercept_init")
    examples, feature_names = _examples(chosen, X, y, sample_weight)
    if class_weight is not None:
        if not chosen.has_labels:
            raise ValueError(f"class_weight has no use for the loss {chosen.name!r}")
        weight = check_class_weight(class_weight, examples.y, examples.sample_weight)
        examples = examples._replace(sample_weight=weight)
    rule = check_optimizer(optimizer)
    penalised = check_penalty(penalty, alpha, l1_ratio)
    backtracks, schedule = _check_rate(learning_rate, rule, chosen)
    max_iter = check_int(max_iter, "max_iter", low=1)
    tolerances = Tolerances(
        _check_tolerance(gtol, "gtol"),
        _check_tolerance(xtol, "xtol"),
        _check_tolerance(ftol, "ftol"),
    )
    fit_intercept = check_bool(fit_intercept, "fit_intercept")
    _check_history(history)
    batches = check_batches(batch_size, shuffle, random_state, average, len(examples.X))
    if batches is not None:
        _check_batched(examples, chosen, rule, learning_rate, backtracks, tolerances)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {callback!r}")
    callback_every = check_int(callback_every, "callback_every", low=1)
    _check_interrupt(on_interrupt)
    bar = progress_bar(max_iter) if check_bool(verbose, "verbose") else nullcontext()
    if n_threads is not None:
        n_threads = check_int(n_threads, "n_threads", low=1)
    standardize = check_bool(standardize, "standardize")

    curvature = None
    with Team(n_threads) as team:
        if standardize:
            examples = _standardized(examples, fit_intercept, team)
        n_features = examples.X.shape[1]
        units = Units(examples.columns, n_features, fit_intercept)
        if bounds is not None:
            units = units._replace(bounds=check_bounds(bounds, n_features))
            penalised = penalised._replace(bounds=units.trained_bounds)
        start = _start(units, coef_init, intercept_init)
        before, done = None, 0
        if resume is not None:
            if batches is not None:
                raise ValueError(
                    "resume goes on with steps on all rows: drop batch_size"
                )
            before, done = _resumed(resume, units, rule, backtracks), resume.n_iter
            start = before.params.copy()
        summation = Summation(chosen, examples, team)
        n_params = len(start)
        updater = Updater(rule, penalised, n_features, n_params, schedule)
        if before:
            updater.state[:] = before.memory
        driver: Driver
        if batches is not None:
            driver = Batches(summation, updater, n_params, *batches)
            if schedule is None:
                bound = largest_curvature(chosen, penalised, examples)
                updater.schedule = Constant(_safe_rate(bound, examples))
        elif backtracks:
            carried = before.carried if before else None
            driver = Backtracking(summation, updater, n_features, penalised.l2, carried)
        else:
            to_find = schedule is None
            needed = to_find and needs_moments(len(examples.X), n_params)
            driver = choose(chosen, summation, updater, start, max_iter, needed, before)
            if to_find:
                curvature = _curvature(chosen, summation, penalised, driver, n_params)
                updater.schedule = Constant(_safe_rate(curvature, examples))
        zero = None
        if np.count_nonzero(start):  # which takes less time than start.any()
            origin = np.zeros_like(start)
            trace, _ = driver.take_steps(origin, range(0), False, end=True)
            zero = trace[0]
        falls = rule.name == "gd" and chosen.smooth and batches is None
        monitor = Monitor(tolerances, zero, falls, epochs=batches is not None)
        if batches is not None:  # the first epoch does not show it
            trace, _ = driver.take_steps(start.copy(), range(0), False, end=True)
            monitor.first = trace[0]
        with bar as progress:
            descent = descend(
                driver,
                start,
                max_iter,
                monitor,
                done=done,
                deadline=deadline,
                keep_path=history == "full",
                on_interrupt=team.end if on_interrupt == "return" else None,
                every=callback_every,
                on_row=None if callback is None else _row_callback(callback, units),
                progress=progress,
            )
    first_row = descent.losses if monitor.first is None else monitor.first
    if not math.isfinite(first_row[0]):
        raise_nonfinite(X=examples.X, y=examples.y)
        culprits = "coef_init, intercept_init, X or y" if start.any() else "X or y"
        raise ValueError(
            f"{culprits} has values too large for the loss {chosen.name!r}, which is "
            "not finite"
        )
    n_values = max(examples.X.size, len(examples.X))  # sparse rows may hold none
    small = n_values + descent.n_iter * len(start) <= KEPT_VALUES
    judged = _copy(examples) if small else examples
    diverged = descent.reason is Reason.DIVERGED
    if curvature is None and isinstance(driver, Moments):
        curvature = _curvature(chosen, summation, penalised, driver, len(start))
    stable: float | Callable[[Fit], float] | None = None
    adapts = backtracks or batches is not None or rule.stability is None
    if not adapts and chosen.max_curvature < math.inf:
        if curvature is not None:
            stable = _quotient(rule, curvature)
        elif (
            diverged
            or descent.stalled
            or _costs_little(examples, len(start), descent.n_iter)
        ):
            stable = partial(
                _find_stable_rate,
                rule,
                chosen,
                judged,
                penalised,
                len(start),
                n_threads,
            )
    coef, intercept = units.model(descent.params)
    fit = Fit(
        coef=coef,
        intercept=float(intercept),
        loss=float(descent.losses[-1]),
        n_iter=done + descent.n_iter,
        converged=descent.reason.converged,
        stop_reason=partial(explain, descent, monitor, judged, updater.schedule),
        learning_rate=_last_rate(driver, done + descent.n_iter),
        max_stable_learning_rate=stable,
        history=(
            partial(_history, descent, units, feature_names, done) if history else None
        ),
        feature_names=feature_names,
        loss_name=chosen.name,
        loss_params=chosen.params,
        penalty=penalised.factors,
        standardized=examples.columns is not None,
        method=driver.method,
        state=State(descent.params, rule, updater.state, driver.method, driver.carried),
    )
    if not small:
        settle(fit)  # which lets the data go
    if diverged:
        raise DivergenceError(fit.stop_reason, fit)
    if descent.reason in (Reason.MAX_ITER, Reason.MAX_SECONDS) and any(tolerances):
        warnings.warn(fit.stop_reason, ConvergenceWarning, stacklevel=2)
    return fit


def loss(
    X: ArrayLike,
    y: ArrayLike,
    coef: ArrayLike,
    intercept: float = 0.0,
    *,
    loss: str | Loss = "squared_error",
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
    loss : str or Loss
        The loss, see `train`.
    sample_weight : array-like, shape (n_samples,), or None
        Non-negative weights, not all zero.

    Returns
    -------
    float
        (sum of weight times loss) / (sum of weights). It is inf where that overflows.

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
    loss: str | Loss = "squared_error",
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
    loss : str or Loss
        The loss, see `train`.
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
    loss.check_targets(targets)
    weight = check_sample_weight(sample_weight, len(features))
    return Examples(features, targets, weight), feature_names


def _copy(examples: Examples) -> Examples:
    """Return examples that nobody else can change."""
    X, y, weight, columns = examples
    weight = None if weight is None else weight.copy()
    return Examples(X.copy(), y.copy(), weight, columns)


def _check_rate(
    learning_rate: object, rule: Optimizer, loss: Loss
) -> tuple[bool, Schedule | None]:
    """Return whether to backtrack, and the rates if nothing has to be found."""
    if isinstance(learning_rate, str) and learning_rate not in RATE_WORDS:
        raise ValueError(
            f"learning_rate must be a number{RATE_NOTE}; got {learning_rate!r}"
        )
    if not isinstance(learning_rate, str):
        return False, check_schedule(learning_rate, "learning_rate", RATE_NOTE)
    can_backtrack = loss.smooth and rule.name in BACKTRACKING
    if learning_rate == "backtracking":
        if can_backtrack:
            return True, None
        raise ValueError(
            'learning_rate="backtracking" is for losses without a kink and the '
            f"optimizers {' and '.join(map(repr, BACKTRACKING))}, not for "
            f"{loss.name!r} with {rule.name!r}"
        )
    if rule.published_rate is not None:
        return False, Constant(rule.published_rate)
    if loss.max_curvature < math.inf or can_backtrack:
        return loss.max_curvature == math.inf, None
    raise ValueError(
        f"learning_rate must be given for the loss {loss.name!r} with the optimizer "
        f'{rule.name!r}: "auto" comes from the largest curvature of the loss, which '
        "has none"
    )


def _check_batched(
    examples: Examples,
    loss: Loss,
    rule: Optimizer,
    learning_rate: object,
    backtracks: bool,
    tolerances: Tolerances,
) -> None:
    """Raise for what there is not with mini-batches."""
    if isinstance(examples.X, CSR):
        raise ValueError(
            "batch_size is for rows that are stored whole, not for sparse ones: pass "
            "X.toarray(), or batch_size=None"
        )
    if isinstance(learning_rate, str) and learning_rate == "backtracking":
        raise ValueError(
            'learning_rate="backtracking" is for all rows at once: pass a rate, or '
            "batch_size=None"
        )
    if backtracks:
        raise ValueError(
            f"learning_rate must be given with batch_size for the loss {loss.name!r} "
            f"with the optimizer {rule.name!r}: its curvature has no bound"
        )
    if tolerances.gtol:
        raise ValueError(
            "gtol must be None with batch_size, as an epoch does not find the gradient "
            "of all rows: pass xtol or ftol"
        )


def _last_rate(driver: Driver, n_iter: int) -> float:
    """Return the learning rate of the last step, or the one that was meant for it."""
    if isinstance(driver, Backtracking):
        return driver.origin.last_rate or driver.origin.rate
    n_steps = driver.n_steps if isinstance(driver, Batches) else n_iter
    return driver.updater.last_rate(n_steps)


def _check_tolerance(value: object, name: str) -> float:
    """Return a tolerance, 0 for None."""
    return 0.0 if value is None else check_number(value, name, low=0, note=" or None")


def _check_history(history: object) -> None:
    if isinstance(history, str) and history in ("loss", "full"):
        return
    if history is not False:
        raise ValueError(f'history must be "loss", "full" or False, got {history!r}')


def _check_interrupt(on_interrupt: object) -> None:
    if not isinstance(on_interrupt, str) or on_interrupt not in ("raise", "return"):
        raise ValueError(
            f'on_interrupt must be "raise" or "return", got {on_interrupt!r}'
        )


def _start(units: Units, coef_init: object, intercept_init: object) -> Doubles:
    """Return the parameters to start from."""
    if coef_init is None and intercept_init is None and units.bounds is None:
        return np.zeros(units.n_features + units.fit_intercept)
    coef = np.zeros(units.n_features)
    intercept = 0.0
    if coef_init is not None:
        coef = check_coef(coef_init, units.n_features, "coef_init")
    if intercept_init is not None:
        if not units.fit_intercept:
            raise ValueError("intercept_init has no use with fit_intercept=False")
        intercept = check_number(intercept_init, "intercept_init")
    if units.bounds is not None:
        inside = coef.clip(*units.bounds)
        if coef_init is not None and (coef != inside).any():
            raise ValueError("coef_init must be within bounds")
        coef = inside
    return units.params(coef, intercept)


def _resumed(fit: object, units: Units, rule: Optimizer, backtracks: bool) -> State:
    """Return where a run ended, if it can be gone on with."""
    if not isinstance(fit, Fit):
        raise TypeError(f"resume must be a fit, got {fit!r}")
    state = fit.state
    if state is None:
        raise ValueError(
            "resume must be a fit that keeps where it ended, got an old one"
        )
    if state.optimizer != rule:
        raise ValueError(
            f"resume has the optimizer {state.optimizer}, which must be given again; "
            f"got {rule}"
        )
    if fit.standardized != (units.columns is not None):
        raise ValueError(
            f"resume was trained with standardize={fit.standardized}, which must be "
            "given again"
        )
    n_params = units.n_features + units.fit_intercept
    if len(fit.coef) != units.n_features or len(state.params) != n_params:
        raise ValueError(
            f"resume has {len(fit.coef)} coefficients and "
            f"{len(state.params) - len(fit.coef)} intercepts; X has {units.n_features} "
            f"columns, and fit_intercept is {units.fit_intercept}"
        )
    if state.method == "passes" and backtracks != (state.carried is not None):
        raise ValueError(
            'resume must be given with "backtracking" if it was trained so, and not '
            "otherwise"
        )
    return state


def _standardized(examples: Examples, fit_intercept: bool, team: Team) -> Examples:
    """Return the examples with standardised columns."""
    columns = column_scales(examples, fit_intercept, team)
    if not np.isfinite(columns).all() or not columns[1].all():
        raise_nonfinite(X=examples.X)
        raise ValueError(
            "X has values too large or too small to be squared; scale its columns"
        )
    return examples._replace(columns=columns)


def _curvature(
    loss: Loss,
    summation: Summation,
    penalty: Penalty,
    driver: Driver | None,
    n_params: int,
) -> float:
    """Return the largest curvature of the objective; NaN for overflow."""
    moment = driver.second_moment() if isinstance(driver, Moments) else None
    of_mean = largest_eigenvalue(summation, n_params, moment)
    return loss.max_curvature * of_mean + penalty.l2


def _quotient(rule: Optimizer, curvature: float) -> float:
    """Return the largest stable learning rate; inf where nothing curves."""
    assert rule.stability is not None
    return rule.stability / curvature if curvature else math.inf


def _find_stable_rate(
    rule: Optimizer,
    loss: Loss,
    examples: Examples,
    penalty: Penalty,
    n_params: int,
    n_threads: int | None,
    fit: Fit,
) -> float:
    """Return the same after the run, for a field of its fit."""
    with Team(n_threads) as team:
        summation = Summation(loss, examples, team)
        return _quotient(rule, _curvature(loss, summation, penalty, None, n_params))


def _safe_rate(curvature: float, examples: Examples) -> float:
    """Return the learning rate that "auto" stands for."""
    if math.isnan(curvature):
        raise_nonfinite(X=examples.X)
        raise ValueError("X has values too large to be squared; scale its columns")
    if curvature == 0:
        if examples.X.any():
            raise ValueError("X has values too small to be squared; scale its columns")
        return 1.0
    return 1 / curvature


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
            result = callback(Iteration(iteration, loss, coef, float(intercept)))
            return isinstance(result, (bool, np.bool_)) and bool(result)
        except StopIteration:
            return True

    return on_row


def _history(
    descent: Descent,
    units: Units,
    feature_names: tuple[str, ...] | None,
    done: int,
    fit: Fit,
) -> History:
    """Return the rows of a run in the caller's units."""
    if descent.path is None:
        return History.from_rows(descent.losses, done=done)
    coef, intercept = units.model(descent.path)
    return History.from_rows(
        descent.losses,
        coef,
        intercept if units.fit_intercept else None,
        feature_names,
        done,
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
        totals = Summation(chosen, examples, team).gradient(params)
    if not math.isfinite(totals.loss_sum):
        raise_nonfinite(X=examples.X, y=examples.y)
    return totals
