"""The kernel, compiled and reference: oracles are exact arithmetic and each other."""

import doctest
import inspect
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdfast import _kernel, _reference
from gdfast.losses import LOSSES, Domain

FORMULAS = {  # loss and slope of raw predictions z for targets y, and a parameter p
    "squared_error": lambda z, y, p: ((z - y) ** 2, 2 * (z - y)),
    "half_squared_error": lambda z, y, p: ((z - y) ** 2 / 2, z - y),
    "log_loss": lambda z, y, p: (
        np.log1p(np.exp(z)) - y * z,
        1 / (1 + np.exp(-z)) - y,
    ),
    "huber": lambda z, y, p: (
        np.where(abs(z - y) <= p, (z - y) ** 2 / 2, p * abs(z - y) - p * p / 2),
        np.where(abs(z - y) <= p, z - y, p * np.sign(z - y)),
    ),
    "epsilon_insensitive": lambda z, y, p: (
        np.where(abs(z - y) <= p, 0, abs(z - y) - p),
        np.where(abs(z - y) <= p, 0, np.sign(z - y)),
    ),
    "squared_epsilon_insensitive": lambda z, y, p: (
        np.where(abs(z - y) <= p, 0, abs(z - y) - p) ** 2,
        np.where(abs(z - y) <= p, 0, 2 * (z - y) - 2 * p * np.sign(z - y)),
    ),
    "quantile": lambda z, y, p: (
        np.where(z <= y, p * (y - z), (1 - p) * (z - y)),
        np.where(z <= y, -p, 1 - p),
    ),
    "poisson": lambda z, y, p: (np.exp(z) - y * z, np.exp(z) - y),
    "hinge": lambda z, y, p: (
        np.where(y == 1, np.maximum(0, 1 - z), np.maximum(0, 1 + z)),
        np.where(y == 1, np.where(z <= 1, -1, 0), np.where(z >= -1, 1, 0)),
    ),
    "squared_hinge": lambda z, y, p: (
        np.where(y == 1, np.maximum(0, 1 - z), np.maximum(0, 1 + z)) ** 2,
        np.where(y == 1, -2 * np.maximum(0, 1 - z), 2 * np.maximum(0, 1 + z)),
    ),
    "modified_huber": lambda z, y, p: (
        np.where(
            y == 1,
            np.where(z < -1, -4 * z, np.maximum(0, 1 - z) ** 2),
            np.where(z > 1, 4 * z, np.maximum(0, 1 + z) ** 2),
        ),
        np.where(
            y == 1,
            np.where(z < -1, -4, -2 * np.maximum(0, 1 - z)),
            np.where(z > 1, 4, 2 * np.maximum(0, 1 + z)),
        ),
    ),
    "perceptron": lambda z, y, p: (
        np.where(y == 1, np.maximum(0, -z), np.maximum(0, z)),
        np.where(y == 1, np.where(z <= 0, -1, 0), np.where(z >= 0, 1, 0)),
    ),
}
# "multinomial" has no single output; its tests are in test_outputs.py.
SINGLE = {k: loss for k, loss in LOSSES.items() if loss.domain is not Domain.CLASS}
SQUARED_ERROR = LOSSES["squared_error"]()
# The usual parameters, and others, so that data of size 1 meet all sides of a kink.
INSTANCES = [
    *(loss() for loss in SINGLE.values()),
    LOSSES["huber"](epsilon=1.35),
    LOSSES["epsilon_insensitive"](epsilon=0.0),
    LOSSES["epsilon_insensitive"](epsilon=0.75),
    LOSSES["squared_epsilon_insensitive"](epsilon=0.75),
    LOSSES["quantile"](quantile=0.1),
    LOSSES["quantile"](quantile=0.75),
]
FUNCTIONS = [
    "add_gradient",
    "add_gradient_csr",
    "add_moments",
    "descend",
    "descend_quadratic",
]
# Around every boundary of the kernel: lanes of 8, 4 rows at a time, rows of up to 16
# values and longer ones, sums of 8 vectors of 2 or 4; blocks of 256 rows, 112 (of 9
# values), 28 (of 33) and never fewer than 4.
WIDTHS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 513, 1025, 2049]
LENGTHS = [1, 2, 3, 4, 5, 7, 8, 9, 28, 29, 31, 111, 112, 113, 255, 256, 257, 513, 1030]


def example(rng, n, d, dtype=np.float64, weighted=False, columns=False):
    """Return kernel arguments for n random rows: X, y, sample_weight, columns."""
    X = rng.standard_normal((n, d)).astype(dtype)
    y = rng.standard_normal(n).astype(dtype)
    weight = rng.uniform(0.5, 2, n) if weighted else None
    scales = np.array([rng.normal(size=d), rng.uniform(0.5, 2, d)]) if columns else None
    return X, y, weight, scales


