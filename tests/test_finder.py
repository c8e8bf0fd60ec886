"""Learning rates from the curvatures: eigenvalues by NumPy, and actual runs."""

import math

import numpy as np
import pytest
from scipy import sparse

import gdfast
from gdfast import finder
from gdfast.optimizers import Momentum, Nesterov


def uneven(rng, n_samples=200, n_features=12, spread=1.5):
    X = rng.standard_normal((n_samples, n_features))
    X *= np.logspace(0, -spread, n_features)
    return X, X @ rng.standard_normal(n_features) + rng.standard_normal(n_samples)


def hessian(X, fit_intercept=True, weight=None):
    """Return the second derivatives of the mean squared error."""
    Z = np.column_stack([X, np.ones(len(X))]) if fit_intercept else X
    weight = np.ones(len(X)) if weight is None else weight
    return 2 * (Z.T * weight) @ Z / weight.sum()


def test_the_numbers_of_the_tutorials(mpg, pizza):
    found = gdfast.learning_rates(*mpg)
    assert found.largest_curvature == pytest.approx(28.645, abs=5e-4)
    assert found.smallest_curvature == pytest.approx(0.05597, abs=5e-6)
    assert found.max_stable == pytest.approx(0.0698201, abs=5e-8)
    assert gdfast.learning_rates(*pizza).max_stable == pytest.approx(
        0.00455510, abs=5e-9
    )
    alone = gdfast.learning_rates(*pizza, fit_intercept=False)
    assert alone.max_stable == pytest.approx(0.00457038, abs=5e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_curvatures_are_the_eigenvalues(rng, fit_intercept, weighted):
    X, y = uneven(rng)
    weight = rng.random(200) if weighted else None
    found = gdfast.learning_rates(
        X, y, fit_intercept=fit_intercept, sample_weight=weight
    )
    values = np.linalg.eigvalsh(hessian(X, fit_intercept, weight))
    low, high = values[0], values[-1]
    assert found.largest_curvature == pytest.approx(high, rel=1e-8)
    assert found.smallest_curvature == pytest.approx(low, rel=1e-10)
    assert found.condition == pytest.approx(high / low, rel=1e-8)
    assert found.max_stable == pytest.approx(2 / high, rel=1e-8)
    assert found.best == pytest.approx(2 / (high + low), rel=1e-8)
    plain, best, *_ = found.rates
    assert plain.learning_rate == pytest.approx(1 / high, rel=1e-8)
    assert best.learning_rate == found.best


def runs(X, y, found, **options):
    """Yield every rate and the iterations of a run with it."""
    for rate in found.rates:
        fit = gdfast.train(
            *(X, y),
            optimizer=rate.optimizer,
            learning_rate=rate.learning_rate,
            gtol=found.gtol,
            max_iter=10**6,
            **options,
        )
        assert fit.converged
        assert fit.max_stable_learning_rate in (None, rate.stable_below)
        yield rate, fit.n_iter


CASES = {
    "plain": {},
    "no intercept": {"fit_intercept": False},
    "standardize": {"standardize": True},
    "l2": {"penalty": "l2", "alpha": 0.02},
    "half": {"loss": "half_squared_error"},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
@pytest.mark.parametrize("spread", [0.3, 1.7])
def test_the_counts_are_those_of_runs(rng, options, spread):
    X, y = uneven(rng, spread=spread)
    found = gdfast.learning_rates(X, y, **options)
    for rate, n_iter in runs(X, y, found, **options):
        name = rate.optimizer.name
        if name == "gd":
            assert abs(rate.n_iter - n_iter) <= 1 + 1e-3 * n_iter
        elif name == "accelerated":
            assert n_iter / 2 - 5 <= rate.n_iter <= 2 * n_iter + 5
        else:
            assert 0.85 * n_iter - 2 <= rate.n_iter <= 1.15 * n_iter + 2


@pytest.mark.parametrize("data", ["mpg", "pizza"])
def test_the_counts_for_the_tutorials(data, request):
    X, y = request.getfixturevalue(data)
    found = gdfast.learning_rates(X, y)
    for rate, n_iter in runs(X, y, found):
        slack = 1.001 if rate.optimizer.name == "gd" else 1.05
        if rate.optimizer.name == "accelerated":
            slack = 2
        assert n_iter / slack - 2 <= rate.n_iter <= n_iter * slack + 2


def test_more_columns_than_rows(rng):
    X, y = rng.standard_normal((30, 60)), rng.standard_normal(30)
    found = gdfast.learning_rates(X, y)
    values = np.linalg.eigvalsh(hessian(X))
    assert found.smallest_curvature == pytest.approx(values[-30], rel=1e-9)
    for rate, n_iter in runs(X, y, found):
        assert n_iter / 2 - 5 <= rate.n_iter <= 2 * n_iter + 5


def test_several_outputs_and_sparse_rows(rng):
    X, y = uneven(rng)
    X[rng.random(X.shape) < 0.5] = 0
    Y = np.column_stack([y, 3 - y])
    found = gdfast.learning_rates(sparse.csr_array(X), Y)
    dense = gdfast.learning_rates(X, Y)
    assert found.condition == pytest.approx(dense.condition, rel=1e-8)
    for rate, n_iter in runs(X, Y, dense):
        assert n_iter / 2 - 5 <= rate.n_iter <= 2 * n_iter + 5
    for one, other in zip(found.rates, dense.rates, strict=True):
        assert abs(one.n_iter - other.n_iter) <= 1


def test_the_best_constants_are_the_best(rng):
    # Spectral radius of the steps, of a grid of constants around them.
    X, y = uneven(rng)
    low, high = np.linalg.eigvalsh(hessian(X))[[0, -1]]
    found = gdfast.learning_rates(X, y)
    curvatures = np.linspace(low, high, 200)

    def radius(rate, momentum, ahead):
        kept = 1 - rate * curvatures
        inertia = momentum * kept if ahead else momentum + 0 * kept
        steps = np.array([[kept, -inertia], [1 - kept, inertia]]).transpose(2, 0, 1)
        return np.abs(np.linalg.eigvals(steps)).max()

    for kind in (Momentum, Nesterov):
        [rate] = [rate for rate in found.rates if isinstance(rate.optimizer, kind)]
        chosen = rate.learning_rate, rate.optimizer.momentum, kind is Nesterov
        there = math.log(radius(*chosen))
        tried = min(
            math.log(radius(chosen[0] * by, beta, chosen[2]))
            for by in np.linspace(0.7, 1.4, 15)
            for beta in np.linspace(0.7, 0.999, 60)
        )
        slower = math.sqrt(finder.MARGIN) if kind is Momentum else 1
        assert tried * 1.001 >= there * 1.05 * slower  # both below 0
        assert there * slower <= tried * 0.9


def test_losses_that_are_not_squares_have_rates_alone(rng):
    X, y = uneven(rng)
    found = gdfast.learning_rates(X, y > 0, loss="log_loss")
    values = np.linalg.eigvalsh(hessian(X))
    assert found.max_stable == pytest.approx(2 / (values[-1] / 8), rel=1e-8)
    assert (found.best, found.condition, found.smallest_curvature) == (None,) * 3
    assert [rate.n_iter for rate in found.rates] == [None, None]
    assert "?" in repr(found)
    lasso = gdfast.learning_rates(X, y, penalty="l1")
    assert [rate.n_iter for rate in lasso.rates] == [None, None]


def test_data_that_do_not_curve():
    zeros = np.zeros((3, 2))
    found = gdfast.learning_rates(zeros, np.ones(3), fit_intercept=False)
    assert found.max_stable == math.inf
    assert found.rates[0].learning_rate == 1
    at_once = gdfast.learning_rates(zeros, np.zeros(3))
    assert [rate.n_iter for rate in at_once.rates] == [0, 0, 0, 1, 1]


def test_the_printed_table(mpg):
    assert (
        repr(gdfast.learning_rates(*mpg))
        == """\
optimizer                    learning rate  stable below  iterations
gd                               0.0349101     0.0698201       7,370
gd                                0.069684     0.0698201       4,762
momentum, momentum=0.857964      0.0971501      0.129723         245
nesterov, momentum=0.902908      0.0465165     0.0473521         363
accelerated                      0.0349101     0.0465468         320
Curvatures from 0.0559655 to 28.645, condition 511.8; iterations to gtol=1e-06."""
    )


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ValueError, "has no largest curvature", {"loss": "poisson"}),
        (ValueError, "has no largest curvature", {"loss": "quantile"}),
        (ValueError, "gtol must be", {"gtol": 0}),
        (ValueError, "penalty must be", {"penalty": "l3"}),
        (ValueError, "alpha must be", {"alpha": -1}),
        (TypeError, "fit_intercept must be", {"fit_intercept": 1}),
        (TypeError, "standardize must be", {"standardize": None}),
        (ValueError, "n_threads must be", {"n_threads": 0}),
        (ValueError, "X has values too large to be squared", {"X": [[1e200]] * 3}),
        (ValueError, "X", {"X": [[math.nan], [1], [2]]}),
        (ValueError, "sample_weight", {"sample_weight": [1, 2]}),
        (ValueError, "y", {"y": [1, 2]}),
    ],
    ids=str,
)
def test_wrong_arguments(error, message, options):
    with pytest.raises(error, match=message):
        gdfast.learning_rates(**{"X": [[1.0], [2], [4]], "y": [1, 2, 0], **options})


def test_a_y_that_is_nan_is_an_error():
    with pytest.raises(ValueError, match="y has a missing value"):
        gdfast.learning_rates([[1.0], [2.0]], [1.0, math.nan])
    with pytest.raises(ValueError, match="y has values too large"):
        gdfast.learning_rates([[10.0], [20.0]], [1e308, 1.0])
