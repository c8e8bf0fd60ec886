"""Functions that a compiler made, against the same in Python, on every kernel."""

import ctypes
import math
import subprocess
import sys
import sysconfig
import threading
import time

import numpy as np
import pytest
from scipy import LowLevelCallable
from scipy.optimize import rosen, rosen_der

import gdfast
from gdfast import _reference, functions, pointers
from gdfast.optimizers import OPTIMIZERS

DOUBLES = ctypes.POINTER(ctypes.c_double)
VALUE = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, DOUBLES)
VALUE_OF_DATA = ctypes.CFUNCTYPE(
    ctypes.c_double, ctypes.c_int, DOUBLES, ctypes.c_void_p
)
GRADIENT = ctypes.CFUNCTYPE(None, ctypes.c_int, DOUBLES, DOUBLES)
GRADIENT_OF_DATA = ctypes.CFUNCTYPE(
    None, ctypes.c_int, DOUBLES, DOUBLES, ctypes.c_void_p
)
BOTH = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, DOUBLES, DOUBLES)
BOTH_OF_DATA = ctypes.CFUNCTYPE(
    ctypes.c_double, ctypes.c_int, DOUBLES, DOUBLES, ctypes.c_void_p
)

START = (-1.2, 1.0, 0.5)


def array(n, x):
    return np.ctypeslib.as_array(x, (n,))


# Python behind a pointer: what a compiler made calls it like any other function.


@VALUE
def value(n, x):
    return rosen(array(n, x))


@GRADIENT
def gradient(n, x, g):
    array(n, g)[:] = rosen_der(array(n, x))


@BOTH
def both(n, x, g):
    array(n, g)[:] = rosen_der(array(n, x))
    return rosen(array(n, x))


@VALUE_OF_DATA
def scaled(n, x, data):
    return ctypes.cast(data, DOUBLES)[0] * rosen(array(n, x))


@GRADIENT_OF_DATA
def scaled_gradient(n, x, g, data):
    array(n, g)[:] = ctypes.cast(data, DOUBLES)[0] * rosen_der(array(n, x))


@BOTH_OF_DATA
def scaled_both(n, x, g, data):
    scaled_gradient(n, x, g, data)
    return scaled(n, x, data)


FACTOR = ctypes.c_double(0.5)
DATA = ctypes.cast(ctypes.pointer(FACTOR), ctypes.c_void_p)
WAYS = {
    "ctypes": (value, gradient, 1.0),
    "at once": (both, True, 1.0),
    "SciPy": (LowLevelCallable(value), LowLevelCallable(gradient), 1.0),
    "SciPy, at once": (LowLevelCallable(both), True, 1.0),
    "data": (
        LowLevelCallable(scaled, DATA),
        LowLevelCallable(scaled_gradient, DATA),
        0.5,
    ),
    "data, at once": (LowLevelCallable(scaled_both, DATA), True, 0.5),
}


@pytest.fixture
def each_kernel(kernel, monkeypatch):
    """Run gdfast's own way to a function on each implementation of the kernel."""
    monkeypatch.setattr(functions, "kernel", kernel)
    monkeypatch.setattr("gdfast.drivers.kernel", kernel)
    return kernel


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_they_make_the_steps_of_python(each_kernel, way, optimizer):
    fun, grad, factor = WAYS[way]
    options = {"optimizer": optimizer, "learning_rate": 1e-3, "max_iter": 70}
    options |= {"history": "full", "bounds": (-1.5, 1.1)}
    run = gdfast.minimize(fun, START, grad=grad, **options)
    twin = gdfast.minimize(
        lambda x: factor * rosen(x),
        START,
        grad=lambda x: factor * rosen_der(x),
        **options,
    )
    assert run.history.array.tobytes() == twin.history.array.tobytes()
    assert run.nfev >= 71


@pytest.mark.parametrize(
    "bounds", [None, (-1.2, 1.0), [(-2, 2), (0.9999999, 2), (-1, 2)]]
)
def test_differences_are_those_of_python(each_kernel, bounds):
    options = {"learning_rate": 1e-3, "max_iter": 40, "bounds": bounds}
    run = gdfast.minimize(value, START, **options)
    twin = gdfast.minimize(rosen, START, **options)
    assert run.x.tobytes() == twin.x.tobytes()
    assert run.nfev == twin.nfev == 41 * 7
    assert run.njev == twin.njev == 0


@pytest.mark.parametrize("optimizer", ["gd", "accelerated"])
def test_backtracking_calls_them_too(optimizer):
    options = {"optimizer": optimizer, "max_iter": 200}
    run = gdfast.minimize(value, START, grad=gradient, **options)
    twin = gdfast.minimize(rosen, START, grad=rosen_der, **options)
    assert run.x.tobytes() == twin.x.tobytes()


