"""Stochastic gradient descent: SGDRegressor and SGDClassifier."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn import get_config, linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import check_is_fitted, validate_data

from gdfast._typing import Doubles, Floats
from gdfast.csr import Matrix
from gdfast.losses import (
    EpsilonInsensitive,
    HalfSquaredError,
    Hinge,
    Huber,
    LogLoss,
    ModifiedHuber,
    Perceptron,
    SquaredEpsilonInsensitive,
    SquaredHinge,
)
from gdfast.sklearn.checks import (
    as_matrix,
    check_rows,
    check_weights,
    is_plain,
    is_plain_line,
    keeps_features,
    refuse,
)
from gdfast.stochastic import Epoch, HeldOut, Model, Task, Trained, Watch, train_rows
from gdfast.threads import Team

Callback = Callable[[Epoch], Any]

# scikit-learn's names; "squared_error" is half of it there.
LOSSES = {
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
NAMES = (
    "loss",
    "penalty",
    "alpha",
    "l1_ratio",
    "fit_intercept",
    "max_iter",
    "tol",
    "shuffle",
    "verbose",
    "epsilon",
    "learning_rate",
    "eta0",
    "power_t",
    "early_stopping",
    "validation_fraction",
    "n_iter_no_change",
    "warm_start",
    "average",
)
values_of = itemgetter(*NAMES)
MAX_INT = 2**31 - 1
MANY = 256  # combinations of parameters that are remembered as valid
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
def regressor_seed(random_state: int) -> int:
    """Return what scikit-learn's regressor shuffles with.

    Parameters
    ----------
    random_state : int
        The parameter of this name.

    Returns
    -------
    int
        The seed.
    """
    with _seeding:
        _seeded.seed(random_state)
        return int(_seeded.randint(MAX_INT))


@lru_cache(1024)
def classifier_seed(random_state: int) -> int:
    """Return what scikit-learn's classifier shuffles with.

    Parameters
    ----------
    random_state : int
        The parameter of this name.

    Returns
    -------
    int
        The seed.
    """
    with _seeding:
        _seeded.seed(random_state)
        _seeded.randint(1, MAX_INT)  # which scikit-learn has no use for
        return int(_seeded.randint(MAX_INT))


class _Stochastic:
    """What regressor and classifier have in common."""

    # What fit adds is no metadata of the samples.
    __metadata_request__fit = {"callback": UNUSED}

    def _task(self) -> Task:
        """Return what the parameters ask for; raise if one is not valid."""
        values = values_of(vars(self))
        random_state = vars(self)["random_state"]
        known = type(self) in (SGDRegressor, SGDClassifier) and (
            random_state is None
            or isinstance(random_state, np.random.RandomState)
            or (type(random_state) is int and 0 <= random_state < 2**32)
        )
        if isinstance(self, linear_model.SGDClassifier):
            known &= isinstance(self.n_jobs, int | None)
            known &= self.class_weight is None or isinstance(self.class_weight, dict)
        key = type(self), values, tuple(map(type, values))
        try:
            if known and (task := _tasks.get(key)):
                return task
        except TypeError:  # one that is not hashable, nor valid
            known = False
        skipped = get_config()["skip_parameter_validation"]
        if not skipped:
            self._validate_params()
        self._more_validate_params()
        task = self._new_task()
        if known and not skipped:
            if len(_tasks) >= MANY:
                _tasks.clear()
            _tasks[key] = task
        return task

    def _new_task(self) -> Task:
        """Return what valid parameters ask for."""
        l1 = {None: 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": self.l1_ratio}[self.penalty]
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
            max_iter=int(self.max_iter),
            tol=None if self.tol is None else float(self.tol),
            patience=int(self.n_iter_no_change),
            average=int(self.average),
        )

    def _twin(self) -> Self:
        """Return what the estimator will be if nothing goes wrong until then."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def _started_afresh(self) -> Self:
        """Return a twin for `fit`, without what the last fit has left."""
        twin = self._twin()
        attributes = vars(twin)
        attributes["t_"] = 1.0
        for name in ("loss_curve_", "validation_curve_"):
            attributes.pop(name, None)
        if not (self.warm_start and attributes.get("coef_") is not None):
            for name in ("coef_", "intercept_", *AVERAGED):
                attributes.pop(name, None)
        return twin

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
        """Set what all ways of training leave behind."""
        longest = max(ends, key=lambda end: len(end.objectives))
        twin.n_iter_ = len(longest.objectives)
        twin.t_ = getattr(twin, "t_", 1.0) + twin.n_iter_ * n_rows
        twin.stop_reason_ = longest.reason
        curves = [end.objectives for end in ends]
        scores = [end.scores for end in ends]
        before = vars(twin).get("loss_curve_")
        if before is not None:  # of an earlier partial_fit
            earlier = before if len(ends) > 1 else [before]
            curves = [old + new for old, new in zip(earlier, curves, strict=True)]
        twin.loss_curve_ = curves if len(ends) > 1 else curves[0]
        if self.early_stopping:
            twin.validation_curve_ = scores if len(ends) > 1 else scores[0]
        if not self.average:
            for name in AVERAGED:
                vars(twin).pop(name, None)

    def _publish(self, twin: Self, ends: list[Trained], partial: bool) -> None:
        """Become the twin, and warn of what a user should know."""
        self.__dict__ = vars(twin)
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


