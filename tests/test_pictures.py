"""What pictures of parameters, surfaces, rates and descents draw; who they refuse."""

import re
import subprocess
import sys
from itertools import combinations, pairwise

import numpy as np
import pytest

import gdfast
from gdfast import plots
from gdfast.plots.landscape import landscape_of
from gdfast.sklearn import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.colors import to_rgb  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

LINE, RUN, MARK = "#0072B2", "#D55E00", "#009E73"


def square(w):
    return w**2


def bowl(w):
    return w[0] ** 2 + w[1] ** 2


def two_valleys(w):
    return (w**2 - 1) ** 2 + 0.3 * w


def train(X, y, **options):
    options = {"learning_rate": 0.01, "max_iter": 20, "history": "full"} | options
    try:
        return gdfast.train(X, y, **options)
    except gdfast.DivergenceError as error:
        return error.fit


def minimize(fun, x0, **options):
    options = {"learning_rate": 0.1, "max_iter": 20, "history": "full"} | options
    return gdfast.minimize(fun, x0, **options)


def line_of(ax, colour, number=0):
    return [line for line in ax.lines if line.get_color() == colour][number]


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def own_axes(**options):
    return Figure(layout="constrained").subplots(**options)


def texts_of(figure):
    """Return the visible texts of a figure with their boxes."""
    figure.draw_without_rendering()
    found = []
    for ax in figure.axes:
        ticks = []
        for axis, label in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            low, high = sorted(label)
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high:
                    ticks += [tick.label1, tick.label2]
        legend = ax.get_legend()
        texts = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts, *ticks]
        texts += legend.get_texts() if legend else []
        found += [
            (text.get_text(), text.get_window_extent())
            for text in texts
            if text.get_visible() and text.get_text()
        ]
    return found


def assert_readable(figure):
    """No text leaves the figure or meets another one."""
    texts = texts_of(figure)
    for text, box in texts:
        assert figure.bbox.x0 <= box.x0, text
        assert box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0, text
        assert box.y1 <= figure.bbox.y1, text
    for (one, box), (other, of_other) in combinations(texts, 2):
        assert not box.overlaps(of_other), f"{one!r} meets {other!r}"


# Runs against their iterations


def test_several_runs_are_told_apart_by_their_rates(mpg):
    runs = [train(*mpg, learning_rate=rate) for rate in (0.001, 0.01, 0.071)]
    ax = plots.loss_curve(*runs)
    for line, fit in zip(ax.lines, runs, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), fit.history["loss"])
    assert len({line.get_color() for line in ax.lines}) == 3
    assert legend_of(ax) == [f"learning rate {rate}" for rate in (0.001, 0.01, 0.071)]
    assert_readable(ax.figure)


def test_several_rules_are_told_apart_by_their_names(mpg):
    ax = plots.loss_curve(*(train(*mpg, optimizer=rule) for rule in ("gd", "adam")))
    assert legend_of(ax) == ["learning rate 0.01", "adam, learning rate 0.01"]


def test_the_loss_of_a_function_and_of_estimators_is_drawn(mpg):
    X, y = mpg[0][:, None], mpg[1]
    run = minimize(bowl, (5, -4))
    ax = plots.loss_curve(run)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), run.history["fun"])
    assert ax.get_ylabel() == "value of the function"
    slow = GDRegressor(gtol=None, max_iter=9).fit(X, y)
    ax = plots.loss_curve(slow)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), slow.loss_curve_)
    assert ax.get_ylabel() == "mean half squared error + penalty"
    fast = SGDRegressor(max_iter=9, tol=None, random_state=0).fit(X, y)
    ax = plots.loss_curve(slow, fast)
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), fast.loss_curve_)
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), np.arange(1, 10))
    assert legend_of(ax)[1] == "learning rate invscaling, eta0 0.01"
    assert ax.get_ylabel() == "mean half squared error + penalty or mean objective"


def test_classes_with_a_curve_each_are_refused(mpg):
    model = SGDClassifier(max_iter=5, tol=None).fit(
        mpg[0][:, None], [0, 1, 2] * 2 + [0]
    )
    with pytest.raises(ValueError, match="3 loss curves, one for each class"):
        plots.loss_curve(model)
    with pytest.raises(TypeError, match="needs a run"):
        plots.loss_curve()


def test_parameters_are_drawn_against_iterations(mpg):
    fit = train(*mpg)
    ax = plots.parameters(fit)
    slope, constant = ax.lines
    np.testing.assert_array_equal(slope.get_ydata(), fit.history["coef"][:, 0])
    np.testing.assert_array_equal(constant.get_ydata(), fit.history["intercept"])
    np.testing.assert_array_equal(slope.get_xdata(), fit.history["iteration"])
    assert legend_of(ax) == ["coefficient", "intercept"]
    assert_readable(ax.figure)


def test_parameters_have_the_names_of_their_features(advertising):
    X = advertising.select(["TV", "Radio"])
    fit = train(X, advertising["Sales"], standardize=True)
    names = ["coefficient of TV", "coefficient of Radio", "intercept"]
    assert legend_of(plots.parameters(fit)) == names
    y = np.c_[advertising["Sales"], -advertising["Sales"]]
    assert legend_of(plots.parameters(train(X, y, standardize=True))) == [
        f"{name} [{k}]" for k in range(2) for name in names[:2]
    ] + ["intercept [0]", "intercept [1]"]


