"""SGDRegressor and SGDClassifier against scikit-learn's, and in its company."""

import copy
import os
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import datasets, linear_model
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from gdfast import stochastic
from gdfast.sklearn import SGDClassifier, SGDRegressor

OURS = {"SGDRegressor": SGDRegressor, "SGDClassifier": SGDClassifier}
AVERAGED = [
    "_standard_coef",
    "_standard_intercept",
    "_average_coef",
    "_average_intercept",
]
quietly = pytest.mark.filterwarnings("ignore::UserWarning")
ORDER = "a step on every row in an order: k weights are not k rows"


@parametrize_with_checks(
    [SGDRegressor(), SGDClassifier()],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": ORDER,
        "check_sample_weight_equivalence_on_sparse_data": ORDER,
    },
)
@pytest.mark.filterwarnings("ignore")
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


# ---- the same numbers

REGRESSION = [
    "squared_error",
    "huber",
    "epsilon_insensitive",
    "squared_epsilon_insensitive",
]
CLASSIFICATION = [
    "hinge",
    "log_loss",
    "squared_hinge",
    "modified_huber",
    "perceptron",
    *REGRESSION,
]
# "optimal" begins with steps of some 10. A rounding error grows then from row to row
# where slopes change with the prediction, until no digit of float32 is left.
STEPWISE = {"hinge", "perceptron", "epsilon_insensitive"}
SCHEDULES = ["constant", "optimal", "invscaling", "adaptive", "pa1", "pa2"]


def drawn(number: int):
    """Return a class, parameters, data, and what is done with them."""
    rng = np.random.default_rng([5, number])

    def one_of(*values):
        return values[rng.integers(len(values))]

    n, d = int(rng.integers(30, 150)), int(rng.integers(1, 80))
    kind = one_of("regression", "binary", "several")
    dtype = one_of(np.float64, np.float64, np.float32)
    X = rng.standard_normal((n, d)) * min(1, 30 / d) ** 0.5  # or steps are too large
    X = X.astype(dtype)
    raw = X @ rng.standard_normal(d) + rng.standard_normal(n)
    sparse = rng.random() < 0.35
    if sparse:
        X[rng.random((n, d)) < 0.6] = 0
        X = sp.csr_matrix(X)
    schedule = SCHEDULES[number % 6]
    losses = REGRESSION if kind == "regression" else CLASSIFICATION
    if schedule.startswith("pa"):
        losses = ["epsilon_insensitive" if kind == "regression" else "hinge"]
    elif schedule == "optimal" and dtype is np.float32:
        losses = [loss for loss in losses if loss in STEPWISE]
    params = {
        "loss": losses[number // 6 % len(losses)],
        "learning_rate": schedule,
        "penalty": one_of(None, "l2", "l1", "elasticnet"),
        "alpha": one_of(1e-4, 1e-3, 1e-2),
        "l1_ratio": one_of(0.0, 0.3, 1.0),
        "eta0": one_of(0.001, 0.01, 0.05),
        "power_t": one_of(0.25, 0.5, 0.3),
        "max_iter": one_of(1, 5, 30),
        "tol": one_of(None, 1e-3, 0.1),
        "average": one_of(False, True, 40, 10**6),
        "fit_intercept": one_of(True, True, False),
        "shuffle": one_of(True, True, False),
        "early_stopping": one_of(False, False, True),
        "n_iter_no_change": one_of(1, 2, 5),
        "epsilon": one_of(0.0, 0.1, 0.5),
        "warm_start": one_of(False, True),
        "random_state": int(rng.integers(2**31)),
    }
    if sparse and params["penalty"] and not params["early_stopping"]:
        params["tol"] = None  # scikit-learn's norm is wrong there, and so its objective
    then = one_of("nothing", "fit", "partial_fit")
    y, name = raw, "SGDRegressor"
    if kind != "regression":
        name = "SGDClassifier"
        shares = [0.5] if kind == "binary" else [0.3, 0.6]
        y = np.digitize(raw, np.quantile(raw, shares))
        y = np.array(["a", "b", "c"])[y] if rng.random() < 0.3 else y
        params["class_weight"] = one_of(None, "balanced")
    weight = rng.random(n) if rng.random() < 0.4 else None
    return name, params, X, y, weight, then


def trained(cls, params, X, y, weight, then):
    """Return a model after all that is done with it."""
    random_state = params["random_state"]
    if random_state % 3 == 0:  # it is drawn from then, by one fit after the other
        random_state = np.random.RandomState(random_state)
    model = cls(**{**params, "random_state": random_state})
    model.fit(X, y, sample_weight=weight)
    if then == "fit":
        model.fit(X, y, sample_weight=weight)
    elif then == "partial_fit":
        for _ in range(2):
            model.partial_fit(X, y, sample_weight=weight)
    return model


def difference(got, want):
    """Return the largest difference, in parts of the largest value."""
    got, want = got.astype(float), want.astype(float)
    return float(np.abs(got - want).max() / max(np.abs(want).max(), 1e-300))


@quietly
def test_all_numbers_are_those_of_scikit_learn():
    errors = {"float64": [], "float32": []}
    for number in range(300):
        name, params, X, y, weight, then = drawn(number)
        theirs = trained(getattr(linear_model, name), params, X, y, weight, then)
        ours = trained(OURS[name], params, X, y, weight, then)
        case = f"{number}: {name}({params}) {X.dtype} {X.shape} {then}"
        assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_), case
        assert type(ours.n_iter_) is type(theirs.n_iter_), case
        assert type(ours.t_) is type(theirs.t_), case
        for attribute in ["coef_", "intercept_", *AVERAGED]:
            assert hasattr(ours, attribute) == hasattr(theirs, attribute), case
            if not hasattr(ours, attribute):
                continue
            got, want = getattr(ours, attribute), getattr(theirs, attribute)
            assert got.shape == want.shape, case
            assert got.dtype == want.dtype, case
            error = difference(got, want)
            # scikit-learn rounds float32 coefficients at every step, gdfast at the end.
            bound = 1e-9 if X.dtype == np.float64 else 3e-5
            assert error <= bound, f"{attribute} {error:.2g} {case}"
            errors[X.dtype.name].append((error, case))
    for name, found in errors.items():
        print("worst difference of", name, max(found))  # noqa: T201 - pytest -s shows it
    assert np.mean([error <= 1e-5 for error, _ in errors["float32"]]) > 0.98


