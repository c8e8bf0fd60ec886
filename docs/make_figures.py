"""Draw the pictures of the README: ``python docs/make_figures.py``."""

from pathlib import Path

import gdfast
from gdfast.plots import fitted_line, loss_curve

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """Draw every picture into ``docs/images``."""
    IMAGES.mkdir(exist_ok=True)

    pizza = gdfast.example_data("pizza")
    X, y = pizza.select(["Reservations"]), pizza["Pizzas"]
    fit = gdfast.train(X, y, learning_rate=0.001, max_iter=20_000)
    ax = fitted_line(fit, X, y)
    ax.set_ylabel("Pizzas")
    save(ax, "fitted_line.png")

    pounds, mpg = gdfast.example_data("mpg").values.T
    fit = gdfast.train(pounds, mpg, learning_rate=0.01, max_iter=20)
    save(loss_curve(fit), "loss_curve.png")

    ax = None
    for learning_rate in (0.001, 0.01, 0.071):  # too small, right, too large
        try:
            fit = gdfast.train(pounds, mpg, learning_rate=learning_rate, max_iter=20)
        except gdfast.DivergenceError as error:
            fit = error.fit
        ax = loss_curve(fit, ax=ax)
    ax.legend(loc="upper right")
    save(ax, "learning_rates.png")


def save(ax, name):
    """Save the figure, the same bytes every time, for a width of 640 pixels.

    It has half as many pixels again, for screens that are finer than that.
    """
    ax.figure.savefig(IMAGES / name, dpi=150, metadata={"Software": None})


if __name__ == "__main__":
    main()
