"""Functions in Python, as each kernel calls them, and the memory of what they gave."""

import array
import math
import operator
import signal
import threading
import time

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

import gdfast
from gdfast import _reference, functions
from gdfast.optimizers import OPTIMIZERS

START = np.array([-1.2, 1.0, 0.5])
PLAIN = {"grad": None, "scalar": False, "bounds": None, "n_known": 100}


def function(kernel, fun=rosen, n=3, **options):
    """Return a function of a kernel, with gdfast's own ways to read what it returns."""

    def as_gradient(value):
        return functions.as_gradient(value, n, "grad")

    return kernel.PythonFunction(
        fun=fun,
        point=np.empty(n),
        as_number=functions.as_number,
        as_gradient=as_gradient,
        **PLAIN | options,
    )


def seen(function, point):
    """Return value and gradient at a point."""
    gradient = np.full(len(point), 7.0)
    return function.evaluate(np.array(point, np.float64), gradient), gradient.tolist()


def steps(kernel, function, n_steps, rule="gd", rate=1e-3, params=START):
    """Return all that comes of some steps."""
    params, found = params.copy(), OPTIMIZERS[rule]
    state = np.zeros(2 + found.n_slots * len(params))
    update = kernel.Update(
        found.kind, found.constants, len(params), 0, 0.0, 0.0, None, state
    )
    trace, path = np.zeros((n_steps + 1, 3)), np.zeros((n_steps + 1, len(params)))
    rates = np.full(n_steps, rate)
    n_rows = kernel.descend_function(function, params, rates, trace, path, update)
    return n_rows, params, state, trace, path


@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("grad", [rosen_der, True, None])
def test_the_twins_make_the_same_steps(compiled, rule, grad):
    def both(x):
        return rosen(x), rosen_der(x)

    made, expected = (
        steps(k, function(k, both if grad is True else rosen, grad=grad), 40, rule)
        for k in (compiled, _reference)
    )
    assert made[0] == expected[0] == 41
    for one, other in zip(made[1:], expected[1:], strict=True):
        assert one.tobytes() == other.tobytes()


def test_plain_steps_are_those_of_a_loop_to_the_bit(kernel):
    w, path = START.copy(), []
    for _ in range(51):
        path.append(w)
        w = w - 1e-3 * rosen_der(w)
    made = steps(kernel, function(kernel, grad=rosen_der), 50)
    assert made[4].tobytes() == np.array(path).tobytes()
    assert made[3][:, 0].tolist() == [rosen(x) for x in path]


RETURNED = {
    "an array": np.array([1.0, 2.0, 3.0]),
    "a list": [1, 2, 3],
    "every other value": np.array([1.0, 9.0, 2.0, 9.0, 3.0, 9.0])[::2],
    "from the end": np.array([3.0, 2.0, 1.0])[::-1],
    "float32": np.array([1, 2, 3], np.float32),
    "integers": np.array([1, 2, 3]),
    "the other byte order": np.array([1, 2, 3], np.dtype(np.float64).newbyteorder()),
    "an array of Python's": array.array("d", [1, 2, 3]),
    "integers as long as doubles": array.array("q", [1, 2, 3]),
    "read-only": np.frombuffer(np.array([1.0, 2.0, 3.0]).tobytes()),
    "a column": np.asfortranarray(np.array([[1.0, 2.0, 3.0], [0, 0, 0]]))[0],
}


@pytest.mark.parametrize("returned", RETURNED.values(), ids=RETURNED)
def test_gradients_of_many_types(kernel, returned):
    plain = function(kernel, lambda x: 4.0, grad=lambda x: returned)
    assert seen(plain, START) == (4, [1, 2, 3])
    at_once = function(kernel, lambda x: [np.float32(4), returned], grad=True)
    assert seen(at_once, START) == (4, [1, 2, 3])


@pytest.mark.parametrize(
    ("error", "returned"),
    [
        (ValueError, np.ones(2)),
        (ValueError, np.ones(4)),
        (ValueError, np.ones((3, 1))),
        (ValueError, np.array(1.0)),
        (TypeError, np.ones(3, complex)),
        (TypeError, np.zeros(3, "M8[s]")),  # no buffer at all
        (TypeError, b"abc"),
        (TypeError, bytes(24)),  # as long as three doubles
    ],
    ids=str,
)
def test_what_is_no_gradient(kernel, error, returned):
    with pytest.raises(error, match="grad must return a gradient"):
        seen(function(kernel, grad=lambda x: returned), START)


