"""The kernel in NumPy, written to be read.

Every function here has the signature and the meaning of its twin in ``_kernel.pyx``.
Tests run both and compare, benchmarks time both; nothing else imports this module.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32] | NDArray[np.float64]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32] | NDArray[np.int64]


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


def multinomial(z: Doubles, y: Doubles, _: float) -> tuple[Doubles, Doubles]:
    """Return the loss ``log(sum of exp(z)) - y . z`` of every row and its slopes."""
    largest = z.max(axis=1, keepdims=True)
    e = np.exp(z - largest)
    total = e.sum(axis=1, keepdims=True)
    at = (y * z).sum(axis=1, keepdims=True)
    return np.log(total) + (largest - at), e / total - y


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
    multinomial,
)


def add_gradient(
    kind: int,
    param: float,
    X: Floats,
    y: Floats,
    sample_weight: Doubles | None,
    columns: Doubles | None,
    params: Doubles,
    gradient: Doubles | None,
    n_outputs: int = 1,
) -> tuple[float, float]:
    """Add the loss gradient of a chunk of examples to a running sum.

    See ``gdfast._kernel.add_gradient``.
    """
    n, d = X.shape
    check_shapes(kind, n, d, y, sample_weight, columns, params, n_outputs)
    if gradient is not None and gradient.shape != params.shape:
        raise ValueError("gradient must have the shape of params")
    weight = np.ones(n) if sample_weight is None else sample_weight
    if columns is not None:
        X = (X - columns[0]) * columns[1]
    coef, intercept = split(params, d, n_outputs)
    z = X @ coef + intercept.sum(axis=0)
    loss, slope = LOSSES[kind](z, targets(y, n, n_outputs), param)
    if gradient is not None:
        slope *= weight[:, None]
        coef_sum, intercept_sum = split(gradient, d, n_outputs)
        coef_sum += X.T @ slope
        intercept_sum += slope.sum(axis=0)
    return float(loss.sum(axis=1) @ weight), float(weight.sum())


def split(params: Doubles, d: int, n_outputs: int) -> tuple[Doubles, Doubles]:
    """Return views: coefficients, a column for each output, and a row of intercepts."""
    matrix = params.reshape(-1, n_outputs)
    return matrix[:d], matrix[d:]


def targets(y: Floats, n: int, n_outputs: int) -> Doubles:
    """Return a column for each output; of a class, whether it is the row's."""
    matrix: Doubles
    if len(y) < n * n_outputs:
        matrix = (y[:, None] == np.arange(n_outputs)).astype(np.float64)
    else:
        matrix = y.astype(np.float64).reshape(n, n_outputs)
    return matrix


def add_gradient_csr(
    kind: int,
    param: float,
    data: Floats,
    indices: Ints,
    indptr: Ints,
    y: Floats,
    sample_weight: Doubles | None,
    n_features: int,
    params: Doubles,
    gradient: Doubles | None,
    n_outputs: int = 1,
) -> tuple[float, float]:
    """Add the loss gradient of some rows of a sparse matrix to a running sum.

    See ``gdfast._kernel.add_gradient_csr``.
    """
    n, d = len(indptr) - 1, n_features
    check_rows(n, d, y, sample_weight, n_outputs)
    check_stored(data, indices, indptr, np.arange(n))
    check_model(kind, d, params, n_outputs)
    if gradient is not None and gradient.shape != params.shape:
        raise ValueError("gradient must have the shape of params")
    stored = slice(indptr[0], indptr[-1])
    column, value = indices[stored], data[stored].astype(np.float64)
    if ((column < 0) | (column >= d)).any():
        raise ValueError("indices must be from 0 to n_features - 1")
    row = np.repeat(np.arange(n), np.diff(indptr))
    weight = np.ones(n) if sample_weight is None else sample_weight
    coef, intercept = split(params, d, n_outputs)
    z = np.zeros((n, n_outputs)) + intercept.sum(axis=0)
    np.add.at(z, row, value[:, None] * coef[column])
    loss, slope = LOSSES[kind](z, targets(y, n, n_outputs), param)
    if gradient is not None:
        slope *= weight[:, None]
        coef_sum, intercept_sum = split(gradient, d, n_outputs)
        np.add.at(coef_sum, column, value[:, None] * slope[row])
        intercept_sum += slope.sum(axis=0)
    return float(loss.sum(axis=1) @ weight), float(weight.sum())


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
    check_shapes(kind, n, d, y, sample_weight, columns, params, 1)
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


