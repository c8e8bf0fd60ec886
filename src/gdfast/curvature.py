"""How strongly the mean loss curves: what decides which learning rates are stable.

The Hessian of a mean loss is at most its largest second derivative in z times
``M = mean of [x, 1] [x, 1]'``, and gradient descent at a constant rate is stable below
2 / (that times the largest eigenvalue of M).
"""

from __future__ import annotations

import math

import numpy as np

from gdfast._typing import Doubles
from gdfast.csr import CSR
from gdfast.losses import HalfSquaredError
from gdfast.sums import CHUNK_VALUES, Examples, Summation

# Up to this many rows or columns M is added up and its eigenvalues are exact.
MAX_EXACT = 512
LANCZOS_STEPS = 40


def largest_eigenvalue(
    summation: Summation, n_params: int, second_moment: Doubles | None = None
) -> float:
    """Return the largest eigenvalue of the mean M of ``[x, 1] [x, 1]'``.

    Parameters
    ----------
    summation : Summation
        Over the examples; the loss and the targets are not used.
    n_params : int
        Number of features, and one more for the 1 where it is there, whatever the
        number of outputs.
    second_moment : ndarray of float64, shape (n_params, n_params), or None
        M, if it is known.

    Returns
    -------
    float
        The eigenvalue, not negative; NaN or inf when a value of X is not finite or
        its square overflows.

    Notes
    -----
    Rounded up to 32 bits. Exact but for that where M or its twin in the space of the
    rows, whichever is smaller, has at most 512 rows: it is added up at
    n p min(n, p) operations for p parameters. Beyond, and for sparse rows, that costs
    more than 40 Lanczos steps of one pass each from a fixed random start; their result
    is exact up to p = 40. It is never too large, and is below half of the true value,
    where a rate of 1 / eigenvalue would stop being stable, with a probability of less
    than 1.65 sqrt(p) exp(-55) [1]_.

    References
    ----------
    .. [1] J. Kuczynski, H. Wozniakowski, "Estimating the largest eigenvalue by the
       power and Lanczos algorithms with a random start", SIAM J. Matrix Anal. Appl.
       13(4), 1992, theorem 4.2.
    """
    n_samples = len(summation.examples.X)
    if second_moment is None:
        sparse = isinstance(summation.examples.X, CSR)
        if sparse or min(n_samples, n_params) > MAX_EXACT:
            with np.errstate(over="ignore", invalid="ignore"):
                return _rounded_up(_lanczos(summation, n_params))
        second_moment = _smaller_moment(summation, n_params)
    return _rounded_up(max(_largest_eigenvalue(second_moment), 0.0))


def operations(examples: Examples, n_params: int) -> int:
    """Return about how many operations `largest_eigenvalue` takes.

    Parameters
    ----------
    examples : Examples
        The rows.
    n_params : int
        Number of parameters.

    Returns
    -------
    int
        Multiplications and additions.
    """
    n_samples = len(examples.X)
    if isinstance(examples.X, CSR):
        return 4 * (examples.X.size + n_samples) * min(LANCZOS_STEPS, n_params)
    return n_samples * n_params * min(n_samples, n_params)


def needs_moments(n_samples: int, n_params: int) -> bool:
    """Whether `largest_eigenvalue` adds up the moments of the columns.

    Parameters
    ----------
    n_samples, n_params : int
        Number of rows and of parameters.

    Returns
    -------
    bool
        False where it works on the rows, or makes Lanczos steps.
    """
    return n_params <= min(n_samples, MAX_EXACT)


def second_moment(summation: Summation, n_params: int) -> Doubles:
    """Return M itself, whatever it costs.

    Parameters
    ----------
    summation : Summation
        Over the examples; the loss and the targets are not used.
    n_params : int
        As in `largest_eigenvalue`.

    Returns
    -------
    ndarray of float64, shape (n_params, n_params)
        The mean of ``[x, 1] [x, 1]'``.
    """
    summation = _without_targets(summation)
    if not isinstance(summation.examples.X, CSR):
        sums = summation.moments(np.zeros(n_params))
        return sums.moment / sums.totals.weight_sum
    columns = []
    for unit in np.eye(n_params):
        gradient, _, weight_sum = summation.gradient(unit)
        columns.append(gradient / weight_sum)
    return np.array(columns)


def _largest_eigenvalue(matrix: Doubles) -> float:
    """Return the largest eigenvalue of a symmetric matrix; NaN if it is not finite."""
    if len(matrix) > 2:
        if not np.isfinite(matrix).all():
            return math.nan
        return float(np.linalg.eigvalsh(matrix)[-1])
    # A small run should not wait for LAPACK.
    a, b, c = float(matrix[0, 0]), float(matrix[0, -1]), float(matrix[-1, -1])
    value = a if len(matrix) == 1 else (a + c) / 2 + math.hypot((a - c) / 2, b)
    return value if math.isfinite(value) else math.nan


def _smaller_moment(summation: Summation, n_params: int) -> Doubles:
    """Return M, or a smaller matrix whose nonzero eigenvalues are the same."""
    examples = summation.examples
    if needs_moments(len(examples.X), n_params):
        if examples.n_outputs > 1:
            summation = _without_targets(summation)
        sums = summation.moments(np.zeros(n_params))
        return sums.moment / sums.totals.weight_sum
    weight = examples.sample_weight
    weight_sum = len(examples.X) if weight is None else weight.sum()
    fit_intercept = n_params > examples.X.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        return _row_moment(examples, fit_intercept) / weight_sum


def _row_moment(examples: Examples, fit_intercept: bool) -> Doubles:
    """Return the products ``[x, 1] [z, 1]'`` of all pairs of rows x and z."""
    X, _, weight, columns, _ = examples
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
    """Return a value in 32 bits, not below it by more than rounding.

    NumPy's linear algebra may give other last bits with another number of threads; a
    run must not.
    """
    if not 0 < value < math.inf:
        return value
    mantissa, exponent = math.frexp(value)
    return math.ldexp(math.ceil(math.ldexp(mantissa, 32) - 2**-16), exponent - 32)


def _lanczos(summation: Summation, n_params: int) -> float:
    """Return the largest Ritz value of M after some steps with full reorthogonalising.

    The gradient of half the squared error with y = 0 is M times the parameters.
    """
    summation = _without_targets(summation)
    steps = min(LANCZOS_STEPS, n_params)
    basis = np.zeros((steps, n_params))
    tridiagonal = np.zeros((steps, steps))
    vector = np.random.default_rng(0).standard_normal(n_params)
    norm = np.linalg.norm(vector)
    for k in range(steps):
        basis[k] = vector / norm
        gradient, _, weight_sum = summation.gradient(basis[k])
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


def _without_targets(summation: Summation) -> Summation:
    """Return half the sum of squared predictions of one output."""
    examples = summation.examples
    zeros = np.broadcast_to(np.zeros(1), len(examples.X))
    examples = examples._replace(y=zeros, n_outputs=1)
    return Summation(HalfSquaredError(), examples, summation.team)
