"""Rules that wait for a lower loss: early stopping on rows held out, adaptive rates."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest

import gdfast
from gdfast import descent, drivers, schedules, training

BOUNDED = {"penalty": "l1", "alpha": 0.2, "bounds": (0, 1)}
METHODS = {"moments": -np.inf, "passes": np.inf}


@pytest.fixture
def data(rng):
    # Far more columns than three rows tell of: it overfits soon.
    X = rng.standard_normal((90, 40))
    y = X[:, :3].sum(axis=1) + 1 + 2 * rng.standard_normal(90)
    return X, y


def split(n_samples, seed, fraction=0.1):
    """Return which rows are held out."""
    order = np.random.default_rng(seed).permutation(n_samples)
    held_out = np.zeros(n_samples, dtype=bool)
    held_out[order[: math.ceil(fraction * n_samples)]] = True
    return held_out


def squared_error(X, y, weight, params):
    return np.average((X @ params[:-1] + params[-1] - y) ** 2, weights=weight)


def loop(X, y, weight, held_out, rate, patience, max_iter):
    """Return the losses on both parts, and the best parameters, by NumPy alone."""
    weight = np.ones(len(X)) if weight is None else weight
    params = np.zeros(X.shape[1] + 1)
    A, b, w = X[~held_out], y[~held_out], weight[~held_out]
    theirs, others, waited, way = [], [], 0, []
    for iteration in range(max_iter + 1):
        theirs.append(squared_error(A, b, w, params))
        others.append(squared_error(X[held_out], y[held_out], weight[held_out], params))
        way.append(params)
        if waited == patience or iteration == max_iter:
            break
        slope = 2 * w * (A @ params[:-1] + params[-1] - b) / w.sum()
        params = params - rate * np.append(slope @ A, slope.sum())
        waited = 0 if others[-1] <= min(others) else waited + 1
    return theirs, others, way[int(np.argmin(others))]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("patience", [1, 4])
@pytest.mark.parametrize("fraction", [0.1, 0.4])
def test_it_stops_where_a_loop_does(
    data, rng, method, weighted, patience, fraction, monkeypatch
):
    monkeypatch.setattr(drivers, "WORTH_IT", METHODS[method])
    X, y = data
    weight = rng.uniform(0.5, 2, len(X)) if weighted else None
    fit = gdfast.train(
        X, y, learning_rate=0.02, max_iter=1000, early_stopping=True,
        validation_fraction=fraction, n_iter_no_change=patience, random_state=3,
        sample_weight=weight,
    )  # fmt: skip
    losses, others, best = loop(
        X, y, weight, split(len(X), 3, fraction), 0.02, patience, 1000
    )
    assert fit.method == method
    assert 5 < fit.n_iter < 500
    assert fit.converged
    assert fit.n_iter == len(others) - 1
    np.testing.assert_allclose(fit.history["loss"], losses, rtol=1e-9)
    np.testing.assert_allclose(fit.history["validation_loss"], others, rtol=1e-9)
    np.testing.assert_allclose(fit.coef, best[:-1], rtol=1e-9)
    np.testing.assert_allclose(fit.intercept, best[-1], rtol=1e-9)
    assert fit.loss == pytest.approx(losses[np.argmin(others)], rel=1e-9)
    assert f"after {np.argmin(others)}, whose model" in fit.stop_reason


def test_the_best_model_is_kept_however_a_run_ends(data):
    X, y = data
    options = {"early_stopping": True, "random_state": 3, "learning_rate": 0.02}
    held_out = split(len(X), 3)
    losses, others, best = loop(X, y, None, held_out, 0.02, 500, 500)
    at = int(np.argmin(others))
    fit = gdfast.train(X, y, max_iter=500, n_iter_no_change=1000, **options)
    assert fit.n_iter == 500
    np.testing.assert_allclose(fit.coef, best[:-1], rtol=1e-9)
    assert fit.stop_reason.endswith(
        f"The model is that after {at} iterations, whose loss on the rows held out is "
        f"the lowest, {others[at]:.6g}."
    )
    fit = gdfast.train(
        X, y, max_iter=500, n_iter_no_change=1000, **options,
        callback=lambda row: row.iteration == at + 20,
    )  # fmt: skip
    assert fit.n_iter == at + 19
    np.testing.assert_allclose(fit.coef, best[:-1], rtol=1e-9)


def test_a_run_that_goes_on_falling_ends_with_its_last_model(data):
    X, y = data
    options = {"early_stopping": True, "random_state": 3, "learning_rate": 0.001}
    fit = gdfast.train(X, y, max_iter=30, history="full", **options)
    assert np.array_equal(fit.coef, fit.history["coef"][-1])
    assert fit.loss == fit.history["loss"][-1]


def test_steps_are_those_of_the_rows_that_are_left(data):
    X, y = data
    held_out = split(len(X), 5)
    for options in (
        {"standardize": True},
        {"penalty": "l1", "alpha": 0.3, "bounds": (-1, 0.5)},
        {"optimizer": "adam", "learning_rate": 0.01},
        {"loss": "huber", "learning_rate": "backtracking"},
    ):
        fit = gdfast.train(
            X, y, max_iter=20, early_stopping=True, n_iter_no_change=99,
            random_state=5, history="full", **options,
        )  # fmt: skip
        alone = gdfast.train(
            X[~held_out], y[~held_out], max_iter=20, history="full", **options
        )
        np.testing.assert_allclose(
            fit.history["coef"], alone.history["coef"], rtol=1e-8, atol=1e-12
        )
        loss = options.get("loss", "squared_error")
        others = [
            gdfast.loss(
                X[held_out], y[held_out], row["coef"], row["intercept"], loss=loss
            )
            for row in fit.history
        ]
        np.testing.assert_allclose(fit.history["validation_loss"], others, rtol=1e-9)


@pytest.mark.parametrize("method", [*METHODS, "batches", "backtracking"])
@pytest.mark.parametrize("adaptive", [False, True])
def test_it_does_not_matter_how_steps_are_grouped(data, method, adaptive, monkeypatch):
    X, y = data
    monkeypatch.setattr(drivers, "WORTH_IT", METHODS.get(method, np.inf))
    options = {"learning_rate": schedules.Adaptive(0.05) if adaptive else 0.01}
    if method == "batches":
        options["batch_size"] = 7
    if method == "backtracking":
        options["learning_rate"] = "backtracking"
    fits = []
    for most in (1, 3, 1000):
        monkeypatch.setattr(descent, "MAX_SLICE_STEPS", most)
        fits.append(
            gdfast.train(
                X,
                y,
                early_stopping=True,
                random_state=1,
                max_iter=400,
                history="full",
                **options,
            )  # fmt: skip
        )
    for one, other in itertools.pairwise(fits):
        assert one.history.array.tobytes() == other.history.array.tobytes()
        assert one.coef.tobytes() == other.coef.tobytes()
        assert one.stop_reason == other.stop_reason


def test_sparse_rows_are_held_out_too(data):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = data
    X = X * (np.abs(X) > 0.5)
    options = {"early_stopping": True, "random_state": 1, "learning_rate": 0.01}
    dense = gdfast.train(X, y, **options)
    fit = gdfast.train(sparse.csr_matrix(X), y, **options)
    assert fit.n_iter == dense.n_iter < 1000
    np.testing.assert_allclose(fit.coef, dense.coef, rtol=1e-9)
    np.testing.assert_allclose(
        fit.history["validation_loss"], dense.history["validation_loss"], rtol=1e-9
    )


def test_epochs_draw_their_orders_after_the_rows_held_out(data):
    X, y = data
    options = {"batch_size": 1, "learning_rate": 0.001, "max_iter": 3}
    fit = gdfast.train(
        X, y, early_stopping=True, n_iter_no_change=9, random_state=4, **options
    )
    generator = np.random.default_rng(4)
    held_out = split(len(X), generator)  # which draws one permutation
    params = np.zeros(X.shape[1] + 1)
    for _ in range(3):
        for i in generator.permutation(len(X)):
            if not held_out[i]:
                slope = 2 * (X[i] @ params[:-1] + params[-1] - y[i])
                params -= 0.001 * slope * np.append(X[i], 1)
    np.testing.assert_allclose(fit.coef, params[:-1], rtol=1e-9)


def test_nothing_that_was_passed_is_changed(data):
    X, y = data
    weight = np.ones(len(X))
    before = X.copy(), y.copy(), weight.copy()
    gdfast.train(X, y, sample_weight=weight, early_stopping=True, max_iter=5)
    for array, copy in zip((X, y, weight), before, strict=True):
        assert np.array_equal(array, copy)


def test_a_callback_sees_the_loss_of_rows_held_out(data):
    seen = []
    fit = gdfast.train(*data, early_stopping=True, random_state=2, callback=seen.append)
    losses = [row.validation_loss for row in seen]
    assert losses == fit.history["validation_loss"].tolist()
    gdfast.train(*data, max_iter=1, callback=seen.append)
    assert seen[-1].validation_loss is None


@pytest.mark.parametrize("first", [1, 7, 15, 20])
@pytest.mark.parametrize(
    "options",
    [
        {"early_stopping": True, "learning_rate": 0.02},
        {"learning_rate": schedules.Adaptive(0.4)},
        {
            "early_stopping": True,
            "learning_rate": schedules.Adaptive(0.1),
            "optimizer": "momentum",
        },
        {"early_stopping": True, "learning_rate": 0.01, "optimizer": "accelerated"},
        {
            "early_stopping": True,
            "learning_rate": 0.003,
            "batch_size": 9,
            "average": 20,
            "n_iter_no_change": 20,
        },
    ],
    ids=["early", "adaptive", "both", "accelerated", "average"],
)
def test_it_goes_on_as_if_it_had_not_stopped(data, first, options, tmp_path):
    options = {"random_state": 1, "n_iter_no_change": 8, **options}
    whole = gdfast.train(*data, max_iter=60, **options)
    assert whole.n_iter > 20
    begun = gdfast.train(*data, max_iter=first, **options)
    begun.save(tmp_path / "fit")
    begun = gdfast.load(tmp_path / "fit")
    ended = gdfast.train(*data, max_iter=60 - first, resume=begun, **options)
    assert ended.n_iter == whole.n_iter
    assert ended.coef.tobytes() == whole.coef.tobytes()
    assert ended.loss == whole.loss
    assert ended.learning_rate == whole.learning_rate
    assert ended.history.array.tobytes() == whole.history.array[first:].tobytes()


def test_an_adaptive_rate_is_that_of_a_loop(data):
    X, y = data
    fit = gdfast.train(
        X, y, learning_rate=schedules.Adaptive(0.5, lowest=0.01), max_iter=500,
        n_iter_no_change=3, history="full",
    )  # fmt: skip
    params, rate = np.zeros(X.shape[1] + 1), 0.5
    lowest, waited, losses = np.inf, 0, []
    while True:
        losses.append(squared_error(X, y, None, params))
        slope = 2 * (X @ params[:-1] + params[-1] - y) / len(X)
        params = params - rate * np.append(slope @ X, slope.sum())
        waited = 0 if losses[-1] < lowest else waited + 1
        lowest = min(lowest, losses[-1])
        if waited == 3:
            waited = 0
            if rate <= 0.01:
                break
            rate /= 5
        if len(losses) == 500:
            break
    assert rate < 0.5
    assert fit.n_iter == len(losses)
    assert fit.learning_rate == rate
    np.testing.assert_allclose(fit.history["loss"][:-1], losses, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_adaptive_rate_is_scikit_learns(data):
    # Its epochs over rows in order, with tol=0, on half of our squared error.
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y = data
    theirs = linear_model.SGDRegressor(
        penalty=None, learning_rate="adaptive", eta0=0.02, shuffle=False, tol=0,
        max_iter=300, n_iter_no_change=4,
    ).fit(X, y)  # fmt: skip
    fit = gdfast.train(
        X, y, loss="half_squared_error", batch_size=1, shuffle=False, max_iter=300,
        learning_rate=schedules.Adaptive(0.02), n_iter_no_change=4,
    )  # fmt: skip
    assert fit.learning_rate == 0.02 / 5
    np.testing.assert_allclose(fit.coef, theirs.coef_, rtol=1e-9)
    np.testing.assert_allclose(fit.intercept, theirs.intercept_[0], rtol=1e-9)


def test_a_run_ends_at_the_lowest_rate(data):
    fit = gdfast.train(
        *data, batch_size=8, random_state=0, max_iter=10_000,
        learning_rate=schedules.Adaptive(0.005, lowest=1e-4),
    )  # fmt: skip
    assert fit.n_iter < 10_000
    assert fit.converged
    assert fit.learning_rate <= 1e-4 < 5 * fit.learning_rate
    assert fit.stop_reason == (
        f"Converged after {fit.n_iter} iterations: the loss no longer falls, and the "
        f"learning rate, {fit.learning_rate:.4g}, is the lowest."
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"early_stopping": 1}, TypeError, "early_stopping must be True or False"),
        ({"validation_fraction": 0}, ValueError, "validation_fraction must be"),
        (
            {"validation_fraction": 1},
            ValueError,
            "validation_fraction must be between 0 and 1",
        ),
        ({"validation_fraction": "a"}, TypeError, "validation_fraction must be"),
        ({"n_iter_no_change": 0}, ValueError, "n_iter_no_change must be"),
        ({"n_iter_no_change": 1.5}, TypeError, "n_iter_no_change must be"),
        ({"random_state": -1}, ValueError, "random_state must be"),
        (
            {"early_stopping": True, "validation_fraction": 0.999},
            ValueError,
            "validation_fraction=0.999 leaves no row with weight to train on",
        ),
        (
            {"early_stopping": True, "sample_weight": np.eye(1, 90)[0]},
            ValueError,
            "validation_fraction=0.1 leaves no row with weight to",
        ),
    ],
)
def test_wrong_values_are_named(data, options, error, message):
    with pytest.raises(error, match=message):
        gdfast.train(*data, **options)


def test_a_run_keeps_no_model_but_the_best(rng):
    X, y = rng.standard_normal((60, 1000)) / 1e3, np.ones(60)
    options = {"early_stopping": True, "random_state": 1, "learning_rate": 1e-3}
    peaks = []
    for n_iter in (30, 330):  # of which every one lowers the loss
        tracemalloc.start()
        fit = gdfast.train(X, y, max_iter=n_iter, **options)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert np.diff(fit.history["validation_loss"]).max() < 0
    assert peaks[1] - peaks[0] < 20 * 8 * 1000


def test_only_the_same_loss_goes_on(data):
    X, y = data
    fit = gdfast.train(X, y, max_iter=3, loss="huber")
    with pytest.raises(ValueError, match="resume has the loss 'huber'"):
        gdfast.train(X, y, resume=fit)
    with pytest.raises(ValueError, match="resume must have ended within bounds"):
        gdfast.train(X, y, resume=fit, loss="huber", bounds=(0, 1e-9))


def test_only_the_same_kind_of_run_goes_on(data):
    plain = gdfast.train(*data, max_iter=3)
    early = gdfast.train(*data, max_iter=3, early_stopping=True, random_state=0)
    for fit, options in (
        (plain, {"early_stopping": True, "random_state": 0}),
        (early, {}),
    ):
        with pytest.raises(ValueError, match="resume must be given with early_stop"):
            gdfast.train(*data, resume=fit, **options)


@pytest.mark.parametrize("arguments", [(0,), (-1,), (0.1, 0)])
def test_adaptive_checks_its_parameters(arguments):
    with pytest.raises(ValueError, match="must be"):
        schedules.Adaptive(*arguments)


def test_adaptive_does_not_warm_up():
    with pytest.raises(ValueError, match="schedule must not be adaptive"):
        schedules.WarmUp(schedules.Adaptive(0.1), 5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "nesterov", "learning_rate": 0.02},
        {"optimizer": "accelerated"},
        {"loss": "huber", "learning_rate": "backtracking"},
        {"batch_size": 1, "learning_rate": 0.005},
        {"batch_size": 7, "learning_rate": 0.01, "average": True},
        {"standardize": True, "optimizer": "accelerated"},
    ],
    ids=str,
)
@pytest.mark.parametrize("more", [{}, BOUNDED])
def test_the_model_that_is_kept_is_a_model(data, options, more):
    # Not the point where a gradient was taken, nor what an epoch saw on its way.
    X, y = data
    fit = gdfast.train(
        X, y, early_stopping=True, random_state=3, max_iter=60, n_iter_no_change=10,
        **options, **more,
    )  # fmt: skip
    held_out = split(len(X), 3)
    loss = options.get("loss", "squared_error")
    mean = gdfast.loss(X[~held_out], y[~held_out], fit.coef, fit.intercept, loss=loss)
    if not options.get("standardize"):  # whose penalty is that of other columns
        mean += 0.2 * abs(fit.coef).sum() if more else 0
        assert fit.loss == pytest.approx(mean, rel=1e-9)
    other = gdfast.loss(X[held_out], y[held_out], fit.coef, fit.intercept, loss=loss)
    lowest = fit.history["validation_loss"].min()
    assert other == pytest.approx(lowest, rel=1e-9)
    if more:
        assert fit.coef.min() >= 0
        assert fit.coef.max() <= 1
        assert (fit.coef == 0).any() != ("average" in options)


def test_an_average_is_what_is_looked_at(data):
    options = {"batch_size": 1, "learning_rate": 0.005, "max_iter": 40}
    options |= {"early_stopping": True, "random_state": 3, "n_iter_no_change": 99}
    last = gdfast.train(*data, **options)
    mean = gdfast.train(*data, average=True, **options)
    assert np.array_equal(mean.history["loss"][:-1], last.history["loss"][:-1])
    seen = [fit.history["validation_loss"][1:] for fit in (mean, last)]
    assert (seen[0] != seen[1]).all()


@pytest.mark.parametrize("calls", [1, 2, 5])
def test_ctrl_c_keeps_the_best_model(data, calls, monkeypatch):
    class Progress:
        def __enter__(self):
            return self.told

        def __exit__(self, *_):
            return False

        def told(self, n_iter, loss):
            if n_iter == calls:
                raise KeyboardInterrupt

    monkeypatch.setattr(training, "progress_bar", lambda _: Progress())
    options = {"early_stopping": True, "random_state": 3, "n_iter_no_change": 99}
    fit = gdfast.train(*data, verbose=True, on_interrupt="return", **options)
    assert fit.n_iter == calls - 1
    assert len(fit.history["validation_loss"]) == calls
    same = gdfast.train(*data, max_iter=max(1, calls - 1), **options)
    if calls > 1:
        assert np.array_equal(same.coef, fit.coef)


def test_a_run_on_batches_says_when_it_no_longer_falls(data):
    options = {"batch_size": 10, "shuffle": False, "learning_rate": 0.01}
    fits = [gdfast.train(*data, max_iter=n, **options) for n in (3000, 4000)]
    assert fits[0].loss == pytest.approx(fits[1].loss, rel=1e-9)
    for fit in fits:
        assert "the loss no longer falls" in fit.stop_reason
        assert "average=True" in fit.stop_reason