class Update:
    """How a step changes the parameters, see ``gdfast._kernel.Update``."""

    def __init__(
        self,
        kind: int,
        constants: Doubles,
        n_features: int,
        n_intercepts: int,
        l1: float,
        l2: float,
        bounds: Doubles | None,
        state: Doubles,
    ) -> None:
        n_params = n_features + n_intercepts
        if not 0 <= kind < len(RULES):
            raise ValueError(f"unknown rule number {kind}")
        if constants.shape != (3,):
            raise ValueError("constants must have three values")
        if bounds is not None and bounds.shape != (2, n_features):
            raise ValueError("bounds must have shape (2, n_features)")
        self.rule, n_slots = RULES[kind]
        if (
            n_features < 1
            or n_intercepts < 0
            or state.shape != (2 + n_slots * n_params,)
        ):
            raise ValueError("state must have 2 + n_slots * n_params values")
        self.constants, self.l1, self.l2 = constants.tolist(), l1, l2
        self.n_features, self.n_params = n_features, n_params
        self.bounds = bounds
        self.scalars, self.slots = state[:2], state[2:].reshape(n_slots, n_params)

    def look_ahead(self, params: Doubles, point: Doubles) -> None:
        """Find where the gradient of the next step is taken."""
        check_gradient(params, self.n_params)
        check_gradient(point, self.n_params)
        point[:] = params
        if self.rule in (nesterov, accelerated):
            point -= inertia(self) * self.slots[0]

    def take_step(
        self,
        loss: float,
        point: Doubles,
        gradient: Doubles | None,
        rate: Doubles | None,
        params: Doubles,
        row: Doubles,
    ) -> None:
        """Note what is seen at a point, and update the parameters."""
        for array in (params, point, params if gradient is None else gradient):
            check_gradient(array, self.n_params)
        if row.shape != (3,):
            raise ValueError("row must have three values")
        if rate is not None and rate.shape != (1,):
            raise ValueError("rate must have one value")
        if gradient is None and rate is not None:
            raise ValueError("rate must be None without a gradient")
        coef = point[: self.n_features]
        penalty = self.l1 * np.abs(coef).sum() + self.l2 * (coef @ coef) / 2
        row[:] = loss + penalty, np.nan, np.inf
        if gradient is None:
            return
        gradient[: self.n_features] += self.l2 * coef
        row[1] = self.steepest(point, gradient)
        if rate is not None:
            before = params.copy()
            displacement, step = self.rule(self, gradient, float(rate[0]))
            params[:] = self.prox(before - displacement, step)
            if self.rule in (momentum, nesterov, accelerated):
                remember(self, before, params)
            row[2] = np.abs(params - before).max()
            if rate[0] == 0 and row[2] == 0:
                row[2] = np.inf

    def steepest(self, point: Doubles, gradient: Doubles) -> float:
        """Return the largest component of the smallest subgradient."""
        d = self.n_features
        slope, w = gradient.copy(), point[:d]
        slope[:d] = np.where(
            w == 0, shrunk(slope[:d], self.l1), slope[:d] + self.l1 * np.sign(w)
        )
        if self.bounds is not None:
            low, high = self.bounds
            slope[:d][(slope[:d] > 0) & (w <= low)] = 0
            slope[:d][(slope[:d] < 0) & (w >= high)] = 0
        return float(np.abs(slope).max())

    def prox(self, params: Doubles, step: Doubles | float) -> Doubles:
        """Return the parameters nearest to these, what is not smooth considered."""
        d = self.n_features
        if self.l1:
            step = np.broadcast_to(step, len(params))
            params[:d] = shrunk(params[:d], step[:d] * self.l1)
        if self.bounds is not None:
            params[:d] = np.clip(params[:d], *self.bounds)
        return params


def shrunk(values: Doubles, by: Doubles | float) -> Doubles:
    """Return values that are nearer to zero by so much, at most."""
    return np.sign(values) * np.maximum(np.abs(values) - by, 0)


# Each rule of `gdfast.optimizers`: what it takes off the parameters, and the step that
# this stands for. g is the gradient; what is remembered is changed.


def gd(update: Update, g: Doubles, rate: float) -> tuple[Doubles, Doubles | float]:
    return rate * g, rate


def momentum(
    update: Update, g: Doubles, rate: float
) -> tuple[Doubles, Doubles | float]:
    return inertia(update) * update.slots[0] + rate * g, rate


def nesterov(
    update: Update, g: Doubles, rate: float
) -> tuple[Doubles, Doubles | float]:
    return momentum(update, g, rate)  # g is from ahead


def accelerated(
    update: Update, g: Doubles, rate: float
) -> tuple[Doubles, Doubles | float]:
    return momentum(update, g, rate)  # g is from ahead


def inertia(update: Update) -> float:
    """Return the part of the last displacement that is made again."""
    if update.rule is not accelerated:
        return float(update.constants[0])
    t = update.scalars[0]
    return (t - 1) / next_t(t) if t > 1 else 0.0


def next_t(t: float) -> float:
    """Return the next number of the sequence that an accelerated method follows."""
    return float(1 + np.sqrt(1 + 4 * t * t)) / 2


def remember(update: Update, before: Doubles, after: Doubles) -> None:
    """Keep the displacement; an accelerated method begins anew if it goes uphill."""
    ahead = before - inertia(update) * update.slots[0]
    update.slots[0] = before - after
    if update.rule is accelerated:
        uphill = (ahead - after) @ (after - before) > 0
        update.scalars[0] = 0 if uphill else next_t(update.scalars[0])


def adagrad(update: Update, g: Doubles, rate: float) -> tuple[Doubles, Doubles | float]:
    epsilon, _, _ = update.constants
    update.slots[0] += g * g
    step = rate / np.sqrt(update.slots[0] + epsilon)
    return step * g, step


def adadelta(
    update: Update, g: Doubles, rate: float
) -> tuple[Doubles, Doubles | float]:
    rho, epsilon, _ = update.constants
    squares, changes = update.slots
    squares[:] = rho * squares + (1 - rho) * (g * g)
    size = np.sqrt(changes + epsilon) / np.sqrt(squares + epsilon)
    changes[:] = rho * changes + (1 - rho) * (size * g) ** 2
    return rate * size * g, rate * size


def rmsprop(update: Update, g: Doubles, rate: float) -> tuple[Doubles, Doubles | float]:
    rho, epsilon, _ = update.constants
    update.slots[0] = rho * update.slots[0] + (1 - rho) * (g * g)
    step = rate / np.sqrt(update.slots[0] + epsilon)
    return step * g, step


