"""Batches of rows against loops in NumPy, and what ends and interrupts them."""

import subprocess
import sys
import threading

import numpy as np
import pytest

import gdfast
from gdfast import batches, descent
from gdfast.csr import CSR
from gdfast.losses import LOSSES, Domain
from gdfast.optimizers import OPTIMIZERS
from gdfast.schedules import InvScaling
from gdfast.sums import Examples, Summation
from gdfast.threads import Team
from gdfast.units import Units
from tests.test_optimizers import LOOPS

RATES = {"adagrad": 0.1, "adadelta": 5.0, "rmsprop": 0.005, "adam": 0.02}
SLOPES = {
    "squared_error": lambda z, y: 2 * (z - y),
    "log_loss": lambda z, y: 1 / (1 + np.exp(-z)) - y,
    "quantile": lambda z, y: np.where(z > y, 0.5, -0.5),
}
MEANS = {
    "squared_error": lambda z, y: (z - y) ** 2,
    "log_loss": lambda z, y: np.log1p(np.exp(z)) - y * z,
    "quantile": lambda z, y: np.abs(z - y) / 2,
}


@pytest.fixture
def data(rng):
    X = rng.standard_normal((60, 3)) * (1.0, 0.3, 2.0)
    y = (X @ (1.0, -2.0, 0.5) + rng.standard_normal(60) > 0).astype(float)
    return X, y, rng.uniform(0.5, 2, 60)


def cut(order, size):
    return [order[start : start + size] for start in range(0, len(order), size)]


