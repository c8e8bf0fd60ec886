"""The pictures: what they draw, what they leave alone, whether they can be read."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import gdfast
from gdfast.plots import fitted_line, loss_curve

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.colors import to_rgb  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

POUNDS = np.array([3.50, 3.69, 3.44, 3.43, 4.34, 4.42, 2.37])
MPG = np.array([18.0, 15.0, 18.0, 16.0, 15.0, 14.0, 24.0])


def run(max_iter=5, learning_rate=0.01, **options):
    return gdfast.train(
        POUNDS, MPG, learning_rate=learning_rate, max_iter=max_iter, **options
    )


def with_losses(losses):
    """Return a run whose history holds these losses."""
    iteration = np.arange(1, len(losses) + 1)
    history = {"iteration": iteration, "loss": np.asarray(losses, dtype=float)}
    return dataclasses.replace(run(), history=history)


def own_axes(**options):
    return Figure(layout="constrained").subplots(**options)


def pixels(ax):
    """Render the figure of some axes and return its colours, shape (n, 3)."""
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].reshape(-1, 3)


def n_pixels_of(ax, colour):
    return np.sum(
        np.all(pixels(ax) == np.round(255 * np.array(to_rgb(colour))), axis=1)
    )


def in_box(box, points):
    x, y = np.transpose(points)
    return (box.x0 < x) & (x < box.x1) & (box.y0 < y) & (y < box.y1)


def assert_readable(ax):
    """No text leaves the figure, nothing drawn and no title meets the legend."""
    figure = ax.figure
    figure.draw_without_rendering()
    texts = [ax.xaxis.label, ax.yaxis.label]
    texts += ax.get_xticklabels() + ax.get_yticklabels()
    if ax.get_title():
        texts.append(ax.title)
    legend = ax.get_legend()
    if legend is not None:
        texts += legend.get_texts()
        box = legend.get_window_extent()
        assert not box.overlaps(ax.title.get_window_extent()) or not ax.get_title()
        for line in ax.lines:
            x, y = np.asarray(line.get_data(), dtype=float)
            if line.get_linestyle() != "None":
                steps = np.linspace(0, len(x) - 1, 2000)
                x, y = (np.interp(steps, np.arange(len(v)), v) for v in (x, y))
            assert not in_box(box, ax.transData.transform(np.c_[x, y])).any()
    for text in texts:
        # Ticks beyond the limits have labels that are not drawn.
        position = ax.transAxes.inverted().transform(
            text.get_transform().transform(text.get_position())
        )
        if text in ax.get_xticklabels() and not 0 <= position[0] <= 1:
            continue
        if text in ax.get_yticklabels() and not 0 <= position[1] <= 1:
            continue
        extent = text.get_window_extent()
        assert figure.bbox.x0 <= extent.x0 <= extent.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= extent.y0 <= extent.y1 <= figure.bbox.y1, text


# The loss curve


def test_loss_curve_draws_the_history():
    fit = run(20)
    ax = loss_curve(fit)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 22))
    np.testing.assert_array_equal(line.get_ydata(), fit.history["loss"])
    assert line.get_ydata()[0] == pytest.approx(303.7142857142857, rel=1e-12)


def test_loss_curve_is_drawn_in_the_given_axes():
    left, right = own_axes(ncols=2)
    assert loss_curve(run(), ax=right) is right
    assert not left.lines
    assert len(right.lines) == 1


@pytest.mark.parametrize(
    ("loss", "label"),
    [
        ("squared_error", "mean squared error"),
        ("half_squared_error", "mean half squared error"),
    ],
)
def test_loss_curve_names_its_axes(loss, label):
    ax = loss_curve(run(loss=loss))
    assert ax.get_xlabel() == "iteration"
    assert ax.get_ylabel() == label


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ([100.1, 1.0], "log"),
        ([100.0, 1.0], "linear"),
        ([1.0, 50.0, 1e300, np.inf], "log"),
        ([1e308, 1e-308], "log"),
        ([1e3, 1.0, 0.0], "linear"),
        ([1e3, -1.0], "linear"),
        ([3.0, np.nan], "linear"),
        ([0.0, 0.0], "linear"),
        ([7.0], "linear"),
    ],
)
def test_the_loss_is_on_a_log_scale_when_that_helps(losses, scale):
    ax = loss_curve(with_losses(losses))
    assert ax.get_yscale() == scale
    pixels(ax)


def test_losses_too_large_for_an_axis_leave_it_at_the_top():
    ax = loss_curve(with_losses([303.7, 1e150, 1e300, np.inf]))
    assert ax.get_ylim() == pytest.approx((303.7, 1e200))
    ax.figure.draw_without_rendering()
    assert 3 <= sum(303.7 <= tick <= 1e200 for tick in ax.get_yticks()) <= 12
    ax = loss_curve(with_losses([303.7, 1e150]))
    low, high = ax.get_ylim()
    assert low < 303.7
    assert high > 1e150


def test_the_scale_looks_at_all_runs_in_the_axes_and_not_at_marks():
    ax = own_axes()
    ax.axvline(2)
    loss_curve(with_losses([9.0, 1.0]), ax=ax)
    assert ax.get_yscale() == "linear"
    loss_curve(with_losses([9.0, 0.01]), ax=ax)
    assert ax.get_yscale() == "log"


def test_a_scale_of_the_caller_stays():
    ax = own_axes()
    ax.set(xscale="log", yscale="log")
    ticks = type(ax.xaxis.get_major_locator())
    loss_curve(with_losses([2.0, 1.0]), ax=ax)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert type(ax.xaxis.get_major_locator()) is ticks


@pytest.mark.parametrize(("n_steps", "marked"), [(6, True), (30, True), (31, False)])
def test_few_steps_are_marked(n_steps, marked):
    (line,) = loss_curve(with_losses(np.linspace(2, 1, n_steps))).lines
    assert (line.get_marker() == "o") == marked


@pytest.mark.parametrize("max_iter", [5, 100])
def test_many_runs_are_told_apart(max_iter):
    ax = loss_curve(*(run(max_iter, rate) for rate in np.linspace(0.001, 0.02, 18)))
    looks = [(line.get_color(), line.get_linestyle()) for line in ax.lines]
    assert len(set(looks)) == 18
    # What is dashed between its marks is a few dots in the legend.
    marks = [line.get_marker() for line in ax.get_legend().get_lines()]
    assert len(set(marks)) == (3 if max_iter == 5 else 1)


def test_iterations_are_whole_numbers_with_separators():
    for n_steps in (1, 2, 3, 7):
        ax = loss_curve(with_losses(np.linspace(2, 1, n_steps)))
        ax.figure.draw_without_rendering()
        assert len(ax.get_xticks()) >= 1
        assert all(tick.is_integer() for tick in ax.get_xticks())
    ax = loss_curve(with_losses(np.linspace(2, 1, 20001)))
    ax.figure.draw_without_rendering()
    assert "10,000" in [label.get_text() for label in ax.get_xticklabels()]


def test_runs_in_the_same_axes_can_be_told_apart():
    ax = None
    for rate in (0.001, 0.01, 0.03):
        ax = loss_curve(run(learning_rate=rate), ax=ax)
    assert len({line.get_color() for line in ax.lines}) == 3
    labels = [text.get_text() for text in ax.legend().get_texts()]
    assert labels == ["learning rate 0.001", "learning rate 0.01", "learning rate 0.03"]


def test_a_diverging_run_can_be_drawn():
    with pytest.raises(gdfast.DivergenceError) as caught:
        run(1000, learning_rate=1.0)
    fit = caught.value.fit
    ax = loss_curve(fit)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), fit.history["loss"])
    pixels(ax)


def test_a_million_steps_are_drawn():
    losses = 1 + 1 / np.arange(1, 10**6 + 1) + np.random.default_rng(0).random(10**6)
    ax = loss_curve(with_losses(losses))
    assert len(ax.lines[0].get_ydata()) == 10**6
    assert n_pixels_of(ax, ax.lines[0].get_color()) > 1000


@pytest.mark.parametrize("history", ["loss", "full"])
def test_loss_curve_takes_both_histories(history):
    fit = run(history=history)
    np.testing.assert_array_equal(
        loss_curve(fit).lines[0].get_ydata(), fit.history["loss"]
    )


def test_a_run_without_history_is_refused():
    with pytest.raises(ValueError, match='history="loss"'):
        loss_curve(run(history=False))


# The fitted line


def test_fitted_line_draws_data_and_prediction():
    fit = run(100)
    points, line = fitted_line(fit, POUNDS, MPG).lines
    np.testing.assert_array_equal(points.get_xdata(), POUNDS)
    np.testing.assert_array_equal(points.get_ydata(), MPG)
    np.testing.assert_array_equal(line.get_xdata(), [2.37, 4.42])
    np.testing.assert_array_equal(line.get_ydata(), fit.predict([2.37, 4.42]))
    assert points.get_linestyle() == "None"
    assert line.get_linestyle() == "-"


def test_fitted_line_is_drawn_in_the_given_axes():
    left, right = own_axes(ncols=2)
    assert fitted_line(run(), POUNDS, MPG, ax=right) is right
    assert not left.lines
    assert len(right.lines) == 2


@pytest.mark.parametrize(
    "X", [POUNDS[:, None], POUNDS.tolist(), np.repeat(POUNDS, 2)[::2]]
)
def test_fitted_line_takes_the_shapes_train_takes(X):
    points, _ = fitted_line(run(), X, MPG.tolist()).lines
    np.testing.assert_array_equal(points.get_xdata(), POUNDS)


@pytest.mark.parametrize(
    ("coef", "intercept", "equation"),
    [
        (1.0811301700, 13.1722676564, "y = 1.081 x + 13.17"),
        (-4.5691095, 33.58512404, "y = −4.569 x + 33.59"),
        (2.0, -1.5e-7, "y = 2 x − 1.5e−07"),
        (1.8436928702, 0.0, "y = 1.844 x"),
    ],
)
def test_the_line_is_labelled_with_its_equation(coef, intercept, equation):
    fit = dataclasses.replace(run(), coef=np.array([coef]), intercept=intercept)
    ax = fitted_line(fit, POUNDS, MPG)
    assert ax.lines[1].get_label() == equation
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "data",
        equation,
    ]


def test_axes_have_the_names_of_the_columns():
    class Column(np.ndarray):
        """A column with a name, as pandas and polars have them."""

        name = "cost_in_$ (of $100)"

    fit = dataclasses.replace(run(), feature_names=("weight_in_$1000_$",))
    ax = fitted_line(fit, POUNDS, MPG.view(Column))
    assert ax.get_xlabel() == "weight_in_$1000_$"
    assert ax.get_ylabel() == "cost_in_$ (of $100)"
    assert not ax.xaxis.label.get_parse_math()
    assert not ax.yaxis.label.get_parse_math()
    pixels(ax)


def test_axes_without_names_are_x_and_y():
    ax = fitted_line(run(), POUNDS, MPG)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")


def test_a_million_points_are_thinned_to_their_full_range():
    rng = np.random.default_rng(1)
    x = np.sort(rng.normal(size=10**6))
    y = 2 * x + 1 + rng.normal(size=10**6)
    x_before, y_before = x.copy(), y.copy()
    fit = dataclasses.replace(run(), coef=np.array([2.0]), intercept=1.0)
    ax = fitted_line(fit, x, y)
    points, line = ax.lines
    drawn_x, drawn_y = points.get_data()
    assert 5000 <= len(drawn_x) <= 5004
    assert (drawn_x.min(), drawn_x.max()) == (x.min(), x.max())
    assert (drawn_y.min(), drawn_y.max()) == (y.min(), y.max())
    np.testing.assert_array_equal(line.get_xdata(), [x.min(), x.max()])
    # Points stay pairs, and the sample is no corner of the data.
    assert set(zip(drawn_x, drawn_y, strict=True)) <= set(zip(x, y, strict=True))
    assert abs(drawn_x.mean()) < 0.06
    assert f"data ({len(drawn_x):,} of 1,000,000 points)" in points.get_label()
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(y, y_before)
    again = fitted_line(fit, x, y).lines[0]
    np.testing.assert_array_equal(again.get_xdata(), drawn_x)
    assert_readable(ax)
    # The pale points of a cloud are plain in the legend, and no grid crosses it.
    legend = ax.get_legend()
    assert [line.get_alpha() for line in legend.get_lines()] == [1, 1]
    assert legend.get_frame().get_alpha() == 1


@pytest.mark.parametrize(("n_points", "n_drawn"), [(5000, 5000), (6000, 5000)])
def test_only_many_points_are_thinned(n_points, n_drawn):
    x = np.arange(n_points, dtype=float)
    points = fitted_line(run(), x, x).lines[0]
    assert n_drawn <= len(points.get_xdata()) <= n_drawn + 4
    assert (points.get_label() == "data") == (n_points == n_drawn)


def test_a_model_of_two_features_has_no_line():
    X = np.c_[POUNDS, POUNDS**2]
    fit = gdfast.train(X, MPG, learning_rate=1e-4, max_iter=1)
    with pytest.raises(ValueError, match=r"one feature, run has 2"):
        fitted_line(fit, X, MPG)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (POUNDS, MPG[:-1], r"\by\b"),
        (POUNDS[:-1], MPG, r"\by\b"),
        (POUNDS, MPG[0], r"\by\b"),
        (POUNDS, MPG.reshape(7, 1, 1), r"\by\b"),
        (POUNDS, np.where(MPG > 20, np.nan, MPG), r"\by\b"),
        (np.where(POUNDS > 4, np.nan, POUNDS), MPG, r"\bX\b"),
        (np.c_[POUNDS, POUNDS], MPG, r"\bX\b"),
        (np.empty((0, 1)), np.empty(0), r"\bX\b"),
    ],
)
def test_data_that_do_not_fit_are_refused(X, y, message):
    ax = own_axes()
    with pytest.raises(ValueError, match=message):
        fitted_line(run(), X, y, ax=ax)
    assert not ax.lines


# Both


@pytest.mark.parametrize("draw", [loss_curve, lambda f: fitted_line(f, POUNDS, MPG)])
@pytest.mark.parametrize("wrong", [None, {"loss": [1.0]}, np.ones(3)])
def test_only_a_fit_is_drawn(draw, wrong):
    with pytest.raises(TypeError, match="run must be a Fit"):
        draw(wrong)


@pytest.mark.parametrize(
    "draw", [loss_curve, lambda f: fitted_line(f, POUNDS, MPG)], ids=["loss", "line"]
)
def test_without_matplotlib_the_extra_is_named(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'gdfast\[plot\]'"):
        draw(run())


def test_pyplot_and_global_settings_are_left_alone():
    import matplotlib.pyplot as plt

    backend = matplotlib.get_backend()
    figures, settings = plt.get_fignums(), matplotlib.rcParams.copy()
    pixels(loss_curve(run()))
    pixels(fitted_line(run(), POUNDS, MPG))
    assert plt.get_fignums() == figures
    assert matplotlib.rcParams == settings
    assert matplotlib.get_backend() == backend


def test_neither_pyplot_nor_a_display_is_needed(tmp_path):
    """The module loads without matplotlib, and draws without pyplot."""
    program = f"""