def adam(update: Update, g: Doubles, rate: float) -> tuple[Doubles, Doubles | float]:
    first, second, epsilon = average(update, g)
    step = rate / (np.sqrt(second) + epsilon)
    return step * first, step


def adamax(update: Update, g: Doubles, rate: float) -> tuple[Doubles, Doubles | float]:
    beta_1, beta_2, _ = update.constants
    m, u = update.slots
    update.scalars[0] = beta_1 * update.scalars[0] + (1 - beta_1)
    m[:] = beta_1 * m + (1 - beta_1) * g
    u[:] = np.maximum(beta_2 * u, np.abs(g))
    step = np.divide(rate, u, out=np.zeros_like(u), where=u != 0)
    return step * (m / update.scalars[0]), step


def nadam(update: Update, g: Doubles, rate: float) -> tuple[Doubles, Doubles | float]:
    first, second, epsilon = average(update, g)
    beta_1 = update.constants[0]
    step = rate / (np.sqrt(second) + epsilon)
    return step * (beta_1 * first + (1 - beta_1) * g / update.scalars[0]), step


def average(update: Update, g: Doubles) -> tuple[Doubles, Doubles, float]:
    """Return the means of g and of its squares without bias, and epsilon."""
    beta_1, beta_2, epsilon = update.constants
    m, v = update.slots
    update.scalars[:] *= (beta_1, beta_2)
    update.scalars[:] += (1 - beta_1, 1 - beta_2)
    m[:] = beta_1 * m + (1 - beta_1) * g
    v[:] = beta_2 * v + (1 - beta_2) * (g * g)
    return m / update.scalars[0], v / update.scalars[1], epsilon


# In the order of the numbers in `_updates.pxd`, with the values of each parameter that
# are remembered.
RULES = (
    (gd, 0),
    (momentum, 1),
    (nesterov, 1),
    (accelerated, 1),
    (adagrad, 1),
    (adadelta, 2),
    (rmsprop, 1),
    (adam, 2),
    (adamax, 2),
    (nadam, 2),
)


def chosen_rule(update: Update | None, n_params: int) -> Update:
    """Return an update, plain gradient descent if there is none."""
    if update is None:
        return Update(0, np.zeros(3), n_params, 0, 0.0, 0.0, None, np.zeros(2))
    if update.n_params != n_params:
        raise ValueError("update must have been made for as many params")
    return update


def check_gradient(gradient: Doubles, n_params: int) -> None:
    """Raise the kernel's error about an array of the parameters' shape."""
    if n_params == 0 or gradient.shape != (n_params,):
        raise ValueError("gradient must have the shape of params")


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
    update: Update | None = None,
    n_outputs: int = 1,
) -> None:
    """Make ``len(rates)`` steps of gradient descent, see ``gdfast._kernel.descend``."""
    n, d = X.shape
    check_shapes(kind, n, d, y, sample_weight, columns, params, n_outputs)
    update = chosen_rule(update, len(params))
    check_outputs(len(rates), len(params), trace, path)
    for t in range(len(trace)):
        point, rate = next_point(update, params, rates[t : t + 1])
        gradient = np.zeros_like(params)
        loss_sum, weight_sum = add_gradient(
            kind, param, X, y, sample_weight, columns, point, gradient, n_outputs
        )
        gradient /= weight_sum
        if path is not None:
            path[t] = point
        update.take_step(loss_sum / weight_sum, point, gradient, rate, params, trace[t])


