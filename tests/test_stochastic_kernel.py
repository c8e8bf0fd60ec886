"""Stochastic steps of the kernel, against scikit-learn's rules and scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier, SGDRegressor

from gdfast.losses import LOSSES

LABELS = ["hinge", "log_loss", "squared_hinge", "modified_huber", "perceptron"]
QUANTITIES = [
    "half_squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive",
]  # fmt: skip
PENALTIES = {None: (0.0, 0.0), "l2": (0.0, 1.0), "l1": (1.0, 0.0)}
PENALTIES["elasticnet"] = (0.15, 0.85)
ALPHA = 0.02
TRACE = np.empty((1, 4))  # for those who do not look at it


def padded(n):
    return np.zeros(-(-n // 8) * 8)


def stochastic(kernel, d, loss="half_squared_error", penalty="l2", **options):
    """Return the steps of a loss, and the arrays that they change if they need them."""
    l1, l2 = PENALTIES[penalty]
    average = options.get("average", math.inf)
    coef, mean, paid = padded(d), padded(d), padded(d)
    steps = kernel.Stochastic(
        LOSSES[loss]().kind, LOSSES[loss]().param, d, coef,
        mean if average < math.inf else None, paid if l1 else None,
        options.get("rule", 0), options.get("aggressiveness", 0.0),
        options.get("alpha", ALPHA), l1, l2, options.get("intercept_rate", 1.0),
        average,
    )  # fmt: skip
    steps.in_order = options.get("in_order", False)
    return steps, coef, mean, paid


def problem(rng, n=60, d=11, labels=False):
    X = np.where(rng.random((n, d)) < 0.6, rng.standard_normal((n, d)), 0)
    y = X @ rng.standard_normal(d) + rng.standard_normal(n)
    return X, (y > 0).astype(float) if labels else y


def stored(X):
    """Return a matrix as the rows of a sparse one."""
    rows, columns = np.nonzero(X)
    indptr = np.searchsorted(rows, np.arange(len(X) + 1))
    return X[rows, columns], columns.astype(np.int64), indptr.astype(np.int32)


def make_epochs(steps, X, y, weight=None, n_epochs=3, sparse=False, seed=5, rates=None):
    """Make some epochs as scikit-learn does."""
    kernel_order = np.arange(len(X))
    make_epochs.kernel.shuffled(kernel_order, seed, len(X))
    order = kernel_order
    for _ in range(n_epochs):
        t = np.arange(steps.t, steps.t + len(X))
        eta = 0.05 / t**0.25 if rates is None else rates(t)
        if sparse:
            steps.step_csr(*stored(X), y, weight, order, eta, TRACE)
        else:
            steps.step(X, y, weight, order, eta, TRACE)
        order = order[kernel_order]
    make_epochs.trace = TRACE.copy()
    steps.settle()


@pytest.fixture(autouse=True)
def shuffling(request):
    if "kernel" in request.fixturenames:
        make_epochs.kernel = request.getfixturevalue("kernel")


def seed_of(random_state):
    return np.random.RandomState(random_state).randint(0, 2**31 - 1)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("average", [0, 1, 100])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("d", [1, 5, 8, 27, 45])
def test_a_regression_is_scikit_learns(kernel, rng, d, penalty, average, sparse):
    X, y = problem(rng, d=d)
    theirs = SGDRegressor(
        penalty=penalty, alpha=ALPHA, max_iter=3, tol=None, random_state=7, eta0=0.05,
        average=average or False,
    )  # fmt: skip
    theirs.fit(pytest.importorskip("scipy.sparse").csr_matrix(X) if sparse else X, y)
    steps, coef, mean, _ = stochastic(
        kernel, d, penalty=penalty, average=average or math.inf,
        intercept_rate=0.01 if sparse else 1.0,
    )  # fmt: skip
    make_epochs(steps, X, y, sparse=sparse, seed=seed_of(7))
    found, intercept = coef, steps.intercept
    if average:
        found, intercept = mean, steps.mean_intercept
    np.testing.assert_allclose(found[:d], theirs.coef_, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(intercept, theirs.intercept_[0], rtol=1e-10, atol=1e-13)
    assert not found[d:].any()
    assert steps.t == theirs.t_


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", [*QUANTITIES, *LABELS])
@pytest.mark.parametrize("d", [11, 45])
def test_every_loss_is_scikit_learns(kernel, rng, d, loss, penalty, dtype):
    X, y = problem(rng, d=d, labels=loss in LABELS)
    X, weight = X.astype(dtype), rng.uniform(0.5, 2, len(X))
    options = dict(
        penalty=penalty, alpha=ALPHA, max_iter=3, tol=None, random_state=7, eta0=0.05,
        learning_rate="invscaling", power_t=0.25,
    )  # fmt: skip
    random = np.random.RandomState(7)
    if loss in LABELS:
        theirs = SGDClassifier(loss=loss, **options)
        random.randint(1, 2**31 - 1)
    else:
        name = "squared_error" if loss == "half_squared_error" else loss
        theirs = SGDRegressor(loss=name, **options)
    theirs.fit(X, y, sample_weight=weight)
    steps, coef, *_ = stochastic(kernel, d, loss, penalty)
    make_epochs(steps, X, y, weight, seed=random.randint(2**31 - 1))
    rtol = 1e-10 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(coef[:d], theirs.coef_.ravel(), rtol, rtol)
    np.testing.assert_allclose(steps.intercept, theirs.intercept_[0], rtol, rtol)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("rule", [1, 2])
@pytest.mark.parametrize("loss", ["hinge", "epsilon_insensitive"])
def test_passive_aggressive_steps_are_scikit_learns(kernel, rng, loss, rule, sparse):
    X, y = problem(rng, labels=loss == "hinge")
    X[7] = 0  # which PA-I leaves out
    options = dict(
        loss=loss, penalty=None, max_iter=3, tol=None, random_state=7, eta0=0.3,
        learning_rate=f"pa{rule}", average=50,
    )  # fmt: skip
    random = np.random.RandomState(7)
    if loss == "hinge":
        theirs = SGDClassifier(**options)
        random.randint(1, 2**31 - 1)
    else:
        theirs = SGDRegressor(**options)
    theirs.fit(pytest.importorskip("scipy.sparse").csr_matrix(X) if sparse else X, y)
    steps, _, mean, _ = stochastic(
        kernel, X.shape[1], loss, None, rule=rule, aggressiveness=0.3, average=50.0,
        intercept_rate=0.01 if sparse else 1.0,
    )  # fmt: skip
    make_epochs(steps, X, y, sparse=sparse, seed=random.randint(2**31 - 1))
    np.testing.assert_allclose(mean[:11], theirs.coef_.ravel(), rtol=1e-10)
    np.testing.assert_allclose(steps.mean_intercept, theirs.intercept_[0], rtol=1e-10)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", ["half_squared_error", "log_loss"])
@pytest.mark.parametrize("d", [11, 45])
def test_every_kernel_sums_the_same_objective(compiled, rng, d, loss, penalty, sparse):
    # A loop over true coefficients; a mean over what each step sees before it.
    X, y = problem(rng, d=d, labels=loss == "log_loss")
    l1, l2 = PENALTIES[penalty]
    make_epochs.kernel = compiled
    steps, coef, *_ = stochastic(compiled, d, loss, penalty)
    order, total, losses = np.arange(len(X)), 0.0, 0.0
    rates, trace, seen = np.full(1, 0.05), np.empty((1, 4)), np.zeros(4)
    for i in order:
        before = coef.copy()
        z = before[:d] @ X[i] + steps.intercept
        if loss == "log_loss":
            losses += np.log1p(np.exp(z)) - y[i] * z
        else:
            losses += (z - y[i]) ** 2 / 2
        total += ALPHA * (l1 * abs(before).sum() + l2 * (before @ before) / 2)
        row = order[i : i + 1]
        if sparse:
            steps.step_csr(*stored(X), y, None, row, rates, trace)
        else:
            steps.step(X, y, None, row, rates, trace)
        steps.settle()
        seen += trace[0]
    assert seen[0] == pytest.approx(losses, rel=1e-12)
    if sparse or not l1:  # truncation shows when w moves next, as in scikit-learn
        assert seen[1] == pytest.approx(losses + total, rel=1e-10)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("average", [9.0, math.inf])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize("d", [1, 7, 8, 19, 32, 33, 77])
def test_both_builds_give_the_same_bits(builds, rng, d, penalty, average, sparse):
    X, y = problem(rng, d=d)
    found = []
    for build in builds:
        make_epochs.kernel = build
        steps, coef, mean, paid = stochastic(build, d, penalty=penalty, average=average)
        make_epochs(steps, X, y, sparse=sparse)
        numbers = [steps.intercept, steps.mean_intercept, make_epochs.trace.tolist()]
        found.append((coef.tobytes(), mean.tobytes(), paid.tobytes(), numbers))
    assert found[0] == found[1]


SPLIT = [  # steps, and how near any calls for them come to each other
    (11, {"penalty": "l1", "average": 9.0}, 0),
    (11, {"in_order": True}, 0),
    (33, {"penalty": "l2"}, 0),
    (45, {"penalty": None, "average": 9.0}, 0),
    (45, {"alpha": 60.0}, 0),  # until their scale is too small and taken into w
    (77, {"loss": "hinge"}, 0),  # of which some do not move w
    (45, {"loss": "hinge", "rule": 1, "aggressiveness": 0.3, "penalty": None}, 0),
    (45, {"loss": "hinge", "rule": 2, "aggressiveness": 0.3, "penalty": None}, 0),
    (32, {}, 1e-12),  # a short row is predicted before the step on the row before it
    (11, {"loss": "log_loss"}, 1e-12),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("d", "options", "rtol"), SPLIT)
def test_steps_may_be_split_over_calls(compiled, rng, d, options, rtol, dtype):
    X, y = problem(rng, d=d, labels="loss" in options)
    X, X[7] = X.astype(dtype), 0
    weight = rng.uniform(0.5, 2, len(X)) * (rng.random(len(X)) < 0.9)
    order, rates = rng.permutation(len(X)), rng.uniform(0.01, 0.015, len(X))
    trace = np.empty((1, 4))
    found = []
    for size in (1, 7, 60):
        steps, coef, mean, _ = stochastic(compiled, d, **options)
        for start in range(0, 60, size):
            part = slice(start, start + size)
            steps.step(X, y, weight, order[part], rates[part], trace)
        steps.settle()
        found.append(np.concatenate([coef, mean, [steps.intercept]]))
    assert found[0].any()
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=rtol, atol=1e-3 * rtol)
    assert rtol == 0 or any((other != found[0]).any() for other in found[1:])


def test_a_penalty_shrinks_to_zero_and_not_below(kernel, rng):
    X, y = problem(rng)
    steps, coef, *_ = stochastic(kernel, 11, alpha=100.0)  # 1 - 5 is below 0
    steps.step(X, y, None, np.arange(60), np.full(60, 0.05), TRACE)
    before = steps.intercept
    steps.step(X[:1], y[:1], None, np.arange(1), np.full(1, 0.05), TRACE)
    steps.settle()
    np.testing.assert_allclose(coef[:11], (steps.intercept - before) * X[0], rtol=1e-12)


@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("d", [11, 45])
def test_a_small_scale_is_taken_into_the_coefficients(kernel, rng, d, sparse, penalty):
    X, y = problem(rng, d=d)
    theirs = SGDRegressor(
        penalty=penalty, alpha=5.0, max_iter=3, tol=None, random_state=7, eta0=0.1,
        learning_rate="constant",
    )  # fmt: skip
    theirs.fit(pytest.importorskip("scipy.sparse").csr_matrix(X) if sparse else X, y)
    steps, coef, *_ = stochastic(
        kernel, d, penalty=penalty, alpha=5.0, intercept_rate=0.01 if sparse else 1.0
    )
    rates = dict(seed=seed_of(7), rates=lambda t: np.full(len(t), 0.1))
    make_epochs(steps, X, y, sparse=sparse, **rates)
    np.testing.assert_allclose(coef[:d], theirs.coef_, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_coefficients_are_right_with_their_scale(kernel, rng, penalty, sparse):
    X, y = problem(rng)
    steps, coef, *_ = stochastic(kernel, 11, penalty=penalty)
    step, data = (steps.step_csr, stored(X)) if sparse else (steps.step, (X,))
    step(*data, y, None, np.arange(60), np.full(60, 0.05), TRACE)
    expected = coef * steps.scale
    assert (steps.scale < 1) == (penalty in ("l2", "elasticnet"))
    steps.settle()
    assert steps.scale == 1
    np.testing.assert_array_equal(coef, expected)


def test_slopes_are_cut_off(kernel):
    steps, coef, *_ = stochastic(kernel, 1, penalty=None)
    steps.step(np.ones((1, 1)), np.array([1e30]), None, np.arange(1), np.ones(1), TRACE)
    assert coef[0] == steps.intercept == 1e12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 3, 8, 13, 45])
def test_what_lies_behind_a_row_has_no_effect(compiled, rng, d, dtype):
    X, y = problem(rng, d=d)
    wide = np.full((60, d + 3), np.nan, dtype)
    wide[:, :d] = X
    found = []
    for rows in (wide[:, :d], wide[:, :d].copy()):
        steps, coef, *_ = stochastic(compiled, d)
        steps.step(rows, y, None, np.arange(60), np.full(60, 0.05), TRACE)
        found.append(coef.tobytes())
    assert found[0] == found[1]
    assert np.isfinite(coef).all()


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**31 - 2, 2**32 - 1])
@pytest.mark.parametrize("n", [0, 1, 2, 60])
@pytest.mark.parametrize("piece", [1, 7, 100])
def test_the_order_is_scikit_learns(kernel, seed, n, piece):
    dataset = pytest.importorskip("sklearn.utils._seq_dataset").ArrayDataset64
    first_seed = max(seed, 1)
    order = np.arange(n)
    for start in range(0, n, piece):
        seed = kernel.shuffled(order[start:], seed, piece)
    if n == 0:
        return
    theirs = dataset(np.arange(float(n))[:, None], np.zeros(n), np.ones(n), seed=1)
    theirs._shuffle_py(first_seed)
    rows = [int(theirs._next_py()[0][0][0]) for _ in range(n)]
    assert order.tolist() == rows


@pytest.mark.parametrize("n", [0, 1, 2, 60])
@pytest.mark.parametrize("piece", [1, 7, 100])
def test_the_order_that_follows(kernel, rng, n, piece):
    order, sigma = rng.permutation(n), rng.permutation(n)
    expected = [order[row] for row in sigma]
    following, three = np.full((1, n), -1), np.full((3, n), -1)
    for start in range(0, n, piece):
        part = slice(start, start + piece)
        kernel.follow_order(order, sigma[part], following[:, part])
    assert following.tolist() == [expected]
    kernel.follow_order(order, sigma, three)
    third = [order[sigma[sigma[row]]] for row in sigma]
    assert three[::2].tolist() == [expected, third]


@pytest.mark.parametrize("row", [3, -1])
def test_an_order_that_cannot_follow(kernel, row):
    one, two = np.zeros((1, 2), np.intp), np.zeros((2, 2), np.intp)
    with pytest.raises(ValueError, match="sigma must be from 0"):
        kernel.follow_order(np.arange(3), np.array([0, row]), one)
    for following in (one[:, :1], two):
        with pytest.raises(ValueError, match="following must have the shape"):
            kernel.follow_order(np.arange(3), np.arange(2), following)
    kernel.follow_order(np.arange(3), np.arange(2), two[:0])
    assert not one.any()
    assert not two.any()


WRONG = {
    "y must have one value": {"y": np.ones(59)},
    "sample_weight must have one value": {"weight": np.ones(61)},
    "rates must have one value": {"rates": np.ones(59)},
    "order must be from 0": {"order": np.full(60, 60)},
    "order must be from": {"order": np.full(60, -1)},
    "trace must have shape": {"trace": np.empty((7, 4))},
    "trace must have": {"trace": np.empty((1, 2))},
    "trace must": {"trace": np.empty((0, 4))},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_shapes_are_named(kernel, rng, message):
    X, y = problem(rng)
    given = {"y": y, "weight": None, "order": np.arange(60), "rates": np.ones(60)}
    given |= {"trace": TRACE.copy()} | WRONG[message]
    steps, coef, *_ = stochastic(kernel, 11)
    with pytest.raises(ValueError, match=message):
        steps.step(X, *given.values())
    with pytest.raises(ValueError, match=message):
        steps.step_csr(*stored(X), *given.values())
    assert not coef.any()


@pytest.mark.parametrize("penalty", PENALTIES)
def test_steps_before_a_wrong_column_are_kept(compiled, rng, penalty):
    X, y = problem(rng)
    data, indices, indptr = stored(X)
    wrong = indices.copy()
    wrong[indptr[30]] = 11
    found = []
    for columns, order in ((indices, np.arange(30)), (wrong, np.arange(60))):
        steps, coef, _, paid = stochastic(compiled, 11, penalty=penalty)
        rest = data, columns, indptr, y, None, order, np.full(len(order), 0.05), TRACE
        if columns is wrong:
            with pytest.raises(ValueError, match="indices must be from 0"):
                steps.step_csr(*rest)
        else:
            steps.step_csr(*rest)
        found.append((coef.tobytes(), paid.tobytes(), steps.intercept, steps.t))
    assert found[0] == found[1]


def test_wrong_columns_are_named(kernel, rng):
    X, y = problem(rng)
    rest = y, None, np.arange(60), np.ones(60), TRACE.copy()
    steps, *_ = stochastic(kernel, 11)
    with pytest.raises(ValueError, match="X must have n_features columns"):
        steps.step(np.ascontiguousarray(X[:, :10]), *rest)
    with pytest.raises(ValueError, match="values of a row of X must be contiguous"):
        steps.step(np.asfortranarray(X), *rest)
    data, indices, indptr = stored(X)
    for wrong in (-1, 11):
        columns = indices.copy()
        columns[30] = wrong
        with pytest.raises(ValueError, match="indices must be from 0 to n_features"):
            steps.step_csr(data, columns, indptr, *rest)
    with pytest.raises(ValueError, match="indices must have one value for each of"):
        steps.step_csr(data, indices[1:], indptr, *rest)
    with pytest.raises(ValueError, match="indptr must stay within data"):
        steps.step_csr(data[1:], indices[1:], indptr, *rest)
    falling = indptr.copy()
    falling[[9, 10]] = falling[[10, 9]]
    with pytest.raises(ValueError, match="indptr must not fall"):
        steps.step_csr(data, indices, falling, *rest)


def test_wrong_arrays_are_named(kernel):
    zeros = np.zeros(16)
    rest = 0, 0.0, 0.1, 1.0, 0.0, 1.0
    for arrays, message in (
        ((zeros[:11], zeros, zeros), "coef must have a multiple of 8"),
        ((zeros, zeros[:8], zeros), "mean must have the shape of coef"),
        ((zeros, zeros, zeros[:8]), "paid must have the shape of coef"),
        ((zeros, None, zeros), "mean and paid must be there"),
        ((zeros, zeros, None), "mean and paid must be there"),
    ):
        with pytest.raises(ValueError, match=message):
            kernel.Stochastic(0, 0.0, 11, *arrays, *rest, 1.0)
    with pytest.raises(ValueError, match="unknown loss number 99"):
        kernel.Stochastic(99, 0.0, 11, zeros, zeros, zeros, *rest, 1.0)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_epochs_may_be_made_in_one_call(kernel, rng, sparse, penalty):
    X, y = problem(rng)
    orders, rates = rng.permutation(180) % 60, rng.uniform(0.01, 0.05, 180)
    data = stored(X) if sparse else (X,)
    found = []
    for n_epochs in (1, 3):
        steps, coef, *_ = stochastic(kernel, 11, penalty=penalty)
        step = steps.step_csr if sparse else steps.step
        seen = []
        for part in np.split(np.arange(180), 3 // n_epochs):
            trace = np.empty((n_epochs, 4))
            step(*data, y, None, orders[part], rates[part], trace)
            seen += trace.tolist()
        steps.settle()
        found.append((coef.tobytes(), np.array(seen)))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])
    size = abs(coef).sum() + abs(steps.intercept)
    assert seen[-1][2] == pytest.approx(size, rel=1e-12)


def test_what_is_not_finite_shows(kernel):
    steps, coef, *_ = stochastic(kernel, 1, penalty=None)
    X, y, trace = np.full((2, 1), 1e200), np.ones(2), np.empty((2, 4))
    with np.errstate(all="ignore"):
        steps.step(X, y, None, np.arange(2), np.full(2, 1e100), trace)
    assert not np.isfinite(trace[1, 2])


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", [*LABELS, *QUANTITIES])
def test_in_order_the_bits_are_scikit_learns(compiled, rng, loss, penalty, sparse):
    # Rates that start at 10: the largest coefficients are some thousand times the last.
    X, y = problem(rng, n=200, labels=True)
    X *= rng.uniform(0.1, 30, 11)
    name = "squared_error" if loss == "half_squared_error" else loss
    options = dict(loss=name, penalty=penalty, tol=None, max_iter=3, random_state=7)
    theirs = SGDClassifier(**options)
    theirs.fit(pytest.importorskip("scipy.sparse").csr_matrix(X) if sparse else X, y)
    random = np.random.RandomState(7)
    random.randint(1, 2**31 - 1)
    make_epochs.kernel = compiled
    steps, coef, *_ = stochastic(
        compiled, 11, loss, penalty, alpha=1e-4,
        intercept_rate=0.01 if sparse else 1.0,
    )  # fmt: skip
    steps.in_order = True
    targets = 2 * y - 1 if loss in QUANTITIES else y
    first = math.sqrt(1 / math.sqrt(1e-4))
    make_epochs(
        steps, X, targets, sparse=sparse, seed=random.randint(2**31 - 1),
        rates=lambda t: 1 / (1e-4 * (1 / (first * 1e-4) + t - 1)),
    )  # fmt: skip
    np.testing.assert_array_equal(coef[:11], theirs.coef_[0])
    assert steps.intercept == theirs.intercept_[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("loss", [*LABELS, *QUANTITIES])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_row_that_is_not_finite_shows(kernel, rng, loss, value, sparse):
    X, y = problem(rng, labels=True)
    for column, number in ((3, value), (3, 0.5)):
        X[50, column] = number
        steps, *_ = stochastic(kernel, 11, loss)
        step, trace = steps.step_csr if sparse else steps.step, np.empty((3, 4))
        data = stored(X) if sparse else (X,)
        with np.errstate(all="ignore"):
            step(*data, y, None, np.arange(60), np.full(60, 0.05), trace)
        assert np.isnan(trace[:, 3]).tolist() == [False, False, number != 0.5]


@pytest.mark.parametrize("d", [1, 3, 8, 13, 45])
def test_rows_may_lie_anywhere(compiled, rng, d):
    X, y = problem(rng, d=d)
    for rows in (X[::-1], np.broadcast_to(X[0], X.shape), X[::2].repeat(2, 0)[::2]):
        found = []
        for same in (rows, rows.copy()):
            steps, coef, *_ = stochastic(compiled, d)
            n = len(rows)
            steps.step(same, y[:n], None, np.arange(n), np.full(n, 0.05), TRACE)
            found.append((coef.tobytes(), steps.intercept))
        assert found[0] == found[1]