def test_orders_are_made_in_pieces(monkeypatch):
    X = np.random.default_rng(0).standard_normal((50, 3))
    y = (X[:, 0] > 0).astype(int)
    found = []
    for n_rows in (50, 7, 1):
        monkeypatch.setattr(stochastic, "PIECE_ROWS", n_rows)
        model = OURS["SGDClassifier"](max_iter=4, tol=None, random_state=0).fit(X, y)
        found.append(model.coef_.tolist())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("name", list(OURS))
@quietly
def test_global_random_state(name):
    X = np.random.default_rng(0).standard_normal((50, 3))
    y = (X[:, 0] > 0).astype(int)
    models = []
    for cls in (getattr(linear_model, name), OURS[name]):
        np.random.seed(3)  # noqa: NPY002 - what random_state=None means there
        models.append([cls(max_iter=3).fit(X, y).coef_ for _ in range(2)])
    np.testing.assert_allclose(models[1], models[0], rtol=1e-9)
    assert not np.array_equal(*models[1])


@pytest.mark.parametrize("name", list(OURS))
def test_predictions_are_those_of_scikit_learn(name):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    raw = X @ [1, -1, 2, 0.5]
    for dtype in (np.float64, np.float32):
        for y in (np.digitize(raw, [0]), np.digitize(raw, [-1, 1])):
            table = X.astype(dtype)
            theirs = getattr(linear_model, name)(random_state=0, tol=None, max_iter=5)
            ours = OURS[name](**theirs.get_params())
            theirs.fit(table, y)
            ours.fit(table, y)
            ours.coef_, ours.intercept_ = theirs.coef_, theirs.intercept_
            for rows in (table, table[:1], np.asfortranarray(table), table.tolist()):
                got, want = ours.predict(rows), theirs.predict(rows)
                np.testing.assert_allclose(got, want, rtol=1e-6)
                assert got.dtype == want.dtype
            if name == "SGDClassifier":
                got, want = (
                    ours.decision_function(table),
                    theirs.decision_function(table),
                )
                np.testing.assert_array_equal(got, want)
            sparse = sp.csr_matrix(table)
            np.testing.assert_array_equal(ours.predict(sparse), theirs.predict(sparse))


