"""The kernel in NumPy, written to be read.

Every function here has the signature and the meaning of its twin in ``_kernel.pyx``.
Tests run both and compare, benchmarks time both; nothing else imports this module.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32] | NDArray[np.float64]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32] | NDArray[np.int64]


def squared_error(z: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
    """Return the loss ``(z - y)^2`` of every example and its slope in z."""
    residual = z - y
    return residual**2, 2 * residual


def half_squared_error(z: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
    """Return the loss ``(z - y)^2 / 2`` of every example and its slope in z."""
    residual = z - y
    return residual**2 / 2, residual


def log_loss(z: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
    """Return the loss ``log(1 + exp(z)) - y z`` of every example and its slope in z."""
    e = np.exp(-np.abs(z))
    sigmoid = np.where(z < 0, e, 1.0) / (1 + e)
    return np.maximum(z, 0) - y * z + np.log1p(e), sigmoid - y


# In the order of the numbers in `_losses.pxd`.
LOSSES = (squared_error, half_squared_error, log_loss)


def add_gradient(
    kind: int,
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
    loss, slope = LOSSES[kind](z, y.astype(np.float64))
    slope *= weight
    gradient[:d] += X.T @ slope
    gradient[d:] += slope.sum()
    return float(loss @ weight), float(weight.sum())


def add_gradient_csr(
    kind: int,
    data: Floats,
    indices: Ints,
    indptr: Ints,
    y: Floats,
    sample_weight: Doubles | None,
    n_features: int,
    params: Doubles,
    gradient: Doubles,
) -> tuple[float, float]:
    """Add the loss gradient of some rows of a sparse matrix to a running sum.

    See ``gdfast._kernel.add_gradient_csr``.
    """
    n, d = len(indptr) - 1, n_features
    check_rows(n, d, y, sample_weight)
    if indptr[0] < 0 or indptr[-1] > len(data):
        raise ValueError("indptr must stay within data")
    if (np.diff(indptr) < 0).any():
        raise ValueError("indptr must not fall")
    check_model(kind, d, params)
    if gradient.shape != params.shape:
        raise ValueError("gradient must have the shape of params")
    if len(indices) != len(data):
        raise ValueError("indices must have one value for each of data")
    stored = slice(indptr[0], indptr[-1])
    column, value = indices[stored], data[stored].astype(np.float64)
    if ((column < 0) | (column >= d)).any():
        raise ValueError("indices must be from 0 to n_features - 1")
    row = np.repeat(np.arange(n), np.diff(indptr))
    weight = np.ones(n) if sample_weight is None else sample_weight
    z = np.bincount(row, value * params[column], n) + params[d:].sum()
    loss, slope = LOSSES[kind](z, y.astype(np.float64))
    slope *= weight
    gradient[:d] += np.bincount(column, slope[row] * value, d)
    gradient[d:] += slope.sum()
    return float(loss @ weight), float(weight.sum())


def add_moments(
    kind: int,
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
    sums = add_gradient(kind, X, y, sample_weight, columns, params, gradient)
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
            kind, X, y, sample_weight, columns, params, gradient
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
    check_rows(n, d, y, sample_weight)
    if columns is not None and columns.shape != (2, d):
        raise ValueError("columns must have shape (2, n_features)")
    check_model(kind, d, params)


def check_rows(n: int, d: int, y: Floats, sample_weight: Doubles | None) -> None:
    """Raise the errors about the number of rows."""
    if n <= 0 or d <= 0:
        raise ValueError("X must have at least one row and one column")
    if len(y) != n:
        raise ValueError("y must have one value for each row of X")
    if sample_weight is not None and len(sample_weight) != n:
        raise ValueError("sample_weight must have one value for each row of X")


def check_model(kind: int, d: int, params: Doubles) -> None:
    """Raise the errors about the parameters and the loss."""
    if len(params) not in (d, d + 1):
        raise ValueError(
            "params must have n_features values, or one more for the intercept"
        )
    if not 0 <= kind < len(LOSSES):
        raise ValueError(f"unknown loss number {kind}")
