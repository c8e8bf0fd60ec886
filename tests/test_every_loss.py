"""Training with every loss: what it takes and refuses, the optimum, what is said."""

import copy
import dataclasses
import math
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.linear_model import PoissonRegressor, QuantileRegressor

import gdfast
from gdfast import ConvergenceWarning, DivergenceError, fit, losses
from gdfast.losses import LOSSES, Domain
from gdfast.stopping import Monitor, Reason, Tolerances

# "multinomial" has no single output; its tests are in test_outputs.py.
SINGLE = {k: loss for k, loss in LOSSES.items() if loss.domain is not Domain.CLASS}
BOUNDED = [name for name, loss in SINGLE.items() if loss.max_curvature < math.inf]
UNBOUNDED = [name for name in SINGLE if name not in BOUNDED]
KINKED = [name for name, loss in LOSSES.items() if not loss.smooth]
OF_LABELS = [name for name, loss in LOSSES.items() if loss.domain is Domain.BINARY]

# The mean loss, written without a look at gdfast's.
MEANS = {
    "squared_error": lambda z, y: np.mean((y - z) ** 2),
    "half_squared_error": lambda z, y: np.mean((y - z) ** 2) / 2,
    "log_loss": lambda z, y: np.mean(np.logaddexp(0, z) - y * z),
    "huber": lambda z, y: np.mean(
        np.where(abs(y - z) < 0.1, (y - z) ** 2 / 2, 0.1 * abs(y - z) - 0.005)
    ),
    "epsilon_insensitive": lambda z, y: np.mean(np.fmax(abs(y - z) - 0.1, 0)),
    "squared_epsilon_insensitive": lambda z, y: np.mean(
        np.fmax(abs(y - z) - 0.1, 0) ** 2
    ),
    "quantile": lambda z, y: np.mean(abs(y - z)) / 2,
    "poisson": lambda z, y: np.mean(np.exp(z) - y * z),
    "hinge": lambda z, y: np.mean(np.fmax(1 - np.where(y, z, -z), 0)),
    "squared_hinge": lambda z, y: np.mean(np.fmax(1 - np.where(y, z, -z), 0) ** 2),
    "modified_huber": lambda z, y: np.mean(
        np.where(
            np.where(y, z, -z) < -1,
            -4 * np.where(y, z, -z),
            np.fmax(1 - np.where(y, z, -z), 0) ** 2,
        )
    ),
    "perceptron": lambda z, y: np.mean(np.fmax(-np.where(y, z, -z), 0)),
}


def data(rng, name, n=200, d=3):
    """Return rows and targets that a loss takes, with an optimum."""
    X = rng.standard_normal((n, d)) + 0.5
    z = X @ rng.uniform(-1, 1, d) - 0.3
    match LOSSES[name].domain:
        case Domain.REAL:
            return X, z + rng.standard_normal(n)
        case Domain.NON_NEGATIVE:
            return X, rng.poisson(np.exp(z)).astype(float)
    return X, (z + rng.logistic(size=n) > 0).astype(float)