def r2(y: Floats, prediction: Floats, weight: Doubles) -> float:
    """Return the coefficient of determination, as scikit-learn defines it.

    Parameters
    ----------
    y, prediction : ndarray, shape (n_samples,)
        Targets and what was predicted.
    weight : ndarray of float64, shape (n_samples,)
        Weights.

    Returns
    -------
    float
        1 for a perfect prediction; NaN for less than two rows.
    """
    if len(y) < 2:
        return np.nan
    left = float((weight * (y - prediction) ** 2).sum())
    total = float((weight * (y - np.average(y, weights=weight)) ** 2).sum())
    if total == 0.0:
        return float(left == 0.0)
    return 1.0 - left / total


class SGDRegressor(_Stochastic, linear_model.SGDRegressor):
    """Linear regression by stochastic gradient descent.

    Takes the place of ``sklearn.linear_model.SGDRegressor`` 1.9: its parameters, their
    defaults, its attributes and methods are the same, and so are the coefficients, up
    to rounding, and the number of epochs, for the same `random_state`.

    Parameters
    ----------
    loss, penalty, alpha, l1_ratio, fit_intercept, max_iter, tol, shuffle, verbose, \
epsilon, random_state, learning_rate, eta0, power_t, early_stopping, \
validation_fraction, n_iter_no_change, warm_start, average
        See ``sklearn.linear_model.SGDRegressor``.

    Attributes
    ----------
    coef_ : ndarray of float32 or float64, shape (n_features,)
        Coefficients, of the type of X.
    intercept_ : ndarray of float64, shape (1,)
        Constant term.
    n_iter_ : int
        Epochs of the last call of `fit` or `partial_fit`.
    t_ : float
        Number of the next step.
    loss_curve_ : list of float
        Mean objective of every epoch, each row's before its own step: what the stopping
        rule looks at without `early_stopping`. ``partial_fit`` adds to it.
    validation_curve_ : list of float
        Score of the rows held out after every epoch; with `early_stopping` alone.
    stop_reason_ : str
        Why the last training ended.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, if X had them.

    Notes
    -----
    A `fit` that fails, by Ctrl-C or for any other reason, leaves the model as it was.

    Examples
    --------
    >>> import numpy as np
    >>> from gdfast.sklearn import SGDRegressor
    >>> X = np.array([[-1.0], [0.0], [1.0], [2.0]])
    >>> model = SGDRegressor(max_iter=500, tol=1e-6, random_state=0)
    >>> model.fit(X, 3.0 * X[:, 0] + 1.0).coef_
    array([2.9])
    """

    def fit(
        self,
        X: Any,
        y: Any,
        coef_init: Any = None,
        intercept_init: Any = None,
        sample_weight: Any = None,
        callback: Callback | None = None,
    ) -> Self:
        """Train on all rows, epoch after epoch.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.
        y : array-like, shape (n_samples,)
            Targets.
        coef_init : array-like, shape (n_features,), default None
            Coefficients to begin with; zeros by default. They are copied.
        intercept_init : array-like, shape (1,), default None
            Intercept to begin with.
        sample_weight : array-like, shape (n_samples,), default None
            Factor of each row's steps, at least 0.
        callback : callable, default None
            Called after every epoch with a `gdfast.stochastic.Epoch`; the training ends
            when it returns True or raises `StopIteration`.

        Returns
        -------
        SGDRegressor
            This estimator.

        Raises
        ------
        TypeError, ValueError
            If a parameter or an argument is not valid, or the model is not finite after
            an epoch.
        """
        task, twin = self._task(), self._started_afresh()
        rows = self._check(twin, X, y, sample_weight)
        end = self._train(twin, task, rows, coef_init, intercept_init, callback)
        self._publish(twin, [end], partial=False)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Make one more epoch, on these rows.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.
        y : array-like, shape (n_samples,)
            Targets.
        sample_weight : array-like, shape (n_samples,), default None
            Factor of each row's steps, at least 0.

        Returns
        -------
        SGDRegressor
            This estimator.

        Raises
        ------
        TypeError, ValueError
            If a parameter or an argument is not valid, or the model is not finite after
            the epoch.
        """
        if self.early_stopping and not hasattr(self, "coef_"):
            self._more_validate_params(for_partial_fit=True)
        task, twin = self._task()._replace(max_iter=1), self._twin()
        rows = self._check(twin, X, y, sample_weight)
        end = self._train(twin, task, rows, None, None, None)
        end = end._replace(reason="partial_fit makes one epoch")
        self._publish(twin, [end], partial=True)
        return self

    def _check(self, twin: Self, X: Any, y: Any, sample_weight: Any) -> Rows:
        """Return the data, and let the twin know the features."""
        first = vars(twin).get("coef_") is None
        plain = is_plain(X) and is_plain_line(y, len(X), "fiu")
        if plain:
            y = y.astype(X.dtype, copy=False)
            plain = bool(np.isfinite(np.vdot(y, y)))
        if not (plain and keeps_features(twin, X.shape[1], first)):
            X, y = check_rows(twin, X, y, first)
            y = y.astype(X.dtype, copy=False)
        return Rows(X, y, check_weights(sample_weight, X))

    def _start(
        self, twin: Self, X: Any, coef_init: Any, intercept_init: Any
    ) -> tuple[Model, np.dtype[Any]]:
        """Return where to begin, and of which type coefficients are."""
        n_features = X.shape[1]
        have = vars(twin)
        if have.get("coef_") is None:
            coef, intercept = check_start(
                coef_init, intercept_init, (n_features,), X.dtype
            )
        elif self.average:
            coef = have.get("_standard_coef", have["coef_"])
            intercept = have.get("_standard_intercept", have["intercept_"])
        else:
            coef, intercept = have["coef_"], have["intercept_"]
        mean, mean_intercept = None, 0.0
        if self.average:
            mean = have.get("_average_coef")
            if mean is None:
                mean = np.zeros(n_features)
            else:
                mean_intercept = float(have["_average_intercept"][0])
        return Model(coef, float(intercept[0]), mean, mean_intercept), coef.dtype

    def _train(
        self,
        twin: Self,
        task: Task,
        rows: Rows,
        coef_init: Any,
        intercept_init: Any,
        callback: Callback | None,
    ) -> Trained:
        """Train the twin."""
        X, y, sample_weight = rows
        start, dtype = self._start(twin, X, coef_init, intercept_init)
        held_out = None
        if (held := self._hold_out(rows, y)) is not None:
            chosen, weight = held
            X_val, y_val = X[chosen], y[chosen]

            def score(coef: Doubles, intercept: float) -> float:
                prediction = X_val @ coef.astype(X_val.dtype) + intercept
                return r2(y_val, prediction, weight)

            held_out = HeldOut(chosen, score)
        random_state = self.random_state
        if type(random_state) is int:
            seed = regressor_seed(random_state)
        else:
            generator = check_random_state(random_state)
            seed = int(generator.randint(MAX_INT))
            generator.randint(1, MAX_INT)  # as scikit-learn does
        end = train_rows(
            task,
            as_matrix(X),
            np.ascontiguousarray(y, dtype=float),
            sample_weight,
            start,
            getattr(twin, "t_", 1.0),
            seed,
            held_out,
            self._watch(callback, 0),
        )
        self._finish(twin, [end], X.shape[0])
        model = end.model
        coef = model.coef.astype(dtype)
        intercept = np.array([model.intercept])
        if model.mean_coef is not None:
            twin._standard_coef, twin._standard_intercept = coef, intercept
            twin._average_coef = model.mean_coef.astype(dtype)
            twin._average_intercept = np.array([model.mean_intercept])
            if self.average <= twin.t_ - 1.0:
                coef, intercept = twin._average_coef, twin._average_intercept
        twin.coef_, twin.intercept_ = coef, intercept
        return end

    def _decision_function(self, X: Any) -> NDArray[Any]:
        """Return predictions."""
        have = vars(self)
        coef = have.get("coef_")
        if (
            type(coef) is np.ndarray
            and is_plain(X)
            and keeps_features(self, X.shape[1], False)
        ):
            return X @ coef + have["intercept_"]
        check_is_fitted(self)
        refuse(X)
        return super()._decision_function(X)


class SGDClassifier(_Stochastic, linear_model.SGDClassifier):
    """Linear classification by stochastic gradient descent.

    Takes the place of ``sklearn.linear_model.SGDClassifier`` 1.9: its parameters, their
    defaults, its attributes and methods are the same, and so are the coefficients, up
    to rounding, and the number of epochs, for the same `random_state`.

    Parameters
    ----------
    loss, penalty, alpha, l1_ratio, fit_intercept, max_iter, tol, shuffle, verbose, \
