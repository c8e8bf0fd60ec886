"""Every loss with every penalty, type and layout of the data, against NumPy alone."""

import numpy as np
import pytest

import gdfast
from gdfast.losses import LOSSES
from gdfast.penalties import PENALTIES

ALPHA, SHARE, RATE, STEPS = 0.05, 0.3, 0.04, 12

# Loss and slope of one example, from the formulas; s is the class, -1 or 1.
FORMULAS = {
    "squared_error": lambda z, y, s: ((z - y) ** 2, 2 * (z - y)),
    "half_squared_error": lambda z, y, s: ((z - y) ** 2 / 2, z - y),
    "log_loss": lambda z, y, s: (np.log1p(np.exp(z)) - y * z, 1 / (1 + np.exp(-z)) - y),
    "huber": lambda z, y, s: (
        np.where(abs(z - y) <= 0.1, (z - y) ** 2 / 2, 0.1 * abs(z - y) - 0.005),
        np.clip(z - y, -0.1, 0.1),
    ),
    "epsilon_insensitive": lambda z, y, s: (
        np.maximum(abs(z - y) - 0.1, 0),
        np.where(abs(z - y) > 0.1, np.sign(z - y), 0),
    ),
    "squared_epsilon_insensitive": lambda z, y, s: (
        np.maximum(abs(z - y) - 0.1, 0) ** 2,
        2 * np.maximum(abs(z - y) - 0.1, 0) * np.sign(z - y),
    ),
    "quantile": lambda z, y, s: (abs(z - y) / 2, np.where(z > y, 0.5, -0.5)),
    "poisson": lambda z, y, s: (np.exp(z) - y * z, np.exp(z) - y),
    "hinge": lambda z, y, s: (np.maximum(1 - s * z, 0), np.where(s * z <= 1, -s, 0)),
    "squared_hinge": lambda z, y, s: (
        np.maximum(1 - s * z, 0) ** 2,
        -2 * s * np.maximum(1 - s * z, 0),
    ),
    "modified_huber": lambda z, y, s: (
        np.where(s * z < -1, -4 * s * z, np.maximum(1 - s * z, 0) ** 2),
        np.where(s * z < -1, -4 * s, -2 * s * np.maximum(1 - s * z, 0)),
    ),
    "perceptron": lambda z, y, s: (np.maximum(-s * z, 0), np.where(s * z <= 0, -s, 0)),
    "multinomial": lambda z, y, s: (
        np.log(np.exp(z).sum(axis=1, keepdims=True)) * y - y * z,
        np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) - y,
    ),
}
SINGLE = [name for name in LOSSES if name != "multinomial"]
KINKS = {
    "huber": [-0.1, 0.1],
    "epsilon_insensitive": [-0.1, 0.1],
    "squared_epsilon_insensitive": [-0.1, 0.1],
    "quantile": [0.0],
}

LAYOUTS = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "part of wider rows": lambda X: np.hstack([X, np.full_like(X, np.inf)])[
        :, : X.shape[1]
    ],
    "list": lambda X: X.tolist(),
    "int32 CSR": lambda X: sparse(X, np.int32),
    "int64 CSR": lambda X: sparse(X, np.int64),
}


def sparse(X, index):
    matrix = pytest.importorskip("scipy.sparse").csr_matrix(X)
    matrix.indices = matrix.indices.astype(index)
    matrix.indptr = matrix.indptr.astype(index)
    return matrix


def problem(rng, name, dtype, n_outputs):
    """Return rows of which some values are zero, targets and weights."""
    X = np.where(rng.random((24, 11)) < 0.6, rng.standard_normal((24, 11)), 0)
    z = X @ rng.standard_normal((11, n_outputs))
    y = z + rng.standard_normal(z.shape)
    if name == "multinomial":
        y = (y == y.max(axis=1, keepdims=True)).astype(float)
    elif LOSSES[name].has_labels:
        y = (y > 0).astype(float)
    elif name == "poisson":
        y = rng.poisson(np.exp(z / 4)).astype(float)
    return X.astype(dtype), y.astype(dtype), rng.uniform(0.5, 2, 24)