def test_probabilities():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    for loss in ("log_loss", "modified_huber"):
        params = {"loss": loss, "learning_rate": "invscaling", "random_state": 0}
        theirs = linear_model.SGDClassifier(**params).fit(X, y).predict_proba(X)
        ours = SGDClassifier(**params).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-12)
    assert not hasattr(SGDClassifier(), "predict_proba")


# ---- scikit-learn's own tests

PLUGIN = """
import sklearn.linear_model
import gdfast.sklearn
for name in gdfast.sklearn.__all__:
    setattr(sklearn.linear_model, name, getattr(gdfast.sklearn, name))
"""
EXCEPTIONS = {
    # It puts a private class in the module of scikit-learn's that trains.
    "test_validation_mask_correctly_subsets",
}
OTHER_CLASSES = ["neclass", "OneClass", "one_class", "ocsvm"]


def test_tests_of_scikit_learn(tmp_path):
    (tmp_path / "put_gdfast_there.py").write_text(PLUGIN)
    left_out = [*EXCEPTIONS, *OTHER_CLASSES]
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "put_gdfast_there"),
        *("-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)),
        *("--pyargs", "sklearn.linear_model.tests.test_sgd"),
        *("-k", " and ".join(f"not {name}" for name in left_out)),
    ]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 200


# ---- in the company of scikit-learn


@pytest.fixture
def table():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((80, 3))
    return X, X @ [1.0, 2.0, 3.0], np.digitize(X[:, 0], [-0.5, 0.5])


@pytest.mark.parametrize("cls", OURS.values())
def test_copies(cls, table):
    X, y, labels = table
    model = cls(alpha=0.01, random_state=0, average=True)
    model.fit(X, labels if cls is SGDClassifier else y)
    copies = pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)
    for copied in copies:
        np.testing.assert_array_equal(copied.predict(X), model.predict(X))
        assert copied.loss_curve_ == model.loss_curve_
        copied.partial_fit(X, labels if cls is SGDClassifier else y)
        assert copied.loss_curve_ != model.loss_curve_


@pytest.mark.parametrize("n_jobs", [None, 2, -1])
def test_threads_change_nothing(n_jobs, table):
    X, _, labels = table
    for rows in (X, sp.csr_matrix(X)):
        alone = SGDClassifier(random_state=0).fit(rows, labels)
        model = SGDClassifier(random_state=0, n_jobs=n_jobs).fit(rows, labels)
        assert np.array_equal(model.coef_, alone.coef_)
        assert model.loss_curve_ == alone.loss_curve_


# ---- what a training leaves behind


def test_curves_and_reasons(table):
    X, y, labels = table
    model = SGDRegressor(random_state=0, tol=1e-3).fit(X, y)
    assert len(model.loss_curve_) == model.n_iter_
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    expected = "the mean objective fell by less than tol=0.001 in 5 epochs in a row"
    assert model.stop_reason_ == expected
    assert not hasattr(model, "validation_curve_")
    model.partial_fit(X, y)
    assert len(model.loss_curve_) > model.n_iter_ == 1
    assert model.stop_reason_ == "partial_fit makes one epoch"

    model.set_params(early_stopping=True, n_iter_no_change=1).fit(X, y)
    assert len(model.validation_curve_) == len(model.loss_curve_) == model.n_iter_
    assert model.stop_reason_.startswith("the validation score rose by less than tol=")
    model.set_params(early_stopping=False, max_iter=2, tol=None).fit(X, y)
    assert not hasattr(model, "validation_curve_")
    assert model.stop_reason_ == "all max_iter=2 epochs were made"

    classifier = SGDClassifier(random_state=0).fit(X, labels)
    assert len(classifier.loss_curve_) == 3
    assert max(map(len, classifier.loss_curve_)) == classifier.n_iter_
    classifier.partial_fit(X, labels)
    assert max(map(len, classifier.loss_curve_)) > classifier.n_iter_ == 1


