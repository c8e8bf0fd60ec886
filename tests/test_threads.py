"""Threads: the same bits for any number of them, and none that is left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
import warnings

import numpy as np
import pytest

import gdfast
from gdfast import ConvergenceWarning, drivers, sums, threads
from gdfast.losses import LOSSES, Domain
from gdfast.threads import Team

# "multinomial" has no single output; its tests are in test_outputs.py.
SINGLE = {k: loss for k, loss in LOSSES.items() if loss.domain is not Domain.CLASS}

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def helpers():
    """Return the threads of teams that are alive."""
    return [thread for thread in threading.enumerate() if thread.name == "gdfast"]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert not helpers()


@pytest.fixture
def started(monkeypatch):
    """Return the list of all threads that are started from now on."""
    names = []
    start = threading.Thread.start

    def noted(self):
        names.append(self.name)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", noted)
    return names


def small_chunks(monkeypatch, values=1000):
    """Let data of this many values have several chunks."""
    monkeypatch.setattr(sums, "CHUNK_VALUES", values)
    monkeypatch.setattr(drivers, "CHUNK_VALUES", values)
    monkeypatch.setattr(sums, "MIN_CHUNK_ROWS", 16)


def until(condition):
    """Wait for something that another thread does."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(1e-4)


# ------------------------------------------------------------------------------ a team


@pytest.mark.parametrize("n_threads", [1, 2, 3, 5, 50, None])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 17])
def test_results_come_in_the_order_of_the_parts(n_threads, count):
    calls = []

    def square(part):
        calls.append(part)
        time.sleep(1e-4 * (part % 3))  # later parts may be ready first
        return part * part

    with Team(n_threads) as team:
        for _ in range(3):
            calls.clear()
            parts = range(10, 10 + count)
            assert team.map(square, parts) == [part * part for part in parts]
            assert sorted(calls) == list(parts)


@pytest.mark.parametrize(
    ("n_threads", "counts", "expected"),
    [
        (1, [9], 0),
        (2, [9], 1),
        (5, [9], 4),
        (5, [3], 2),
        (5, [1], 0),
        (5, [0], 0),
        (5, [2, 4, 3], 3),
    ],
)
def test_no_more_threads_than_have_parts(started, n_threads, counts, expected):
    with Team(n_threads) as team:
        assert not started
        for count in counts:
            team.map(abs, range(count))
        assert len(started) == len(helpers()) == expected
    assert not helpers()


