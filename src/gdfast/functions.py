"""Steps on a function of the caller's: its values, its gradient, and who calls it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gdfast._backend import kernel
from gdfast._typing import Doubles
from gdfast.drivers import Updater, outputs
from gdfast.pointers import Pointer
from gdfast.sums import CHUNK_VALUES, GradientSum

# Values that a call may stand for: so many that the first steps are made one by one.
VALUES_PER_CALL = 1 << 22


class Function:
    """A function of n numbers and its gradient, as a sum of one example.

    Parameters
    ----------
    of : gdfast._kernel.Function
        The same for the kernel.
    """

    values_per_pass = VALUES_PER_CALL

    def __init__(self, of: kernel.Function) -> None:
        self.of = of

    @property
    def n_values(self) -> int:
        """Calls made of the function."""
        return self.of.n_values

    @property
    def n_gradients(self) -> int:
        """Calls made of the gradient."""
        return self.of.n_gradients

    def gradient(self, params: Doubles) -> GradientSum:
        """Return value and gradient, as `gdfast.sums.Summation.gradient`.

        Parameters
        ----------
        params : ndarray of float64, shape (n,)
            The point.

        Returns
        -------
        GradientSum
            With a weight of 1; NaN where the point or the value is not finite.

        Raises
        ------
        TypeError, ValueError
            If what the caller's functions return is no number and no gradient, or the
            gradient is not finite where the value is.
        """
        gradient = np.empty_like(params)
        value = self.of.evaluate(params, gradient)
        if math.isfinite(value) and not kernel.are_finite(gradient):
            j = int(np.isfinite(gradient).argmin())
            raise ValueError(
                f"the gradient is not finite where fun is {value:.6g}: its component "
                f"{j} is {gradient[j]} at x = {params}"
            )
        return GradientSum(gradient, value, 1.0)


class Called(Function):
    """A function in Python.

    Parameters
    ----------
    fun : callable
        The caller's: called with the point, and `args`.
    grad : callable, True or None
        Its gradient; True if `fun` returns value and gradient, None for central
        differences.
    args : tuple
        What both are called with besides.
    n : int
        Number of variables.
    scalar : bool
        Whether points are numbers for the caller.
    bounds : ndarray of float64, shape (2, n), or None
        Differences are taken between these.

    Notes
    -----
    What came of a point is known until so many further ones are asked for that none of
    the earlier ones comes again: who makes steps twice does not call twice. The
    functions of the caller get points of their own, to keep or write to.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        grad: Callable[..., Any] | Literal[True] | None,
        args: tuple[Any, ...],
        n: int,
        scalar: bool,
        bounds: Doubles | None,
    ) -> None:
        super().__init__(
            kernel.PythonFunction(
                with_arguments(fun, args),
                grad if grad is True or grad is None else with_arguments(grad, args),
                np.empty(n),
                scalar,
                bounds,
                as_number,
                partial(as_gradient, n=n, name="fun" if grad is True else "grad"),
                CHUNK_VALUES // n,
            )
        )


class Compiled(Function):
    """A function that a compiler made.

    Parameters
    ----------
    value : Pointer
        The function; of the kind "both" if it writes the gradient as well.
    gradient : Pointer or None
        The gradient by itself.
    n : int
        Number of variables.
    bounds : ndarray of float64, shape (2, n), or None
        Differences are taken between these.
    """

    def __init__(
        self,
        value: Pointer,
        gradient: Pointer | None,
        n: int,
        bounds: Doubles | None,
    ) -> None:
        super().__init__(
            kernel.CompiledFunction(
                (value.address, value.data),
                None if gradient is None else (gradient.address, gradient.data),
                value.kind == "both",
                n,
                bounds,
            )
        )
        self._owners = value, gradient


def with_arguments(
    function: Callable[..., Any], args: tuple[Any, ...]
) -> Callable[..., Any]:
    """Return a function of a point alone.

    Parameters
    ----------
    function : callable
        Takes a point, and further arguments.
    args : tuple
        These.

    Returns
    -------
    callable
        The function itself if there are none.
    """
    return (lambda x: function(x, *args)) if args else function


def as_number(value: Any) -> float:
    """Return what a caller's function gave as a number.

    Parameters
    ----------
    value : float or array of one value
        What came back.

    Returns
    -------
    float
        The number; it may be NaN or inf.

    Raises
    ------
    TypeError, ValueError
        If it is not one real number.
    """
    if type(value) is float or type(value) is np.float64:
        return value
    array = _reals(value, "fun", "a number")
    if array.size != 1:
        hint = (
            "" if array.size != 2 else "; if it is value and gradient, pass grad=True"
        )
        raise ValueError(
            f"fun must return one number, got an array of shape {array.shape}{hint}"
        )
    return float(array.reshape(-1)[0])


def as_gradient(value: Any, n: int, name: str) -> Doubles:
    """Return what a caller's function gave as a gradient.

    Parameters
    ----------
    value : array-like, shape (n,)
        What came back; a number will do for one.
    n : int
        How many values there must be.
    name : str
        What to call the function in messages.

    Returns
    -------
    ndarray of float64, shape (n,), C-contiguous
        The gradient; it may be what came back.

    Raises
    ------
    TypeError, ValueError
        If it is not so many real numbers.
    """
    array = _reals(value, name, "a gradient of numbers")
    if array.shape != (n,):
        if array.shape != () or n != 1:
            raise ValueError(
                f"{name} must return a gradient of shape ({n},), got one of shape "
                f"{array.shape}"
            )
        array = array.reshape(1)
    return np.ascontiguousarray(array, np.float64)


def _reals(value: Any, name: str, what: str) -> NDArray[Any]:
    """Return real numbers as an array."""
    try:
        array = np.asarray(value)
    except ValueError:  # of lists of different lengths
        array = np.empty(0, dtype=object)
    if array.dtype.kind in "biuf":
        return array
    if array.size and all(isinstance(number, Real) for number in array.flat):
        return array.astype(np.float64)  # fractions, say
    hint = ""
    if name == "fun" and isinstance(value, tuple) and len(value) == 2:
        hint = "; if it is value and gradient, pass grad=True"
    raise TypeError(f"{name} must return {what}, got {value!r}{hint}")


class Calls:
    """Calls the function once a step, from the kernel.

    Parameters
    ----------
    function : Function
        The function.
    updater : Updater
        What is done with the gradient.
    """

    method = "calls"
    origin: None = None  # nothing is remembered from step to step
    carried: Doubles | None = None  # nor is anything from run to run
    values_per_step = VALUES_PER_CALL

    def __init__(self, function: Function, updater: Updater) -> None:
        self.function = function
        self.updater = updater

    def last_rate(self, n_iter: int) -> float:
        """Return the rate of the last step, or what was meant for the first one."""
        return self.updater.last_rate(n_iter)

    def take_steps(
        self, params: Doubles, steps: range, keep_path: bool, end: bool
    ) -> tuple[Doubles, Doubles | None]:
        """Make some steps, as `gdfast.drivers.Passes.take_steps`."""
        trace, path = outputs(params, len(steps), keep_path, end)
        rates, step = self.updater.rates(steps), self.updater.step
        done = kernel.descend_function(
            self.function.of, params, rates, trace, path, step
        )
        if done < len(trace):  # the gradient is not finite, which is an error there
            point = self.updater.look_ahead(params) if done < len(rates) else params
            self.function.gradient(point)
        return trace, path
