"""Descend any function."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gdfast._validation import check_bool, check_int, check_x0
from gdfast.backtracking import Backtracking
from gdfast.callbacks import Point, point, row_callback
from gdfast.descent import Descended, descend
from gdfast.diagnosis import explain
from gdfast.drivers import Updater
from gdfast.fit import State, settle
from gdfast.functions import Called, Calls, Compiled, Function
from gdfast.history import History
from gdfast.minimum import Minimum
from gdfast.optimizers import Optimizer, check_optimizer
from gdfast.outcome import tell, what_was_watched
from gdfast.penalties import NO_PENALTY, check_bounds
from gdfast.pointers import SIGNATURES, Pointer, compiled
from gdfast.preparation import Start, check_same_rule, recall
from gdfast.progress import progress_bar
from gdfast.schedules import Adaptive
from gdfast.settings import (
    check_callback,
    check_deadline,
    check_history,
    check_interrupt,
    check_rate,
    check_tolerances,
)
from gdfast.stopping import Monitor, Patience

Pointers: TypeAlias = tuple[Pointer, Pointer | None]


def minimize(
    fun: Callable[..., Any],
    x0: ArrayLike | None = None,
    args: Any = (),
    *,
    grad: Callable[..., Any] | Literal[True] | None = None,
    bounds: Any = None,
    optimizer: str | Optimizer = "gd",
    learning_rate: float | str | Callable[[int], float] = "auto",
    max_iter: int = 1000,
    max_seconds: float | None = None,
    gtol: float | None = None,
    xtol: float | None = None,
    ftol: float | None = None,
    n_iter_no_change: int = 5,
    resume: Minimum | None = None,
    history: str | bool = "loss",
    callback: Callable[[Point], Any] | None = None,
    callback_every: int = 1,
    on_interrupt: str = "raise",
    verbose: bool = False,
) -> Minimum:
    """Minimise any function of one or more variables by gradient descent.

    Update rules, learning rates, stopping rules, history and messages are those of
    `train`. If `optimizer` names no other rule, every iteration subtracts
    `learning_rate` times the gradient: ``x <- x - learning_rate * grad(x)``.

    Parameters
    ----------
    fun : callable
        The function, called as ``fun(x, *args)``; returns a number. `x` is a copy of
        the point, a float64 array of shape (n,), or a number if `x0` is one. Or a
        compiled function (see Notes).
    x0 : array-like, shape (n,), or float
        Where to start; None with `resume`.
    args : tuple
        Further arguments of `fun` and `grad`; what is no tuple is the only one.
    grad : callable, True or None
        The gradient, called like `fun`; returns n numbers. True if `fun` returns the
        pair (value, gradient), as SciPy's ``jac=True``. None for central differences
        (see Notes).
    bounds : pair (low, high), sequence of n pairs, Bounds or None
        Smallest and largest values of `x`, as SciPy takes them: two numbers for all
        variables, a pair of numbers for each, or an instance of
        ``scipy.optimize.Bounds``; None, or -inf and inf, where there is none. Every
        point of the run is within, but for the points ahead where "nesterov" and
        "accelerated" call the functions.
    optimizer : str or Optimizer
        The update rule, see `train`.
    learning_rate : float, str or callable
        Factor of the gradient, above 0; a schedule of `gdfast.schedules`; a function of
        the number of the step, from 1; or "backtracking", for "gd" and "accelerated",
        which tries rates for every step until the function falls as its gradient
        promises. "auto" has no data here that a rate could follow from: it is
        "backtracking" for these two, for rules that divide by the size of the
        gradients the rate that their authors recommend, and an error for "momentum"
        and "nesterov".
    max_iter : int
        Largest number of updates, at least 1.
    max_seconds : float or None
        Make no more steps when the call has taken this long, above 0; there is at least
        one.
    gtol : float or None
        Stop when no component of the gradient is as large as this; at bounds, of what
        of it leads downhill. The three tolerances are independent; None or 0 turns a
        rule off.
    xtol : float or None
        Stop when an update changes no variable by as much as this.
    ftol : float or None
        Stop when an update changes the value by less than this fraction of it, or not
        at all.
    n_iter_no_change : int
        How long `gdfast.schedules.Adaptive` waits for a lower value, at least 1.
    resume : Minimum or None
        A result to go on with from where it ended, its update rule's memory included;
        takes the place of `x0`. With the same function and options it makes the steps,
        to the bit, that a longer run would have made. `max_iter` counts further
        updates; the numbers of iterations go on.
    history : {"loss", "full", False}
        What to keep of every iteration: the value, the point too, or nothing.
    callback : callable or None
        Called as ``callback(point)`` before the first update, after every
        `callback_every` ones and at the end with a named tuple (iteration, x, fun): the
        row of the history. The run ends there if it returns True or raises
        `StopIteration`.
    callback_every : int
        Iterations from one call to the next, at least 1.
    on_interrupt : {"raise", "return"}
        What comes of Ctrl-C: `KeyboardInterrupt`, or the result of some 50 ms before.
    verbose : bool
        Show a progress bar on stderr from the first second on; needs tqdm.

    Returns
    -------
    Minimum
        The point, and how it was found.

    Raises
    ------
    DivergenceError
        If the value grows: at once when it is not finite, else after ten rises in a
        row, or when it ends above where it began. With another rule than "gd", which
        may rise, only rises far above the start count: by ten times its size. The
        attribute `fit` holds the run.
    ValueError
        If an argument has a wrong value or shape, if the value at `x0` is not finite,
        if `fun` or `grad` returns another shape, or if the gradient is not finite where
        the value is.
    TypeError
        If an argument has a wrong type, or what `fun` or `grad` returns is no number.
    ImportError
        If `verbose` and tqdm is not installed.

    Warns
    -----
    ConvergenceWarning
        If a tolerance is given and `max_iter` or `max_seconds` ends the run before it
        is reached.

    Notes
    -----
    The descent ends in a valley, not in the deepest one: of a function with several
    that is mostly the one on whose side it starts, and at a maximum or saddle, where
    the gradient is 0, it does not start at all. A long step, of a large rate or of
    "backtracking", may lead across a ridge. Try several starts.

    Central differences are ``(fun(x + h) - fun(x - h)) / 2h`` for each variable by
    itself, at 2 n calls of `fun` an iteration. h is ``eps^(1/3) max(1, |x|)``, 6e-6 for
    variables of the size of 1: at that the error of the difference, of the order of
    h^2, and that of rounding, eps / h, are about the same, some 1e-10 of the values.
    Smaller gradients are noise, so `gtol` should be larger. Scale variables that
    are far smaller than 1, or give their gradient. Near `bounds` the two points are on
    the same side, and h is smaller where there is little room.

    `fun` is called once for each iteration and once at the end, and so is `grad`;
    "backtracking" calls both once for each trial. Rules that end a run are not looked
    at in every iteration: about a tenth more calls than that may be made beyond the
    end, or 1 ms of them in a short run, but no more than some 50 ms. No point is asked
    for twice in a row; `fun` is taken for a function, which always has the same value
    at a point. It is never called with NaN or inf.

    Functions that a compiler made keep the loop out of Python, but for
    "backtracking": a `scipy.LowLevelCallable`, what ``numba.cfunc`` makes, or a
    function of ctypes, with the arguments ``double fun(int n, double *x)`` and
    ``void grad(int n, double *x, double *gradient)``, or with ``grad=True``
    ``double fun(int n, double *x, double *gradient)``. A last argument ``void *`` takes
    the user data of a `LowLevelCallable`, instead of `args`. `x` is a copy, and the
    functions are called without the GIL. They may be called twice at a point where a
    rule ends the run.

    Functions in Python cost little more than calling them, as compiled code does all
    else: on two variables an iteration takes about as long as one of a loop of
    ``fun(x); x = x - learning_rate * grad(x)`` in NumPy. Values that are a float and
    gradients that are an array of float64 are read at once; all else, as a list, takes
    about a microsecond to be made one.

    Exceptions of `fun`, `grad` and `callback` come through as they are.

    References
    ----------
    J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd ed., 2006, section 8.1
    (finite differences), 3.1 (backtracking).

    Examples
    --------
    The function w^2, from 5:

    >>> import gdfast
    >>> run = gdfast.minimize(
    ...     lambda w: w**2, 5.0, grad=lambda w: 2 * w, learning_rate=0.1, max_iter=2,
    ...     history="full",
    ... )
    >>> print(run.history)
    iteration             x            fun
            1  5.0000000000  25.0000000000
            2  4.0000000000  16.0000000000
            3  3.2000000000  10.2400000000

    Rosenbrock's function of two variables, with value and gradient from one call:

    >>> def rosenbrock(x):
    ...     a, b = 1 - x[0], x[1] - x[0] ** 2
    ...     return a**2 + 100 * b**2, [-2 * a - 400 * x[0] * b, 200 * b]
    >>> best = gdfast.minimize(
    ...     rosenbrock, [-1.2, 1.0], grad=True, optimizer="accelerated", gtol=1e-6,
    ...     max_iter=10_000,
    ... )
    >>> best.x.round(4), best.converged
    (array([1., 1.]), True)
    """
    _, deadline = check_deadline(max_seconds)
    pointers = check_functions(fun, grad)
    rule = check_optimizer(optimizer)
    backtracks, schedule = check_rate(learning_rate, rule, None)
    if resume is None:
        first = check_x0(x0)
        start, scalar = Start(first.reshape(-1)), first.ndim == 0
    elif x0 is not None:
        raise ValueError("resume takes the place of x0")
    else:
        start = resumed(resume, rule, backtracks)
        scalar = np.ndim(resume.x) == 0
    n, before = len(start.params), start.state
    limits = None
    if bounds is not None:
        limits = check_bounds(as_low_and_high(bounds, n), n)
        if (start.params != start.params.clip(*limits)).any():
            raise ValueError(f"{'resume' if before else 'x0'} must be within bounds")
    max_iter = check_int(max_iter, "max_iter", low=1)
    tolerances = check_tolerances(gtol, xtol, ftol)
    wait = check_int(n_iter_no_change, "n_iter_no_change", low=1)
    history = check_history(history)
    callback = check_callback(callback)
    every = check_int(callback_every, "callback_every", low=1)
    interrupt = check_interrupt(on_interrupt)
    bar = progress_bar(max_iter) if check_bool(verbose, "verbose") else nullcontext()
    if not isinstance(args, tuple):
        args = (args,)
    function: Function
    if pointers is None:
        function = Called(fun, grad, args, n, scalar, limits)
    else:
        if args:
            raise ValueError("args must be left out with compiled functions")
        function = Compiled(*pointers, n, limits)
    updater = Updater(rule, NO_PENALTY._replace(bounds=limits), n, n, schedule)
    driver: Calls | Backtracking
    if backtracks:
        carried = before.carried if before else None
        driver = Backtracking(function, updater, n, 0.0, carried)
    else:
        driver = Calls(function, updater)
    adapts = isinstance(schedule, Adaptive)
    monitor = Monitor(
        tolerances,
        None,
        rule.name == "gd" and not adapts,
        patience=Patience(wait) if adapts else None,
        looks_ahead=rule.looks_ahead,
    )
    if before is not None:
        updater.state[:] = before.memory
        if monitor.patience is not None and before.watched is not None:
            recall(before.watched, monitor.patience, updater)
    with bar as progress:
        descent = descend(
            driver,
            start.params,
            max_iter,
            monitor,
            done=start.done,
            deadline=deadline,
            keep_path=history == "full",
            on_interrupt=(lambda: None) if interrupt == "return" else None,
            every=every,
            on_row=callback and row_callback(callback, point(scalar)),
            progress=progress,
        )
    first_value = descent.rows.first_loss
    if not math.isfinite(first_value):
        raise ValueError(
            f"fun must be finite at x0, got {first_value} at {start.params}"
        )
    ended, n_iter = descent.params, start.done + descent.n_iter
    found = Minimum(
        x=float(ended[0]) if scalar else ended.copy(),
        fun=descent.loss,
        n_iter=n_iter,
        converged=descent.reason.converged,
        stop_reason=partial(
            explain, descent, monitor, None, schedule and updater.schedule
        ),
        learning_rate=driver.last_rate(n_iter),
        history=partial(_history, descent, scalar, start.done) if history else None,
        nfev=function.n_values,
        njev=function.n_gradients,
        state=State(
            ended,
            rule,
            updater.state,
            driver.method,
            driver.carried,
            what_was_watched(driver, monitor),
        ),
    )
    if not history:
        settle(found)  # which lets the rows go
    tell(found, descent, any(tolerances))
    return found


def _history(descent: Descended, scalar: bool, done: int, found: Minimum) -> History:
    """Return the rows of a run with points as the caller's."""
    path = descent.rows.path
    if path is not None and scalar:
        path = path[:, 0]
    return History.of_function(descent.rows.losses, path, done)