def test_the_path_of_an_estimator_has_the_names_of_its_frame(mpg):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"weight in $1000": mpg[0], "$age$": mpg[0] ** 2})
    model = GDRegressor(history="full", gtol=None, max_iter=5).fit(X, mpg[1])
    ax = plots.parameters(model)
    assert legend_of(ax)[:2] == [
        "coefficient of weight in $1000",
        "coefficient of $age$",
    ]
    assert_readable(ax.figure)
    ax = plots.loss_contours(model, X, mpg[1])
    assert ax.get_xlabel() == "coefficient of weight in $1000"
    assert_readable(ax.figure)


def test_a_single_parameter_labels_the_axis_and_many_have_no_legend(rng):
    assert plots.parameters(minimize(square, 1.0)).get_ylabel() == "x"
    X = rng.normal(size=(50, 13))
    ax = plots.parameters(train(X, X.sum(axis=1)))
    assert len(ax.lines) == 14
    assert ax.get_legend() is None


# Lines and planes


def test_earlier_lines_are_those_of_their_iterations(mpg):
    fit = train(*mpg)
    ax = plots.fitted_line(fit, *mpg, iterations=[1, 2, 5])
    earlier = [line for line in ax.lines if line.get_color() == RUN]
    for line, k in zip(earlier, (1, 2, 5, 21), strict=True):
        row = fit.history.array[k - 1]
        x = np.asarray(line.get_xdata())
        np.testing.assert_array_equal(
            line.get_ydata(), row["coef"][0] * x + row["intercept"]
        )
    alphas = [line.get_alpha() for line in earlier]
    assert alphas == sorted(alphas)
    assert legend_of(ax)[1] == "before iterations 1 to 5"
    assert_readable(ax.figure)


def test_a_number_of_earlier_lines_moves_evenly(pizza):
    fit = train(*pizza, learning_rate=0.001, max_iter=20_000)
    ax = plots.fitted_line(fit, *pizza, iterations=8)
    lines = [line for line in ax.lines if line.get_color() == RUN]
    assert 6 <= len(lines) <= 9
    slopes = [np.ptp(line.get_ydata()) / np.ptp(line.get_xdata()) for line in lines]
    levels = [line.get_ydata()[0] for line in lines]
    assert max(np.abs(np.diff(slopes))) < 0.45 * 1.84
    assert max(np.abs(np.diff(levels))) < 0.35 * np.ptp(levels)
    nothing = pizza[0], np.zeros(30)
    still = train(*nothing, learning_rate=0.001, max_iter=5)
    assert len(plots.fitted_line(still, *nothing, iterations=4).lines) <= 3


@pytest.mark.parametrize(
    ("iterations", "error", "message"),
    [
        ([0], ValueError, "from 1 to 21"),
        ([22], ValueError, "from 1 to 21"),
        (0, ValueError, "iterations must be"),
        ([1.5], TypeError, "iterations must be"),
        ("1", TypeError, "iterations must be"),
    ],
)
def test_iterations_that_are_not_there_are_refused(iterations, error, message, mpg):
    with pytest.raises(error, match=message):
        plots.fitted_line(train(*mpg), *mpg, iterations=iterations)


def test_lines_of_estimators_are_drawn(mpg):
    X, y = mpg[0][:, None], mpg[1]
    for model in (
        SGDRegressor(max_iter=50, tol=None, random_state=0).fit(X, y),
        GDRegressor().fit(X, y),
    ):
        ax = plots.fitted_line(model, X, y)
        np.testing.assert_allclose(
            ax.lines[-1].get_ydata(), model.predict([[2.37], [4.42]]), rtol=1e-12
        )
    with pytest.raises(ValueError, match="X has 2 columns"):
        plots.fitted_line(model, np.c_[X, X], y)
    with pytest.raises(TypeError, match="not fitted yet"):
        plots.fitted_line(GDRegressor(), X, y)
    with pytest.raises(TypeError, match="got a Minimum"):
        plots.fitted_line(minimize(square, 1.0), X, y)
    with pytest.raises(ValueError, match="one output, run has 2"):
        plots.fitted_line(train(X, np.c_[y, y]), X, y)


def test_the_line_of_classes_is_the_curve_of_their_probability(rng, tmp_path):
    x = rng.normal(size=100)
    y = np.where(x + rng.logistic(size=100) / 2 > 0, "yes", "no")
    model = GDClassifier(history="full").fit(x[:, None], y)
    ax = plots.fitted_line(model, x, y, iterations=[2])
    at, probability = ax.lines[-1].get_data()
    np.testing.assert_allclose(
        probability, model.predict_proba(at[:, None])[:, 1], rtol=1e-9
    )
    assert set(ax.lines[0].get_ydata()) == {0.0, 1.0}
    assert legend_of(ax)[-1].startswith("log-odds = ")
    earlier = model.fit_.history.array[1]
    raw = earlier["coef"][0] * at + earlier["intercept"]
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 1 / (1 + np.exp(-raw)))
    axes = own_axes(ncols=2)
    plots.animate(model, x, y, n_frames=2, path=tmp_path / "a.gif", axes=axes)
    np.testing.assert_allclose(line_of(axes[0], RUN).get_ydata(), probability)


def test_the_line_of_counts_is_the_curve_of_their_mean(rng):
    x = rng.uniform(0, 2, size=100)
    y = rng.poisson(np.exp(x))
    fit = gdfast.train(x, y, loss="poisson", learning_rate=0.05)
    at, mean = plots.fitted_line(fit, x, y).lines[-1].get_data()
    np.testing.assert_allclose(mean, np.exp(fit.predict(at)), rtol=1e-12)