def train(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return gdfast.train(*args, **options)


# ------------------------------------------------------------------- names and classes


def test_the_numbers_are_those_of_the_kernel():
    assert [loss.kind for loss in LOSSES.values()] == list(range(len(LOSSES)))
    assert [loss.name for loss in LOSSES.values()] == list(LOSSES)
    assert list(SINGLE) == list(MEANS)
    for loss in LOSSES.values():
        assert getattr(losses, loss.__name__) is loss
        assert loss.quadratic <= loss.smooth
        assert loss.smooth or loss.max_curvature == math.inf


@pytest.mark.parametrize("name", SINGLE)
def test_a_name_stands_for_the_loss_with_its_usual_parameter(rng, name):
    X, y = data(rng, name)
    found, expected = (
        train(X, y, loss=loss, learning_rate=0.01, max_iter=20)
        for loss in (name, LOSSES[name]())
    )
    assert found.coef.tobytes() == expected.coef.tobytes()
    assert found.loss_name == expected.loss_name == name
    assert found.loss_params == expected.loss_params == LOSSES[name]().params


@pytest.mark.parametrize("name", ["Huber", "", "absolute_error", "hinge "])
def test_an_unknown_name_is_an_error_that_lists_all(name):
    with pytest.raises(ValueError, match=r"^loss must be one of ") as raised:
        gdfast.train([1.0, 2.0], [1.0, 2.0], loss=name)
    for known in LOSSES:
        assert repr(known) in str(raised.value)
    assert str(raised.value).endswith(f"got {name!r}")


@pytest.mark.parametrize("loss", [None, 3, losses.Huber, losses.Loss(), ["huber"]])
def test_what_is_no_loss_is_an_error_that_lists_all(loss):
    for function in (gdfast.loss, gdfast.gradient):
        with pytest.raises(TypeError, match=r"^loss must be one of .*'huber'"):
            function([1.0, 2.0], [1.0, 2.0], 1.0, loss=loss)
    with pytest.raises(TypeError, match=r"^loss must be one of .*'huber'"):
        gdfast.train([1.0, 2.0], [1.0, 2.0], loss=loss)


def test_losses_are_there_when_gdfast_is_imported():
    code = "import gdfast; loss = gdfast.losses.Huber(2); print(loss)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "Huber(epsilon=2.0)\n"


PARAMETERS = {"epsilon": [losses.EpsilonInsensitive, losses.Huber], "quantile": []}
PARAMETERS["epsilon"].append(losses.SquaredEpsilonInsensitive)
PARAMETERS["quantile"].append(losses.Quantile)
CASES = [(loss, name) for name, found in PARAMETERS.items() for loss in found]


@pytest.mark.parametrize(("loss", "name"), CASES)
def test_parameters_are_numbers_of_their_range(loss, name):
    for wrong in (-0.1, math.nan, math.inf, -math.inf, -5e-324):
        with pytest.raises(ValueError, match=rf"^{name} must be a finite number .*got"):
            loss(**{name: wrong})
    for wrong in ("0.1", None, True, [0.1]):
        with pytest.raises(TypeError, match=f"^{name} must be a number, got"):
            loss(**{name: wrong})
    made = loss(**{name: np.float32(0.25)})
    assert made == loss(0.25)
    assert type(getattr(made, name)) is float
    assert made.params == {name: 0.25}
    assert made.param == 0.25
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, name, 1.0)
    assert copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made


def test_the_bounds_of_parameters():
    assert losses.EpsilonInsensitive(0).param == 0
    assert losses.SquaredEpsilonInsensitive(0).param == 0
    with pytest.raises(ValueError, match=r"^epsilon must be .* greater than 0, got 0"):
        losses.Huber(epsilon=0)
    assert losses.Huber(5e-324).param == 5e-324
    for wrong in (0, 1, 1.5):
        with pytest.raises(ValueError, match=r"^quantile must be "):
            losses.Quantile(wrong)


@pytest.mark.parametrize(
    ("name", "found"),
    [("huber", 0.1), ("quantile", 0.5), ("epsilon_insensitive", 0.1), ("hinge", 0.0)],
)
def test_the_usual_parameters_are_those_of_scikit_learn(name, found):
    assert LOSSES[name]().param == found


# -------------------------------------------------------------------------- the targets

OUTSIDE = {
    "log_loss": ("from 0 to 1", [-1, 1.5, -5e-324, 1e300]),
    "poisson": ("0 or more", [-1, -5e-324, -1e300]),
    **{name: ("0 or 1", [-1, 2, 0.5, 5e-324, 1 - 1e-16]) for name in OF_LABELS},
}
CALLS = {
    "train": lambda X, y, loss: gdfast.train(X, y, loss=loss, learning_rate=1e-3),
    "loss": lambda X, y, loss: gdfast.loss(X, y, [1.0], loss=loss),
    "gradient": lambda X, y, loss: gdfast.gradient(X, y, [1.0], loss=loss),
}


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_targets_outside_the_domain_are_an_error_that_names_the_place(call, name):
    domain, wrong = OUTSIDE.get(name, ("", []))
    X = np.ones((3, 1))
    for value in wrong:
        with pytest.raises(ValueError, match=f"^y must be {domain} ") as raised:
            call(X, [0.0, 0.0, value], name)
        message = f"y must be {domain} for the loss {name!r}, got {float(value)} at [2]"
        assert str(raised.value).partition(";")[0] == message
    if not wrong:
        call(X, [-1e3, 0.5, 1e3], name)
    call(X, [0.0, 1.0, -0.0], name)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_missing_targets_are_an_error_of_their_own(call, name, wrong):
    with pytest.raises(ValueError, match=r"^y has an? .*at \[1\]"):
        call(np.ones((3, 1)), [0.0, wrong, 1.0], name)