def targets(rng, n, loss, dtype=np.float64):
    """Return targets in the domain of a loss."""
    y = rng.standard_normal(n).astype(dtype)
    match loss.domain:
        case Domain.BINARY:
            return (y > 0).astype(dtype)
        case Domain.PROBABILITY:
            return y - np.floor(y)
        case Domain.NON_NEGATIVE:
            return abs(y)
    return y


def integers(rng, n, d):
    """Return rows whose sums are exact in any order."""
    X = rng.integers(-8, 9, (n, d)).astype(float)
    y = rng.integers(-8, 9, n).astype(float)
    return X, y, rng.integers(-4, 5, d + 1).astype(float)


def sums(kernel, X, y, weight, columns, params, loss=SQUARED_ERROR):
    gradient = np.zeros_like(params)
    loss_sum, weight_sum = kernel.add_gradient(
        *(loss.kind, loss.param), X, y, weight, columns, params, gradient
    )
    return gradient, loss_sum, weight_sum


def run(kernel, data, params, n_steps, rate=0.01, path=False):
    params = params.copy()
    trace = np.empty((n_steps, 3))
    positions = np.empty((n_steps, len(params))) if path else None
    kernel.descend(0, 0.0, *data, params, np.full(n_steps, rate), trace, positions)
    return params, trace, positions


# ------------------------------------------------------------------ what it computes


def test_gradient_is_exact_on_rationals(kernel):
    X = [[Fraction(1, 2), Fraction(3)], [Fraction(-1, 4), Fraction(5, 2)], [2, -1]]
    y = [Fraction(1), Fraction(-3, 2), Fraction(7)]
    weight = [Fraction(1), Fraction(2), Fraction(1, 2)]
    coef, intercept = [Fraction(3, 2), Fraction(-1, 8)], Fraction(5, 4)
    residual = [
        sum(x * w for x, w in zip(row, coef, strict=True)) + intercept - target
        for row, target in zip(X, y, strict=True)
    ]
    gradient = [
        sum(2 * s * r * row[j] for s, r, row in zip(weight, residual, X, strict=True))
        for j in range(2)
    ]
    gradient.append(sum(2 * s * r for s, r in zip(weight, residual, strict=True)))
    loss = sum(s * r * r for s, r in zip(weight, residual, strict=True))

    def floats(values):
        return np.array(values, dtype=float)

    got, loss_sum, weight_sum = sums(
        kernel, floats(X), floats(y), floats(weight), None, floats([*coef, intercept])
    )
    assert got.tolist() == floats(gradient).tolist()  # dyadic numbers: no rounding
    assert loss_sum == float(loss)
    assert weight_sum == 3.5


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("columns", [False, True])
def test_gradient_equals_longdouble(kernel, rng, d, dtype, weighted, columns):
    n = 41
    X, _, weight, scales = example(rng, n, d, dtype, weighted, columns)
    params = rng.standard_normal(d + 1) / np.sqrt(d)
    wide = X.astype(np.longdouble)
    if columns:
        wide = (wide - scales[0]) * scales[1]
    s = np.ones(n, np.longdouble) if weight is None else weight.astype(np.longdouble)
    z = (wide * params[:d]).sum(axis=1) + params[d]
    for each in INSTANCES:
        y = targets(rng, n, each, dtype)
        loss, slope = FORMULAS[each.name](z, y.astype(np.longdouble), each.param)
        slope = s * slope
        data = X, y, weight, scales
        gradient, loss_sum, weight_sum = sums(kernel, *data, params, each)
        expected = [*(wide.T @ slope), slope.sum()]
        size = float(np.abs(slope).sum() * np.abs(wide).max())
        np.testing.assert_allclose(gradient, np.array(expected, float), 0, 1e-14 * size)
        assert loss_sum == pytest.approx(float((s * loss).sum()), 1e-13), each
        assert weight_sum == pytest.approx(float(s.sum()), 1e-15)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("d", [1, 3, 9, 33])
def test_integers_are_summed_exactly(kernel, rng, n, d):
    X, y, params = integers(rng, n, d)
    gradient, loss_sum, weight_sum = sums(kernel, X, y, None, None, params)
    residual = (X @ params[:d] + params[d] - y).astype(int)
    assert gradient[:d].tolist() == (2 * X.astype(int).T @ residual).tolist()
    assert gradient[d] == 2 * residual.sum()
    assert loss_sum == (residual**2).sum()
    assert weight_sum == n