import sys
import gdfast.plots
assert "matplotlib" not in sys.modules
fit = gdfast.train([1.0, 2.0, 4.0], [2.0, 3.0, 5.0], learning_rate=0.01, max_iter=9)
gdfast.plots.loss_curve(fit).figure.savefig({str(tmp_path / "loss.png")!r})
ax = gdfast.plots.fitted_line(fit, [1.0, 2.0, 4.0], [2.0, 3.0, 5.0])
ax.figure.savefig({str(tmp_path / "line.pdf")!r})
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "line.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    "losses",
    [[303.7, 170.8, 103.2], np.geomspace(1e9, 1e-9, 20001), np.full(5, 1e8)],
    ids=["few", "log", "constant"],
)
def test_the_loss_curve_is_readable(losses):
    ax = loss_curve(with_losses(losses))
    assert_readable(ax)
    assert ax.bbox.width > 0.85 * ax.figure.bbox.width
    assert n_pixels_of(ax, ax.lines[0].get_color()) > 300


@pytest.mark.parametrize("shape", [(1, 1), (2, 2)], ids=["whole", "panel"])
@pytest.mark.parametrize("title", ["", "How far cars of all kinds go"])
@pytest.mark.parametrize("slope", [-4.6, 0.0, 4.6, 4.6e6])
def test_the_fitted_line_is_readable(shape, title, slope):
    """Data fill every corner, so a legend among them would hide some."""
    x, y = np.random.default_rng(2).random((2, 400))
    fit = dataclasses.replace(run(), coef=np.array([slope]), intercept=-slope / 2)
    if shape == (1, 1):
        ax = fitted_line(fit, x, slope * x + y)
    else:
        ax = fitted_line(fit, x, slope * x + y, ax=own_axes(nrows=2, ncols=2)[1, 1])
    ax.set_title(title)
    assert_readable(ax)
    assert n_pixels_of(ax, ax.lines[1].get_color()) > 100


def test_limits_of_the_caller_stay_and_the_data_stay_in_view():
    ax = own_axes()
    ax.set(xlim=(0, 10), ylim=(0, 100))
    fitted_line(run(), POUNDS, MPG, ax=ax)
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 10), (0, 100))
    ax = fitted_line(run(), POUNDS, MPG)
    assert 2.2 < ax.get_xlim()[0] < POUNDS.min() < POUNDS.max() < ax.get_xlim()[1] < 4.6
    ax.plot([0, 10], [-500, 500])
    low, high = ax.get_ylim()
    assert low < -500
    assert high > 500
    low, high = ax.get_xlim()
    assert low < 0
    assert high > 10