def test_the_loss_curve_is_the_formula():
    # Before its own step every row is scored; the penalty is that of its coefficients.
    X, y = np.array([[1.0], [2.0]]), np.array([1.0, -1.0])
    model = SGDRegressor(
        alpha=0.1, learning_rate="constant", eta0=0.1, shuffle=False, max_iter=2,
        tol=None, fit_intercept=False,
    ).fit(X, y)  # fmt: skip
    coef, means = 0.0, []
    for _ in range(2):
        total = 0.0
        for x, target in zip(X[:, 0], y, strict=True):
            slope = coef * x - target
            total += 0.5 * slope**2 + 0.1 * 0.5 * coef**2
            coef = coef * (1 - 0.1 * 0.1) - 0.1 * slope * x
        means.append(total / 2)
    np.testing.assert_allclose(model.loss_curve_, means, rtol=1e-14)
    np.testing.assert_allclose(model.coef_, [coef], rtol=1e-14)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_callback(early_stopping, table):
    X, y, labels = table
    params = {
        "random_state": 0, "alpha": 0.5, "eta0": 0.2, "learning_rate": "constant",
        "tol": None, "max_iter": 9, "early_stopping": early_stopping,
    }  # fmt: skip
    seen = []
    model = SGDRegressor(**params)
    model.fit(X, y, callback=seen.append)
    assert [epoch.epoch for epoch in seen] == list(range(1, 10))
    assert [epoch.objective for epoch in seen] == model.loss_curve_
    assert [epoch.validation_score for epoch in seen] == (
        model.validation_curve_ if early_stopping else [None] * 9
    )
    for epoch in seen[:3]:  # the coefficients are those of a shorter training
        params["max_iter"] = epoch.epoch
        shorter = SGDRegressor(**params).fit(X, y)
        np.testing.assert_allclose(epoch.coef, shorter.coef_, rtol=1e-12)
        np.testing.assert_allclose(epoch.intercept, shorter.intercept_[0], rtol=1e-12)

    model.fit(X, y, callback=lambda epoch: epoch.epoch == 4)
    assert model.n_iter_ == 4
    assert model.stop_reason_ == "the callback ended the training"
    outputs = []
    classifier = SGDClassifier(random_state=0)
    classifier.fit(X, labels, callback=lambda epoch: outputs.append(epoch.output))
    assert set(outputs) == {0, 1, 2}

    def stop(epoch):
        raise StopIteration

    assert model.fit(X, y, callback=stop).n_iter_ == 1


def test_divergence_is_loud(table):
    X, y, _ = table
    model = SGDRegressor(learning_rate="optimal", random_state=0, max_iter=3, tol=None)
    with pytest.warns(ConvergenceWarning, match="steps were too large"):
        model.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(learning_rate="invscaling").fit(X, y)
        model.fit(X, y * 1e11)  # large, and right


def test_verbose(table, capsys):
    X, y, _ = table
    model = SGDRegressor(random_state=0, verbose=1, alpha=0.5, tol=None, max_iter=3)
    model.fit(X, y)
    ours = re.sub(r"[\d.]+ seconds", "s", capsys.readouterr().out)
    theirs = linear_model.SGDRegressor(**model.get_params()).fit(X, y)
    expected = re.sub(r"[\d.]+ seconds", "s", capsys.readouterr().out)
    assert ours == expected
    assert theirs.n_iter_ == 3


# ---- what goes wrong


def test_a_failed_fit_leaves_the_model(table):
    X, y, labels = table
    for cls, target in ((SGDRegressor, y), (SGDClassifier, labels)):
        model = cls(random_state=0, average=True).fit(X, target)
        before = pickle.dumps(model.__dict__)
        wrong = X.copy()
        wrong[3, 1] = np.nan
        for data in (wrong, X[:, :2], X[:3]):
            for method in (model.fit, model.partial_fit):
                if data.shape[1] == 2 and method == model.fit:
                    continue
                with pytest.raises(ValueError, match=r"NaN|features|inconsistent"):
                    method(data, target)
        with pytest.raises(ValueError, match="under-/overflow occurred at epoch #1"):
            model.fit(X * 1e200, target, sample_weight=np.full(len(X), 1e200))

        def interrupt(epoch):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            model.fit(X, target, callback=interrupt)
        assert pickle.dumps(model.__dict__) == before


