"""Every update rule against a loop written from its paper, and where it converges."""

import math

import numpy as np
import pytest

import gdfast
from gdfast import descent, drivers, optimizers
from gdfast.optimizers import OPTIMIZERS, Accelerated, Adam, Momentum, Nesterov

# Each loop returns the points where it took the gradient, and where it ended; the
# numbers are those of the papers.


def gd(g, w, eta, n):
    points = []
    for _ in range(n):
        points.append(w)
        w = w - eta * g(w)
    return [*points, w]


def momentum(g, w, eta, n):
    points, v = [], 0
    for _ in range(n):
        points.append(w)
        v = 0.9 * v + eta * g(w)
        w = w - v
    return [*points, w]


def nesterov(g, w, eta, n):
    points, v = [], 0
    for _ in range(n):
        points.append(w - 0.9 * v)
        v = 0.9 * v + eta * g(w - 0.9 * v)
        w = w - v
    return [*points, w]


def accelerated(g, w, eta, n, restart=True):
    points, y, t = [], w, 1
    for _ in range(n):
        points.append(y)
        w_next = y - eta * g(y)
        t_next = (1 + math.sqrt(1 + 4 * t**2)) / 2
        if restart and (y - w_next) @ (w_next - w) > 0:
            y, t = w_next, 1
        else:
            y, t = w_next + (t - 1) / t_next * (w_next - w), t_next
        w = w_next
    return [*points, w]


def adagrad(g, w, eta, n):
    points, G = [], 0
    for _ in range(n):
        points.append(w)
        G = G + g(w) ** 2
        w = w - eta / np.sqrt(G + 1e-8) * g(w)
    return [*points, w]


def adadelta(g, w, eta, n):
    points, squares, changes = [], 0, 0
    for _ in range(n):
        points.append(w)
        squares = 0.95 * squares + 0.05 * g(w) ** 2
        delta = -np.sqrt(changes + 1e-6) / np.sqrt(squares + 1e-6) * g(w)
        changes = 0.95 * changes + 0.05 * delta**2
        w = w + eta * delta
    return [*points, w]


def rmsprop(g, w, eta, n):
    points, E = [], 0
    for _ in range(n):
        points.append(w)
        E = 0.9 * E + 0.1 * g(w) ** 2
        w = w - eta / np.sqrt(E + 1e-8) * g(w)
    return [*points, w]


def adam(g, w, eta, n):
    points, m, v = [], 0, 0
    for t in range(1, n + 1):
        points.append(w)
        m = 0.9 * m + 0.1 * g(w)
        v = 0.999 * v + 0.001 * g(w) ** 2
        w = w - eta / (np.sqrt(v / (1 - 0.999**t)) + 1e-8) * (m / (1 - 0.9**t))
    return [*points, w]


def adamax(g, w, eta, n):
    points, m, u = [], 0, 0
    for t in range(1, n + 1):
        points.append(w)
        m = 0.9 * m + 0.1 * g(w)
        u = np.maximum(0.999 * u, abs(g(w)))
        w = w - eta / u * (m / (1 - 0.9**t))
    return [*points, w]


def nadam(g, w, eta, n):
    points, m, v = [], 0, 0
    for t in range(1, n + 1):
        points.append(w)
        m = 0.9 * m + 0.1 * g(w)
        v = 0.999 * v + 0.001 * g(w) ** 2
        ahead = 0.9 * m / (1 - 0.9**t) + 0.1 * g(w) / (1 - 0.9**t)
        w = w - eta / (np.sqrt(v / (1 - 0.999**t)) + 1e-8) * ahead
    return [*points, w]


LOOPS = {
    loop.__name__: loop
    for loop in (
        gd,
        momentum,
        nesterov,
        accelerated,
        adagrad,
        adadelta,
        rmsprop,
        adam,
        adamax,
        nadam,
    )
}
# Such that there is a way to go, but none that ends where gradients are rounding: a
# rule that divides by their size would make a step of it.
RATES = {"adagrad": 0.1, "adadelta": 5.0, "rmsprop": 0.005, "adam": 0.02}


def squares(X, y, weight):
    """Return the gradient of the mean of squared errors."""
    return lambda w: 2 * X.T @ (weight * (X @ w - y)) / weight.sum()


@pytest.fixture
def data(rng):
    X = rng.standard_normal((60, 3)) * (1.0, 0.3, 2.0)
    y = X @ (1.0, -2.0, 0.5) + 0.1 * rng.standard_normal(60)
    return X, y, rng.uniform(0.5, 2, 60)


def test_there_is_a_loop_for_every_rule():
    assert LOOPS.keys() == OPTIMIZERS.keys()


