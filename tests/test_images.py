"""Pictures as they looked when somebody last looked at them.

Every picture of `PICTURES` is drawn without text, as fonts differ between versions of
matplotlib, into axes at fixed places, and compared with its file in ``tests/images``.
After a change that is meant to show, draw them anew and look at each one::

    python tests/test_images.py
"""

from pathlib import Path

import numpy as np
import pytest

import gdfast

matplotlib = pytest.importorskip("matplotlib")
from matplotlib import style  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from gdfast import plots  # noqa: E402

IMAGES = Path(__file__).with_name("images")
# Root mean square of differences, of 255, in squares of 2 x 2 pixels. There are none
# between matplotlib 3.8 and 3.11; without its lines a picture differs by 4 and more.
TOLERANCE = 2.0
# Before matplotlib 3.9 limits of three dimensions had a margin around them.
WITH_MARGIN = tuple(map(int, matplotlib.__version__.split(".")[:2])) < (3, 9)

PIZZA = gdfast.example_data("pizza")
RESERVATIONS, PIZZAS = PIZZA.select(["Reservations"]), PIZZA["Pizzas"]
POUNDS, MPG = gdfast.example_data("mpg").values.T


def bowl(w):
    return w[0] ** 2 + w[1] ** 2


def two_valleys(w):
    return (w**2 - 1) ** 2 + 0.3 * w


def pizza_fit(**options):
    options = {"learning_rate": 0.001, "max_iter": 100, "history": "full"} | options
    return gdfast.train(RESERVATIONS, PIZZAS, **options)


def mpg_fit(**options):
    options = {"learning_rate": 0.01, "max_iter": 20, "history": "full"} | options
    try:
        return gdfast.train(POUNDS, MPG, **options)
    except gdfast.DivergenceError as error:
        return error.fit


def bowl_run():
    return gdfast.minimize(
        bowl, (5, -4), learning_rate=0.1, max_iter=20, history="full"
    )


def flat_axes(n=1, width=400):
    """Return axes at places that no text moves."""
    figure = Figure(figsize=(width / 100, 3), dpi=100)
    room = 1 / n
    return [
        figure.add_axes((k * room + 0.19 * room, 0.15, 0.79 * room, 0.66))
        for k in range(n)
    ]


def space():
    figure = Figure(figsize=(4, 3), dpi=100)
    ax = figure.add_axes((0.02, 0.03, 0.86, 0.93), projection="3d")
    ax.view_init(elev=32, azim=120)
    return ax


def loss_curves():
    runs = [mpg_fit(learning_rate=rate) for rate in (0.001, 0.01, 0.071)]
    return plots.loss_curve(*runs, ax=flat_axes()[0])


def parameters():
    return plots.parameters(mpg_fit(), ax=flat_axes()[0])


def fitted_line():
    ax = flat_axes()[0]
    fit = pizza_fit(max_iter=20_000)
    plots.fitted_line(fit, RESERVATIONS, PIZZAS, iterations=6, ax=ax)
    ax.set_ylim(-5, 80)  # or the height of the legend decides
    return ax


def fitted_plane():
    table = gdfast.example_data("advertising")
    X, y = table.select(["TV", "Radio"]), table["Sales"]
    fit = gdfast.train(X, y, standardize=True, history="full")
    return plots.fitted_plane(fit, X, y, iterations=[1], ax=space())


def loss_along():
    fit = pizza_fit(fit_intercept=False)
    return plots.loss_along(
        fit, RESERVATIONS, PIZZAS, limits=(-1, 4), ax=flat_axes()[0]
    )


def valleys():
    run = gdfast.minimize(
        two_valleys, 1.6, learning_rate=0.02, max_iter=40, history="full"
    )
    return plots.loss_along(run, fun=two_valleys, limits=(-1.7, 1.7), ax=flat_axes()[0])


