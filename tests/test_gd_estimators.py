"""GDRegressor and GDClassifier: scikit-learn's own checks, and its solvers' minima."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import linear_model
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import gdfast
from gdfast.losses import Huber, LogLoss
from gdfast.sklearn import GDClassifier, GDRegressor, gradient

EXACT = {"gtol": 1e-9, "max_iter": 100_000}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        GDRegressor(),
        GDRegressor("huber"),
        GDRegressor(batch_size=1, optimizer="gd"),
        GDClassifier(),
        GDClassifier("multinomial"),
        GDClassifier("squared_hinge"),
    ],
    expected_failed_checks=lambda estimator: (
        {
            name: "rows that count twice are not the same order as rows that are there "
            "twice"
            for name in (
                "check_sample_weight_equivalence_on_dense_data",
                "check_sample_weight_equivalence_on_sparse_data",
            )
        }
        if estimator.batch_size
        else {}
    ),
)
def test_it_is_an_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def quantities():
    X, y = make_regression(200, 6, n_informative=4, noise=3, random_state=0)
    return X + 0.3, y / 30


@pytest.fixture(scope="module")
def classes():
    X, y = make_classification(
        300, 6, n_informative=4, n_redundant=1, n_classes=3, random_state=0
    )
    return X, np.array(["low", "middle", "high"])[y]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("targets", [1, 3])
def test_squares_with_l2_are_ridge(quantities, rng, targets, weighted):
    X, y = quantities
    if targets > 1:
        y = y[:, None] + rng.standard_normal((200, targets))
    weight = rng.uniform(0.5, 2, 200) if weighted else None
    n = 200 if weight is None else weight.sum()
    theirs = linear_model.Ridge(0.1 * n, tol=1e-12).fit(X, y, sample_weight=weight)
    ours = GDRegressor(alpha=0.1, **EXACT).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y))


def test_l1_is_lasso(quantities):
    theirs = linear_model.Lasso(0.3, tol=1e-12).fit(*quantities)
    ours = GDRegressor(penalty="l1", alpha=0.3, **EXACT).fit(*quantities)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6)
    assert (ours.coef_ == 0).any()


def test_counts_are_predicted_by_their_expectation(quantities, rng):
    X, _ = quantities
    y = rng.poisson(np.exp(X @ np.full(6, 0.2)))
    theirs = linear_model.PoissonRegressor(alpha=0.1, tol=1e-10).fit(X, y)
    ours = GDRegressor("poisson", alpha=0.1, gtol=1e-8, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-4)


@pytest.mark.parametrize("loss", ["log_loss", "multinomial"])
def test_two_classes_are_logistic_regression(classes, loss):
    X, y = classes
    X, y = X[y != "low"], y[y != "low"]
    alpha = 0.01
    theirs = linear_model.LogisticRegression(C=1 / (alpha * len(X)), tol=1e-10)
    theirs.fit(X, y)
    ours = GDClassifier(loss, alpha=alpha, **EXACT).fit(X, y)
    assert ours.coef_.shape == (1, 6)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), 1e-4)
    assert (ours.predict(X) == theirs.predict(X)).all()


def test_classes_together_are_logistic_regression(classes):
    X, y = classes
    alpha = 0.01
    theirs = linear_model.LogisticRegression(C=1 / (alpha * len(X)), tol=1e-10)
    theirs.fit(X, y)
    ours = GDClassifier("multinomial", alpha=alpha, **EXACT).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), 1e-4)
    log = ours.predict_log_proba(X)
    np.testing.assert_allclose(log, theirs.predict_log_proba(X), 1e-4, 1e-4)
    assert (ours.predict(X) == theirs.predict(X)).all()


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge", "modified_huber"])
def test_several_classes_are_each_told_from_the_rest(classes, loss):
    X, y = classes
    ours = GDClassifier(loss, **EXACT).fit(X, y)
    for k, label in enumerate(ours.classes_):
        alone = GDClassifier(loss, **EXACT).fit(X, y == label)
        np.testing.assert_allclose(ours.coef_[k], alone.coef_[0], rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(ours.intercept_[k], alone.intercept_[0], rtol=1e-5)
    assert ours.decision_function(X).shape == (300, 3)
    if loss != "squared_hinge":
        theirs = linear_model.SGDClassifier(loss, max_iter=1, tol=None).fit(X, y)
        theirs.coef_, theirs.intercept_ = ours.coef_, ours.intercept_
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X))


def test_rows_that_no_class_wants_have_equal_probabilities(classes):
    model = GDClassifier("modified_huber").fit(*classes)
    model.fit_.coef[:], model.fit_.intercept[:] = 0.0, -2.0
    np.testing.assert_array_equal(
        model.predict_proba(classes[0][:2]), np.full((2, 3), 1 / 3)
    )


def test_probabilities_of_rows_far_away(classes):
    X, y = classes
    two = GDClassifier().fit(X, y == "low")
    coef = np.zeros(6)
    two.fit_ = replace(two.fit_, coef=coef, intercept=800.0)
    with np.errstate(all="raise"):
        assert two.predict_proba(X[:1])[0, 1] == 1.0
    two.fit_ = replace(
        two.fit_, coef=coef, intercept=40.0
    )  # 1 - 1 / (1 + exp(-40)) is nothing in doubles
    np.testing.assert_allclose(two.predict_proba(X[:1])[0, 0], np.exp(-40.0), 1e-14)
    several = GDClassifier("multinomial").fit(X, y)
    several.fit_.coef[:], several.fit_.intercept[:] = 0.0, [800.0, 799.0, -800.0]
    shares = np.array([1.0, np.exp(-1.0), 0.0]) / (1.0 + np.exp(-1.0))
    np.testing.assert_allclose(several.predict_proba(X[:1]), [shares], rtol=1e-15)


def test_only_some_losses_have_probabilities():
    assert hasattr(GDClassifier(), "predict_proba")
    assert not hasattr(GDClassifier("hinge"), "predict_proba")


@pytest.mark.parametrize("weights", ["balanced", {"low": 2.0, "high": 0.5}])
def test_class_weights_are_those_of_scikit_learn(classes, weights):
    X, y = classes[0][40:], classes[1][40:]
    options = {"class_weight": weights, "C": 1 / (0.01 * len(X)), "tol": 1e-10}
    theirs = linear_model.LogisticRegression(**options).fit(X, y)
    n_weighted = (
        sum({"middle": 1.0, **weights}[label] for label in y)
        if isinstance(weights, dict)
        else len(X)
    )
    alpha = 0.01 * len(X) / n_weighted  # of a mean, not of a sum
    ours = GDClassifier("multinomial", alpha=alpha, class_weight=weights, **EXACT)
    np.testing.assert_allclose(ours.fit(X, y).coef_, theirs.coef_, rtol=1e-4, atol=1e-6)


def test_a_loss_may_be_an_instance(quantities):
    named = GDRegressor("huber").fit(*quantities)
    same = GDRegressor(Huber(0.1)).fit(*quantities)
    other = GDRegressor(Huber(1.0)).fit(*quantities)
    assert named.coef_.tobytes() == same.coef_.tobytes() != other.coef_.tobytes()
    assert clone(other).loss == Huber(1.0)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (GDRegressor("hinge"), "loss must be one of a quantity, .*, got 'hinge'"),
        (GDRegressor("x"), "loss must be one of"),
        (GDClassifier("huber"), "loss must be one of labels, .*, got 'huber'"),
        (GDRegressor(alpha=-1), "alpha must be"),
        (GDRegressor(max_iter=0), "max_iter must be"),
        (GDRegressor(gtol=-1), "gtol must be"),
        (GDRegressor(optimizer="x"), "optimizer must be"),
    ],
)
def test_wrong_parameters_are_named_when_it_is_fitted(estimator, message, quantities):
    X, y = quantities
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, y > 0 if isinstance(estimator, GDClassifier) else y)


def test_every_parameter_reaches_train(monkeypatch, quantities, classes):
    passed = {}

    def train(X, y, **options):
        passed.update(options)
        return gdfast.train(X, y, **options)

    monkeypatch.setattr(gradient, "train", train)
    options = {
        "loss": Huber(2.0), "penalty": "elasticnet", "alpha": 0.5, "l1_ratio": 0.25,
        "bounds": (-1.0, 1.0), "optimizer": "adam", "learning_rate": 0.5,
        "batch_size": 7, "shuffle": False, "average": True, "max_iter": 3,
        "max_seconds": 9.0, "gtol": None, "xtol": 0.5, "ftol": 0.25,
        "early_stopping": True, "validation_fraction": 0.2, "n_iter_no_change": 2,
        "fit_intercept": False, "standardize": False, "random_state": 3,
        "history": "full", "n_threads": 1, "verbose": False,
    }  # fmt: skip
    assert options.keys() == GDRegressor().get_params().keys() - {"warm_start"}
    seed = np.random.RandomState(3).randint(2**31 - 1)
    for cls, data, loss in (
        (GDRegressor, quantities, Huber(2.0)),
        (GDClassifier, classes, LogLoss()),
    ):
        cls(**{**options, "loss": loss}).fit(*data)
        expected = {**options, "loss": loss, "random_state": seed}
        assert {name: passed[name] for name in options} == expected


def test_a_subclass_may_have_other_parameters(quantities):
    class Sparse(GDRegressor):
        def __init__(self, alpha=3.0, resume="of something else"):
            super().__init__(penalty="l1", alpha=alpha)
            self.resume = resume

    expected = GDRegressor(penalty="l1", alpha=5.0).fit(*quantities)
    model = clone(Sparse()).set_params(alpha=5.0).fit(*quantities)
    assert model.coef_.tobytes() == expected.coef_.tobytes()


def test_a_full_history_keeps_the_parameters(classes, quantities):
    for model, data in ((GDRegressor(), quantities), (GDClassifier(), classes)):
        coef = model.set_params(history="full").fit(*data).fit_.history["coef"]
        assert len(coef) == model.n_iter_ + 1
        np.testing.assert_array_equal(coef[-1], model.fit_.coef)
        for refused in (False, "all", None):
            with pytest.raises(ValueError, match='history must be "loss" or "full"'):
                clone(model).set_params(history=refused).fit(*data)


def test_warnings_are_scikit_learns(quantities):
    with pytest.warns(ConvergenceWarning, match="Stopped at max_iter after 2 iter"):
        GDRegressor(max_iter=2).fit(*quantities)


def test_a_warm_start_goes_on(classes, quantities):
    for model, data in ((GDRegressor(), quantities), (GDClassifier(), classes)):
        model.set_params(optimizer="gd", gtol=None, max_iter=5, warm_start=True)
        model.fit(*data).fit(*data)
        whole = clone(model).set_params(max_iter=10).fit(*data)
        np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-9)
        assert model.n_iter_ == 5
        assert model.loss_curve_[0] == pytest.approx(whole.loss_curve_[5])
    X, y = classes
    two = GDClassifier(warm_start=True).fit(X, y == "low")
    assert two.fit(X, y == "low").n_iter_ <= 1


def test_a_refit_that_fails_leaves_the_model(classes, quantities):
    for model, (X, y) in ((GDRegressor(), quantities), (GDClassifier(), classes)):
        model.fit(X, y)
        before = dict(vars(model))
        bad = X[:, :3].copy()
        for wrong, options in (
            ((np.where(bad > 1, np.nan, bad), y), {}),
            ((bad, y[:-1]), {}),
            ((bad, y), {"callback": lambda row: 1 / 0}),
            ((1e4 * bad, y), {"learning_rate": 10.0}),
        ):
            callback = options.pop("callback", None)
            kept = model.get_params()
            model.set_params(**options)
            with pytest.raises((ValueError, ZeroDivisionError, gdfast.DivergenceError)):
                model.fit(*wrong, callback=callback)
            model.set_params(**{name: kept[name] for name in options})
            assert {name: id(value) for name, value in vars(model).items()} == {
                name: id(value) for name, value in before.items()
            }


def test_batches_and_early_stopping(quantities):
    X, y = quantities
    options = {"batch_size": 10, "optimizer": "adam", "max_iter": 30, "random_state": 0}
    model = GDRegressor(early_stopping=True, learning_rate=0.05, **options).fit(X, y)
    assert model.fit_.method == "batches"
    assert len(model.validation_curve_) == len(model.loss_curve_) == model.n_iter_ + 1
    again = GDRegressor(early_stopping=True, learning_rate=0.05, **options).fit(X, y)
    assert model.coef_.tobytes() == again.coef_.tobytes()
    model.set_params(early_stopping=False).fit(X, y)
    assert not hasattr(model, "validation_curve_")


@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_sparse_rows_are_the_same(quantities, index):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = quantities
    X = np.where(np.abs(X) > 0.5, X, 0)
    matrix = sparse.csr_matrix(X)
    matrix.indices = matrix.indices.astype(index)
    matrix.indptr = matrix.indptr.astype(index)
    model, dense = GDRegressor(**EXACT).fit(matrix, y), GDRegressor(**EXACT).fit(X, y)
    np.testing.assert_allclose(model.coef_, dense.coef_, rtol=1e-6)
    np.testing.assert_allclose(model.predict(matrix), dense.predict(X), rtol=1e-6)


def test_a_callback_sees_every_iteration(quantities):
    seen = []
    model = GDRegressor().fit(*quantities, callback=seen.append)
    assert [row.loss for row in seen] == model.loss_curve_.tolist()


def test_a_bad_class_weight_names_the_class(classes):
    X, y = classes
    with pytest.raises(ValueError, match="class_weight of class 'low' must be .* -1"):
        GDClassifier(class_weight={"low": -1.0}).fit(X, y)


@pytest.mark.parametrize("dtype", [object, str])
@pytest.mark.parametrize("text", ["many", "3"])
def test_targets_of_text_are_named(quantities, dtype, text):
    X, y = quantities
    target = y.astype(dtype)
    target[4] = text
    with pytest.raises(TypeError, match="^y must hold"):
        GDRegressor().fit(X, target)
    target = np.column_stack([y, y]).astype(object)
    target[4, 1] = text
    with pytest.raises(TypeError, match=rf"^y must hold .*'{text}' at \[4, 1\]"):
        GDRegressor().fit(X, target)


def test_a_warm_start_from_another_shape_is_named(quantities, classes):
    X, y = quantities
    both = np.column_stack([y, y])
    model = GDRegressor(warm_start=True).fit(X, y)
    for data, shape in (((X[:, :4], y), r"\(4,\)"), ((X, both), r"\(2, 6\)")):
        with pytest.raises(ValueError, match=f"^warm_start=True .*{shape}"):
            model.fit(*data)
    model.fit(X, both, coef_init=np.ones((2, 6)))
    model.fit(X, both)
    X, y = classes
    model = GDClassifier(warm_start=True).fit(X, y)
    for data in ((X[:, 1:], y), (X, y == "low")):
        with pytest.raises(ValueError, match=r"^warm_start=True .*\(3, 6\)"):
            model.fit(*data)


@pytest.mark.parametrize(
    "model",
    [
        GDRegressor("quantile"),
        GDRegressor("epsilon_insensitive"),
        GDClassifier("hinge"),
        GDClassifier("perceptron", batch_size=9),
        GDRegressor("poisson", batch_size=9),
    ],
    ids=str,
)
def test_losses_without_a_rate_of_their_own_say_what_to_pass(model, quantities):
    X, y = quantities
    y = (y > 0).astype(float)
    with pytest.raises(ValueError, match="^learning_rate must be .* Pass a number"):
        model.fit(X, y)
    for options in (
        {"learning_rate": 0.01},
        {"learning_rate": gdfast.schedules.InvScaling(0.1)},
        {"optimizer": "adam"},
    ):
        twin = clone(model).set_params(max_iter=300, gtol=None, **options).fit(X, y)
        assert twin.loss_curve_[-1] < twin.loss_curve_[:9].max()