def test_inputs_stay_as_they_are(table):
    X, y, labels = table
    for cls, target in ((SGDRegressor, y), (SGDClassifier, labels)):
        shape = (3,) if cls is SGDRegressor else (3, 3)
        coef_init = np.ones(shape)
        intercept_init = np.ones(1 if cls is SGDRegressor else 3)
        weight = np.ones(len(X))
        twice = sp.csr_array(
            (np.ones(4), [1, 0, 0, 2], [0, 3, 4, *[4] * 78]), shape=(80, 3)
        )
        inputs = [X, target, coef_init, intercept_init, weight, twice.data]
        before = pickle.dumps(inputs)
        for array in inputs:
            array.flags.writeable = False
        for rows in (X, twice):
            model = cls(max_iter=2, tol=None, warm_start=True, random_state=0)
            model.fit(rows, target, coef_init, intercept_init, sample_weight=weight)
            old = model.coef_
            kept = old.copy()
            model.fit(rows, target).partial_fit(rows, target)
            assert np.array_equal(old, kept)
        assert pickle.dumps(inputs) == before


def test_sparse_rows(table):
    X, y, _ = table
    X = np.where(np.abs(X) > 0.5, X, 0.0)
    sparse = sp.csr_array(X)
    model = SGDRegressor(random_state=0, max_iter=3, tol=None)
    expected = model.fit(sparse, y).coef_
    large = sparse.copy()
    large.indices, large.indptr = large.indices.astype("q"), large.indptr.astype("q")
    assert np.array_equal(model.fit(large, y).coef_, expected)
    for other in (sparse.tocsc(), sparse.tocoo()):
        assert np.array_equal(model.fit(other, y).coef_, expected)
    halves = sp.csr_array(  # every value as two halves
        (
            np.repeat(sparse.data / 2, 2),
            np.repeat(sparse.indices, 2),
            2 * sparse.indptr,
        ),
        shape=sparse.shape,
    )
    l1 = SGDRegressor(random_state=0, max_iter=3, tol=None, penalty="l1", alpha=0.01)
    np.testing.assert_allclose(
        l1.fit(halves, y).coef_, l1.fit(sparse, y).coef_, rtol=1e-12
    )
    for place, index in ((0, 3), (1, -1)):
        wrong = sparse.copy()
        wrong.indices[place] = index
        with pytest.raises(ValueError, match="sparse matrix with index"):
            model.fit(wrong, y)
        with pytest.raises(ValueError, match="sparse matrix with index"):
            model.predict(wrong)


def test_the_norm_of_sparse_rows_is_the_true_one(table):
    # scikit-learn's objective takes the norm of the last row's coefficients alone.
    X, y, _ = table
    X = np.where(np.abs(X) > 0.5, X, 0.0)
    model = SGDRegressor(alpha=1.0, fit_intercept=False, random_state=0)
    dense = model.fit(X, y).loss_curve_
    sparse = model.fit(sp.csr_array(X), y).loss_curve_
    np.testing.assert_allclose(sparse, dense, rtol=1e-9)


@pytest.mark.parametrize("cls", OURS.values())
def test_what_is_refused(cls, table):
    X, y, labels = table
    target = labels if cls is SGDClassifier else y
    model = cls(random_state=0)
    with pytest.raises(ValueError, match="Negative values in data"):
        model.fit(X, target, sample_weight=np.where(X[:, 0] > 0, 1.0, -1.0))
    with pytest.raises(TypeError, match="X has times"):
        model.fit((X * 1e9).astype("datetime64[s]"), target)
    with pytest.raises(TypeError, match="X has times"):
        model.fit(pd.DataFrame(X).assign(t=pd.Timestamp("2026-01-01")), target)
    masked = np.ma.masked_less(X, -1)
    with pytest.raises(ValueError, match="X has masked cells"):
        model.fit(masked, target)
    model.fit(np.ma.array(X), target)
    with pytest.raises(ValueError, match="X has masked cells"):
        model.predict(masked)
    for sample_weight in (np.zeros(80), np.ones(79), np.full(80, np.nan)):
        with pytest.raises(ValueError, match=r"weight"):
            model.fit(X, target, sample_weight=sample_weight)
    with pytest.raises(NotFittedError):
        cls().predict(X)