def descend_batches(
    kind: int,
    param: float,
    X: Floats,
    y: Floats,
    sample_weight: Doubles | None,
    columns: Doubles | None,
    order: NDArray[np.intp] | None,
    batch_size: int,
    params: Doubles,
    rates: Doubles,
    sums: Doubles,
    path_sum: Doubles | None,
    first: int,
    update: Update | None = None,
    n_outputs: int = 1,
) -> int:
    """Make a step on each batch of rows, see ``gdfast._kernel.descend_batches``."""
    n, d = X.shape
    check_shapes(kind, n, d, y, sample_weight, columns, params, n_outputs)
    update = chosen_rule(update, len(params))
    if batch_size < 1:
        raise ValueError("batch_size must be at least 1")
    if order is None:
        order = np.arange(n)
    if len(order) == 0:
        raise ValueError("order must have at least one row")
    if order.min() < 0 or order.max() >= n:
        raise ValueError("order must be from 0 to n_samples - 1")
    if len(rates) < -(-len(order) // batch_size):
        raise ValueError("rates must have one value for each batch")
    if sums.shape != (n_outputs + 1,):
        raise ValueError("sums must have a value for each output and one more")
    if path_sum is not None and path_sum.shape != params.shape:
        raise ValueError("path_sum must have the shape of params")
    made, row, of_rows = 0, np.empty(3), y.reshape(n, -1)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        weight = np.ones(len(rows)) if sample_weight is None else sample_weight[rows]
        if not weight.any():
            continue
        point, rate = next_point(update, params, rates[made : made + 1])
        gradient = np.zeros_like(params)
        loss_sum, weight_sum = add_gradient(
            *(kind, param, X[rows], of_rows[rows].ravel(), weight, columns),
            *(point, gradient, n_outputs),
        )
        gradient /= weight_sum
        update.take_step(loss_sum / weight_sum, point, gradient, rate, params, row)
        sums[0] += weight_sum * row[0]  # of all outputs
        sums[-1] += weight_sum
        if path_sum is not None and made >= first:
            path_sum += params
        made += 1
    return made


def descend_batches_csr(
    kind: int,
    param: float,
    data: Floats,
    indices: Ints,
    indptr: Ints,
    y: Floats,
    sample_weight: Doubles | None,
    columns: Doubles | None,
    n_features: int,
    order: NDArray[np.intp] | None,
    batch_size: int,
    params: Doubles,
    rates: Doubles,
    sums: Doubles,
    path_sum: Doubles | None,
    first: int,
    update: Update | None = None,
    n_outputs: int = 1,
    common: Doubles | None = None,
) -> int:
    """Make a step on each batch of sparse rows, here by storing these whole.

    See ``gdfast._kernel.descend_batches_csr``.
    """
    n = len(indptr) - 1
    check_rows(n, n_features, y, sample_weight, n_outputs)
    if columns is not None and n_outputs > 1:
        raise ValueError("columns must be None for several outputs")
    if common is not None:
        if common.shape != (n_outputs + 1,):
            raise ValueError("common must have a value for each output and one more")
        params[: n_features * n_outputs] *= common[0]
        common[0] = 1.0
    rows = np.arange(n) if order is None else order
    if len(rows) and rows.min() >= 0 and rows.max() < n:
        check_stored(data, indices, indptr, rows)
    X = np.zeros((n, n_features))
    for row in rows.clip(0, n - 1):
        stored = slice(indptr[row], indptr[row + 1])
        if ((indices[stored] < 0) | (indices[stored] >= n_features)).any():
            raise ValueError("indices must be from 0 to n_features - 1")
        X[row] = np.bincount(indices[stored], data[stored], n_features)
    made = descend_batches(
        kind,
        param,
        X,
        y,
        sample_weight,
        columns,
        order,
        batch_size,
        params,
        rates,
        sums,
        path_sum,
        first,
        update,
        n_outputs,
    )
    if common is not None:
        coef, _ = split(params, n_features, n_outputs)
        common[1:] = (coef**2).sum(axis=0)
    return made


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
    update: Update | None = None,
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
    update = chosen_rule(update, n)
    for t in range(len(trace)):
        point, rate = next_point(update, params, rates[t : t + 1])
        moved = point - origin
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
            path[t] = point
        update.take_step(float(value), point, slope, rate, params, trace[t])
    return len(trace)


def stencil(x: float, low: float, high: float) -> tuple[float, float]:
    """Return two places beside x to take a difference at, within bounds if x is."""
    step = 6.055454452393343e-06 * max(1.0, abs(x))  # cube root of 2^-52
    if low <= x - step and x + step <= high or not low <= x <= high:
        return x - step, x + step
    room = high - x if high - x >= x - low else low - x
    if room == 0:  # the variable is fixed
        return x - step, x + step
    step = math.copysign(min(step, abs(room) / 2), room)
    return x + step, x + 2 * step


def slope(
    x: float,
    value: float,
    places: tuple[float, float],
    values: tuple[float, float],
) -> float:
    """Return the derivative at x of the parabola through three points."""
    (a, b), (at_a, at_b) = places, values
    if a < x < b:
        return (at_b - at_a) / (b - a)
    near, far = a - x, b - x
    return ((at_a - value) * far / near - (at_b - value) * near / far) / (far - near)


def are_finite(values: Doubles) -> bool:
    """Return whether all are, see ``gdfast._kernel.are_finite``."""
    return bool(np.isfinite(values).all())


class Function:
    """A function and its gradient, see ``gdfast._kernel.Function``."""

    def __init__(
        self, at_once: bool, has_gradient: bool, n: int, bounds: Doubles | None
    ) -> None:
        if n < 1:
            raise ValueError("n must be at least 1, and an int of C")
        if bounds is not None and bounds.shape != (2, n):
            raise ValueError("bounds must have shape (2, n)")
        self.n, self.at_once, self.has_gradient = n, at_once, has_gradient
        self.bounds = bounds
        self.n_values = self.n_gradients = 0

    def evaluate(self, point: Doubles, gradient: Doubles) -> float:
        """Return the value at a point, and write the gradient."""
        check_gradient(point, self.n)
        check_gradient(gradient, self.n)
        return self.find(point, gradient)

    def find(self, point: Doubles, gradient: Doubles) -> float:
        """Do that where shapes agree."""
        gradient[:] = np.nan
        if not np.isfinite(point).all():
            return math.nan
        value = self.call(point, gradient)
        if self.at_once or not math.isfinite(value):
            return value
        if self.has_gradient:
            self.call_gradient(point, gradient)
            return value
        at = point.copy()
        for j, x in enumerate(point.tolist()):
            low, high = -math.inf, math.inf
            if self.bounds is not None:
                low, high = self.bounds[:, j].tolist()
            places, values = stencil(x, low, high), []
            for at[j] in places:
                values.append(self.call(at, gradient))
            at[j] = x
            gradient[j] = slope(x, value, places, (values[0], values[1]))
        return value

    def call(self, point: Doubles, gradient: Doubles) -> float:
        """Return the value, and write the gradient if it comes with that."""
        raise NotImplementedError

    def call_gradient(self, point: Doubles, gradient: Doubles) -> None:
        """Write the gradient alone."""
        raise NotImplementedError


class CompiledFunction(Function):
    """A function of a compiler, see ``gdfast._kernel.CompiledFunction``."""

    def __init__(
        self,
        value: tuple[int, int | None],
        gradient: tuple[int, int | None] | None,
        at_once: bool,
        n: int,
        bounds: Doubles | None,
    ) -> None:
        if not value[0] or (gradient is not None and not gradient[0]):
            raise ValueError("an address must not be 0")
        super().__init__(at_once, gradient is not None, n, bounds)
        self.value = callable_at(value, ctypes.c_double, at_once)
        self.gradient = gradient and callable_at(gradient, None, True)

    def call(self, point: Doubles, gradient: Doubles) -> float:
        """Call the function with a copy of the point."""
        self.n_values += 1
        self.n_gradients += self.at_once
        return float(self.value(self.n, point.copy(), *[gradient] * self.at_once))

    def call_gradient(self, point: Doubles, gradient: Doubles) -> None:
        """Call that of the gradient."""
        assert self.gradient is not None
        self.n_gradients += 1
        self.gradient(self.n, point.copy(), gradient)


class PythonFunction(Function):
    """A function in Python, see ``gdfast._kernel.PythonFunction``."""

    def __init__(
        self,
        fun: Callable[..., Any],
        grad: Any,
        point: Doubles,
        scalar: bool,
        bounds: Doubles | None,
        as_number: Callable[[Any], float],
        as_gradient: Callable[[Any], Doubles],
        n_known: int,
    ) -> None:
        super().__init__(grad is True, grad is not None, len(point), bounds)
        self.fun, self.grad, self.point, self.scalar = fun, grad, point, scalar
        self.as_number, self.as_gradient = as_number, as_gradient
        self.known: dict[bytes, tuple[float, Doubles]] = {}
        self.known_before: dict[bytes, tuple[float, Doubles]] = {}
        self.half_known = n_known // 2

    def find(self, point: Doubles, gradient: Doubles) -> float:
        """Return what is known, or what is found."""
        key = point.tobytes()
        seen = self.known.get(key, self.known_before.get(key))
        if seen is not None:
            value, gradient[:] = seen
            return value
        value = super().find(point, gradient)
        if len(self.known) >= self.half_known:
            self.known_before, self.known = self.known, {}
        self.known[key] = value, gradient.copy()
        return value

    def call(self, point: Doubles, gradient: Doubles) -> float:
        """Call the function with a point of its own."""
        self.n_values += 1
        self.n_gradients += self.at_once
        given = self.fun(self.own(point))
        if not self.at_once:
            return float(self.as_number(given))
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise TypeError(
                "fun must return a pair (value, gradient) with grad=True, got "
                f"{given!r}"
            )
        value = float(self.as_number(given[0]))
        gradient[:] = self.as_gradient(given[1])
        return value

    def call_gradient(self, point: Doubles, gradient: Doubles) -> None:
        """Call that of the gradient likewise."""
        self.n_gradients += 1
        gradient[:] = self.as_gradient(self.grad(self.own(point)))

    def own(self, point: Doubles) -> Any:
        """Return a point as the functions take it, and as their own."""
        self.point[:] = point
        return self.point[0] if self.scalar else self.point.copy()


def callable_at(
    pointer: tuple[int, int | None], result: Any, takes_gradient: bool
) -> Callable[..., Any]:
    """Return a C function of a number of values and one or two arrays of these."""
    address, data = pointer
    array = np.ctypeslib.ndpointer(np.float64)
    types: list[Any] = [ctypes.c_int, array, *[array] * takes_gradient]
    if data is None:
        return ctypes.CFUNCTYPE(result, *types)(address)
    function = ctypes.CFUNCTYPE(result, *types, ctypes.c_void_p)(address)
    return lambda *arguments: function(*arguments, data)


def descend_function(
    function: Function,
    params: Doubles,
    rates: Doubles,
    trace: Doubles,
    path: Doubles | None,
    update: Update | None = None,
) -> int:
    """Make steps on a function, see ``gdfast._kernel.descend_function``."""
    update = chosen_rule(update, len(params))
    if function.n != len(params):
        raise ValueError("function must be one of as many variables as params has")
    check_outputs(len(rates), len(params), trace, path)
    for t in range(len(trace)):
        point, rate = next_point(update, params, rates[t : t + 1])
        gradient = np.empty_like(params)
        value = function.evaluate(point, gradient)
        if math.isfinite(value) and not np.isfinite(gradient).all():
            return t
        if path is not None:
            path[t] = point
        update.take_step(value, point, gradient, rate, params, trace[t])
    return len(trace)


def next_point(
    update: Update, params: Doubles, rate: Doubles
) -> tuple[Doubles, Doubles | None]:
    """Return where the next gradient is taken, and the rate if a step is to follow."""
    point = params.copy()
    if len(rate) == 0:
        return point, None
    update.look_ahead(params, point)
    return point, rate


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
    n_outputs: int,
) -> None:
    """Raise the errors of the kernel, in its words and in its order."""
    check_rows(n, d, y, sample_weight, n_outputs)
    if columns is not None and columns.shape != (2, d):
        raise ValueError("columns must have shape (2, n_features)")
    check_model(kind, d, params, n_outputs)