def test_a_plane_goes_through_its_data(advertising):
    X, y = advertising.select(["TV", "Radio"]), advertising["Sales"]
    fit = train(X, y, standardize=True, max_iter=500, learning_rate=0.1)
    ax = plots.fitted_plane(fit, X, y, iterations=[1, 3])
    below, above = (
        np.array(points._offsets3d)  # matplotlib has no other way to ask
        for points in ax.collections
        if type(points).__name__ == "Path3DCollection"
    )
    both = np.c_[below, above]
    assert sorted(both[2]) == sorted(y)
    for points, sign in ((below, -1), (above, 1)):
        left = points[2] - fit.predict(points[:2].T)
        assert (sign * left >= 0).all()
    kinds = [type(one).__name__ for one in ax.collections]
    assert kinds.count("Line3DCollection") == 2
    assert kinds.count("Poly3DCollection") == 1
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()) == ("TV", "Radio", "y")
    with pytest.raises(TypeError, match="ax must have three dimensions"):
        plots.fitted_plane(fit, X, y, ax=own_axes())
    with pytest.raises(ValueError, match="two features, run has 1"):
        plots.fitted_plane(train(X.values[:, 0], y), X, y)


# The loss against one parameter


def test_mission_b_the_loss_against_w(pizza):
    fit = train(*pizza, learning_rate=0.001, max_iter=100, fit_intercept=False)
    ax = plots.loss_along(fit, *pizza, limits=(-1, 4))
    curve, steps = line_of(ax, LINE), line_of(ax, RUN)
    mark = line_of(ax, MARK)
    assert mark.get_xdata()[0] == pytest.approx(1.8436928702, abs=1e-10)
    assert mark.get_ydata()[0] == pytest.approx(69.1209628275, abs=1e-10)
    w, loss = curve.get_data()
    assert (w[0], w[-1]) == (-1, 4) == ax.get_xlim()
    expected = [np.mean((x * pizza[0] - pizza[1]) ** 2) for x in w]
    np.testing.assert_allclose(loss, expected, rtol=1e-12)
    x, at = steps.get_data()
    np.testing.assert_array_equal(x[:3], fit.history["coef"][:3, 0])
    np.testing.assert_allclose(
        at[:3], [812.8666666667, 304.3630879787, 143.5265791020], rtol=1e-12
    )
    np.testing.assert_allclose(at, np.interp(x, w, loss), rtol=2e-3)
    assert legend_of(ax) == [
        "loss",
        "100 steps, learning rate 0.001",
        "minimum 69.12 at 1.844",
    ]
    assert_readable(ax.figure)


def test_other_parameters_are_held_at_the_end_and_named(pizza):
    fit = train(*pizza, learning_rate=0.001, max_iter=20_000)
    ax = plots.loss_along(fit, *pizza)
    w, loss = line_of(ax, LINE).get_data()
    expected = [gdfast.loss(*pizza, x, fit.intercept) for x in w]
    np.testing.assert_allclose(loss, expected, rtol=1e-12)
    assert legend_of(ax)[0] == "loss where intercept = 13.17"
    # The steps are at the loss that they saw, which is not on the curve.
    assert line_of(ax, RUN).get_ydata()[0] == fit.history["loss"][0]
    ax = plots.loss_along(fit, *pizza, parameter="intercept")
    assert ax.get_xlabel() == "intercept"
    best = np.mean(pizza[1] - fit.coef[0] * pizza[0])
    assert line_of(ax, MARK).get_xdata()[0] == pytest.approx(best, rel=1e-12)
    assert plots.loss_along(fit, *pizza, parameter=1).get_xlabel() == "intercept"


def test_names_in_a_legend_are_no_formulas(rng):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(rng.normal(size=(9, 2)), columns=["cost", "$x_{$"])
    fit = train(X, X["cost"], fit_intercept=False)
    ax = plots.loss_along(fit, X, X["cost"])
    assert legend_of(ax)[0].startswith("loss where coefficient of $x_{$ = ")
    ax.figure.draw_without_rendering()


def test_legends_do_not_push_axes_together(pizza):
    fit = train(*pizza, learning_rate=0.001)
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots(2, 3)
    plots.loss_curve(fit, fit, ax=axes[0, 0])
    plots.loss_along(fit, *pizza, ax=axes[0, 1])
    plots.loss_contours(fit, *pizza, ax=axes[0, 2])
    plots.parameters(fit, ax=axes[1, 0])
    plots.fitted_line(fit, *pizza, iterations=3, ax=axes[1, 1])
    figure.draw_without_rendering()
    for ax in axes.flat[:5]:
        assert ax.bbox.width > figure.bbox.width / 6
        legend = ax.get_legend().get_window_extent()
        assert legend.width < 1.4 * ax.bbox.width


def test_every_valley_of_a_function_is_marked():
    run = minimize(two_valleys, 1.6, learning_rate=0.02, max_iter=100)
    ax = plots.loss_along(run, fun=two_valleys, limits=(-1.7, 1.7))
    lowest, local = (line_of(ax, MARK, k) for k in range(2))
    assert lowest.get_xdata()[0] == pytest.approx(-1.0355, abs=1e-4)
    assert local.get_xdata()[0] == pytest.approx(0.9601, abs=1e-4)
    assert [text.split(" at")[0] for text in legend_of(ax)[2:]] == [
        "minimum −0.3054",
        "local minimum 0.2941",
    ]


def test_what_falls_beyond_the_edge_is_no_minimum():
    run = minimize(lambda w: np.exp(w), 1.0, max_iter=5)
    ax = plots.loss_along(run, fun=lambda w: np.exp(w), limits=(0, 2))
    assert legend_of(ax) == ["loss", "5 steps, learning rate 0.1"]


# Of every kind of objective, against gdfast's own sums