def test_one_variable_is_a_number():
    @VALUE
    def square(n, x):
        return x[0] ** 2

    run = gdfast.minimize(square, 5.0, learning_rate=0.1, max_iter=2)
    assert run.x == pytest.approx(3.2)
    assert isinstance(run.x, float)


def test_they_cannot_change_the_run(each_kernel):
    @VALUE
    def spoil(n, x):
        result = rosen(array(n, x))
        array(n, x)[:] = 7
        return result

    @GRADIENT
    def spoil_too(n, x, g):
        array(n, g)[:] = rosen_der(array(n, x))
        array(n, x)[:] = 7

    options = {"learning_rate": 1e-3, "max_iter": 20}
    run = gdfast.minimize(spoil, START, grad=spoil_too, **options)
    clean = gdfast.minimize(value, START, grad=gradient, **options)
    assert run.x.tobytes() == clean.x.tobytes()
    differences = gdfast.minimize(spoil, START, **options)
    clean = gdfast.minimize(value, START, **options)
    assert differences.x.tobytes() == clean.x.tobytes()


def test_the_steps_may_be_cut_anywhere(each_kernel, monkeypatch):
    options = {"learning_rate": 1e-3, "history": "full", "optimizer": "nesterov"}
    whole = gdfast.minimize(value, START, grad=gradient, max_iter=50, **options)
    monkeypatch.setattr("gdfast.descent.MAX_SLICE_STEPS", 7)
    parts = gdfast.minimize(value, START, grad=gradient, max_iter=50, **options)
    assert parts.history.array.tobytes() == whole.history.array.tobytes()
    begun = gdfast.minimize(value, START, grad=gradient, max_iter=20, **options)
    ended = gdfast.minimize(value, resume=begun, grad=gradient, max_iter=30, **options)
    assert ended.x.tobytes() == whole.x.tobytes()


def test_faults_of_the_functions(each_kernel):
    @VALUE
    def nowhere(n, x):
        return math.nan

    @VALUE
    def falls(n, x):
        return -x[0] if x[0] < 3 else -math.inf

    @GRADIENT
    def steep(n, x, g):
        g[0] = -1.0 if x[0] < 2 else math.nan

    with pytest.raises(ValueError, match="fun must be finite at x0"):
        gdfast.minimize(nowhere, 1.0, learning_rate=0.1)
    with pytest.raises(ValueError, match="component 0 is nan at x = "):
        gdfast.minimize(falls, 1.0, grad=steep, learning_rate=0.1)
    with pytest.raises(gdfast.DivergenceError, match="fun is -inf"):
        gdfast.minimize(falls, 1.0, learning_rate=0.5)


def test_it_is_not_asked_where_there_is_no_point(kernel):
    calls = []

    @VALUE
    def fun(n, x):
        calls.append(n)
        return math.inf

    [address, data] = pointers.compiled(fun)[1:3]
    function = kernel.CompiledFunction((address, data), None, False, 2, None)
    slopes = np.zeros(2)
    assert math.isnan(function.evaluate(np.array([1.0, math.nan]), slopes))
    assert np.isnan(slopes).all()
    assert calls == []
    slopes[:] = 0
    assert function.evaluate(np.zeros(2), slopes) == math.inf
    assert np.isnan(slopes).all()
    assert (function.n_values, function.n_gradients) == (1, 0)


def test_wrong_calls_of_the_kernel(kernel):
    pair = pointers.compiled(value)[1:3]
    with pytest.raises(ValueError, match="n must be at least 1"):
        kernel.CompiledFunction(pair, None, False, 0, None)
    with pytest.raises(ValueError, match="an address must not be 0"):
        kernel.CompiledFunction((0, None), None, False, 2, None)
    with pytest.raises(ValueError, match="an address must not be 0"):
        kernel.CompiledFunction(pair, (0, None), False, 2, None)
    with pytest.raises(ValueError, match=r"bounds must have shape \(2, n\)"):
        kernel.CompiledFunction(pair, None, False, 2, np.zeros((2, 3)))
    function = kernel.CompiledFunction(pair, None, False, 2, None)
    with pytest.raises(ValueError, match="gradient must have the shape"):
        function.evaluate(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="gradient must have the shape"):
        function.evaluate(np.zeros(2), np.zeros(3))
    for n, rows in ((3, 1), (2, 3)):
        with pytest.raises(ValueError, match="as many variables|trace must have"):
            kernel.descend_function(
                function, np.zeros(n), np.ones(1), np.empty((rows, 3)), None
            )