def check_stored(
    data: Floats, indices: Ints, indptr: Ints, rows: NDArray[np.intp]
) -> None:
    """Raise ValueError unless the values of some sparse rows are there."""
    if len(indices) != len(data):
        raise ValueError("indices must have one value for each of data")
    starts, ends = indptr[rows], indptr[rows + 1]
    if (starts > ends).any():
        raise ValueError("indptr must not fall")
    if starts.min() < 0 or ends.max() > len(data):
        raise ValueError("indptr must stay within data")


def check_rows(
    n: int, d: int, y: Floats, sample_weight: Doubles | None, n_outputs: int
) -> None:
    """Raise the errors about the number of rows."""
    if n <= 0 or d <= 0:
        raise ValueError("X must have at least one row and one column")
    if n_outputs < 1:
        raise ValueError("n_outputs must be at least 1")
    if len(y) not in (n, n * n_outputs):
        raise ValueError(
            "y must have one value for each row of X, or for each of its outputs"
        )
    if sample_weight is not None and len(sample_weight) != n:
        raise ValueError("sample_weight must have one value for each row of X")


def check_model(kind: int, d: int, params: Doubles, n_outputs: int) -> None:
    """Raise the errors about the parameters and the loss."""
    if len(params) not in (d * n_outputs, (d + 1) * n_outputs):
        raise ValueError(
            "params must have n_features values, or one more for the intercept, for "
            "each output"
        )
    check_kind(kind, n_outputs)