def objective(fit, X, y, coef, intercept, weight=None, scale=1.0):
    loss = gdfast.losses.LOSSES[fit.loss_name](**fit.loss_params)
    mean = gdfast.loss(X, y, coef, intercept, loss=loss, sample_weight=weight)
    l1, l2 = (fit.penalty.get(name, 0.0) for name in ("l1", "l2"))
    scaled = coef * scale
    return mean + l1 * np.abs(scaled).sum() + l2 * (scaled**2).sum() / 2


@pytest.mark.parametrize("size", [1e-9, 1e12])
def test_ticks_have_no_factor_that_meets_other_text(size, pizza):
    fit = train(pizza[0], size * pizza[1], learning_rate=0.001)
    surface = plots.loss_surface(fit, pizza[0], size * pizza[1])
    regimes = plots.learning_rate_regimes(fit, pizza[0], size * pizza[1])
    surface.figure.draw_without_rendering()
    regimes[0].figure.draw_without_rendering()
    axes = [surface.xaxis, surface.yaxis, surface.zaxis]
    for axis in (*axes, *(ax.yaxis for ax in regimes)):
        assert axis.get_offset_text().get_text() == ""
    label = surface.zaxis.label.get_window_extent()
    for tick in surface.zaxis.get_major_ticks():
        assert not tick.label1.get_window_extent().overlaps(label)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"loss": "squared_error"},
        {"loss": "half_squared_error", "penalty": "elasticnet", "alpha": 0.3},
        {"loss": "huber", "penalty": "l2", "alpha": 0.5},
        {"loss": gdfast.losses.Quantile(0.3)},
        {"loss": "poisson"},
    ],
    ids=lambda options: str(options["loss"]).split("(")[0].lower(),
)
def test_the_surface_is_the_objective(options, standardize, rng):
    X = rng.normal(size=(40, 3)) * [1.0, 2.0, 0.5] + [0.0, 1.0, 2.0]
    y = rng.poisson(np.exp(0.2 * X[:, 0] + 0.3)).astype(float)
    weight = rng.uniform(0.5, 2.0, size=40)
    fit = train(
        X, y, sample_weight=weight, standardize=standardize, max_iter=5, **options
    )
    scene = landscape_of(fit, X, y, None, weight, (2, "intercept"), 2)
    deviation = np.sqrt(
        np.average((X - np.average(X, axis=0, weights=weight)) ** 2, 0, weights=weight)
    )
    scale = deviation if standardize else 1.0
    points = rng.normal(size=(5, 2))
    expected = [
        objective(fit, X, y, np.r_[fit.coef[:2], c], b, weight, scale)
        for c, b in points
    ]
    np.testing.assert_allclose(scene.height.values(points), expected, rtol=1e-10)
    # The last step of the run is on it.
    last = scene.height.values(scene.points[-1:])
    assert last[0] == pytest.approx(fit.loss, rel=1e-10)
    step = 1e-6
    for point in points:
        around = point + step * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
        values = scene.height.values(around)
        np.testing.assert_allclose(
            scene.height.gradient(point),
            (values[::2] - values[1::2]) / (2 * step),
            rtol=1e-4,
            atol=1e-6,
        )


def test_labels_of_a_classifier_and_sparse_rows_are_taken(rng):
    sparse = pytest.importorskip("scipy.sparse")
    X = rng.normal(size=(60, 2))
    y = np.where(X @ [1.0, -2.0] + rng.normal(size=60) > 0, "yes", "no")
    model = GDClassifier(history="full", gtol=None, max_iter=30).fit(X, y)
    scene = landscape_of(model, sparse.csr_array(X), y, None, None, None, 2)
    assert scene.height.values(scene.points[-1:])[0] == pytest.approx(
        model.fit_.loss, rel=1e-10
    )
    ax = plots.loss_contours(model, X, y)
    assert ax.get_ylabel() == "coefficient of x2"
    with pytest.raises(ValueError, match="the label 'maybe'"):
        plots.loss_contours(model, X, ["maybe", *y[1:]])


def test_the_minimum_of_a_loss_that_is_no_square_is_found(rng):
    X = rng.normal(size=(200, 1))
    y = (X[:, 0] + rng.logistic(size=200) > 0).astype(float)
    fit = train(X, y, loss="log_loss", learning_rate=0.5, max_iter=10)
    best = gdfast.train(X, y, loss="log_loss", gtol=1e-9)
    mark = line_of(plots.loss_contours(fit, X, y), MARK)
    np.testing.assert_allclose(
        np.ravel(mark.get_data()), [best.coef[0], best.intercept], atol=1e-4
    )


def test_digits_far_from_zero_are_kept(rng):
    """The loss of targets around 1e6 differs in its last digits alone."""
    X = np.c_[1e3 + rng.normal(size=30)]
    y = 1e6 + X[:, 0] + 1e-3 * rng.normal(size=30)
    fit = train(X, y, coef_init=[1.0], intercept_init=1e6, learning_rate=1e-9)
    scene = landscape_of(fit, X, y, None, None, None, 2)
    points = scene.height.minimum() + 1e-3 * rng.normal(size=(5, 2))
    exact = [
        np.mean((X[:, 0].astype(np.longdouble) * c + b - y) ** 2) for c, b in points
    ]
    np.testing.assert_allclose(
        scene.height.values(points), np.array(exact, dtype=float), rtol=1e-6
    )


def test_a_valley_without_an_end_is_drawn(rng):
    x = rng.normal(size=30)
    fit = train(np.c_[x, x], 3 * x, fit_intercept=False)
    ax = plots.loss_contours(fit, np.c_[x, x], 3 * x)
    found = np.ravel(line_of(ax, MARK).get_data())
    assert found.sum() == pytest.approx(3)


