"""What a run returns: predictions, the file it is kept in, and its summary."""

import copy
import dataclasses
import gc
import hashlib
import pickle
import re
import subprocess
import sys
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gdfast
from gdfast import DivergenceError, Fit, History, descent, drivers, outcome, rates
from gdfast import fit as fit_module

X = np.array([[1.0, 8.0], [2.0, 3.0], [4.0, 5.0], [7.0, 1.0], [5.0, 9.0]])
Y = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
NAMES = ("length (cm)", 'q"ü\n,\\')


class Named:
    """The least that has the names of its columns."""

    def __init__(self, values, columns):
        self.values = np.asarray(values)
        self.columns = columns

    def __array__(self, dtype=None, copy=None):
        return self.values.astype(dtype or self.values.dtype)


def diverged():
    with pytest.raises(DivergenceError) as raised:
        gdfast.train(X, Y, learning_rate=1e300, history="full")
    return raised.value.fit


FITS = {
    "loss history": lambda: gdfast.train(X, Y, max_iter=9),
    "no history": lambda: gdfast.train(X, Y, max_iter=9, history=False),
    "full history": lambda: gdfast.train(X, Y, max_iter=9, history="full"),
    "one feature": lambda: gdfast.train(X[:, 0], Y, max_iter=9, history="full"),
    "no intercept": lambda: gdfast.train(
        X, Y, max_iter=9, history="full", fit_intercept=False
    ),
    "names": lambda: gdfast.train(Named(X, NAMES), Y, max_iter=9, history="full"),
    "names, no history": lambda: gdfast.train(
        Named(X, NAMES), Y, max_iter=9, history=False
    ),
    "standardized": lambda: gdfast.train(X, Y, standardize=True, gtol=1e-3),
    "half": lambda: gdfast.train(X, Y, loss="half_squared_error", max_iter=9),
    "rate unknown": lambda: gdfast.train(
        np.ones((300, 300)), np.ones(300), learning_rate=1e-9, max_iter=1
    ),
    "rate infinite": lambda: gdfast.train(np.zeros((5, 1)), Y, fit_intercept=False),
    "diverged": diverged,  # infinities and NaN
}


@pytest.fixture(params=FITS.values(), ids=FITS)
def fit(request):
    return request.param()


def assert_same(found, expected):
    """Every field has the same type and the same bits; a lone NaN may lose its sign."""
    assert type(found) is Fit
    for field in dataclasses.fields(Fit):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        assert type(one) is type(other), field.name
        if isinstance(one, History):
            assert one.feature_names == other.feature_names
            one, other = one.array, other.array
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            assert one.shape == other.shape
            assert one.tobytes() == other.tobytes()
        elif isinstance(one, float):
            if np.isnan(one) and np.isnan(other):
                continue
            assert np.float64(one).tobytes() == np.float64(other).tobytes(), field.name
        elif isinstance(one, fit_module.State):
            assert (one.optimizer, one.method) == (other.optimizer, other.method)
            for part in ("params", "memory", "carried"):
                values = getattr(one, part), getattr(other, part)
                np.testing.assert_array_equal(*values, strict=True)
        else:
            assert one == other, field.name


# ---- the file ---------------------------------------------------------------------


def test_a_file_gives_the_same_bits(fit, tmp_path):
    fit.save(tmp_path / "fit")
    assert_same(gdfast.load(tmp_path / "fit"), fit)
    assert [path.name for path in tmp_path.iterdir()] == ["fit"]
    gdfast.load(tmp_path / "fit").save(str(tmp_path / "again"))
    assert_same(gdfast.load(str(tmp_path / "again")), fit)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(), min_size=1), st.lists(st.floats(), min_size=8, max_size=8))