def loss_contours():
    return plots.loss_contours(
        bowl_run(), fun=bowl, gradient_at=[(5, -4), (-3, -3)], ax=flat_axes()[0]
    )


def valley_contours():
    fit = mpg_fit(max_iter=3000)
    return plots.loss_contours(fit, POUNDS, MPG, ax=flat_axes()[0])


def loss_surface():
    return plots.loss_surface(bowl_run(), fun=bowl, gradient_at=[(5, -4)], ax=space())


def regimes_of_a_curve():
    return plots.learning_rate_regimes(
        pizza_fit(fit_intercept=False), RESERVATIONS, PIZZAS, axes=flat_axes(3, 800)
    )[0]


def regimes_of_contours():
    return plots.learning_rate_regimes(mpg_fit(), POUNDS, MPG, axes=flat_axes(3, 800))[
        0
    ]


def last_frame(tmp_path):
    axes = flat_axes(2, 700)
    plots.animate(
        pizza_fit(max_iter=2000),
        RESERVATIONS,
        PIZZAS,
        n_frames=2,
        path=tmp_path / "descent.gif",
        axes=axes,
    )
    return axes[0]


PICTURES = [
    loss_curves, parameters, fitted_line, fitted_plane, loss_along, valleys,
    loss_contours, valley_contours, loss_surface, regimes_of_a_curve,
    regimes_of_contours, last_frame,
]  # fmt: skip


def drawn(picture, tmp_path, change=lambda figure: None):
    """Return a picture as numbers, shape (height, width, 3)."""
    with style.context("default"):
        figure = (picture(tmp_path) if picture is last_frame else picture()).figure
        strip(figure)
        change(figure)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def strip(figure):
    """Take all text away, which every version of matplotlib sets another way."""
    for ax in figure.axes:
        if ax.get_legend():
            ax.get_legend().remove()
        for text in figure.findobj(matplotlib.text.Text):
            text.set_text("")
        for axis in (ax.xaxis, ax.yaxis, getattr(ax, "zaxis", ax.xaxis)):
            axis.set_major_formatter("")


def difference(one, other):
    """Return by how much two pictures differ, text by a pixel hardly."""
    assert one.shape == other.shape
    apart = one.astype(float) - other
    height, width, _ = apart.shape
    squares = apart[: height // 2 * 2, : width // 2 * 2].reshape(
        height // 2, 2, width // 2, 2, 3
    )
    return float(np.sqrt((squares.mean(axis=(1, 3)) ** 2).mean()))


def kept(picture):
    from PIL import Image

    with Image.open(IMAGES / f"{picture.__name__}.png") as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.__name__)
def test_it_looks_as_it_did(picture, tmp_path):
    if picture is loss_surface and WITH_MARGIN:
        pytest.skip("limits of three dimensions have a margin here")
    now = drawn(picture, tmp_path)
    found = difference(now, kept(picture))
    if found > TOLERANCE:
        from PIL import Image

        Image.fromarray(now).save(tmp_path / "now.png")
    assert found <= TOLERANCE, f"see {tmp_path / 'now.png'}"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.__name__)
def test_a_missing_part_would_be_seen(picture, tmp_path):
    """No picture is the same without its lines in the colour of the run."""

    def hide(figure):
        for ax in figure.axes:
            runs = [line for line in ax.lines if line.get_color() == "#D55E00"]
            runs = runs or (ax.lines[:1] or ax.collections[-1:])
            for artist in runs:
                artist.set_visible(False)

    assert difference(drawn(picture, tmp_path, hide), kept(picture)) > TOLERANCE


if __name__ == "__main__":
    import sys
    import tempfile

    from PIL import Image

    IMAGES.mkdir(exist_ok=True)
    for each in PICTURES:
        with tempfile.TemporaryDirectory() as folder:
            pixels = drawn(each, Path(folder))
        place = IMAGES / f"{each.__name__}.png"
        Image.fromarray(pixels).save(place, optimize=True)
        sys.stdout.write(f"wrote {place}\n")
