"""Train a linear model; and the loss and its gradient, for those who start there."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gdfast._typing import Doubles
from gdfast._validation import (
    check_bool,
    check_class_weight,
    check_coef,
    check_int,
    check_intercept,
    check_random_state,
    check_sample_weight,
    check_X,
    count_outputs,
    raise_nonfinite,
)
from gdfast.batches import check_batches, put_back, sampling_of
from gdfast.callbacks import Iteration, iteration, row_callback
from gdfast.descent import descend
from gdfast.diagnosis import is_stuck
from gdfast.fit import EVERY_ROW, Fit
from gdfast.holdout import hold_out
from gdfast.losses import Loss, check_loss
from gdfast.optimizers import Optimizer, check_optimizer
from gdfast.outcome import make_fit, raise_unstarted, tell
from gdfast.penalties import check_bounds, check_penalty
from gdfast.preparation import (
    check_resume,
    given_start,
    prepare,
    resumed_sampling,
    resumed_start,
    standardized,
)
from gdfast.progress import progress_bar
from gdfast.settings import (
    Settings,
    check_callback,
    check_deadline,
    check_early_stopping,
    check_history,
    check_interrupt,
    check_rate,
    check_tolerances,
)
from gdfast.sums import Examples, GradientSum, Summation
from gdfast.targets import check_targets
from gdfast.threads import Team
from gdfast.units import Units


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
    early_stopping: bool = False,
    validation_fraction: float = 0.1,
    n_iter_no_change: int = 5,
    fit_intercept: bool = True,
    coef_init: ArrayLike | None = None,
    intercept_init: ArrayLike | None = None,
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
    y : array-like, shape (n_samples,) or (n_samples, n_outputs)
        Targets. They are quantities, but for some losses: from 0 to 1 for "log_loss", 0
        or more for "poisson", labels 0 or 1 for the hinge losses, "modified_huber" and
        "perceptron". Of several columns each is an output with coefficients of its own;
        all come from one reading of `X`, and their losses add up.
        Several classes are numbers from 0 to K - 1, all of which occur, for K outputs:
        for "multinomial", and for K of at least 3 for "log_loss" and the losses of
        labels, where output k has the target 1 in rows of the class k and 0 in others.
        A single label 2 among zeros and ones makes three: ``fit.n_classes`` counts.
        "multinomial" also takes a column of probabilities for each class.
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
        of `X`, or of several outputs one for each of their coefficients; -inf and inf
        where there is none. The intercept has none.
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
        What the rows of `early_stopping` are drawn from, and after that the orders:
        that of epoch k is the k-th
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
        one. With `batch_size`, an epoch that is not done by then is given up, unless it
        is the first: the model is that of the epochs before.
    gtol : float or None
        Stop when no component of the gradient is as large as this; at zeros with "l1"
        and at bounds, of what of it leads downhill. The three
        tolerances are independent; None or 0 turns a rule off.
    xtol : float or None
        Stop when an update changes no parameter by as much as this.
    ftol : float or None
        Stop when an update changes the loss by less than this fraction of it, or not
        at all.
    early_stopping : bool
        Whether to hold rows out and stop when their mean loss, without penalty, has not
        been lower than ever before for `n_iter_no_change` iterations. The model is then
        the best one by that loss, however the run ends.
    validation_fraction : float
        The part of the rows that is held out, between 0 and 1: the first ones of a
        permutation drawn from `random_state`. The others are trained on.
    n_iter_no_change : int
        How long `early_stopping` waits, and `gdfast.schedules.Adaptive`, at least 1.
    fit_intercept : bool
        Whether to fit a constant term.
    coef_init : array-like, shape (n_features,), or None
        Coefficients to start from, of several outputs of shape (n_outputs, n_features);
        None for zeros.
    intercept_init : float, array-like of shape (n_outputs,), or None
        Intercept to start from, of several outputs one for all or for each; None for 0.
    resume : Fit or None
        A fit to go on with from where it ended, its update rule's memory included: with
        the same data and options it makes the steps, to the bit, that a longer run by
        the same `method` would have made. `max_iter` counts further updates; the
        numbers of iterations and of steps go on. Takes the place of `coef_init` and
        `intercept_init`. Loss, rule, `standardize`, `batch_size`, `shuffle`, `average`,
        `early_stopping` and `validation_fraction` have to be the same, and so has a
        number as `random_state`; with None the same rows are held out and the same
        orders follow, and so they do with a Generator of the same kind, whose state
        becomes that of the orders. Rates, penalty and stopping rules may be others.
    sample_weight : array-like, shape (n_samples,), or None
        Non-negative weights, not all zero. A weight of 2 counts as the row twice.
    class_weight : dict of class to number, "balanced" or None
        Factors of the weights of the rows of a class, for losses of labels and targets
        that are 0 or 1, or numbers of classes; a class that a dict has not keeps its
        weights. "balanced" gives all classes the same part of the sum of all weights.
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
        intercept, validation_loss): the row of the history. The run ends there if it
        returns True or raises `StopIteration`; the model of a rule that looks ahead is
        behind what it was shown.
    callback_every : int
        Iterations from one call to the next, at least 1. They are made without a look
        back at Python, but for some 20 a second for the other rules.
    on_interrupt : {"raise", "return"}
        What comes of Ctrl-C while steps are made: `KeyboardInterrupt`, or the model of
        some 50 ms before.
    n_threads : int or None
        Largest number of threads, at least 1; None for as many as there are cores. Any
        number gives the same bits. Threads are started only for data of more than a
        million values, those of sparse rows counted for each output; none outlives the
        call.
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
        If `max_iter` or `max_seconds` ends the run before a tolerance is reached that
        was given; or where, without one, 100 steps and more show that it is stuck: the
        loss no longer falls and the gradient stays what it is, as it does for columns
        of X that are far from 0 and not standardised.

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
    "multinomial"                 log(sum exp(z)) - sum y z      classes      yes
                                  of all outputs
    ============================= ============================== ============ =========

    Names, parameters and slopes at kinks are those of scikit-learn, but for its
    "squared_error", which is "half_squared_error" here, and its labels -1 and 1.

    Of several outputs the objective is the mean over the rows of the sum of the losses
    of the outputs, and the penalty of all coefficients: each output makes the steps
    that it would make alone at the same rate, on passes. "multinomial" couples them:
    ``y`` is 1 for the class of a row and 0 for the others, and the same added to all
    outputs changes nothing but the penalty. ``coef`` has shape (n_outputs, n_features),
    ``intercept`` (n_outputs,), and so in the history and for the callback; the largest
    prediction of a row is that of its class.

    An iteration costs 4 n_samples n_features operations, for each output, and one
    reading of `X`; the
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

    Rows that are held out are copied, and weigh 0 in `X`; their loss takes a reading of
    the copy for every iteration.

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
    seconds, deadline = check_deadline(max_seconds)
    chosen = check_loss(loss)
    before = None
    if resume is not None:
        before = check_resume(resume)
        if not (coef_init is None and intercept_init is None):
            raise ValueError("resume takes the place of coef_init and intercept_init")
    examples, outputs, feature_names = checked_examples(chosen, X, y, sample_weight)
    if class_weight is not None:
        if not chosen.has_labels:
            raise ValueError(f"class_weight has no use for the loss {chosen.name!r}")
        weight = check_class_weight(
            *(class_weight, examples.targets, max(2, outputs or 1)),
            examples.sample_weight,
        )
        examples = examples._replace(sample_weight=weight)
    rule = check_optimizer(optimizer)
    backtracks, schedule = check_rate(learning_rate, rule, chosen)
    if n_threads is not None:
        n_threads = check_int(n_threads, "n_threads", low=1, note=" or None")
    settings = Settings(
        loss=chosen,
        penalty=check_penalty(penalty, alpha, l1_ratio),
        optimizer=rule,
        backtracks=backtracks,
        schedule=schedule,
        max_iter=check_int(max_iter, "max_iter", low=1),
        max_seconds=seconds,
        deadline=deadline,
        tolerances=check_tolerances(gtol, xtol, ftol),
        n_iter_no_change=check_int(n_iter_no_change, "n_iter_no_change", low=1),
        early_stopping=check_early_stopping(early_stopping, validation_fraction),
        fit_intercept=check_bool(fit_intercept, "fit_intercept"),
        standardize=check_bool(standardize, "standardize"),
        history=check_history(history),
        callback=check_callback(callback),
        callback_every=check_int(callback_every, "callback_every", low=1),
        on_interrupt=check_interrupt(on_interrupt),
        n_threads=n_threads,
        verbose=check_bool(verbose, "verbose"),
    )
    generator = None  # which takes a third of the time of one step to make
    draws = batch_size is not None or settings.early_stopping is not None
    if draws or random_state is not None:
        generator = check_random_state(random_state)
    batching = check_batches(
        batch_size, shuffle, generator, average, examples, settings
    )
    sampling = EVERY_ROW
    if draws:
        sampling = sampling_of(batching, settings.early_stopping, generator)
    if before is not None:
        seeded = isinstance(random_state, Integral)
        sampling = resumed_sampling(before[1].sampling, sampling, seeded)
    held_out = None
    if settings.early_stopping is not None and generator is not None:
        source = generator
        if before is not None and sampling.start is not None:
            source = copy.deepcopy(generator)  # which may have gone on since
            put_back(source, sampling.start)
        examples, held_out = hold_out(examples, settings.early_stopping, source)
    bar = progress_bar(settings.max_iter) if settings.verbose else nullcontext()
    with Team(settings.n_threads) as team:
        if settings.standardize:
            examples = standardized(examples, settings.fit_intercept, team)
        n_features = examples.X.shape[1]
        units = Units(
            *(examples.columns, n_features, settings.fit_intercept), outputs=outputs
        )
        if bounds is not None:
            limits = check_bounds(bounds, n_features, outputs)
            units = units._replace(bounds=limits)
        if before is None:
            start = given_start(units, coef_init, intercept_init)
        else:
            start = resumed_start(*before, units, settings)
        run = prepare(settings, batching, examples, held_out, units, start, team)
        with bar as progress:
            descent = descend(
                run.driver,
                start.params,
                settings.max_iter,
                run.monitor,
                done=start.done,
                deadline=settings.deadline,
                keep_path=settings.history == "full",
                held_out=run.held_out,
                best=run.best,
                on_interrupt=team.end if settings.on_interrupt == "return" else None,
                every=settings.callback_every,
                on_row=callback and row_callback(callback, iteration(units)),
                progress=progress,
            )
    raise_unstarted(run, descent, chosen)
    asked = settings.arguments() | {
        "average": 0 if batching is None else batching.average,
        "bounds": bounds is not None,
        "sample_weight": sample_weight is not None,
        "class_weight": class_weight is not None,
        "resume": resume is not None,
    }
    fit = make_fit(run, descent, settings, asked, sampling, feature_names)
    aimed = any(settings.tolerances)
    tell(fit, descent, aimed or is_stuck(descent, run.monitor, examples, chosen.smooth))
    return fit


def loss(
    X: ArrayLike,
    y: ArrayLike,
    coef: ArrayLike,
    intercept: ArrayLike = 0.0,
    *,
    loss: str | Loss = "squared_error",
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the mean loss of a linear model on some examples.

    Parameters
    ----------
    X : array-like, CSR matrix or data frame, of shape (n_samples, n_features)
        Features; one dimension is one feature.
    y : array-like, shape (n_samples,) or (n_samples, n_outputs)
        Targets; of several outputs also numbers of classes, see `train`.
    coef : array-like, shape (n_features,), or a number if there is one feature
        Coefficients; of several outputs of shape (n_outputs, n_features).
    intercept : float or array-like, shape (n_outputs,)
        Constant term.
    loss : str or Loss
        The loss, see `train`.
    sample_weight : array-like, shape (n_samples,), or None
        Non-negative weights, not all zero.

    Returns
    -------
    float
        (sum of weight times loss) / (sum of weights), the losses of several outputs
        added up. It is inf where that overflows.

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type, value or shape, or X or y has values that are
        missing or infinite.

    Notes
    -----
    4 n_samples n_features operations for each output, one reading of `X`.

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
    intercept: ArrayLike = 0.0,
    *,
    loss: str | Loss = "squared_error",
    sample_weight: ArrayLike | None = None,
) -> tuple[Doubles, float | Doubles]:
    """Return the gradient of the mean loss of a linear model.

    Parameters
    ----------
    X : array-like, CSR matrix or data frame, of shape (n_samples, n_features)
        Features; one dimension is one feature.
    y : array-like, shape (n_samples,) or (n_samples, n_outputs)
        Targets; of several outputs also numbers of classes, see `train`.
    coef : array-like, shape (n_features,), or a number if there is one feature
        Where the gradient is taken: coefficients; of several outputs of shape
        (n_outputs, n_features).
    intercept : float or array-like, shape (n_outputs,)
        Where the gradient is taken: constant term.
    loss : str or Loss
        The loss, see `train`.
    sample_weight : array-like, shape (n_samples,), or None
        Non-negative weights, not all zero.

    Returns
    -------
    coef_gradient : ndarray of float64, shape of `coef`
        Derivatives by the coefficients; a number if `coef` is one.
    intercept_gradient : float or ndarray of float64, shape (n_outputs,)
        Derivative by the intercept, or by those of several outputs.

    Raises
    ------
    TypeError, ValueError
        As `gdfast.loss`.

    Notes
    -----
    4 n_samples n_features operations for each output, one reading of `X`.

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
    outputs = count_outputs(coef)
    if outputs is None:
        return mean[:-1].reshape(np.shape(coef))[()], float(mean[-1])
    *of_coef, of_intercept = mean.reshape(-1, outputs)
    return np.stack(of_coef, axis=1), of_intercept


def checked_examples(
    loss: Loss,
    X: object,
    y: object,
    sample_weight: object,
    outputs: int | None = None,
) -> tuple[Examples, int | None, tuple[str, ...] | None]:
    """Return checked data, the number of outputs, and the names of columns if known."""
    features, feature_names = check_X(X)
    values, outputs = check_targets(loss, y, len(features), outputs)
    weight = check_sample_weight(sample_weight, len(features))
    examples = Examples(features, values, weight, None, outputs or 1)
    return examples, outputs, feature_names


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
    outputs = count_outputs(coef)
    examples, outputs, _ = checked_examples(chosen, X, y, sample_weight, outputs)
    n_features = examples.X.shape[1]
    params = Units(None, n_features, fit_intercept=True, outputs=outputs).params(
        check_coef(coef, n_features, outputs), check_intercept(intercept, outputs)
    )
    with Team(None) as team:
        totals = Summation(chosen, examples, team).gradient(params)
    if not math.isfinite(totals.loss_sum):
        raise_nonfinite(X=examples.X, y=examples.targets)
    return totals
