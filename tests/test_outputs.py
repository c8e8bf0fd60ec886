"""Several outputs, and the multinomial loss: against formulas, and one output each."""

import decimal
import functools
import pickle
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.class_weight import compute_class_weight

import gdfast
from gdfast import ConvergenceWarning, sums
from gdfast.losses import LOSSES, Domain, Multinomial
from gdfast.optimizers import OPTIMIZERS
from gdfast.sums import Examples

MULTINOMIAL = Multinomial()
SINGLE = [name for name, loss in LOSSES.items() if loss.domain is not Domain.CLASS]
OF_LABELS = ["log_loss", "hinge", "squared_hinge", "modified_huber", "perceptron"]
# Around every boundary of the kernel: vectors of 2 and 4, tiles of 3 of them, of 5
# outputs; lanes of 8; blocks of 256, 128 (of 32 values) and 16 rows.
OUTPUTS = [2, 3, 4, 5, 6, 8, 11, 12, 13, 25]
WIDTHS = [1, 2, 7, 8, 9, 32, 300]
LENGTHS = [1, 7, 8, 15, 17, 128, 129, 257, 600]


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def example(rng, n, d, n_outputs, dtype=np.float64, weighted=False, columns=False):
    """Return rows, classes, weights and columns."""
    X = rng.standard_normal((n, d)).astype(dtype)
    y = rng.integers(0, n_outputs, n).astype(dtype)
    weight = rng.uniform(0.5, 2, n) if weighted else None
    scales = np.array([rng.normal(size=d), rng.uniform(0.5, 2, d)]) if columns else None
    return X, y, weight, scales


def added(kernel, loss, X, y, weight, columns, params, n_outputs):
    gradient = np.zeros_like(params)
    sums = kernel.add_gradient(
        *(loss.kind, loss.param, X, y, weight, columns, params, gradient, n_outputs)
    )
    return gradient, *sums


def stored(X):
    """Return the arrays of the rows in compressed form, zeros left out."""
    row, column = map(np.ascontiguousarray, np.nonzero(X))
    counts = np.bincount(row, minlength=len(X))
    return X[row, column], column, np.concatenate([[0], np.cumsum(counts)])


def added_csr(kernel, loss, X, y, weight, params, n_outputs):
    gradient = np.zeros_like(params)
    sums = kernel.add_gradient_csr(
        *(loss.kind, loss.param, *stored(X), y, weight, X.shape[1]),
        *(params, gradient, n_outputs),
    )
    return gradient, *sums


