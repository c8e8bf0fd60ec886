"""Pictures of runs: losses, parameters, surfaces, fitted lines and planes, animations.

Every function draws into the axes it is given, or into a new figure that only its axes
hold: it is made with `matplotlib.figure.Figure` and not with pyplot, so no display is
needed, no backend is chosen, and nothing has to be closed. Save it with
``ax.figure.savefig(path)``; to show a picture in a window, make the axes with
``plt.subplots()`` and pass them as `ax`.

A run is a `gdfast.Fit`, a `gdfast.Minimum`, or an estimator of `gdfast.sklearn` that
was fitted. Pictures of the parameters on their way need a run that kept them:
``history="full"``, in `gdfast.train`, `gdfast.minimize`, `GDRegressor` or
`GDClassifier`.

matplotlib is imported when a picture is drawn, never with this module.
"""

from gdfast.plots.animation import animate
from gdfast.plots.axes import new_axes
from gdfast.plots.models import fitted_line, fitted_plane
from gdfast.plots.rates import learning_rate_regimes
from gdfast.plots.runs import loss_curve, parameters
from gdfast.plots.surfaces import loss_along, loss_contours, loss_surface

__all__ = [
    "animate",
    "fitted_line",
    "fitted_plane",
    "learning_rate_regimes",
    "loss_along",
    "loss_contours",
    "loss_curve",
    "loss_surface",
    "new_axes",
    "parameters",
]