def test_any_numbers_survive_the_file(tmp_path, coef, numbers):
    fit = dataclasses.replace(
        FITS["no history"](),
        coef=np.array(coef),
        intercept=numbers[0],
        loss=numbers[1],
        learning_rate=numbers[2],
        max_stable_learning_rate=numbers[3],
        history=History.from_rows(np.array(numbers[4:])),
    )
    fit.save(tmp_path / "fit")
    # Which NaN it is does not matter outside of arrays.
    found = gdfast.load(tmp_path / "fit")
    assert found.coef.tobytes() == fit.coef.tobytes()
    assert found.history["loss"].tobytes() == fit.history["loss"].tobytes()
    for name in ("intercept", "loss", "learning_rate", "max_stable_learning_rate"):
        np.testing.assert_equal(getattr(found, name), getattr(fit, name))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(), min_size=2, max_size=2), st.text())
def test_any_text_survives_the_file(tmp_path, names, reason):
    fit = dataclasses.replace(
        FITS["no history"](), feature_names=tuple(names), stop_reason=reason
    )
    fit.save(tmp_path / "fit")
    assert_same(gdfast.load(tmp_path / "fit"), fit)


def test_what_is_loaded_predicts_the_same_bits(fit, tmp_path):
    fit.save(tmp_path / "fit")
    rows = X[:, : len(fit.coef)] if len(fit.coef) < 3 else np.ones((2, 300))
    if len(fit.coef) == 1:
        rows = X[:, 0]
    with np.errstate(all="ignore"):
        found = gdfast.load(tmp_path / "fit").predict(rows)
        assert found.tobytes() == fit.predict(rows).tobytes()


def test_saving_replaces_a_file_and_nothing_else(tmp_path):
    path = tmp_path / "fit"
    path.write_text("something else")
    FITS["no history"]().save(path)
    assert_same(gdfast.load(path), FITS["no history"]())
    with pytest.raises(OSError, match="missing"):
        FITS["no history"]().save(tmp_path / "missing" / "fit")
    assert [path.name for path in tmp_path.iterdir()] == ["fit"]