@pytest.mark.parametrize("x", [0.0, 1e-7, -0.3, 0.4, 1.0, 3e5, -2.0, 7.0])
@pytest.mark.parametrize(("low", "high"), [(-math.inf, math.inf), (0, 1), (0.4, 0.4)])
def test_differences_of_each_kernel(kernel, x, low, high):
    places = []

    def fun(x):
        places.append(x)
        return 3 * x**2 + x

    bounds, slope = np.array([[low], [high]], np.float64), np.empty(1)
    function = kernel.PythonFunction(
        fun, None, np.empty(1), True, bounds, float, None, 9
    )
    value = function.evaluate(np.array([x]), slope)
    assert places == [x, *_reference.stencil(x, low, high)]
    if low <= x <= high and low < high:
        assert low <= min(places) < max(places) <= high
    values = tuple(3 * at**2 + at for at in places[1:])
    assert slope == [_reference.slope(x, value, tuple(places[1:]), values)]
    assert slope == pytest.approx(6 * x + 1, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_finite(kernel, wrong):
    values = np.array([0.0, -5e-324, 1e308, -1e308, 1e308])  # with no finite sum
    assert kernel.are_finite(values) is True
    assert kernel.are_finite(values[:0]) is True
    for place in range(len(values)):
        other = values.copy()
        other[place] = wrong
        assert kernel.are_finite(other) is False


def test_wrong_arguments():
    with pytest.raises(ValueError, match="a LowLevelCallable must have one of"):
        gdfast.minimize(
            LowLevelCallable(ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(abs)),
            1.0,
        )
    for fun, grad in ((value, rosen_der), (rosen, gradient), (rosen, value)):
        with pytest.raises(TypeError, match="must both be compiled, or neither"):
            gdfast.minimize(fun, START, grad=grad)
    with pytest.raises(ValueError, match=r"fun must have the signature double\(int,"):
        gdfast.minimize(both, START)
    with pytest.raises(ValueError, match="fun must have the signature"):
        gdfast.minimize(value, START, grad=True)
    with pytest.raises(ValueError, match=r"grad must have the signature void\(int,"):
        gdfast.minimize(value, START, grad=both)
    with pytest.raises(ValueError, match="args must be left out"):
        gdfast.minimize(value, START, (1,), grad=gradient)


def test_other_functions_of_ctypes_are_called_from_python():
    cos = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(math.cos)
    run = gdfast.minimize(cos, 2.0, gtol=1e-6)
    assert run.x == pytest.approx(math.pi, abs=1e-6)
    untyped = ctypes.CDLL(None)["abs"]
    assert pointers.compiled(untyped) is None


def test_functions_of_numba():
    numba = pytest.importorskip("numba")
    types = numba.types

    @numba.cfunc(types.double(types.intc, types.CPointer(types.double)))
    def fun(n, x):
        return x[0] ** 2 + x[1] ** 2

    run = gdfast.minimize(fun, (5, -4), learning_rate=0.1, max_iter=1)
    assert run.x == pytest.approx([4, -3.2])
    assert run.nfev == 10


SOURCE = """
#include <math.h>
double rosenbrock(int n, double *x, double *g)
{
    double a = 1 - x[0], b = x[1] - x[0] * x[0];
    g[0] = -2 * a - 400 * x[0] * b;
    g[1] = 200 * b;
    return a * a + 100 * b * b;
}
double forever(int n, double *x, double *g)
{
    g[0] = -1;
    g[1] = 0;
    return -x[0];
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    folder = tmp_path_factory.mktemp("compiled")
    source, target = folder / "functions.c", folder / "functions.so"
    source.write_text(SOURCE)
    command = [compiler, "-O2", "-shared", "-fPIC", str(source), "-o", str(target)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a C compiler")
    return ctypes.CDLL(str(target))


def of(library, name):
    function = library[name]
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_int, DOUBLES, DOUBLES]
    return function


def test_a_library_of_c(library):
    run = gdfast.minimize(
        of(library, "rosenbrock"), (-1.2, 1), grad=True, gtol=1e-6, max_iter=10**6,
        learning_rate=1e-3,
    )  # fmt: skip
    assert run.converged
    np.testing.assert_allclose(run.x, 1, atol=1e-5)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_the_loop_leaves_python_alone_and_answers_ctrl_c(library):
    import signal

    counted = [0]
    done = threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1
            time.sleep(1e-3)

    thread = threading.Thread(target=count)
    timer = threading.Timer(0.5, signal.raise_signal, args=(signal.SIGINT,))
    thread.start()
    timer.start()
    begun = time.perf_counter()
    run = gdfast.minimize(
        of(library, "forever"), (0.0, 0.0), grad=True, learning_rate=1e-9,
        max_iter=10**10, on_interrupt="return", history=False,
    )  # fmt: skip
    assert time.perf_counter() - begun < 2.5
    done.set()
    thread.join()
    assert counted[0] > 50
    assert run.x[0] == pytest.approx(1e-9 * run.n_iter, rel=1e-6)
