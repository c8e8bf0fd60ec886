"""Stochastic steps on several classes from one reading of the rows."""

import math

import numpy as np
import pytest
from sklearn import linear_model

import gdfast.sklearn
from gdfast.losses import LOSSES
from gdfast.sklearn import classifier
from gdfast.sklearn.stochastic import LOSSES as THEIR_LOSSES
from tests.test_stochastic_kernel import (
    ALPHA,
    LABELS,
    PENALTIES,
    QUANTITIES,
    stochastic,
    stored,
)


def problem(rng, n=60, d=11, k=5, dtype=np.float64):
    X = np.where(rng.random((n, d)) < 0.6, rng.standard_normal((n, d)), 0)
    return X.astype(dtype), rng.integers(0, k, n)


def together(kernel, d, k, loss="hinge", penalty="l2", rule=0, average=math.inf):
    """Return steps on k outputs, with class weights."""
    low = -1.0 if loss in QUANTITIES else 0.0
    tables = [np.zeros((d, -(-k // 4) * 4)) for _ in range(3)]
    l1, l2 = PENALTIES[penalty]
    return kernel.StochasticOutputs(
        LOSSES[loss]().kind, LOSSES[loss]().param, d, *tables, np.linspace(0, 1, k),
        np.zeros(k), np.linspace(0.5, 2, k), low, rule, 0.1, ALPHA, l1, l2, 0.5,
        average, 1.0,
    )  # fmt: skip


def alone(kernel, d, k, output, loss, penalty, rule, average):
    """Return steps on one of them, and the arrays that they change."""
    steps, *arrays = stochastic(
        kernel, d, loss, penalty, rule=rule, aggressiveness=0.1, intercept_rate=0.5,
        average=average,
    )  # fmt: skip
    steps.intercept = np.linspace(0, 1, k)[output]
    return steps, *arrays


def targets(label, k, output, loss, weight):
    own = label == output
    y = np.where(own, 1.0, -1.0 if loss in QUANTITIES else 0.0)
    return y, weight * np.where(own, np.linspace(0.5, 2, k)[output], 1.0)


def models(steps, d):
    found = []
    for output in range(steps.n_outputs):
        coef, mean = np.empty(d), np.empty(d)
        intercepts = steps.model(output, coef, mean)
        found.append([*coef, *mean, *intercepts])
    return np.array(found)


def check_against_single_outputs(
    kernel, rng, loss, penalty, k=5, sparse=False, dtype=np.float64, rule=0,
    average=math.inf, in_order=False,
):  # fmt: skip
    X, label = problem(rng, k=k, dtype=dtype)
    d, weight = X.shape[1], rng.uniform(0, 2, len(X))
    order = rng.integers(0, len(X), 120)
    rates = rng.uniform(0.01, 0.1, 120)
    data = stored(X) if sparse else (X,)
    steps, trace = (
        together(kernel, d, k, loss, penalty, rule, average),
        np.empty((3, k, 4)),
    )
    steps.in_order = in_order
    step = steps.step_csr if sparse else steps.step
    step(*data, label, weight, order, rates, trace)
    found = models(steps, d)
    for output in range(k):
        y, weights = targets(label, k, output, loss, weight)
        one, coef, mean, _ = alone(kernel, d, k, output, loss, penalty, rule, average)
        one.in_order, seen = in_order, np.empty((3, 4))
        step = one.step_csr if sparse else one.step
        step(*data, y, weights, order, rates, seen)
        one.settle()
        expected = [*coef[:d], *mean[:d], one.intercept, one.mean_intercept]
        np.testing.assert_allclose(found[output], expected, 1e-9, 1e-12)
        np.testing.assert_allclose(trace[:, output], seen, 1e-9, 1e-12)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", [*LABELS, *QUANTITIES])
def test_every_output_makes_the_steps_that_it_would_alone(
    compiled, rng, loss, penalty, sparse
):
    for dtype in (np.float32, np.float64):
        check_against_single_outputs(
            compiled, rng, loss, penalty, sparse=sparse, dtype=dtype
        )


@pytest.mark.parametrize("k", [1, 2, 3, 4, 7, 20, 33])
@pytest.mark.parametrize("average", [math.inf, 1.0, 50.0])
def test_any_number_of_outputs_and_averages(compiled, rng, k, average):
    for penalty in PENALTIES:
        for sparse in (False, True):
            check_against_single_outputs(
                compiled, rng, "log_loss", penalty, k, sparse, average=average
            )


@pytest.mark.parametrize("rule", [1, 2])
@pytest.mark.parametrize("loss", ["hinge", "epsilon_insensitive"])
def test_passive_aggressive_steps(compiled, rng, loss, rule):
    for penalty in (None, "l1"):
        check_against_single_outputs(compiled, rng, loss, penalty, rule=rule)


def test_rounding_as_scikit_learn_does(compiled, rng):
    """Where rounding grows, anything but the same bits would end elsewhere."""
    X, label = problem(rng)
    rates = np.full(60, 20.0)  # far too large
    steps, trace = together(compiled, 11, 5, "log_loss"), np.empty((1, 5, 4))
    steps.in_order = True
    steps.step(X, label, None, np.arange(60), rates, trace)
    for output, found in enumerate(models(steps, 11)):
        y, weights = targets(label, 5, output, "log_loss", 1.0)
        one, coef, *_ = alone(compiled, 11, 5, output, "log_loss", "l2", 0, math.inf)
        one.in_order = True
        one.step(X, y, weights, np.arange(60), rates, np.empty((1, 4)))
        one.settle()
        np.testing.assert_array_equal(found[:11], coef[:11])
        assert found[22] == one.intercept


def test_a_scale_that_becomes_small_is_taken_into_the_coefficients(compiled, rng):
    X, label = problem(rng)
    rates = np.full(120, 0.9 / ALPHA)  # a tenth is left after each step
    for average in (math.inf, 3.0):
        steps, trace = (
            together(compiled, 11, 5, average=average),
            np.empty((1, 5, 4)),
        )
        order = np.tile(np.arange(60), 2)
        steps.step(X, label, None, order, rates, trace)
        for output, found in enumerate(models(steps, 11)):
            y, weights = targets(label, 5, output, "hinge", 1.0)
            one, coef, mean, _ = alone(
                compiled, 11, 5, output, "hinge", "l2", 0, average
            )
            one.step(X, y, weights, order, rates, np.empty((1, 4)))
            one.settle()
            # Steps are of size 45, of which 1e-8 is the rounding.
            np.testing.assert_allclose(found[:11], coef[:11], 1e-9, 1e-8)
            np.testing.assert_allclose(found[11:22], mean[:11], 1e-9, 1e-8)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_every_kernel_makes_the_same_steps(builds, rng, penalty, sparse):
    from gdfast import _reference

    X, label = problem(rng, k=7)
    data = stored(X) if sparse else (X,)
    rest = label, None, rng.integers(0, 60, 100), np.full(100, 0.05)
    found = []
    for kernel in (*builds, _reference):
        steps = together(kernel, 11, 7, "modified_huber", penalty, average=9.0)
        trace = np.empty((2, 7, 4))
        (steps.step_csr if sparse else steps.step)(*data, *rest, trace)
        found.append([*models(steps, 11).ravel(), *trace.ravel()])
    assert found[0] == found[1]
    np.testing.assert_allclose(found[1], found[2], 1e-9, 1e-12)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_others_go_on_without_an_output(kernel, rng, penalty):
    X, label = problem(rng, k=6)
    rest = None, np.arange(60), np.full(60, 0.05)
    steps = together(kernel, 11, 6, penalty=penalty, average=30.0)
    every = together(kernel, 11, 6, penalty=penalty, average=30.0)
    left = list(range(6))
    for gone in (2, 3, 0, 0, 1):
        place = np.full(6, len(left))
        place[left] = np.arange(len(left))
        trace, other = np.empty((1, len(left), 4)), np.empty((1, 6, 4))
        steps.step(X, place[label], *rest, trace)
        every.step(X, label, *rest, other)
        np.testing.assert_array_equal(models(steps, 11), models(every, 11)[left])
        np.testing.assert_allclose(trace, other[:, left], 1e-12)
        steps.drop(gone)
        del left[gone]
        assert steps.n_outputs == len(left)
    with pytest.raises(ValueError, match="not alone"):
        steps.drop(0)


def test_wrong_arguments_are_named(kernel, rng):
    X, label = problem(rng)
    data, indices, indptr = stored(X)
    good = {
        "label": label, "weight": None, "order": np.arange(60), "rates": np.ones(60),
        "trace": np.empty((1, 5, 4)),
    }  # fmt: skip
    steps = together(kernel, 11, 5)
    for changes, message in (
        ({"label": label[1:]}, "label must have one value for each row of X"),
        ({"label": label + 2}, "label must be from 0 to n_outputs"),
        ({"label": label - 1}, "label must be from 0 to n_outputs"),
        ({"weight": np.ones(59)}, "sample_weight must have one value for each row"),
        ({"order": np.arange(1, 61)}, "order must be from 0 to n_samples - 1"),
        ({"rates": np.ones(59)}, "rates must have one value for each row of order"),
        ({"trace": np.empty((1, 4, 4))}, "trace must have shape"),
        ({"trace": np.empty((7, 5, 4))}, "trace must have shape"),
        ({"trace": np.empty((0, 5, 4))}, "trace must have shape"),
    ):
        rest = (good | changes).values()
        with pytest.raises(ValueError, match=message):
            steps.step(X, *rest)
        with pytest.raises(ValueError, match=message):
            steps.step_csr(data, indices, indptr, *rest)
    with pytest.raises(ValueError, match="X must have n_features columns"):
        steps.step(np.ascontiguousarray(X[:, :10]), *good.values())
    with pytest.raises(ValueError, match="values of a row of X must be contiguous"):
        steps.step(np.asfortranarray(X), *good.values())
    for wrong in (-1, 11):
        columns = indices.copy()
        columns[30] = wrong
        with pytest.raises(ValueError, match="indices must be from 0 to n_features"):
            steps.step_csr(data, columns, indptr, *good.values())
    with pytest.raises(ValueError, match="indptr must stay within data"):
        steps.step_csr(data[1:], indices[1:], indptr, *good.values())
    for output, size in ((5, 11), (-1, 11), (0, 10)):
        with pytest.raises(ValueError, match="output must be|coef and mean must have"):
            steps.stored(output, np.empty(size))
        with pytest.raises(ValueError, match="output must be|coef and mean must have"):
            steps.model(output, np.empty(size), None)


def test_wrong_tables_are_named(kernel):
    table, ones = np.zeros((11, 8)), np.ones(5)
    for changes, message in (
        ({"coef": np.zeros((11, 5))}, "coef must have shape"),
        ({"coef": np.zeros((10, 8))}, "coef must have shape"),
        ({"mean": np.zeros((11, 4))}, "mean must have the shape of coef"),
        ({"paid": np.zeros((11, 4))}, "paid must have the shape of coef"),
        ({"mean": None}, "mean and paid must be there"),
        ({"paid": None}, "mean and paid must be there"),
        ({"mean_intercept": ones[1:]}, "must have n_outputs values"),
        ({"class_weight": ones[1:]}, "must have n_outputs values"),
        ({"kind": 99}, "unknown loss number 99"),
    ):
        arguments = {
            "kind": 0, "param": 0.0, "n_features": 11, "coef": table, "mean": table,
            "paid": table, "intercept": ones, "mean_intercept": ones,
            "class_weight": ones, "low": 0.0,
        } | changes  # fmt: skip
        with pytest.raises(ValueError, match=message):
            kernel.StochasticOutputs(
                *arguments.values(), 0, 0.0, 0.1, 1.0, 0.0, 1.0, 1.0, 1.0
            )


# ------------------------------------------------------------------ the estimator


def drawn(rng, number):
    """Return parameters of a training, its data and weights."""
    n, d, k = rng.integers(80, 200), rng.integers(1, 30), rng.integers(3, 9)
    X = rng.standard_normal((n, d))
    y = rng.integers(0, k, n)
    y[:k] = np.arange(k)
    sparse = pytest.importorskip("scipy.sparse")
    schedule = str(rng.choice(["optimal", "constant", "invscaling", "pa1", "pa2"]))
    losses = sorted(THEIR_LOSSES)
    if schedule.startswith("pa"):
        losses = ["hinge"]
    options = {
        "loss": str(rng.choice(losses)),
        "penalty": [None, "l2", "l1", "elasticnet"][rng.integers(4)],
        "alpha": float(rng.choice([1e-4, 1e-2])),
        "learning_rate": schedule,
        "eta0": 0.01,
        "average": [False, True, 10][rng.integers(3)],
        "fit_intercept": bool(rng.random() < 0.8),
        "class_weight": [None, "balanced"][rng.integers(2)],
        "max_iter": int(rng.choice([3, 30])),
        "tol": None,
        "shuffle": False,
        "random_state": 0,
    }
    if number % 2:
        X = sparse.csr_array(X * (rng.random(X.shape) < 0.4))
    elif number % 4:  # on sparse rows the norm in scikit-learn's objective is wrong
        options |= {"tol": 1e-3, "early_stopping": bool(rng.random() < 0.5)}
        y[k : 2 * k] = np.arange(k)
    return options, X, y, rng.uniform(0.1, 2, n) if rng.random() < 0.4 else None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", range(60))
def test_classes_without_shuffling_are_scikit_learns(number, monkeypatch):
    rng = np.random.default_rng(number)
    options, X, y, weight = drawn(rng, number)
    calls = []
    monkeypatch.setattr(classifier, "train_rows", lambda *rest: calls.append(rest))
    theirs = linear_model.SGDClassifier(**options).fit(X, y, sample_weight=weight)
    ours = gdfast.sklearn.SGDClassifier(**options).fit(X, y, sample_weight=weight)
    assert not calls  # of one class alone
    assert ours.n_iter_ == theirs.n_iter_
    scale = np.abs(theirs.coef_).max()
    np.testing.assert_allclose(ours.coef_, theirs.coef_, 1e-9, 1e-11 * scale)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, 1e-9, 1e-11)
    assert ours.t_ == theirs.t_


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("options", [{}, {"average": 5}, {"early_stopping": True}])
def test_classes_end_each_at_its_own_epoch(rng, options, sparse, monkeypatch):
    X, y = problem(rng, 300, 11, 5)
    X += np.eye(5, 11)[y] * np.linspace(0, 2, 5)[y, None]
    if sparse:
        X = pytest.importorskip("scipy.sparse").csr_array(X)
    options = {"max_iter": 200, "shuffle": False, "random_state": 0, **options}
    model = gdfast.sklearn.SGDClassifier(**options).fit(X, y)
    share = "gdfast.sklearn.classifier.SGDClassifier._can_share"
    monkeypatch.setattr(share, lambda *_: False)
    each = gdfast.sklearn.SGDClassifier(**options).fit(X, y)
    lengths = [len(curve) for curve in model.loss_curve_]
    assert lengths == [len(curve) for curve in each.loss_curve_]
    assert len(set(lengths)) > 1
    np.testing.assert_allclose(model.coef_, each.coef_, 1e-9, 1e-12)
    np.testing.assert_allclose(model.intercept_, each.intercept_, 1e-9, 1e-12)
    for found, expected in zip(model.loss_curve_, each.loss_curve_, strict=True):
        np.testing.assert_allclose(found, expected, 1e-9)
    assert model.stop_reason_ == each.stop_reason_


def test_partial_fits_of_several_classes(rng):
    X, y = problem(rng)
    for model in (linear_model.SGDClassifier, gdfast.sklearn.SGDClassifier):
        made = model(shuffle=False, random_state=0)
        for part in (slice(30), slice(30, 60)):
            made.partial_fit(X[part], y[part], classes=np.arange(5))
        if model is linear_model.SGDClassifier:
            expected = made
    np.testing.assert_allclose(made.coef_, expected.coef_, 1e-10)
    np.testing.assert_allclose(made.intercept_, expected.intercept_, 1e-10)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_missing_leaves_the_model(rng, value):
    X, y = problem(rng)
    model = gdfast.sklearn.SGDClassifier(shuffle=False, random_state=0).fit(X, y)
    before, wrong = model.coef_.copy(), X.copy()
    wrong[7, 3] = value
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        model.fit(wrong, y)
    np.testing.assert_array_equal(model.coef_, before)
