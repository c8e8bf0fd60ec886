"""The rules that turn a gradient into a step, and what each remembers.

All are those of the overview [1]_ but for `Accelerated`. They have a learning rate
eta, which `train` gives as `learning_rate`, and further constants, which are parameters
of their classes. g is the gradient of the objective, taken at the parameters w unless
something else is said; all operations are for each parameter by itself.

References
----------
.. [1] S. Ruder, "An overview of gradient descent optimization algorithms",
   arXiv:1609.04747.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar

import numpy as np

from gdfast._typing import Doubles
from gdfast._validation import check_number


@dataclass(frozen=True)
class Optimizer:
    """What all rules have in common; the rules are its subclasses.

    Attributes
    ----------
    kind : int
        Number of the rule in the kernel.
    name : str
        Its name for users.
    n_slots : int
        Values that it remembers of each parameter.
    published_rate : float or None
        The learning rate that its authors recommend; None where the right one depends
        on the curvature of the loss.
    looks_ahead : bool
        Whether it takes the gradient not at the parameters but where inertia leads.
    """

    kind: ClassVar[int]
    name: ClassVar[str]
    n_slots: ClassVar[int] = 1
    published_rate: ClassVar[float | None] = None
    looks_ahead: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check the constants: from 0 to below 1, an epsilon above 0."""
        for field in fields(self):
            value, is_epsilon = getattr(self, field.name), field.name == "epsilon"
            number = check_number(value, field.name, low=0, open_low=is_epsilon)
            if number >= 1 and not is_epsilon:
                raise ValueError(f"{field.name} must be below 1, got {value!r}")

    @cached_property
    def constants(self) -> Doubles:
        """The three constants that the kernel takes; zeros where there are less."""
        values = np.zeros(3)
        for k, field in enumerate(fields(self)):
            values[k] = getattr(self, field.name)
        values.flags.writeable = False  # the rules are shared
        return values

    @property
    def stability(self) -> float | None:
        """The largest stable learning rate times the largest curvature.

        None for rules that divide by the size of the gradients: these find a size of
        step themselves.
        """
        return None


@dataclass(frozen=True)
class GD(Optimizer):
    """Gradient descent: ``w <- w - eta g`` [1]_.

    References
    ----------
    .. [1] arXiv:1609.04747, section 2.1.

    Examples
    --------
    >>> GD()
    GD()
    """

    kind = 0
    name = "gd"
    n_slots = 0

    @property
    def stability(self) -> float:
        """2, the largest stable learning rate times the largest curvature."""
        return 2.0


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Momentum: ``v <- momentum v + eta g``, ``w <- w - v`` [1]_.

    Parameters
    ----------
    momentum : float
        Part of the last displacement v that is made again, from 0 to below 1.

    Notes
    -----
    v is the change that was made, the effect of a penalty and of bounds included.

    References
    ----------
    .. [1] B. T. Polyak, "Some methods of speeding up the convergence of iteration
       methods", 1964; arXiv:1609.04747, section 4.1.
    """

    momentum: float = 0.9

    kind = 1
    name = "momentum"

    @property
    def stability(self) -> float:
        """The largest stable learning rate times the largest curvature."""
        return 2 * (1 + self.momentum)


@dataclass(frozen=True)
class Nesterov(Optimizer):
    """Momentum with the gradient taken at ``w - momentum v``, where it leads [1]_.

    Parameters
    ----------
    momentum : float
        Part of the last displacement v that is made again, from 0 to below 1.

    Notes
    -----
    The rows of a history are the points where the gradients are taken; the last one is
    the model.

    References
    ----------
    .. [1] Y. Nesterov, "A method for solving the convex programming problem with
       convergence rate O(1/k^2)", 1983; arXiv:1609.04747, section 4.2.
    """

    momentum: float = 0.9

    kind = 2
    name = "nesterov"
    looks_ahead = True

    @property
    def stability(self) -> float:
        """The largest stable learning rate times the largest curvature."""
        return 2 * (1 + self.momentum) / (1 + 2 * self.momentum)


@dataclass(frozen=True)
class Accelerated(Optimizer):
    """Accelerated proximal gradient descent with adaptive restart [1]_ [2]_.

    As `Nesterov`, with a momentum of ``(t - 1) / t_next`` that grows from 0 towards 1,
    where ``t_next = (1 + sqrt(1 + 4 t^2)) / 2``; it begins anew with t = 1 when a step
    from the point y where the gradient was taken goes against the way made:
    ``(y - w_next) . (w_next - w) > 0``. For smooth convex losses, with any penalty; it
    needs the root of the steps that gradient descent does.

    Notes
    -----
    The rows of a history are the points where the gradients are taken; the last one is
    the model.

    References
    ----------
    .. [1] A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm for
       linear inverse problems", SIAM J. Imaging Sci. 2(1), 2009, equations 4.1 to 4.3.
    .. [2] B. O'Donoghue, E. Candes, "Adaptive restart for accelerated gradient
       schemes", Found. Comput. Math. 15, 2015, section 3.2 (gradient scheme).
    """

    kind = 3
    name = "accelerated"
    looks_ahead = True

    @property
    def stability(self) -> float:
        """The largest stable learning rate times the largest curvature."""
        return 4 / 3


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """``G <- G + g^2``, ``w <- w - eta / sqrt(G + epsilon) g`` [1]_.

    Parameters
    ----------
    epsilon : float
        Keeps the divisor from zero; in units of g^2, above 0.

    References
    ----------
    .. [1] J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online
       learning and stochastic optimization", JMLR 12, 2011; arXiv:1609.04747,
       section 4.3.
    """

    epsilon: float = 1e-8

    kind = 4
    name = "adagrad"
    published_rate = 0.01


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Steps of the size of the last ones: ``w <- w - eta RMS[d] / RMS[g] g`` [1]_.

    RMS[x] is ``sqrt(E + epsilon)`` where ``E <- rho E + (1 - rho) x^2``, and d the
    displacement before it is multiplied by eta, which is 1 in the paper.

    Parameters
    ----------
    rho : float
        Part of the old means that is kept, from 0 to below 1.
    epsilon : float
        Sets the size of the first steps; above 0.

    References
    ----------
    .. [1] M. D. Zeiler, "ADADELTA: an adaptive learning rate method",
       arXiv:1212.5701, algorithm 1; arXiv:1609.04747, section 4.4.
    """

    rho: float = 0.95
    epsilon: float = 1e-6

    kind = 5
    name = "adadelta"
    n_slots = 2
    published_rate = 1.0


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """``E <- rho E + (1 - rho) g^2``, ``w <- w - eta / sqrt(E + epsilon) g`` [1]_.

    Parameters
    ----------
    rho : float
        Part of the old mean that is kept, from 0 to below 1.
    epsilon : float
        Keeps the divisor from zero; in units of g^2, above 0.

    References
    ----------
    .. [1] G. Hinton, "Neural networks for machine learning", lecture 6e, 2012;
       arXiv:1609.04747, section 4.5.
    """

    rho: float = 0.9
    epsilon: float = 1e-8

    kind = 6
    name = "rmsprop"
    published_rate = 0.001


