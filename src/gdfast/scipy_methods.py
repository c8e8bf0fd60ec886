"""Gradient descent as a method of `scipy.optimize.minimize`."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from gdfast.callbacks import Point
from gdfast.fit import DivergenceError
from gdfast.minimization import minimize
from gdfast.stopping import ConvergenceWarning

GTOL = 1e-5  # as of SciPy's methods that go by the gradient
# Of `minimize`, but not an option here: SciPy has arguments of its own for it, or the
# option maxiter.
NO_OPTIONS = {"fun", "x0", "args", "grad", "bounds", "callback", "max_iter"}


def scipy_method(
    fun: Callable[..., Any],
    x0: ArrayLike,
    args: Any = (),
    *,
    jac: Callable[..., Any] | None = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Callable[..., Any] | None = None,
    tol: float | None = None,
    maxiter: int = 1000,
    disp: bool = False,
    **options: Any,
) -> Any:
    """Minimise a function for `scipy.optimize.minimize`, as its `method`.

    Parameters
    ----------
    fun : callable
        The function.
    x0 : ndarray of float64, shape (n,)
        Where to start.
    args : tuple
        Further arguments of `fun` and `jac`.
    jac : callable or None
        The gradient; None for central differences.
    hess, hessp : object
        Not used; a warning says so.
    bounds : Bounds, sequence of pairs (min, max) or None
        Of each variable, with None for no bound.
    constraints : object
        There may be none.
    callback : callable or None
        Called after every iteration as ``callback(intermediate_result=result)`` if its
        only parameter has this name, else as ``callback(x)``; may raise
        `StopIteration`.
    tol : float or None
        The `gtol` of `gdfast.minimize`, if this is not among the options; 1e-5 if no
        tolerance is given.
    maxiter : int
        Its `max_iter`.
    disp : bool
        Whether to print how it ended: the message, the value, and what was counted.
    **options
        Further ones of its arguments: `optimizer`, `learning_rate`, `xtol` and so on.

    Returns
    -------
    scipy.optimize.OptimizeResult
        With `x`, `fun`, `success`, `status` (0 for success, 2 for a divergence, else
        1), `message`, `nit`, `nfev`, `njev`, and the `gdfast.Minimum` as `minimum`.

    Raises
    ------
    ValueError, TypeError
        As `gdfast.minimize`, and if there are constraints.

    Warns
    -----
    RuntimeWarning
        If there is `hess` or `hessp`.
    scipy.optimize.OptimizeWarning
        If there are options of other names, which are left out.

    Notes
    -----
    A run that diverges or does not reach its tolerance neither raises nor warns, as is
    the custom there: look at `success` and `message`.

    Examples
    --------
    >>> import gdfast
    >>> from scipy.optimize import minimize, rosen, rosen_der
    >>> result = minimize(
    ...     rosen, [-1.2, 1.0], jac=rosen_der, method=gdfast.scipy_method,
    ...     options={"optimizer": "accelerated"}, tol=1e-6,
    ... )
    >>> result.success, result.x.round(4)
    (True, array([1., 1.]))
    """
    from scipy.optimize import OptimizeResult, OptimizeWarning

    if not isinstance(constraints, (list, tuple)) or constraints:
        raise ValueError("constraints must be left out: only bounds can be kept")
    if hess is not None or hessp is not None:
        warnings.warn(
            "gradient descent does not use hess and hessp",
            RuntimeWarning,
            stacklevel=3,
        )
    known = inspect.signature(minimize).parameters.keys() - NO_OPTIONS
    unknown = [name for name in options if name not in known]
    if unknown:
        warnings.warn(
            f"Unknown solver options: {', '.join(unknown)}",
            OptimizeWarning,
            stacklevel=3,
        )
        options = {name: options[name] for name in options if name in known}
    given = [name for name in ("gtol", "xtol", "ftol") if name in options]
    if tol is not None or not given:
        options.setdefault("gtol", GTOL if tol is None else tol)

    def on_point(point: Point) -> None:
        if point.iteration == 1 or callback is None:
            return
        if {*inspect.signature(callback).parameters} == {"intermediate_result"}:
            callback(intermediate_result=OptimizeResult(x=point.x, fun=point.fun))
        else:
            callback(point.x)

    status = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = minimize(
                fun,
                x0,
                args,
                grad=jac,
                bounds=bounds,
                callback=None if callback is None else on_point,
                max_iter=maxiter,
                **options,
            )
        status = 0 if found.converged else 1
    except DivergenceError as error:
        found, status = error.fit, 2
    if disp:
        print(
            found.stop_reason,
            f"         Current function value: {found.fun:f}",
            f"         Iterations: {found.n_iter}",
            f"         Function evaluations: {found.nfev}",
            f"         Gradient evaluations: {found.njev}",
            sep="\n",
        )
    return OptimizeResult(
        x=found.x,
        fun=found.fun,
        success=found.converged,
        status=status,
        message=found.stop_reason,
        nit=found.n_iter,
        nfev=found.nfev,
        njev=found.njev,
        minimum=found,
    )