def test_a_target_far_down_is_found(rng):
    y = rng.integers(0, 2, 200_000)
    y[[150_000, 150_001]] = [-1, 7]
    with pytest.raises(ValueError, match=r"got -1.0 at \[150000\]$"):
        gdfast.loss(np.ones(200_000), y, 0.5, loss="hinge")


@pytest.mark.parametrize("name", OF_LABELS)
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float32])
def test_labels_of_any_type(rng, name, dtype):
    X, y = data(rng, name)
    options = {"loss": name, "learning_rate": 0.01, "max_iter": 20}
    expected, found = train(X, y, **options), train(X, y.astype(dtype), **options)
    assert found.coef.tobytes() == expected.coef.tobytes()


# --------------------------------------------------------------------- what is computed


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("standardize", [False, True])
def test_loss_and_gradient_are_those_of_the_formula(rng, name, standardize):
    X, y = data(rng, name)
    fit = train(
        *(X, y), loss=name, learning_rate=0.05, max_iter=7, standardize=standardize
    )
    params = np.array([*fit.coef, fit.intercept])

    def mean(params):
        return MEANS[name](X @ params[:-1] + params[-1], y)

    assert fit.loss == pytest.approx(mean(params), rel=1e-13)
    assert gdfast.loss(X, y, fit.coef, fit.intercept, loss=name) == pytest.approx(
        fit.loss, rel=1e-13
    )
    coef, intercept = gdfast.gradient(X, y, fit.coef, fit.intercept, loss=name)
    for got, step in zip([*coef, intercept], np.eye(4) * 1e-6, strict=True):
        difference = (mean(params + step) - mean(params - step)) / 2e-6
        assert got == pytest.approx(difference, abs=1e-7)


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
def test_auto_never_rises(rng, name, scale):
    X, y = data(rng, name)
    fit = gdfast.train(X * scale, y, loss=name, max_iter=3000)
    loss = fit.history["loss"]
    assert (np.diff(loss) <= 1e-15 * loss[0]).all()
    rows = np.column_stack([X * scale, np.ones(len(X))])
    top = np.linalg.eigvalsh(rows.T @ rows / len(X))[-1]
    expected = 2 / (LOSSES[name].max_curvature * top)
    assert fit.max_stable_learning_rate == pytest.approx(expected, rel=1e-9)
    assert fit.learning_rate == pytest.approx(expected / 2, rel=1e-9)


@pytest.mark.parametrize("name", BOUNDED)
def test_the_optimum_is_that_of_a_general_minimiser(rng, name):
    optimize = pytest.importorskip("scipy.optimize")
    X, y = data(rng, name)
    fit = gdfast.train(X, y, loss=name, gtol=1e-8, max_iter=200_000)
    assert fit.converged
    found = optimize.minimize(
        lambda p: MEANS[name](X @ p[:-1] + p[-1], y), np.zeros(4), tol=1e-9
    )
    assert fit.loss <= found.fun + 1e-12
    np.testing.assert_allclose([*fit.coef, fit.intercept], found.x, atol=1e-4)