@pytest.fixture(params=["one call", "chunks", "moments"])
def way(request, monkeypatch):
    """Every way to make steps, forced."""
    if request.param == "chunks":
        monkeypatch.setattr(drivers, "CHUNK_VALUES", 50)
        monkeypatch.setattr("gdfast.sums.CHUNK_VALUES", 50)
        monkeypatch.setattr("gdfast.sums.MIN_CHUNK_ROWS", 7)
    if request.param == "moments":
        monkeypatch.setattr(drivers, "WORTH_IT", -np.inf)
    return request.param


@pytest.mark.parametrize("n_iter", [1, 2, 100])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_is_the_loop_of_its_paper(name, n_iter, data, way):
    X, y, weight = data
    rate = RATES.get(name, 0.05)
    fit = gdfast.train(
        X,
        y,
        sample_weight=weight,
        fit_intercept=False,
        optimizer=name,
        learning_rate=rate,
        max_iter=n_iter,
        history="full",
    )
    assert fit.method == ("moments" if way == "moments" else "passes")
    points = LOOPS[name](squares(X, y, weight), np.zeros(3), rate, n_iter)
    np.testing.assert_allclose(fit.history["coef"], points, rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(fit.coef, fit.history["coef"][-1])
    for row, point in zip(fit.history["loss"], points, strict=True):
        expected = weight @ (X @ point - y) ** 2 / weight.sum()
        assert row == pytest.approx(expected, rel=1e-9)


def test_restarts_happen_in_what_is_compared(data):
    points, without = (
        accelerated(squares(*data), np.zeros(3), 0.05, 100, restart=restart)
        for restart in (True, False)
    )
    assert np.abs(points[-1] - without[-1]).max() > 1e-6


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("intercept", [False, True])
def test_one_step_of_every_kernel_is_that_of_the_reference(
    name, intercept, compiled, rng
):
    from gdfast import _reference

    rule = OPTIMIZERS[name]
    n = 5 + intercept
    states = [np.zeros(2 + rule.n_slots * n) for _ in range(2)]
    bounds = np.array([np.full(5, -0.3), np.full(5, 0.4)])
    updates = [
        module.Update(rule.kind, rule.constants, 5, intercept, 0.3, 0.2, bounds, state)
        for module, state in zip((compiled, _reference), states, strict=True)
    ]
    all_params = [rng.uniform(-0.3, 0.4, n) for _ in range(1)] * 2
    all_params = [params.copy() for params in all_params]
    all_params[0][1] = all_params[1][1] = 0.0
    for t in range(30):
        gradient = rng.standard_normal(n)
        gradient[2] = 0.0
        rows = np.empty((2, 3))
        for update, params, row in zip(updates, all_params, rows, strict=True):
            point = np.empty(n)
            update.look_ahead(params, point)
            rate = np.array([0.1 / (1 + t)])
            update.take_step(7.0, point, gradient.copy(), rate, params, row)
        np.testing.assert_allclose(*rows, rtol=1e-12)
        np.testing.assert_allclose(*all_params, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(*states, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("steps", [1, 3])
def test_how_steps_are_grouped_does_not_matter(name, steps, data, way, monkeypatch):
    X, y, weight = data
    options = {
        "optimizer": name,
        "learning_rate": 0.05,
        "max_iter": 40,
        "history": "full",
        "penalty": "elasticnet",
        "alpha": 0.1,
    }
    whole = gdfast.train(X, y, **options)
    monkeypatch.setattr(descent, "MAX_SLICE_STEPS", steps)
    parts = gdfast.train(X, y, **options)
    assert parts.history.array.tobytes() == whole.history.array.tobytes()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_rule_that_holds_ends_at_the_bits_of_as_many_steps(name, data, way):
    X, y, _ = data
    options = {"optimizer": name, "learning_rate": RATES.get(name, 0.05)}
    long = gdfast.train(X, y, max_iter=400, **options)
    loss = long.history["loss"]
    change = np.abs(np.diff(loss)) / loss[:-1]
    ftol = max(np.quantile(change[:300], 0.05), 1e-12)
    ended = gdfast.train(X, y, max_iter=400, ftol=ftol, **options)
    assert ended.n_iter < 400
    same = gdfast.train(X, y, max_iter=ended.n_iter, **options)
    assert same.coef.tobytes() == ended.coef.tobytes()
    assert same.history["loss"].tobytes() == ended.history["loss"].tobytes()


def test_constants_are_where_they_belong(data):
    # Of two steps from zero on one column, by hand.
    x, y = np.array([[1.0]]), np.array([1.0])
    options = {"fit_intercept": False, "learning_rate": 0.1, "max_iter": 2}

    def ended(rule):
        return float(gdfast.train(x, y, optimizer=rule, **options).coef[0])

    g1, w1 = -2.0, 0.2
    g2 = 2 * (w1 - 1)
    assert ended(Momentum(0.5)) == pytest.approx(w1 + 0.1 - 0.1 * g2, rel=1e-14)
    ahead = 2 * (w1 + 0.1 - 1)
    assert ended(Nesterov(0.5)) == pytest.approx(w1 + 0.1 - 0.1 * ahead, rel=1e-14)
    E1 = 0.5 * g1**2
    w = 0.2 / math.sqrt(E1 + 0.25)
    g2 = 2 * (w - 1)
    E2 = 0.5 * E1 + 0.5 * g2**2
    expected = w - 0.1 * g2 / math.sqrt(E2 + 0.25)
    assert ended(optimizers.RMSprop(0.5, 0.25)) == pytest.approx(expected, rel=1e-14)
    w = 0.1 * 2 / (2 + 3.0)
    g2 = 2 * (w - 1)
    m = (0.8 * 0.2 * g1 + 0.2 * g2) / (1 - 0.8**2)
    v = (0.5 * 0.5 * g1**2 + 0.5 * g2**2) / (1 - 0.5**2)
    expected = w - 0.1 * m / (math.sqrt(v) + 3)
    assert ended(Adam(0.8, 0.5, 3.0)) == pytest.approx(expected, rel=1e-14)
    with pytest.raises(ValueError, match="read-only"):
        Adam().constants[0] = 0.5


def test_zeros_that_are_perfect_hide_no_divergence(data):
    X, y, _ = data
    options = {"optimizer": "momentum", "max_iter": 80, "learning_rate": 3.0}
    with pytest.raises(gdfast.DivergenceError):
        gdfast.train(X, 0 * y, coef_init=np.ones(3), **options)
    flat = gdfast.losses.SquaredEpsilonInsensitive(50)
    with pytest.raises(gdfast.DivergenceError):
        gdfast.train(X, y, loss=flat, coef_init=[90.0] * 3, **options)
    labels = (y > 0).astype(float)
    with pytest.raises(gdfast.DivergenceError):
        gdfast.train(
            X, labels, loss="perceptron", penalty="l2", alpha=10.0, learning_rate=1.0
        )


@pytest.mark.parametrize(
    "name", [n for n in OPTIMIZERS if OPTIMIZERS[n].published_rate]
)
def test_auto_is_the_published_rate(name, data):
    X, y, _ = data
    rule = OPTIMIZERS[name]
    auto = gdfast.train(X, y, optimizer=name, max_iter=5)
    given = gdfast.train(
        X, y, optimizer=name, max_iter=5, learning_rate=rule.published_rate
    )
    assert auto.loss == given.loss
    assert auto.learning_rate == rule.published_rate
    assert auto.max_stable_learning_rate is None


@pytest.mark.parametrize(
    "rule", [Momentum(), Momentum(0.5), Nesterov(), Nesterov(0.5)], ids=str
)
def test_the_largest_stable_rate_is_sharp(rule, data):
    X, y, _ = data
    fit = gdfast.train(X, y, optimizer=rule, max_iter=1)
    stable = fit.max_stable_learning_rate
    options = {"optimizer": rule, "max_iter": 20_000}
    good = gdfast.train(X, y, learning_rate=0.99 * stable, **options)
    best = np.linalg.lstsq(np.column_stack([X, np.ones(60)]), y, rcond=None)[0]
    np.testing.assert_allclose([*good.coef, good.intercept], best, rtol=1e-4)
    with pytest.raises(gdfast.DivergenceError, match="largest stable one"):
        gdfast.train(X, y, learning_rate=1.01 * stable, **options)


def test_auto_with_acceleration_needs_the_root_of_the_steps(rng):
    X = rng.standard_normal((500, 20)) * np.geomspace(1, 30, 20)
    y = X @ rng.standard_normal(20)
    steps = {}
    for name in ("gd", "nesterov", "accelerated"):
        fit = gdfast.train(X, y, optimizer=name, gtol=1e-8, max_iter=10**6)
        assert fit.converged
        steps[name] = fit.n_iter
    assert steps["accelerated"] < 8 * math.sqrt(steps["gd"])
    assert steps["nesterov"] < steps["gd"] / 5


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_start_at_the_minimum_is_no_divergence(name, data):
    X, y, _ = data
    best = np.linalg.lstsq(np.column_stack([X, np.ones(60)]), y, rcond=None)[0]
    fit = gdfast.train(
        X, y, optimizer=name, coef_init=best[:3], intercept_init=best[3], max_iter=50
    )
    assert fit.loss < 0.1


@pytest.mark.parametrize(
    "name", ["gd", "momentum", "nesterov", "accelerated", "adam", "rmsprop"]
)
def test_a_huge_rate_is_an_error(name, data):
    X, y, _ = data
    with pytest.raises(gdfast.DivergenceError, match=r"learning_rate=1e\+08 is"):
        gdfast.train(X, y, optimizer=name, learning_rate=1e8, max_iter=100)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Momentum(1.0), "momentum must be below 1"),
        (lambda: Nesterov(-0.1), "momentum must be a finite number of at least 0"),
        (lambda: Adam(beta_2=math.nan), "beta_2 must be a finite number"),
        (lambda: Adam(epsilon=0.0), "epsilon must be a finite number greater than 0"),
        (lambda: optimizers.RMSprop(rho=2), "rho must be below 1"),
    ],
)
def test_wrong_constants_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("optimizer", ["sgd", None, 3, Adam, optimizers.Optimizer()])
def test_a_wrong_optimizer_is_named(optimizer, data):
    error = ValueError if isinstance(optimizer, str) else TypeError
    with pytest.raises(error, match="optimizer must be one of 'gd', 'momentum'"):
        gdfast.train(data[0], data[1], optimizer=optimizer)


