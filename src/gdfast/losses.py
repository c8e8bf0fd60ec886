"""The losses: what gdfast knows of each beside its formulas in ``_losses.pxd``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np

from gdfast._typing import Floats
from gdfast._validation import SEARCH_ROWS, check_number


class Domain(Enum):
    """Which targets a loss is defined for, in words."""

    REAL = "a number"
    PROBABILITY = "from 0 to 1"
    BINARY = "0 or 1"
    NON_NEGATIVE = "0 or more"
    CLASS = "the number of a class"


@dataclass(frozen=True)
class Loss:
    """A loss of a raw prediction ``z = X @ coef + intercept`` and a target y.

    What all losses have in common. `gdfast.train` takes a name, which stands for a loss
    with its usual parameter, or an instance of one of the classes below.

    Attributes
    ----------
    kind : int
        Its number in the kernel.
    name : str
        Its name for users; the factor in front belongs to the name.
    formula : str
        The loss of one example in plain text.
    max_curvature : float
        Largest second derivative in z; inf where there is none, as the loss has a kink
        or curves without bound. The gradient of the mean loss is Lipschitz with this
        times the largest eigenvalue of the mean of ``[x, 1] [x, 1]'``.
    smooth : bool
        Whether the slope is continuous. If not, steps at a constant rate may raise the
        loss near a kink, however small they are.
    quadratic : bool
        Whether the second derivative is `max_curvature` everywhere.
    domain : Domain
        Which targets it takes.
    param : float
        Its parameter as the kernel takes it, 0 if it has none.
    """

    kind: ClassVar[int]
    name: ClassVar[str]
    formula: ClassVar[str]
    max_curvature: ClassVar[float]
    smooth: ClassVar[bool] = True
    quadratic: ClassVar[bool] = False
    domain: ClassVar[Domain] = Domain.REAL
    param = 0.0

    @property
    def has_labels(self) -> bool:
        """Whether targets may be numbers of classes: 0 and 1, and more for more."""
        return self.domain in (Domain.PROBABILITY, Domain.BINARY, Domain.CLASS)

    @property
    def params(self) -> dict[str, float]:
        """The parameter by its name; empty if there is none."""
        return dict(vars(self))

    def misfit(self, y: Floats) -> tuple[int, ...] | None:
        """Return where the first target is that is not in the domain.

        Parameters
        ----------
        y : ndarray of float32 or float64, shape (n_samples,) or (n_samples, n_outputs)
            The targets.

        Returns
        -------
        tuple of int or None
            Its index; None if there is none.
        """
        if self.domain is Domain.REAL:
            return None
        for start in range(0, len(y), SEARCH_ROWS):
            part = y[start : start + SEARCH_ROWS]
            match self.domain:
                case Domain.PROBABILITY:
                    good = (part >= 0) & (part <= 1)
                case Domain.BINARY:
                    good = (part == 0) | (part == 1)
                case Domain.NON_NEGATIVE:
                    good = part >= 0
                case Domain.CLASS:
                    good = (part >= 0) & (part < np.inf) & (part == np.floor(part))
            if not good.all():
                first, *rest = np.unravel_index(good.argmin(), good.shape)
                return start + int(first), *map(int, rest)
        return None


@dataclass(frozen=True)
class SquaredError(Loss):
    """Squared error, ``(z - y)^2``, for targets that are quantities.

    Notes
    -----
    Slope ``2 (z - y)``. As most tutorials have it; scikit-learn's "squared_error" is
    `HalfSquaredError`.
    """

    kind = 0
    name = "squared_error"
    formula = "(z - y)^2"
    max_curvature = 2.0
    quadratic = True


@dataclass(frozen=True)
class HalfSquaredError(Loss):
    """Half the squared error, ``(z - y)^2 / 2``, for targets that are quantities.

    Notes
    -----
    Slope ``z - y``. As most text books have it, and scikit-learn as "squared_error".
    """

    kind = 1
    name = "half_squared_error"
    formula = "(z - y)^2 / 2"
    max_curvature = 1.0
    quadratic = True


@dataclass(frozen=True)
class LogLoss(Loss):
    """Logistic loss, ``log(1 + exp(z)) - y z``, for labels and probabilities.

    Notes
    -----
    For targets from 0 to 1. Slope ``1 / (1 + exp(-z)) - y``; z is the log-odds of
    y = 1. scikit-learn's "log_loss".
    """

    kind = 2
    name = "log_loss"
    formula = "log(1 + exp(z)) - y z"
    max_curvature = 0.25
    domain = Domain.PROBABILITY


@dataclass(frozen=True)
class _WithEpsilon(Loss):
    """A loss that treats residuals up to `epsilon` in another way."""

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        """Check `epsilon`."""
        epsilon = check_number(self.epsilon, "epsilon", low=0)
        object.__setattr__(self, "epsilon", epsilon)

    @property
    def param(self) -> float:  # type: ignore[override]
        """Its parameter as the kernel takes it."""
        return self.epsilon


@dataclass(frozen=True)
class Huber(_WithEpsilon):
    """Huber loss: squared up to `epsilon`, a line beyond, so that outliers pull less.

    ``(z - y)^2 / 2`` where ``|z - y| <= epsilon``, else
    ``epsilon |z - y| - epsilon^2 / 2``.

    Parameters
    ----------
    epsilon : float
        Residual from which the loss is a line, above 0, in units of y.

    Raises
    ------
    TypeError, ValueError
        If `epsilon` is no number, not finite or not above 0.

    Notes
    -----
    Slope ``z - y``, cut to ``[-epsilon, epsilon]``. scikit-learn's "huber" of
    ``SGDRegressor``, with its `epsilon`.
    """

    kind = 3
    name = "huber"
    formula = "(z - y)^2 / 2 if |z - y| <= e else e |z - y| - e^2 / 2"
    max_curvature = 1.0

    def __post_init__(self) -> None:
        """Check `epsilon`: at 0 nothing would be left of the loss."""
        check_number(self.epsilon, "epsilon", low=0, open_low=True)
        super().__post_init__()


@dataclass(frozen=True)
class EpsilonInsensitive(_WithEpsilon):
    """Absolute error beyond `epsilon`, ``max(0, |z - y| - epsilon)``.

    Parameters
    ----------
    epsilon : float
        Residual up to which there is no loss, at least 0, in units of y. With 0 it is
        the absolute error, whose best constant is the median.

    Raises
    ------
    TypeError, ValueError
        If `epsilon` is no number, not finite or below 0.

    Notes
    -----
    Slope -1 or 1, the sign of ``z - y``; 0 where ``|z - y| <= epsilon``, kinks
    included. The loss of support vector regression, scikit-learn's
    "epsilon_insensitive".
    """

    kind = 4
    name = "epsilon_insensitive"
    formula = "max(0, |z - y| - e)"
    max_curvature = math.inf
    smooth = False


@dataclass(frozen=True)
class SquaredEpsilonInsensitive(_WithEpsilon):
    """Squared error beyond `epsilon`, ``max(0, |z - y| - epsilon)^2``.

    Parameters
    ----------
    epsilon : float
        Residual up to which there is no loss, at least 0, in units of y.

    Raises
    ------
    TypeError, ValueError
        If `epsilon` is no number, not finite or below 0.

    Notes
    -----
    Slope ``2 max(0, |z - y| - epsilon)`` with the sign of ``z - y``. scikit-learn's
    "squared_epsilon_insensitive".
    """

    kind = 5
    name = "squared_epsilon_insensitive"
    formula = "max(0, |z - y| - e)^2"
    max_curvature = 2.0


@dataclass(frozen=True)
class Quantile(Loss):
    """Pinball loss: the best constant is a quantile of y.

    ``quantile max(y - z, 0) + (1 - quantile) max(z - y, 0)``.

    Parameters
    ----------
    quantile : float
        Which quantile, above 0 and below 1. With 0.5 the loss is half of the absolute
        error.

    Raises
    ------
    TypeError, ValueError
        If `quantile` is no number, or not above 0 and below 1.

    Notes
    -----
    Slope ``1 - quantile`` where ``z > y``, else ``-quantile``, at the kink too.
    scikit-learn's ``PinballLoss``, minimised by its ``QuantileRegressor``.
    """

    quantile: float = 0.5

    kind = 6
    name = "quantile"
    formula = "q max(y - z, 0) + (1 - q) max(z - y, 0)"
    max_curvature = math.inf
    smooth = False

    def __post_init__(self) -> None:
        """Check `quantile`."""
        quantile = check_number(self.quantile, "quantile", low=0, open_low=True)
        if quantile >= 1:
            raise ValueError(f"quantile must be less than 1, got {self.quantile!r}")
        object.__setattr__(self, "quantile", quantile)

    @property
    def param(self) -> float:  # type: ignore[override]
        """Its parameter as the kernel takes it."""
        return self.quantile


@dataclass(frozen=True)
class Poisson(Loss):
    """Poisson loss, ``exp(z) - y z``, for counts and other amounts from 0 on.

    Notes
    -----
    For targets that are not negative. Slope ``exp(z) - y``; z is the logarithm of the
    expected y. The loss is half the Poisson deviance but for what depends on y alone,
    and may be negative; scikit-learn's ``HalfPoissonLoss``. It curves without bound.
    """

    kind = 7
    name = "poisson"
    formula = "exp(z) - y z"
    max_curvature = math.inf
    domain = Domain.NON_NEGATIVE


@dataclass(frozen=True)
class Hinge(Loss):
    """Hinge loss, ``max(0, 1 - s z)`` with ``s = 2 y - 1``, for labels 0 and 1.

    Notes
    -----
    Slope -s where ``s z <= 1``, the kink included, else 0. The loss of a linear support
    vector machine, scikit-learn's "hinge" (whose labels are -1 and 1).
    """

    kind = 8
    name = "hinge"
    formula = "max(0, 1 - s z), s = 2 y - 1"
    max_curvature = math.inf
    smooth = False
    domain = Domain.BINARY


@dataclass(frozen=True)
class SquaredHinge(Loss):
    """Squared hinge loss, ``max(0, 1 - s z)^2`` with ``s = 2 y - 1``, for labels.

    Notes
    -----
    For targets 0 and 1. Slope ``-2 s max(0, 1 - s z)``. scikit-learn's "squared_hinge".
    """

    kind = 9
    name = "squared_hinge"
    formula = "max(0, 1 - s z)^2, s = 2 y - 1"
    max_curvature = 2.0
    domain = Domain.BINARY


@dataclass(frozen=True)
class ModifiedHuber(Loss):
    """Squared hinge loss that goes on as a line, so that outliers pull less.

    ``max(0, 1 - s z)^2`` where ``s z >= -1``, else ``-4 s z``, with ``s = 2 y - 1``.

    Notes
    -----
    For targets 0 and 1. Slope ``-2 s max(0, 1 - s z)``, from ``s z = -1`` down
    ``-4 s``. scikit-learn's "modified_huber".
    """

    kind = 10
    name = "modified_huber"
    formula = "max(0, 1 - s z)^2 if s z >= -1 else -4 s z, s = 2 y - 1"
    max_curvature = 2.0
    domain = Domain.BINARY


@dataclass(frozen=True)
class Perceptron(Loss):
    """Perceptron loss, ``max(0, -s z)`` with ``s = 2 y - 1``, for labels 0 and 1.

    Notes
    -----
    Slope -s where ``s z <= 0``, the kink included, so that a start at zero moves; else
    0. A model of zeros has no loss, nor has any that makes no mistake. scikit-learn's
    "perceptron".
    """

    kind = 11
    name = "perceptron"
    formula = "max(0, -s z), s = 2 y - 1"
    max_curvature = math.inf
    smooth = False
    domain = Domain.BINARY


@dataclass(frozen=True)
class Multinomial(Loss):
    """Multinomial logistic loss of several outputs together, one for each class.

    ``log(sum of exp(z)) - sum of y z``, where z are the outputs of a row.

    Notes
    -----
    For numbers of classes, 0, 1, ..., of which y is 1 for the class of the row and 0
    for the others; or for probabilities of the classes. Slopes ``exp(z) / (sum of
    exp(z)) - y``. The same added to all z changes nothing, so that coefficients are
    determined by a penalty, or by the start. The Hessian in z is
    ``diag(p) - p p'``, whose eigenvalues are at most 1/2. scikit-learn's
    ``LogisticRegression``.
    """

    kind = 12
    name = "multinomial"
    formula = "log(sum of exp(z)) - sum of y z"
    max_curvature = 0.5
    domain = Domain.CLASS


LOSSES: dict[str, type[Loss]] = {
    loss.name: loss
    for loss in (
        SquaredError,
        HalfSquaredError,
        LogLoss,
        Huber,
        EpsilonInsensitive,
        SquaredEpsilonInsensitive,
        Quantile,
        Poisson,
        Hinge,
        SquaredHinge,
        ModifiedHuber,
        Perceptron,
        Multinomial,
    )
}


def check_loss(loss: object) -> Loss:
    """Return a loss that is given by its name or as it is.

    Parameters
    ----------
    loss : str or Loss
        A key of `LOSSES`, for a loss with its usual parameter, or a loss.

    Returns
    -------
    Loss
        The loss.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If there is none of this name; the message lists those there are.
    """
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]()
    if isinstance(loss, Loss) and hasattr(loss, "kind"):
        return loss
    known = ", ".join(map(repr, LOSSES))
    error = ValueError if isinstance(loss, str) else TypeError
    raise error(
        f"loss must be one of {known}, or an instance of a class of gdfast.losses; "
        f"got {loss!r}"
    )
