"""Steps on a function of the caller's: its values, its gradient, and who calls it."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from gdfast._backend import kernel
from gdfast._typing import Doubles
from gdfast.drivers import Updater, outputs, take_each_step
from gdfast.pointers import Pointer
from gdfast.sums import CHUNK_VALUES, GradientSum

# Values that a call may stand for: so many that the first steps are made one by one.
VALUES_PER_CALL = 1 << 22
DOUBLE = np.dtype(np.float64)


class Function:
    """A function of n numbers and its gradient, as a sum of one example.

    Parameters
    ----------
    fun : callable
        The caller's: called with the point, and `args`.
    grad : callable, True or None
        Its gradient; True if `fun` returns value and gradient, None for central
        differences.
    args : tuple
        What both are called with besides.
    scalar : bool
        Whether points are numbers for the caller.
    bounds : ndarray of float64, shape (2, n), or None
        Differences are taken between these.

    Attributes
    ----------
    n_values, n_gradients : int
        Calls made of `fun` and of `grad`.

    Notes
    -----
    What came of a point is known until so many further ones are asked for that none of
    the earlier ones comes again: who makes steps twice does not call twice. The
    functions of the caller get points of their own, to keep or write to.
    """

    values_per_pass = VALUES_PER_CALL

    def __init__(
        self,
        fun: Callable[..., Any],
        grad: Callable[..., Any] | Literal[True] | None,
        args: tuple[Any, ...],
        scalar: bool,
        bounds: Doubles | None,
    ) -> None:
        self.n_values = self.n_gradients = 0
        self._fun = fun
        self._grad = grad
        self._args = args
        self._scalar = scalar
        self._bounds = bounds
        # Apart, as Python's garbage collector looks through neither of them.
        self._values: dict[bytes, float] = {}
        self._gradients: dict[bytes, Doubles] = {}

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
        key = params.tobytes()
        value, gradient = self._values.get(key), self._gradients.get(key)
        if value is None or gradient is None:
            if (len(self._values) + 1) * len(params) > CHUNK_VALUES:
                for old in list(self._values)[: len(self._values) // 2 + 1]:
                    del self._values[old], self._gradients[old]
            value, gradient = self._call(params)
            self._values[key], self._gradients[key] = value, gradient
        return GradientSum(gradient, value, 1.0)

    def _call(self, params: Doubles) -> tuple[float, Doubles]:
        """Return value and gradient."""
        if not kernel.are_finite(params):
            return math.nan, np.full_like(params, np.nan)
        n = len(params)
        if self._grad is True:
            self.n_values += 1
            self.n_gradients += 1
            pair = self._fun(self._point(params), *self._args)
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(
                    "fun must return a pair (value, gradient) with grad=True, got "
                    f"{pair!r}"
                )
            value, gradient = as_number(pair[0]), as_gradient(pair[1], n, "fun")
        else:
            value = self._value(params)
            if not math.isfinite(value):
                return value, np.full_like(params, np.nan)
            if self._grad is None:
                gradient = self._differences(params, value)
            else:
                assert callable(self._grad)
                self.n_gradients += 1
                given = self._grad(self._point(params), *self._args)
                gradient = as_gradient(given, n, "grad")
        if math.isfinite(value) and not kernel.are_finite(gradient):
            raise_infinite(params, value, gradient)
        return value, gradient

    def _point(self, params: Doubles) -> Any:
        """Return a point as the caller's functions take it, and as their own."""
        return params[0] if self._scalar else params.copy()

    def _value(self, params: Doubles) -> float:
        self.n_values += 1
        return as_number(self._fun(self._point(params), *self._args))

    def _differences(self, params: Doubles, value: float) -> Doubles:
        """Return the gradient by central differences, one-sided ones at bounds."""
        gradient = np.empty_like(params)
        at = params.copy()
        for j, x in enumerate(params.tolist()):
            low, high = -math.inf, math.inf
            if self._bounds is not None:
                low, high = self._bounds[:, j].tolist()
            below, above = kernel.stencil(x, low, high)
            at[j] = below
            at_below = self._value(at)
            at[j] = above
            values = at_below, self._value(at)
            at[j] = x
            gradient[j] = kernel.slope(x, value, (below, above), values)
        return gradient


class Compiled:
    """The same for functions that a compiler made.

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

    Attributes
    ----------
    of : gdfast._kernel.Function
        The functions for the kernel.
    """

    values_per_pass = VALUES_PER_CALL

    def __init__(
        self,
        value: Pointer,
        gradient: Pointer | None,
        n: int,
        bounds: Doubles | None,
    ) -> None:
        self.of = kernel.Function(
            (value.address, value.data),
            None if gradient is None else (gradient.address, gradient.data),
            value.kind == "both",
            n,
            bounds,
        )
        self._owners = value, gradient

    @property
    def n_values(self) -> int:
        """Calls made of the function."""
        return self.of.n_values

    @property
    def n_gradients(self) -> int:
        """Calls made of the gradient."""
        return self.of.n_gradients

    def gradient(self, params: Doubles) -> GradientSum:
        """Return value and gradient, as `Function.gradient`."""
        gradient = np.empty_like(params)
        value = self.of.evaluate(params, gradient)
        if math.isfinite(value) and not kernel.are_finite(gradient):
            raise_infinite(params, value, gradient)
        return GradientSum(gradient, value, 1.0)


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
    ndarray of float64, shape (n,)
        A copy.

    Raises
    ------
    TypeError, ValueError
        If it is not so many real numbers.
    """
    array = value
    if type(array) is not np.ndarray or array.dtype is not DOUBLE:
        array = _reals(value, name, "a gradient of numbers")
    if array.shape != (n,):
        if array.shape != () or n != 1:
            raise ValueError(
                f"{name} must return a gradient of shape ({n},), got one of shape "
                f"{array.shape}"
            )
        array = array.reshape(1)
    copy: Doubles = array.astype(np.float64)
    return copy


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


def raise_infinite(params: Doubles, value: float, gradient: Doubles) -> NoReturn:
    """Raise for a gradient that is not finite where the value is.

    Parameters
    ----------
    params : ndarray of float64, shape (n,)
        The point.
    value : float
        What the function is there.
    gradient : ndarray of float64, shape (n,)
        Its gradient.

    Raises
    ------
    ValueError
        That says so.
    """
    j = int(np.isfinite(gradient).argmin())
    raise ValueError(
        f"the gradient is not finite where fun is {value:.6g}: its component {j} is "
        f"{gradient[j]} at x = {params}"
    )


class Calls:
    """Calls the function once a step, from the kernel if it is compiled.

    Parameters
    ----------
    function : Function or Compiled
        The function.
    updater : Updater
        What is done with the gradient.
    """

    method = "calls"
    origin: None = None  # nothing is remembered from step to step
    carried: Doubles | None = None  # nor is anything from run to run
    values_per_step = VALUES_PER_CALL

    def __init__(self, function: Function | Compiled, updater: Updater) -> None:
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
        rates, function = self.updater.rates(steps), self.function
        if not isinstance(function, Compiled):
            take_each_step(function, self.updater, params, rates, trace, path)
            return trace, path
        step = self.updater.step
        done = kernel.descend_function(function.of, params, rates, trace, path, step)
        if done < len(trace):  # as it was called at what follows, so it is again
            point = self.updater.look_ahead(params) if done < len(rates) else params
            function.gradient(point)
        return trace, path
