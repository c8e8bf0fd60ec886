"""The numbers of the four tutorials that gdfast must reproduce."""

import numpy as np
import pytest

import gdfast

EXACT = 1e-12


def close(expected, rel=EXACT):
    return pytest.approx(expected, rel=rel, abs=1e-14)


# --------------------------------------------------------- A: pounds to miles a gallon

ROWS = [
    (0.0, 0.0, 303.7142857142857),
    (1.1971714285714286, 0.34285714285714286, 170.84311819145813),
    (2.050010195632653, 0.5926950048979592, 103.17402263230163),
    (2.6571512956585512, 0.7761560852914671, 68.70278422397007),
    (3.0889756945233557, 0.9122511317638123, 51.13435741865341),
    (3.395703705731159, 1.0145452584284123, 42.172069065705266),
]


def test_mpg_rows(mpg):
    fit = gdfast.train(*mpg, learning_rate=0.01, max_iter=5, history="full")
    for row, (weight, bias, loss) in zip(fit.history.array, ROWS, strict=True):
        assert row["coef"] == close([weight])
        assert row["intercept"] == close(bias)
        assert row["loss"] == close(loss)
    assert fit.history["iteration"].tolist() == [1, 2, 3, 4, 5, 6]
    assert (fit.coef[0], fit.intercept, fit.loss) == close(ROWS[-1])


def test_mpg_first_slopes(mpg):
    weight_slope, bias_slope = gdfast.gradient(*mpg, 0.0, 0.0)
    assert weight_slope == close(-119.71714285714286)
    assert bias_slope == close(-34.285714285714285)


def test_mpg_closed_form_and_largest_stable_rate(mpg):
    fit = gdfast.train(*mpg, max_iter=20_000, gtol=1e-10)
    assert fit.coef[0] == pytest.approx(-4.5691095, abs=5e-8)
    assert fit.intercept == pytest.approx(33.58512404, abs=5e-9)
    assert fit.loss == pytest.approx(1.46966948, abs=5e-9)
    assert fit.max_stable_learning_rate == pytest.approx(0.0698201, abs=5e-8)


def test_mpg_rates_too_large_too_small_and_right(mpg):
    with pytest.raises(gdfast.DivergenceError) as error:
        gdfast.train(*mpg, learning_rate=1, max_iter=100)
    losses = error.value.fit.history["loss"]
    assert losses[0] == close(303.7142857142857)
    assert losses[1] == pytest.approx(206854.8, abs=0.05)
    assert losses[2] == pytest.approx(1.58e8, rel=0.01)
    assert gdfast.train(*mpg, learning_rate=1e-5).loss == pytest.approx(
        185.643, abs=5e-4
    )
    fit = gdfast.train(*mpg, learning_rate=0.03, gtol=1e-6, max_iter=20_000)
    assert (fit.n_iter, fit.converged) == (8577, True)


# ---------------------------------------------------------- B: reservations to pizzas


def test_pizza_without_bias(pizza):
    fit = gdfast.train(*pizza, learning_rate=0.001, max_iter=100, fit_intercept=False)
    losses = fit.history["loss"]
    assert fit.coef[0] == pytest.approx(1.8436928702, abs=5e-11)
    assert losses[0] == close(812.8666666666667)
    assert losses[1] == pytest.approx(304.3630879787, abs=5e-11)
    assert losses[2] == pytest.approx(143.5265791020, abs=5e-11)
    assert losses[99] == pytest.approx(69.1209628275, abs=5e-11)
    assert fit.max_stable_learning_rate == pytest.approx(0.00457038, abs=5e-9)


def test_pizza_with_bias(pizza):
    fit = gdfast.train(*pizza, learning_rate=0.001, max_iter=20_000)
    assert fit.coef[0] == pytest.approx(1.0811301700, abs=5e-11)
    assert fit.intercept == pytest.approx(13.1722676564, abs=5e-11)
    assert fit.predict(20) == pytest.approx(34.79, abs=0.005)
    assert fit.max_stable_learning_rate == pytest.approx(0.00455510, abs=5e-9)


def test_pizza_tutorial_loop_line_for_line(pizza):
    X, Y = pizza
    w = b = 0.0
    for _ in range(50):
        w_gradient, b_gradient = gdfast.gradient(X, Y, w, b)
        w -= w_gradient * 0.001
        b -= b_gradient * 0.001
    fit = gdfast.train(X, Y, learning_rate=0.001, max_iter=50)
    assert (w, b) == close((fit.coef[0], fit.intercept))
    assert gdfast.loss(X, Y, w, b) == close(fit.loss)
    assert w_gradient.shape == ()


def test_pizza_diverges_at_0_005(pizza):
    with pytest.raises(gdfast.DivergenceError, match=r"0\.0045551") as error:
        gdfast.train(*pizza, learning_rate=0.005, max_iter=5000)
    losses = error.value.fit.history["loss"]
    assert losses[:3] == pytest.approx(
        [812.8666666667, 1131.8941261333, 1587.8389543973], abs=5e-11
    )
    assert len(losses) < 30  # not only at infinity, which is at iteration 1961


def test_pizza_tolerances(pizza):
    arguments = {"learning_rate": 0.001, "max_iter": 40_000}
    assert gdfast.train(*pizza, gtol=1e-6, **arguments).n_iter == 29625
    assert gdfast.train(*pizza, xtol=1e-9, **arguments).n_iter == 29626


# ------------------------------------------------------------------- C: advertising


def update_weights(m, b, X, Y, learning_rate):
    """Make one update as the cheat sheet writes it, example by example."""
    m_deriv = b_deriv = 0.0
    for x, y in zip(X, Y, strict=True):
        m_deriv += -2 * x * (y - (m * x + b))
        b_deriv += -2 * (y - (m * x + b))
    return (
        m - m_deriv / len(X) * learning_rate,
        b - b_deriv / len(X) * learning_rate,
    )


@pytest.mark.parametrize(
    ("n_updates", "weight", "bias", "loss"),
    [
        (1, 0.037063, 0.00140225, 197.2505),
        (11, 0.283065, 0.0116106, 74.6565),
        (40, 0.466139, 0.0249821, 43.2803),
    ],
)
def test_radio(advertising, n_updates, weight, bias, loss):
    radio, sales = advertising["Radio"], advertising["Sales"]
    fit = gdfast.train(radio, sales, learning_rate=5e-5, max_iter=n_updates)
    assert fit.coef[0] == pytest.approx(weight, abs=5e-7)
    assert fit.intercept == pytest.approx(bias, abs=5e-8)
    assert fit.loss == pytest.approx(loss, abs=5e-5)
    m = b = 0.0
    for _ in range(n_updates):
        m, b = update_weights(m, b, radio, sales, 5e-5)
    assert (fit.coef[0], fit.intercept) == close((m, b))


def test_three_features_scaled_by_range(advertising):
    X = advertising.select(["TV", "Radio", "Newspaper"]).values
    X = (X - X.mean(axis=0)) / np.ptp(X, axis=0)
    fit = gdfast.train(
        X, advertising["Sales"], loss="half_squared_error", learning_rate=0.005
    )
    losses = fit.history["loss"]
    assert losses[[0, 1, 1000]] == pytest.approx(
        [111.858125, 110.866216, 6.253438], abs=5e-7
    )
    assert fit.intercept == pytest.approx(13.93, abs=0.005)
    assert fit.coef == pytest.approx([4.77, 3.52, 0.819], abs=0.005)
