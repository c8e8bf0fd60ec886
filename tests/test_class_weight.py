"""Weights of classes: factors of the weights of rows, as scikit-learn has them."""

import numpy as np
import pytest

import gdfast

LABELS = np.array([0, 1, 1, 0, 1, 1, 1.0])
X = np.array([[1.0], [2.0], [0.5], [3.0], [2.5], [1.0], [4.0]])
WEIGHT = np.array([1.0, 2.0, 0.0, 0.5, 1.0, 3.0, 1.0])


def train(y=LABELS, **options):
    return gdfast.train(X, y, **{"loss": "log_loss", "max_iter": 30, **options})


def assert_same(found, expected):
    np.testing.assert_allclose(found.history["loss"], expected.history["loss"], 1e-13)
    np.testing.assert_allclose(found.coef, expected.coef, 1e-12)


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize(
    ("class_weight", "factors"),
    [
        ({0: 3.0, 1: 0.5}, (3.0, 0.5)),
        ({1: 4}, (1.0, 4.0)),
        ({0.0: 2, True: 0}, (2.0, 0.0)),
        ({}, (1.0, 1.0)),
    ],
)
def test_a_class_weight_is_a_factor(weight, class_weight, factors):
    rows = np.where(LABELS == 1, factors[1], factors[0])
    given = rows if weight is None else rows * weight
    found = train(class_weight=class_weight, sample_weight=weight)
    assert_same(found, train(sample_weight=given))


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("y", [LABELS, np.ones(7)])
def test_balanced_is_that_of_scikit_learn(weight, y):
    utils = pytest.importorskip("sklearn.utils.class_weight")
    classes, index = np.unique(y, return_inverse=True)
    factors = utils.compute_class_weight(
        "balanced", classes=classes, y=y, sample_weight=weight
    )
    given = factors[index] * (1.0 if weight is None else weight)
    found = gdfast._validation.check_class_weight("balanced", y, 2, weight)
    np.testing.assert_allclose(found, given, 1e-15)
    options = {"sample_weight": weight, "class_weight": "balanced"}
    assert_same(train(y, **options), train(y, sample_weight=given))


def test_balanced_without_weight_for_a_class_leaves_the_other():
    weight = np.where(LABELS == 1, 1.0, 0.0)
    found = train(class_weight="balanced", sample_weight=weight)
    assert_same(found, train(sample_weight=weight))


def test_labels_of_other_types():
    expected = train(class_weight="balanced")
    for y in (LABELS > 0, LABELS.astype(int), LABELS.astype(np.float32)):
        assert_same(train(y, class_weight="balanced"), expected)


@pytest.mark.parametrize(
    ("class_weight", "error"),
    [
        ("Balanced", ValueError),
        (2.0, ValueError),
        ([1.0, 2.0], ValueError),
        (True, ValueError),
        ({2: 1.0}, ValueError),
        ({"0": 1.0}, ValueError),
        ({0: -1.0}, ValueError),
        ({0: np.nan}, ValueError),
        ({0: np.inf}, ValueError),
        ({0: "2"}, TypeError),
        ({0: None}, TypeError),
        ({0: True}, TypeError),
        ({0: 0, 1: 0}, ValueError),
    ],
)
def test_bad_class_weights(class_weight, error):
    with pytest.raises(error, match=r"\bclass_weight\b"):
        train(class_weight=class_weight)


def test_a_bad_class_weight_names_the_class():
    with pytest.raises(ValueError, match=r"class_weight of class 1 must be .*, got -2"):
        train(class_weight={0: 1.0, 1: -2})


def test_only_ratios_of_class_weights_count():
    assert_same(train(class_weight={0: 1e308, 1: 1e308}), train())
    with pytest.raises(ValueError, match="class_weight must leave .* a finite one"):
        train(class_weight={0: 1e308}, sample_weight=1e80 * WEIGHT)


def test_class_weights_need_labels():
    with pytest.raises(ValueError, match=r"class_weight needs labels: values of y"):
        train(LABELS / 2, class_weight="balanced")
    for loss in ("squared_error", "huber", "poisson"):
        with pytest.raises(ValueError, match=rf"class_weight has no use .*'{loss}'"):
            train(loss=loss, class_weight="balanced")


def test_targets_that_are_missing_are_said_first():
    y = LABELS.copy()
    y[3] = np.nan
    with pytest.raises(ValueError, match=r"^y has a missing value \(NaN\) at \[3\]"):
        train(y, class_weight="balanced")
