"""The kernel in NumPy, written to be read.

Every function here has the signature and the meaning of its twin in ``_kernel.pyx``.
Tests run both and compare, benchmarks time both; nothing else imports this module.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32] | NDArray[np.float64]
Doubles = NDArray[np.float64]


def squared_error(z: Doubles, y: Doubles, _: float) -> tuple[Doubles, Doubles]:
    """Return the loss ``(z - y)^2`` of every example and its slope in z."""
    residual = z - y
    return residual**2, 2 * residual


def half_squared_error(z: Doubles, y: Doubles, _: float) -> tuple[Doubles, Doubles]:
    """Return the loss ``(z - y)^2 / 2`` of every example and its slope in z."""
    residual = z - y
    return residual**2 / 2, residual


def log_loss(z: Doubles, y: Doubles, _: float) -> tuple[Doubles, Doubles]:
    """Return the loss ``log(1 + exp(z)) - y z`` of every example and its slope in z."""
    e = np.exp(-np.abs(z))
    sigmoid = np.where(z < 0, e, 1.0) / (1 + e)
    return np.maximum(z, 0) - y * z + np.log1p(e), sigmoid - y


def huber(z: Doubles, y: Doubles, epsilon: float) -> tuple[Doubles, Doubles]:
    """Return half a square up to `epsilon`, a line beyond, and its slope in z."""
    residual = z - y
    size = np.abs(residual)
    with np.errstate(over="ignore"):  # of what is not taken
        square = residual**2 / 2
    loss = np.where(size > epsilon, epsilon * (size - epsilon / 2), square)
    return loss, np.clip(residual, -epsilon, epsilon)


def epsilon_insensitive(
    z: Doubles, y: Doubles, epsilon: float
) -> tuple[Doubles, Doubles]:
    """Return the loss ``max(0, |z - y| - epsilon)`` and its slope in z."""
    residual = z - y
    excess = np.abs(residual) - epsilon
    return np.maximum(excess, 0), np.sign(residual) * (excess > 0)


def squared_epsilon_insensitive(
    z: Doubles, y: Doubles, epsilon: float
) -> tuple[Doubles, Doubles]:
    """Return the loss ``max(0, |z - y| - epsilon)^2`` and its slope in z."""
    residual = z - y
    excess = np.maximum(np.abs(residual) - epsilon, 0)
    return excess**2, 2 * np.sign(residual) * excess


def quantile(z: Doubles, y: Doubles, level: float) -> tuple[Doubles, Doubles]:
    """Return the pinball loss of a quantile and its slope in z."""
    slope = np.where(z > y, 1 - level, -level)
    return slope * (z - y), slope


def poisson(z: Doubles, y: Doubles, _: float) -> tuple[Doubles, Doubles]:
    """Return the loss ``exp(z) - y z`` and its slope in z."""
    with np.errstate(over="ignore"):
        expected = np.exp(z)
    return expected - y * z, expected - y


def hinge(z: Doubles, y: Doubles, _: float) -> tuple[Doubles, Doubles]:
    """Return the loss ``max(0, 1 - s z)``, s = 2 y - 1, and its slope in z."""
    s = 2 * y - 1
    return np.maximum(1 - s * z, 0), np.where(s * z <= 1, -s, 0)


def squared_hinge(z: Doubles, y: Doubles, _: float) -> tuple[Doubles, Doubles]:
    """Return the loss ``max(0, 1 - s z)^2``, s = 2 y - 1, and its slope in z."""
    s = 2 * y - 1
    lack = np.maximum(1 - s * z, 0)
    return lack**2, -2 * s * lack


def modified_huber(z: Doubles, y: Doubles, _: float) -> tuple[Doubles, Doubles]:
    """Return the squared hinge loss, ``-4 s z`` below -1, and its slope in z."""
    s = 2 * y - 1
    lack = np.maximum(1 - s * z, 0)
    with np.errstate(over="ignore"):  # of what is not taken
        square = lack**2
    loss = np.where(s * z < -1, -4 * s * z, square)
    return loss, -2 * s * np.minimum(lack, 2)


def perceptron(z: Doubles, y: Doubles, _: float) -> tuple[Doubles, Doubles]:
    """Return the loss ``max(0, -s z)``, s = 2 y - 1, and its slope in z."""
    s = 2 * y - 1
    return np.maximum(-s * z, 0), np.where(s * z <= 0, -s, 0)


# In the order of the numbers in `_losses.pxd`.
LOSSES = (
    squared_error,
    half_squared_error,
    log_loss,
    huber,
    epsilon_insensitive,
    squared_epsilon_insensitive,
    quantile,
    poisson,
    hinge,
    squared_hinge,
    modified_huber,
    perceptron,
)


def add_gradient(
    kind: int,
    param: float,
    X: Floats,
    y: Floats,
    sample_weight: Doubles | None,
    columns: Doubles | None,
    params: Doubles,
    gradient: Doubles,
) -> tuple[float, float]:
    """Add the loss gradient of a chunk of examples to a running sum.

    See ``gdfast._kernel.add_gradient``.
    """
    n, d = X.shape
    check_shapes(kind, n, d, y, sample_weight, columns, params)
    if gradient.shape != params.shape:
        raise ValueError("gradient must have the shape of params")
    weight = np.ones(n) if sample_weight is None else sample_weight
    if columns is not None:
        X = (X - columns[0]) * columns[1]
    coef, intercept = params[:d], params[d:].sum()
    z = X @ coef + intercept
    loss, slope = LOSSES[kind](z, y.astype(np.float64), param)
    slope *= weight
    gradient[:d] += X.T @ slope
    gradient[d:] += slope.sum()
    return float(loss @ weight), float(weight.sum())


def add_moments(
    kind: int,
    param: float,
    X: Floats,
    y: Floats,
    sample_weight: Doubles | None,
    columns: Doubles | None,
    params: Doubles,
    gradient: Doubles,
    moment: Doubles,
) -> tuple[float, float]:
    """Add the loss gradient and the moments of a chunk of examples to running sums.

    See ``gdfast._kernel.add_moments``.
    """
    n, d = X.shape
    check_shapes(kind, n, d, y, sample_weight, columns, params)
    if gradient.shape != params.shape:
        raise ValueError("gradient must have the shape of params")
    if moment.shape != (len(params), len(params)):
        raise ValueError("moment must have shape (n_params, n_params)")
    sums = add_gradient(kind, param, X, y, sample_weight, columns, params, gradient)
    weight = np.ones(n) if sample_weight is None else sample_weight
    if columns is not None:
        X = (X - columns[0]) * columns[1]
    moment[:d, :d] += (X * weight[:, None]).T @ X
    if len(params) > d:
        moment[d, :d] += weight @ X
        moment[:d, d] += weight @ X
        moment[d, d] += weight.sum()
    return sums


def apply_update(params: Doubles, gradient: Doubles, rate: float) -> float:
    """Take one step downhill, see ``gdfast._kernel.apply_update``."""
    if len(params) == 0 or gradient.shape != params.shape:
        raise ValueError("gradient must have the shape of params")
    before = params.copy()
    params -= rate * gradient
    return float(np.abs(params - before).max())


def descend(
    kind: int,
    param: float,
    X: Floats,
    y: Floats,
    sample_weight: Doubles | None,
    columns: Doubles | None,
    params: Doubles,
    rates: Doubles,
    trace: Doubles,
    path: Doubles | None,
) -> None:
    """Make ``len(rates)`` steps of gradient descent, see ``gdfast._kernel.descend``."""
    n, d = X.shape
    check_shapes(kind, n, d, y, sample_weight, columns, params)
    check_outputs(len(rates), len(params), trace, path)
    for t in range(len(trace)):
        gradient = np.zeros_like(params)
        loss_sum, weight_sum = add_gradient(
            kind, param, X, y, sample_weight, columns, params, gradient
        )
        gradient /= weight_sum
        if path is not None:
            path[t] = params
        change = np.inf
        if t < len(rates):
            change = apply_update(params, gradient, rates[t])
        trace[t] = loss_sum / weight_sum, np.abs(gradient).max(), change


def descend_quadratic(
    loss: float,
    gradient: Doubles,
    hessian: Doubles,
    center: Doubles | None,
    origin: Doubles,
    params: Doubles,
    rates: Doubles,
    trace: Doubles,
    path: Doubles | None,
) -> int:
    """Make steps on a quadratic function, see ``gdfast._kernel.descend_quadratic``."""
    n = len(params)
    if n == 0 or gradient.shape != (n,) or origin.shape != (n,):
        raise ValueError("gradient and origin must have the shape of params")
    if hessian.shape != (n, n):
        raise ValueError("hessian must have shape (n_params, n_params)")
    if center is not None and center.shape != (n - 1,):
        raise ValueError("center must have one value less than params")
    check_outputs(len(rates), n, trace, path)
    for t in range(len(trace)):
        moved = params - origin
        if center is not None:
            moved[-1] += center @ moved[:-1]
        slope = gradient + hessian @ moved
        value = loss + (gradient @ moved + moved @ hessian @ moved / 2)
        if center is not None:
            slope[:-1] += center * slope[-1]
        size = np.abs(moved) @ np.sqrt(np.abs(hessian.diagonal()))
        if abs(value) < 1e-5 * (abs(loss) + np.abs(gradient * moved).sum() + size**2):
            return t
        if path is not None:
            path[t] = params
        change = np.inf
        if t < len(rates):
            change = apply_update(params, slope, rates[t])
        trace[t] = value, np.abs(slope).max(), change
    return len(trace)


def check_outputs(
    n_steps: int, n_params: int, trace: Doubles, path: Doubles | None
) -> None:
    """Raise the kernel's errors about what it writes to."""
    if trace.shape not in ((n_steps, 3), (n_steps + 1, 3)):
        raise ValueError("trace must have shape (n_steps, 3) or (n_steps + 1, 3)")
    if path is not None and path.shape != (len(trace), n_params):
        raise ValueError("path must have n_params values for each row of trace")


def check_shapes(
    kind: int,
    n: int,
    d: int,
    y: Floats,
    sample_weight: Doubles | None,
    columns: Doubles | None,
    params: Doubles,
) -> None:
    """Raise the errors of the kernel, in its words and in its order."""
    if n == 0 or d == 0:
        raise ValueError("X must have at least one row and one column")
    if len(y) != n:
        raise ValueError("y must have one value for each row of X")
    if sample_weight is not None and len(sample_weight) != n:
        raise ValueError("sample_weight must have one value for each row of X")
    if columns is not None and columns.shape != (2, d):
        raise ValueError("columns must have shape (2, n_features)")
    if len(params) not in (d, d + 1):
        raise ValueError(
            "params must have n_features values, or one more for the intercept"
        )
    if not 0 <= kind < len(LOSSES):
        raise ValueError(f"unknown loss number {kind}")