def test_a_row_without_a_gradient_has_the_penalty(kernel):
    state = np.zeros(2)
    update = kernel.Update(0, np.zeros(3), 2, 1, 0.25, 0.5, None, state)
    params, row = np.array([1.0, -2.0, 3.0]), np.empty(3)
    update.take_step(4.0, params, None, None, params, row)
    np.testing.assert_array_equal(row, [4 + 0.25 * 3 + 0.5 * 5 / 2, np.nan, np.inf])
    assert params.tolist() == [1, -2, 3]


def test_wrong_shapes_are_named(kernel):
    def make(kind=1, constants=3, n_features=2, bounds=None, state=4):
        return kernel.Update(
            kind, np.zeros(constants), n_features, False, 0.0, 0.0, bounds,
            np.zeros(state),
        )  # fmt: skip

    with pytest.raises(ValueError, match="unknown rule number 10"):
        make(kind=10)
    with pytest.raises(ValueError, match="unknown rule number -1"):
        make(kind=-1)
    with pytest.raises(ValueError, match="constants must have three values"):
        make(constants=2)
    with pytest.raises(ValueError, match="bounds must have shape"):
        make(bounds=np.zeros((2, 3)))
    for wrong in ({"state": 5}, {"kind": 7}, {"n_features": 0, "state": 2}):
        with pytest.raises(ValueError, match="state must have 2 \\+ n_slots"):
            make(**wrong)
    update, two, three = make(), np.zeros(2), np.zeros(3)
    good = [1.0, two.copy(), two.copy(), np.ones(1), two.copy(), three.copy()]
    update.take_step(*good)
    for k, wrong in ((1, three), (2, three), (4, three)):
        with pytest.raises(ValueError, match="gradient must have the shape of params"):
            update.take_step(*good[:k], wrong, *good[k + 1 :])
    with pytest.raises(ValueError, match="rate must have one value"):
        update.take_step(*good[:3], two, *good[4:])
    with pytest.raises(ValueError, match="rate must be None without a gradient"):
        update.take_step(*good[:2], None, *good[3:])
    with pytest.raises(ValueError, match="row must have three values"):
        update.take_step(*good[:5], two)
    with pytest.raises(ValueError, match="gradient must have the shape of params"):
        update.look_ahead(three, two)
    with pytest.raises(ValueError, match="gradient must have the shape of params"):
        update.look_ahead(two, three)
    X, y = np.ones((4, 2)), np.ones(4)
    with pytest.raises(ValueError, match="update must have been made for as many"):
        kernel.descend(
            0, 0.0, X, y, None, None, three, np.ones(1), np.empty((1, 3)), None, update
        )


def test_the_callback_sees_the_rows_of_the_history(data):
    X, y, _ = data
    for rule in (Accelerated(), Nesterov(), Momentum()):
        rows = []
        fit = gdfast.train(
            X, y, optimizer=rule, max_iter=9, history="full", callback=rows.append
        )
        np.testing.assert_array_equal([r.coef for r in rows], fit.history["coef"])
        np.testing.assert_array_equal([r.loss for r in rows], fit.history["loss"])


@pytest.mark.parametrize("name", ["nesterov", "accelerated"])
def test_the_model_itself_has_the_gradient_that_ends_the_run(name, rng):
    # And not only the point ahead of it where the rule looked.
    X = rng.standard_normal((200, 5)) * (1, 3, 0.3, 1, 1)
    y = (X @ rng.standard_normal(5) + rng.logistic(size=200) > 0).astype(float)
    for gtol in (1e-3, 1e-5, 1e-7):
        fit = gdfast.train(
            X, y, loss="log_loss", optimizer=name, gtol=gtol, max_iter=10_000
        )
        assert fit.converged
        coef, intercept = gdfast.gradient(
            X, y, fit.coef, fit.intercept, loss="log_loss"
        )
        assert max(abs(coef).max(), abs(intercept)) < gtol