def test_many_rows_of_any_loss_are_sampled(rng):
    X = rng.normal(size=(200_000, 1))
    y = (X[:, 0] + rng.logistic(size=len(X)) > 0).astype(float)
    fit = train(X, y, loss="log_loss", learning_rate=0.5, max_iter=3)
    scene = landscape_of(fit, X, y, None, None, None, 2)
    assert len(scene.height._sums.examples.X) == 50_000
    assert scene.height.values(scene.points[-1:])[0] == pytest.approx(
        fit.loss, rel=0.01
    )


# The loss against two parameters


def test_mission_d_the_path_down_a_bowl():
    run = minimize(bowl, (5, -4))
    ax = plots.loss_contours(run, fun=bowl, gradient_at=[(5, -4)])
    path = np.transpose(line_of(ax, RUN).get_data())
    np.testing.assert_allclose(path[:3], [[5, -4], [4, -3.2], [3.2, -2.56]])
    arrows = [text for text in ax.texts if not text.get_text()]
    *steps, gradient = arrows
    assert len(steps) >= 4
    np.testing.assert_allclose(steps[0].xyann, (5, -4))
    np.testing.assert_allclose(steps[0].xy, (4, -3.2))
    assert steps[0].arrow_patch.get_edgecolor()[:3] == to_rgb(RUN)
    assert legend_of(ax)[0] == "20 steps, learning rate 0.1"
    mark = line_of(ax, MARK)
    np.testing.assert_allclose(np.ravel(mark.get_data()), [0, 0], atol=1e-4)
    [words] = [text.get_text() for text in ax.texts if text.get_text()]
    assert words == "(10, −8)"
    shown = np.subtract(gradient.xy, (5, -4))
    assert shown[0] / shown[1] == pytest.approx(10 / -8)  # uphill, away from 0
    assert shown[0] > 0
    assert_readable(ax.figure)


def test_the_valley_of_mission_a_is_marked(mpg):
    ax = plots.loss_contours(train(*mpg), *mpg)
    np.testing.assert_allclose(
        np.ravel(line_of(ax, MARK).get_data()), [-4.5691095, 33.58512404], rtol=1e-7
    )
    assert legend_of(ax)[1] == "minimum 1.47 at (−4.569, 33.59)"
    [bar] = [one for one in ax.figure.axes if one is not ax]
    assert bar.get_ylabel() == "mean squared error"
    ticks = [float(t.get_text().replace(",", "")) for t in bar.get_yticklabels()]
    assert ticks == sorted(ticks)
    assert 1.47 < ticks[0] < 4  # the floor has levels of its own
    assert_readable(ax.figure)


def test_levels_come_closer_towards_the_minimum(mpg):
    ax = plots.loss_contours(train(*mpg), *mpg)
    levels = ax.collections[0].levels
    np.testing.assert_allclose(levels[1:] / levels[:-1], levels[1] / levels[0])


def test_the_parameters_of_a_picture_can_be_chosen(advertising):
    X, y = advertising.select(["TV", "Radio", "Newspaper"]), advertising["Sales"]
    fit = train(X, y, standardize=True, learning_rate=0.1)
    ax = plots.loss_contours(fit, X, y, parameters=("Newspaper", 3))
    assert (ax.get_xlabel(), ax.get_ylabel()) == (
        "coefficient of Newspaper",
        "intercept",
    )
    bar = ax.figure.axes[1]
    assert bar.get_ylabel().endswith("where the other 2 parameters as at the end")
    assert_readable(ax.figure)


def test_a_run_that_diverges_is_drawn_where_it_began(mpg):
    fit = train(*mpg, learning_rate=1.0, max_iter=300)
    ax = plots.loss_contours(fit, *mpg)
    low, high = ax.get_xlim()
    assert high - low < 100
    assert_readable(ax.figure)
    ax = plots.loss_along(fit, *mpg)
    assert_readable(ax.figure)


@pytest.mark.parametrize("rate", [0.5, 50.0, 1e6])
def test_the_minimum_is_right_however_far_a_run_diverged(rate, pizza):
    fit = train(*pizza, learning_rate=rate)
    ax = plots.loss_contours(fit, *pizza)
    assert legend_of(ax)[-1] == "minimum 22.84 at (1.081, 13.17)"


def test_a_low_minimum_far_below_the_start_is_not_called_zero(rng):
    X = rng.normal(size=(50, 1))
    y = 1e6 + X[:, 0] + rng.normal(size=50)
    fit = train(X, y, learning_rate=0.1)
    residual = np.linalg.lstsq(np.c_[X, np.ones(50)], y, rcond=None)[1][0] / 50
    value = legend_of(plots.loss_contours(fit, X, y))[-1].split()[1]
    assert float(value) == pytest.approx(residual, rel=1e-3)


def test_a_function_that_overflows_is_left_out():
    def wall(w):
        return np.exp(np.exp(w[0] ** 2)) + w[1] ** 2

    run = minimize(wall, (0.5, 1.0), learning_rate=0.01)
    ax = plots.loss_contours(run, fun=wall, limits=((-4, 4), (-2, 2)))
    assert_readable(ax.figure)


