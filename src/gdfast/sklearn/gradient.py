"""GDRegressor and GDClassifier: `gdfast.train` as estimators."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from inspect import signature
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.extmath import softmax
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from gdfast._typing import Doubles
from gdfast.callbacks import Iteration
from gdfast.fit import Fit
from gdfast.losses import LOSSES, HalfSquaredError, LogLoss, Loss, check_loss
from gdfast.optimizers import Optimizer
from gdfast.sklearn.base import Estimator
from gdfast.sklearn.checks import (
    AS_FEATURES,
    check_rows,
    check_weights,
    class_factors,
    refuse,
)
from gdfast.stopping import ConvergenceWarning as Unfinished
from gdfast.training import train

GTOL = 1e-4  # of "auto", where all rows make a step
OF_QUANTITIES = [name for name, loss in LOSSES.items() if not loss().has_labels]
OF_CLASSES = [name for name, loss in LOSSES.items() if loss().has_labels]
WITH_PROBABILITIES = ("log_loss", "multinomial", "modified_huber")


class GradientDescent(Estimator):
    """What both estimators have in common: `train`, and what it leaves behind."""

    # These are no metadata of the samples.
    __metadata_request__fit = {
        "callback": UNUSED,
        "coef_init": UNUSED,
        "intercept_init": UNUSED,
    }

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: sparse rows are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _train(
        self,
        X: Any,
        y: NDArray[Any],
        loss: Loss,
        sample_weight: Doubles | None,
        coef_init: Any,
        intercept_init: Any,
        callback: Callable[[Iteration], Any] | None,
    ) -> Fit:
        """Train as the parameters say, and speak with scikit-learn's warnings."""
        options = {name: getattr(self, name) for name in OF_TRAIN}
        if isinstance(self.gtol, str) and self.gtol == "auto":
            options["gtol"] = GTOL if self.batch_size is None else None
        if self.history not in ("loss", "full"):  # of which loss_curve_ is a part
            raise ValueError(f'history must be "loss" or "full", got {self.history!r}')
        options["random_state"] = None
        if self.early_stopping or self.batch_size is not None:
            generator = check_random_state(self.random_state)
            options["random_state"] = int(generator.randint(2**31 - 1))
        options["verbose"] = bool(self.verbose)
        options["loss"] = loss
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", Unfinished)
            fit = train(
                X,
                y,
                sample_weight=sample_weight,
                coef_init=coef_init,
                intercept_init=intercept_init if self.fit_intercept else None,
                callback=callback,
                **options,
            )
        for warning in caught:
            is_own = issubclass(warning.category, Unfinished)
            category = ConvergenceWarning if is_own else warning.category
            warnings.warn(str(warning.message), category, stacklevel=3)
        return fit

    def _start(
        self, coef_init: Any, intercept_init: Any, shape: tuple[int, ...]
    ) -> tuple[Any, Any]:
        """Return the model to start from: one that was passed, or the last one."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return coef_init, intercept_init
        last = self.coef_.shape
        if coef_init is None and last != shape:
            raise ValueError(
                f"warm_start=True goes on from the last model, whose coef_ has shape "
                f"{last}, but these X and y have coefficients of shape {shape}: fit "
                "them with warm_start=False"
            )
        coef_init = self.coef_ if coef_init is None else coef_init
        if intercept_init is None and last[:-1] == shape[:-1]:
            intercept_init = self.intercept_
        return coef_init, intercept_init

    def _publish(self, twin: Self, fit: Fit, coef: Doubles, intercept: Any) -> None:
        """Become the twin, with what came of the training."""
        twin.coef_, twin.intercept_, twin.fit_ = coef, intercept, fit
        twin.n_iter_, twin.stop_reason_ = fit.n_iter, fit.stop_reason
        assert fit.history is not None
        twin.loss_curve_ = fit.history["loss"]
        twin.__dict__.pop("validation_curve_", None)
        if self.early_stopping:
            twin.validation_curve_ = fit.history["validation_loss"]
        self.__dict__ = twin.__dict__

    def _raw(self, X: Any) -> Doubles:
        """Return raw predictions, a column for each of several outputs."""
        check_is_fitted(self)
        refuse(X)
        return self.fit_.predict(validate_data(self, X, reset=False, **AS_FEATURES))


class GDRegressor(MultiOutputMixin, RegressorMixin, GradientDescent):
    """Linear regression by gradient descent on all rows, or in mini-batches.

    Everything that `gdfast.train` does, for any of its losses of a quantity.

    Parameters
    ----------
    loss : str or `gdfast.losses.Loss`
        "squared_error", which is **half** of the square as everywhere in scikit-learn,
        "huber", "epsilon_insensitive", "squared_epsilon_insensitive", "quantile",
        "poisson", or an instance of a class of `gdfast.losses`.
    penalty : {"l2", "l1", "elasticnet"} or None
        What is added to the mean loss; see `train`, as for all that follows.
    alpha : float
        Its factor.
    l1_ratio : float
        Share of the sizes in "elasticnet".
    bounds : pair (low, high) or None
        Smallest and largest coefficients.
    optimizer : str or Optimizer
        The update rule.
    learning_rate : float, str or callable
        Its rates.
    batch_size : int or None
        Rows of a mini-batch; None for all rows in every step.
    shuffle : bool
        Whether batches take the rows in another order every epoch.
    average : bool or int
        Whether, or from which update on, the parameters of batches are averaged.
    max_iter : int
        Most iterations, which are epochs with `batch_size`.
    max_seconds : float or None
        The longest time.
    gtol : float, "auto" or None
        Stop when no component of the gradient is as large; "auto" is 1e-4, or None with
        `batch_size`.
    xtol : float or None
        Stop when no parameter changes by as much.
    ftol : float or None
        Stop when the loss changes by less than this fraction of it.
    early_stopping : bool
        Whether to stop by the loss of rows held out.
    validation_fraction : float
        The part of them.
    n_iter_no_change : int
        How many iterations without a lower loss that waits.
    fit_intercept : bool
        Whether there is a constant term.
    standardize : bool
        Whether to train on columns of mean 0 and deviation 1; the coefficients are
        those of X in any case.
    warm_start : bool
        Whether `fit` starts from the last coefficients.
    random_state : int, RandomState or None
        What orders and rows held out are drawn from.
    history : {"loss", "full"}
        What ``fit_.history`` keeps of every iteration: the loss, or the parameters too.
    n_threads : int or None
        Largest number of threads; None for as many as there are cores.
    verbose : bool
        Whether to show a progress bar; needs tqdm.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (n_features,) or (n_targets, n_features)
        Coefficients.
    intercept_ : float, or ndarray of float64, shape (n_targets,)
        Constant terms.
    n_iter_ : int
        Iterations.
    loss_curve_ : ndarray of float64, shape (n_rows,)
        Objective before every iteration and at the end.
    validation_curve_ : ndarray of float64, shape (n_rows,)
        Mean loss of the rows held out; with `early_stopping` alone.
    stop_reason_ : str
        Why the run ended, in words.
    fit_ : Fit
        What `gdfast.train` returned.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, if X had them.

    Notes
    -----
    Several targets are trained in one reading of X. A `fit` that fails leaves the model
    as it was.

    Examples
    --------
    >>> import numpy as np
    >>> from gdfast.sklearn import GDRegressor
    >>> X = np.array([[1.0], [2.0], [3.0]])
    >>> model = GDRegressor(alpha=0, gtol=1e-9).fit(X, [3.0, 5.0, 7.0])
    >>> model.predict([[10.0]]).round(6)
    array([21.])
    """

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0001,
        l1_ratio: float = 0.15,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        optimizer: str | Optimizer = "accelerated",
        learning_rate: float | str | Callable[[int], float] = "auto",
        batch_size: int | None = None,
        shuffle: bool = True,
        average: bool | int = False,
        max_iter: int = 1000,
        max_seconds: float | None = None,
        gtol: float | str | None = "auto",
        xtol: float | None = None,
        ftol: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        fit_intercept: bool = True,
        standardize: bool = False,
        warm_start: bool = False,
        random_state: Any = None,
        history: str = "loss",
        n_threads: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.bounds = bounds
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.average = average
        self.max_iter = max_iter
        self.max_seconds = max_seconds
        self.gtol = gtol
        self.xtol = xtol
        self.ftol = ftol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.warm_start = warm_start
        self.random_state = random_state
        self.history = history
        self.n_threads = n_threads
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        coef_init: Any = None,
        intercept_init: Any = None,
        callback: Callable[[Iteration], Any] | None = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.
        y : array-like, shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like, shape (n_samples,), default None
            Weights, at least 0.
        coef_init, intercept_init : array-like, shapes of `coef_` and `intercept_`
            A model to start from.
        callback : callable
            See `train`.

        Returns
        -------
        GDRegressor
            This estimator.

        Raises
        ------
        TypeError, ValueError, DivergenceError
            As `train`.
        """
        loss = self._loss()
        twin = self._twin()
        _refuse_text(y)
        X, y = check_rows(twin, X, y, reset=True, multi_output=True, y_numeric=True)
        start = self._start(coef_init, intercept_init, (*y.shape[1:], X.shape[1]))
        weight = check_weights(sample_weight, X)
        fit = self._train(X, y, loss, weight, *start, callback)
        self._publish(twin, fit, fit.coef, fit.intercept)
        return self

    def predict(self, X: Any) -> Doubles:
        """Predict.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n_samples,) or (n_samples, n_targets)
            Predicted targets; for "poisson" their expectation, exp of the raw ones.
        """
        raw = self._raw(X)
        return np.exp(raw) if self.fit_.loss_name == "poisson" else raw

    def _loss(self) -> Loss:
        """Return the loss; scikit-learn's square is half of ours."""
        if isinstance(self.loss, str) and self.loss == "squared_error":
            return HalfSquaredError()
        return _chosen(self.loss, OF_QUANTITIES, "a quantity")