def check_functions(fun: object, grad: object) -> Pointers | None:
    """Return a function and its gradient as pointers, if they are compiled.

    Parameters
    ----------
    fun : callable
        The argument of `minimize`.
    grad : callable, True or None
        That too.

    Returns
    -------
    tuple of Pointer and Pointer or None, or None
        None for functions of Python.

    Raises
    ------
    TypeError, ValueError
        If they are no functions, or of different kinds.
    """
    value = compiled(fun)
    gradient = None if grad is None or grad is True else compiled(grad)
    if value is None and gradient is None:
        if not callable(fun):
            raise TypeError(f"fun must be callable, got {fun!r}")
        if grad is not None and grad is not True and not callable(grad):
            raise TypeError(f"grad must be callable, True or None, got {grad!r}")
        return None
    if value is None or (gradient is None and grad is not None and grad is not True):
        raise TypeError("fun and grad must both be compiled, or neither")
    wanted = "both" if grad is True else "value"
    for name, pointer, kind in (("fun", value, wanted), ("grad", gradient, "gradient")):
        if pointer is not None and pointer.kind != kind:
            known = [key for key, (of, _) in SIGNATURES.items() if of == kind]
            raise ValueError(
                f"{name} must have the signature {' or '.join(known)}, got one of "
                f"the kind {pointer.kind!r}"
            )
    return value, gradient


