"""What SGDRegressor and SGDClassifier have in common."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import lru_cache
from inspect import signature
from operator import itemgetter
from typing import Any, NamedTuple, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config, linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metadata_routing import UNUSED

from gdfast._typing import Doubles, Floats
from gdfast.losses import (
    EpsilonInsensitive,
    HalfSquaredError,
    Hinge,
    Huber,
    LogLoss,
    Loss,
    ModifiedHuber,
    Perceptron,
    SquaredEpsilonInsensitive,
    SquaredHinge,
)
from gdfast.sklearn.base import Estimator
from gdfast.sklearn.checks import check_rows, is_plain, keeps_features
from gdfast.stochastic import Epoch, Task, Trained, Watch

Callback = Callable[[Epoch], Any]

# scikit-learn's names; "squared_error" is half of it there.
LOSSES: dict[str, type[Loss]] = {
    "squared_error": HalfSquaredError,
    "huber": Huber,
    "epsilon_insensitive": EpsilonInsensitive,
    "squared_epsilon_insensitive": SquaredEpsilonInsensitive,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
    "perceptron": Perceptron,
    "log_loss": LogLoss,
    "modified_huber": ModifiedHuber,
}
WITH_EPSILON = ("huber", "epsilon_insensitive", "squared_epsilon_insensitive")
FOR_QUANTITIES = ("squared_error", *WITH_EPSILON)  # which take labels -1 and 1
NAMES = sorted(
    signature(linear_model.SGDRegressor).parameters.keys() - {"random_state"}
)
values_of = itemgetter(*NAMES)
INTEGRAL = "iub"  # kinds of labels that are neither text nor a continuous quantity
MAX_INT = 2**31 - 1
MANY = 256  # combinations of parameters that are remembered as valid
ONE_EPOCH = "partial_fit makes one epoch"
AVERAGED = (
    "_standard_coef",
    "_standard_intercept",
    "_average_coef",
    "_average_intercept",
)

_tasks: dict[Any, Task] = {}
_seeded = np.random.RandomState()  # as it takes long to make one
_seeding = threading.Lock()


class Rows(NamedTuple):
    """Checked data.

    Parameters
    ----------
    X : ndarray of float32 or float64, or sparse matrix of rows
        Features.
    y : ndarray, shape (n_samples,)
        Targets.
    sample_weight : ndarray of float64, shape (n_samples,), or None
        Weights, None for 1.
    """

    X: Any
    y: NDArray[Any]
    sample_weight: Doubles | None


@lru_cache(1024)
def shuffling_seed(random_state: int, of_classifier: bool) -> int:
    """Return what scikit-learn shuffles with.

    Parameters
    ----------
    random_state : int
        The parameter of this name.
    of_classifier : bool
        Whether it is a classifier's, which draws a number before that it has no use
        for.

    Returns
    -------
    int
        The seed.
    """
    with _seeding:
        _seeded.seed(random_state)
        if of_classifier:
            _seeded.randint(1, MAX_INT)
        return int(_seeded.randint(MAX_INT))


class Stochastic(Estimator):
    """What regressor and classifier have in common."""

    # What fit adds is no metadata of the samples.
    __metadata_request__fit = {"callback": UNUSED}

    def __copy__(self) -> Self:
        """Return a copy, with a curve that only it makes longer."""
        twin = self._twin()
        if "loss_curve_" in twin.__dict__:
            twin.loss_curve_ = deepcopy(twin.loss_curve_)
        return twin

    def _task(self, partial: bool = False) -> Task:
        """Return what the parameters ask for; raise if one is not valid.

        `partial` tells whether it is for `partial_fit`.
        """
        values = values_of(self.__dict__)
        random_state = self.__dict__["random_state"]
        known = "_own" in vars(type(self)) and (
            random_state is None
            or isinstance(random_state, np.random.RandomState)
            or (type(random_state) is int and 0 <= random_state < 2**32)
        )
        if isinstance(self, linear_model.SGDClassifier):
            known &= self.n_jobs is None or isinstance(self.n_jobs, int)
            known &= self.class_weight is None or isinstance(self.class_weight, dict)
        key = type(self), partial, values, tuple(map(type, values))
        try:
            if known and (task := _tasks.get(key)):
                return task
        except TypeError:  # one that is not hashable, nor valid
            known = False
        skipped = get_config()["skip_parameter_validation"]
        if not skipped:
            self._validate_params()
        self._more_validate_params()
        task = self._new_task(1 if partial else int(self.max_iter))
        if known and not skipped:
            if len(_tasks) >= MANY:
                _tasks.clear()
            _tasks[key] = task
        return task

    def _new_task(self, max_iter: int) -> Task:
        """Return what valid parameters ask for."""
        l1 = {None: 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": self.l1_ratio}[
            self.penalty
        ]
        return Task(
            kind=LOSSES[self.loss].kind,
            param=float(self.epsilon) if self.loss in WITH_EPSILON else 0.0,
            alpha=float(self.alpha),
            l1=float(l1),
            l2=1.0 - l1 if self.penalty in ("l2", "elasticnet") else 0.0,
            schedule=self.learning_rate,
            eta0=float(self.eta0),
            power_t=float(self.power_t),
            fit_intercept=bool(self.fit_intercept),
            shuffle=bool(self.shuffle),
            max_iter=max_iter,
            tol=None if self.tol is None else float(self.tol),
            patience=int(self.n_iter_no_change),
            average=int(self.average),
            curvature=self._curvature(),
        )

    def _curvature(self) -> float:
        """Return how much the loss curves where that makes rounding grow.

        The first steps of "optimal" are far too long, and losses that are not made of
        lines answer a difference in the last digit with a larger one.
        """
        loss = LOSSES[self.loss]
        grows = self.learning_rate == "optimal" and loss.smooth
        return loss.max_curvature if grows else 0.0

    def _started_afresh(self) -> Self:
        """Return a twin for `fit`, without what the last fit has left."""
        twin = self._twin()
        attributes = twin.__dict__
        attributes["t_"] = 1.0
        for name in ("loss_curve_", "validation_curve_"):
            attributes.pop(name, None)
        if not (self.warm_start and attributes.get("coef_") is not None):
            for name in ("coef_", "intercept_", *AVERAGED):
                attributes.pop(name, None)
        return twin

    def _trained(self, twin: Self, task: Task, rows: Rows, *rest: Any) -> list[Trained]:
        """Train the twin; then raise for values of X that nobody has looked at."""
        try:
            ends: list[Trained] = self._train(twin, task, rows, *rest)
        except ValueError:
            check_rows(self._twin(), rows.X, rows.y, reset=True)
            raise
        if not all(end.finite for end in ends):
            check_rows(self._twin(), rows.X, rows.y, reset=True)
        return ends

    def _one_epoch(self, twin: Self, task: Task, rows: Rows) -> Self:
        """Train the twin for an epoch and become it."""
        ends = self._trained(twin, task, rows, None, None, None)
        twin.stop_reason_ = ONE_EPOCH
        self._publish(twin, ends, partial=True)
        return self

    def _knows(self, X: Any) -> TypeGuard[Floats]:
        """Whether X can be predicted with coefficients without looking further."""
        return (
            type(self.__dict__.get("coef_")) is np.ndarray
            and is_plain(X)
            and keeps_features(self, X.shape[1], False)
        )

    def _hold_out(
        self, rows: Rows, y: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], Doubles] | None:
        """Return which rows are held out, and weights of theirs; None for none."""
        if not self.early_stopping:
            return None
        weight = rows.sample_weight
        if weight is None:
            weight = np.ones(len(y))
        chosen = self._make_validation_split(y, sample_mask=weight > 0)
        return chosen, weight[chosen]

    def _watch(self, callback: Callback | None, output: int) -> Watch | None:
        """Return what is told of every epoch, if anything is."""
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable, got {callback!r}")
        if callback is None and not self.verbose:
            return None
        reporter = Reporter() if self.verbose else None

        def watch(epoch: Epoch) -> bool:
            if reporter is not None:
                reporter(epoch)
            if callback is None:
                return False
            try:
                result = callback(epoch._replace(output=output))
            except StopIteration:
                return True
            return isinstance(result, (bool, np.bool_)) and bool(result)

        return watch

    def _finish(self, twin: Self, ends: list[Trained], n_rows: int) -> None:
        """Set what all ways of training leave behind but the curve of the loss."""
        longest = max(ends, key=lambda end: len(end.objectives))
        twin.n_iter_ = len(longest.objectives)
        twin.t_ = getattr(twin, "t_", 1.0) + twin.n_iter_ * n_rows
        twin.stop_reason_ = longest.reason
        if self.early_stopping:
            scores = [end.scores for end in ends]
            twin.validation_curve_ = scores if len(ends) > 1 else scores[0]
        if not self.average and "_average_coef" in twin.__dict__:
            for name in AVERAGED:
                twin.__dict__.pop(name, None)

    def _publish(self, twin: Self, ends: list[Trained], partial: bool) -> None:
        """Become the twin, make its curve, and warn of what a user should know."""
        curves = [end.objectives for end in ends]
        made = curves if len(ends) > 1 else curves[0]
        curve = twin.__dict__.setdefault("loss_curve_", made)
        longer = []
        if curve is not made:  # but of earlier calls of partial_fit, maybe of very many
            longer = list(zip(curve if len(ends) > 1 else [curve], curves, strict=True))
        self.__dict__ = twin.__dict__
        for before, more in longer:
            before += more
        for end in ends:
            if end.diverged is not None:
                last, none = end.diverged
                warnings.warn(
                    "The steps were too large for this data, and the model is of no "
                    f"use: the mean loss of the last epoch was {last:.2g}, and it "
                    f"would have been {none:.2g} with coefficients of 0. Scale X, with "
                    "StandardScaler for example, or pass a smaller eta0.",
                    ConvergenceWarning,
                    stacklevel=4,
                )
                break
        if partial:
            return
        if self.tol is not None and self.n_iter_ == self.max_iter:
            warnings.warn(
                "Maximum number of iteration reached before convergence. Consider "
                "increasing max_iter to improve the fit.",
                ConvergenceWarning,
                stacklevel=4,
            )
        if self.power_t < 0:
            warnings.warn(
                "Negative values for `power_t` are deprecated in version 1.8 and will "
                "raise an error in 1.10. Use values in the range [0.0, inf) instead.",
                FutureWarning,
                stacklevel=4,
            )


class Reporter:
    """Prints what scikit-learn prints after every epoch."""

    def __init__(self) -> None:
        self.began = time.time()

    def __call__(self, epoch: Epoch) -> None:
        """Print some lines.

        Parameters
        ----------
        epoch : Epoch
            What there is to tell.
        """
        score = epoch.validation_score
        print(
            f"-- Epoch {epoch.epoch}\n"
            f"Norm: {np.linalg.norm(epoch.coef):.2f}, "
            f"NNZs: {np.count_nonzero(epoch.coef)}, Bias: {epoch.intercept:.6f}, "
            f"T: {epoch.steps}, Avg. loss: {epoch.loss:f}, "
            f"Objective: {epoch.objective:f}"
            + ("" if score is None else f", Validation score: {score:f}")
            + f"\nTotal training time: {time.time() - self.began:.2f} seconds."
        )


def check_start(
    coef_init: Any, intercept_init: Any, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> tuple[Floats, Floats]:
    """Return copies of the coefficients and intercepts to begin with.

    Parameters
    ----------
    coef_init, intercept_init : array-like or None
        What a user passed in, or an earlier fit has left; None for zeros.
    shape : tuple of int
        Of the coefficients: one row for each of several classes.
    dtype : dtype
        Of the features.

    Returns
    -------
    coef, intercept : ndarray
        Of this type, whatever the shape of intercepts one row of coefficients.

    Raises
    ------
    ValueError
        If one has another shape.
    """
    several = len(shape) == 2
    if coef_init is None:
        coef = np.zeros(shape, dtype)
    else:
        coef = np.array(coef_init, dtype=dtype, order="C")
        coef = coef if several else coef.ravel()
        if coef.shape != shape:
            name = "``coef_``" if several else "coef_init"
            end = " " if several else ""
            raise ValueError(f"Provided {name} does not match dataset.{end}")
    n_outputs = shape[0] if several else 1
    if intercept_init is None:
        return coef, np.zeros(n_outputs, dtype)
    intercept = np.array(intercept_init, dtype=dtype)
    if intercept.shape != (n_outputs,) and (several or intercept.shape != ()):
        raise ValueError("Provided intercept_init does not match dataset.")
    return coef, intercept.reshape(n_outputs)