# What both estimators and `train` have; a subclass may have more or fewer parameters.
OF_TRAIN = signature(GDRegressor).parameters.keys() & signature(train).parameters


def _has_probabilities(estimator: Any) -> bool:
    """Whether the loss of a classifier makes probabilities of its predictions."""
    name = estimator.loss if isinstance(estimator.loss, str) else estimator.loss.name
    if name not in WITH_PROBABILITIES:
        raise AttributeError(f"probabilities are not available for loss={name!r}")
    return True


class GDClassifier(ClassifierMixin, GradientDescent):
    """Linear classification by gradient descent on all rows, or in mini-batches.

    Everything that `gdfast.train` does, for any of its losses of labels. More than two
    classes are trained in one reading of X.

    Parameters
    ----------
    loss : str or `gdfast.losses.Loss`
        "log_loss", "hinge", "squared_hinge", "modified_huber" or "perceptron", by which
        each of several classes is told from the rest; or "multinomial" for all of them
        together, which with two classes is "log_loss".
    penalty : {"l2", "l1", "elasticnet"} or None
        What is added to the mean loss; see `train`, as for all that follows.
    alpha : float
        Its factor.
    l1_ratio : float
        Share of the sizes in "elasticnet".
    bounds : pair (low, high) or None
        Smallest and largest coefficients.
    optimizer : str or Optimizer
        The update rule.
    learning_rate : float, str or callable
        Its rates.
    batch_size : int or None
        Rows of a mini-batch; None for all rows in every step.
    shuffle : bool
        Whether batches take the rows in another order every epoch.
    average : bool or int
        Whether, or from which update on, the parameters of batches are averaged.
    max_iter : int
        Most iterations, which are epochs with `batch_size`.
    max_seconds : float or None
        The longest time.
    gtol : float, "auto" or None
        Stop when no component of the gradient is as large; "auto" is 1e-4, or None with
        `batch_size`.
    xtol : float or None
        Stop when no parameter changes by as much.
    ftol : float or None
        Stop when the loss changes by less than this fraction of it.
    early_stopping : bool
        Whether to stop by the loss of rows held out.
    validation_fraction : float
        The part of them.
    n_iter_no_change : int
        How many iterations without a lower loss that waits.
    fit_intercept : bool
        Whether there is a constant term.
    standardize : bool
        Whether to train on columns of mean 0 and deviation 1; the coefficients are
        those of X in any case.
    class_weight : dict of class to number, "balanced" or None
        Factors of the weights of the classes.
    warm_start : bool
        Whether `fit` starts from the last coefficients.
    random_state : int, RandomState or None
        What orders and rows held out are drawn from.
    history : {"loss", "full"}
        What ``fit_.history`` keeps of every iteration: the loss, or the parameters too.
    n_threads : int or None
        Largest number of threads; None for as many as there are cores.
    verbose : bool
        Whether to show a progress bar; needs tqdm.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The classes.
    coef_ : ndarray of float64, shape (1, n_features) or (n_classes, n_features)
        Coefficients; one row if there are two classes.
    intercept_ : ndarray of float64, shape (1,) or (n_classes,)
        Constant terms.
    n_iter_ : int
        Iterations.
    loss_curve_ : ndarray of float64, shape (n_rows,)
        Objective before every iteration and at the end.
    validation_curve_ : ndarray of float64, shape (n_rows,)
        Mean loss of the rows held out; with `early_stopping` alone.
    stop_reason_ : str
        Why the run ended, in words.
    fit_ : Fit
        What `gdfast.train` returned.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, if X had them.

    Notes
    -----
    A `fit` that fails leaves the model as it was.

    Examples
    --------
    >>> import numpy as np
    >>> from gdfast.sklearn import GDClassifier
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = GDClassifier().fit(X, ["small", "small", "large", "large"])
    >>> model.predict([[0.5], [2.5]])
    array(['small', 'large'], dtype='<U5')
    """

    def __init__(
        self,
        loss: str | Loss = "log_loss",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0001,
        l1_ratio: float = 0.15,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        optimizer: str | Optimizer = "accelerated",
        learning_rate: float | str | Callable[[int], float] = "auto",
        batch_size: int | None = None,
        shuffle: bool = True,
        average: bool | int = False,
        max_iter: int = 1000,
        max_seconds: float | None = None,
        gtol: float | str | None = "auto",
        xtol: float | None = None,
        ftol: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        fit_intercept: bool = True,
        standardize: bool = False,
        class_weight: dict[Any, float] | str | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        history: str = "loss",
        n_threads: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.bounds = bounds
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.average = average
        self.max_iter = max_iter
        self.max_seconds = max_seconds
        self.gtol = gtol
        self.xtol = xtol
        self.ftol = ftol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state
        self.history = history
        self.n_threads = n_threads
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        coef_init: Any = None,
        intercept_init: Any = None,
        callback: Callable[[Iteration], Any] | None = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.
        y : array-like, shape (n_samples,)
            Labels.
        sample_weight : array-like, shape (n_samples,), default None
            Weights, at least 0.
        coef_init, intercept_init : array-like, shapes of `coef_` and `intercept_`
            A model to start from.
        callback : callable
            See `train`.

        Returns
        -------
        GDClassifier
            This estimator.

        Raises
        ------
        TypeError, ValueError, DivergenceError
            As `train`.
        """
        loss = self._loss()
        twin = self._twin()
        X, y = check_rows(twin, X, y, reset=True)
        check_classification_targets(y)
        twin.classes_ = np.unique(y)
        numbers = np.searchsorted(twin.classes_, y)  # far faster than return_inverse
        n_classes = len(twin.classes_)
        if n_classes < 2:
            raise ValueError(
                "The number of classes has to be greater than one; got 1 class"
            )
        shape = (n_classes if n_classes > 2 else 1, X.shape[1])
        start = self._start(coef_init, intercept_init, shape)
        weight = check_weights(sample_weight, X)
        if self.class_weight is not None:
            factors = class_factors(self.class_weight, twin.classes_, y)[numbers]
            weight = factors if weight is None else weight * factors
        two = n_classes == 2
        if two:
            numbers = numbers.astype(float)
            start = _single(start[0]), _single(start[1])
            loss = LogLoss() if loss.name == "multinomial" else loss
        fit = self._train(X, numbers, loss, weight, *start, callback)
        coef, intercept = fit.coef, fit.intercept
        if two:
            coef, intercept = coef.reshape(1, -1), np.array([intercept])
        self._publish(twin, fit, coef, intercept)
        return self

    def decision_function(self, X: Any) -> Doubles:
        """Return raw predictions.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n_samples,) or (n_samples, n_classes)
            Of two classes, above 0 for the second one; else one for each class, of
            which the largest is the answer.
        """
        return self._raw(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict classes.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray, shape (n_samples,)
            Labels.
        """
        raw = self._raw(X)
        numbers = (raw > 0).astype(np.intp) if raw.ndim == 1 else raw.argmax(axis=1)
        labels: NDArray[Any] = self.classes_[numbers]
        return labels

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> Doubles:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes)
            Probabilities: of "log_loss" those of each class against the rest, made to
            add up to 1; of "multinomial" the model's; of "modified_huber" those of
            Zhang, made of raw predictions between -1 and 1.
        """
        raw, name = self._raw(X), self.fit_.loss_name
        if raw.ndim == 2 and name == "multinomial":
            return softmax(raw, copy=False)
        chance = _between if name == "modified_huber" else expit
        if raw.ndim == 1:
            return np.column_stack([chance(-raw), chance(raw)])
        return _shares(chance(raw))

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> Doubles:
        """Predict logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes)
            Logarithms.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _loss(self) -> Loss:
        """Return the loss."""
        return _chosen(self.loss, OF_CLASSES, "labels")