@pytest.mark.parametrize("pair", [1.0, (1.0,), (1.0, START, 0), np.ones(2), None])
def test_what_is_no_pair(kernel, pair):
    with pytest.raises(TypeError, match=r"fun must return a pair \(value, gradient\)"):
        seen(function(kernel, lambda x: pair, grad=True), START)


@pytest.mark.parametrize("rule", ["gd", "nesterov", "adam"])
def test_what_is_returned_is_not_written_to(kernel, rule):
    slopes = np.array([0.5, -1.0, 2.0])
    slopes.flags.writeable = False
    given = np.array([0.5, -1.0, 2.0])
    for returned in (slopes, given):
        made = function(kernel, lambda x: 1.0, grad=lambda x, g=returned: g)
        assert steps(kernel, made, 20, rule)[0] == 21
        assert returned.tolist() == [0.5, -1.0, 2.0]


def test_points_are_their_own(kernel):
    kept = []

    def spoilt(function):
        def call(x):
            result = function(x)
            kept.append((x, x.copy()))
            x[:] = math.nan
            return result

        return call

    clean = steps(kernel, function(kernel, grad=rosen_der), 20)
    made = steps(kernel, function(kernel, spoilt(rosen), grad=spoilt(rosen_der)), 20)
    differences = steps(kernel, function(kernel, spoilt(rosen)), 20)
    for one, other in zip(made[1:], clean[1:], strict=True):
        assert one.tobytes() == other.tobytes()
    assert differences[3].tobytes() == steps(kernel, function(kernel), 20)[3].tobytes()
    assert len(kept) == 42 + 21 * 7
    assert all(type(x) is np.ndarray and x.flags.owndata for x, _ in kept)
    assert len({x.ctypes.data for x, _ in kept}) == len(kept)
    assert kept[0][1].tolist() == START.tolist()


def test_one_number(kernel):
    points = []

    def square(x):
        points.append(x)
        return x**2

    made = function(kernel, square, grad=lambda x: 2 * x, n=1, scalar=True)
    _, params, _, trace, path = steps(kernel, made, 2, rate=0.1, params=np.array([5.0]))
    assert params == pytest.approx(3.2)
    assert points == path[:, 0].tolist()
    assert {type(x) for x in points} == {np.float64}
    assert trace[:, 0].tolist() == [x**2 for x in points]


def test_nothing_is_called_where_there_is_no_point(kernel):
    def fail(x):
        raise AssertionError

    for grad in (fail, True, None):
        made = function(kernel, fail, grad=grad)
        value, slopes = seen(made, [0, math.nan, 0])
        assert math.isnan(value)
        assert all(map(math.isnan, slopes))
        value, _ = seen(made, [math.inf, 0, 0])
        assert math.isnan(value)
        assert (made.n_values, made.n_gradients) == (0, 0)
    made = function(kernel, lambda x: math.inf, grad=fail)
    value, slopes = seen(made, START)
    assert value == math.inf
    assert all(map(math.isnan, slopes))
    assert (made.n_values, made.n_gradients) == (1, 0)


def test_what_is_known_is_not_called_again(kernel):
    calls = []

    def fun(x):
        calls.append(x.tolist())
        return rosen(x), rosen_der(x)

    made = function(kernel, fun, grad=True, n_known=100)
    first = steps(kernel, made, 30)
    again = steps(kernel, made, 30)
    assert len(calls) == made.n_values == made.n_gradients == 31
    for one, other in zip(first[1:], again[1:], strict=True):
        assert one.tobytes() == other.tobytes()


def test_what_is_known_is_nobody_elses(kernel):
    returned, slopes = np.array([0.5, -1.0, 2.0]), np.empty(3)
    made = function(kernel, lambda x: 1.0, grad=lambda x: returned)
    made.evaluate(START, slopes)
    slopes[:] = returned[:] = 7
    assert seen(made, START) == (1.0, [0.5, -1.0, 2.0])
    assert made.n_gradients == 1


