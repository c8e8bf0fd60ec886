"""A run that goes on from a fit, against one that never stopped."""

import pickle

import numpy as np
import pytest

import gdfast
from gdfast import drivers, schedules
from gdfast.optimizers import OPTIMIZERS, Momentum

METHODS = {"moments": -np.inf, "passes": np.inf}


@pytest.fixture
def data(rng):
    X = rng.standard_normal((90, 4)) * (1.0, 0.3, 2.0, 1.0) + 0.5
    y = X @ (1.0, -2.0, 0.5, 0.0) + 1 + 0.1 * rng.standard_normal(90)
    return X, y


def assert_goes_on(X, y, first, second, **options):
    """Compare two runs, one that resumes the other, with a single one."""
    options = {"history": "full", **options}
    whole = gdfast.train(X, y, max_iter=first + second, **options)
    begun = gdfast.train(X, y, max_iter=first, **options)
    rows = begun.history.array.copy()
    ended = gdfast.train(X, y, max_iter=second, resume=begun, **options)
    assert ended.method == whole.method
    assert ended.n_iter == first + second
    assert ended.coef.tobytes() == whole.coef.tobytes()
    assert ended.intercept == whole.intercept
    assert ended.learning_rate == whole.learning_rate
    seen = whole.history.array[first:]
    assert ended.history.array.tobytes() == seen.tobytes()
    assert begun.history.array.tobytes() == rows.tobytes()
    return begun, ended


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("first", "second"), [(1, 1), (13, 30), (200, 300)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"penalty": "elasticnet", "alpha": 0.1, "bounds": (-1, 0.8)},
        {"standardize": True, "fit_intercept": False},
    ],
    ids=str,
)
def test_it_goes_on_as_if_it_had_not_stopped(
    data, method, optimizer, first, second, options, monkeypatch
):
    monkeypatch.setattr(drivers, "WORTH_IT", METHODS[method])
    assert_goes_on(*data, first, second, optimizer=optimizer, **options)


@pytest.mark.parametrize("loss", ["log_loss", "huber", "poisson", "hinge"])
def test_every_loss_goes_on(data, loss):
    X, y = data
    y = (y > np.median(y)).astype(float)
    rate = schedules.InvScaling(0.1) if loss == "hinge" else "auto"
    assert_goes_on(X, y, 20, 25, loss=loss, learning_rate=rate)


@pytest.mark.parametrize("optimizer", ["gd", "accelerated"])
def test_backtracking_goes_on(data, optimizer):
    options = {"learning_rate": "backtracking", "optimizer": optimizer}
    assert_goes_on(*data, 1, 1, **options)
    assert_goes_on(*data, 17, 25, **options)


def test_a_nearly_perfect_fit_goes_on_from_another_origin(data, monkeypatch):
    monkeypatch.setattr(drivers, "WORTH_IT", -np.inf)
    X, _ = data
    y = X @ (1.0, -2.0, 0.5, 0.0)
    begun, _ = assert_goes_on(X, y, 2000, 300, optimizer="accelerated")
    assert not begun.state.carried[-1]  # a pass made it


@pytest.mark.parametrize(
    "schedule", [schedules.Cosine(0.05, 40), lambda t: 0.1 / t], ids=["cosine", "1/t"]
)
def test_the_numbers_of_steps_go_on(data, schedule):
    assert_goes_on(*data, 11, 20, learning_rate=schedule)


def test_rows_and_callbacks_are_numbered_on(data):
    X, y = data
    begun = gdfast.train(X, y, max_iter=7)
    rows = []
    ended = gdfast.train(X, y, max_iter=3, resume=begun, callback=rows.append)
    assert [row.iteration for row in rows] == [8, 9, 10, 11]
    assert ended.history["iteration"].tolist() == [8, 9, 10, 11]


def test_many_short_runs_are_a_long_one(data):
    X, y = data
    fit = gdfast.train(X, y, optimizer="adam", max_iter=5)
    for _ in range(9):
        fit = gdfast.train(X, y, optimizer="adam", max_iter=5, resume=fit)
    whole = gdfast.train(X, y, optimizer="adam", max_iter=50)
    assert fit.coef.tobytes() == whole.coef.tobytes()


BATCHES = {"batch_size": 7, "learning_rate": 0.01, "random_state": 3}