def test_no_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        gdfast.load(tmp_path / "nothing")
    with pytest.raises(OSError, match=re.escape(tmp_path.name)):
        gdfast.load(tmp_path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return the bytes of a saved fit, and a path to write others to."""
    path = tmp_path_factory.mktemp("saved") / "fit"
    FITS["names"]().save(path)
    return path.read_bytes(), path.with_name("other")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_changed_byte_is_noticed(saved, data):
    content, path = saved
    place = data.draw(st.integers(0, len(content) - 1))
    flipped = content[place] ^ data.draw(st.integers(1, 255))
    path.write_bytes(content[:place] + bytes([flipped]) + content[place + 1 :])
    with pytest.raises(ValueError, match="other"):
        gdfast.load(path)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_truncated_file_is_noticed(saved, data):
    content, path = saved
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ValueError, match="other"):
        gdfast.load(path)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1), st.booleans())
def test_bytes_too_many_are_noticed(saved, more, at_the_end):
    content, path = saved
    path.write_bytes(content + more if at_the_end else more + content)
    with pytest.raises(ValueError, match="other"):
        gdfast.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"gdfast",
        b"gdfast fit, sha256 ",
        b"gdfast fit, sha256 \n",
        b"weight,bias\n1,2\n",
        b"PK\x03\x04",
        b"\x93NUMPY",
        b"\x80\x04N.",
        b"\x00" * 1000,
    ],
)
def test_what_is_no_fit(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"table\.csv"):
        gdfast.load(path)


def test_nothing_in_a_file_is_executed(tmp_path):
    # A checksum is no signature: whoever writes a file can write that too.
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("bomb").touch, ())

    path = tmp_path / "fit"
    FITS["names"]().save(path)
    magic = path.read_bytes().partition(b"\n")[0][:-64]
    bomb = tmp_path / "bomb.npz"
    np.savez(bomb, state=np.array(Bomb(), dtype=object), coef=np.ones(1))
    for content in (bomb.read_bytes(), pickle.dumps(Bomb())):
        digest = hashlib.sha256(content).hexdigest().encode()
        path.write_bytes(magic + digest + b"\n" + content)
        with pytest.raises(ValueError, match="pickle"):
            gdfast.load(path)
    assert not tmp_path.joinpath("bomb").exists()


def save_and_load(fit, path):
    fit.save(path)
    return lambda: gdfast.load(path)


def pickle_and_load(fit, path):
    text = pickle.dumps(fit)
    return lambda: pickle.loads(text)


KEEP = pytest.mark.parametrize("keep", [save_and_load, pickle_and_load])


@KEEP
def test_another_version_is_named_in_a_warning(keep, monkeypatch, tmp_path):
    fit = FITS["full history"]()
    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "__version__", "7.6.5")
        load = keep(fit, tmp_path / "fit")
    with pytest.warns(UserWarning, match=r"7\.6\.5") as caught:
        found = load()
    (warning,) = caught
    assert gdfast.__version__ in str(warning.message)
    assert_same(found, fit)


def test_the_warning_points_to_the_caller(monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "__version__", "7.6.5")
        FITS["no history"]().save(tmp_path / "fit")
    with pytest.warns(UserWarning, match="written by") as caught:
        gdfast.load(tmp_path / "fit")
    assert caught[0].filename == __file__


@KEEP
@pytest.mark.parametrize("number", [0, 2, 999, "1", None])
def test_another_format_is_an_error(keep, number, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "FORMAT", number)
        patch.setattr(fit_module, "__version__", "7.6.5")
        load = keep(FITS["no history"](), tmp_path / "fit")
    with pytest.raises(ValueError, match=r"7\.6\.5.*format"):
        load()


@KEEP
@pytest.mark.parametrize("method", ["moments", "passes"])
def test_the_method_is_kept(keep, method, monkeypatch, tmp_path):
    worth_it = -np.inf if method == "moments" else np.inf
    monkeypatch.setattr(drivers, "WORTH_IT", worth_it)
    fit = gdfast.train(np.arange(9.0), np.arange(9.0) ** 2, max_iter=3)
    assert fit.method == method
    assert keep(fit, tmp_path / "fit")().method == method


@KEEP
def test_before_there_was_a_method_it_was_passes(keep, monkeypatch, tmp_path):
    # As version 0.1.0 wrote it.
    fit = FITS["full history"]()
    get_state = gdfast.Fit.__getstate__

    def older(self):
        state = get_state(self)
        del state["method"]
        return {**state, "format": 1}

    with monkeypatch.context() as patch:
        patch.setattr(gdfast.Fit, "__getstate__", older)
        load = keep(fit, tmp_path / "fit")
    found = load()
    assert found.method == "passes"
    assert_same(found, fit)


def slow(step):
    return 1e-6


@KEEP
def test_before_settings_were_kept_there_are_none(keep, monkeypatch, tmp_path):
    fit = FITS["full history"]()
    get_state = gdfast.Fit.__getstate__

    def older(self):
        state = get_state(self)
        del state["settings"], state["n_samples"]
        return state

    with monkeypatch.context() as patch:
        patch.setattr(gdfast.Fit, "__getstate__", older)
        load = keep(fit, tmp_path / "fit")
    assert (load().settings, load().n_samples) == ({}, None)


def test_a_fit_keeps_what_it_was_asked_for():
    fit = gdfast.train(X, Y, gtol=1e9, max_iter=7, max_seconds=60)
    assert fit.n_samples == len(X)
    assert fit.settings == {
        "learning_rate": "auto",
        "max_iter": 7,
        "max_seconds": 60.0,
        "gtol": 1e9,
        "xtol": 0.0,
        "ftol": 0.0,
        "n_iter_no_change": 5,
        "fit_intercept": True,
        "average": 0,
        "bounds": False,
        "sample_weight": False,
        "class_weight": False,
        "resume": False,
    }
    weighted = gdfast.train(
        *(X, Y),
        learning_rate=1e-4,
        max_iter=1,
        bounds=(0, 1),
        sample_weight=np.ones(len(X)),
        fit_intercept=False,
    )
    given = {name for name, value in weighted.settings.items() if value is True}
    assert given == {"bounds", "sample_weight"}
    assert weighted.settings["learning_rate"] == 1e-4


@pytest.mark.parametrize(
    ("rate", "kept"),
    [
        (0.01, 0.01),
        (np.float32(0.0078125), 0.0078125),
        ("backtracking", "backtracking"),
        (gdfast.schedules.InvScaling(0.01), "InvScaling(eta0=0.01, power_t=0.25)"),
        (slow, "Function(slow)"),
    ],
    ids=str,
)
def test_a_fit_keeps_the_rate_it_was_asked_for(rate, kept, tmp_path):
    fit = gdfast.train(X[:, 0], Y, learning_rate=rate, max_iter=1)
    assert fit.settings["learning_rate"] == kept
    fit.save(tmp_path / "fit")  # as JSON
    assert gdfast.load(tmp_path / "fit").settings == fit.settings


def test_the_same_version_comes_without_warning(fit, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_and_load(fit, tmp_path / "fit")()
        pickle_and_load(fit, None)()
        copy.copy(fit)
        copy.deepcopy(fit)


def test_pickles_and_copies_have_the_same_bits(fit):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert_same(pickle.loads(pickle.dumps(fit, protocol)), fit)
    assert_same(copy.copy(fit), fit)
    assert_same(copy.deepcopy(fit), fit)


def test_an_error_can_be_pickled():
    # As it must be to come out of a process pool.
    with pytest.raises(DivergenceError) as raised:
        gdfast.train(X, Y, learning_rate=1e300)
    found = pickle.loads(pickle.dumps(raised.value))
    assert type(found) is DivergenceError
    assert str(found) == str(raised.value)
    assert_same(found.fit, raised.value.fit)


KILLED_WHILE_SAVING = """
import os, random, signal, sys, time
import numpy as np
import gdfast

# Two fits of different length, some hundred kilobytes of history.
x = np.arange(30.0)
fits = [
    gdfast.train(x, x[::-1], max_iter=n, history="full", learning_rate=1e-4)
    for n in (5_000, 9_000)
]
losses = {fit.n_iter: fit.history["loss"].tobytes() for fit in fits}
path = sys.argv[1]
fits[0].save(path)
started = time.perf_counter()
fits[1].save(path)
seconds = time.perf_counter() - started
random.seed(0)
seen = set()
for moment in range(200):
    if moment >= 40 and len(seen) == 2:
        break
    pid = os.fork()
    if pid == 0:
        while True:
            fits[moment % 2].save(path)
            fits[1 - moment % 2].save(path)
    # Longer and longer, as a busy machine may have let no child finish a file yet.
    time.sleep(random.uniform(0.2, 3) * seconds * (1 + moment // 40))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    fit = gdfast.load(path)
    assert fit.history["loss"].tobytes() == losses[fit.n_iter]
    seen.add(fit.n_iter)
print(len(seen))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="fork and kill -9")
def test_a_file_survives_kill_9_at_any_moment(tmp_path):
    found = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING, tmp_path / "fit"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    assert found == "2\n"  # both were found there at some moment: saving went on


# ---- predictions ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int8, bool])
def test_predictions_are_the_formula(dtype):
    fit = FITS["full history"]()
    rows = X.astype(dtype)
    found = fit.predict(rows)
    assert found.shape == (5,)
    assert found.dtype == np.float64
    expected = rows.astype(np.longdouble) @ fit.coef.astype(np.longdouble)
    assert found == pytest.approx((expected + fit.intercept).astype(float), rel=1e-14)
    assert fit.predict(rows[:1]).shape == (1,)
    assert fit.predict(rows.tolist()).tolist() == found.tolist()


def test_the_loss_of_the_fit_is_that_of_its_predictions(fit):
    if len(fit.coef) > 2 or not np.isfinite(fit.loss):
        pytest.skip("other data")
    if fit.max_stable_learning_rate == np.inf:
        rows = np.zeros(5)
    else:
        rows = X if len(fit.coef) == 2 else X[:, 0]
    factor = {"squared_error": 1, "half_squared_error": 0.5}[fit.loss_name]
    expected = factor * np.mean((fit.predict(rows) - Y) ** 2)
    assert fit.loss == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("number", [2, 2.5, np.float32(2.5), np.array(2.5), np.int8(2)])
def test_a_number_gives_a_number(number):
    fit = FITS["one feature"]()
    found = fit.predict(number)
    assert np.ndim(found) == 0
    assert isinstance(found, float)
    assert found == fit.predict([[float(number)]])[0]


def test_one_dimension_is_the_only_feature():
    fit = FITS["one feature"]()
    assert fit.predict(X[:, 0]).tolist() == fit.predict(X[:, :1]).tolist()
    assert fit.predict([1.0]).shape == (1,)


@pytest.mark.parametrize("rows", [3.0, [1.0, 2.0], [[1.0]], [[1.0, 2.0, 3.0]], [[[1]]]])
def test_another_number_of_columns_is_an_error(rows):
    with pytest.raises(ValueError, match=r"\bX\b"):
        FITS["full history"]().predict(rows)


def test_names_are_compared_if_both_have_them():
    fit = FITS["names"]()
    expected = fit.predict(X).tolist()  # values alone have no names to compare
    assert fit.predict(Named(X, list(NAMES))).tolist() == expected
    assert fit.predict(Named(X, [0, 1])).tolist() == expected
    assert FITS["full history"]().predict(Named(X, NAMES)).tolist() == expected
    for names in (NAMES[::-1], ("a", "b"), (NAMES[0], NAMES[0]), ("", "")):
        with pytest.raises(ValueError, match=r"X has the feature names"):
            fit.predict(Named(X, names))


def test_long_inputs_are_predicted_in_pieces(rng):
    fit = dataclasses.replace(FITS["no history"](), coef=rng.standard_normal(7))
    rows = rng.standard_normal((100_000, 7)).astype(np.float32)
    expected = rows.astype(np.float64) @ fit.coef + fit.intercept
    np.testing.assert_allclose(fit.predict(rows), expected, rtol=0, atol=1e-12)
    found = fit.predict(rows[::-1])
    np.testing.assert_allclose(found, expected[::-1], rtol=0, atol=1e-12)
    rows[70_001, 3] = np.nan
    with pytest.raises(ValueError, match=r"X .*\[70001, 3\]"):
        fit.predict(rows)


# ---- what is found when it is first read ------------------------------------------

LATE = ("stop_reason", "max_stable_learning_rate")


@pytest.mark.parametrize("make", FITS.values(), ids=FITS)
@pytest.mark.parametrize("first", [LATE, LATE[::-1]])
def test_late_and_at_once_give_the_same(make, first, monkeypatch):
    late = make()
    found = {name: getattr(late, name) for name in first}
    monkeypatch.setattr(outcome, "KEPT_VALUES", 0)
    at_once = make()
    assert not any(callable(vars(at_once)[name]) for name in LATE)
    assert_same(late, at_once)
    assert found == {name: getattr(at_once, name) for name in LATE}


@pytest.mark.parametrize("history", ["loss", "full"])
def test_a_long_history_is_put_together_when_it_is_first_read(history, monkeypatch):
    """By what millions of rows take, Ctrl-C would be answered later."""
    options = {"learning_rate": 1e-3, "max_iter": 9, "history": history}
    whole = gdfast.train(X, Y, **options)
    monkeypatch.setattr(outcome, "KEPT_VALUES", 0)
    monkeypatch.setattr(descent, "MAX_SLICE_STEPS", 2)
    fit = gdfast.train(X, Y, **options)
    assert callable(vars(fit)["history"])
    assert fit.history.array.tobytes() == whole.history.array.tobytes()
    assert fit.history is fit.history


def test_what_the_caller_does_to_his_data_later_changes_nothing():
    data, target, weight = X * [1, 50], Y.copy(), np.arange(5.0)
    options = {"learning_rate": 1e-5, "max_iter": 3}
    fit = gdfast.train(data, target, sample_weight=weight, **options)
    assert all(callable(vars(fit)[name]) for name in LATE)  # else this tests nothing
    data[:], target[:], weight[:] = 1e300, np.nan, -1
    expected = gdfast.train(X * [1, 50], Y, sample_weight=np.arange(5.0), **options)
    assert_same(fit, expected)
    assert "standardize=True" in fit.stop_reason


@pytest.mark.parametrize("n_rows", [5, 5000])
@pytest.mark.parametrize("options", [{"learning_rate": 1e-3}, {}, {"gtol": 1e9}])
def test_a_fit_does_not_keep_the_data(rng, n_rows, options):
    data = rng.standard_normal((n_rows, 2))
    arrays = [data, data[:, 0].copy(), np.ones(n_rows)]
    fit = gdfast.train(*arrays[:2], sample_weight=arrays[2], max_iter=2, **options)
    alive = [weakref.ref(array) for array in arrays]
    del data, arrays
    gc.collect()
    assert [array() for array in alive] == [None] * 3
    assert isinstance(fit.stop_reason, str)


def test_the_copy_of_the_data_is_let_go_when_all_is_found():
    fit = gdfast.train(X, Y, learning_rate=1e-5, max_iter=3)
    kept = [weakref.ref(vars(fit)[name]) for name in LATE]
    str(fit)
    gc.collect()
    assert [each() for each in kept] == [None, None]


def test_an_interrupted_reading_can_be_repeated(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    fit = gdfast.train(X, Y, learning_rate=1e-5, max_iter=3)
    with monkeypatch.context() as patch:
        patch.setattr(rates, "largest_eigenvalue", interrupt)
        for name in LATE:
            with pytest.raises(KeyboardInterrupt):
                getattr(fit, name)
    assert_same(fit, gdfast.train(X, Y, learning_rate=1e-5, max_iter=3))


def test_many_threads_read_the_same():
    for _ in range(50):
        fit = gdfast.train(X, Y, learning_rate=1e-5, max_iter=3)
        with ThreadPoolExecutor(8) as pool:
            found = set(pool.map(lambda k: getattr(fit, LATE[k % 2]), range(16)))  # noqa: B023
        assert found == {fit.stop_reason, fit.max_stable_learning_rate}


# ---- looking at it ----------------------------------------------------------------


def test_the_summary_of_mission_a(mpg):
    fit = gdfast.train(*mpg, learning_rate=0.03, gtol=1e-6, max_iter=10_000)
    assert str(fit) == "\n".join(
        [
            "coef x1               -4.569104675",
            "intercept             33.58510618",
            "loss (squared_error)  1.469669481",
            "iterations            8577",
            "learning rate         0.03 (stable below 0.0698201)",
            fit.stop_reason,
        ]
    )


def test_the_summary_says_what_there_is(fit):
    text = str(fit)
    assert f"{fit.coef[0]:.10g}" in text
    assert f"{fit.intercept:.10g}" in text
    assert f"{fit.loss:.10g}" in text
    assert fit.loss_name in text
    assert f"{fit.learning_rate:.6g}" in text
    assert text.endswith(fit.stop_reason)
    assert ("stable below" in text) == (fit.max_stable_learning_rate is not None)
    assert all(name in text for name in fit.feature_names or ())
    assert ("of standardised columns" in text) == fit.standardized


def test_a_long_summary_is_cut(rng):
    fit = dataclasses.replace(FITS["no history"](), coef=rng.standard_normal(25))
    text = str(fit)
    assert f"{fit.coef[9]:.10g}" in text
    assert f"{fit.coef[10]:.10g}" not in text
    assert "15 more" in text


def test_a_fit_is_frozen(fit):
    for field in dataclasses.fields(Fit):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(fit, field.name, None)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(fit, field.name)


def test_the_types_of_the_fields(fit):
    assert fit.coef.dtype == np.float64
    assert fit.coef.ndim == 1
    assert type(fit.intercept) is float
    assert type(fit.loss) is float
    assert type(fit.n_iter) is int
    assert type(fit.converged) is bool
    assert type(fit.stop_reason) is str
    assert type(fit.learning_rate) is float
    assert type(fit.max_stable_learning_rate) in (float, type(None))
    assert type(fit.history) in (History, type(None))
    assert type(fit.feature_names) in (tuple, type(None))
    assert fit.loss_name in ("squared_error", "half_squared_error")
