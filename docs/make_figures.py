"""Draw the pictures of the README and of the pages.

That of the README is kept in ``docs/images``: ``python docs/make_figures.py`` draws it.
Those of the pages are drawn into ``docs/drawn`` whenever the pages are built.
"""

from pathlib import Path

import gdfast
from gdfast import plots

IMAGES = Path(__file__).parent / "images"
DRAWN = Path(__file__).parent / "drawn"

PIZZA = gdfast.example_data("pizza")
RESERVATIONS, PIZZAS = PIZZA.select(["Reservations"]), PIZZA["Pizzas"]
CARS = gdfast.example_data("mpg")
POUNDS, MPG = CARS.select(["pounds_1000"]), CARS["mpg"]


def draw_readme() -> None:
    """Draw the picture of the README."""
    fit = gdfast.train(RESERVATIONS, PIZZAS, learning_rate=0.001, max_iter=20_000)
    ax = plots.fitted_line(fit, RESERVATIONS, PIZZAS)
    ax.set_ylabel("Pizzas")
    save(ax, IMAGES / "fitted_line.png")


def draw_pages() -> None:
    """Draw the pictures of the pages."""
    DRAWN.mkdir(exist_ok=True)

    runs = []
    for learning_rate in (0.001, 0.01, 0.071):  # too small, right, too large
        options = {"learning_rate": learning_rate, "max_iter": 20}
        try:
            runs.append(gdfast.train(POUNDS, MPG, **options))
        except gdfast.DivergenceError as error:
            runs.append(error.fit)
    save(plots.loss_curve(*runs), DRAWN / "learning_rates.png")

    fit = gdfast.train(POUNDS, MPG, learning_rate=0.01, max_iter=20_000, history="full")
    ax = plots.fitted_line(fit, POUNDS, MPG, iterations=7)
    ax.set(xlabel="weight (1000 pounds)", ylabel="miles per gallon")
    save(ax, DRAWN / "moving_line.png")
    ax = plots.loss_contours(fit, POUNDS, MPG)
    ax.set_xlabel("coefficient (miles per gallon per 1000 pounds)")
    ax.set_ylabel("intercept (miles per gallon)")
    save(ax, DRAWN / "loss_contours.png")
    axes = plots.learning_rate_regimes(fit, POUNDS, MPG)
    save(axes[0], DRAWN / "learning_rate_regimes.png")

    fit = gdfast.train(
        *(RESERVATIONS, PIZZAS),
        learning_rate=0.001,
        max_iter=100,
        fit_intercept=False,
        history="full",
    )
    ax = plots.loss_along(fit, RESERVATIONS, PIZZAS, limits=(-1, 4))
    save(ax, DRAWN / "loss_along.png")

    def bowl(w):
        return w[0] ** 2 + w[1] ** 2

    run = gdfast.minimize(bowl, (5, -4), learning_rate=0.1, max_iter=20, history="full")
    ax = plots.loss_surface(run, fun=bowl, gradient_at=[(5, -4)])
    save(ax, DRAWN / "loss_surface.png")


def save(ax, path):
    """Save the figure, the same bytes every time, for a width of 640 pixels.

    It has half as many pixels again, for screens that are finer than that.
    """
    ax.figure.savefig(path, dpi=150, metadata={"Software": None})


if __name__ == "__main__":
    draw_readme()