@dataclass(frozen=True)
class Adam(Optimizer):
    """``w <- w - eta / (sqrt(v^) + epsilon) m^`` [1]_.

    m^ and v^ are running means of g and g^2 (``m <- beta_1 m + (1 - beta_1) g``),
    divided by ``1 - beta^t`` after t steps as they begin at zero.

    Parameters
    ----------
    beta_1 : float
        Part of the old mean of g that is kept, from 0 to below 1.
    beta_2 : float
        Part of the old mean of g^2 that is kept, from 0 to below 1.
    epsilon : float
        Keeps the divisor from zero; in units of g, above 0.

    References
    ----------
    .. [1] D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization",
       arXiv:1412.6980, algorithm 1; arXiv:1609.04747, section 4.6.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    kind = 7
    name = "adam"
    n_slots = 2
    published_rate = 0.001


@dataclass(frozen=True)
class AdaMax(Optimizer):
    """Adam with the largest gradient: ``u <- max(beta_2 u, |g|)``, ``w - eta m^ / u``.

    Parameters
    ----------
    beta_1 : float
        Part of the old mean of g that is kept, from 0 to below 1.
    beta_2 : float
        Part of the old u that is kept, from 0 to below 1.

    References
    ----------
    .. [1] D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization",
       arXiv:1412.6980, algorithm 2; arXiv:1609.04747, section 4.7.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999

    kind = 8
    name = "adamax"
    n_slots = 2
    published_rate = 0.002


@dataclass(frozen=True)
class Nadam(Optimizer):
    """Adam with Nesterov's momentum [1]_.

    ``w <- w - eta / (sqrt(v^) + epsilon) a`` after t steps, where
    ``a = beta_1 m^ + (1 - beta_1) g / (1 - beta_1^t)``.

    Parameters
    ----------
    beta_1 : float
        Part of the old mean of g that is kept, from 0 to below 1.
    beta_2 : float
        Part of the old mean of g^2 that is kept, from 0 to below 1.
    epsilon : float
        Keeps the divisor from zero; in units of g, above 0.

    Notes
    -----
    As in the overview, beta_1 is the same in every step; Dozat lets it grow.

    References
    ----------
    .. [1] T. Dozat, "Incorporating Nesterov momentum into Adam", 2016;
       arXiv:1609.04747, section 4.8.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    kind = 9
    name = "nadam"
    n_slots = 2
    published_rate = 0.002


# Each with its usual constants.
OPTIMIZERS: dict[str, Optimizer] = {
    rule.name: rule
    for rule in (
        GD(),
        Momentum(),
        Nesterov(),
        Accelerated(),
        Adagrad(),
        Adadelta(),
        RMSprop(),
        Adam(),
        AdaMax(),
        Nadam(),
    )
}


def check_optimizer(optimizer: object) -> Optimizer:
    """Return the rule of this name, with its usual constants, or the rule itself.

    Parameters
    ----------
    optimizer : str or Optimizer
        A key of `OPTIMIZERS`, or a rule.

    Returns
    -------
    Optimizer
        The rule.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If there is none of this name; the message lists those there are.
    """
    if isinstance(optimizer, Optimizer) and hasattr(optimizer, "kind"):
        return optimizer
    if not isinstance(optimizer, str) or optimizer not in OPTIMIZERS:
        known = ", ".join(map(repr, OPTIMIZERS))
        error = ValueError if isinstance(optimizer, str) else TypeError
        raise error(
            f"optimizer must be one of {known}, or made of a class of "
            f"gdfast.optimizers; got {optimizer!r}"
        )
    return OPTIMIZERS[optimizer]