epsilon, n_jobs, random_state, learning_rate, eta0, power_t, early_stopping, \
validation_fraction, n_iter_no_change, class_weight, warm_start, average
        See ``sklearn.linear_model.SGDClassifier``. `n_jobs` is a number of threads.

    Attributes
    ----------
    coef_ : ndarray of float32 or float64, shape (1, n_features) or (n_classes, \
n_features)
        Coefficients, of the type of X; one row if there are two classes.
    intercept_ : ndarray, shape (1,) or (n_classes,)
        Constant terms.
    classes_ : ndarray, shape (n_classes,)
        The classes.
    n_iter_ : int
        Epochs of the last call of `fit` or `partial_fit`; the most that one of several
        classes took.
    t_ : float
        Number of the next step.
    loss_curve_ : list of float, or one such list for each of several classes
        Mean objective of every epoch, each row's before its own step: what the stopping
        rule looks at without `early_stopping`. ``partial_fit`` adds to it.
    validation_curve_ : list of float, or one such list for each of several classes
        Score of the rows held out after every epoch; with `early_stopping` alone.
    stop_reason_ : str
        Why the last training ended; of several classes, that of the last one to end.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, if X had them.

    Notes
    -----
    A `fit` that fails, by Ctrl-C or for any other reason, leaves the model as it was.

    Examples
    --------
    >>> import numpy as np
    >>> from gdfast.sklearn import SGDClassifier
    >>> X = np.array([[-1.0, -1.0], [-2.0, -1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> y = ["left", "left", "right", "right"]
    >>> model = SGDClassifier(random_state=0).fit(X, y)
    >>> model.predict([[-0.8, -1.0]])
    array(['left'], dtype='<U5')
    >>> model.stop_reason_
    'the mean objective fell by less than tol=0.001 in 5 epochs in a row'
    """

    def fit(
        self,
        X: Any,
        y: Any,
        coef_init: Any = None,
        intercept_init: Any = None,
        sample_weight: Any = None,
        callback: Callback | None = None,
    ) -> Self:
        """Train on all rows, epoch after epoch.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.
        y : array-like, shape (n_samples,)
            Labels.
        coef_init : array-like, shape of `coef_`, default None
            Coefficients to begin with; zeros by default. They are copied.
        intercept_init : array-like, shape of `intercept_`, default None
            Intercepts to begin with.
        sample_weight : array-like, shape (n_samples,), default None
            Factor of each row's steps, at least 0.
        callback : callable, default None
            Called after every epoch with a `gdfast.stochastic.Epoch`; the training ends
            when it returns True or raises `StopIteration`. Of several classes, each is
            trained by itself; with `n_jobs`, on several threads, which call it.

        Returns
        -------
        SGDClassifier
            This estimator.

        Raises
        ------
        TypeError, ValueError
            If a parameter or an argument is not valid, or the model is not finite after
            an epoch.
        """
        task, twin = self._task(), self._started_afresh()
        if vars(twin).get("coef_") is not None:  # warm start
            coef_init = twin.coef_ if coef_init is None else coef_init
            if intercept_init is None:
                intercept_init = twin.intercept_
            for name in ("coef_", "intercept_", *AVERAGED):
                vars(twin).pop(name, None)
        vars(twin).pop("classes_", None)
        X, y = self._check_rows(twin, X, y, first=True)
        _check_partial_fit_first_call(twin, distinct(y))
        rows = Rows(X, y, check_weights(sample_weight, X, self.early_stopping))
        ends = self._train(twin, task, rows, coef_init, intercept_init, callback)
        self._publish(twin, ends, partial=False)
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        """Make one more epoch, on these rows.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.
        y : array-like, shape (n_samples,)
            Labels.
        classes : array-like, shape (n_classes,), default None
            All labels that there are; for the first call.
        sample_weight : array-like, shape (n_samples,), default None
            Factor of each row's steps, at least 0.

        Returns
        -------
        SGDClassifier
            This estimator.

        Raises
        ------
        TypeError, ValueError
            If a parameter or an argument is not valid, or the model is not finite after
            the epoch.
        """
        first = not hasattr(self, "classes_")
        if first and self.early_stopping:
            self._more_validate_params(for_partial_fit=True)
        task, twin = self._task()._replace(max_iter=1), self._twin()
        if first and isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit. In order to "
                "use 'balanced' weights, use compute_class_weight('balanced', "
                "classes=classes, y=y). In place of y you can use a large enough sample "
                "of the full training set target to properly estimate the class "
                "frequency distributions. Pass the resulting weights as the "
                "class_weight parameter."
            )
        X, y = self._check_rows(twin, X, y, first)
        if classes is not None or first:
            _check_partial_fit_first_call(twin, classes)
        rows = Rows(X, y, check_weights(sample_weight, X, self.early_stopping))
        ends = self._train(twin, task, rows, None, None, None)
        ends = [end._replace(reason="partial_fit makes one epoch") for end in ends]
        self._publish(twin, ends, partial=True)
        return self

    def _check_rows(self, twin: Self, X: Any, y: Any, first: bool) -> tuple[Any, Any]:
        """Return features and labels, and let the twin know the features."""
        if not (
            is_plain(X)
            and is_plain_line(y, len(X), "iubU")
            and keeps_features(twin, X.shape[1], first)
        ):
            if first:
                validate_data(twin, y=y)
            X, y = check_rows(twin, X, y, first)
        return X, y

    def _class_weights(self, twin: Self, y: NDArray[Any]) -> Doubles:
        """Return a weight for every class; raise if y has others."""
        classes = twin.classes_
        if self.class_weight is None and (
            (y == classes[0]) | (y == classes[1])
            if len(classes) == 2
            else np.isin(y, classes)
        ).all():
            return np.ones(len(classes))
        weights = compute_class_weight(self.class_weight, classes=classes, y=y)
        if (weights < 0).any():
            raise ValueError(f"class_weight must be at least 0, got {weights.min()}")
        return weights

    def _starts(
        self, twin: Self, X: Any, coef_init: Any, intercept_init: Any
    ) -> tuple[list[Model], np.dtype[Any]]:
        """Return where to begin for every output, and let the twin have it."""
        n_classes, n_features = len(twin.classes_), X.shape[1]
        shape = (n_features,) if n_classes == 2 else (n_classes, n_features)
        have = vars(twin)
        if have.get("coef_") is None or coef_init is not None:
            coef, intercept = check_start(coef_init, intercept_init, shape, X.dtype)
            if self.average:
                have["_standard_coef"], have["_standard_intercept"] = coef, intercept
                have["_average_coef"] = np.zeros_like(coef)
                have["_average_intercept"] = np.zeros_like(intercept)
            have["coef_"], have["intercept_"] = coef, intercept
        elif self.average:
            have.setdefault("_standard_coef", have["coef_"].reshape(shape))
            have.setdefault("_standard_intercept", have["intercept_"])
            have.setdefault("_average_coef", np.zeros(shape, have["coef_"].dtype))
            have.setdefault("_average_intercept", np.zeros_like(have["intercept_"]))
        which = "_standard_{}" if self.average else "{}_"
        coef = have[which.format("coef")].reshape(-1, n_features)
        intercept = have[which.format("intercept")]
        if not self.average:
            models = [
                Model(row, float(value))
                for row, value in zip(coef, intercept, strict=True)
            ]
        else:
            means = have["_average_coef"].reshape(-1, n_features)
            models = [
                Model(row, float(value), mean, float(mean_value))
                for row, value, mean, mean_value in zip(
                    coef, intercept, means, have["_average_intercept"], strict=True
                )
            ]
        return models, coef.dtype

    def _train(
        self,
        twin: Self,
        task: Task,
        rows: Rows,
        coef_init: Any,
        intercept_init: Any,
        callback: Callback | None,
    ) -> list[Trained]:
        """Train the twin."""
        X, y, sample_weight = rows
        classes = twin.classes_
        weights = self._class_weights(twin, y)
        if len(classes) < 2:
            raise ValueError(
                "The number of classes has to be greater than one; got "
                f"{len(classes)} class"
            )
        starts, dtype = self._starts(twin, X, coef_init, intercept_init)
        binary = len(classes) == 2
        held, seeds = self._draws(rows, len(classes))
        matrix, t = as_matrix(X), getattr(twin, "t_", 1.0)

        def train(output: int) -> Trained:
            chosen = 1 if binary else output
            positive = y == classes[chosen]
            both = (weights[0] if binary else 1.0), weights[chosen]
            return train_rows(
                task,
                matrix,
                self._targets(positive),
                weighted(sample_weight, positive, *both),
                starts[output],
                t,
                seeds[output],
                None if held is None else self._scored(X, positive, *held),
                self._watch(callback, output),
                lambda: team.stopped,
            )

        with Team(1 if binary else effective_n_jobs(self.n_jobs)) as team:
            ends = team.map(train, range(len(starts)))
        self._finish(twin, ends, X.shape[0])
        self._set_models(twin, [end.model for end in ends], dtype)
        return ends

    def _draws(
        self, rows: Rows, n_classes: int
    ) -> tuple[tuple[NDArray[np.bool_], Doubles] | None, list[int]]:
        """Return rows to hold out, and a seed for every output."""
        random_state = self.random_state
        if n_classes > 2:
            held = self._hold_out(rows, rows.y)
            generator = check_random_state(random_state)
            seeds = generator.randint(MAX_INT, size=n_classes)
            return held, [classifier_seed(int(seed)) for seed in seeds]
        if type(random_state) is int:
            return self._hold_out(rows, rows.y), [classifier_seed(random_state)]
        generator = check_random_state(random_state)
        generator.randint(1, MAX_INT)  # as scikit-learn does
        held = self._hold_out(rows, rows.y)
        return held, [int(generator.randint(MAX_INT))]

    def _targets(self, positive: NDArray[np.bool_]) -> Doubles:
        """Return labels as the loss takes them."""
        if self.loss in FOR_QUANTITIES:
            return np.where(positive, 1.0, -1.0)
        return positive.astype(float)

    def _scored(
        self,
        X: Any,
        positive: NDArray[np.bool_],
        chosen: NDArray[np.bool_],
        weight: Doubles,
    ) -> HeldOut:
        """Return rows held out, with the share of right predictions on them.

        scikit-learn counts no prediction of the other class as right with "log_loss",
        whose labels are 0 there, and not -1. So does this, for the same `n_iter_`.
        """
        X_val, wanted = X[chosen], positive[chosen]

        def score(coef: Doubles, intercept: float) -> float:
            found = X_val @ coef.astype(X_val.dtype) + intercept > 0
            right = found & wanted if self.loss == "log_loss" else found == wanted
            return float(np.average(right, weights=weight))

        return HeldOut(chosen, score)

    def _set_models(
        self, twin: Self, models: list[Model], dtype: np.dtype[Any]
    ) -> None:
        """Let the twin have the models.

        What becomes of intercepts with an average is scikit-learn's, though it is odd:
        a later `partial_fit` begins at intercepts that may be those of an earlier one.
        """
        several = len(models) > 1
        coef = np.array([model.coef for model in models], dtype)
        intercept = np.array([model.intercept for model in models])
        if several:
            intercept = intercept.astype(twin.intercept_.dtype)
        if not self.average:
            twin.coef_, twin.intercept_ = coef, intercept
            return
        means = np.array([model.mean_coef for model in models], dtype)
        twin._standard_coef = coef if several else coef[0]
        twin._average_coef = means if several else means[0]
        mean_intercept = np.array([model.mean_intercept for model in models])
        mean_intercept = mean_intercept.astype(twin._average_intercept.dtype)
        if several:
            if twin.intercept_ is twin._average_intercept:
                mean_intercept = intercept.astype(mean_intercept.dtype)
            else:
                twin._standard_intercept = intercept
        twin._average_intercept = mean_intercept
        if self.average <= twin.t_ - 1.0:
            twin.coef_, twin.intercept_ = means, mean_intercept
        else:
            twin._standard_intercept = intercept
            twin.coef_, twin.intercept_ = coef, intercept

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return how far rows are on the side of each class.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray, shape (n_samples,) or (n_samples, n_classes)
            Above 0 for ``classes_[1]``, or one column for each of several classes.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X is not such.
        """
        have = vars(self)
        coef = have.get("coef_")
        if (
            type(coef) is np.ndarray
            and is_plain(X)
            and keeps_features(self, X.shape[1], False)
        ):
            scores = X @ coef.T + have["intercept_"]
            return scores.ravel() if scores.shape[1] == 1 else scores
        refuse(X)
        return super().decision_function(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of every row.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray, shape (n_samples,)
            Labels.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X is not such.
        """
        if type(X) is not np.ndarray or type(vars(self).get("coef_")) is not np.ndarray:
            return super().predict(X)
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return self.classes_[(scores > 0).astype(np.intp)]
        return self.classes_[scores.argmax(axis=1)]


def distinct(y: NDArray[Any]) -> NDArray[Any]:
    """Return the labels that there are, in order.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Labels.

    Returns
    -------
    ndarray
        Each once.
    """
    return np.unique(y)


def weighted(
    sample_weight: Doubles | None,
    positive: NDArray[np.bool_],
    negative_weight: float,
    positive_weight: float,
) -> Doubles | None:
    """Return the weights of the rows times those of their classes.

    Parameters
    ----------
    sample_weight : ndarray of float64, shape (n_samples,), or None
        Weights of the rows; None for 1.
    positive : ndarray of bool, shape (n_samples,)
        Which rows are of the class that is told from the rest.
    negative_weight, positive_weight : float
        Weights of the classes.

    Returns
    -------
    ndarray of float64, shape (n_samples,), or None
        The products; None if all are 1.
    """
    if negative_weight == positive_weight == 1.0:
        return sample_weight
    weights = np.where(positive, positive_weight, negative_weight)
    return weights if sample_weight is None else weights * sample_weight