def test_a_surface_has_path_and_marks(mpg):
    fit = train(*mpg)
    ax = plots.loss_surface(fit, *mpg, gradient_at=[(0, 0)])
    w, b, loss = (np.asarray(values) for values in line_of(ax, RUN).get_data_3d())
    np.testing.assert_array_equal(loss[:3], fit.history["loss"][:3])
    np.testing.assert_array_equal(w[:3], fit.history["coef"][:3, 0])
    mark = np.ravel(line_of(ax, MARK).get_data_3d())
    np.testing.assert_allclose(mark, [-4.5691095, 33.58512404, 1.46966948], rtol=1e-7)
    assert ax.get_zlabel() == "mean squared error"
    figure = ax.figure
    figure.draw_without_rendering()
    for label in (ax.xaxis.label, ax.yaxis.label, ax.zaxis.label):
        box = label.get_window_extent()
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1
    with pytest.raises(TypeError, match="ax must have three dimensions"):
        plots.loss_surface(fit, *mpg, ax=own_axes())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"parameters": (0, 0)}, ValueError, "parameters must differ"),
        ({"parameters": (0, 2)}, ValueError, "numbers below 2 or of 'coefficient'"),
        ({"parameters": (0, "speed")}, ValueError, "got 'speed'"),
        ({"parameters": (0,)}, ValueError, "parameters must be 2"),
        ({"parameters": "ab"}, ValueError, "parameters must be 2"),
        ({"limits": (0, 1)}, ValueError, "limits must be"),
        ({"limits": ((0, 1), (1, 1))}, ValueError, "limits must be finite and rise"),
        ({"limits": "wide"}, ValueError, "limits must be"),
        ({"gradient_at": (1, 2)}, ValueError, "gradient_at must be"),
        ({"gradient_at": [(1, np.nan)]}, ValueError, "gradient_at must be"),
        ({"fun": bowl}, TypeError, "fun is for a Minimum"),
        ({"sample_weight": [-1] * 7}, ValueError, "sample_weight"),
    ],
)
def test_wrong_arguments_are_named(options, error, message, mpg):
    with pytest.raises(error, match=message):
        plots.loss_contours(train(*mpg), *mpg, **options)


def test_what_a_run_or_a_call_lacks_is_named(mpg, rng):
    X, y = mpg
    with pytest.raises(ValueError, match='history="full"'):
        plots.loss_contours(gdfast.train(X, y, max_iter=3), X, y)
    with pytest.raises(ValueError, match='no history.*history="full"'):
        plots.parameters(train(X, y, history=False))
    with pytest.raises(ValueError, match='history="full"'):
        plots.parameters(GDRegressor().fit(X[:, None], y))
    with pytest.raises(TypeError, match="SGDRegressor.*GDRegressor.*history='full'"):
        plots.parameters(SGDRegressor(max_iter=2, tol=None).fit(X[:, None], y))
    with pytest.raises(TypeError, match="needs the data"):
        plots.loss_contours(train(X, y))
    run = minimize(bowl, (1, 1))
    with pytest.raises(TypeError, match="fun must be the function"):
        plots.loss_contours(run)
    with pytest.raises(TypeError, match="a Minimum has none"):
        plots.loss_contours(run, X, y, fun=bowl)
    with pytest.raises(ValueError, match="run has 1 parameter, the picture needs 2"):
        plots.loss_contours(minimize(square, 1.0), fun=square)
    two = train(X, np.c_[y, y])
    with pytest.raises(ValueError, match="run has 2 outputs"):
        plots.loss_along(two, X, np.c_[y, y])


# The regimes of the learning rate


@pytest.mark.parametrize(
    ("fit_intercept", "stable"), [(True, 0.00455510), (False, 0.00457038)]
)
def test_the_largest_stable_rate_is_that_of_the_data(fit_intercept, stable, pizza):
    fit = train(*pizza, learning_rate=0.001, fit_intercept=fit_intercept)
    axes = plots.learning_rate_regimes(fit, *pizza)
    assert len(axes) == 3
    for ax, name, share in zip(
        axes, ("too small", "right", "too large"), (0.01, 0.3, 1.1), strict=True
    ):
        title, words = ax.get_title().split("\n")
        assert title.startswith(name)
        rate = float(re.search(r": (.*)", title)[1].replace("−", "-"))
        assert rate == pytest.approx(share * stable, rel=1e-3)
        assert float(words.removeprefix("largest stable: ")) == pytest.approx(
            stable, abs=5e-9
        )
        # On the scale above, rate and mark are where they belong.
        [scale] = ax.child_axes
        mark, shown = scale.lines
        assert mark.get_xdata()[0] == pytest.approx(stable, abs=5e-9)
        assert shown.get_xdata()[0] == pytest.approx(share * stable, rel=1e-5)
    assert_readable(axes[0].figure)