def descend(name, penalty, X, y, weight, batches):
    """Return where proximal gradient descent leads, and the objectives on the way."""
    l1 = {"l1": ALPHA, "elasticnet": SHARE * ALPHA}.get(penalty, 0)
    l2 = {"l2": ALPHA, "elasticnet": (1 - SHARE) * ALPHA}.get(penalty, 0)
    X, y = X.astype(float), y.astype(float)
    W, b, seen = np.zeros((y.shape[1], X.shape[1])), np.zeros(y.shape[1]), []
    for rows in batches:
        A, t, s = X[rows], y[rows], weight[rows] / weight[rows].sum()
        loss, slope = FORMULAS[name](A @ W.T + b, t, 2 * t - 1)
        seen.append((s @ loss).sum() + l1 * abs(W).sum() + l2 * (W * W).sum() / 2)
        slope = s[:, None] * slope
        W = W - RATE * (slope.T @ A + l2 * W)
        b = b - RATE * slope.sum(axis=0)
        W = np.sign(W) * np.maximum(abs(W) - RATE * l1, 0)
    return W, b, seen


def assert_found(fit, W, b):
    """Compare a fit with coefficients and intercepts, and where they are zero."""
    if fit.coef.ndim == 1:
        W, b = W[0], b[0]
    np.testing.assert_allclose(fit.coef, W, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(fit.intercept, b, rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(fit.coef == 0, W == 0)


def test_there_is_a_formula_of_every_loss():
    assert list(FORMULAS) == list(LOSSES)


@pytest.mark.parametrize("name", SINGLE)
def test_the_slopes_are_those_of_the_formulas(name, rng):
    s = np.array([-1.0, 1.0])[:, None]
    y = (s + 1) / 2
    z = rng.uniform(-3, 3, (2, 50))
    h = 1e-5
    for kink in KINKS.get(name, []):  # on both sides of it
        z = np.hstack([z, y + kink + [[-3 * h, 3 * h]]])
    if LOSSES[name].has_labels and name != "log_loss":
        z = np.hstack([z, *(s * kink + [[-3 * h, 3 * h]] for kink in (-1, 0, 1))])
    up, down = (FORMULAS[name](z + step, y, s)[0] for step in (h, -h))
    slope = FORMULAS[name](z, y, s)[1]
    np.testing.assert_allclose((up - down) / (2 * h), slope, rtol=1e-5, atol=1e-7)


def test_the_slopes_of_classes_are_those_of_the_formula(rng):
    z, y, h = rng.uniform(-3, 3, (50, 4)), np.eye(4)[rng.integers(0, 4, 50)], 1e-5
    slope = FORMULAS["multinomial"](z, y, y)[1]
    for k in range(4):
        up, down = (
            FORMULAS["multinomial"](z + step * np.eye(4)[k], y, y)[0].sum(axis=1)
            for step in (h, -h)
        )
        np.testing.assert_allclose((up - down) / (2 * h), slope[:, k], 1e-5, 1e-7)


CASES = [*((name, 1) for name in SINGLE), *((name, 3) for name in LOSSES)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("penalty", [None, *PENALTIES])
@pytest.mark.parametrize(("name", "n_outputs"), CASES)
def test_steps_are_those_of_numpy(name, n_outputs, penalty, dtype, layout, rng):
    X, y, weight = problem(rng, name, dtype, n_outputs)
    options = {"loss": name, "penalty": penalty, "alpha": ALPHA, "l1_ratio": SHARE}
    options |= {"learning_rate": RATE, "sample_weight": weight}
    W, b, seen = descend(name, penalty, X, y, weight, [slice(None)] * STEPS)
    targets = y[:, 0] if n_outputs == 1 else y
    fit = gdfast.train(LAYOUTS[layout](X), targets, max_iter=STEPS, **options)
    assert_found(fit, W, b)
    np.testing.assert_allclose(fit.history["loss"][:-1], seen, rtol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("penalty", [None, *PENALTIES])
@pytest.mark.parametrize(("name", "n_outputs"), CASES)
def test_batches_are_those_of_numpy(name, n_outputs, penalty, dtype, rng):
    X, y, weight = problem(rng, name, dtype, n_outputs)
    order = np.random.default_rng(5)
    batches = [
        rows[start : start + 7]
        for rows in (order.permutation(24) for _ in range(3))
        for start in range(0, 24, 7)
    ]
    W, b, _ = descend(name, penalty, X, y, weight, batches)
    fit = gdfast.train(
        X, y[:, 0] if n_outputs == 1 else y, loss=name, penalty=penalty, alpha=ALPHA,
        l1_ratio=SHARE, max_iter=3, learning_rate=RATE, sample_weight=weight,
        batch_size=7, random_state=5,
    )  # fmt: skip
    assert_found(fit, W, b)
