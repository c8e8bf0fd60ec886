"""Every loss with every penalty, type and layout of the data, against NumPy alone."""

import numpy as np
import pytest

import gdfast
from gdfast.losses import LOSSES, Domain
from gdfast.penalties import PENALTIES

# "multinomial" has no single output; its tests are in test_outputs.py.
SINGLE = {k: loss for k, loss in LOSSES.items() if loss.domain is not Domain.CLASS}

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
}
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


def problem(rng, name, dtype):
    """Return rows of which some values are zero, targets and weights."""
    X = np.where(rng.random((24, 11)) < 0.6, rng.standard_normal((24, 11)), 0)
    z = X @ rng.standard_normal(11)
    y = z + rng.standard_normal(24)
    if LOSSES[name].has_labels:
        y = (y > 0).astype(float)
    elif name == "poisson":
        y = rng.poisson(np.exp(z / 4)).astype(float)
    return X.astype(dtype), y.astype(dtype), rng.uniform(0.5, 2, 24)


def descend(name, penalty, X, y, weight, batches):
    """Return where proximal gradient descent leads, and the objectives on the way."""
    l1 = {"l1": ALPHA, "elasticnet": SHARE * ALPHA}.get(penalty, 0)
    l2 = {"l2": ALPHA, "elasticnet": (1 - SHARE) * ALPHA}.get(penalty, 0)
    X, y = X.astype(float), y.astype(float)
    w, b, seen = np.zeros(X.shape[1]), 0.0, []
    for rows in batches:
        A, t, s = X[rows], y[rows], weight[rows] / weight[rows].sum()
        loss, slope = FORMULAS[name](A @ w + b, t, 2 * t - 1)
        seen.append(s @ loss + l1 * abs(w).sum() + l2 * w @ w / 2)
        w = w - RATE * (A.T @ (s * slope) + l2 * w)
        b -= RATE * (s * slope).sum()
        w = np.sign(w) * np.maximum(abs(w) - RATE * l1, 0)
    return w, b, seen


def test_there_is_a_formula_of_every_loss():
    assert list(FORMULAS) == list(SINGLE)


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


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("penalty", [None, *PENALTIES])
@pytest.mark.parametrize("name", SINGLE)
def test_steps_are_those_of_numpy(name, penalty, dtype, layout, rng):
    X, y, weight = problem(rng, name, dtype)
    options = {"loss": name, "penalty": penalty, "alpha": ALPHA, "l1_ratio": SHARE}
    options |= {"learning_rate": RATE, "sample_weight": weight}
    w, b, seen = descend(name, penalty, X, y, weight, [slice(None)] * STEPS)
    fit = gdfast.train(LAYOUTS[layout](X), y, max_iter=STEPS, **options)
    np.testing.assert_allclose(fit.coef, w, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(fit.intercept, b, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(fit.history["loss"][:-1], seen, rtol=1e-11)
    np.testing.assert_array_equal(fit.coef == 0, w == 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("penalty", [None, *PENALTIES])
@pytest.mark.parametrize("name", SINGLE)
def test_batches_are_those_of_numpy(name, penalty, dtype, rng):
    X, y, weight = problem(rng, name, dtype)
    order = np.random.default_rng(5)
    batches = [
        rows[start : start + 7]
        for rows in (order.permutation(24) for _ in range(3))
        for start in range(0, 24, 7)
    ]
    w, b, _ = descend(name, penalty, X, y, weight, batches)
    fit = gdfast.train(
        X, y, loss=name, penalty=penalty, alpha=ALPHA, l1_ratio=SHARE, max_iter=3,
        learning_rate=RATE, sample_weight=weight, batch_size=7, random_state=5,
    )  # fmt: skip
    np.testing.assert_allclose(fit.coef, w, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(fit.intercept, b, rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(fit.coef == 0, w == 0)
