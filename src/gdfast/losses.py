"""What gdfast knows of each loss beside its two formulas in ``_losses.pxd``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Loss:
    """One loss of a raw prediction ``z = x . coef + intercept`` and a target y.

    Parameters
    ----------
    kind : int
        Its number in the kernel.
    name : str
        Its name for users; the factor in front belongs to the name.
    formula : str
        The loss of one example in plain text.
    max_curvature : float
        Largest second derivative in z. The gradient of the mean loss is Lipschitz with
        this times the largest eigenvalue of the mean of ``[x, 1] [x, 1]'``.
    quadratic : bool
        Whether the second derivative is this everywhere.
    probability : bool
        Whether a target is a probability, from 0 to 1.
    """

    kind: int
    name: str
    formula: str
    max_curvature: float
    quadratic: bool
    probability: bool


LOSSES = {
    loss.name: loss
    for loss in (
        Loss(0, "squared_error", "(z - y)^2", 2.0, True, False),
        Loss(1, "half_squared_error", "(z - y)^2 / 2", 1.0, True, False),
        Loss(2, "log_loss", "log(1 + exp(z)) - y z", 0.25, False, True),
    )
}


def check_loss(name: object) -> Loss:
    """Return the loss of this name.

    Parameters
    ----------
    name : str
        A key of `LOSSES`.

    Returns
    -------
    Loss
        The loss.

    Raises
    ------
    ValueError
        If there is none of this name; the message lists those there are.
    """
    if not isinstance(name, str) or name not in LOSSES:
        known = ", ".join(map(repr, LOSSES))
        raise ValueError(f"loss must be one of {known}; got {name!r}")
    return LOSSES[name]
