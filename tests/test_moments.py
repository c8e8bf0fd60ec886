"""Sums of products, compiled and reference: the oracles are exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdfast import _kernel, _reference
from gdfast.losses import LOSSES, Domain

# Around every boundary: lanes of 8, tiles of 4 by 8, rows of 16 that are predicted four
# at once, rows of 64 that get a gap behind them.
WIDTHS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128, 130, 513]

# "multinomial" has no single output; its tests are in test_outputs.py.
SINGLE = {k: loss for k, loss in LOSSES.items() if loss.domain is not Domain.CLASS}
SQUARED_ERROR = LOSSES["squared_error"]()


def block_rows(d):
    """Return how many rows the kernel takes at once."""
    padded = -(-d // 8) * 8
    return max(16, min(256, 512 // padded // 4 * 4))


def lengths(d):
    """Return numbers of rows around the boundaries of lanes and blocks."""
    rows = block_rows(d)
    return [1, 2, 4, 7, 8, 9, rows - 1, rows, rows + 1, 2 * rows, 2 * rows + 5]


def integers(rng, n, d):
    """Return rows whose sums are exact in any order: X, y, sample_weight, params."""
    X = rng.integers(-8, 9, (n, d)).astype(float)
    y = rng.integers(-8, 9, n).astype(float)
    weight = rng.integers(0, 4, n).astype(float)
    return X, y, weight, rng.integers(-4, 5, d + 1).astype(float)


def moments(kernel, X, y, weight, columns, params, loss=SQUARED_ERROR):
    """Return all that is added to zeros: gradient, moment, two sums."""
    gradient, moment = np.zeros_like(params), np.zeros((len(params), len(params)))
    sums = kernel.add_moments(
        loss.kind, loss.param, X, y, weight, columns, params, gradient, moment
    )
    return gradient, moment, *sums


def same(got, expected):
    """Whether two results of `moments` are the same numbers."""
    return all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))


# ------------------------------------------------------------------ what it computes


def test_moments_are_exact_on_rationals(kernel):
    X = [[Fraction(1, 2), Fraction(3)], [Fraction(-1, 4), Fraction(5, 2)], [2, -1]]
    weight = [Fraction(1), Fraction(2), Fraction(1, 2)]
    center, scale = [Fraction(1, 2), Fraction(-1)], [Fraction(2), Fraction(1, 4)]
    rows = [[(x - c) * f for x, c, f in zip(r, center, scale, strict=True)] for r in X]
    rows = [[*row, Fraction(1)] for row in rows]
    moment = [
        [
            sum(s * row[i] * row[j] for s, row in zip(weight, rows, strict=True))
            for j in range(3)
        ]
        for i in range(3)
    ]

    def floats(values):
        return np.array(values, dtype=float)

    columns = floats([center, scale])
    got = moments(kernel, floats(X), np.zeros(3), floats(weight), columns, np.zeros(3))
    assert got[1].tolist() == floats(moment).tolist()  # dyadic numbers: no rounding
    assert got[3] == 3.5
    got = moments(kernel, floats(X), np.zeros(3), floats(weight), columns, np.zeros(2))
    assert got[1].tolist() == floats(moment)[:2, :2].tolist()  # without intercept


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("weighted", [False, True])
def test_integers_are_summed_exactly(kernel, rng, d, weighted):
    for n in lengths(d):
        X, y, weight, params = integers(rng, n, d)
        s = weight if weighted else np.ones(n)
        got = moments(kernel, X, y, weight if weighted else None, None, params)
        residual = X @ params[:d] + params[d] - y  # of integers: exact
        assert got[0].tolist() == [*(2 * (s * residual) @ X), 2 * s @ residual]
        rows = np.column_stack([X, np.ones(n)])
        assert got[1].tolist() == ((rows.T * s) @ rows).tolist()
        assert got[2:] == (s @ residual**2, s.sum())


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("columns", [False, True])
def test_moments_equal_longdouble(kernel, rng, d, dtype, weighted, columns):
    n = block_rows(d) + 7
    X = rng.standard_normal((n, d)).astype(dtype)
    weight = rng.uniform(0.5, 2, n) if weighted else None
    scales = np.array([rng.normal(size=d), rng.uniform(0.5, 2, d)]) if columns else None
    got = moments(kernel, X, np.zeros(n, dtype), weight, scales, np.zeros(d + 1))
    wide = X.astype(np.longdouble)
    if columns:
        wide = (wide - scales[0]) * scales[1]
    s = np.ones(n, np.longdouble) if weight is None else weight.astype(np.longdouble)
    wide = np.column_stack([wide, np.ones(n)])
    for i in {0, d // 2, d - 1, d}:
        terms = (s * wide[:, i])[:, None] * wide
        size = np.abs(terms).sum(axis=0)
        assert (np.abs(got[1][i] - terms.sum(axis=0)) <= 5e-15 * size).all()


@pytest.mark.parametrize("d", [1, 3, 8, 17, 64, 130])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("name", SINGLE)
def test_gradient_and_loss_are_those_of_add_gradient(kernel, rng, d, intercept, name):
    n = 2 * block_rows(d) + 3
    X, y = rng.standard_normal((n, d)), rng.uniform(0, 1, n)
    weight = rng.uniform(0, 2, n)
    params = rng.standard_normal(d + intercept)
    loss = LOSSES[name]()
    got = moments(kernel, X, y, weight, None, params, loss)
    gradient = np.zeros_like(params)
    sums = kernel.add_gradient(
        loss.kind, loss.param, X, y, weight, None, params, gradient
    )
    size = np.abs(gradient).max()
    np.testing.assert_allclose(got[0], gradient, rtol=1e-13, atol=1e-14 * size)
    assert got[2:] == pytest.approx(sums, rel=1e-14)


@pytest.mark.parametrize("d", [1, 2, 9])
def test_moments_are_added_to_what_is_there(kernel, d):
    X = np.full((1, d), 3.0)
    gradient, moment = np.full(d + 1, 10.0), np.full((d + 1, d + 1), 40.0)
    kernel.add_moments(
        *(0, 0.0), X, np.array([0.0]), None, None, np.zeros(d + 1), gradient, moment
    )
    assert gradient.tolist() == [10.0] * (d + 1)
    assert moment.tolist() == [[49.0] * d + [43.0]] * d + [[43.0] * d + [41.0]]


@pytest.mark.parametrize("d", [2, 5, 33, 64, 130])
def test_products_are_symmetric(compiled, rng, d):
    # Exactly: what is solved or stepped with is then the same from either side.
    X, weight = rng.standard_normal((77, d)), rng.uniform(0, 2, 77)
    for s in (None, weight):
        moment = moments(compiled, X, np.zeros(77), s, None, np.zeros(d + 1))[1]
        assert moment.tolist() == moment.T.tolist()


# --------------------------------------------------------- properties that hold exactly


@pytest.mark.parametrize("d", [1, 4, 9, 64])
@pytest.mark.parametrize("weighted", [False, True])
def test_any_chunking_gives_the_same_sums(kernel, rng, d, weighted):
    n = 700
    X, y, weight, params = integers(rng, n, d)
    weight = weight if weighted else None
    whole = moments(kernel, X, y, weight, None, params)
    for cuts in ([1], [256], [3, 32, 41, 699], list(range(0, n, 97))[1:]):
        gradient, moment = (np.zeros_like(total) for total in whole[:2])
        sums = np.zeros(2)
        for part in np.split(np.arange(n), cuts):
            sums += kernel.add_moments(
                *(0, 0.0, X[part], y[part]),
                *(
                    None if weight is None else weight[part],
                    None,
                    params,
                    gradient,
                    moment,
                ),
            )
        assert same((gradient, moment, *sums), whole)


@pytest.mark.parametrize("d", [1, 4, 9, 64])
def test_weight_two_is_the_row_twice_and_zero_is_none(kernel, rng, d):
    X, y, weight, params = integers(rng, 300, d)
    times = weight.astype(int)
    repeated = moments(kernel, X.repeat(times, 0), y.repeat(times), None, None, params)
    assert same(moments(kernel, X, y, weight, None, params), repeated)


@pytest.mark.parametrize("d", [1, 4, 9])
@pytest.mark.parametrize("power", [-30, 40])
def test_scaling_by_powers_of_two_is_exact(compiled, rng, d, power):
    factor = 2.0**power
    X, y = rng.standard_normal((2, 100, d))
    y = y[:, 0].copy()
    weight = rng.uniform(0, 2, 100)
    plain = moments(compiled, X, y, weight, None, np.zeros(d + 1))
    scaled = moments(compiled, X * factor, y, weight, None, np.zeros(d + 1))
    factors = np.append(np.full(d, factor), 1)
    powers = factors, np.outer(factors, factors), 1, 1
    assert same(scaled, [a * b for a, b in zip(plain, powers, strict=True)])
    heavy = moments(compiled, X, y, weight * factor, None, np.zeros(d + 1))
    assert same(heavy, [total * factor for total in plain])


@pytest.mark.parametrize("d", [1, 3, 8, 9, 40, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layout_gives_the_same_bits(compiled, rng, d, dtype):
    n = block_rows(d) + 11
    X, y = rng.standard_normal((n, d)).astype(dtype), rng.standard_normal(n)
    weight, params = rng.uniform(0, 2, n), rng.standard_normal(d + 1)
    expected = moments(compiled, X, y, weight, None, params)
    spaced = np.full((2 * n, d + 3), np.nan, dtype)
    spaced[::2, 1 : d + 1] = X
    backwards = np.ascontiguousarray(X[::-1])[::-1]
    read_only = X.copy()
    read_only.setflags(write=False)
    twice = X.astype(np.float64)  # the same values, wider
    for other in (spaced[::2, 1 : d + 1], backwards, read_only, twice):
        assert np.array_equal(other, X)
        assert same(moments(compiled, other, y, weight, None, params), expected)
    # Weights of 1 are no weights, and columns that change nothing are no columns.
    ones, neutral = np.ones(n), np.array([np.zeros(d), np.ones(d)])
    expected = moments(compiled, X, y, None, None, params)
    assert same(moments(compiled, X, y, ones, None, params), expected)
    assert same(moments(compiled, X, y, None, neutral, params), expected)
    repeated = np.broadcast_to(X[:1], (n, d))
    expected = moments(compiled, repeated.copy(), y, weight, None, params)
    assert same(moments(compiled, repeated, y, weight, None, params), expected)


@pytest.mark.parametrize("d", [1, 9])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_values_show_up_in_the_sums(kernel, d, value):
    X = np.ones((300, d))
    X[299, 0] = value
    with np.errstate(invalid="ignore"):
        got = moments(kernel, X, np.ones(300), None, None, np.zeros(d + 1))
    assert not np.isfinite(got[1][0]).any()
    assert np.isfinite(got[1][1:, 1:]).all()


def test_float32_rows_lose_no_digits_in_the_sums(kernel):
    n = 2**20
    X = np.full((n, 1), 1000 + 2**-13, np.float32)
    got = moments(kernel, X, np.zeros(n, np.float32), None, None, np.zeros(2))
    value = Fraction(float(X[0, 0]))
    assert got[1][0, 1] == n * value
    assert got[1][0, 0] == pytest.approx(float(n * value**2), rel=1e-13)


# ------------------------------------------------------------------- twins and errors


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_compiled_and_reference_agree(data):
    n = data.draw(st.integers(1, 600), "n")
    d = data.draw(st.integers(1, 70), "d")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]), "dtype")
    X, y = rng.standard_normal((n, d)).astype(dtype), rng.uniform(0, 1, n)
    weight = rng.uniform(0, 2, n) if data.draw(st.booleans(), "weighted") else None
    columns = None
    if data.draw(st.booleans(), "columns"):
        columns = np.array([rng.normal(size=d), rng.uniform(0.5, 2, d)])
    params = rng.standard_normal(d + data.draw(st.booleans(), "intercept"))
    loss = LOSSES[data.draw(st.sampled_from(sorted(SINGLE)), "loss")]()
    got, expected = (
        moments(kernel, X, y, weight, columns, params, loss)
        for kernel in (_kernel, _reference)
    )
    for a, b in zip(got, expected, strict=True):
        size = 1e-300 + np.abs(b).max()
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12 * n * size)


GOOD = {
    "kind": 0,
    "param": 0.0,
    "X": np.ones((4, 2)),
    "y": np.ones(4),
    "sample_weight": None,
    "columns": None,
    "params": np.zeros(3),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.ones((0, 2)), "y": np.ones(0)}, "X must have at least one row and"),
        ({"X": np.ones((4, 0))}, "X must have at least one row and one column"),
        ({"y": np.ones(3)}, "y must have one value for each row of X"),
        ({"sample_weight": np.ones(5)}, "sample_weight must have one value for each"),
        ({"columns": np.ones((2, 3))}, r"columns must have shape \(2, n_features\)"),
        ({"params": np.zeros(1)}, "params must have n_features values, or one more"),
        ({"params": np.zeros(4)}, "params must have n_features values, or one more"),
        ({"kind": 13}, "unknown loss number 13"),
        ({"kind": 12}, "the loss number 12 is of two outputs or more"),
        ({"kind": -1}, "unknown loss number -1"),
        ({"gradient": np.zeros(2)}, "gradient must have the shape of params"),
        ({"moment": np.zeros((3, 2))}, r"moment must have shape \(n_params, n_params"),
        ({"moment": np.zeros((2, 3))}, r"moment must have shape \(n_params, n_params"),
        ({"moment": np.zeros((4, 4))}, r"moment must have shape \(n_params, n_params"),
    ],
)
def test_wrong_shapes_are_errors_and_change_nothing(kernel, change, message):
    outputs = {"gradient": np.zeros(3), "moment": np.zeros((3, 3))}
    arguments = {**GOOD, **outputs, **change}
    with pytest.raises(ValueError, match=f"^{message}"):
        kernel.add_moments(**arguments)
    assert not any(arguments[name].any() for name in outputs)
