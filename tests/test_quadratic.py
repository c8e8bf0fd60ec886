"""Steps on a quadratic function: the oracle is gradient descent in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdfast import _kernel, _reference


def fractions(values):
    """Return an array of exact fractions."""
    values = np.asarray(values, dtype=float)
    return np.array([Fraction(float(x)) for x in values.flat]).reshape(values.shape)


def doubles(values):
    return np.array(values, dtype=float)


def exact_steps(X, y, weight, params, rate, n_steps):
    """Descend on the mean squared error; return trace, path and params as fractions."""
    rows = np.c_[X, np.ones(len(X), dtype=int)][:, : len(params)]
    H = 2 * (rows.T * weight) @ rows / weight.sum()
    trace, path = [], []
    residual = rows @ params - y
    gradient = 2 * (rows.T * weight) @ residual / weight.sum()
    for _ in range(n_steps):
        step = rate * gradient
        loss = (weight * residual) @ residual / weight.sum()
        trace.append([loss, max(abs(gradient)), max(abs(step))])
        path.append(params)
        params = params - step
        residual = residual - rows @ step
        gradient = gradient - H @ step
    return trace, path, params


def quadratic(X, y, weight, origin, center):
    """Return loss, gradient and hessian of the mean squared error at the origin."""
    d = X.shape[1]
    rows = np.c_[X, np.ones(len(X), dtype=int)][:, : len(origin)]
    residual = rows @ origin - y
    if center is not None:
        rows = np.c_[rows[:, :d] - center, rows[:, d:]]
    half = (rows.T * weight) / weight.sum()
    loss = (weight * residual) @ residual / weight.sum()
    return float(loss), doubles(2 * half @ residual), doubles(2 * half @ rows)


def run(kernel, loss, gradient, hessian, center, origin, params, rates, path=True):
    """Return the number of steps, params, trace and path; what is not written is 77."""
    params = params.copy()
    trace = np.full((len(rates), 3), 77.0)
    positions = np.full((len(rates), len(params)), 77.0) if path else None
    n_steps = kernel.descend_quadratic(
        loss, gradient, hessian, center, origin, params, rates, trace, positions
    )
    return n_steps, params, trace, positions


def data(rng, n, d, offset=0):
    """Return X, y and sample_weight of eighths, as exact fractions."""
    X = fractions(rng.integers(-16, 17, (n, d)) / 8 + offset)
    y = fractions(rng.integers(-16, 17, n) / 8)
    return X, y, fractions(rng.integers(1, 9, n) / 4)


# ------------------------------------------------------------------ what it computes


def test_a_parabola_in_its_own_numbers(kernel):
    # w^2 from 5 at a rate of 0.1: every step leaves 0.8 of w.
    at = np.array([5.0])
    n_steps, params, trace, path = run(
        kernel, 25.0, np.array([10.0]), np.array([[2.0]]), None, at, at, np.full(2, 0.1)
    )
    assert n_steps == 2
    assert path.tolist() == [[5.0], [4.0]]
    assert params == pytest.approx([3.2], rel=1e-15)
    expected = [[25, 10, 1], [16, 8, 0.8]]
    np.testing.assert_allclose(trace, expected, rtol=1e-15)


def test_steps_are_exact_on_dyadic_numbers(kernel):
    # f = 8 + v . [2, -1] + v' [[2, 1], [1, 4]] v / 2 at v = params - origin
    H, origin = [[2, 1], [1, 4]], [Fraction(1), Fraction(-3, 2)]
    params, rates = [Fraction(3, 2), Fraction(-1)], [Fraction(1, 4), Fraction(1, 8)]
    args = (8.0, doubles([2, -1]), doubles(H), None, doubles(origin), doubles(params))
    rows = []
    for rate in rates:
        v = [p - o for p, o in zip(params, origin, strict=True)]
        bent = [sum(h * x for h, x in zip(row, v, strict=True)) for row in H]
        slope = [2 + bent[0], -1 + bent[1]]
        loss = 8 + 2 * v[0] - v[1] + (v[0] * bent[0] + v[1] * bent[1]) / 2
        rows.append([loss, max(map(abs, slope)), rate * max(map(abs, slope)), *params])
        params = [p - rate * g for p, g in zip(params, slope, strict=True)]
    n_steps, got, trace, path = run(kernel, *args, doubles(rates))
    assert n_steps == 2
    assert np.c_[trace, path].tolist() == doubles(rows).tolist()
    assert got.tolist() == doubles(params).tolist()


def test_center_is_the_same_function_of_shifted_columns(kernel):
    # v = [1, 1] moves the intercept of columns x - 2 by 1 + 2; the slope follows.
    arguments = 8.0, doubles([1, 2]), doubles([[2, 0], [0, 2]]), doubles([2])
    origin, params = np.zeros(2), np.ones(2)
    n_steps, got, trace, _ = run(kernel, *arguments, origin, params, np.array([0.125]))
    assert n_steps == 1
    assert trace.tolist() == [[8 + 7 + 10, 3 + 2 * 8, 19 / 8]]  # slope [3 + 16, 8]
    assert got.tolist() == [1 - 19 / 8, 0]


@pytest.mark.parametrize("d", [1, 2, 3, 7, 8, 9, 17])
@pytest.mark.parametrize(
    ("intercept", "centered"), [(False, False), (True, False), (True, True)]
)
@pytest.mark.parametrize("moved", [False, True])
def test_iterates_are_those_of_the_data(kernel, rng, d, intercept, centered, moved):
    X, y, weight = data(rng, d + 5, d)
    origin = fractions(np.zeros(d + intercept))
    center = fractions(rng.integers(-8, 9, d) / 8) if centered else None
    function = quadratic(X, y, weight, origin, center)
    center = None if center is None else doubles(center)
    start = fractions(rng.integers(-8, 9, d + intercept) / 4) if moved else origin
    rate, n_steps = 2.0**-5 / d, 8
    trace, path, params = exact_steps(X, y, weight, start, Fraction(rate), n_steps)
    arguments = doubles(origin), doubles(start), np.full(n_steps, rate)
    got = run(kernel, *function, center, *arguments)
    assert got[0] == n_steps
    np.testing.assert_allclose(got[2], doubles(trace), rtol=1e-11)
    np.testing.assert_allclose(got[3], doubles(path), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(got[1], doubles(params), rtol=1e-11, atol=1e-13)
    # And those of the other way to make them.
    same, same_trace = doubles(start), np.empty((n_steps, 3))
    rows = doubles(X), doubles(y), doubles(weight), None
    kernel.descend(0, 0.0, *rows, same, np.full(n_steps, rate), same_trace, None)
    np.testing.assert_allclose(got[2], same_trace, rtol=1e-11)
    np.testing.assert_allclose(got[1], same, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("offset", [1000, 1_000_000])
def test_a_center_keeps_the_digits_of_columns_with_an_offset(kernel, rng, d, offset):
    X, y, weight = data(rng, 12, d, offset)
    origin = fractions(np.zeros(d + 1))
    center = fractions(np.full(d, float(offset)))
    function = quadratic(X, y, weight, origin, center)
    rate, n_steps = 2.0**-2 / (d * offset**2), 30
    trace, path, params = exact_steps(X, y, weight, origin, Fraction(rate), n_steps)
    rates = np.full(n_steps, rate)
    arguments = doubles(center), doubles(origin), doubles(origin), rates
    got = run(kernel, *function, *arguments)
    assert got[0] == n_steps
    np.testing.assert_allclose(got[2][:, 0], doubles(trace)[:, 0], rtol=1e-10)
    size = np.abs(doubles(path)).max(axis=0)
    assert (np.abs(got[3] - doubles(path)) <= 1e-9 * size).all()
    assert (np.abs(got[1] - doubles(params)) <= 1e-9 * size).all()


def test_rates_may_differ_and_no_path_is_needed(kernel):
    at, rates = np.array([4.0]), np.array([0.25, 0.0, 0.125])
    n_steps, params, trace, _ = run(
        *(kernel, 20.0, np.array([8.0]), np.array([[2.0]]), None, at, at, rates, False)
    )
    assert n_steps == 3
    assert trace.tolist() == [[20, 8, 2], [8, 4, np.inf], [8, 4, 0.5]]
    assert params.tolist() == [1.5]


def test_steps_may_be_split_over_calls(kernel, rng):
    X, y, weight = data(rng, 9, 3)
    at = np.zeros(4)
    center = doubles([1, 2, 3])
    function = quadratic(X, y, weight, fractions(at), fractions(center))
    rates = rng.uniform(0.01, 0.05, 9)
    _, params, trace, path = run(kernel, *function, center, at, at, rates)
    _, half, trace_1, path_1 = run(kernel, *function, center, at, at, rates[:4])
    _, again, trace_2, path_2 = run(kernel, *function, center, at, half, rates[4:])
    assert again.tolist() == params.tolist()
    assert np.r_[trace_1, trace_2].tolist() == trace.tolist()
    assert np.r_[path_1, path_2].tolist() == path.tolist()


@pytest.mark.parametrize("n_steps", [0, 3])
def test_a_row_more_shows_where_the_steps_led(kernel, n_steps):
    at, rates = np.array([5.0]), np.full(4, 0.125)
    function = 25.0, np.array([10.0]), np.array([[2.0]]), None
    _, _, trace, path = run(kernel, *function, at, at, rates)
    params, ended = at.copy(), np.empty((n_steps + 1, 3))
    visited = np.empty((n_steps + 1, 1))
    n_rows = kernel.descend_quadratic(
        *(*function, at, params, rates[:n_steps], ended, visited)
    )
    assert n_rows == n_steps + 1
    assert visited.tolist() == path[: n_steps + 1].tolist()
    assert params.tolist() == path[n_steps].tolist()
    assert ended[:, :2].tolist() == trace[: n_steps + 1, :2].tolist()
    assert ended[:, 2].tolist() == [*trace[:n_steps, 2], np.inf]


# ------------------------------------------------------------------------ when it stops


def test_it_stops_before_rounding_shows(kernel):
    # The lowest point of w^2 is 0, where all of 25 - 50 + 25 cancels.
    at, rates = np.array([5.0]), np.full(100, 0.125)
    function = 25.0, np.array([10.0]), np.array([[2.0]]), None
    n_steps, params, trace, path = run(kernel, *function, at, at, rates)
    w = [Fraction(5) * Fraction(3, 4) ** t for t in range(101)]
    # What is added up: 25, 10 (5 - w) and twice half of 2 (5 - w)^2.
    lost = [v**2 / (25 + 10 * (5 - v) + 2 * (5 - v) ** 2) for v in w]
    assert lost[n_steps - 1] > 1e-5 > lost[n_steps]
    assert 0 < n_steps < 30
    np.testing.assert_allclose(
        trace[:n_steps, 0], doubles([v**2 for v in w[:n_steps]]), rtol=1e-10
    )
    np.testing.assert_allclose(path[:n_steps, 0], doubles(w[:n_steps]), rtol=1e-10)
    assert params == pytest.approx([float(w[n_steps])], rel=1e-10)
    assert (path[n_steps:] == 77).all()  # as before the call, like the trace but for
    assert (trace[n_steps + 1 :] == 77).all()  # the loss that made it stop
    # There it stays, until the function is taken from the new point.
    assert run(kernel, *function, at, params, rates)[0] == 0
    w2, slope = params[0] ** 2, 2 * params
    assert run(kernel, w2, slope, *function[2:], params, params, rates)[0] > 1


@pytest.mark.parametrize("d", [2, 9])
def test_losses_are_right_up_to_the_stop(kernel, rng, d):
    # Targets that the columns explain but for a little: far below the first loss.
    X, _, weight = data(rng, 2 * d + 4, d)
    y = X @ fractions(rng.integers(-8, 9, d) / 8) + fractions(
        rng.integers(-8, 9, len(X)) * 2.0**-13
    )
    origin = fractions(np.zeros(d + 1))
    function = quadratic(X, y, weight, origin, None)
    rate, n_max = 1 / float(np.linalg.eigvalsh(function[2])[-1]), 400
    rate = 2.0 ** np.floor(np.log2(rate))
    at = doubles(origin)
    n_steps, _, trace, _ = run(kernel, *function, None, at, at, np.full(n_max, rate))
    assert 10 < n_steps < n_max
    # Fractions of so many steps would be long; residuals cancel nothing in double.
    rows, s, w = np.c_[doubles(X), np.ones(len(X))], doubles(weight / weight.sum()), at
    losses = []
    for _ in range(n_steps):
        residual = rows @ w - doubles(y)
        losses.append(s @ residual**2)
        w = w - rate * 2 * (s * residual) @ rows
    np.testing.assert_allclose(trace[:n_steps, 0], losses, rtol=1e-9)


@pytest.mark.parametrize("loss", [0.0, 5e-324, 1e-300, 1.0, 1e300, np.inf])
@pytest.mark.parametrize("center", [None, np.array([1e6])])
def test_the_first_step_from_the_origin_is_always_made(kernel, loss, center):
    at, hessian = np.array([3.0, -1e6]), np.diag([1e3, 1.0])
    n_steps, params, trace, _ = run(
        *(kernel, loss, np.array([1.0, 2.0]), hessian, center, at, at, np.full(3, 0.0))
    )
    assert n_steps == 3  # a rate of 0 goes nowhere
    assert (trace[:, 0] == loss).all()
    assert params.tolist() == at.tolist()


def test_no_steps_change_nothing(kernel):
    at = np.ones(2)
    n_steps, params, _, path = run(
        kernel, 1.0, np.ones(2), np.eye(2), np.ones(1), at, at, np.empty(0)
    )
    assert n_steps == 0
    assert params.tolist() == [1, 1]
    assert path.shape == (0, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["gradient", "hessian", "center"])
def test_missing_values_show_up_in_the_trace(kernel, value, where):
    arrays = {"gradient": np.ones(3), "hessian": np.eye(3), "center": np.ones(2)}
    arrays[where].flat[0] = value
    at = np.zeros(3)
    with np.errstate(invalid="ignore"):
        n_steps, params, trace, _ = run(
            *(kernel, 10.0, *arrays.values(), at, at, np.full(50, 0.01))
        )
    assert n_steps == 50
    assert not np.isfinite(trace[1:]).any()
    assert not np.isfinite(params).all()


def test_a_run_that_diverges_ends(kernel):
    at, rates = np.ones(2), np.full(3000, 100.0)
    with np.errstate(all="ignore"):
        n_steps, params, trace, _ = run(
            kernel, 1.0, np.ones(2), np.eye(2), None, at, at, rates
        )
    assert n_steps == 3000
    assert not np.isfinite(params).any()
    assert not np.isfinite(trace[-1]).any()


# ------------------------------------------------------------------- twins and errors


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_compiled_and_reference_agree(data):
    n = data.draw(st.integers(1, 40), "n")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    factor = rng.standard_normal((n, n + 2))
    hessian = factor @ factor.T / n
    gradient, origin = rng.standard_normal((2, n))
    center = rng.standard_normal(n - 1) if data.draw(st.booleans(), "center") else None
    params = origin + rng.standard_normal(n) * data.draw(st.sampled_from([0, 0.1]))
    loss = 10.0 + gradient @ np.linalg.pinv(hessian) @ gradient
    arguments = loss, gradient, hessian, center, origin, params, np.full(5, 1e-3)
    got, expected = (run(kernel, *arguments) for kernel in (_kernel, _reference))
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12 * np.abs(b).max())


def good():
    return {
        "loss": 1.0,
        "gradient": np.ones(3),
        "hessian": np.eye(3),
        "center": np.ones(2),
        "origin": np.zeros(3),
        "params": np.zeros(3),
        "rates": np.full(2, 0.5),
        "trace": np.zeros((2, 3)),
        "path": np.zeros((2, 3)),
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gradient": np.ones(2)}, "gradient and origin must have the shape of params"),
        ({"origin": np.ones(4)}, "gradient and origin must have the shape of params"),
        ({"params": np.ones(2)}, "gradient and origin must have the shape of params"),
        (dict.fromkeys(["gradient", "origin", "params"], np.ones(0)), "gradient and o"),
        ({"hessian": np.ones((3, 2))}, r"hessian must have shape \(n_params, n_params"),
        ({"hessian": np.ones((2, 3))}, r"hessian must have shape \(n_params, n_params"),
        ({"center": np.ones(3)}, "center must have one value less than params"),
        ({"center": np.ones(1)}, "center must have one value less than params"),
        ({"trace": np.zeros((1, 3))}, r"trace must have shape \(n_steps, 3\)"),
        ({"trace": np.zeros((2, 2))}, r"trace must have shape \(n_steps, 3\)"),
        ({"trace": np.zeros((4, 3))}, r"trace must have shape \(n_steps, 3\)"),
        ({"trace": np.zeros((3, 3))}, "path must have n_params values for each row"),
        ({"path": np.zeros((1, 3))}, "path must have n_params values for each row of"),
        ({"path": np.zeros((2, 2))}, "path must have n_params values for each row of"),
    ],
)
def test_wrong_shapes_are_errors_and_change_nothing(kernel, change, message):
    arguments = {**good(), **change}
    before = arguments["params"].copy()
    with pytest.raises(ValueError, match=f"^{message}"):
        kernel.descend_quadratic(**arguments)
    assert arguments["params"].tolist() == before.tolist()
    assert not arguments["trace"].any()
    assert not arguments["path"].any()


def test_good_shapes_are_no_errors(kernel):
    assert kernel.descend_quadratic(**good()) == 2
    one = {name: np.ones(1) for name in ("gradient", "origin", "params")}
    one |= {"hessian": np.ones((1, 1)), "path": np.zeros((2, 1)), "center": np.ones(0)}
    assert kernel.descend_quadratic(**{**good(), **one}) == 2