@pytest.mark.parametrize("cls", OURS.values())
def test_parameters_are_checked_each_time(cls, table):
    X, y, labels = table
    target = labels if cls is SGDClassifier else y
    model = cls(random_state=0, average=1).fit(X, target)
    for params in ({"alpha": -1.0}, {"fit_intercept": 1}, {"loss": ["hinge"]}):
        with pytest.raises(ValueError, match="must be"):
            cls(**params).fit(X, target)
        with pytest.raises(ValueError, match="must be"):
            clone(model).set_params(**params).fit(X, target)
    for random_state in (-1, "a"):
        with pytest.raises(ValueError, match="random_state"):
            cls(random_state=random_state).fit(X, target)

    class Strict(cls):
        _parameter_constraints = {**cls._parameter_constraints, "alpha": [None]}

    with pytest.raises(ValueError, match="must be None"):
        Strict().fit(X, target)


@pytest.mark.parametrize("name", ["load_iris", "load_breast_cancer", "load_digits"])
@pytest.mark.parametrize("loss", ["log_loss", "modified_huber", "squared_hinge"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_steps_in_which_rounding_grows_have_the_same_bits(loss, name):
    X, y = getattr(datasets, name)(return_X_y=True)
    theirs = linear_model.SGDClassifier(loss=loss, random_state=0, max_iter=60)
    ours = SGDClassifier(loss=loss, random_state=0, max_iter=60)
    theirs.fit(X, y)
    ours.fit(X, y)
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)


def test_short_steps_are_made_in_vectors(monkeypatch):
    X, y = datasets.make_classification(20_000, random_state=0)
    seen = []

    def make(*arguments):
        seen.append(made(*arguments))
        return seen[-1]

    made = stochastic.kernel.Stochastic
    monkeypatch.setattr(stochastic.kernel, "Stochastic", make)
    options = {"loss": "log_loss", "random_state": 0, "tol": None}
    for max_iter, in_order in ((1, True), (60, False)):
        ours = SGDClassifier(max_iter=max_iter, **options).fit(X, y)
        theirs = linear_model.SGDClassifier(max_iter=max_iter, **options).fit(X, y)
        assert seen[-1].in_order == in_order
        np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)


@pytest.mark.parametrize("cls", [SGDRegressor, SGDClassifier])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_among_many_values_is_found(cls, value):
    X = np.random.default_rng(0).standard_normal((9000, 10))
    y = X[:, 0] > 0
    model = cls(random_state=0, max_iter=2, tol=None).fit(X, y)
    before = {name: id(kept) for name, kept in vars(model).items()}
    curve = list(model.loss_curve_)
    X[7000, 3] = value
    theirs = getattr(linear_model, cls.__name__)()
    with pytest.raises(ValueError, match="Input X contains") as expected:
        theirs.fit(X, y)
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="Input X contains") as found:
            method(X, y)
        assert str(found.value) == str(expected.value)
    assert {name: id(kept) for name, kept in vars(model).items()} == before
    assert model.loss_curve_ == curve


@pytest.mark.parametrize("loss", [None, "squared_hinge", "log_loss"])
def test_divergence_to_nan_is_loud_too(loss):
    X = np.random.default_rng(0).standard_normal((60, 3)) * 1e200
    model, y = SGDRegressor(random_state=0, max_iter=2, tol=None), X[:, 0]
    if loss:
        model, y = SGDClassifier(loss, random_state=0, max_iter=2, tol=None), y > 0
    with pytest.warns(ConvergenceWarning, match="steps were too large"):
        model.fit(X, y)


@pytest.mark.parametrize("cls", [SGDRegressor, SGDClassifier])
def test_a_callback_can_be_called(cls):
    X = np.ones((4, 1))
    with pytest.raises(TypeError, match="callback must be callable, got 3"):
        cls().fit(X, [0, 1, 0, 1], callback=3)
