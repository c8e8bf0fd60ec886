"""How strongly the mean loss curves: what decides which learning rates are stable.

The Hessian of a mean loss is at most its largest second derivative in z times
``M = mean of [x, 1] [x, 1]'``, and gradient descent at a constant rate is stable below
2 / (that times the largest eigenvalue of M).
"""

from __future__ import annotations

import math

import numpy as np

from gdfast._typing import Doubles
from gdfast.losses import LOSSES
from gdfast.sums import CHUNK_VALUES, Examples, gradient_sum

# Up to this many rows or columns M is added up and its eigenvalues are exact.
MAX_EXACT = 512
LANCZOS_STEPS = 40


def largest_eigenvalue(examples: Examples, fit_intercept: bool) -> float:
    """Return the largest eigenvalue of the mean of ``[x, 1] [x, 1]'``.

    Parameters
    ----------
    examples : Examples
        The rows; the targets are not used.
    fit_intercept : bool
        Whether the 1 is there.

    Returns
    -------
    float
        The eigenvalue, not negative; NaN or inf when a value of X is not finite or
        its square overflows.

    Notes
    -----
    Rounded up to 32 bits. Exact but for that where M or its twin in the space of the
    rows, whichever is smaller, has at most 512 rows: it is added up at 2 n p min(n, p)
    operations for p parameters. Beyond, that costs more than 40 Lanczos steps of one
    pass each from a fixed random start; their result is never too large, and is below
    half of the true value, where a rate of 1 / eigenvalue would stop being stable,
    with a probability of less than 1.65 sqrt(p) exp(-55) [1]_.

    References
    ----------
    .. [1] J. Kuczynski, H. Wozniakowski, "Estimating the largest eigenvalue by the
       power and Lanczos algorithms with a random start", SIAM J. Matrix Anal. Appl.
       13(4), 1992, theorem 4.2.
    """
    n_params = examples.X.shape[1] + fit_intercept
    if min(len(examples.X), n_params) > MAX_EXACT:
        return _rounded_up(_lanczos(examples, n_params))
    moment = second_moment(examples, fit_intercept)
    if not np.isfinite(moment).all():
        return math.nan
    return _rounded_up(max(0.0, float(np.linalg.eigvalsh(moment)[-1])))


def second_moment(examples: Examples, fit_intercept: bool) -> Doubles:
    """Return the mean of ``[x, 1] [x, 1]'``, or a smaller matrix of its eigenvalues.

    Parameters
    ----------
    examples : Examples
        The rows.
    fit_intercept : bool
        Whether the 1 is there.

    Returns
    -------
    ndarray of float64, shape (n_params, n_params) or (n_samples, n_samples)
        Whichever is smaller; the nonzero eigenvalues are the same.
    """
    n_params = examples.X.shape[1] + fit_intercept
    weight = examples.sample_weight
    weight_sum = len(examples.X) if weight is None else weight.sum()
    if len(examples.X) < n_params:
        return _row_moment(examples, fit_intercept) / weight_sum
    moment = np.zeros((n_params, n_params))
    for chunk in examples.chunks():
        rows = _rows(chunk, fit_intercept)
        moment += rows.T @ rows
    return moment / weight_sum


def _row_moment(examples: Examples, fit_intercept: bool) -> Doubles:
    """Return the products ``[x, 1] [z, 1]'`` of all pairs of rows x and z."""
    X, _, weight, columns = examples
    moment = np.full((len(X), len(X)), float(fit_intercept))
    width = max(1, CHUNK_VALUES // len(X))
    for start in range(0, X.shape[1], width):
        part = slice(start, start + width)
        scales = None if columns is None else columns[:, part]
        rows = Examples(X[:, part], examples.y, None, scales).features()
        rows = rows.astype(np.float64)
        moment += rows @ rows.T
    if weight is not None:
        moment *= np.sqrt(np.outer(weight, weight))
    return moment


def _rounded_up(value: float) -> float:
    """Return a value in 32 bits, not below it.

    NumPy's linear algebra may give other last bits with another number of threads; a
    run must not.
    """
    if not 0 < value < math.inf:
        return value
    mantissa, exponent = math.frexp(value)
    return math.ldexp(math.ceil(math.ldexp(mantissa, 32)), exponent - 32)


def _rows(examples: Examples, fit_intercept: bool) -> Doubles:
    """Return ``[x, 1]`` of every row, times the root of its weight."""
    X = examples.features()
    rows = np.ones((len(X), X.shape[1] + fit_intercept))
    rows[:, : X.shape[1]] = X
    if examples.sample_weight is not None:
        rows *= np.sqrt(examples.sample_weight)[:, None]
    return rows


def _lanczos(examples: Examples, n_params: int) -> float:
    """Return the largest Ritz value of M after some steps with full reorthogonalising.

    The gradient of half the squared error with y = 0 is M times the parameters.
    """
    kind = LOSSES["half_squared_error"].kind
    examples = examples._replace(y=np.broadcast_to(np.zeros(1), len(examples.X)))
    steps = min(LANCZOS_STEPS, n_params)
    basis = np.zeros((steps, n_params))
    tridiagonal = np.zeros((steps, steps))
    vector = np.random.default_rng(0).standard_normal(n_params)
    norm = np.linalg.norm(vector)
    for k in range(steps):
        basis[k] = vector / norm
        gradient, _, weight_sum = gradient_sum(kind, examples, basis[k])
        vector = gradient / weight_sum
        if not np.isfinite(vector).all():
            return math.nan
        tridiagonal[k, k] = basis[k] @ vector
        for _ in range(2):
            vector -= basis[: k + 1].T @ (basis[: k + 1] @ vector)
        norm = np.linalg.norm(vector)
        if k + 1 == steps or norm <= 1e-14 * abs(tridiagonal).max():
            break
        tridiagonal[k, k + 1] = tridiagonal[k + 1, k] = norm
    return float(np.linalg.eigvalsh(tridiagonal[: k + 1, : k + 1])[-1])