def check_kind(kind: int, n_outputs: int = 1) -> None:
    """Raise the errors about a loss that is not there, or not for so many outputs."""
    if not 0 <= kind < len(LOSSES):
        raise ValueError(f"unknown loss number {kind}")
    if LOSSES[kind] is multinomial and n_outputs == 1:
        raise ValueError(f"the loss number {kind} is of two outputs or more")


def shuffled(order: NDArray[np.intp], seed: int, n_draws: int) -> int:
    """Shuffle rows as scikit-learn's stochastic descent does; return the next seed."""
    n, seed = len(order), seed or 1
    for i in range(min(n_draws, n - 1)):
        seed ^= seed << 13 & 0xFFFFFFFF
        seed ^= seed >> 17
        seed ^= seed << 5 & 0xFFFFFFFF
        j = i + seed % 2**31 % (n - i)
        order[[i, j]] = order[[j, i]]
    return seed


def follow_order(
    order: NDArray[np.intp], sigma: NDArray[np.intp], following: NDArray[np.intp]
) -> None:
    """Write ``order[sigma]``, ``order[sigma][sigma]`` and so on, a row for each."""
    n = len(sigma)
    if following.shape[1] != n or (len(following) > 1 and len(order) != n):
        raise ValueError("following must have the shape of sigma, which is whole")
    if following.size and not (sigma.min() >= 0 and sigma.max() < len(order)):
        raise ValueError("sigma must be from 0 to n_samples - 1")
    for epoch in following:
        epoch[:] = order = order[sigma]


def check_steps(
    n_rows: int,
    sample_weight: Doubles | None,
    order: NDArray[np.intp],
    rates: Doubles,
) -> None:
    """Raise the errors about what stochastic steps are made on."""
    if sample_weight is not None and len(sample_weight) != n_rows:
        raise ValueError("sample_weight must have one value for each row of X")
    if len(rates) != len(order):
        raise ValueError("rates must have one value for each row of order")
    if len(order) and not (order.min() >= 0 and order.max() < n_rows):
        raise ValueError("order must be from 0 to n_samples - 1")


