"""Steps on moments against steps by passes, what they need, and which are chosen."""

import tracemalloc
import warnings

import numpy as np
import pytest

import gdfast
from gdfast import ConvergenceWarning, DivergenceError, curvature, drivers, sums
from gdfast.drivers import Moments, Passes
from gdfast.losses import LOSSES
from gdfast.optimizers import GD
from gdfast.penalties import Penalty
from gdfast.sums import Examples, Summation
from gdfast.threads import Team

METHODS = {"moments": -np.inf, "passes": np.inf}


@pytest.fixture
def train(monkeypatch):
    """Return a function that trains by the method that it is told."""

    def train(method, *args, **options):
        monkeypatch.setattr(drivers, "WORTH_IT", METHODS[method])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit = gdfast.train(*args, **{"history": "full", **options})
        assert fit.method == method
        return fit

    return train


def assert_same_path(moments, passes, rtol=1e-9):
    """Compare every row: losses in parts of each, parameters in parts of their size."""
    assert moments.n_iter == passes.n_iter
    found, expected = moments.history["loss"], passes.history["loss"]
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=0)
    found, expected = (
        np.column_stack([fit.history["coef"], np.zeros((fit.n_iter + 1, 0))])
        for fit in (moments, passes)
    )
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=rtol * np.abs(expected).max()
    )
    assert moments.intercept == pytest.approx(
        passes.intercept, rel=rtol, abs=rtol * max(1e-300, np.abs(expected).max())
    )


def noisy(rng, n, d, offset=0.0, noise=1.0):
    """Return columns of spread 1 around an offset, and targets."""
    X = rng.standard_normal((n, d)) + offset
    y = (X - offset) @ rng.standard_normal(d) + 3 + noise * rng.standard_normal(n)
    return X, y


# ---------------------------------------------------------------------- the same path