def _chosen(loss: Any, names: list[str], kind: str) -> Loss:
    """Return a loss, if it is one of these names."""
    unknown = isinstance(loss, str) and loss not in LOSSES
    chosen = None if unknown else check_loss(loss)
    if chosen is None or chosen.name not in names:
        raise ValueError(
            f"loss must be one of {kind}, {', '.join(map(repr, names))}, got {loss!r}"
        )
    return chosen


def _refuse_text(y: Any) -> None:
    """Raise for targets with text among them, which scikit-learn does not name."""
    array = np.asarray(y)
    if array.dtype.kind != "O":
        return
    for place, value in np.ndenumerate(array):
        if isinstance(value, str):
            at = ", ".join(map(str, place))
            raise TypeError(f"y must hold numbers, got {value!r} at [{at}]")


def _single(init: Any) -> Any:
    """Return what is the only row of coefficients, or the only intercept."""
    if init is None:
        return None
    array = np.asarray(init)
    return array[0] if len(np.shape(array)) and len(array) == 1 else init


def _between(raw: Doubles) -> Doubles:
    """Return Zhang's probabilities, straight from 0 at -1 to 1 at 1."""
    return (raw.clip(-1, 1) + 1) / 2


def _shares(parts: Doubles) -> Doubles:
    """Return rows in parts of their sums; of rows of zeros, equal ones."""
    parts[~parts.any(axis=1)] = 1
    shares: Doubles = parts / parts.sum(axis=1, keepdims=True)
    return shares