def train(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return gdfast.train(*args, **options)


def blobs(rng, n=240, d=4, n_classes=3):
    """Return rows of some classes that overlap."""
    y = np.arange(n) % n_classes
    centers = rng.standard_normal((n_classes, d))
    return centers[y] + rng.standard_normal((n, d)), y


# ----------------------------------------------------------------- the kernel's sums


@pytest.mark.parametrize("n_outputs", OUTPUTS)
@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("intercept", [0, 1])
def test_the_multinomial_sums_are_those_of_longdouble(
    kernel, rng, n_outputs, d, intercept
):
    for n in (5, 41):
        for dtype in (np.float32, np.float64):
            X, y, weight, columns = example(rng, n, d, n_outputs, dtype, n > 5, n > 5)
            params = rng.standard_normal((d + intercept, n_outputs)) / np.sqrt(d)
            rows = X.astype(np.longdouble)
            if columns is not None:
                rows = (rows - columns[0]) * columns[1]
            rows = np.c_[rows, np.ones((n, intercept))]
            shares = rng.dirichlet(np.ones(n_outputs), n)
            for given, target in (
                (y, (y[:, None] == range(n_outputs)).astype(float)),
                (shares.ravel(), shares),
            ):
                z = rows @ params
                s = np.ones(n) if weight is None else weight
                loss = np.log(np.exp(z).sum(axis=1)) - (target * z).sum(axis=1)
                slope = s[:, None] * (softmax(z) - target)
                data = X, given, weight, columns
                flat = params.ravel()
                found = added(kernel, MULTINOMIAL, *data, flat, n_outputs)
                size = float(np.abs(rows).max() * np.abs(slope).sum())
                np.testing.assert_allclose(
                    found[0], (rows.T @ slope).astype(float).ravel(), 0, 1e-14 * size
                )
                assert found[1] == pytest.approx(float((s * loss).sum()), rel=1e-12)
                assert found[2] == pytest.approx(s.sum(), rel=1e-15)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("n_outputs", [1, 2, 20])
def test_the_loss_alone_has_the_bits_that_it_has_beside_the_gradient(
    kernel, rng, name, n_outputs
):
    loss, n, d = LOSSES[name](), 300, 9
    if n_outputs == 1 and name == "multinomial":
        pytest.skip("has two outputs or more")
    X, y, weight, columns = example(rng, n, d, n_outputs, weighted=True, columns=True)
    params = rng.standard_normal((d + 1) * n_outputs) / 3
    before = params.copy()
    data, model = (loss.kind, loss.param), (params, None, n_outputs)
    for scales in (None, columns):
        found = kernel.add_gradient(*data, X, y, weight, scales, *model)
        assert found == added(kernel, loss, X, y, weight, scales, params, n_outputs)[1:]
    X[np.abs(X) < 1] = 0
    found = kernel.add_gradient_csr(*data, *stored(X), y, weight, d, *model)
    assert found == added_csr(kernel, loss, X, y, weight, params, n_outputs)[1:]
    assert params.tobytes() == before.tobytes()


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("n_outputs", [2, 5, 13])
def test_every_output_has_the_sums_it_has_alone(kernel, rng, name, n_outputs):
    loss, n, d = LOSSES[name](), 70, 9
    X, _, weight, columns = example(rng, n, d, n_outputs, weighted=True, columns=True)
    y = abs(rng.standard_normal((n, n_outputs)))
    if loss.has_labels:
        y = (y > 0.7).astype(float)
    params = rng.standard_normal((d + 1, n_outputs)) / 3
    data = X, y.ravel(), weight, columns
    found = added(kernel, loss, *data, params.ravel(), n_outputs)
    alone = [
        added(kernel, loss, X, y[:, k].copy(), weight, columns, params[:, k].copy(), 1)
        for k in range(n_outputs)
    ]
    expected = np.stack([gradient for gradient, _, _ in alone], axis=1)
    scale = abs(expected).max()
    np.testing.assert_allclose(
        found[0].reshape(d + 1, n_outputs), expected, 1e-12, 1e-14 * scale
    )
    assert found[1] == pytest.approx(sum(loss for _, loss, _ in alone), rel=1e-13)
    assert found[2] == alone[0][2]


@pytest.mark.parametrize("name", ["hinge", "log_loss", "perceptron"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_class_is_one_against_the_rest(kernel, rng, name, dtype):
    X, y, weight, _ = example(rng, 300, 5, 4, dtype, weighted=True)
    params = rng.standard_normal(24)
    ones = (y[:, None] == range(4)).astype(dtype).ravel()
    of_classes, of_targets = (
        added(kernel, LOSSES[name](), X, given, weight, None, params, 4)
        for given in (y, ones)
    )
    assert of_classes[0].tolist() == of_targets[0].tolist()
    assert of_classes[1:] == of_targets[1:]


@pytest.mark.parametrize("loss", [MULTINOMIAL, LOSSES["squared_hinge"]()], ids=str)
def test_the_gradient_is_the_slope_of_the_loss(kernel, rng, loss):
    X, y, weight, columns = example(rng, 30, 3, 4, weighted=True, columns=True)
    params = rng.standard_normal(16)
    data = X, y, weight, columns
    gradient, _, _ = added(kernel, loss, *data, params, 4)
    for j, step in enumerate(np.eye(16) * 1e-5):
        above = added(kernel, loss, *data, params + step, 4)[1]
        below = added(kernel, loss, *data, params - step, 4)[1]
        assert gradient[j] == pytest.approx((above - below) / 2e-5, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", ["squared_error", "multinomial", "hinge"])
@pytest.mark.parametrize("n_outputs", OUTPUTS)
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_sparse_rows_have_the_sums_of_whole_ones(kernel, rng, name, n_outputs, index):
    for n, d, intercept in ((1, 3, 0), (300, 1, 1), (90, 40, 1), (700, 70, 0)):
        X, y, weight, _ = example(rng, n, d, n_outputs, np.float32, weighted=n > 90)
        X[rng.random(X.shape) < 0.6] = 0
        params = rng.standard_normal((d + intercept) * n_outputs) / 3
        loss = LOSSES[name]()
        whole = added(kernel, loss, X, y, weight, None, params, n_outputs)
        data, column, indptr = stored(X)
        gradient = np.zeros_like(params)
        sparse = kernel.add_gradient_csr(
            *(loss.kind, loss.param, data, column.astype(index), indptr, y, weight),
            *(d, params, gradient, n_outputs),
        )
        scale = abs(whole[0]).max() + n
        np.testing.assert_allclose(gradient, whole[0], 1e-11, 1e-14 * scale)
        assert sparse == pytest.approx(whole[1:], rel=1e-12)


def integers(rng, n, d, n_outputs):
    """Return rows whose sums of squares are exact in any order."""
    X = rng.integers(-8, 9, (n, d)).astype(float)
    y = rng.integers(-8, 9, (n, n_outputs)).astype(float)
    return X, y, rng.integers(-4, 5, (d + 1, n_outputs)).astype(float)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("d", [1, 3, 9, 33, 300])
@pytest.mark.parametrize("n_outputs", [2, 5, 7, 14])
def test_integers_are_summed_exactly(kernel, rng, n, d, n_outputs):
    X, y, params = integers(rng, n, d, n_outputs)
    loss = LOSSES["squared_error"]()
    data = X, y.ravel(), None, None, params.ravel(), n_outputs
    gradient, loss_sum, weight_sum = added(kernel, loss, *data)
    residual = X @ params[:d] + params[d] - y
    expected = 2 * np.c_[X, np.ones(n)].T @ residual
    assert gradient.tolist() == expected.ravel().tolist()
    assert loss_sum == (residual**2).sum()
    assert weight_sum == n
    cut = n // 3
    parts = np.zeros_like(params).ravel()
    for part in (slice(0, cut), slice(cut, n)):
        if len(X[part]):
            kernel.add_gradient(
                *(0, 0.0, X[part], y[part].ravel(), None, None, params.ravel()),
                *(parts, n_outputs),
            )
    assert parts.tolist() == gradient.tolist()


@pytest.mark.parametrize("d", [1, 3, 9, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layouts_read_in_place_give_the_same_bits(compiled, rng, d, dtype):
    n, params = 530, rng.standard_normal(3 * (d + 1))
    X, y, weight, _ = example(rng, n, d, 3, dtype, weighted=True)
    expected = added(compiled, MULTINOMIAL, X, y, weight, None, params, 3)[0].tolist()
    spaced = np.zeros((2 * n, d + 3), dtype)
    spaced[::2, :d] = X
    backwards = np.ascontiguousarray(X[::-1])[::-1]
    for same in (spaced[::2, :d], backwards):
        found = added(compiled, MULTINOMIAL, same, y, weight, None, params, 3)
        assert found[0].tolist() == expected
    spaced_y = np.repeat(y, 3)[::3]
    found = added(compiled, MULTINOMIAL, X, spaced_y, weight, None, params, 3)
    assert found[0].tolist() == expected


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("n_outputs", OUTPUTS)
def test_every_width_of_vectors_gives_the_same_bits(builds, rng, name, n_outputs):
    for n, d in ((3, 1), (37, 9), (300, 33), (40, 300)):
        X, y, weight, columns = example(rng, n, d, n_outputs, np.float32, n > 3, n > 37)
        if not LOSSES[name]().has_labels:
            y = abs(rng.standard_normal(n * n_outputs))
        params = rng.standard_normal(n_outputs * (d + 1)) / d
        data, model = (LOSSES[name](), X, y, weight), (params, n_outputs)
        for narrow, wide in (
            [added(build, *data, columns, *model) for build in builds],
            [added_csr(build, *data, *model) for build in builds],
        ):
            assert narrow[0].tolist() == wide[0].tolist()
            assert narrow[1:] == wide[1:]


# ------------------------------------------------------------------ the last digits


@functools.cache
def shares(z):
    """Return the logarithm of a sum of exponentials, and the share of each in it."""
    e = [decimal.Decimal(value).exp() for value in z]
    total = sum(e)
    return total.ln(), [value / total for value in e]


def exactly(z, at):
    """Return loss and slopes of one row in decimal arithmetic."""
    with decimal.localcontext(prec=1000):
        log_sum, parts = shares(tuple(z.tolist()))
        loss = log_sum - decimal.Decimal(float(z[at]))
        return float(loss), [float(p - (k == at)) for k, p in enumerate(parts)]


@pytest.mark.parametrize("n_outputs", [2, 3, 10])
def test_digits_of_the_softmax(compiled, rng, n_outputs):
    rows = [rng.uniform(-size, size, n_outputs) for size in (1e-9, 1, 30, 1000)]
    rows += [np.zeros(n_outputs), np.full(n_outputs, 1000.0)]
    rows += [np.r_[1000.0, np.full(n_outputs - 1, -1000.0)]]
    rows += [np.r_[40.0, np.zeros(n_outputs - 1)], np.r_[-1000.0, rows[1][1:]]]
    for z in rows:
        for at in range(n_outputs):
            loss, slopes = exactly(z, at)
            X, y = np.ones((1, 1)), np.array([float(at)])
            found = added(compiled, MULTINOMIAL, X, y, None, None, z, n_outputs)
            size = max(abs(z.max() - z[at]) * 1e-16, loss * 1e-15)
            assert abs(found[1] - loss) <= max(size, 1e-300), (z, at)
            np.testing.assert_allclose(found[0], slopes, 0, 5e-16)


def test_a_small_loss_has_all_its_digits(compiled):
    for gap in (20.0, 40.0, 100.0, 700.0):
        z = np.array([0.0, gap, 0.0])
        loss, _ = exactly(z, 1)
        data = np.ones((1, 1)), np.array([1.0]), None, None, z, 3
        found = added(compiled, MULTINOMIAL, *data)[1]
        assert found == pytest.approx(loss, rel=1e-15)


def test_predictions_that_are_missing_have_no_loss(kernel):
    for value in (np.nan, np.inf, -np.inf):
        X = np.ones((300, 2))
        X[299, 1] = value
        for loss in (MULTINOMIAL, LOSSES["hinge"]()):
            with np.errstate(invalid="ignore"):
                found = added(kernel, loss, X, X[:, 0] * 0, None, None, np.ones(9), 3)
            assert not np.isfinite(found[1])


# --------------------------------------------------------------- steps in the kernel


def test_steps_and_batches_are_those_of_the_reference(rng):
    from gdfast import _kernel, _reference

    n, d, k = 83, 6, 5
    for given in (None, rng.dirichlet(np.ones(k), n).ravel()):
        X, y, weight, columns = example(rng, n, d, k, weighted=True, columns=True)
        y = y if given is None else given
        results = []
        for kernel in (_kernel, _reference):
            params, trace = np.zeros((d + 1) * k), np.empty((7, 3))
            path = np.empty((7, len(params)))
            loss = (12, 0.0, X, y, weight, columns)
            rates = np.full(6, 0.3)
            kernel.descend(*loss, params, rates, trace, path, n_outputs=k)
            other, totals = np.zeros_like(params), np.zeros(k + 1)
            average, order = np.zeros_like(params), np.arange(n)[::-1].copy()
            for rows in (order, None):
                steps = kernel.descend_batches(
                    *(*loss, rows, 9, other, np.full(10, 0.3), totals, average),
                    *(2, None, k),
                )
                assert steps == 10
            totals = totals[:-1].sum(), totals[-1]
            results.append([params, trace, path, other, totals, average])
        for found, expected in zip(*results, strict=True):
            np.testing.assert_allclose(found, expected, 1e-11, 1e-13)


def test_wrong_numbers_of_outputs_are_errors(kernel):
    X, y = np.ones((4, 2)), np.ones(4)
    for k, y_size, n_params, message in (
        (0, 4, 3, "n_outputs must be at least 1"),
        (3, 11, 9, "y must have one value for each row of X, or for each of its"),
        (3, 4, 8, "params must have n_features values, or one more for the intercept"),
        (3, 4, 3, "params must have n_features values, or one more for the intercept"),
        (1, 12, 3, "y must have one value for each row of X, or for each of its"),
    ):
        data = X, np.ones(y_size), None, None, np.zeros(n_params), np.zeros(n_params)
        with pytest.raises(ValueError, match=f"^{message}"):
            kernel.add_gradient(0, 0.0, *data, k)
    with pytest.raises(ValueError, match="the loss number 12 is of two outputs"):
        kernel.add_gradient(12, 0.0, X, y, None, None, np.zeros(3), np.zeros(3), 1)


# -------------------------------------------------------------------------- training


@pytest.mark.parametrize("name", SINGLE)
def test_every_output_is_trained_as_it_is_alone(rng, name):
    X = rng.standard_normal((150, 4))
    y = abs(rng.standard_normal((150, 3)) + X[:, :3])
    if LOSSES[name]().has_labels:
        y = (y > 1).astype(float)
    options = {"loss": name, "learning_rate": 0.05, "max_iter": 60}
    options |= {"penalty": "elasticnet", "alpha": 0.01, "standardize": True}
    fit = train(X, y, history="full", **options)
    alone = [train(X, y[:, k], history="full", **options) for k in range(3)]
    assert fit.coef.shape == (3, 4)
    assert fit.intercept.shape == (3,)
    for k, each in enumerate(alone):
        np.testing.assert_allclose(fit.coef[k], each.coef, 1e-9, 1e-12)
        np.testing.assert_allclose(fit.intercept[k], each.intercept, 1e-9, 1e-12)
        shown = fit.history["coef"][:, k], fit.history["intercept"][:, k]
        np.testing.assert_allclose(shown[0], each.history["coef"], 1e-9, 1e-12)
        np.testing.assert_allclose(shown[1], each.history["intercept"], 1e-9, 1e-12)
    together = sum(each.history["loss"] for each in alone)
    np.testing.assert_allclose(fit.history["loss"], together, 1e-12)
    predicted = np.stack([each.predict(X) for each in alone], axis=1)
    np.testing.assert_allclose(fit.predict(X), predicted, 1e-9, 1e-11)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_moves_every_output_alone(rng, name):
    X, y = rng.standard_normal((80, 3)), rng.standard_normal((80, 4))
    options = {"optimizer": name, "learning_rate": 0.01, "max_iter": 40}
    options["bounds"] = (-0.2, 0.15)
    fit = train(X, y, **options)
    if name == "accelerated":  # whose restarts look at all parameters
        options["max_iter"] = fit.n_iter
        assert fit.history["loss"][-1] < fit.history["loss"][0]
        return
    for k in range(4):
        each = train(X, y[:, k], **options)
        np.testing.assert_allclose(fit.coef[k], each.coef, 1e-10, 1e-12)


@pytest.mark.parametrize("options", [{}, {"fit_intercept": False}, {"batch_size": 16}])
def test_multinomial_steps_are_those_of_a_loop(rng, options):
    X, y = blobs(rng)
    weight = rng.uniform(0.5, 2, len(X))
    size, l2, rate = options.get("batch_size", len(X)), 0.01, 0.2
    W, b = np.zeros((4, 3)), np.zeros(3)
    for _ in range(30):
        for start in range(0, len(X), size):
            rows = slice(start, start + size)
            s = weight[rows, None] / weight[rows].sum()
            slope = s * (softmax(X[rows] @ W + b) - np.eye(3)[y[rows]])
            W -= rate * (X[rows].T @ slope + l2 * W)
            b -= rate * slope.sum(axis=0) * options.get("fit_intercept", True)
    fit = train(
        *(X, y),
        loss="multinomial",
        sample_weight=weight,
        penalty="l2",
        alpha=l2,
        learning_rate=rate,
        shuffle=False,
        max_iter=30,
        **options,
    )
    np.testing.assert_allclose(fit.coef, W.T, 1e-11, 1e-13)
    np.testing.assert_allclose(fit.intercept, b, 1e-10, 1e-12)
    s = weight / weight.sum()
    z = X @ W + b
    loss = s @ (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(X)), y])
    assert fit.loss == pytest.approx(loss + l2 * (W**2).sum() / 2, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_optimum_is_that_of_scikit_learn(rng, weighted):
    X, y = blobs(rng, 300, 5, 4)
    weight = rng.uniform(0.5, 2, 300) if weighted else None
    total = 300 if weight is None else weight.sum()
    model = LogisticRegression(C=2.0, tol=1e-12, max_iter=10_000)
    model.fit(X, y, sample_weight=weight)
    fit = train(
        *(X, y),
        loss="multinomial",
        penalty="l2",
        alpha=1 / (2.0 * total),
        sample_weight=weight,
        optimizer="accelerated",
        max_iter=100_000,
        gtol=1e-10,
    )
    assert fit.converged
    np.testing.assert_allclose(fit.coef, model.coef_, rtol=1e-4, atol=1e-5)
    shift = fit.intercept.mean() - model.intercept_.mean()  # which no loss sees
    np.testing.assert_allclose(
        fit.intercept - shift, model.intercept_, rtol=1e-4, atol=1e-5
    )
    assert (fit.predict(X).argmax(axis=1) == model.predict(X)).all()


def test_several_targets_are_those_of_ridge(rng):
    X, y = rng.standard_normal((100, 6)), rng.standard_normal((100, 5))
    model = Ridge(alpha=3.0).fit(X, y)
    fit = train(
        *(X, y),
        loss="half_squared_error",
        penalty="l2",
        alpha=0.03,
        gtol=1e-12,
        max_iter=10_000,
    )
    assert fit.converged
    np.testing.assert_allclose(fit.coef, model.coef_, 1e-9, 1e-11)
    np.testing.assert_allclose(fit.intercept, model.intercept_, 1e-9, 1e-11)


def test_permuted_classes_have_permuted_models(rng):
    X, y = blobs(rng, n_classes=4)
    order = np.array([2, 0, 3, 1])
    for loss in ("multinomial", "squared_hinge"):
        fit, other = (train(X, z, loss=loss, max_iter=50) for z in (y, order[y]))
        np.testing.assert_allclose(other.coef[order], fit.coef, 1e-11, 1e-13)
        np.testing.assert_allclose(other.intercept[order], fit.intercept, 1e-11, 1e-13)


def test_two_classes_are_those_of_log_loss(rng):
    # z_1 - z_0 moves twice as fast as the only z of log_loss, at every rate.
    X, y = blobs(rng, n_classes=2)
    options = {"max_iter": 200}
    both = train(X, y, loss="multinomial", learning_rate=0.1, **options)
    one = train(X, y, loss="log_loss", learning_rate=0.2, **options)
    np.testing.assert_allclose(np.subtract(*both.coef[::-1]), one.coef, 1e-11)
    np.testing.assert_allclose(np.subtract(*both.intercept[::-1]), one.intercept, 1e-11)
    assert both.loss == pytest.approx(one.loss, rel=1e-12)


@pytest.mark.parametrize("name", OF_LABELS)
def test_more_classes_are_one_against_the_rest(rng, name):
    X, y = blobs(rng)
    options = {"loss": name, "learning_rate": 0.02, "max_iter": 50}
    fit = train(X, y, **options)
    assert fit.coef.shape == (3, 4)
    for k in range(3):
        each = train(X, y == k, **options)
        np.testing.assert_allclose(fit.coef[k], each.coef, 1e-11, 1e-13)
        np.testing.assert_allclose(fit.intercept[k], each.intercept, 1e-11, 1e-13)


def test_soft_labels_and_two_labels_stay_one_output(rng):
    X = rng.standard_normal((40, 2))
    for y in (rng.random(40), rng.integers(0, 2, 40), np.ones(40), np.zeros(40)):
        fit = train(X, y, loss="log_loss", max_iter=3)
        assert fit.coef.shape == (2,)
        assert isinstance(fit.intercept, float)


def test_one_column_of_targets_is_one_output_with_a_dimension(rng):
    X, y = rng.standard_normal((50, 3)), rng.standard_normal((50, 1))
    fit, alone = train(X, y), train(X, y[:, 0])
    assert fit.coef.tolist() == [alone.coef.tolist()]
    assert fit.intercept.tolist() == [alone.intercept]
    assert fit.predict(X).tolist() == alone.predict(X)[:, None].tolist()
    assert fit.max_stable_learning_rate == alone.max_stable_learning_rate


def test_probabilities_of_certain_classes_are_classes(rng):
    X, y = blobs(rng)
    options = {"loss": "multinomial", "max_iter": 20}
    fit = train(X, y, **options)
    for given in (np.eye(3)[y], np.eye(3, dtype=np.float32)[y], np.asfortranarray):
        if callable(given):
            given = given(np.eye(3)[y])
        assert train(X, given, **options).coef.tolist() == fit.coef.tolist()
    for same in (y.astype(np.int8), y.astype(np.float32), y.tolist()):
        assert train(X, same, **options).coef.tolist() == fit.coef.tolist()


@pytest.mark.parametrize("loss", ["multinomial", "hinge"])
def test_balanced_classes_are_those_of_scikit_learn(rng, loss):
    X, y = blobs(rng)
    X, y = X[:200], np.where(np.arange(200) < 90, 2, y[:200])
    options = {"loss": loss, "learning_rate": 0.1, "max_iter": 20}
    factors = compute_class_weight("balanced", classes=np.arange(3), y=y)
    expected = train(X, y, sample_weight=factors[y], **options)
    for weights in ("balanced", dict(enumerate(factors))):
        fit = train(X, y, class_weight=weights, **options)
        np.testing.assert_allclose(fit.coef, expected.coef, 1e-12, 1e-14)
    totals = np.bincount(y, factors[y])
    np.testing.assert_allclose(totals, totals[0])
    with pytest.raises(ValueError, match="has the class 3; there are 0 to 2"):
        train(X, y, class_weight={3: 1.0}, **options)
    with pytest.raises(ValueError, match="class_weight needs labels"):
        train(X, np.eye(3)[y], class_weight="balanced", **options)


OPTIONS = [
    {},
    {"fit_intercept": False},
    {"standardize": True},
    {"standardize": True, "fit_intercept": False},
    {"penalty": "l1", "alpha": 0.02},
    {"optimizer": "adam"},
    {"learning_rate": "backtracking"},
    {"optimizer": "accelerated", "penalty": "l2", "alpha": 0.01},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("loss", ["multinomial", "squared_hinge"])
def test_sparse_rows_make_the_steps_of_whole_ones(rng, loss, options):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = blobs(rng)
    X[rng.random(X.shape) < 0.5] = 0
    options = {"loss": loss, "max_iter": 40, **options}
    fit, other = train(X, y, **options), train(sparse.csr_matrix(X), y, **options)
    np.testing.assert_allclose(other.coef, fit.coef, 1e-7, 1e-9)
    np.testing.assert_allclose(other.intercept, fit.intercept, 1e-7, 1e-9)
    predicted = other.predict(sparse.csr_matrix(X))
    np.testing.assert_allclose(predicted, fit.predict(X), 1e-6, 1e-8)


@pytest.mark.parametrize("loss", ["multinomial", "squared_error", "modified_huber"])
def test_auto_never_raises_the_loss_and_twice_it_does(rng, loss):
    X, y = blobs(rng, 60, 3)
    y = rng.standard_normal((60, 3)) if loss == "squared_error" else y
    fit = train(X, y, loss=loss, max_iter=300)
    assert (np.diff(fit.history["loss"]) <= 1e-15).all()
    rows = np.c_[X, np.ones(60)]
    top = np.linalg.eigvalsh(rows.T @ rows / 60)[-1]
    expected = 1 / (LOSSES[loss].max_curvature * top)
    assert fit.learning_rate == pytest.approx(expected, rel=1e-8)
    assert fit.max_stable_learning_rate == pytest.approx(2 * expected, rel=1e-8)


def test_half_is_the_largest_curvature_and_is_reached():
    # Two classes at p = 1/2, along the difference of their outputs.
    p = np.array([0.5, 0.5, 0.0])
    assert np.linalg.eigvalsh(np.diag(p) - np.outer(p, p))[-1] == pytest.approx(0.5)
    rng = np.random.default_rng(0)
    for p in rng.dirichlet([0.3] * 5, 1000):
        assert np.linalg.eigvalsh(np.diag(p) - np.outer(p, p))[-1] <= 0.5 + 1e-12
    assert MULTINOMIAL.max_curvature == 0.5


def test_bounds_of_all_of_each_feature_and_of_each_output(rng):
    X, y = rng.standard_normal((80, 3)), rng.standard_normal((80, 2)) + 1
    low = np.array([[-0.1, 0.2, -np.inf], [0.0, -1.0, 0.3]])
    high = np.maximum(low, -0.5) + 0.1
    for bounds in ((-0.05, 0.05), (low[0], np.inf), (low, high)):
        for standardize in (False, True):
            fit = train(X, y, bounds=bounds, standardize=standardize, max_iter=50)
            assert (fit.coef >= bounds[0]).all()
            assert (fit.coef <= bounds[1]).all()
            for k in range(2):
                own = [np.broadcast_to(each, (2, 3))[k] for each in bounds]
                alone = train(
                    X, y[:, k], bounds=own, standardize=standardize, max_iter=50
                )
                np.testing.assert_allclose(fit.coef[k], alone.coef, 1e-8, 1e-10)
    with pytest.raises(ValueError, match=r"^bounds .* of each of the 2 outputs"):
        train(X, y, bounds=(np.zeros(2), 1.0))
    with pytest.raises(ValueError, match="coef_init must be within bounds"):
        train(X, y, bounds=(0.0, 1.0), coef_init=-np.ones((2, 3)))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_run_is_gone_on_with_and_starts_are_taken(rng, options):
    X, y = blobs(rng)
    options = {"loss": "multinomial", **options}
    whole = train(X, y, max_iter=30, history="full", **options)
    part = train(X, y, max_iter=12, **options)
    rest = train(X, y, max_iter=18, resume=part, history="full", **options)
    assert rest.coef.tolist() == whole.coef.tolist()
    assert rest.intercept.tolist() == whole.intercept.tolist()
    assert rest.n_iter == 30
    if "fit_intercept" not in options:
        start = {"coef_init": part.coef, "intercept_init": part.intercept}
        begun = train(X, y, max_iter=1, history="full", **start, **options)
        np.testing.assert_allclose(begun.history["coef"][0], part.coef, 1e-12, 1e-15)
        np.testing.assert_allclose(
            begun.history["intercept"][0], part.intercept, 1e-10, 1e-12
        )
    with pytest.raises(ValueError, match="resume has 3 x 4 coefficients"):
        train(X, y % 2, resume=part, **options)


def test_batches_of_any_size_make_the_steps_of_each_output(rng):
    X, y = rng.standard_normal((90, 3)), rng.standard_normal((90, 2))
    for size in (1, 7, 90):
        options = {"batch_size": size, "learning_rate": 0.02, "max_iter": 4}
        options |= {"random_state": 5, "average": 3}
        fit = train(X, y, **options)
        for k in range(2):
            alone = train(X, y[:, k], **options)
            np.testing.assert_allclose(fit.coef[k], alone.coef, 1e-11, 1e-13)
    auto = train(X, y, batch_size=7, max_iter=2, random_state=0)
    assert auto.learning_rate == train(X, y[:, 0], batch_size=7).learning_rate


def test_long_batches_are_added_up_part_by_part(rng, monkeypatch):
    from gdfast import batches

    X, y = blobs(rng, 400)
    options = {"loss": "multinomial", "batch_size": 100, "random_state": 0}
    whole = train(X, y, max_iter=3, **options)
    monkeypatch.setattr(batches, "CHUNK_VALUES", 300)
    parts = train(X, y, max_iter=3, **options)
    np.testing.assert_allclose(parts.coef, whole.coef, 1e-12, 1e-14)


def test_any_number_of_threads_gives_the_same_bits(rng, monkeypatch):
    monkeypatch.setattr(sums, "CHUNK_VALUES", 4000)
    monkeypatch.setattr(sums, "MIN_CHUNK_ROWS", 16)
    X, y = blobs(rng, 5000)
    options = {"loss": "multinomial", "max_iter": 5, "standardize": True}
    one, two = (train(X, y, n_threads=n, **options) for n in (1, 3))
    assert one.coef.tobytes() == two.coef.tobytes()
    assert one.loss == two.loss


def test_sums_of_chunks_stay_small_beside_the_data():
    X = np.broadcast_to(np.zeros(1), (100_000, 2000))
    chunks = Examples(X, np.zeros(100_000), n_outputs=20).parts()
    assert len(chunks) * 20 * 2000 < X.size / 100
    assert sum(len(chunk.X) for chunk in chunks) == 100_000


def test_callbacks_see_all_outputs_and_may_end_the_run(rng):
    X, y = blobs(rng)
    seen = []

    def callback(iteration):
        seen.append(iteration)
        return iteration.iteration == 4

    fit = train(X, y, loss="multinomial", callback=callback, history="full")
    assert len(seen) == 4
    assert seen[-1].coef.tolist() == fit.coef.tolist()
    assert seen[-1].intercept.tolist() == fit.intercept.tolist()
    assert fit.history["coef"][2].tolist() == seen[2].coef.tolist()


def test_early_stopping_holds_rows_of_all_outputs_out(rng):
    X, y = blobs(rng)
    for given in (y, np.eye(3)[y]):
        fit = train(
            *(X, given),
            loss="multinomial",
            early_stopping=True,
            random_state=1,
            max_iter=500,
        )
        held = np.random.default_rng(1).permutation(240)[:24]
        at = fit.history["validation_loss"].min()
        options = {"loss": "multinomial"}
        found = gdfast.loss(X[held], given[held], fit.coef, fit.intercept, **options)
        assert found == pytest.approx(at, rel=1e-12)


def test_a_fit_is_saved_copied_and_shown(rng, tmp_path):
    X, y = blobs(rng)
    fit = train(X, y, loss="multinomial", history="full", max_iter=5)
    fit.save(tmp_path / "fit")
    for same in (gdfast.load(tmp_path / "fit"), pickle.loads(pickle.dumps(fit))):
        assert same.coef.tolist() == fit.coef.tolist()
        assert same.intercept.tolist() == fit.intercept.tolist()
        assert same.history.array.tobytes() == fit.history.array.tobytes()
        assert str(same) == str(fit)
        on = train(X, y, loss="multinomial", resume=same, max_iter=5)
        assert on.n_iter == 10
    assert "coef x2 [1]" in str(fit)
    assert "intercept [2]" in str(fit)
    assert fit.history.columns[:3] == ("iteration", "weight 1 [0]", "weight 2 [0]")
    assert fit.history.columns[-4:] == ("bias [0]", "bias [1]", "bias [2]", "loss")
    fit.history.write_csv(tmp_path / "rows.csv")
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert len(lines) == 7
    row = [float(cell) for cell in lines[-1].split(",")]
    assert row == [6, *fit.coef.ravel(), *fit.intercept, fit.loss]
    assert "weight 1 [0]" in str(fit.history)


@pytest.mark.parametrize("name", ["log_loss", "hinge", "multinomial"])
def test_a_fit_says_how_many_classes_there_were(rng, name, tmp_path):
    X, y = blobs(rng)
    options = {"loss": name, "learning_rate": 0.01, "max_iter": 3}
    fit = train(X, y, **options)
    assert fit.n_classes == 3
    assert "\nclasses " in str(fit)
    fit.save(tmp_path / "fit")
    assert gdfast.load(tmp_path / "fit").n_classes == 3
    columns = train(X, np.eye(3)[y], **options)
    assert columns.n_classes is None
    np.testing.assert_array_equal(columns.coef, fit.coef)
    labels = (y > 0).astype(int)
    labels[7] = 2
    assert train(X, labels, **options).n_classes == 3  # of which one has an example
    if name != "multinomial":
        fit = train(X, y > 0, **options)
        assert fit.n_classes is None
        assert "classes" not in str(fit)


def test_predictions_of_rows_and_of_a_number(rng):
    x, y = rng.standard_normal(30), rng.standard_normal((30, 2))
    fit = train(x, y, max_iter=5)
    expected = np.outer(x, fit.coef[:, 0]) + fit.intercept
    np.testing.assert_allclose(fit.predict(x), expected, 1e-15)
    assert fit.predict(float(x[3])).tolist() == fit.predict(x)[3].tolist()


# --------------------------------------------------------- loss, gradient and errors


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_are_the_first_row_of_a_run(rng, name):
    X, y = blobs(rng)
    if not LOSSES[name]().has_labels:
        y = abs(rng.standard_normal((240, 3)))
    weight = rng.uniform(0.5, 2, 240)
    coef, intercept = rng.standard_normal((3, 4)) / 5, rng.standard_normal(3) / 5
    options = {"loss": name, "sample_weight": weight}
    start = {"coef_init": coef, "intercept_init": intercept}
    fit = train(X, y, learning_rate=0.01, max_iter=1, **start, **options)
    assert fit.history["loss"][0] == gdfast.loss(X, y, coef, intercept, **options)
    slope, of_intercept = gdfast.gradient(X, y, coef, intercept, **options)
    np.testing.assert_allclose(fit.coef, coef - 0.01 * slope, 1e-13, 1e-15)
    expected = intercept - 0.01 * of_intercept
    np.testing.assert_allclose(fit.intercept, expected, 1e-13, 1e-15)


def test_a_model_may_have_classes_that_the_rows_have_not(rng):
    X = rng.standard_normal((5, 2))
    coef, intercept = rng.standard_normal((4, 2)), rng.standard_normal(4)
    y = np.array([0, 3, 3, 0, 3])
    z = X @ coef.T + intercept
    expected = np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(5), y])
    found = gdfast.loss(X, y, coef, intercept, loss="multinomial")
    assert found == pytest.approx(expected, rel=1e-13)
    with pytest.raises(ValueError, match="y has the class 3, but coef has 3 rows"):
        gdfast.loss(X, y, coef[:3], loss="multinomial")


ROWS = np.arange(12.0).reshape(6, 2)
BAD = {
    "a class is missing": ([0, 1, 3, 0, 1, 3], "multinomial", "it has 3, but not 2"),
    "from 1 on": ([1, 2, 3, 1, 2, 3], "multinomial", "it has 3, but not 0"),
    "years": ([2001.0, 0, 1, 2, 3, 4], "multinomial", "it has 2001, but not 5"),
    "one class": ([0] * 6, "multinomial", "two classes or more"),
    "half a class": ([0, 1, 0.5, 0, 1, 2], "multinomial", r"got 0.5 at \[2\]"),
    "below 0": ([0, 1, -1, 0, 1, 2], "multinomial", r"got -1.0 at \[2\]"),
    "not a number": ([0, 1, np.nan, 0, 1, 2], "multinomial", r"missing .* at \[2\]"),
    "infinite": ([0, 1, np.inf, 0, 1, 2], "multinomial", r"infinite .* at \[2\]"),
    "sum": (np.full((6, 2), 0.6), "multinomial", r"rows of prob.* at \[0\]"),
    "negative": (np.tile([-0.5, 1.5], (6, 1)), "multinomial", r"rows of prob.*\[0\]"),
    "one column": (np.ones((6, 1)), "multinomial", "each of two classes or more"),
    "missing share": (np.full((6, 2), np.nan), "multinomial", r"missing .*\[0, 0\]"),
    "hole": ([0, 1, 3, 0, 1, 3], "hinge", r"got 3.0 at \[2\]; several classes"),
    "many": ([0, 1, 2.5, 0, 1, 3], "log_loss", r"from 0 to 1 .* got 2.5 at \[2\]$"),
    "not labels": (ROWS, "hinge", r"must be 0 or 1 .* got 2.0 at \[1, 0\]"),
    "no columns": (np.empty((6, 0)), "squared_error", "y must have one dimension"),
    "three": (np.ones((6, 2, 2)), "squared_error", "y must have one dimension"),
    "rows": (np.ones((5, 2)), "squared_error", "y has 5 rows, but X has 6 rows"),
    "inf in a column": (
        *(np.where(ROWS == 7, np.inf, ROWS), "squared_error"),
        r"^y has an infinite value \(inf\) at \[3, 1\]",
    ),
}


@pytest.mark.parametrize(("y", "loss", "message"), BAD.values(), ids=BAD)
def test_wrong_targets_are_errors_that_say_where(y, loss, message):
    with pytest.raises(ValueError, match=message) as raised:
        gdfast.train(ROWS, y, loss=loss, learning_rate=0.01)
    assert str(raised.value).startswith("y ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coef_init": np.ones(2)}, r"^coef_init must have shape \(3, 2\)"),
        ({"coef_init": np.ones((2, 3))}, r"^coef_init must have shape \(3, 2\)"),
        ({"coef_init": np.full((3, 2), np.nan)}, "^coef_init must be finite"),
        ({"intercept_init": np.ones(2)}, r"^intercept_init .* shape \(3,\)"),
        ({"intercept_init": [1, np.inf, 2]}, "^intercept_init must be finite"),
        ({"bounds": (np.ones((2, 3)), 2.0)}, "^bounds must be numbers or arrays"),
    ],
)
def test_wrong_starts_and_bounds_are_errors(changes, message):
    y = np.arange(18.0).reshape(6, 3)
    with pytest.raises(ValueError, match=message):
        gdfast.train(ROWS, y, **changes)


def test_models_and_targets_must_fit():
    y = np.ones((6, 3))
    for function in (gdfast.loss, gdfast.gradient):
        with pytest.raises(ValueError, match=r"coef must have shape \(3, 2\)"):
            function(ROWS, y, [1.0, 2.0])
        with pytest.raises(ValueError, match=r"\(n_samples, 2\) where coef has 2 rows"):
            function(ROWS, y, np.ones((2, 2)))
        with pytest.raises(ValueError, match=r"\(n_samples, 3\) where coef has 3 rows"):
            function(ROWS, y[:, 0], np.ones((3, 2)))
        with pytest.raises(ValueError, match=r"intercept must be .* shape \(3,\)"):
            function(ROWS, y, np.ones((3, 2)), [1.0, 2.0])


def test_nothing_that_is_passed_in_is_written_to(rng):
    X, y = blobs(rng)
    given = [X, np.eye(3)[y], rng.uniform(1, 2, 240), np.zeros((3, 4)), np.zeros(3)]
    for array in given:
        array.setflags(write=False)
    train(
        *given[:2],
        loss="multinomial",
        sample_weight=given[2],
        coef_init=given[3],
        intercept_init=given[4],
        max_iter=3,
    )