class Stochastic:
    """scikit-learn's stochastic gradient descent on one output, a step on every row.

    The coefficients are `scale` times `w`. Their average is (`mean` + `mean_share`
    times `w`) / `mean_scale`: it takes part in what truncation does to `w` later.
    """

    def __init__(
        self,
        kind: int,
        param: float,
        n_features: int,
        coef: Doubles,
        mean: Doubles | None,
        paid: Doubles | None,
        rule: int,
        aggressiveness: float,
        alpha: float,
        l1: float,
        l2: float,
        intercept_rate: float,
        average_from: float,
    ) -> None:
        padded = -(-n_features // 8) * 8
        if n_features < 1 or len(coef) != padded:
            raise ValueError("coef must have a multiple of 8 values")
        if mean is not None and len(mean) != padded:
            raise ValueError("mean must have the shape of coef")
        if paid is not None and len(paid) != padded:
            raise ValueError("paid must have the shape of coef")
        if (mean is None and average_from < np.inf) or (paid is None and l1):
            raise ValueError("mean and paid must be there where they are needed")
        check_kind(kind)
        self.kind, self.param, self.n_features = kind, param, n_features
        self.w, self.scale = coef[:n_features], 1.0
        self.mean = np.zeros(n_features) if mean is None else mean[:n_features]
        self.paid = np.zeros(n_features) if paid is None else paid[:n_features]
        self.mean_share, self.mean_scale = 0.0, 1.0
        self.rule, self.aggressiveness = rule, aggressiveness
        self.alpha, self.l1, self.l2 = alpha, l1, l2
        self.intercept_rate = intercept_rate
        self.average_from = average_from
        self.t, self.intercept, self.mean_intercept, self.owed = 1.0, 0.0, 0.0, 0.0
        self.loss_sum = self.objective_sum = self.nothing = 0.0
        self.in_order = False  # NumPy rounds as it likes
        self.measure()

    def measure(self) -> None:
        """Note size and square of the coefficients, as the next step sees them."""
        self.size = self.scale * np.abs(self.w).sum()
        self.square = self.scale**2 * (self.w @ self.w)

    def shrink(self, rate: float) -> None:
        """Multiply all coefficients by what a step of the penalty makes of them."""
        factor = float(self.dtype.type(max(0.0, 1 - self.l2 * rate * self.alpha)))
        self.scale *= factor
        self.size *= factor
        self.square *= factor**2
        if self.scale < 1e-9:
            self.settle()

    def settle(self) -> None:
        """Make `coef` and `mean` what they stand for."""
        self.mean += self.mean_share * self.w
        self.mean /= self.mean_scale
        self.mean_share, self.mean_scale = 0.0, 1.0
        self.w *= self.scale
        self.scale = 1.0

    def update(
        self, x: Doubles, z: float, y: float, slope: float, loss: float, rate: float
    ) -> float:
        """Return the factor of x in the update of the coefficients."""
        if self.rule == 0:
            return -rate * float(np.clip(slope, -1e12, 1e12))
        if self.rule == 1:
            size = min(self.aggressiveness, loss / float(x @ x))
        else:
            size = loss / (float(x @ x) + 0.5 / self.aggressiveness)
        towards = y > 0 if LOSSES[self.kind] is hinge else y >= z
        return size if towards else -size

    def step_on(
        self, x: Doubles, at: slice | Ints, y: float, weight: float, rate: float
    ) -> None:
        """Make a step on a row of values x, those of the columns `at`."""
        z = float(self.scale * (x @ self.w[at]) + self.intercept)
        self.nothing += 0.0 * z
        found = LOSSES[self.kind](np.array([z]), np.array([y]), self.param)
        loss, slope = (float(value[0]) for value in found)
        self.loss_sum += loss
        self.objective_sum += loss
        if self.rule == 0:
            penalty = self.l1 * self.size + self.l2 * self.square / 2
            self.objective_sum += self.alpha * penalty
        if self.rule == 1 and not x.any():
            return
        step = weight * self.update(x, z, y, slope, loss, rate)
        if self.l2:
            self.shrink(rate)
        if step:
            self.w[at] += step / self.scale * x
            self.measure()
        self.intercept += step * self.intercept_rate
        if self.t >= self.average_from:
            self.mean[at] -= self.mean_share * step / self.scale * x
            share = 1 / (self.t - self.average_from + 1)
            if share < 1:
                self.mean_scale /= 1 - share
            self.mean_share += share * self.mean_scale * self.scale
            self.mean_intercept += share * (self.intercept - self.mean_intercept)
        self.t += 1
        self.owed += self.l1 * rate * self.alpha
        if self.l1:
            self.truncate(at)

    def truncate(self, at: slice | Ints) -> None:
        """Take off the size of some coefficients what is owed and not paid yet."""
        w = self.w[at].copy()
        down = np.maximum(0, w - (self.owed + self.paid[at]) / self.scale)
        up = np.minimum(0, w + (self.owed - self.paid[at]) / self.scale)
        self.w[at] = np.where(w > 0, down, np.where(w < 0, up, w))
        self.paid[at] += self.scale * (self.w[at] - w)

    def check(
        self,
        n_rows: int,
        y: Doubles,
        sample_weight: Doubles | None,
        order: NDArray[np.intp],
        rates: Doubles,
        trace: Doubles,
    ) -> None:
        """Raise for shapes that disagree and rows that are not there."""
        if not len(trace) or trace.shape[1] != 4 or len(order) % len(trace):
            raise ValueError("trace must have shape (n_epochs, 4)")
        if len(y) != n_rows:
            raise ValueError("y must have one value for each row of X")
        check_steps(n_rows, sample_weight, order, rates)

    def noted(
        self, order: NDArray[np.intp], rates: Doubles, trace: Doubles
    ) -> Iterator[tuple[np.intp, np.float64]]:
        """Yield rows and rates, and note after each epoch what it has seen."""
        size = len(order) // len(trace)
        for epoch, row in enumerate(trace):
            part = slice(epoch * size, (epoch + 1) * size)
            self.loss_sum = self.objective_sum = self.nothing = 0.0
            yield from zip(order[part], rates[part], strict=True)
            magnitude = self.scale * np.abs(self.w).sum() + abs(self.intercept)
            row[:] = self.loss_sum, self.objective_sum, magnitude, self.nothing

    def step(
        self,
        X: Floats,
        y: Doubles,
        sample_weight: Doubles | None,
        order: NDArray[np.intp],
        rates: Doubles,
        trace: Doubles,
    ) -> None:
        """Make a step on each of some rows."""
        if X.shape[1] != self.n_features:
            raise ValueError("X must have n_features columns")
        if X.shape[1] > 1 and X.strides[1] != X.itemsize:
            raise ValueError("the values of a row of X must be contiguous")
        self.check(len(X), y, sample_weight, order, rates, trace)
        self.dtype = X.dtype
        for i, rate in self.noted(order, rates, trace):
            weight = 1.0 if sample_weight is None else sample_weight[i]
            self.step_on(X[i].astype(float), slice(None), y[i], weight, rate)

    def step_csr(
        self,
        data: Floats,
        indices: Ints,
        indptr: Ints,
        y: Doubles,
        sample_weight: Doubles | None,
        order: NDArray[np.intp],
        rates: Doubles,
        trace: Doubles,
    ) -> None:
        """Make a step on each of some rows of a sparse matrix."""
        if len(indices) != len(data):
            raise ValueError("indices must have one value for each of data")
        if not len(indptr) or indptr[0] < 0 or indptr[-1] > len(data):
            raise ValueError("indptr must stay within data")
        if (np.diff(indptr) < 0).any():
            raise ValueError("indptr must not fall")
        self.check(len(indptr) - 1, y, sample_weight, order, rates, trace)
        self.dtype = data.dtype
        for i, rate in self.noted(order, rates, trace):
            stored = slice(indptr[i], indptr[i + 1])
            at = indices[stored]
            if len(at) and not (at.min() >= 0 and at.max() < self.n_features):
                raise ValueError("indices must be from 0 to n_features - 1")
            weight = 1.0 if sample_weight is None else sample_weight[i]
            self.step_on(data[stored].astype(float), at, y[i], weight, rate)
            if self.l1:
                self.measure()


class StochasticOutputs:
    """Several of these, each on the rows of its own class against the others."""

    def __init__(
        self,
        kind: int,
        param: float,
        n_features: int,
        coef: Doubles,
        mean: Doubles | None,
        paid: Doubles | None,
        intercept: Doubles,
        mean_intercept: Doubles,
        class_weight: Doubles,
        low: float,
        rule: int,
        aggressiveness: float,
        alpha: float,
        l1: float,
        l2: float,
        intercept_rate: float,
        average_from: float,
        t: float,
    ) -> None:
        n = len(intercept)
        if n < 1 or len(mean_intercept) != n or len(class_weight) != n:
            raise ValueError("intercepts and class_weight must have n_outputs values")
        shape = n_features, -(-n // 4) * 4
        if coef.shape != shape:
            raise ValueError("coef must have shape (n_features, n_sides)")
        for name, table in (("mean", mean), ("paid", paid)):
            if table is not None and table.shape != shape:
                raise ValueError(f"{name} must have the shape of coef")
        if n_features < 1:
            raise ValueError("n_features must be at least 1 and below 2^31")
        if (mean is None and average_from < np.inf) or (paid is None and l1):
            raise ValueError("mean and paid must be there where they are needed")
        self.low, self.in_order = low, False
        self.class_weight = list(class_weight)
        self.outputs: list[Stochastic] = []
        for k in range(n):
            own: list[Doubles | None] = []
            for table in (coef, mean, paid):
                room = np.zeros(-(-n_features // 8) * 8)
                if table is not None:
                    room[:n_features] = table[:, k]
                own.append(None if table is None else room)
            assert own[0] is not None
            output = Stochastic(
                *(kind, param, n_features, own[0], own[1], own[2], rule),
                *(aggressiveness, alpha, l1, l2, intercept_rate, average_from),
            )
            output.intercept, output.mean_intercept = intercept[k], mean_intercept[k]
            output.t = t
            self.outputs.append(output)

    @property
    def n_outputs(self) -> int:
        """How many there are."""
        return len(self.outputs)

    def check(
        self,
        n_rows: int,
        label: NDArray[np.intp],
        sample_weight: Doubles | None,
        order: NDArray[np.intp],
        rates: Doubles,
        trace: Doubles,
    ) -> None:
        """Raise for shapes that disagree and labels that are not there."""
        n_epochs, *shape = trace.shape
        if n_epochs < 1 or shape != [self.n_outputs, 4] or len(order) % n_epochs:
            raise ValueError("trace must have shape (n_epochs, n_outputs, 4)")
        if len(label) != n_rows:
            raise ValueError("label must have one value for each row of X")
        check_steps(n_rows, sample_weight, order, rates)
        if n_rows and (label.min() < 0 or label.max() > self.n_outputs):
            raise ValueError("label must be from 0 to n_outputs")

    def of_each(
        self, label: NDArray[np.intp], sample_weight: Doubles | None
    ) -> Iterator[tuple[int, Stochastic, Doubles, Doubles]]:
        """Yield the number of every output, itself, its targets and its weights."""
        weight = np.ones(len(label)) if sample_weight is None else sample_weight
        for k, output in enumerate(self.outputs):
            own = label == k
            weights = weight * np.where(own, self.class_weight[k], 1.0)
            yield k, output, np.where(own, 1.0, self.low), weights

    def step(
        self,
        X: Floats,
        label: NDArray[np.intp],
        sample_weight: Doubles | None,
        order: NDArray[np.intp],
        rates: Doubles,
        trace: Doubles,
    ) -> None:
        """Make a step on each of some rows."""
        self.check(len(X), label, sample_weight, order, rates, trace)
        for k, output, y, weight in self.of_each(label, sample_weight):
            seen = np.zeros((len(trace), 4))
            output.step(X, y, weight, order, rates, seen)
            trace[:, k] = seen

    def step_csr(
        self,
        data: Floats,
        indices: Ints,
        indptr: Ints,
        label: NDArray[np.intp],
        sample_weight: Doubles | None,
        order: NDArray[np.intp],
        rates: Doubles,
        trace: Doubles,
    ) -> None:
        """Make a step on each of some rows of a sparse matrix."""
        n = max(len(indptr) - 1, 0)
        self.check(n, label, sample_weight, order, rates, trace)
        for k, output, y, weight in self.of_each(label, sample_weight):
            seen = np.zeros((len(trace), 4))
            output.step_csr(data, indices, indptr, y, weight, order, rates, seen)
            trace[:, k] = seen

    def model(
        self, output: int, coef: Doubles, mean: Doubles | None
    ) -> tuple[float, float]:
        """Look at an output."""
        intercept = self.stored(output, coef)
        one = self.outputs[output]
        if mean is not None and len(mean) != len(coef):
            raise ValueError("coef and mean must have n_features values")
        coef *= one.scale
        if mean is not None:
            mean[:] = (one.mean + one.mean_share * one.w) / one.mean_scale
        return intercept, one.mean_intercept

    def stored(self, output: int, coef: Doubles) -> float:
        """Look at the coefficients of an output without the factor of all of them."""
        if not 0 <= output < self.n_outputs:
            raise ValueError("output must be from 0 to n_outputs - 1")
        one = self.outputs[output]
        if len(coef) != one.n_features:
            raise ValueError("coef and mean must have n_features values")
        coef[:] = one.w
        return one.intercept

    def drop(self, output: int) -> None:
        """Go on without an output."""
        if not 0 <= output < self.n_outputs or self.n_outputs == 1:
            raise ValueError("output must be from 0 to n_outputs - 1, and not alone")
        del self.outputs[output], self.class_weight[output]