@pytest.mark.parametrize("loss", INSTANCES, ids=str)
def test_gradient_is_the_slope_of_the_loss(kernel, rng, loss):
    X, _, weight, columns = example(rng, 20, 3, weighted=True, columns=True)
    data = X, targets(rng, 20, loss), weight, columns
    params = rng.standard_normal(4)
    gradient, _, _ = sums(kernel, *data, params, loss)
    # Central differences of a square are exact but for rounding, and no kink is near.
    curved = loss.name in ("log_loss", "poisson")
    h, atol = (1e-5, 1e-7) if curved else (1e-4, 1e-9)
    for j, step in enumerate(np.eye(4) * h):
        above = sums(kernel, *data, params + step, loss)[1]
        below = sums(kernel, *data, params - step, loss)[1]
        difference = (above - below) / (2 * h)
        assert gradient[j] == pytest.approx(difference, rel=1e-9, abs=atol)


def test_sums_are_added_to_what_is_there(kernel):
    gradient = np.array([10.0, 20.0])
    kernel.add_gradient(
        *(0, 0.0), np.ones((1, 1)), np.zeros(1), None, None, np.ones(2), gradient
    )
    assert gradient.tolist() == [14.0, 24.0]


def test_descend_equals_the_rule_written_out(kernel, rng):
    data = X, y, weight, _ = example(rng, 50, 3, weighted=True)
    w, b = np.zeros(3), 0.0
    rows = []
    for _ in range(7):
        residual = X @ w + b - y
        slope_w = 2 * (weight * residual) @ X / weight.sum()
        slope_b = 2 * (weight @ residual) / weight.sum()
        step = 0.1 * np.array([*slope_w, slope_b])
        rows.append(
            [
                weight @ residual**2 / weight.sum(),
                max(*np.abs(slope_w), abs(slope_b)),
                np.abs(step).max(),
                *w,
                b,
            ]
        )
        w, b = w - step[:3], b - step[3]
    params, trace, path = run(kernel, data, np.zeros(4), 7, rate=0.1, path=True)
    np.testing.assert_allclose(np.c_[trace, path], rows, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(params, [*w, b], rtol=1e-12)


def test_rates_may_differ_from_step_to_step(kernel):
    X, y = np.ones((1, 1)), np.array([1.0])
    params, trace = np.zeros(1), np.empty((3, 3))
    kernel.descend(
        0, 0.0, X, y, None, None, params, np.array([0.25, 0.0, 0.5]), trace, None
    )
    assert trace[:, 2].tolist() == [0.5, np.inf, 0.5]
    assert params.tolist() == [1.0]


def test_no_steps_change_nothing(kernel):
    params, trace, path = run(
        kernel, (np.ones((2, 1)), np.ones(2), None, None), np.ones(2), 0, path=True
    )
    assert params.tolist() == [1, 1]


# --------------------------------------------------------- properties that hold exactly


@pytest.mark.parametrize("d", [1, 4, 9, 40])
def test_any_chunking_gives_the_same_sums(kernel, rng, d):
    X, y, params = integers(rng, 1500, d)
    whole = sums(kernel, X, y, None, None, params)
    for cuts in ([1], [512], [3, 700, 701], list(range(0, 1500, 97))[1:]):
        gradient, loss_sum, weight_sum = np.zeros(d + 1), 0.0, 0.0
        for part_X, part_y in zip(np.split(X, cuts), np.split(y, cuts), strict=True):
            loss, weight = kernel.add_gradient(
                *(0, 0.0), part_X, part_y, None, None, params, gradient
            )
            loss_sum += loss
            weight_sum += weight
        assert gradient.tolist() == whole[0].tolist()
        assert (loss_sum, weight_sum) == whole[1:]


@pytest.mark.parametrize("d", [1, 4, 9])
def test_row_order_does_not_matter(kernel, rng, d):
    X, y, params = integers(rng, 700, d)
    order = rng.permutation(700)
    a, b = sums(kernel, X, y, None, None, params), None
    b = sums(kernel, X[order], y[order], None, None, params)
    assert a[0].tolist() == b[0].tolist()
    assert a[1:] == b[1:]


@pytest.mark.parametrize("d", [1, 4, 9])
def test_weight_two_is_the_row_twice_and_zero_is_none(kernel, rng, d):
    X, y, params = integers(rng, 600, d)
    weight = rng.integers(0, 4, 600)
    repeated = sums(
        kernel, X.repeat(weight, axis=0), y.repeat(weight), None, None, params
    )
    weighted = sums(kernel, X, y, weight.astype(float), None, params)
    assert weighted[0].tolist() == repeated[0].tolist()
    assert weighted[1:] == repeated[1:]


@pytest.mark.parametrize("d", [1, 4, 9])
@pytest.mark.parametrize("power", [-30, 40])
def test_scaling_by_powers_of_two_is_exact(kernel, rng, d, power):
    factor = 2.0**power
    data = X, y, _, _ = example(rng, 100, d)
    params, trace, path = run(kernel, data, np.zeros(d + 1), 5, path=True)
    # y and so all parameters scaled: the loss by the square, everything else likewise
    scaled = run(kernel, (X, y * factor, None, None), np.zeros(d + 1), 5, path=True)
    assert (scaled[0] / factor).tolist() == params.tolist()
    assert (scaled[1] / [factor**2, factor, factor]).tolist() == trace.tolist()
    assert (scaled[2] / factor).tolist() == path.tolist()
    # weights scaled: nothing changes
    heavy = run(kernel, (X, y, np.full(100, factor), None), np.zeros(d + 1), 5)
    assert heavy[1].tolist() == trace.tolist()


@pytest.mark.parametrize("d", [1, 9])
def test_steps_may_be_split_over_calls(kernel, rng, d):
    data = example(rng, 300, d)
    params, trace, _ = run(kernel, data, np.zeros(d + 1), 9)
    first, trace_1, _ = run(kernel, data, np.zeros(d + 1), 4)
    second, trace_2, _ = run(kernel, data, first, 5)
    assert second.tolist() == params.tolist()
    assert np.r_[trace_1, trace_2].tolist() == trace.tolist()


@pytest.mark.parametrize("d", [1, 9])
@pytest.mark.parametrize("n_steps", [0, 3])
def test_a_row_more_shows_where_the_steps_led(kernel, rng, d, n_steps):
    data = example(rng, 50, d)
    _, trace, path = run(kernel, data, rng.standard_normal(d + 1), 4, path=True)
    some, ended = path[0].copy(), np.empty((n_steps + 1, 3))
    visited = np.empty((n_steps + 1, d + 1))
    kernel.descend(0, 0.0, *data, some, np.full(n_steps, 0.01), ended, visited)
    assert some.tolist() == path[n_steps].tolist()
    assert visited.tolist() == path[: n_steps + 1].tolist()
    assert ended[:, :2].tolist() == trace[: n_steps + 1, :2].tolist()
    assert ended[:, 2].tolist() == [*trace[:n_steps, 2], np.inf]


@pytest.mark.parametrize("d", [1, 3, 9, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layouts_read_in_place_give_the_same_bits(compiled, rng, d, dtype):
    kernel, n = compiled, 530
    X, y, weight, columns = example(rng, n, d, dtype, weighted=True)
    params = rng.standard_normal(d + 1)
    expected = sums(kernel, X, y, weight, columns, params)[0].tolist()
    spaced = np.zeros((2 * n, d + 3), dtype)
    spaced[::2, :d] = X
    backwards = np.ascontiguousarray(X[::-1])[::-1]
    read_only = X.copy()
    read_only.setflags(write=False)
    for same in (spaced[::2, :d], backwards, read_only):
        assert (same == X).all()
        assert sums(kernel, same, y, weight, columns, params)[0].tolist() == expected
    spaced_y = np.repeat(y, 3)[::3]
    spaced_y.setflags(write=False)
    assert sums(kernel, X, spaced_y, weight, columns, params)[0].tolist() == expected


def test_one_repeated_row_is_read_in_place(kernel):
    X = np.broadcast_to(np.array([[2.0] * 9]), (100, 9))
    gradient, _, _ = sums(kernel, X, np.zeros(100), None, None, np.ones(10))
    assert gradient.tolist() == [100 * 2 * 19 * 2] * 9 + [100 * 2 * 19]


@pytest.mark.parametrize("x_dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y_dtype", [np.float32, np.float64])
def test_types_of_X_and_y_mix(kernel, rng, x_dtype, y_dtype):
    X, y, params = integers(rng, 50, 3)
    got = sums(kernel, X.astype(x_dtype), y.astype(y_dtype), None, None, params)
    assert got[0].tolist() == sums(kernel, X, y, None, None, params)[0].tolist()


def test_float32_rows_lose_no_digits_in_the_sum(kernel):
    # A float32 running sum of these stalls at 2**24.
    n = 2**25
    X = np.broadcast_to(np.ones((1, 1), np.float32), (n, 1))
    y = np.broadcast_to(np.zeros(1, np.float32), n)
    gradient, loss_sum, _ = sums(kernel, X, y, None, None, np.array([1.0]))
    assert gradient.tolist() == [2.0 * n]
    assert loss_sum == n


def test_missing_values_show_up_in_the_sums(kernel):
    for value in (np.nan, np.inf):
        X = np.ones((600, 2))
        X[599, 1] = value
        with np.errstate(invalid="ignore"):
            _, loss_sum, _ = sums(kernel, X, np.ones(600), None, None, np.zeros(3))
            _, trace, _ = run(kernel, (X, np.ones(600), None, None), np.zeros(3), 2)
        assert not np.isfinite(loss_sum)
        assert not np.isfinite(trace).any()


# ------------------------------------------------------------------- twins and errors


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_compiled_and_reference_agree(data):
    n = data.draw(st.integers(1, 1200), "n")
    d = data.draw(st.integers(1, 40), "d")
    seed = data.draw(st.integers(0, 2**32 - 1), "seed")
    rng = np.random.default_rng(seed)
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    arguments = example(
        rng, n, d, dtype, data.draw(st.booleans()), data.draw(st.booleans())
    )
    params = rng.standard_normal(d + data.draw(st.booleans(), "intercept"))
    results = [
        run(kernel, arguments, params, 5, 1e-3, path=True)
        for kernel in (_kernel, _reference)
    ]
    for got, expected in zip(*results, strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12 * scale)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring_examples(name):
    names = {"np": np, **vars(_kernel)}
    parser = doctest.DocTestParser()
    examples = parser.get_doctest(
        getattr(_kernel, name).__doc__, names, name, None, None
    )
    assert examples.examples
    assert doctest.DocTestRunner().run(examples).failed == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_twins_have_the_same_signature(name):
    parameters = [
        list(inspect.signature(getattr(module, name)).parameters)
        for module in (_kernel, _reference)
    ]
    assert parameters[0] == parameters[1]
    assert len(parameters[0]) <= 12


GOOD = {
    "kind": 0,
    "param": 0.0,
    "X": np.ones((4, 2)),
    "y": np.ones(4),
    "sample_weight": None,
    "columns": None,
    "params": np.zeros(3),
}
SHAPES = [
    ({"X": np.ones((0, 2)), "y": np.ones(0)}, "at least one row"),
    ({"X": np.ones((4, 0))}, "at least one row and one column"),
    ({"y": np.ones(3)}, "y must have one value"),
    ({"sample_weight": np.ones(5)}, "sample_weight must have one value"),
    ({"columns": np.ones((2, 3))}, "columns must have shape"),
    ({"columns": np.ones((1, 2))}, "columns must have shape"),
    ({"params": np.zeros(1)}, "params must have n_features"),
    ({"params": np.zeros(4)}, "params must have n_features"),
    ({"kind": 13}, "unknown loss number 13"),
    ({"kind": 12}, "loss number 12 is of two outputs or more"),
    ({"kind": -1}, "unknown loss number -1"),
]


@pytest.mark.parametrize(("change", "message"), SHAPES)
def test_wrong_shapes_are_errors_and_change_nothing(kernel, change, message):
    arguments = {**GOOD, **change}
    arguments["params"] = arguments["params"].copy()
    gradient = np.zeros(len(arguments["params"]))
    with pytest.raises(ValueError, match=message):
        kernel.add_gradient(**arguments, gradient=gradient)
    with pytest.raises(ValueError, match=message):
        kernel.descend(**arguments, rates=np.ones(1), trace=np.empty((1, 3)), path=None)
    assert not gradient.any()
    assert not arguments["params"].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trace": np.empty((1, 3))}, "trace must have shape"),
        ({"trace": np.empty((2, 2))}, "trace must have shape"),
        ({"trace": np.empty((4, 3))}, "trace must have shape"),
        ({"path": np.empty((1, 3))}, "path must have n_params values for each row of"),
        ({"path": np.empty((2, 2))}, "path must have n_params values for each row of"),
    ],
)
def test_wrong_outputs_are_errors(kernel, change, message):
    outputs = {"rates": np.ones(2), "trace": np.empty((2, 3)), "path": None, **change}
    with pytest.raises(ValueError, match=message):
        kernel.descend(**GOOD, **outputs)


def test_gradient_and_params_must_match(kernel):
    with pytest.raises(ValueError, match="gradient must have the shape of params"):
        kernel.add_gradient(**GOOD, gradient=np.zeros(2))


def test_rows_that_are_not_contiguous_are_refused():
    # The reference needs no such thing: NumPy reads any layout.
    X = np.ones((4, 4))[:, ::2]
    with pytest.raises(ValueError, match="row of X must be contiguous"):
        _kernel.add_gradient(**{**GOOD, "X": X}, gradient=np.zeros(3))