def orders(n_samples, n_epochs, seed):
    """Return the orders of some epochs, drawn as the documentation says."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(n_samples) for _ in range(n_epochs)]


class Gradients:
    """The gradient of one batch after the other: of the next when asked elsewhere."""

    def __init__(self, X, y, weight, loss, l2, parts):
        self.X, self.y, self.weight = X, y, weight
        self.loss, self.l2, self.parts = loss, l2, iter(parts)
        self.objectives, self.point = [], None

    def __call__(self, w):
        if w is not self.point:
            self.point, self.rows = w, next(self.parts)
            self.objectives.append(self.objective(w, self.rows))
        X, y, weight = (a[self.rows] for a in (self.X, self.y, self.weight))
        slope = weight * SLOPES[self.loss](X @ w, y)
        return X.T @ slope / weight.sum() + self.l2 * w

    def objective(self, w, rows):
        X, y, weight = (a[rows] for a in (self.X, self.y, self.weight))
        return weight @ MEANS[self.loss](X @ w, y) / weight.sum() + self.l2 * w @ w / 2


@pytest.fixture(params=["batches", "parts"])
def way(request, monkeypatch):
    """Both ways to make a step, forced: by the kernel, and part by part."""
    if request.param == "parts":
        monkeypatch.setattr(batches, "CHUNK_VALUES", 40)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("size", [1, 7, 60])
@pytest.mark.parametrize("loss", SLOPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_is_the_loop_of_its_paper(name, loss, size, shuffle, data):
    X, y, weight = data
    rate, n_epochs = RATES.get(name, 0.01), 3
    drawn = orders(60, n_epochs, 5) if shuffle else [np.arange(60)] * n_epochs
    parts = [rows for order in drawn for rows in cut(order, size)]
    gradients = Gradients(X, y, weight, loss, 0.1, parts)
    points = LOOPS[name](gradients, np.zeros(3), rate, len(parts))
    fit = gdfast.train(
        X, y, sample_weight=weight, loss=loss, penalty="l2", alpha=0.1,
        fit_intercept=False, optimizer=name, learning_rate=rate, max_iter=n_epochs,
        batch_size=size, shuffle=shuffle, random_state=5, history="full",
    )  # fmt: skip
    n_batches = len(parts) // n_epochs
    expected = np.array([*points[:-1:n_batches], points[-1]])
    np.testing.assert_allclose(fit.history["coef"], expected, rtol=1e-9, atol=1e-11)
    weights = [weight[rows].sum() for rows in parts[:n_batches]]
    if shuffle:
        weights = [weight[rows].sum() for rows in parts]
    seen = np.array(gradients.objectives).reshape(n_epochs, -1)
    weights = np.resize(weights, seen.shape)
    of_epochs = (weights * seen).sum(axis=1) / weights.sum(axis=1)
    last = gradients.objective(points[-1], np.arange(60))
    np.testing.assert_allclose(fit.history["loss"], [*of_epochs, last], rtol=1e-9)
    assert (fit.method, fit.n_iter) == ("batches", n_epochs)


def plain_loop(X, y, weight, drawn, size, rates, l1=0.0, low=-np.inf):
    """Return the parameters after every update, the last one being the intercept."""
    A = np.column_stack([X, np.ones(len(X))])
    w, path = np.zeros(A.shape[1]), []
    for order in drawn:
        for rows in cut(order, size):
            if weight[rows].any():
                g = A[rows].T @ (weight[rows] * 2 * (A[rows] @ w - y[rows]))
                rate = rates(len(path) + 1)
                w = w - rate * g / weight[rows].sum()
                w[:-1] = np.sign(w[:-1]) * np.maximum(np.abs(w[:-1]) - rate * l1, 0)
                w[:-1] = np.maximum(w[:-1], low)
                path.append(w)
    return np.array(path)


def parameters(fit):
    return [*fit.coef, fit.intercept]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("shape", [(60, 1), (61, 5), (60, 16), (50, 33), (20, 300)])
@pytest.mark.parametrize("size", [1, 8, 13])
def test_rows_of_every_shape(dtype, standardize, shape, size, rng):
    X = (rng.standard_normal(shape) + 0.5).astype(dtype)
    y = rng.standard_normal(shape[0]).astype(dtype)
    weight = rng.uniform(0.5, 2, shape[0])
    rates = InvScaling(0.5 / shape[1], 0.5)
    columns, center, scale = X.astype(float), 0.0, 1.0
    if standardize:
        center = np.average(columns, axis=0, weights=weight)
        variance = np.average((columns - center) ** 2, axis=0, weights=weight)
        scale = np.sqrt(variance)
        columns = (columns - center) / scale
    path = plain_loop(columns, y, weight, orders(shape[0], 2, 0), size, rates)
    for layout in (X, np.repeat(X, 2, axis=0)[::2], X[::-1].copy()[::-1]):
        fit = gdfast.train(
            layout, y, sample_weight=weight, learning_rate=rates, batch_size=size,
            random_state=0, max_iter=2, standardize=standardize, callback=lambda _: 0,
        )  # fmt: skip
        coef = path[-1][:-1] / scale
        np.testing.assert_allclose(fit.coef, coef, rtol=1e-8, atol=1e-10)
        intercept = path[-1][-1] - (center * coef).sum()
        assert fit.intercept == pytest.approx(intercept, rel=1e-8, abs=1e-10)
        assert fit.learning_rate == rates(len(path))


@pytest.mark.parametrize(
    "options", [{"penalty": "l1", "alpha": 0.2}, {"bounds": (0, 9)}]
)
def test_proximal_steps_are_made_on_batches_too(options, data):
    X, y, weight = data
    limits = (0.2, -np.inf) if "penalty" in options else (0.0, 0.0)
    path = plain_loop(X, y, weight, orders(60, 4, 1), 9, lambda t: 0.02, *limits)
    fit = gdfast.train(
        X, y, sample_weight=weight, learning_rate=0.02, batch_size=9, max_iter=4,
        random_state=1, **options,
    )  # fmt: skip
    np.testing.assert_allclose(parameters(fit), path[-1], rtol=1e-9, atol=1e-12)
    assert 0 in fit.coef


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_batch_of_all_rows_is_the_full_batch(name, data):
    X, y, weight = data
    options = {"optimizer": name, "learning_rate": 0.01, "max_iter": 30}
    full = gdfast.train(X, y, sample_weight=weight, **options)
    batch = gdfast.train(X, y, sample_weight=weight, batch_size=60, **options)
    np.testing.assert_allclose(batch.history["loss"], full.history["loss"], rtol=1e-9)
    np.testing.assert_allclose(parameters(batch), parameters(full), rtol=1e-9)


def test_a_weight_of_two_in_a_batch_is_the_row_twice_in_it(data):
    X, y, _ = data
    options = {"shuffle": False, "learning_rate": 0.01, "max_iter": 3}
    twice = np.arange(60).repeat(
        np.tile([1, 2, 2], 20)
    )  # a batch of 3 becomes one of 5
    by_rows = gdfast.train(X[twice], y[twice], batch_size=5, **options)
    weight = np.tile([1.0, 2.0, 2.0], 20)
    by_weight = gdfast.train(X, y, sample_weight=weight, batch_size=3, **options)
    np.testing.assert_allclose(parameters(by_rows), parameters(by_weight), rtol=1e-12)


@pytest.mark.usefixtures("way")
def test_a_batch_without_weight_makes_no_update_and_takes_no_rate(data):
    X, y, weight = data
    weight[[0, 1, 2, 10, 11, 12, 13, 14]] = 0  # the third batch of five has none at all
    rates = InvScaling(0.05, 0.5)
    path = plain_loop(X, y, weight, [np.arange(60)] * 2, 5, rates)
    assert len(path) == 22
    for average in (False, True):
        fit = gdfast.train(
            X, y, sample_weight=weight, batch_size=5, shuffle=False, max_iter=2,
            learning_rate=rates, average=average,
        )  # fmt: skip
        expected = path.mean(axis=0) if average else path[-1]
        np.testing.assert_allclose(parameters(fit), expected, rtol=1e-9)
        assert fit.learning_rate == rates(22)


# ------------------------------------------------------------------------ the average


@pytest.mark.parametrize("average", [True, np.True_, 1, 2, 9, 10, 27, 28])
@pytest.mark.parametrize("values", [1, 300, 1 << 20])
def test_the_average_is_that_of_all_updates_from_one_on(
    average, values, data, monkeypatch
):
    X, y, weight = data
    monkeypatch.setattr(batches, "CHUNK_VALUES", values)
    path = plain_loop(X, y, weight, orders(60, 3, 2), 7, lambda t: 0.02)
    assert len(path) == 27
    fit = gdfast.train(
        X, y, sample_weight=weight, learning_rate=0.02, batch_size=7, max_iter=3,
        random_state=2, average=average, history="full",
    )  # fmt: skip
    counted = path[int(average) - 1 :]
    expected = counted.mean(axis=0) if len(counted) else path[-1]
    np.testing.assert_allclose(parameters(fit), expected, rtol=1e-9)
    assert fit.history["coef"][-1].tobytes() == fit.coef.tobytes()
    np.testing.assert_allclose(fit.history["coef"][2], path[17][:-1], rtol=1e-9)
    loss = np.average((X @ fit.coef + fit.intercept - y) ** 2, weights=weight)
    assert fit.loss == pytest.approx(loss, rel=1e-12)


# -------------------------------------------------------------------- the same again


def all_of(fit):
    return fit.n_iter, fit.coef.tobytes(), fit.history.array.tobytes()


@pytest.mark.parametrize("name", ["gd", "nesterov", "adam"])
@pytest.mark.parametrize("average", [False, 20])
def test_how_updates_are_grouped_does_not_matter(name, average, data, monkeypatch):
    X, y, _ = data
    options = {"optimizer": name, "learning_rate": 0.01, "max_iter": 20}
    options |= {"batch_size": 4, "random_state": 3, "history": "full"}
    whole = gdfast.train(X, y, average=average, **options)
    monkeypatch.setattr(batches, "CHUNK_VALUES", 250)  # two batches a call
    monkeypatch.setattr(descent, "MAX_SLICE_STEPS", 3)
    assert all_of(gdfast.train(X, y, average=average, **options)) == all_of(whole)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("rule", ["ftol", "xtol", "callback"])
def test_a_run_that_is_ended_has_the_bits_of_so_many_epochs(
    rule, average, shuffle, data
):
    X, y, _ = data
    options = {"batch_size": 7, "random_state": 3, "history": "full"}
    options |= {"optimizer": "adam", "average": average, "shuffle": shuffle}
    stop = {
        "ftol": {"ftol": 1e-3},
        "xtol": {"xtol": 0.007},
        "callback": {"callback": lambda row: row.iteration > 37},
    }[rule]
    ended = gdfast.train(X, y, max_iter=10_000, **stop, **options)
    assert 10 < ended.n_iter < 10_000
    same = gdfast.train(X, y, max_iter=ended.n_iter, **options)
    assert all_of(ended) == all_of(same)
    loss, coef = ended.history["loss"], ended.history["coef"]
    if rule == "ftol":
        change = np.abs(np.diff(loss[:-1])) / loss[:-2]
        assert change[-1] < 1e-3 <= change[:-1].min()
    if rule == "xtol" and not average:
        change = np.abs(np.diff(coef, axis=0)).max(axis=1)
        assert change[-1] < 0.007


def test_the_end_is_another_measure_and_ends_nothing(data):
    X, y, _ = data
    with pytest.warns(gdfast.ConvergenceWarning):
        fit = gdfast.train(
            X, y, batch_size=30, learning_rate=1e-9, ftol=1e-3, max_iter=1
        )
    assert not fit.converged


@pytest.mark.parametrize("call", [1, 4])
@pytest.mark.parametrize("after", [False, True])
def test_an_interrupted_run_has_the_bits_of_so_many_epochs(
    call, after, data, monkeypatch
):
    X, y, _ = data
    options = {"batch_size": 7, "random_state": 3, "history": "full", "average": True}
    expected = gdfast.train(X, y, max_iter=15, **options)
    calls, take_steps = [], batches.Batches.take_steps

    def interrupted(*arguments, **named):
        calls.append(1)
        if len(calls) != call:
            return take_steps(*arguments, **named)
        if after:
            take_steps(*arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(batches.Batches, "take_steps", interrupted)
    monkeypatch.setattr(descent, "MAX_SLICE_STEPS", 5)
    # So that a busy machine makes as many steps at a time.
    monkeypatch.setattr(descent, "SHORTEST_SLICE_SECONDS", descent.SLICE_SECONDS)
    fit = gdfast.train(X, y, on_interrupt="return", **options)
    assert fit.n_iter == 5 * (call - 1)
    if call == 4:
        assert all_of(fit) == all_of(expected)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("calls", [0, 1, 7, 8, 9, 31, 200])
def test_an_epoch_that_is_not_done_in_time_is_given_up(
    calls, average, data, monkeypatch
):
    X, y, _ = data
    times = iter([0.0] * calls)

    class Clock:
        @staticmethod
        def perf_counter():
            return next(times, np.inf)

    monkeypatch.setattr(batches, "CHUNK_VALUES", 250)  # eight calls an epoch
    monkeypatch.setattr(descent, "MAX_SLICE_STEPS", 1)
    options = {"batch_size": 4, "history": "full", "average": average}
    with monkeypatch.context() as patch:
        patch.setattr(batches, "time", Clock)
        rng = np.random.default_rng(3)
        ended = gdfast.train(
            X, y, max_iter=1000, random_state=rng, max_seconds=60, **options
        )
    assert ended.n_iter == 1 + calls // 8
    assert "max_seconds" in ended.stop_reason
    expected = np.random.default_rng(3)
    same = gdfast.train(X, y, max_iter=ended.n_iter, random_state=expected, **options)
    assert all_of(ended) == all_of(same)
    assert rng.bit_generator.state == expected.bit_generator.state
    more = gdfast.train(X, y, max_iter=2, resume=ended, random_state=rng, **options)
    whole = gdfast.train(X, y, max_iter=ended.n_iter + 2, random_state=3, **options)
    assert more.coef.tobytes() == whole.coef.tobytes()


def test_what_orders_are_drawn_from(data):
    X, y, _ = data
    options = {"batch_size": 7, "max_iter": 3}
    by_int = gdfast.train(X, y, random_state=4, **options)
    rng = np.random.default_rng(4)
    first = gdfast.train(X, y, random_state=rng, **options)
    assert first.coef.tobytes() == by_int.coef.tobytes()
    # The generator goes on where the run has ended.
    expected = np.random.default_rng(4)
    for _ in range(3):
        expected.permutation(60)
    assert rng.bit_generator.state == expected.bit_generator.state
    others = {gdfast.train(X, y, **options).coef.tobytes() for _ in range(3)}
    assert len(others | {by_int.coef.tobytes()}) == 4


def test_many_rows_have_the_same_orders(monkeypatch):
    generators = [np.random.default_rng(7) for _ in range(2)]
    expected = [generators[0].permutation(99) for _ in range(3)]
    monkeypatch.setattr(batches, "QUICK_ROWS", 98)
    np.testing.assert_array_equal(
        [batches.drawn(generators[1], 99) for _ in range(3)], expected
    )
    assert generators[0].bit_generator.state == generators[1].bit_generator.state


# ------------------------------------------------------------------------- the rates


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("penalty", [None, "l2"])
def test_auto_is_stable_on_the_largest_row(intercept, penalty, data):
    X, y, _ = data
    fit = gdfast.train(
        X, y, batch_size=1, fit_intercept=intercept, penalty=penalty, alpha=0.5
    )
    largest = (X**2).sum(axis=1).max() + 1
    expected = 1 / (2 * largest + (0.5 if penalty else 0))
    assert fit.learning_rate == pytest.approx(expected, rel=1e-12)
    assert fit.max_stable_learning_rate is None


def test_auto_is_that_of_standardised_columns_and_of_the_papers(data):
    X, y, _ = data
    fit = gdfast.train(1000 * X + 5, y, batch_size=3, standardize=True)
    columns = (X - X.mean(axis=0)) / X.std(axis=0)
    largest = (columns**2).sum(axis=1).max() + 1
    assert fit.learning_rate == pytest.approx(1 / (2 * largest), rel=1e-9)
    assert gdfast.train(X, y, batch_size=3, optimizer="adam").learning_rate == 0.001


@pytest.mark.parametrize("rate", [1e3, 1.5])
def test_a_rate_too_large_is_a_divergence(rate, data):
    X, y, _ = data
    with pytest.raises(gdfast.DivergenceError, match="learning_rate=") as error:
        gdfast.train(X, y, batch_size=5, learning_rate=rate, random_state=0)
    assert error.value.fit.n_iter >= 1
    start = np.mean(y**2)
    assert f"up from {start:.6g} at the start" in str(error.value)


def test_values_that_are_not_finite_are_named(data):
    X, y, _ = data
    X[7, 1] = np.nan
    with pytest.raises(ValueError, match="X has a missing value"):
        gdfast.train(X, y, batch_size=5, learning_rate=0.1)


def test_finite_values_that_overflow_in_the_first_epoch_are_a_divergence(data):
    X, y, _ = data
    X[7, 1] = 1e200
    with pytest.raises(gdfast.DivergenceError, match="learning_rate=0.1 is too large"):
        gdfast.train(X, y, batch_size=5, learning_rate=0.1)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_zeros_needs_no_features(name, stored, n_outputs, rng):
    loss, n, d = LOSSES[name](), 50, 4
    if loss.domain is Domain.CLASS and n_outputs == 1:
        pytest.skip("classes are several outputs")
    X = rng.standard_normal((n, d))
    y = rng.integers(0, 2, n * n_outputs).astype(float)
    if loss.domain is Domain.CLASS:
        y = rng.integers(0, n_outputs, n).astype(float)
    if stored:
        indptr = np.arange(0, n * d + 1, d, dtype=np.int32)
        X = CSR(X.reshape(-1), np.tile(np.arange(d, dtype=np.int32), n), indptr, d)
    examples = Examples(X, y, rng.uniform(0.5, 2, n), None, n_outputs)
    with Team(1) as team:
        summation = Summation(loss, examples, team)
        _, loss_sum, weight_sum = summation.gradient(np.zeros((d + 1) * n_outputs))
        found = summation.loss_of_zeros()
    np.testing.assert_allclose(found, loss_sum / weight_sum, rtol=1e-14)


@pytest.mark.parametrize(("start", "passes"), [(0.0, 1), (0.5, 2)])
def test_a_run_from_zeros_reads_all_rows_at_its_end_only(
    start, passes, data, monkeypatch
):
    X, y, _ = data
    read = []
    mean_loss = Summation.mean_loss

    def counted(self, params):
        read.append(self.examples.X.shape[1])
        return mean_loss(self, params)

    monkeypatch.setattr(Summation, "mean_loss", counted)
    monkeypatch.setattr(Summation, "gradient", None)  # which takes twice the time
    gdfast.train(
        *(X, y), batch_size=5, learning_rate=0.01, max_iter=2, intercept_init=start
    )
    assert read.count(X.shape[1]) == passes


def test_batches_say_what_is_known_of_their_end(data):
    X, y, _ = data
    options = {"batch_size": 5, "learning_rate": 0.01, "random_state": 0}
    fit = gdfast.train(X, y, max_iter=2, **options)
    assert fit.stop_reason.startswith(
        "Stopped at max_iter after 2 iterations, and the last one lowered the loss by "
    )
    fit = gdfast.train(X, y, callback=lambda seen: seen.iteration == 2, **options)
    assert fit.stop_reason == "Stopped by the callback after 1 iteration."


def test_batches_that_end_at_a_minimum_say_so(data):
    X, *_ = data
    fit = gdfast.train(
        *(X, X @ (1.0, 2.0, 3.0)), batch_size=20, max_iter=20_000, random_state=0
    )
    assert "; the largest gradient component is " in fit.stop_reason
    assert "Gradient descent can do no more here" in fit.stop_reason


# -------------------------------------------------------------------------- sparse rows


def calls_of(monkeypatch, cls, name):
    """Return a list that gets an item for every call of a method."""
    calls, method = [], getattr(cls, name)

    def counted(self, *args):
        calls.append(args)
        return method(self, *args)

    monkeypatch.setattr(cls, name, counted)
    return calls


def few(rng, n_samples=60, n_features=7):
    """Return rows of which most values are zero, and one row is empty."""
    X = rng.standard_normal((n_samples, n_features))
    X *= rng.random(X.shape) < 0.3
    X[3] = 0
    return X


SPARSE_RUNS = {
    "in place": {"learning_rate": 0.02},
    "without intercept": {"learning_rate": 0.02, "fit_intercept": False},
    "average": {"learning_rate": 0.02, "average": True},
    "auto": {},
    "l1": {"learning_rate": 0.02, "penalty": "l1", "alpha": 0.05},
    "bounds": {"learning_rate": 0.02, "bounds": (-0.1, 0.2)},
    "standardize": {"standardize": True},
    "standardize alone": {"standardize": True, "fit_intercept": False},
    "adam": {"optimizer": "adam", "penalty": "l2", "alpha": 0.1},
    "nesterov": {"optimizer": "nesterov", "learning_rate": 0.005},
}


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("run", SPARSE_RUNS)
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("size", [1, 7, 60])
def test_sparse_rows_are_those_stored_whole(run, shuffle, size, rng):
    sparse = pytest.importorskip("scipy.sparse")
    X = few(rng)
    y, weight = rng.standard_normal(60), rng.uniform(0, 2, 60) * (np.arange(60) % 9 > 0)
    options = {"batch_size": size, "shuffle": shuffle, "random_state": 4} | {
        "sample_weight": weight, "max_iter": 5, "history": "full",
        **SPARSE_RUNS[run],
    }  # fmt: skip
    whole = gdfast.train(X, y, **options)
    for dtype, index in ((np.float64, np.int32), (np.float32, np.int64)):
        stored = sparse.csr_array(X.astype(dtype))
        stored.indices = stored.indices.astype(index)
        stored.indptr = stored.indptr.astype(index)
        fit = gdfast.train(stored, y, **options)
        rtol = 1e-9 if dtype == np.float64 else 1e-4
        for name in ("loss", "coef"):
            np.testing.assert_allclose(
                fit.history[name], whole.history[name], rtol, rtol
            )
        assert fit.intercept == pytest.approx(whole.intercept, rel=rtol, abs=rtol)
        assert fit.learning_rate == pytest.approx(whole.learning_rate, rel=rtol)


@pytest.mark.parametrize("shuffle", [True, False])
def test_sparse_rows_take_the_steps_of_a_loop(shuffle, rng):
    sparse = pytest.importorskip("scipy.sparse")
    X, y, weight = few(rng), rng.standard_normal(60), rng.uniform(0.5, 2, 60)
    drawn = orders(60, 3, 8) if shuffle else [np.arange(60)] * 3
    path = plain_loop(X, y, weight, drawn, 7, InvScaling(0.05, 0.5))
    fit = gdfast.train(
        sparse.csr_matrix(X), y, sample_weight=weight, max_iter=3, batch_size=7,
        learning_rate=InvScaling(0.05, 0.5), shuffle=shuffle, random_state=8,
    )  # fmt: skip
    np.testing.assert_allclose(parameters(fit), path[-1], rtol=1e-9, atol=1e-12)


# Batches of 300 rows are no single block of the kernel, which steps on them otherwise.
@pytest.mark.parametrize("size", [1, 7, 300])
@pytest.mark.parametrize("loss", ["hinge", "log_loss", "squared_error"])
@pytest.mark.parametrize("alpha", [0, 0.1])
def test_outputs_are_the_same_on_any_number_of_threads(
    loss, alpha, size, rng, monkeypatch
):
    sparse = pytest.importorskip("scipy.sparse")
    monkeypatch.setattr(batches, "SHARED_VALUES", 1)
    apart = calls_of(monkeypatch, batches.Batches, "_descend_apart")
    n, k = 400, 22
    X, weight = few(rng, n, 30), rng.uniform(0, 2, n) * (np.arange(n) % 9 > 0)
    y = rng.integers(0, k, n)
    options = {"penalty": "l2", "alpha": alpha, "batch_size": size, "loss": loss}
    options |= {"learning_rate": 0.01, "max_iter": 4, "history": "full"}
    options |= {"sample_weight": weight, "random_state": 2}
    if loss == "squared_error":
        y = rng.standard_normal((n, k))
    for more in ({}, {"shuffle": False}, {"fit_intercept": False}):
        stored = sparse.csr_array(X)
        one, two, three = (
            gdfast.train(stored, y, n_threads=threads, **options, **more)
            for threads in (1, 2, 3)
        )
        assert len(apart) == 8  # epochs of two and three threads
        apart.clear()
        assert all_of(one) == all_of(two) == all_of(three)
        whole = gdfast.train(X, y, **options, **more)
        np.testing.assert_allclose(two.history["loss"], whole.history["loss"], 1e-9)
        np.testing.assert_allclose(two.coef, whole.coef, 1e-9, 1e-12)
    half = gdfast.train(stored, y, n_threads=2, **options | {"max_iter": 2})
    rest = gdfast.train(stored, y, resume=half, **options | {"max_iter": 2})
    assert rest.coef.tobytes() == gdfast.train(stored, y, **options).coef.tobytes()


def test_steps_meet_no_coefficient_of_minus_zero(rng, monkeypatch):
    """Whether they make 0.0 of it depends on the outputs beside it."""
    sparse = pytest.importorskip("scipy.sparse")
    coef = np.array([[0.0, 1.0, 5e-324]])
    batches.multiply(coef, -0.25)
    assert coef.tolist() == [[0, -0.25, 0]]
    assert np.signbit(coef).tolist() == [[False, True, False]]
    params = Units(None, 2, True, outputs=2).params(np.full((2, 2), -0.0), -0.0)
    assert not np.signbit(params[:4]).any()
    # Steps so long that they change the sign of all coefficients, many of them 0.
    monkeypatch.setattr(batches, "SHARED_VALUES", 1)
    X, y = sparse.csr_array(few(rng, 401, 30)), rng.integers(0, 22, 401)
    options = {"penalty": "l2", "alpha": 1.5, "learning_rate": 1.0, "batch_size": 1}
    options |= {"loss": "hinge", "max_iter": 2, "random_state": 0}
    one, two = (gdfast.train(X, y, n_threads=n, **options) for n in (1, 2))
    assert one.coef.tobytes() == two.coef.tobytes()
    assert not np.signbit(one.coef[one.coef == 0]).any()


def test_shared_outputs_ask_a_function_for_each_rate_once(rng, monkeypatch):
    sparse = pytest.importorskip("scipy.sparse")
    monkeypatch.setattr(batches, "SHARED_VALUES", 1)
    monkeypatch.setattr(batches, "CHUNK_VALUES", 2000)
    X, y = sparse.csr_array(few(rng, 400, 30)), rng.integers(0, 22, 400)
    fits, asked = [], []
    for n_threads in (1, 2, 3):
        steps = []

        def rate(step, steps=steps):
            steps.append((step, threading.current_thread()))
            return 0.01 / len(steps)

        fits.append(
            gdfast.train(
                X,
                y,
                loss="hinge",
                batch_size=7,
                learning_rate=rate,
                max_iter=3,
                random_state=0,
                n_threads=n_threads,
            )  # fmt: skip
        )
        asked.append(steps)
    assert asked[0] == asked[1] == asked[2]
    assert {thread for _, thread in asked[2]} == {threading.main_thread()}
    assert len({fit.coef.tobytes() for fit in fits}) == 1


def test_an_interrupted_epoch_of_shared_outputs_is_given_up(rng, monkeypatch):
    sparse = pytest.importorskip("scipy.sparse")
    monkeypatch.setattr(batches, "SHARED_VALUES", 1)
    X, y = sparse.csr_array(few(rng, 400, 30)), rng.integers(0, 22, 400)
    options = {"batch_size": 7, "random_state": 3, "history": "full", "n_threads": 2}
    options |= {"loss": "hinge", "learning_rate": 0.01}
    step = batches.Batches._step_on_batches

    def interrupted(self, *arguments):
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and self.n_steps:  # in the second epoch, or later
            raise KeyboardInterrupt
        return step(self, *arguments)

    monkeypatch.setattr(batches.Batches, "_step_on_batches", interrupted)
    monkeypatch.setattr(descent, "MAX_SLICE_STEPS", 1)
    fit = gdfast.train(X, y, max_iter=50, on_interrupt="return", **options)
    assert fit.n_iter < 50
    again = gdfast.train(X, y, max_iter=fit.n_iter, **options)
    assert all_of(fit) == all_of(again)


def test_outputs_are_shared_out_evenly():
    def widths(n_outputs, most):
        shares = batches.shares_of(n_outputs, most)
        return [some.stop - some.start for some in shares]

    assert [widths(n, 9) for n in (2, 8, 12)] == [[2], [8], [12]]
    assert widths(13, 9) == [8, 5]
    assert widths(20, 1) == [20]
    assert widths(20, 2) == widths(20, 64) == [12, 8]
    assert widths(100, 4) == [28, 24, 24, 24]
    for n in range(2, 200):
        assert sum(widths(n, 5)) == n
        assert max(widths(n, 5)) - min(widths(n, 5)) < 8


@pytest.mark.parametrize("size", [5, 40])
def test_rows_of_more_values_than_a_block_are_predicted_before_any_is_added(size, rng):
    sparse = pytest.importorskip("scipy.sparse")
    X = rng.standard_normal((40, 9000))
    y, weight = rng.standard_normal(40), np.ones(40)
    path = plain_loop(X, y, weight, orders(40, 2, 1), size, lambda t: 1e-4)
    fit = gdfast.train(
        sparse.csr_matrix(X), y, max_iter=2, batch_size=size, learning_rate=1e-4,
        random_state=1,
    )  # fmt: skip
    np.testing.assert_allclose(parameters(fit), path[-1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["gd", "adam"])
@pytest.mark.parametrize("average", [False, 20])
@pytest.mark.parametrize("shuffle", [True, False])
def test_how_sparse_updates_are_grouped_does_not_matter(
    name, average, shuffle, rng, monkeypatch
):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = sparse.csr_matrix(few(rng)), rng.standard_normal(60)
    options = {"optimizer": name, "learning_rate": 0.01, "max_iter": 20}
    options |= {"batch_size": 4, "random_state": 3, "history": "full"}
    options |= {"average": average, "shuffle": shuffle}
    whole = gdfast.train(X, y, **options)
    monkeypatch.setattr(batches, "CHUNK_VALUES", 250)
    monkeypatch.setattr(descent, "MAX_SLICE_STEPS", 3)
    assert all_of(gdfast.train(X, y, **options)) == all_of(whole)


# ------------------------------------------------------------------------ the kernel


def epoch(kernel, X, y, weight, columns, order, size, n_calls=1):
    n_params = X.shape[1] + 1
    params, sums, path_sum = np.zeros(n_params), np.zeros(2), np.zeros(n_params)
    state = np.zeros(2 + 2 * n_params)
    update = kernel.Update(
        OPTIMIZERS["adam"].kind, OPTIMIZERS["adam"].constants, n_params - 1, True,
        0.01, 0.02, None, state,
    )  # fmt: skip
    done = 0
    for rows in np.split(order, [size * k for k in range(1, n_calls)]):
        rates = np.linspace(0.1, 0.01, len(X))[done:]
        done += kernel.descend_batches(
            2, 0.0, X, y, weight, columns, rows, size, params, rates, sums, path_sum,
            max(0, 2 - done), update,
        )  # fmt: skip
    return [done, *params, *sums, *path_sum, *state]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 2, 5, 8, 16, 17, 40, 130, 2050])
@pytest.mark.parametrize("size", [1, 6, 8, 50])
def test_every_kernel_makes_the_same_steps(dtype, d, size, builds, rng):
    from gdfast import _reference

    X = rng.standard_normal((50, d)).astype(dtype)
    y = rng.uniform(0, 1, 50).astype(dtype)
    columns = np.array([np.full(d, 0.1), np.full(d, 0.9 / d)])
    order = rng.integers(0, 50, 44)  # some rows twice
    for weight in (None, rng.uniform(0, 2, 50)):
        for scales in (None, columns):
            data = X, y, weight, scales
            plain, wide = (epoch(kernel, *data, order, size) for kernel in builds)
            assert plain == wide
            n_calls = -(-44 // size)
            assert epoch(builds[1], *data, order, size, n_calls) == wide
            twin = epoch(_reference, *data, order, size)
            np.testing.assert_allclose(wide, twin, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(50, 1), (50, 5), (50, 16), (50, 40)])
def test_rows_as_they_lie_are_those_of_an_order_from_0_on(shape, compiled, rng):
    X, y = rng.standard_normal(shape), rng.uniform(0, 1, 50)
    outcomes = []
    for order in (None, np.arange(50)):
        params, sums = np.zeros(shape[1]), np.zeros(2)
        compiled.descend_batches(
            2, 0.0, X, y, None, None, order, 7, params, np.full(8, 0.1), sums, None, 0
        )
        outcomes.append([*params, *sums])
    np.testing.assert_allclose(*outcomes, rtol=1e-12)


@pytest.mark.parametrize("row", [-1, 50, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("place", [0, 3, 9])
def test_a_row_that_is_not_there_is_named_before_any_step(kernel, row, place, rng):
    X, y = rng.standard_normal((50, 3)), rng.standard_normal(50)
    order = np.arange(10)
    order[place] = row
    params, sums = np.zeros(3), np.zeros(2)
    rest = 2, params, np.ones(9), sums, None, 0
    with pytest.raises(ValueError, match="order must be from 0 to n_samples - 1"):
        kernel.descend_batches(0, 0.0, X, y, None, None, order, *rest)
    assert not params.any()
    assert not sums.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": np.arange(0)}, "order must have at least one row"),
        ({"size": 0}, "batch_size must be at least 1"),
        ({"rates": np.ones(4)}, "rates must have one value for each batch"),
        ({"sums": np.zeros(3)}, "sums must have a value for each output and one more"),
        ({"path_sum": np.zeros(2)}, "path_sum must have the shape of params"),
        ({"params": np.zeros(5)}, "params must have n_features values"),
        ({"kind": 99}, "unknown loss number 99"),
        ({"y": np.zeros(3)}, "y must have one value"),
    ],
)
def test_the_kernel_checks_what_it_is_given(kernel, changes, message):
    arguments = {
        "kind": 0, "param": 0.0, "X": np.ones((10, 3)), "y": np.ones(10),
        "weight": None, "columns": None, "order": np.arange(10), "size": 2,
        "params": np.zeros(3), "rates": np.ones(5), "sums": np.zeros(2),
        "path_sum": np.zeros(3), "first": 0,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        kernel.descend_batches(*(arguments | changes).values())


def stored_epoch(kernel, stored, y, weight, columns, order, size, rule):
    d = stored.shape[1]
    params, sums, path_sum = np.linspace(-1, 1, d + 1), np.zeros(2), np.zeros(d + 1)
    update = None
    if rule == "adam":
        state = np.zeros(2 + 2 * (d + 1))
        adam = OPTIMIZERS["adam"]
        update = kernel.Update(
            adam.kind, adam.constants, d, True, 0.01, 0.02, None, state
        )
    made = kernel.descend_batches_csr(
        2, 0.0, stored.data, stored.indices, stored.indptr, y, weight, columns, d,
        order, size, params, np.linspace(0.1, 0.01, 60), sums,
        path_sum if rule else None, 2, update,
    )  # fmt: skip
    return [made, *params, *sums, *path_sum]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", ["", "gd", "adam"])
@pytest.mark.parametrize("size", [1, 6, 50])
def test_every_kernel_makes_the_same_steps_on_sparse_rows(dtype, rule, size, builds):
    from gdfast import _reference

    rng = np.random.default_rng(0)
    n, d = 50, 300
    counts = rng.integers(0, 25, n)
    starts = np.concatenate([[0], np.cumsum(counts)])
    values = rng.standard_normal(starts[-1]).astype(dtype)
    stored = CSR(values, rng.integers(0, d, starts[-1]), starts, d)  # some twice
    y = rng.uniform(0, 1, n).astype(dtype)
    columns = np.array([np.full(d, 0.1), np.full(d, 0.5)])
    for weight in (None, rng.uniform(0, 2, n)):
        for scales in (None, columns):
            for order in (None, rng.integers(0, n, 44)):
                data = stored, y, weight, scales, order, size, rule
                plain, wide = (stored_epoch(kernel, *data) for kernel in builds)
                assert plain == wide
                twin = stored_epoch(_reference, *data)
                np.testing.assert_allclose(wide, twin, rtol=1e-9, atol=1e-12)


def steps_in_place(kernel, stored, y, weight, order, size, loss, k, l2, n_calls=1):
    """Make steps on sparse rows that change few coefficients; return all that is so."""
    n_coef = stored.shape[1] * k
    params, sums = np.linspace(-1, 1, n_coef + k), np.zeros(k + 1)
    rule = OPTIMIZERS["gd"].kind, np.zeros(3), n_coef, k, 0.0, l2, None, np.zeros(2)
    update, common, done = kernel.Update(*rule), None, 0
    if n_calls > 1:
        squares = (params[:n_coef].reshape(-1, k) ** 2).sum(axis=0)
        common = np.concatenate([[1.0], squares])
    for rows in np.split(order, [size * i for i in range(1, n_calls)]):
        done += kernel.descend_batches_csr(
            LOSSES[loss]().kind, 0.0, stored.data, stored.indices, stored.indptr, y,
            weight, None, stored.shape[1], rows, size, params,
            np.linspace(0.1, 0.01, 60)[done:], sums, None, 0, update, k, common,
        )  # fmt: skip
    if common is not None:
        params[:n_coef] *= common[0]
    return [done, *params, sums[:-1].sum(), sums[-1]]


# 1 - rate l2 is above 0, is 0 at the first step and below 0 at first.
@pytest.mark.parametrize("l2", [0.0, 0.05, 10.0, 15.0])
@pytest.mark.parametrize("size", [1, 6, 50])
@pytest.mark.parametrize("k", [1, 2, 3, 7, 20, 25])
def test_steps_in_place_are_those_of_the_reference(k, size, l2, builds, rng):
    from gdfast import _reference

    n, d = 50, 300
    starts = np.concatenate([[0], np.cumsum(rng.integers(0, 25, n))])
    for dtype, loss in ((np.float32, "hinge"), (np.float64, "log_loss")):
        values = rng.standard_normal(starts[-1]).astype(dtype)
        stored = CSR(values, rng.integers(0, d, starts[-1]), starts, d)  # some twice
        y = rng.integers(0, 2, n * k).astype(dtype)
        for targets in (y, rng.integers(0, k, n).astype(float)) if k > 1 else (y,):
            for weight in (None, rng.uniform(0, 2, n)):
                order = rng.integers(0, n, 44)
                data = stored, targets, weight, order, size, loss, k, l2
                plain, wide = (steps_in_place(kernel, *data) for kernel in builds)
                assert plain == wide
                twin = steps_in_place(_reference, *data)
                np.testing.assert_allclose(wide, twin, rtol=1e-8, atol=1e-12)
                calls = steps_in_place(builds[1], *data, n_calls=-(-44 // size))
                if l2 == 0:
                    assert calls == wide
                np.testing.assert_allclose(calls, twin, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("k", [1, 20])
def test_steps_in_place_leave_other_columns_alone(k, compiled):
    """Were all touched, a step on a row would cost as much as there are columns."""
    params, common = np.ones(5 * k + k), np.array([1.0] + [5.0] * k)
    rule = OPTIMIZERS["gd"].kind, np.zeros(3), 5 * k, k, 0.0, 0.5, None, np.zeros(2)
    compiled.descend_batches_csr(
        0, 0.0, np.ones(2), np.array([0, 3]), np.array([0, 1, 2]), np.zeros(2 * k),
        None, None, 5, None, 1, params, np.full(2, 0.1), np.zeros(k + 1), None, 0,
        compiled.Update(*rule), k, common,
    )  # fmt: skip
    table = params.reshape(-1, k)
    assert (table[[1, 2, 4]] == 1).all()
    assert (table[[0, 3, 5]] != 1).all()
    np.testing.assert_allclose(common, [0.95**2, *(table[:5] ** 2).sum(axis=0)])


@pytest.mark.parametrize("l2", [0.0, 0.05])
@pytest.mark.parametrize("size", [6, 50])
@pytest.mark.parametrize("loss", ["hinge", "log_loss", "squared_error"])
def test_each_output_steps_in_place_as_it_does_alone(loss, size, l2, compiled, rng):
    """To the bit, or threads that share the outputs would not."""
    n, d, k, some = 50, 300, 20, slice(12, 20)
    starts = np.concatenate([[0], np.cumsum(rng.integers(0, 1500, n))])
    stored = rng.standard_normal(starts[-1]), rng.integers(0, d, starts[-1]), starts
    y, table = rng.integers(0, 2, (n, k)).astype(float), rng.standard_normal((d + 1, k))

    def stepped(outputs):
        width, params = outputs.stop - outputs.start, table[:, outputs].flatten()
        sums = np.zeros(width + 1)
        rule = OPTIMIZERS["gd"].kind, np.zeros(3), d * width, width, 0.0, l2, None
        compiled.descend_batches_csr(
            LOSSES[loss]().kind, 0.0, *stored, y[:, outputs].reshape(-1), None, None, d,
            None, size, params, np.full(50, 0.01), sums, None, 0,
            compiled.Update(*rule, np.zeros(2)), width,
        )  # fmt: skip
        return params.reshape(-1, width), sums

    params, sums = stepped(slice(0, k))
    own, own_sums = stepped(some)
    assert own.tobytes() == params[:, some].tobytes()
    assert own_sums.tolist() == [*sums[some], sums[-1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices": np.array([0, 3, 1, 2])}, "indices must be from 0 to n_features"),
        ({"indices": np.array([0, 1, -1, 2])}, "indices must be from 0 to n_features"),
        ({"indices": np.arange(3)}, "indices must have one value for each of data"),
        ({"indptr": np.array([0, 2, 1, 4])}, "indptr must not fall"),
        ({"indptr": np.array([0, 1, 2, 5])}, "indptr must stay within data"),
        ({"indptr": np.array([-1, 1, 2, 4])}, "indptr must stay within data"),
        ({"columns": np.zeros((2, 2))}, "columns must have shape"),
        ({"order": np.array([0, 3])}, "order must be from 0 to n_samples - 1"),
        ({"order": np.arange(0)}, "order must have at least one row"),
        ({"size": 0}, "batch_size must be at least 1"),
        ({"rates": np.ones(1)}, "rates must have one value for each batch"),
        ({"sums": np.zeros(3)}, "sums must have a value for each output and one more"),
        ({"path_sum": np.zeros(2)}, "path_sum must have the shape of params"),
        ({"params": np.zeros(5)}, "params must have n_features values"),
        ({"y": np.zeros(2)}, "y must have one value"),
        ({"kind": 99}, "unknown loss number 99"),
        ({"kind": 12}, "the loss number 12 is of two outputs"),
        ({"n_outputs": 0}, "n_outputs must be at least 1"),
        ({"n_outputs": 2}, "params must have n_features values, or one more for the"),
        (
            {
                "n_outputs": 2,
                "params": np.zeros(6),
                "columns": np.ones((2, 3)),
                "sums": np.zeros(3),
            },
            "columns must be None for several outputs",
        ),
        ({"common": np.ones(1)}, "common must have a value for each output and one"),
    ],
)
@pytest.mark.parametrize("order", [None, np.array([2, 1, 0])])
def test_the_kernel_checks_sparse_batches(kernel, changes, message, order):
    arguments = {
        "kind": 0, "param": 0.0, "data": np.ones(4), "indices": np.array([0, 2, 1, 2]),
        "indptr": np.array([0, 1, 2, 4]), "y": np.ones(3), "weight": None,
        "columns": None, "n_features": 3, "order": order, "size": 2,
        "params": np.zeros(3), "rates": np.ones(2), "sums": np.zeros(2),
        "path_sum": None, "first": 0, "update": None, "n_outputs": 1, "common": None,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        kernel.descend_batches_csr(*(arguments | changes).values())


# ---------------------------------------------------------------------- wrong values


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"batch_size": 0},
            ValueError,
            "batch_size must be at least 1 and at most 60, ",
        ),
        ({"batch_size": 61}, ValueError, "at least 1 and at most 60, the number of"),
        ({"batch_size": 2.0}, TypeError, "at least 1 and at most 60, .* or None, got"),
        ({"batch_size": True}, TypeError, "batch_size must be a whole number"),
        ({"shuffle": 1}, TypeError, "shuffle must be"),
        ({"random_state": -1}, ValueError, "random_state must be at least 0"),
        ({"random_state": "1"}, TypeError, "random_state must be a whole number"),
        ({"average": -1}, ValueError, "average must be at least 1"),
        ({"average": 0}, ValueError, "average must be at least 1"),
        ({"average": 1.5}, TypeError, "average must be .* at least 1, True or False"),
        ({"batch_size": None, "average": 3}, ValueError, "average has no use without"),
        ({"gtol": 1e-3}, ValueError, "gtol must be None with batch_size"),
        (
            {"learning_rate": "backtracking"},
            ValueError,
            "backtracking is for all rows",
        ),
        (
            {"loss": "poisson"},
            ValueError,
            "learning_rate must be given with batch_size .* Pass a number",
        ),
        (
            {"loss": "quantile"},
            ValueError,
            "learning_rate must be given .* Pass a n",
        ),
    ],
)
def test_wrong_values_are_named(data, options, error, message):
    X, y, _ = data
    with pytest.raises(error, match=message):
        gdfast.train(X, y, **({"batch_size": 5} | options))


# ----------------------------------------------------------------------------- Ctrl-C

LONG = """
import os, signal, sys, threading, time
import numpy as np, gdfast
X, y = np.ones((6_000_000, 2)), np.ones(6_000_000)
def ring(wait):
    time.sleep(wait)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
