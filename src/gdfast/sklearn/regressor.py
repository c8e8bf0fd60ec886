"""SGDRegressor."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import linear_model
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from gdfast._typing import Doubles, Floats
from gdfast.sklearn.checks import (
    as_matrix,
    check_rows,
    check_weights,
    is_plain,
    is_plain_line,
    keeps_features,
    refuse,
)
from gdfast.sklearn.stochastic import (
    MAX_INT,
    Callback,
    Rows,
    Stochastic,
    check_start,
    shuffling_seed,
)
from gdfast.stochastic import HeldOut, Model, Task, Trained, train_rows


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


class SGDRegressor(Stochastic, linear_model.SGDRegressor):
    """Linear regression by stochastic gradient descent.

    Takes the place of ``sklearn.linear_model.SGDRegressor`` 1.9: its parameters, their
    defaults, its attributes and methods are the same, and so are the coefficients, up
    to rounding, and the number of epochs, for the same `random_state`. What they mean
    in detail is said there.

    Parameters
    ----------
    loss : str, default 'squared_error'
        'squared_error' (half of it), 'huber', 'epsilon_insensitive' or
        'squared_epsilon_insensitive'.
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
    random_state : int, RandomState or None, default None
        What the order of the rows, and rows held out, are drawn with.
    learning_rate : str, default 'invscaling'
        'constant', 'optimal', 'invscaling' or 'adaptive'; 'pa1' and 'pa2' are the
        passive-aggressive updates, for 'epsilon_insensitive' alone.
    eta0 : float, default 0.01
        The first rate, or the aggressiveness of 'pa1' and 'pa2'.
    power_t : float, default 0.25
        Exponent of 'invscaling'.
    early_stopping : bool, default False
        Whether to stop by the score of rows that are held out.
    validation_fraction : float, default 0.1
        The part of them.
    n_iter_no_change : int, default 5
        Epochs without improvement, after which it is enough.
    warm_start : bool, default False
        Whether `fit` begins with the model of the last one.
    average : bool or int, default False
        Whether the model is the mean of those after every step, or from which step on.

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
        rule looks at without `early_stopping`. ``partial_fit`` adds to this very list.
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
    >>> X = np.linspace(-2, 2, 100)[:, np.newaxis]
    >>> model = SGDRegressor(random_state=0).fit(X, 3.0 * X[:, 0] + 1.0)
    >>> model.coef_.round(2), model.intercept_.round(2), model.n_iter_
    (array([2.99]), array([0.98]), 20)
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
        ends = self._trained(twin, task, rows, coef_init, intercept_init, callback)
        self._publish(twin, ends, partial=False)
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
        task, twin = self._task(partial=True), self._twin()
        rows = self._check(twin, X, y, sample_weight)
        return self._one_epoch(twin, task, rows)

    def _check(self, twin: Self, X: Any, y: Any, sample_weight: Any) -> Rows:
        """Return the data, and let the twin know the features."""
        first = twin.__dict__.get("coef_") is None
        plain = is_plain(X, not self.early_stopping) and is_plain_line(y, len(X), "fiu")
        if plain:
            y = y.astype(X.dtype, copy=False)
            plain = math.isfinite(np.vdot(y, y))
        if not (plain and keeps_features(twin, X.shape[1], first)):
            X, y = check_rows(twin, X, y, first)
            y = y.astype(X.dtype, copy=False)
        return Rows(X, y, check_weights(sample_weight, X))

    def _start(
        self, twin: Self, X: Any, coef_init: Any, intercept_init: Any
    ) -> tuple[Model, np.dtype[Any]]:
        """Return where to begin, and of which type coefficients are."""
        n_features = X.shape[1]
        have = twin.__dict__
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
    ) -> list[Trained]:
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
            seed = shuffling_seed(random_state, False)
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
        return [end]

    def _decision_function(self, X: Any) -> NDArray[Any]:
        """Return predictions."""
        if self._knows(X):
            return X @ self.coef_ + self.intercept_
        check_is_fitted(self)
        refuse(X)
        return super()._decision_function(X)