def test_a_team_whose_threads_cannot_start_works_alone(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with Team(3) as team:
        assert team.map(abs, range(4)) == [0, 1, 2, 3]


def test_all_threads_work_at_once():
    # Each part waits for the others: fewer threads would never get past.
    meeting = threading.Barrier(3)
    with Team(3) as team:
        assert sorted(team.map(lambda _: meeting.wait(10), range(3))) == [0, 1, 2]


@pytest.mark.parametrize("cores", [1, 3])
def test_without_a_number_there_are_as_many_as_cores(cores, started, monkeypatch):
    monkeypatch.setattr(threads, "available_cores", lambda: cores)
    with Team(None) as team:
        team.map(abs, range(9))
    assert len(started) == cores - 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity")
def test_cores_are_those_that_the_process_may_use():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert threads.available_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert threads.available_cores() == len(allowed)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("on_a_helper", [False, True])
def test_what_a_part_raises_is_raised_by_the_job(error, on_a_helper):
    caller = threading.current_thread()
    failed = threading.Event()
    begun = []

    def task(part):
        begun.append(part)
        if (threading.current_thread() is not caller) == on_a_helper:
            failed.set()
            raise error("here")
        assert failed.wait(10)
        until(lambda: team.stopped)

    with pytest.raises(error, match="here"), Team(3) as team:  # noqa: PT012
        try:
            team.map(task, range(1000))
        finally:
            assert team.stopped
    assert not helpers()
    assert len(begun) <= 3  # what had not begun was left out


def test_an_error_of_a_single_thread_is_raised_at_once():
    begun = []

    def task(part):
        begun.append(part)
        raise ValueError(part)

    with Team(1) as team, pytest.raises(ValueError, match="^0$"):
        team.map(task, range(5))
    assert begun == [0]


def test_an_error_outside_a_job_ends_the_threads():
    with pytest.raises(ZeroDivisionError), Team(3) as team:  # noqa: PT012
        team.map(abs, range(9))
        assert helpers()
        raise ZeroDivisionError
    assert not helpers()


def test_teams_of_many_callers_do_not_mix():
    results = {}

    def call(k):
        with Team(3) as team:
            for n in range(20):
                parts = range(100 * k, 100 * k + n)
                results[k, n] = team.map(lambda part: part + 1, parts)

    callers = [threading.Thread(target=call, args=(k,)) for k in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(results) == 120
    for (k, n), found in results.items():
        assert found == list(range(100 * k + 1, 100 * k + n + 1))


@pytest.mark.parametrize("module", [threads, sums, drivers], ids=lambda m: m.__name__)
def test_modules_keep_no_state(module):
    # Constants, functions, classes, types: nothing that two threads could change.
    for name, value in vars(module).items():
        if not name.startswith("__"):
            assert not isinstance(value, list | dict | set | np.ndarray | Team), name
            assert not isinstance(value, type(threading.Lock())), name
            assert isinstance(value, int | float) <= name.isupper(), name
    assert isinstance(module, types.ModuleType)


# ------------------------------------------------------------------- threads of a call


def bits(fit):
    numbers = [fit.intercept, fit.loss, fit.learning_rate]
    return (
        fit.coef.tobytes(),
        np.array(numbers).tobytes(),
        fit.history.array.tobytes(),
        (fit.n_iter, fit.stop_reason, fit.max_stable_learning_rate, fit.method),
    )


def targets(rng, n, name):
    """Return targets that a loss takes."""
    y = rng.random(n)
    return y.round() if LOSSES[name].domain is Domain.BINARY else y


def train(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return gdfast.train(*args, **options)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("worth_it", [-np.inf, np.inf], ids=["moments", "passes"])
def test_any_number_of_threads_gives_the_same_bits(
    rng, name, dtype, weighted, standardize, worth_it, started, monkeypatch
):
    small_chunks(monkeypatch)
    monkeypatch.setattr(drivers, "WORTH_IT", worth_it)
    X = rng.standard_normal((1501, 5)).astype(dtype)
    y = targets(rng, 1501, name).astype(dtype)
    weight = rng.random(1501) if weighted else None
    rate = "auto" if LOSSES[name].max_curvature < np.inf else 0.1

    def found(n_threads):
        before = len(started)
        fit = train(
            *(X, y),
            loss=name,
            sample_weight=weight,
            standardize=standardize,
            history="full",
            learning_rate=rate,
            max_iter=20,
            gtol=1e-5,
            n_threads=n_threads,
        )
        return bits(fit), len(started) - before

    expected, helped = found(1)
    assert helped == 0
    quadratic = LOSSES[name].quadratic and worth_it < 0
    assert expected[-1][-1] == ("moments" if quadratic else "passes")
    for n_threads in (2, 3, 8):
        assert found(n_threads) == (expected, min(n_threads, 8) - 1)
    assert found(None)[0] == expected


@pytest.mark.parametrize("options", [{}, {"loss": "log_loss"}], ids=str)
def test_large_data_are_trained_on_by_threads_that_end(rng, options, started):
    X, y = rng.standard_normal((600_000, 4)), rng.random(600_000)
    before = threading.active_count()
    expected = bits(train(X, y, max_iter=3, n_threads=1, **options))
    assert not started
    for n_threads in (2, 3):
        assert bits(train(X, y, max_iter=3, n_threads=n_threads, **options)) == expected
        assert threading.active_count() == before
    assert len(started) == 1 + 2
    assert set(started) == {"gdfast"}
    alone = len(started)
    train(X[: 2**18], y[: 2**18], max_iter=3, n_threads=8, **options)
    assert len(started) == alone  # 2^20 values are not worth it


@pytest.mark.parametrize("name", SINGLE)
def test_loss_and_gradient_are_the_first_row_of_a_run(rng, name, monkeypatch):
    small_chunks(monkeypatch)
    monkeypatch.setattr(drivers, "WORTH_IT", np.inf)
    X, y = rng.standard_normal((700, 4)), targets(rng, 700, name)
    weight = rng.random(700)
    coef, intercept = rng.standard_normal(4), 0.25
    rate = 2.0**-4
    fit = train(
        *(X, y),
        loss=name,
        sample_weight=weight,
        coef_init=coef,
        intercept_init=intercept,
        learning_rate=rate,
        max_iter=1,
        history="full",
        n_threads=3,
    )
    options = {"loss": name, "sample_weight": weight}
    loss = gdfast.loss(X, y, coef, intercept, **options)
    slope, intercept_slope = gdfast.gradient(X, y, coef, intercept, **options)
    assert fit.history["loss"][0] == loss
    # The compiled update may fuse the product and the difference.
    np.testing.assert_allclose(fit.coef, coef - rate * slope, rtol=4e-16)
    assert fit.intercept == pytest.approx(intercept - rate * intercept_slope, rel=4e-16)


@pytest.mark.parametrize(
    ("n_threads", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (1.5, (TypeError, ValueError)),
        (True, TypeError),
        ("2", TypeError),
        (np.nan, (TypeError, ValueError)),
        ([2], TypeError),
    ],
)
def test_a_wrong_number_of_threads_is_named(n_threads, error):
    with pytest.raises(error, match=r"\bn_threads\b"):
        gdfast.train([1.0, 2.0], [1.0, 2.0], n_threads=n_threads)


@pytest.mark.parametrize("n_threads", [1, np.int8(2), 10**6, None])
def test_a_right_number_of_threads_is_taken(n_threads, monkeypatch):
    small_chunks(monkeypatch, 8)
    fit = gdfast.train(np.arange(40.0), np.arange(40.0), n_threads=n_threads)
    assert fit.coef == pytest.approx([1], abs=1e-2)


def test_a_callback_that_fails_leaves_no_thread(rng, monkeypatch):
    small_chunks(monkeypatch)
    X, y = rng.standard_normal((700, 4)), rng.random(700)

    def callback(row):
        if row.iteration == 3:
            assert len(helpers()) == 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        gdfast.train(X, y, callback=callback, loss="log_loss", n_threads=3)


def test_callers_with_teams_of_their_own_give_the_serial_bits(rng, monkeypatch):
    small_chunks(monkeypatch)
    X = rng.standard_normal((700, 4))
    targets = [rng.random(700) for _ in range(5)]
    expected = [bits(train(X, y, max_iter=30, n_threads=1)) for y in targets]
    found = {}

    def call(k):
        found[k] = bits(gdfast.train(X, targets[k], max_iter=30, n_threads=3))

    callers = [threading.Thread(target=call, args=(k,)) for k in range(5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [found[k] for k in range(5)] == expected


def run(code):
    """Run a script in a process of its own and return the words that it prints."""
    process = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SETUP + code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.split()


SETUP = textwrap.dedent(
    """
    import os, signal, sys, threading, time, numpy as np, gdfast
    rng = np.random.default_rng(0)
    X, y = rng.random((300_000, 4)), rng.random(300_000)

    def train(**options):
        options = {"max_iter": 4, "n_threads": 3, **options}
        fit = gdfast.train(X, y, loss=sys.argv[-1], **options)
        return fit.coef.tobytes() + fit.history.array.tobytes()

    sys.argv.append("log_loss")
    expected = train()
    """
)


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs fork"
)
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_a_child_of_a_fork_trains_with_threads_of_its_own(loss):
    code = textwrap.dedent(
        f"""
        sys.argv.append("{loss}")
        expected = train()

        def fork_and_train():
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)  # ends a child that hangs
                os._exit(0 if train() == expected else 1)
            return os.waitpid(pid, 0)[1]

        print(fork_and_train())
        end = threading.Event()

        def callback(row):
            if end.is_set():
                raise StopIteration

        options = dict(max_iter=10**9, learning_rate=1e-9, callback=callback)
        thread = threading.Thread(target=train, kwargs=options)
        thread.start()
        time.sleep(0.1)
        for _ in range(3):
            print(fork_and_train())
        end.set()
        thread.join()
        print(threading.active_count())
        """
    )
    assert run(code) == ["0", "0", "0", "0", "1"]


@pytest.mark.parametrize("is_made", [True, False])
def test_ctrl_c_while_a_thread_is_started(is_made, monkeypatch):
    start, made = threading.Thread.start, []

    def interrupted(thread):
        """Leave before the thread has begun, as a slow machine lets it happen."""
        if thread.name == "gdfast":
            made.append(thread)
            if is_made:
                start(threading.Timer(0.05, start, (thread,)))
            raise KeyboardInterrupt
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt), Team(3) as team:
        team.map(str, range(9))
    assert len(made) == 1
    assert not made[0].is_alive()
    assert (made[0].ident is not None) == is_made


@POSIX
def test_ctrl_c_may_end_a_run_with_its_model():
    code = textwrap.dedent(
        """
        for seconds in (0.05, 0.3):
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            fit = gdfast.train(
                X, y, loss="log_loss", n_threads=3, max_iter=10**9,
                learning_rate=1e-12, on_interrupt="return",
            )
            same = gdfast.train(
                X, y, loss="log_loss", n_threads=3, max_iter=max(fit.n_iter, 1),
                learning_rate=1e-12,
            )
            print(fit.n_iter == 0 or fit.coef.tobytes() == same.coef.tobytes())
            print(threading.active_count() == 1, "Ctrl-C" in fit.stop_reason)
        """
    )
    assert run(code) == ["True"] * 6


@POSIX
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_ctrl_c_ends_a_run_on_threads(loss):
    code = textwrap.dedent(
        f"""
        sys.argv.append("{loss}")
        expected = train()
        for seconds in (0.003, 0.05, 0.3):
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            started = time.monotonic()
            try:
                while True:
                    train(max_iter=10**9, learning_rate=1e-12)
            except KeyboardInterrupt:
                print(time.monotonic() - started < 2)
            print(threading.active_count() == 1, train() == expected)
        """
    )
    assert run(code) == ["True"] * 9


@POSIX
def test_ctrl_c_while_a_part_is_worked_on():
    # The helper has a long part: the caller is waiting for it when the signal comes.
    end = threading.Event()

    def task(part):
        if threading.current_thread() is not threading.main_thread():
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            assert end.wait(10)
        else:
            time.sleep(0.01)

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), Team(2) as team:  # noqa: PT012
            try:
                team.map(task, range(2))
            finally:
                assert team.stopped
                end.set()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not helpers()