sent = []
signal.signal(signal.SIGINT, signal.default_int_handler)
options = dict(batch_size=int(sys.argv[1]), learning_rate=1e-3)
began = time.perf_counter()
gdfast.train(X, y, max_iter=1, **options)
epoch = time.perf_counter() - began
for part in (0.2, 0.4, 1.3):  # of an epoch, after which it is sent
    threading.Thread(target=ring, args=[part * epoch]).start()
    try:
        gdfast.train(X, y, max_iter=10**6, **options)
    except KeyboardInterrupt:
        print((time.perf_counter() - sent[-1]) / epoch)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("size", [1, 1000, 6_000_000])
def test_ctrl_c_does_not_wait_for_the_end_of_an_epoch(size):
    done = subprocess.run(
        [sys.executable, "-c", LONG, str(size)],
        capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    parts = [float(part) for part in done.stdout.split()]  # of an epoch, until it ends
    assert len(parts) == 3
    assert sorted(parts)[1] < 0.2


@pytest.mark.parametrize("stored", [False, True])
def test_an_epoch_is_made_in_calls_of_a_million_values(stored, rng, monkeypatch):
    X, y = rng.standard_normal((200_000, 8)), rng.standard_normal(200_000)
    name = "descend_batches_csr" if stored else "descend_batches"
    if stored:
        X = pytest.importorskip("scipy.sparse").csr_array(X)
    rows, call = [], getattr(batches.kernel, name)

    class Kernel:
        def __getattr__(self, _):
            def counted(*arguments, **options):
                rows.append(call(*arguments, **options))  # steps, each on one row
                return rows[-1]

            return counted

    monkeypatch.setattr(batches, "kernel", Kernel())
    gdfast.train(X, y, batch_size=1, learning_rate=1e-3, max_iter=1)
    assert sum(rows) == 200_000
    assert 8 * max(rows) <= batches.CHUNK_VALUES
    assert len(rows) > 4