@pytest.mark.parametrize("shape", [(300, 1), (300, 7), (40, 20), (9, 30), (1, 1)])
@pytest.mark.parametrize("name", ["squared_error", "half_squared_error"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fit_intercept": False},
        {"standardize": True},
        {"standardize": True, "fit_intercept": False},
    ],
    ids=str,
)
def test_every_step_is_that_of_a_pass(rng, train, shape, name, dtype, options):
    X, y = noisy(rng, *shape, offset=0.5)
    args = X.astype(dtype), y.astype(dtype)
    options = {**options, "loss": name, "max_iter": 1000, "sample_weight": None}
    if shape[0] > 1:
        options["sample_weight"] = rng.uniform(0, 2, shape[0])
    found, expected = (train(method, *args, **options) for method in METHODS)
    if shape[0] >= 2 * shape[1]:
        assert_same_path(found, expected)
        return
    # A perfect fit in the end: residuals are rounded in parts of y.
    losses = expected.history["loss"]
    rounding = 1e-15 * np.sqrt(losses[0])
    allowed = 1e-9 * losses + 2 * np.sqrt(losses) * rounding + rounding**2
    assert (np.abs(found.history["loss"] - losses) <= allowed).all()
    np.testing.assert_allclose(
        found.history["coef"], expected.history["coef"], rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("standardize", [False, True])
def test_a_start_that_is_not_zero(rng, train, standardize):
    X, y = noisy(rng, 200, 3, offset=2.0)
    options = {
        "coef_init": [100.0, -50.0, 3.0],
        "intercept_init": -7.0,
        "standardize": standardize,
    }
    found, expected = (train(method, X, y, **options) for method in METHODS)
    assert_same_path(found, expected)
    assert found.history["coef"][0] == pytest.approx([100, -50, 3], rel=1e-12)


@pytest.mark.parametrize("intercept", [False, True])
def test_losses_of_a_nearly_perfect_fit(rng, train, intercept):
    # R2 = 1 - 1e-12: what is left of the first loss are its last digits.
    X, y = noisy(rng, 500, 4, noise=0.0)
    y += 1e-6 * np.std(y) * rng.standard_normal(500)
    fit = train("moments", X, y, fit_intercept=intercept)
    wide = X.astype(np.longdouble)
    predicted = fit.history["coef"].astype(np.longdouble) @ wide.T
    if intercept:
        predicted += fit.history["intercept"][:, None].astype(np.longdouble)
    losses = ((predicted - y) ** 2).mean(axis=1)
    if intercept:
        assert losses[-1] < 2e-12 * losses[0]
    np.testing.assert_allclose(fit.history["loss"], losses.astype(float), rtol=1e-9)


def test_an_exactly_perfect_fit(train):
    # Targets of 0 from a start elsewhere, by halves: every step is exact.
    X, y = np.array([[-1.0], [1.0]]), np.zeros(2)
    options = {"coef_init": [8.0], "learning_rate": 0.25, "max_iter": 30}
    for method in METHODS:
        fit = train(method, X, y, **options)
        assert fit.history["loss"].tolist() == [64 / 4**t for t in range(31)]
        assert fit.history["coef"][:, 0].tolist() == [8 / 2**t for t in range(31)]
        perfect = train(method, X, y, max_iter=5)
        assert perfect.loss == 0
        assert perfect.history["loss"].tolist() == [0] * 6


def test_a_fit_to_rounding_needs_few_passes(rng, train, monkeypatch):
    # The lowest losses are lost among those added up: passes, but not one a step.
    X, y = noisy(rng, 500, 5, noise=0.0)
    passes = []
    gradient = Summation.gradient

    def counted(self, params):
        passes.append(1)
        return gradient(self, params)

    monkeypatch.setattr(Summation, "gradient", counted)
    fit = train("moments", X, y, max_iter=3000)
    assert fit.loss < 1e-28
    assert 1 < len(passes) < 30


@pytest.mark.parametrize(("offset", "bound"), [(1e3, 1e-9), (1e6, 1e-9), (1e8, 1e-6)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_columns_with_an_offset(rng, train, offset, bound, dtype):
    # Passes round predictions of the size of the offset: from 1e8 on they are the ones
    # that are off. A float32 at 1e8 has lost the spread, which changes nothing.
    X, y = noisy(rng, 200, 2, offset=offset)
    X = X.astype(dtype)
    found, expected = (train(method, X, y) for method in METHODS)
    assert_same_path(found, expected, bound)
    wide = X.astype(np.longdouble)
    predicted = found.history["coef"].astype(np.longdouble) @ wide.T
    predicted += found.history["intercept"][:, None].astype(np.longdouble)
    losses = ((predicted - y) ** 2).mean(axis=1).astype(float)
    np.testing.assert_allclose(found.history["loss"], losses, rtol=min(bound, 1e-7))


def test_columns_of_very_different_scales(rng, train):
    X, y = noisy(rng, 200, 4)
    X *= [1e-8, 1e-2, 1.0, 1e5]
    for options in ({}, {"standardize": True}):
        found, expected = (train(method, X, y, **options) for method in METHODS)
        assert_same_path(found, expected)


def test_columns_that_are_the_same(rng, train):
    X, y = noisy(rng, 100, 2)
    X = np.column_stack([X, X[:, 0], np.ones(100)])
    found, expected = (train(method, X, y) for method in METHODS)
    assert_same_path(found, expected)
    assert found.coef[0] == pytest.approx(found.coef[2], rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("standardize", [False, True])
def test_rows_without_weight_do_not_count(rng, train, dtype, standardize):
    X, y = noisy(rng, 300, 3, offset=5.0)
    X, y = X.astype(dtype), y.astype(dtype)
    weight = rng.uniform(0.5, 2, 300)
    weight[::3] = 0
    junk_X, junk_y = X.copy(), y.copy()
    junk_X[::3], junk_y[::3] = 1e30, -1e30
    options = {"sample_weight": weight, "standardize": standardize}
    found = train("moments", junk_X, junk_y, **options)
    assert_same_path(found, train("passes", X, y, **options))


@pytest.mark.parametrize("rows", [1, 2, 1023, 1024, 1025, 2047, 2048, 5000])
@pytest.mark.parametrize("pieces", [1 << 17, 100])
def test_columns_are_centred_near_their_mean(rng, rows, pieces, monkeypatch):
    monkeypatch.setattr(sums, "PIECE_VALUES", pieces)
    X = rng.standard_normal((rows, 3)).astype(np.float32) + np.float32(50)
    center = drivers._near_mean(Examples(X, np.zeros(rows)))
    step = max(1, rows // drivers.CENTER_ROWS)
    assert center.dtype == np.float64
    np.testing.assert_allclose(center, X.mean(axis=0), atol=0.3 if step > 1 else 1e-4)
    # Only some rows have weight, and they are all at one place.
    weight = np.zeros(rows)
    weight[-(rows // 7) - 1 :: 2] = 1e-9
    X[weight == 0] = 1e30
    center = drivers._near_mean(Examples(X, np.zeros(rows), weight))
    np.testing.assert_allclose(center, X[weight > 0].mean(axis=0), atol=0.5)


# ------------------------------------------------------------------------ the same end


@pytest.mark.parametrize("rule", ["gtol", "xtol", "ftol"])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-8])
@pytest.mark.parametrize("standardize", [False, True])
def test_rules_hold_at_the_same_step(rng, train, rule, tolerance, standardize):
    X, y = noisy(rng, 200, 5, offset=1.0)
    options = {"max_iter": 50_000, "standardize": standardize, rule: tolerance}
    found, expected = (train(method, X, y, **options) for method in METHODS)
    assert expected.converged
    assert found.converged
    assert abs(found.n_iter - expected.n_iter) <= (rule == "ftol")
    assert f"{rule}={tolerance:g}" in found.stop_reason


@pytest.mark.parametrize("factor", [1.01, 1.5, 30.0, 1e150])
def test_divergence_is_found_at_the_same_step(rng, train, factor, monkeypatch):
    X, y = noisy(rng, 200, 3, offset=1.0)
    stable = train("moments", X, y).max_stable_learning_rate
    found = {}
    for method, worth_it in METHODS.items():
        monkeypatch.setattr(drivers, "WORTH_IT", worth_it)
        with pytest.raises(DivergenceError) as raised:
            gdfast.train(X, y, learning_rate=factor * stable, max_iter=10_000)
        fit = raised.value.fit
        assert fit.method == method
        found[method] = fit.n_iter, str(raised.value), fit.max_stable_learning_rate
    assert found["moments"] == found["passes"]


def test_a_callback_sees_the_rows_and_may_end_the_run(rng, train):
    X, y = noisy(rng, 200, 3)
    rows = []

    def callback(row):
        rows.append(row)
        if row.iteration == 8:
            raise StopIteration

    fit = train("moments", X, y, callback=callback)
    assert fit.n_iter == 7
    assert [row.loss for row in rows] == fit.history["loss"].tolist()
    assert [row.coef.tolist() for row in rows] == fit.history["coef"].tolist()
    assert_same_path(fit, train("passes", X, y, max_iter=7))


TOO_LARGE = {
    "X": (np.full((50, 2), 1e200), np.ones(50)),
    "X of 1e308": (np.full((50, 2), 1e308), np.ones(50)),
    "y": (np.arange(100.0).reshape(50, 2), np.full(50, 1e200)),
    # The columns are fine when centred, and not as they are.
    "offset": (
        1e160 * (1 + 1e-12 * np.arange(100.0).reshape(50, 2) ** 2),
        np.arange(50.0),
    ),
}


@pytest.mark.parametrize("data", TOO_LARGE.values(), ids=TOO_LARGE)
@pytest.mark.parametrize("options", [{}, {"learning_rate": 0.1}], ids=str)
def test_what_overflows_ends_in_the_same_error(data, options, monkeypatch):
    errors = []
    for worth_it in METHODS.values():
        monkeypatch.setattr(drivers, "WORTH_IT", worth_it)
        with pytest.raises((ValueError, DivergenceError)) as raised:
            gdfast.train(*data, **options)
        # The first loss beyond all numbers may be inf or what inf - inf is.
        errors.append((raised.type, str(raised.value).replace("nan", "inf")))
    assert errors[0] == errors[1]
    assert "too large " in errors[0][1]


# ------------------------------------------------------------------- memory they need

LARGE = 160_000_000  # bytes of X
MUCH = 10_000_000  # bytes beside it


def peak(*args, **options):
    """Return the method of a run and the largest sum of what it allocated."""
    tracemalloc.start()
    try:
        fit = gdfast.train(*args, max_iter=3, **options)
        return fit.method, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("n_features", "kind"),
    [(1, "float64"), (1, "float32"), (16, "float32"), (16, "memmap"), (500, "float64")],
)
def test_nothing_of_the_size_of_X_is_allocated(
    n_features, kind, monkeypatch, tmp_path, rng
):
    dtype = np.float32 if kind == "float32" else np.float64
    part = 1 if n_features > 16 else 2  # the moments of many columns need room too
    n_samples = LARGE // part // n_features // np.dtype(dtype).itemsize
    if kind == "memmap":  # a file of holes takes no room
        X = np.memmap(tmp_path / "X", dtype, "w+", shape=(n_samples, n_features))
    else:
        X = np.zeros((n_samples, n_features), dtype)
    X[:: n_samples // 1000] = rng.random(n_features)
    y, weight = np.zeros(n_samples, dtype), np.ones(n_samples)
    y[::7] = 1
    gdfast.train(X[:9], y[:9], max_iter=1)  # what NumPy needs for a memmap is loaded
    for method, worth_it in METHODS.items():
        monkeypatch.setattr(drivers, "WORTH_IT", worth_it)
        for options in ({}, {"standardize": True}, {"sample_weight": weight}):
            if options and n_features > 16:
                continue  # adding up such moments takes long
            found, size = peak(X, y, **options)
            assert found == method
            assert size < MUCH / part, (method, options.keys())


def updater(params):
    """Return plain gradient descent."""
    return drivers.Updater(GD(), Penalty(), len(params), len(params))


@pytest.mark.parametrize(("n_features", "rooms"), [(1, 2**19), (724, 1), (725, 0)])
def test_moments_have_room_beside_small_data(n_features, rooms, monkeypatch):
    examples = Examples(np.ones((2, n_features)), np.ones(2))
    assert sums.moment_room(examples) == rooms
    monkeypatch.setattr(drivers, "WORTH_IT", -np.inf)
    loss = LOSSES["squared_error"]()
    tracemalloc.start()
    try:
        with Team(1) as team:
            summation = Summation(loss, examples, team)
            start = np.zeros(n_features + 1)
            driver = drivers.choose(loss, summation, updater(start), start, 10, True)
        size = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert driver.method == ("moments" if rooms else "passes")
    assert size < (MUCH if rooms else MUCH / 100)


def test_moments_may_take_a_part_of_large_data():
    X = np.broadcast_to(np.zeros(1), (10**8, 1000))  # 800 GB that are not there
    assert sums.moment_room(Examples(X, X[:, 0])) == 500


# -------------------------------------------------------------------------- the choice


@pytest.mark.parametrize("needed", [False, True])
def test_more_steps_never_speak_against_moments(needed):
    for n in (1, 30, 1000, 10**6, 10**9):
        for d in (1, 2, 8, 32, 128, 724):
            chosen = [
                drivers.saving(n, d, n_steps, needed) > drivers.WORTH_IT
                for n_steps in (1, 2, 5, 10, 100, 1000, 10**4, 10**6, 10**9)
            ]
            assert chosen == sorted(chosen), (n, d)


@pytest.mark.parametrize(
    ("n_samples", "n_features", "n_steps", "needed", "moments"),
    [
        (30, 1, 20_000, True, False),
        (200, 3, 1000, True, False),
        (7, 1, 1000, False, False),
        (10**6, 32, 1000, False, True),
        (10**6, 32, 1000, True, True),
        (10**6, 1, 100, False, True),
        (10**7, 8, 50, False, True),
        (10**5, 512, 1000, False, True),
        (10**6, 32, 1, False, False),  # one pass reads less than adding moments up
        (100, 700, 10**6, False, False),  # a step costs more than a pass
        (100, 700, 10**6, True, False),
    ],
)
def test_moments_are_for_many_rows_and_steps(
    n_samples, n_features, n_steps, needed, moments
):
    found = drivers.saving(n_samples, n_features, n_steps, needed)
    assert (found > drivers.WORTH_IT) == moments


def test_moments_that_are_there_already_cost_nothing():
    shape = 10**6, 32
    assert drivers.saving(*shape, 5, True) > drivers.saving(*shape, 5, False)
    difference = drivers.saving(*shape, 2, True) - drivers.saving(*shape, 1, True)
    assert drivers.saving(*shape, 1, True) == pytest.approx(difference)


@pytest.mark.parametrize("name", LOSSES)
def test_only_squares_have_moments(rng, name, monkeypatch):
    monkeypatch.setattr(drivers, "WORTH_IT", -np.inf)
    X, y = rng.random((20, 2)), rng.integers(0, 2, 20)
    fit = gdfast.train(X, y, loss=name, learning_rate=0.1, max_iter=2)
    assert fit.method == ("moments" if LOSSES[name].quadratic else "passes")
    assert LOSSES[name].quadratic == name.endswith("squared_error")


def test_the_choice_is_made_from_the_arguments(rng):
    X, y = rng.random((100_000, 3)), rng.random(100_000)
    for max_iter, rate, method in [
        (2, 0.1, "passes"),
        (1000, 0.1, "moments"),
        (1000, "auto", "moments"),
    ]:
        fit = gdfast.train(X, y, max_iter=max_iter, learning_rate=rate)
        assert fit.method == method
    small = gdfast.train(X[:30, :1], y[:30], max_iter=20_000)
    assert small.method == "passes"


# ----------------------------------------------------------------------- the curvature


SYMMETRIC = [
    (0, 0, 0),
    (1, 0, 1),
    (1, 1, 1),
    (5e-324, 0, 5e-324),
    (1e-300, 1e-301, 1e-290),
    (1e300, 1e299, 1e300),
    (1e300, 1, 1e-300),
    (1, 1e-9, 1),
    (1 + 1e-15, 1e-16, 1),
    (1e16, 1e8, 1),
    (3, -2, 0),
]


def largest(a, b, c):
    """Return the largest eigenvalue of [[a, b], [b, c]] in long numbers."""
    a, b, c = (np.longdouble(number) for number in (a, b, c))
    return float((a + c) / 2 + np.hypot((a - c) / 2, b))


@pytest.mark.parametrize("matrix", SYMMETRIC)
def test_two_parameters_have_a_formula(matrix):
    a, b, c = (float(number) for number in matrix)
    found = curvature._largest_eigenvalue(np.array([[a, b], [b, c]]))
    assert found == pytest.approx(largest(a, b, c), rel=5e-16, abs=5e-324)


def test_two_parameters_at_random(rng):
    for _ in range(200):
        factor = rng.standard_normal((2, 2)) * 10.0 ** rng.integers(-5, 6, (2, 1))
        matrix = factor @ factor.T
        found = curvature._largest_eigenvalue(matrix)
        assert found == pytest.approx(np.linalg.eigvalsh(matrix)[-1], rel=4e-15)
        expected = largest(matrix[0, 0], matrix[0, 1], matrix[1, 1])
        assert found == pytest.approx(expected, rel=5e-16)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_matrix_that_overflowed_has_no_eigenvalue(size, value):
    matrix = np.eye(size)
    matrix[0, -1] = matrix[-1, 0] = value
    assert np.isnan(curvature._largest_eigenvalue(matrix))
    matrix = np.eye(size)
    matrix[-1, -1] = value
    assert np.isnan(curvature._largest_eigenvalue(matrix))


@pytest.mark.parametrize("d", [1, 2, 3, 20])
@pytest.mark.parametrize("offset", [0.0, 3.0, 1e6])
@pytest.mark.parametrize(
    ("intercept", "standardize"), [(True, False), (False, False), (True, True)]
)
@pytest.mark.parametrize("name", ["squared_error", "half_squared_error"])
def test_moments_have_the_curvature_of_the_columns(
    rng, train, d, offset, intercept, standardize, name
):
    X, y = noisy(rng, 150, d, offset=offset)
    options = {"fit_intercept": intercept, "standardize": standardize, "loss": name}
    fit = train("moments", X, y, max_iter=3, **options)
    if standardize:
        X = (X - X.mean(axis=0)) / X.std(axis=0)
    rows = np.column_stack([X, np.ones(150)]) if intercept else X
    top = np.linalg.eigvalsh(rows.T @ rows / 150)[-1]
    expected = 2 / (LOSSES[name].max_curvature * top)
    assert fit.max_stable_learning_rate == pytest.approx(expected, rel=1e-9)
    assert fit.learning_rate == fit.max_stable_learning_rate / 2
    again = train("passes", X, y, max_iter=3, **{**options, "standardize": False})
    assert again.max_stable_learning_rate == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("intercept", [False, True])
def test_a_driver_gives_the_moments_of_the_columns_as_they_are(rng, intercept):
    X = rng.standard_normal((50, 4)) + 7
    y = np.zeros(50)
    weight = rng.uniform(0, 2, 50)
    rows = np.column_stack([X, np.ones(50)]) if intercept else X
    with Team(1) as team:
        loss = LOSSES["squared_error"]()
        summation = Summation(loss, Examples(X, y, weight), team)
        params = np.zeros(4 + intercept)
        driver = Moments(loss, summation, updater(params), params)
        assert (driver.center is not None) == intercept
        if intercept:
            np.testing.assert_allclose(driver.center, X.mean(axis=0), rtol=1e-14)
        assert driver.values_per_step == len(params) ** 2
        assert Passes(summation, updater(params)).values_per_step == 50 * 5
        moment = driver.second_moment()
    expected = (rows.T * weight) @ rows / weight.sum()
    np.testing.assert_allclose(moment, expected, rtol=1e-13)