def test_poisson_regression_is_that_of_scikit_learn(rng):
    X, y = data(rng, "poisson")
    fit = gdfast.train(
        X, y, loss="poisson", learning_rate=0.1, gtol=1e-10, max_iter=100_000
    )
    model = PoissonRegressor(alpha=0, tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(fit.coef, model.coef_, atol=1e-6)
    assert fit.intercept == pytest.approx(model.intercept_, abs=1e-6)
    np.testing.assert_allclose(np.exp(fit.predict(X)), model.predict(X), rtol=1e-5)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_regression_comes_near_that_of_scikit_learn(rng, quantile):
    X, y = data(rng, "quantile")
    loss = losses.Quantile(quantile)
    fit = train(X, y, loss=loss, learning_rate=0.01, max_iter=20_000)
    model = QuantileRegressor(quantile=quantile, alpha=0).fit(X, y)
    best = gdfast.loss(X, y, model.coef_, model.intercept_, loss=loss)
    assert best <= fit.loss <= best * (1 + 1e-3)
    assert np.mean(y <= fit.predict(X)) == pytest.approx(quantile, abs=0.03)


def test_outliers_pull_huber_less(rng):
    X = rng.standard_normal((200, 1))
    y = 2 * X[:, 0] + 1
    y[:20] += 1000
    square = gdfast.train(X, y)
    fit = gdfast.train(X, y, loss=losses.Huber(1.35), max_iter=20_000)
    assert abs(fit.intercept - 1) < 0.3 < abs(square.intercept - 1)


# ------------------------------------------------------------------- rates and the end


@pytest.mark.parametrize("name", KINKED)
def test_auto_needs_a_largest_curvature(rng, name):
    with pytest.raises(ValueError, match=f"^learning_rate must be .*{name!r}"):
        gdfast.train(*data(rng, name), loss=name)
    with pytest.raises(ValueError, match="is for losses without a kink"):
        gdfast.train(*data(rng, name), loss=name, learning_rate="backtracking")
    assert gdfast.train(*data(rng, name), loss=name, optimizer="adam").n_iter == 1000


def test_auto_backtracks_where_curvature_has_no_bound(rng):
    X, y = data(rng, "poisson")
    for optimizer in ("gd", "accelerated"):
        options = {"loss": "poisson", "optimizer": optimizer, "max_iter": 200}
        fit = gdfast.train(X, y, **options)
        same = gdfast.train(X, y, learning_rate="backtracking", **options)
        assert fit.coef.tobytes() == same.coef.tobytes()
        rises = np.diff(fit.history["loss"]).max()
        assert rises <= 1e-14 or optimizer != "gd"
    with pytest.raises(ValueError, match="^learning_rate must be given .* Pass a num"):
        gdfast.train(X, y, loss="poisson", optimizer="nesterov")


@pytest.mark.parametrize("name", UNBOUNDED)
def test_no_rate_is_called_stable_where_none_is(rng, name):
    fit = train(*data(rng, name), loss=name, learning_rate=0.01, max_iter=5)
    assert fit.max_stable_learning_rate is None
    assert "stable" not in str(fit)


@pytest.mark.parametrize("name", KINKED)
@pytest.mark.parametrize("rate", [1e-3, 1.0, 3.0])
def test_steps_to_and_fro_over_a_kink_are_no_divergence(rng, name, rate):
    fit = train(*data(rng, name), loss=name, learning_rate=rate, max_iter=300)
    assert fit.n_iter == 300
    if fit.history["loss"][-1] >= fit.history["loss"][-2]:
        assert "the loss no longer falls" in fit.stop_reason
        assert "a smaller learning_rate" in fit.stop_reason


@pytest.mark.parametrize("name", sorted({*KINKED} - {"perceptron"}))
def test_steps_far_too_long_are_a_divergence_with_a_kink_too(rng, name):
    with pytest.raises(gdfast.DivergenceError, match="is too large"):
        train(*data(rng, name), loss=name, learning_rate=1e6, max_iter=300)


@pytest.mark.parametrize("zero", [1.0, 40.0, 0.0])
def test_rises_of_a_loss_with_a_kink_prove_nothing_near_its_start(zero):
    trace = np.ones((50, 3))
    trace[:, 0] = 1 + np.arange(50) / 6  # up to 9.2
    for falls, stop in ((True, (10, Reason.DIVERGED)), (False, None)):
        monitor = Monitor(Tolerances(), np.full(3, zero), falls)
        assert monitor.check(trace) == stop
        assert monitor.ended_above(trace[-1, 0]) == falls
        assert monitor.ended_above(1000.0)
    trace[:, 0] = 1.2 ** np.arange(50)
    first = int((trace[:, 0] > 10 * max(zero, 1)).argmax())
    stop = (first, Reason.DIVERGED)
    assert Monitor(Tolerances(), np.full(3, zero), False).check(trace) == stop
    trace[0, 0] = 0.0  # as of a perceptron: then the first losses are the measure
    measure = zero or trace[:10, 0].max()
    first = int((trace[:, 0] > 10 * measure).argmax())
    stop = (first, Reason.DIVERGED)
    for size in (1, 7, 50):
        monitor = Monitor(Tolerances(), np.full(3, zero), False)
        parts = [trace[k : k + size] for k in range(0, 50, size)]
        found = [(monitor.check(part), k * size) for k, part in enumerate(parts)]
        stops = [(at + found.n_steps, found.reason) for found, at in found if found]
        assert stops[0] == stop
    trace[:, 0] = 1.0
    trace[30, 0] = np.inf
    monitor = Monitor(Tolerances(), np.full(3, zero), False)
    assert monitor.check(trace) == (30, Reason.DIVERGED)


def test_a_perceptron_learns_what_a_line_divides(rng):
    X = rng.uniform(-1, 1, (100, 2))
    y = X @ [1.0, -2.0] > 0.1
    fit = gdfast.train(X, y, loss="perceptron", learning_rate=1.0, max_iter=1000)
    assert ((fit.predict(X) > 0) == y).all()
    assert fit.loss == 0
    assert fit.history["loss"][0] == 0  # a model of zeros is no better than one
    assert fit.history["loss"].max() > 0


@pytest.mark.parametrize("rate", [1.0, 1e3, 1e300])
@pytest.mark.parametrize("standardize", [False, True])
def test_a_rate_too_large_for_poisson_is_said(rng, rate, standardize):
    X, y = data(rng, "poisson")
    with pytest.raises(DivergenceError) as raised:
        gdfast.train(
            *(X * 10, y * 10),
            loss="poisson",
            learning_rate=rate,
            standardize=standardize,
        )
    message = str(raised.value)
    assert f"learning_rate={rate:g} is too large. Pass a smaller one" in message
    assert "auto" not in message
    assert ("standardize=True" in message) == (not standardize)


def test_a_loss_below_zero_ends_in_words(rng):
    X, y = data(rng, "poisson")
    options = {"loss": "poisson", "learning_rate": 1e-5}
    fit = train(X, y * 1000, **options, max_iter=100)
    before, after = fit.history["loss"][-2:]
    assert after < before < 0
    assert f"the last one lowered the loss by {before - after:.2g}." in fit.stop_reason
    fit = train(X, y * 1000, **options, max_iter=20_000)  # until rounding is left
    assert fit.loss < -1000
    assert "Gradient descent can do no more here" in fit.stop_reason


@pytest.mark.parametrize(("rise", "diverged"), [(0.1, False), (1e6, True)])
def test_rounding_is_judged_by_a_loss_far_from_that_of_zeros(rise, diverged):
    # Counts of 1e11: the loss of zeros is 1, and rounding a part of 1e12.
    trace = np.ones((20, 3))
    trace[1:, 0] = -1e12 + rise * np.arange(19)
    monitor = Monitor(Tolerances(), None)
    stop = monitor.check(trace)
    assert (stop is not None) == diverged
    assert stop is None or stop == (11, Reason.DIVERGED)
    trace[0, 0] = trace[1, 0]
    monitor = Monitor(Tolerances(), np.ones(3))
    monitor.check(trace[:1])
    assert monitor.ended_above(trace[-1, 0]) == diverged


def test_ftol_takes_a_part_of_a_loss_below_zero(rng):
    X, y = data(rng, "poisson")
    fit = gdfast.train(
        X, y * 1000, loss="poisson", learning_rate=1e-5, ftol=1e-6, max_iter=20_000
    )
    assert fit.converged
    loss = fit.history["loss"]
    fall = (loss[:-1] - loss[1:]) / abs(loss[:-1])
    assert fall[-1] < 1e-6
    assert (fall[:-1] >= 1e-6).all()


@pytest.mark.parametrize("name", BOUNDED)
def test_a_rate_too_large_names_the_largest_stable_one(rng, name):
    X, y = data(rng, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            fit = gdfast.train(X, y, loss=name, learning_rate=1e4, max_iter=100)
        except DivergenceError as error:
            fit = error.fit
    assert f"stable one, {fit.max_stable_learning_rate:.6g}" in fit.stop_reason


@pytest.mark.parametrize("name", ["squared_error", "poisson", "squared_hinge"])
def test_a_start_beyond_all_numbers_names_the_loss(name):
    with pytest.raises(
        ValueError, match=f"^coef_init.* too large for the loss {name!r}"
    ):
        gdfast.train(
            [1.0, 2.0], [0.0, 1.0], loss=name, learning_rate=0.1, coef_init=[1e200]
        )


# ----------------------------------------------------------------- what a fit remembers


@pytest.mark.parametrize("loss", [losses.Huber(1.35), losses.Quantile(0.9)], ids=str)
def test_a_fit_keeps_the_parameter_of_its_loss(rng, loss, tmp_path):
    X, y = data(rng, loss.name)
    found = train(X, y, loss=loss, learning_rate=0.01, max_iter=5)
    found.save(tmp_path / "fit")
    for same in (found, gdfast.load(tmp_path / "fit"), copy.deepcopy(found)):
        assert same.loss_name == loss.name
        assert same.loss_params == loss.params
        assert LOSSES[same.loss_name](**same.loss_params) == loss
    name, value = next(iter(loss.params.items()))
    assert f"loss ({loss.name}, {name}={value:g})  " in str(found)


def test_a_fit_of_an_older_version_has_no_parameter(rng, tmp_path, monkeypatch):
    # Files and pickles of the time when no loss had one.
    found = train(*data(rng, "log_loss"), loss="log_loss", max_iter=5)
    whole = fit.Fit.__getstate__

    def older(self):
        return {k: v for k, v in whole(self).items() if k != "loss_params"}

    monkeypatch.setattr(fit.Fit, "__getstate__", older)
    found.save(tmp_path / "fit")
    pickled = pickle.dumps(found)
    assert gdfast.load(tmp_path / "fit").loss_params == {}
    assert pickle.loads(pickled).loss_params == {}


# -------------------------------------------------------------------------- the command


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "gdfast", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


@pytest.fixture
def table(tmp_path, rng):
    path = tmp_path / "rows.csv"
    X, y = data(rng, "huber", n=40, d=1)
    rows = np.column_stack([X, y, y > 0])
    np.savetxt(path, rows, delimiter=",", header="x,y,label", comments="")
    return path


def test_the_command_trains_with_a_parameter(table, tmp_path):
    arguments = ["fit", table, "--target", "y", "--features", "x"]
    model = tmp_path / "model"
    done = command(*arguments, "--loss", "huber", "--epsilon", 1.35, "--save", model)
    assert done.returncode == 0, done.stderr
    assert "loss (huber, epsilon=1.35)" in done.stdout
    assert gdfast.load(model).loss_params == {"epsilon": 1.35}
    options = ["--loss", "quantile", "--quantile", 0.9, "--learning-rate", 0.1]
    done = command(*arguments, *options)
    assert "loss (quantile, quantile=0.9)" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epsilon", 1], "--epsilon is no option of the loss 'squared_error'"),
        (["--loss", "hinge", "--quantile", 0.1], "--quantile is no option of the loss"),
        (["--loss", "huber", "--epsilon", 0], "--epsilon must be a finite number gre"),
        (["--loss", "huber", "--epsilon", "nan"], "--epsilon must be a finite number"),
        (["--loss", "huber", "--epsilon", "big"], "--epsilon: invalid float value"),
        (["--loss", "quantile", "--quantile", 1], "--quantile must be less than 1"),
    ],
)
def test_the_command_refuses_a_wrong_parameter(table, options, message):
    done = command("fit", table, "--target", "y", *options)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_command_asks_for_a_rate(table):
    arguments = ["fit", table, "--target", "label", "--loss", "hinge"]
    done = command(*arguments)
    assert done.returncode == 1
    assert "--learning-rate must be given for the loss 'hinge'" in done.stderr
    assert command(*arguments, "--learning-rate", 0.1).returncode == 0
    shown = command("fit", "--help").stdout
    assert all(name in shown for name in LOSSES)
