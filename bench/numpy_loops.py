"""What gdfast is measured against: NumPy at its best, and as tutorials write it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Doubles = NDArray[np.float64]


def squared_error(z: Floats, y: Floats, _: Floats) -> float:
    """Turn predictions into residuals, half their slopes; return the sum of losses."""
    z -= y
    return float(z @ z)


def log_loss(z: Floats, y: Floats, scratch: Floats) -> float:
    """Turn predictions into slopes; return the sum of losses ``log(1 + e^z) - y z``.

    One exponential of ``-abs(z)``, which cannot overflow, serves loss and slope; the
    shorter ``np.logaddexp(0, z)`` alone takes five times as long as all of this.
    """
    loss_sum = float(np.maximum(z, 0, out=scratch).sum() - y @ z)
    np.abs(z, out=scratch)
    np.negative(scratch, out=scratch)
    np.exp(scratch, out=scratch)
    sign = np.signbit(z)
    np.add(scratch, 1, out=z)
    np.reciprocal(z, out=z)  # the probability of the likelier class
    np.subtract(1, z, out=z, where=sign)
    z -= y
    return loss_sum + float(np.log1p(scratch, out=scratch).sum())


# Each with the factor that its slopes still lack.
LOSSES = {"squared_error": (squared_error, 2.0), "log_loss": (log_loss, 1.0)}


def numpy_descend(
    X: Floats,
    y: Floats,
    params: Doubles,
    rates: Doubles,
    losses: Doubles,
    loss: str = "squared_error",
) -> None:
    """Descend a mean loss with as little work as NumPy allows.

    Two matrix-vector products a step, arrays that are used again, and all of it in the
    type of `X`: float32 data are summed in float32, which is faster and less exact than
    what gdfast and its twin do.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_samples, n_features)
        Features.
    y : ndarray, dtype of `X`, shape (n_samples,)
        Targets.
    params : ndarray of float64, shape (n_features + 1,), changed
        Coefficients, then the intercept.
    rates : ndarray of float64, shape (n_steps,)
        Learning rate of every step.
    losses : ndarray of float64, shape (n_steps,), changed
        Mean loss before every update.
    loss : str
        A key of `LOSSES`.
    """
    n, d = X.shape
    slope_of, lacking = LOSSES[loss]
    z, scratch = np.empty(n, X.dtype), np.empty(n, X.dtype)
    for t, rate in enumerate(rates):
        coef = params[:d].astype(X.dtype)
        if d == 1:  # a product of arrays beats BLAS here
            np.multiply(X[:, 0], coef[0], out=z)
        else:
            np.dot(X, coef, out=z)
        z += X.dtype.type(params[d])
        losses[t] = slope_of(z, y, scratch) / n
        params[:d] -= lacking * rate / n * (z @ X)
        params[d] -= lacking * rate / n * z.sum()


def numpy_softmax(
    X: Floats, y: Floats, params: Doubles, n_steps: int, n_classes: int, rate: float
) -> None:
    """Descend the multinomial loss with as little work as NumPy allows.

    Two products of matrices a step, and all of it in the type of `X`.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_samples, n_features)
        Features.
    y : ndarray, shape (n_samples,)
        Numbers of classes.
    params : ndarray of float64, shape ((n_features + 1) * n_classes,), changed
        Coefficients of all classes, feature by feature, then the intercepts.
    n_steps : int
        How many steps.
    n_classes : int
        How many classes there are.
    rate : float
        Learning rate.
    """
    table = params.reshape(-1, n_classes)
    rows, classes = np.arange(len(X)), y.astype(np.intp)
    for _ in range(n_steps):
        z = X @ table[:-1].astype(X.dtype)
        z += table[-1].astype(X.dtype)
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)
        z[rows, classes] -= 1
        table[:-1] -= rate / len(X) * (X.T @ z)
        table[-1] -= rate / len(X) * z.sum(axis=0)


def numpy_epoch(
    X: Floats, y: Floats, params: Doubles, order: Any, size: int, rate: float
) -> None:
    """Make a step on every batch of rows with as little work as NumPy allows.

    Parameters
    ----------
    X : ndarray of float64, shape (n_samples, n_features)
        Features.
    y : ndarray of float64, shape (n_samples,)
        Targets; the loss is the squared error.
    params : ndarray of float64, shape (n_features + 1,), changed
        Coefficients, then the intercept.
    order : ndarray of int, shape (n_samples,), or None
        The rows in the order to take; None as they lie.
    size : int
        Rows of a batch.
    rate : float
        Learning rate.
    """
    coef = params[:-1]
    for start in range(0, len(X), size):
        rows = slice(start, start + size)
        if order is not None:
            rows = order[rows]
        batch = X[rows]
        z = batch @ coef
        z += params[-1]
        z -= y[rows]
        factor = 2 * rate / len(z)
        coef -= factor * (z @ batch)
        params[-1] -= factor * z.sum()


def tutorial_predict(X: Doubles, w: float, b: float) -> Doubles:
    """Return the predictions, as the pizza tutorial does."""
    return X * w + b


def tutorial_loss(X: Doubles, y: Doubles, w: float, b: float) -> float:
    """Return the mean squared error, as the pizza tutorial does."""
    return np.average((tutorial_predict(X, w, b) - y) ** 2)


def tutorial_gradient(
    X: Doubles, y: Doubles, w: float, b: float
) -> tuple[float, float]:
    """Return its two derivatives, as the pizza tutorial does."""
    w_gradient = 2 * np.average(X * (tutorial_predict(X, w, b) - y))
    b_gradient = 2 * np.average(tutorial_predict(X, w, b) - y)
    return w_gradient, b_gradient


def tutorial_train(
    X: Doubles, y: Doubles, iterations: int, lr: float, *, with_loss: bool
) -> tuple[float, float]:
    """Train as the pizza tutorial does; it prints the loss of every iteration.

    Parameters
    ----------
    X : ndarray of float64, shape (n_samples,)
        The one feature.
    y : ndarray of float64, shape (n_samples,)
        Targets.
    iterations : int
        Number of updates.
    lr : float
        Learning rate.
    with_loss : bool
        Whether to work out the loss of every iteration, here without printing it.

    Returns
    -------
    w, b : float
        Weight and bias.
    """
    w = b = 0.0
    for _ in range(iterations):
        if with_loss:
            tutorial_loss(X, y, w, b)
        w_gradient, b_gradient = tutorial_gradient(X, y, w, b)
        w -= w_gradient * lr
        b -= b_gradient * lr
    return w, b