@pytest.mark.parametrize("optimizer", ["gd", "nesterov", "adam"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("average", [False, True, 50])
@pytest.mark.parametrize("stored", [False, True])
def test_batches_go_on(data, optimizer, shuffle, average, stored):
    X, y = data
    if stored:
        X = pytest.importorskip("scipy.sparse").csr_array(X)
    options = BATCHES | {"optimizer": optimizer, "shuffle": shuffle}
    for first, second in ((1, 1), (3, 5), (20, 30)):
        assert_goes_on(X, y, first, second, average=average, **options)


def test_the_rates_of_batches_go_on(data):
    options = BATCHES | {"learning_rate": schedules.InvScaling(0.05)}
    assert_goes_on(*data, 4, 9, **options)


def test_batches_with_rows_held_out_go_on(data):
    options = BATCHES | {"early_stopping": True, "n_iter_no_change": 99}
    assert_goes_on(*data, 4, 9, **options)


@pytest.mark.parametrize("kind", ["PCG64", "MT19937", "Philox", "SFC64", "PCG64DXSM"])
@pytest.mark.parametrize("average", [False, 20])
def test_a_saved_run_on_batches_goes_on(data, kind, average, tmp_path):
    X, y = data
    options = BATCHES | {"average": average}

    def train(max_iter, seed=1, **more):
        rng = np.random.Generator(getattr(np.random, kind)(seed))
        given = options | {"random_state": rng, "max_iter": max_iter} | more
        return gdfast.train(X, y, **given), rng

    whole, expected = train(25)
    begun, _ = train(10)
    begun.save(tmp_path / "fit")
    for same in (gdfast.load(tmp_path / "fit"), pickle.loads(pickle.dumps(begun))):
        ended, rng = train(15, seed=2, resume=same)
        assert ended.coef.tobytes() == whole.coef.tobytes()
        assert ended.loss == whole.loss
        np.testing.assert_equal(rng.bit_generator.state, expected.bit_generator.state)


@pytest.mark.parametrize("average", [False, True])
def test_an_epoch_more_after_none_is_the_first_one(data, average):
    X, y = data

    def interrupted(_):
        raise StopIteration

    begun = gdfast.train(X, y, callback=interrupted, average=average, **BATCHES)
    assert begun.n_iter == 0
    ended = gdfast.train(X, y, resume=begun, max_iter=3, average=average, **BATCHES)
    whole = gdfast.train(X, y, max_iter=3, average=average, **BATCHES)
    assert ended.coef.tobytes() == whole.coef.tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": None}, "resume must be given with batch_size if it was"),
        ({"batch_size": 8}, "resume was trained with batch_size=7, .* got 8"),
        ({"shuffle": False}, "resume was trained with shuffle=True, .* got False"),
        ({"random_state": 4}, "resume was trained with another random_state, which"),
        ({"average": 5}, "resume was trained with average=0, which must be given"),
        (
            {"random_state": np.random.Generator(np.random.SFC64(1))},
            "random_state must be a generator of the kind that resume .* PCG64; got SF",
        ),
    ],
)
def test_other_batches_are_refused(data, options, message):
    begun = gdfast.train(*data, max_iter=3, **BATCHES)
    with pytest.raises(ValueError, match=message):
        gdfast.train(*data, resume=begun, **(BATCHES | options))


@pytest.mark.parametrize("batch_size", [None, 9])
@pytest.mark.parametrize("given", ["number", "generator", "none", "other"])
def test_the_same_rows_are_held_out(data, batch_size, given, tmp_path):
    options = {"batch_size": batch_size, "learning_rate": 0.01, "early_stopping": True}
    options |= {"validation_fraction": 0.3, "n_iter_no_change": 99}
    whole = gdfast.train(*data, max_iter=20, random_state=5, **options)
    rng = np.random.default_rng(5)
    state = {
        "number": 5,
        "generator": rng,
        "none": None,
        "other": np.random.default_rng(6),
    }
    first = 5 if given == "none" else rng
    begun = gdfast.train(*data, max_iter=8, random_state=first, **options)
    begun.save(tmp_path / "fit")
    for same in (begun, gdfast.load(tmp_path / "fit")):
        options["random_state"] = state[given]
        ended = gdfast.train(*data, max_iter=12, resume=same, **options)
        assert ended.coef.tobytes() == whole.coef.tobytes()
        assert ended.loss == whole.loss
    onwards = gdfast.train(*data, max_iter=1, resume=ended, **options)
    assert onwards.n_iter == 21


def test_a_run_from_no_number_goes_on(data):
    options = BATCHES | {"random_state": None, "early_stopping": True}
    begun = gdfast.train(*data, max_iter=3, **options)
    ended, again = (
        gdfast.train(*data, max_iter=4, resume=begun, **options) for _ in range(2)
    )
    assert ended.coef.tobytes() == again.coef.tobytes()
    with pytest.raises(ValueError, match="another random_state, .* or None"):
        gdfast.train(*data, resume=begun, **(options | {"random_state": 0}))


