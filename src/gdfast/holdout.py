"""Rows that are not trained on, by which it shows when to stop."""

from __future__ import annotations

import math

import numpy as np

from gdfast._typing import Doubles
from gdfast.losses import Loss
from gdfast.sums import Examples, Summation
from gdfast.threads import Team


class HeldOutLoss:
    """The mean loss of some rows, without penalty.

    Parameters
    ----------
    loss : Loss
        The loss.
    examples : Examples
        The rows.
    team : Team
        The threads to do it on.
    """

    def __init__(self, loss: Loss, examples: Examples, team: Team) -> None:
        self._summation = Summation(loss, examples, team)

    def loss(self, params: Doubles) -> float:
        """Return the loss of a model.

        Parameters
        ----------
        params : ndarray of float64, shape (n_params,)
            Its parameters.

        Returns
        -------
        float
            The mean loss.
        """
        return self._summation.mean_loss(params)


def hold_out(
    examples: Examples, fraction: float, generator: np.random.Generator
) -> tuple[Examples, Examples]:
    """Return rows to train on, and rows to hold out.

    Parameters
    ----------
    examples : Examples
        All rows.
    fraction : float
        The part to hold out, between 0 and 1.
    generator : Generator
        What they are drawn from: the first ones of a permutation.

    Returns
    -------
    training : Examples
        All rows, without a copy; those that are held out weigh 0.
    held_out : Examples
        A copy of the others.

    Raises
    ------
    ValueError
        If no row is left for one of the two that has weight.
    """
    weight, n_samples = examples.sample_weight, len(examples.X)
    chosen = generator.permutation(n_samples)[: math.ceil(fraction * n_samples)]
    chosen.sort()
    held_out = examples.rows(chosen)
    weight = np.ones(n_samples) if weight is None else weight.copy()
    weight[chosen] = 0.0
    theirs = held_out.sample_weight
    if not weight.any() or (theirs is not None and not theirs.any()):
        raise ValueError(
            f"validation_fraction={fraction:g} leaves no row with weight to "
            f"{'hold out' if weight.any() else 'train on'}: {len(chosen)} of "
            f"{n_samples} are held out"
        )
    return examples._replace(sample_weight=weight), held_out
