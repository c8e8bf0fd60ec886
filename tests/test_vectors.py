"""Explicit vectors: the same bits whatever their width, and no read beside the data."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdfast.losses import LOSSES, Domain

LOG_LOSS = LOSSES["log_loss"]()
# "multinomial" has no single output; its tests are in test_outputs.py.
SINGLE = {k: loss for k, loss in LOSSES.items() if loss.domain is not Domain.CLASS}
GUARDED = Path(__file__).with_name("guarded.py")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="mprotect of Linux")


def results(kernel, loss, X, y, weight, columns, params, steps=3):
    """Return all that the functions which read X make of some data, in bytes."""
    p = len(params)
    kind, param = loss.kind, loss.param
    data = param, X, y, weight, columns, params
    out = [np.zeros(p), np.zeros(p), np.zeros((p, p))]
    sums = kernel.add_gradient(kind, *data, out[0])
    more = kernel.add_moments(kind, *data, *out[1:])
    params = params.copy()
    trace, path = np.empty((steps + 1, 3)), np.empty((steps + 1, p))
    rates = np.full(steps, 0.1 / X.shape[1])
    kernel.descend(kind, param, X, y, weight, columns, params, rates, trace, path)
    return [np.array(a).tobytes() for a in (*out, sums, more, params, trace, path)]


def draw_layout(data, name, values):
    """Return the same values as they are, spaced, backwards or both."""
    step = data.draw(st.sampled_from([1, 2, 3, -1, -2]), name)
    spaced = np.full((abs(step) * len(values), *values.shape[1:]), 7, values.dtype)
    if values.ndim == 2 and data.draw(st.booleans(), f"{name} beside others"):
        spaced = np.pad(spaced, [(0, 0), (2, 1)])[:, 2:-1]
    result = spaced[::step]
    result[...] = values
    return result


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_width_of_vectors_gives_the_same_bits(builds, data):
    widths = st.integers(1, 70) | st.sampled_from([127, 128, 129, 256, 300, 513])
    d = data.draw(widths, "d")
    n = data.draw(st.integers(1, 40) | st.integers(1, 600), "n")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    dtypes = st.sampled_from([np.float32, np.float64])
    X = rng.standard_normal((n, d)).astype(data.draw(dtypes, "dtype of X"))
    y = rng.uniform(0, 1, n).astype(data.draw(dtypes, "dtype of y"))
    weight = rng.uniform(0, 2, n) if data.draw(st.booleans(), "weighted") else None
    columns = None
    if data.draw(st.booleans(), "columns"):
        columns = np.array([rng.normal(size=d), rng.uniform(0.5, 2, d)])
    params = rng.standard_normal(d + data.draw(st.booleans(), "intercept"))
    params *= data.draw(st.sampled_from([0.01, 1, 100]), "size of params")
    loss = LOSSES[data.draw(st.sampled_from(sorted(SINGLE)), "loss")]()
    X, y = draw_layout(data, "rows", X), draw_layout(data, "targets", y)
    plain, wide = (results(k, loss, X, y, weight, columns, params) for k in builds)
    assert plain == wide


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_every_width_steps_on_a_quadratic_with_the_same_bits(builds, data):
    n = data.draw(st.integers(1, 70), "n")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    factor = rng.standard_normal((n, n))
    hessian, (gradient, origin) = factor @ factor.T, rng.standard_normal((2, n))
    center = rng.standard_normal(n - 1) if data.draw(st.booleans(), "center") else None
    outcomes = []
    for kernel in builds:
        params, trace, path = origin + 0.125, np.zeros((40, 3)), np.zeros((40, n))
        n_steps = kernel.descend_quadratic(
            *(n * 3.0, gradient, hessian, center, origin, params),
            *(np.full(40, 0.1 / n), trace, path),
        )
        outcomes.append((n_steps, *(a.tobytes() for a in (params, trace, path))))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("size", [1e-200, 1e-30, 1e30, 1e150])
def test_every_width_gives_the_same_bits_of_extreme_sizes(builds, rng, name, size):
    loss = LOSSES[name]()
    X, y = rng.standard_normal((100, 9)) * size, rng.uniform(0, 1, 100)
    params = rng.standard_normal(10)
    plain, wide = (results(k, loss, X, y, None, None, params, 1) for k in builds)
    assert plain == wide


# ------------------------------------------------------------ what lies beside the data


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 130])
def test_values_beside_X_change_no_bit(compiled, rng, value, dtype, d):
    for n in (1, 3, 4, 5, 8, 9, 31, 32, 45, 260):
        X, y = rng.standard_normal((n, d)).astype(dtype), rng.uniform(0, 1, n)
        weight, params = rng.uniform(0, 2, n), rng.standard_normal(d + 1)
        for s in (None, weight):
            expected = results(compiled, LOG_LOSS, X, y, s, None, params, 2)
            middle = np.full((n, d + 19), value, dtype)
            rows = np.full((3 * n, d), value, dtype)
            both = np.full((3 * n + 2, d + 8), value, dtype)
            ahead = np.full((n + 9, d), value, dtype)  # and behind
            for view in (
                *(middle[:, :d], middle[:, 8 : d + 8], middle[:, 19:]),
                *(rows[::3], rows[2::3], both[2::3, 3 : d + 3], ahead[5 : n + 5]),
            ):
                view[...] = X
                assert (
                    results(compiled, LOG_LOSS, view, y, s, None, params, 2) == expected
                )
                view[...] = value
            targets = np.full(2 * n + 9, value)
            for view in (targets[1::2][:n], targets[4 : n + 4]):
                view[...] = y
                assert (
                    results(compiled, LOG_LOSS, X, view, s, None, params, 2) == expected
                )
                view[...] = value
            weights = np.full(n + 8, value)
            if s is not None:
                weights[4 : n + 4] = s
                got = results(
                    compiled, LOG_LOSS, X, y, weights[4 : n + 4], None, params, 2
                )
                assert got == expected


@on_linux
def test_no_kernel_reads_or_writes_outside_of_its_arrays():
    done = subprocess.run([sys.executable, GUARDED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or f"ended by signal {-done.returncode}"


@on_linux
def test_the_test_of_reads_outside_sees_them():
    done = subprocess.run([sys.executable, GUARDED, "outside"], capture_output=True)
    assert done.returncode < 0 or b"SEGV" in done.stderr  # which a sanitizer writes