@pytest.mark.parametrize("n_known", [0, 1, 2, 3, 6, 7])
def test_few_points_are_known(kernel, n_known):
    made = function(kernel, lambda x: x[0], grad=rosen_der, n_known=n_known)
    points = [START + k for k in range(20)]
    for point in points:
        seen(made, point)
    assert made.n_values == 20
    known = 0
    for point in points[::-1]:  # from the last one on, to the first that is not known
        assert seen(made, point)[0] == point[0]
        if made.n_values > 20:
            break
        known += 1
    assert max(1, n_known // 2) <= known <= max(2, n_known)


def test_what_is_not_finite_ends_the_steps_before_it(kernel):
    def grad(x):
        return [1.0, math.inf if x[0] < -2 else 1.0, 1.0]

    made = function(kernel, lambda x: 5.0, grad=grad)
    n_rows, params, _, trace, path = steps(kernel, made, 20, rate=0.1)
    assert 0 < n_rows < 21
    assert path[n_rows - 1][0] >= -2 > params[0]
    assert (trace[:n_rows, 0] == 5).all()
    assert (trace[n_rows:] == 0).all()  # untouched


@pytest.mark.parametrize("rule", ["gd", "momentum", "nesterov", "adam"])
@pytest.mark.parametrize("which", ["fun", "grad", "both"])
def test_errors_leave_the_steps_before_them(kernel, rule, which):
    class OwnError(Exception):
        pass

    calls = []

    def failing(function):
        def call(x):
            calls.append(x)
            if len(calls) == 8:
                raise OwnError("here")
            return function(x)

        return call

    def both(x):
        return rosen(x), rosen_der(x)

    fails = {
        "fun": (failing(rosen), rosen_der),
        "grad": (rosen, failing(rosen_der)),
        "both": (failing(both), True),
    }[which]
    made = function(kernel, fails[0], grad=fails[1])
    params, found = START.copy(), OPTIMIZERS[rule]
    state = np.zeros(2 + found.n_slots * 3)
    update = kernel.Update(found.kind, found.constants, 3, 0, 0.0, 0.0, None, state)
    arguments = params, np.full(20, 1e-3), np.zeros((21, 3)), None, update
    with pytest.raises(OwnError, match="here"):
        kernel.descend_function(made, *arguments)
    _, *expected = steps(kernel, function(kernel, grad=rosen_der), 7, rule)
    assert params.tobytes() == expected[0].tobytes()
    assert state.tobytes() == expected[1].tobytes()
    assert arguments[2][:7].tobytes() == expected[2][:7].tobytes()
    assert (arguments[2][7:] == 0).all()
    kernel.descend_function(made, *arguments)  # it is as if nothing had been asked
    assert len(calls) == 8 + 21


def test_functions_may_descend_themselves(kernel):
    """The kernel is in the middle of steps when it is asked to make others."""

    def nearest(x):
        inner = function(kernel, lambda y: (y - x[0]) ** 2, n=1, scalar=True)
        return steps(kernel, inner, 30, rate=0.3, params=np.zeros(1))[1][0]

    made = function(kernel, lambda x: nearest(x) + x[1] ** 2, grad=lambda x: [1, 0, 0])
    _, _, _, trace, path = steps(kernel, made, 3, rate=0.1)
    assert trace[:, 0] == pytest.approx(path[:, 0] + path[:, 1] ** 2, abs=1e-6)


def test_wrong_calls(kernel):
    with pytest.raises(ValueError, match="n must be at least 1"):
        function(kernel, n=0)
    with pytest.raises(ValueError, match=r"bounds must have shape \(2, n\)"):
        function(kernel, bounds=np.zeros((2, 2)))
    for point, slopes in ((np.zeros(2), np.zeros(3)), (np.zeros(3), np.zeros(2))):
        with pytest.raises(ValueError, match="gradient must have the shape"):
            function(kernel).evaluate(point, slopes)
    with pytest.raises(ValueError, match="as many variables"):
        steps(kernel, function(kernel, n=2), 3)
    with pytest.raises((TypeError, AttributeError)):
        kernel.descend_function(None, START.copy(), np.ones(1), np.ones((1, 3)), None)


def test_the_whole_of_minimize_on_each_kernel(kernel, monkeypatch):
    options = {"grad": rosen_der, "learning_rate": 1e-3, "history": "full"}
    options |= {"args": (), "xtol": 1e-3, "max_iter": 3000}
    expected = gdfast.minimize(rosen, START, **options)
    monkeypatch.setattr(functions, "kernel", kernel)
    monkeypatch.setattr("gdfast.drivers.kernel", kernel)
    run = gdfast.minimize(rosen, START, **options)
    assert run.n_iter == expected.n_iter
    np.testing.assert_allclose(run.x, expected.x, rtol=1e-12)
    assert run.nfev == run.njev >= run.n_iter + 1


def test_ctrl_c_is_answered_where_no_python_runs():
    # Between calls of builtins alone nobody looks for signals but at a slice's end.
    timer = threading.Timer(0.3, signal.raise_signal, args=(signal.SIGINT,))
    timer.start()
    begun = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        gdfast.minimize(
            math.exp, 1.0, grad=operator.neg, learning_rate=1e-12, max_iter=10**7,
            history=False,
        )  # fmt: skip
    assert time.perf_counter() - begun < 1.5
    timer.join()