@pytest.mark.parametrize("batch_size", [None, 9])
def test_other_rows_held_out_are_refused(data, batch_size):
    options = {"batch_size": batch_size, "learning_rate": 0.01, "early_stopping": True}
    options["random_state"] = 3
    begun = gdfast.train(*data, max_iter=3, **options)
    with pytest.raises(ValueError, match="with validation_fraction=0.1, .* got 0.2"):
        gdfast.train(*data, resume=begun, validation_fraction=0.2, **options)
    with pytest.raises(ValueError, match="resume was trained with another random_s"):
        gdfast.train(*data, resume=begun, **(options | {"random_state": 4}))


def test_a_number_that_nothing_is_drawn_from_may_be_any(data):
    begun = gdfast.train(*data, max_iter=3, random_state=1)
    assert gdfast.train(*data, max_iter=3, random_state=2, resume=begun).n_iter == 6


def test_batches_do_not_go_on_from_passes(data):
    begun = gdfast.train(*data, max_iter=3)
    with pytest.raises(ValueError, match="resume must be given with batch_size if it"):
        gdfast.train(*data, resume=begun, **BATCHES)


@pytest.mark.parametrize("optimizer", ["gd", Momentum(0.5), "adam"])
@pytest.mark.parametrize("learning_rate", ["auto", "backtracking"])
def test_a_saved_fit_goes_on(data, optimizer, learning_rate, tmp_path, monkeypatch):
    if learning_rate == "backtracking" and optimizer != "gd":
        optimizer = "accelerated"
    X, y = data
    options = {"optimizer": optimizer, "learning_rate": learning_rate}
    for method in METHODS:
        monkeypatch.setattr(drivers, "WORTH_IT", METHODS[method])
        begun = gdfast.train(X, y, max_iter=20, **options)
        begun.save(tmp_path / "fit")
        ended = gdfast.train(X, y, max_iter=20, resume=begun, **options)
        for same in (
            gdfast.load(tmp_path / "fit"),
            pickle.loads(pickle.dumps(begun)),
        ):
            found = gdfast.train(X, y, max_iter=20, resume=same, **options)
            assert found.coef.tobytes() == ended.coef.tobytes()


def test_sparse_rows_go_on(data):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = data
    assert_goes_on(sparse.csr_array(X * (X > 0.5)), y, 9, 20, optimizer="nesterov")


def test_other_data_are_seen_as_they_are(data, monkeypatch):
    monkeypatch.setattr(drivers, "WORTH_IT", -np.inf)
    X, y = data
    begun = gdfast.train(X, y, max_iter=50)
    ended = gdfast.train(2 * X, y + 1, max_iter=3000, resume=begun)
    expected = np.linalg.lstsq(np.column_stack([2 * X, np.ones(90)]), y + 1, rcond=None)
    np.testing.assert_allclose(ended.coef, expected[0][:4], atol=1e-6)


def test_an_interrupted_run_goes_on(data):
    X, y = data

    def callback(row):
        return row.iteration > 30

    begun = gdfast.train(X, y, optimizer="adam", callback=callback)
    ended = gdfast.train(X, y, optimizer="adam", max_iter=20, resume=begun)
    whole = gdfast.train(X, y, optimizer="adam", max_iter=50)
    assert ended.coef.tobytes() == whole.coef.tobytes()


def test_a_resume_that_does_not_fit_is_named(data):
    X, y = data
    fit = gdfast.train(X, y, max_iter=5)
    for value in (fit.coef, "fit", 3):
        with pytest.raises(TypeError, match="resume must be a fit, got"):
            gdfast.train(X, y, resume=value)
    with pytest.raises(ValueError, match="resume takes the place of coef_init"):
        gdfast.train(X, y, resume=fit, coef_init=fit.coef)
    for options in (
        {"optimizer": "adam"},
        {"standardize": True},
        {"fit_intercept": False},
        {"learning_rate": "backtracking"},
    ):
        with pytest.raises(ValueError, match="^resume "):
            gdfast.train(X, y, resume=fit, **options)
    with pytest.raises(ValueError, match="^resume has 4 coefficients"):
        gdfast.train(X[:, :3], y, resume=fit)
    other = gdfast.train(X, y, max_iter=5, learning_rate="backtracking")
    with pytest.raises(ValueError, match='^resume must be given with "backtracking"'):
        gdfast.train(X, y, resume=other)