def test_the_regimes_of_mission_d():
    run = minimize(square, 1.0)
    axes = plots.learning_rate_regimes(
        run, fun=square, learning_rates=(0.1, 0.5, 1.1), max_iter=10
    )
    assert [ax.get_title() for ax in axes] == [
        "too small: 0.1\nlargest stable: 1",
        "right: 0.5\nlargest stable: 1",
        "too large: 1.1\nlargest stable: 1",
    ]
    steps = [line_of(ax, RUN).get_xdata() for ax in axes]
    np.testing.assert_allclose(steps[0][:3], [1.0, 0.8, 0.64])
    np.testing.assert_allclose(steps[1], [1.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(steps[2][:2], [1.0, -1.2])
    assert_readable(axes[0].figure)


def test_the_regimes_of_mission_a(mpg):
    axes = plots.learning_rate_regimes(train(*mpg), *mpg)
    assert all("largest stable: 0.0698201" in ax.get_title() for ax in axes)
    # Too large a rate leaves the picture, the right one reaches the valley.
    ends = [np.transpose(line_of(ax, RUN).get_data())[-1] for ax in axes]
    assert not axes[0].get_xlim()[0] < ends[2][0] < axes[0].get_xlim()[1]
    losses = [gdfast.loss(*mpg, *end) for end in ends[:2]]
    assert losses[1] < 35 < 150 < losses[0]
    assert_readable(axes[0].figure)


def test_regimes_of_many_parameters_are_loss_curves(advertising):
    X, y = advertising.select(["TV", "Radio", "Newspaper"]), advertising["Sales"]
    model = GDRegressor(standardize=True).fit(X.values, y)
    given = own_axes(ncols=3)
    axes = plots.learning_rate_regimes(model, X.values, y, axes=given, max_iter=5)
    assert axes == list(given)
    assert all(ax.get_xlabel() == "iteration" for ax in axes)
    assert len(axes[0].lines[0].get_ydata()) == 6
    stable = gdfast.learning_rates(
        X.values, y, loss="half_squared_error", penalty="l2", standardize=True
    ).max_stable
    assert f"largest stable: {stable:.6g}" in axes[0].get_title()


def labelled(rng, n_features, separable=False):
    X = rng.normal(1.0, 3.0, (200, n_features))
    noise = 0.0 if separable else rng.logistic(size=200)
    return X, (X[:, 0] - 0.5 + noise > 0).astype(int)


@pytest.mark.parametrize("n_features", [1, 3])
def test_too_large_a_rate_of_a_loss_that_only_has_a_bound_does_not_settle(
    n_features, rng
):
    X, y = labelled(rng, n_features)
    bound = gdfast.learning_rates(X, y, loss="log_loss").max_stable
    axes = plots.learning_rate_regimes(train(X, y, loss="log_loss"), X, y)
    title, mark = axes[2].get_title().split("\n")
    assert mark == f"largest stable ≥ {bound:.6g}"
    rate = float(title.removeprefix("too large: "))
    assert rate > 1.2 * bound  # at which it does settle
    losses = [np.log(2)]
    params = np.zeros(n_features + 1)
    for _ in range(20):
        design = np.c_[X, np.ones(len(X))]
        params -= rate * design.T @ (1 / (1 + np.exp(-design @ params)) - y) / len(X)
        losses.append(np.logaddexp(0, -(2 * y - 1) * (design @ params)).mean())
    assert np.diff(losses)[10:].max() > 0.05 * (losses[0] - losses[-1])
    # What lies between the bound and this rate is not known.
    spans = axes[2].child_axes[0].patches
    assert [span.get_x() for span in spans] == pytest.approx([0, bound, rate], rel=1e-3)
    assert_readable(axes[0].figure)


def test_a_large_rate_that_settles_is_not_called_too_large(rng):
    X, y = labelled(rng, 1)
    fit = train(X, y, loss="log_loss")
    rates = gdfast.learning_rates(X, y, loss="log_loss").max_stable * np.array(
        [0.1, 0.5, 1.1]
    )
    axes = plots.learning_rate_regimes(fit, X, y, learning_rates=rates)
    assert axes[2].get_title().startswith("large, yet settles: ")
    assert len(axes[2].child_axes[0].patches) == 2  # none is known to be too large
    assert_readable(axes[0].figure)


@pytest.mark.parametrize("width", [9, 6])
def test_titles_of_the_regimes_fit_without_a_layout_engine(width, mpg):
    figure = Figure(figsize=(width, 3))
    axes = plots.learning_rate_regimes(train(*mpg), *mpg, axes=figure.subplots(1, 3))
    figure.draw_without_rendering()
    boxes = [ax.title.get_window_extent() for ax in axes]
    assert all(box.y1 < figure.bbox.y1 for box in boxes)
    for left, right in pairwise(boxes):
        assert left.x1 < right.x0
    assert len({ax.get_position().y1 for ax in axes}) == 1
    assert all(ax.bbox.height > 150 for ax in axes)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"learning_rates": (0.1, 0.2)}, ValueError, "3 numbers above 0"),
        ({"learning_rates": (0.3, 0.2, 0.4)}, ValueError, "rising"),
        ({"learning_rates": 0.1}, TypeError, "3 numbers above 0"),
        ({"max_iter": 0}, ValueError, "max_iter must be"),
        ({"axes": [None]}, ValueError, "axes must be 3"),
        ({"fun": square}, TypeError, "no fun"),
    ],
)
def test_wrong_arguments_of_the_regimes_are_named(options, error, message, mpg):
    with pytest.raises(error, match=message):
        plots.learning_rate_regimes(train(*mpg), *mpg, **options)


def test_problems_without_a_largest_stable_rate_are_refused(mpg):
    X, y = mpg
    with pytest.raises(ValueError, match="largest curvature"):
        plots.learning_rate_regimes(train(X, y, loss="quantile"), X, y)
    with pytest.raises(ValueError, match="does not curve"):
        plots.learning_rate_regimes(minimize(lambda w: w, 1.0), fun=lambda w: w)


LONG = "average_number_of_reservations_made_by_telephone_on_the_evening_before_at_9"


def test_long_names_end_in_an_ellipsis_and_are_whole_in_the_report(pizza, tmp_path):
    pd = pytest.importorskip("pandas")
    X, y = pd.DataFrame({LONG: pizza[0]}), pd.Series(pizza[1], name=f"pizzas_{LONG}")
    fit = train(X, y, learning_rate=0.001)
    for ax in (plots.loss_contours(fit, X, y), plots.fitted_line(fit, X, y)):
        ax.figure.draw_without_rendering()
        assert ax.get_xlabel().endswith("...")
        for label in (ax.xaxis.label, ax.yaxis.label):
            box = label.get_window_extent()
            assert ax.figure.bbox.x0 <= box.x0 < box.x1 <= ax.figure.bbox.x1
            assert ax.figure.bbox.y0 <= box.y0 < box.y1 <= ax.figure.bbox.y1
    fit.report(tmp_path / "page", X, y)
    page = (tmp_path / "page").read_text()
    assert f'<th scope="row">{LONG}</th>' in page
    assert f"pizzas_{LONG} (target)" in page


# The animation


