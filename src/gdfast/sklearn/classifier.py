"""SGDClassifier."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn import linear_model
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import validate_data

from gdfast._typing import Doubles
from gdfast.sklearn.checks import (
    as_matrix,
    check_rows,
    check_weights,
    class_factors,
    is_plain,
    is_plain_line,
    keeps_features,
    refuse,
)
from gdfast.sklearn.stochastic import (
    AVERAGED,
    FOR_QUANTITIES,
    INTEGRAL,
    MAX_INT,
    Callback,
    Rows,
    Stochastic,
    check_start,
    shuffling_seed,
)
from gdfast.stochastic import (
    Classes,
    HeldOut,
    Model,
    Task,
    Trained,
    lanes,
    train_rows,
    train_together,
)
from gdfast.threads import Team


class SGDClassifier(Stochastic, linear_model.SGDClassifier):
    """Linear classification by stochastic gradient descent.

    Takes the place of ``sklearn.linear_model.SGDClassifier`` 1.9: its parameters, their
    defaults, its attributes and methods are the same, and so are the coefficients, up
    to rounding, and the number of epochs, for the same `random_state`. What they mean
    in detail is said there.

    Parameters
    ----------
    loss : str, default 'hinge'
        'hinge', 'log_loss', 'modified_huber', 'squared_hinge', 'perceptron', or one of
        those for regression.
    penalty : {'l2', 'l1', 'elasticnet', None}, default 'l2'
        What is added to the loss.
    alpha : float, default 0.0001
        Factor of the penalty, at least 0; "optimal" takes it for the rates too.
    l1_ratio : float, default 0.15
        Part of 'l1' in 'elasticnet', from 0 to 1.
    fit_intercept : bool, default True
        Whether there is a constant term.
    max_iter : int, default 1000
        Largest number of epochs of `fit`.
    tol : float or None, default 0.001
        What the objective must fall by, or the score rise, in some epochs; or else it
        is enough. None for `max_iter` epochs in any case.
    shuffle : bool, default True
        Whether rows come in another order in every epoch.
    verbose : int, default 0
        Whether to print a line for every epoch.
    epsilon : float, default 0.1
        The parameter of the losses with "epsilon" in their name, and of 'huber'.
    n_jobs : int, default None
        Number of threads, for several classes.
    random_state : int, RandomState or None, default None
        What the order of the rows, and rows held out, are drawn with.
    learning_rate : str, default 'optimal'
        'constant', 'optimal', 'invscaling' or 'adaptive'; 'pa1' and 'pa2' are the
        passive-aggressive updates, for 'hinge' alone.
    eta0 : float, default 0.01
        The first rate, or the aggressiveness of 'pa1' and 'pa2'.
    power_t : float, default 0.5
        Exponent of 'invscaling'.
    early_stopping : bool, default False
        Whether to stop by the score of rows that are held out.
    validation_fraction : float, default 0.1
        The part of them.
    n_iter_no_change : int, default 5
        Epochs without improvement, after which it is enough.
    class_weight : dict, 'balanced' or None, default None
        Weights of the classes, by label.
    warm_start : bool, default False
        Whether `fit` begins with the model of the last one.
    average : bool or int, default False
        Whether the model is the mean of those after every step, or from which step on.

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
        rule looks at without `early_stopping`. ``partial_fit`` adds to this very list.
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

    _own = True  # and no subclass, whose parameters may be others

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
        if twin.__dict__.get("coef_") is not None:  # warm start
            coef_init = twin.coef_ if coef_init is None else coef_init
            if intercept_init is None:
                intercept_init = twin.intercept_
            for name in ("coef_", "intercept_", *AVERAGED):
                twin.__dict__.pop(name, None)
        twin.__dict__.pop("classes_", None)
        X, y = self._check_rows(twin, X, y, first=True)
        classes = np.unique(y)
        if classes.dtype.kind in INTEGRAL:
            twin.classes_ = classes
        else:
            _check_partial_fit_first_call(twin, classes)
        rows = Rows(X, y, check_weights(sample_weight, X, self.early_stopping))
        ends = self._trained(twin, task, rows, coef_init, intercept_init, callback)
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
        task, twin = self._task(partial=True), self._twin()
        if first and isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit. In order to"
                " use 'balanced' weights, use compute_class_weight('balanced', "
                "classes=classes, y=y). In place of y you can use a large enough sample"
                " of the full training set target to properly estimate the class "
                "frequency distributions. Pass the resulting weights as the "
                "class_weight parameter."
            )
        X, y = self._check_rows(twin, X, y, first)
        if classes is not None or first:
            _check_partial_fit_first_call(twin, classes)
        rows = Rows(X, y, check_weights(sample_weight, X, self.early_stopping))
        return self._one_epoch(twin, task, rows)

    def _check_rows(self, twin: Self, X: Any, y: Any, first: bool) -> tuple[Any, Any]:
        """Return features and labels, and let the twin know the features."""
        if not (
            is_plain(X, not self.early_stopping)
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
        if len(classes) < 2:
            raise ValueError(
                "The number of classes has to be greater than one; got "
                f"{len(classes)} class"
            )
        if self.class_weight is None:
            if len(classes) == 2:  # np.isin takes many times as long
                counts = [np.count_nonzero(y == classes[k]) for k in (0, 1)]
                known = sum(counts) == len(y)
            else:
                known = np.isin(y, classes).all()
            if known:
                return np.array([1.0] * len(classes))
        return class_factors(self.class_weight, classes, y)

    def _starts(
        self, twin: Self, X: Any, coef_init: Any, intercept_init: Any
    ) -> tuple[list[Model], np.dtype[Any]]:
        """Return where to begin for every output, and let the twin have it."""
        n_classes, n_features = len(twin.classes_), X.shape[1]
        shape = (n_features,) if n_classes == 2 else (n_classes, n_features)
        have = twin.__dict__
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
        parts = [coef, have[which.format("intercept")].tolist()]
        if self.average:
            parts.append(have["_average_coef"].reshape(-1, n_features))
            parts.append(have["_average_intercept"].tolist())
        return [Model(*of) for of in zip(*parts, strict=True)], coef.dtype

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
        starts, dtype = self._starts(twin, X, coef_init, intercept_init)
        binary = len(classes) == 2
        held, seeds = self._draws(rows, len(classes))
        matrix, t = as_matrix(X), getattr(twin, "t_", 1.0)
        room = np.empty((len(starts), lanes(X.shape[1])))  # where coef_ will be
        if not binary and self._can_share(task, callback):
            labels = Classes(np.searchsorted(classes, y), weights, self._low)
            scored = None
            if held is not None:
                scored = [self._scored(X, y == name, *held) for name in classes]
            ends = train_together(
                task, matrix, labels, sample_weight, starts, t, scored, room
            )
            return self._ended(twin, ends, rows, room, dtype)

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
                room[output],
            )

        with Team(1 if binary else effective_n_jobs(self.n_jobs)) as team:
            ends = team.map(train, range(len(starts)))
        return self._ended(twin, ends, rows, room, dtype)

    def _can_share(self, task: Task, callback: Callback | None) -> bool:
        """Whether all classes can be trained from one reading of the rows.

        Their order must be the same, and nobody may want to see one class after the
        other.
        """
        return not (
            task.shuffle
            or task.schedule == "adaptive"
            or self.verbose
            or callback is not None
        )

    def _ended(
        self,
        twin: Self,
        ends: list[Trained],
        rows: Rows,
        room: Doubles,
        dtype: np.dtype[Any],
    ) -> list[Trained]:
        """Let the twin have what came of the training."""
        n_samples, n_features = rows.X.shape
        self._finish(twin, ends, n_samples)
        coef = np.ascontiguousarray(room[:, :n_features], dtype)
        self._set_models(twin, coef, [end.model for end in ends])
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
            return held, [shuffling_seed(int(seed), True) for seed in seeds]
        if type(random_state) is int:
            return self._hold_out(rows, rows.y), [shuffling_seed(random_state, True)]
        generator = check_random_state(random_state)
        generator.randint(1, MAX_INT)  # as scikit-learn does
        held = self._hold_out(rows, rows.y)
        return held, [int(generator.randint(MAX_INT))]

    def _targets(self, positive: NDArray[np.bool_]) -> Doubles:
        """Return labels as the loss takes them."""
        return np.where(positive, 1.0, self._low)

    @property
    def _low(self) -> float:
        """What a loss takes for a row of another class."""
        return -1.0 if self.loss in FOR_QUANTITIES else 0.0

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

    def _set_models(self, twin: Self, coef: NDArray[Any], models: list[Model]) -> None:
        """Let the twin have the models.

        What becomes of intercepts with an average is scikit-learn's, though it is odd:
        a later `partial_fit` begins at intercepts that may be those of an earlier one.
        """
        several = len(models) > 1
        intercept = np.array([model.intercept for model in models])
        if several:
            intercept = intercept.astype(twin.intercept_.dtype)
        if not self.average:
            twin.coef_, twin.intercept_ = coef, intercept
            return
        means = np.array([model.mean_coef for model in models], coef.dtype)
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
        if self._knows(X):
            scores = X @ self.coef_.T + self.intercept_
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
        if (
            type(X) is not np.ndarray
            or type(self.__dict__.get("coef_")) is not np.ndarray
        ):
            return super().predict(X)
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return self.classes_[(scores > 0).astype(np.intp)]
        return self.classes_[scores.argmax(axis=1)]


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