def resumed(run: object, rule: Optimizer, backtracks: bool) -> Start:
    """Return a start from where a run ended, if it can be gone on with.

    Parameters
    ----------
    run : Minimum
        What came of that run.
    rule : Optimizer
        The update rule of this run.
    backtracks : bool
        Whether the rate of every step is found by trying.

    Returns
    -------
    Start
        The start.

    Raises
    ------
    TypeError, ValueError
        If `run` is none, or one with another rule.
    """
    if not isinstance(run, Minimum):
        raise TypeError(f"resume must be a result of minimize, got {run!r}")
    state = run.state
    if state is None:
        raise ValueError("resume must be a result that keeps where it ended")
    check_same_rule(state, rule)
    if backtracks != (state.carried is not None):
        raise ValueError(
            'resume must be given with "backtracking" if it was run so, and not '
            "otherwise"
        )
    return Start(state.params.copy(), run.n_iter, state)


def as_low_and_high(bounds: Any, n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return bounds of n variables as `check_bounds` takes them.

    Parameters
    ----------
    bounds : pair (low, high), sequence of n pairs, or Bounds
        Numbers for all variables, or a pair for each; with None for no bound.
    n : int
        Number of variables.

    Returns
    -------
    low, high : ndarray, shape (n,)
        The bounds.

    Raises
    ------
    ValueError
        If they are nothing of that.
    """
    pairs = bounds
    try:
        if hasattr(bounds, "lb"):
            pairs = np.broadcast_to(np.transpose([bounds.lb, bounds.ub]), (n, 2))
        elif len(bounds) == 2 and all(
            end is None or np.ndim(end) == 0 for end in bounds
        ):
            pairs = [bounds] * n
        low, high = zip(*pairs, strict=True)
        if len(low) != n:
            raise ValueError
        return (
            np.array([-math.inf if end is None else end for end in low]),
            np.array([math.inf if end is None else end for end in high]),
        )
    except (TypeError, ValueError):
        raise ValueError(
            "bounds must be a pair (low, high) of numbers, such a pair for each of the "
            f"{n} variables, or scipy.optimize.Bounds; got {bounds!r}"
        ) from None