def frames_of(path):
    from PIL import Image, ImageSequence

    with Image.open(path) as film:
        return [
            np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)
        ]


def test_an_animation_moves_to_the_end(mpg, tmp_path):
    path = tmp_path / "descent.gif"
    fit = train(*mpg, learning_rate=0.03, max_iter=2000)
    axes = own_axes(ncols=2)
    plots.animate(fit, *mpg, n_frames=4, path=path, axes=axes)
    frames = frames_of(path)
    assert 3 <= len(frames) <= 16
    assert (frames[0] != frames[1]).any()
    assert (frames[1] != frames[2]).any()
    line = line_of(axes[0], RUN)
    np.testing.assert_allclose(line.get_ydata(), fit.predict([2.37, 4.42]))
    assert axes[0].get_title() == "iteration 2,001"
    assert axes[1].get_title() == f"loss {fit.loss:.4g}"
    dot = line_of(axes[1], RUN, 1)
    np.testing.assert_array_equal(
        np.ravel(dot.get_data()), [fit.coef[0], fit.intercept]
    )


@pytest.mark.parametrize(
    ("fun", "x0"), [(two_valleys, 1.6), (bowl, (5, -4))], ids=["curve", "contours"]
)
def test_functions_are_animated_as_a_page_of_its_own(fun, x0, tmp_path):
    path = tmp_path / "descent.HTML"
    plots.animate(minimize(fun, x0, learning_rate=0.02), fun=fun, n_frames=3, path=path)
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("data:image/png;base64") >= 3
    assert not re.search(r"(src|href)=\S*http", page)
    assert "fa-" not in page


def test_other_files_are_refused_and_a_failure_leaves_the_old_one(mpg, tmp_path):
    fit = train(*mpg)
    with pytest.raises(ValueError, match=r"path must end in one of \.gif, \.html"):
        plots.animate(fit, *mpg, path=tmp_path / "descent.mp4")
    with pytest.raises(OSError, match="nowhere"):
        plots.animate(fit, *mpg, n_frames=1, path=tmp_path / "nowhere" / "a.gif")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="axes must be 2"):
        plots.animate(fit, *mpg, axes=[own_axes()])
    with pytest.raises(ValueError, match="n_frames must be"):
        plots.animate(fit, *mpg, n_frames=0)


def test_a_run_that_diverges_is_animated(mpg, tmp_path):
    fit = train(*mpg, learning_rate=1.0, max_iter=300)
    plots.animate(fit, *mpg, n_frames=3, path=tmp_path / "away.gif")


# All of them

DRAW = {
    "loss_curve": lambda run, X, y, **options: plots.loss_curve(run, **options),
    "parameters": lambda run, X, y, **options: plots.parameters(run, **options),
    "fitted_line": plots.fitted_line,
    "loss_along": plots.loss_along,
    "loss_contours": plots.loss_contours,
}


@pytest.mark.parametrize("name", DRAW)
def test_axes_of_the_caller_are_used_and_returned(name, mpg):
    left, right = own_axes(ncols=2)
    assert DRAW[name](train(*mpg), *mpg, ax=right) is right
    assert not left.lines
    assert right.lines


@pytest.mark.parametrize("name", [*DRAW, "loss_surface", "learning_rate_regimes"])
def test_nothing_of_the_caller_is_written_to(name, mpg):
    draw = DRAW.get(name) or getattr(plots, name)
    X, y = (values.copy() for values in mpg)
    fit = train(X, y)
    kept = fit.history.array.copy()
    for array in (X, y, fit.history.array, fit.coef):
        array.flags.writeable = False
    draw(fit, X, y)
    np.testing.assert_array_equal(fit.history.array, kept)


@pytest.mark.parametrize(
    "name", [*DRAW, "fitted_plane", "loss_surface", "learning_rate_regimes", "animate"]
)
def test_what_is_no_run_is_refused_by_all(name, mpg):
    draw = DRAW.get(name) or getattr(plots, name)
    with pytest.raises(TypeError, match="run must be a Fit, a Minimum or a fitted"):
        draw(np.ones(3), *mpg)


@pytest.mark.parametrize("name", [*DRAW, "loss_surface", "learning_rate_regimes"])
def test_without_matplotlib_the_extra_is_named(name, mpg, monkeypatch):
    draw = DRAW.get(name) or getattr(plots, name)
    fit = train(*mpg)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'gdfast\[plot\]'"):
        draw(fit, *mpg)


def test_neither_pyplot_nor_a_display_is_needed(tmp_path):
    """Every function draws, saves and animates without pyplot."""
    program = f"""
import sys
import gdfast
import gdfast.plots as plots
assert "matplotlib" not in sys.modules
X, y = [1.0, 2.0, 4.0], [2.0, 3.0, 5.0]
fit = gdfast.train(X, y, learning_rate=0.01, max_iter=9, history="full")
both = gdfast.train(
    [[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]], y, learning_rate=0.01, max_iter=9
)
def name():
    return {str(tmp_path)!r} + "/picture.png"
plots.parameters(fit).figure.savefig(name())
plots.fitted_plane(both, [[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]], y).figure.savefig(name())
plots.loss_along(fit, X, y).figure.savefig(name())
plots.loss_contours(fit, X, y, gradient_at=[(0, 0)]).figure.savefig(name())
plots.loss_surface(fit, X, y).figure.savefig(name())
plots.learning_rate_regimes(fit, X, y)[0].figure.savefig(name())
plots.animate(fit, X, y, n_frames=2, path={str(tmp_path / "a.gif")!r})
plots.animate(fit, X, y, n_frames=2, path={str(tmp_path / "a.html")!r})
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=True,
        env={"PATH": "", "MPLCONFIGDIR": str(tmp_path)},
    )
