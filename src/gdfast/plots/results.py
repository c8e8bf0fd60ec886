"""What pictures read off a result: of `train`, of `minimize`, or of an estimator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from gdfast._typing import Doubles
from gdfast.fit import Fit
from gdfast.minimum import Minimum
from gdfast.plots.axes import text_of

Result: TypeAlias = Fit | Minimum


class Curve(NamedTuple):
    """The loss of a run.

    Parameters
    ----------
    iteration : ndarray of int64, shape (n_rows,)
        Numbers of the iterations.
    loss : ndarray of float64, shape (n_rows,)
        The loss that each of them saw.
    loss_label : str
        What that is.
    label : str
        What tells this run from others.
    """

    iteration: Any
    loss: Doubles
    loss_label: str
    label: str


class Path(NamedTuple):
    """The parameters of a run.

    Parameters
    ----------
    iteration : ndarray of int64, shape (n_rows,)
        Numbers of the iterations.
    params : ndarray of float64, shape (n_rows, n_params)
        The parameters that each of them saw.
    loss : ndarray of float64, shape (n_rows,)
        The loss there.
    labels : list of str
        What each parameter is.
    """

    iteration: Any
    params: Doubles
    loss: Doubles
    labels: list[str]


def result_of(run: object) -> Result:
    """Return the result of a run.

    Parameters
    ----------
    run : Fit, Minimum or estimator
        The result itself, or an estimator that keeps it as ``fit_``.

    Returns
    -------
    Fit or Minimum
        The result.

    Raises
    ------
    TypeError
        If there is none.
    """
    result = getattr(run, "fit_", run)
    names = getattr(run, "feature_names_in_", None)
    if isinstance(result, Fit) and result is not run and names is not None:
        return replace(result, feature_names=tuple(map(str, names)))
    if isinstance(result, (Fit, Minimum)):
        return result
    if hasattr(run, "loss_curve_"):
        raise TypeError(
            f"run must have the parameters of its iterations, which {type(run)!r} does "
            "not keep: take GDRegressor or GDClassifier, or train, with history='full'"
        )
    raise _no_run(run)


def fit_of(run: object) -> Fit:
    """Return the fit of a linear model.

    Parameters
    ----------
    run : Fit or estimator
        The fit itself, or an estimator that keeps it as ``fit_``.

    Returns
    -------
    Fit
        The fit.

    Raises
    ------
    TypeError
        If there is none.
    """
    result = result_of(run)
    if isinstance(result, Minimum):
        raise TypeError("run must be of a linear model, got a Minimum")
    return result


def curve_of(run: object) -> Curve:
    """Return the loss of every iteration of a run.

    Parameters
    ----------
    run : Fit, Minimum or estimator
        The run; of `SGDRegressor` and `SGDClassifier` too.

    Returns
    -------
    Curve
        Its losses.

    Raises
    ------
    TypeError
        If it is nothing of these.
    ValueError
        If it kept no history.
    """
    if not hasattr(run, "fit_") and hasattr(run, "loss_curve_"):
        return _curve_of_epochs(run)
    result = result_of(run)
    if result.history is None:
        caller = "train" if isinstance(result, Fit) else "minimize"
        raise ValueError(
            f'run has no history to draw: call {caller} with history="loss" or "full"'
        )
    rate = f"learning rate {text_of(result.learning_rate)}"
    if result.state is not None and result.state.optimizer.name != "gd":
        rate = f"{result.state.optimizer.name}, {rate}"
    name = "loss" if isinstance(result, Fit) else "fun"
    history = result.history
    return Curve(history["iteration"], history[name], loss_label(result), rate)


def _curve_of_epochs(estimator: Any) -> Curve:
    """Return the losses of an estimator that keeps one for every epoch."""
    losses = estimator.loss_curve_
    if len(losses) and not np.isscalar(losses[0]):
        raise ValueError(
            f"run has {len(losses)} loss curves, one for each class: draw them by "
            "themselves, they are run.loss_curve_"
        )
    rate = f"learning rate {estimator.learning_rate}, eta0 {estimator.eta0:.4g}"
    if estimator.learning_rate == "optimal":
        rate = "learning rate optimal"
    return Curve(
        np.arange(1, len(losses) + 1), np.asarray(losses), "mean objective", rate
    )


def path_of(run: object) -> Path:
    """Return the parameters of every iteration of a run.

    Parameters
    ----------
    run : Fit, Minimum or estimator
        The run.

    Returns
    -------
    Path
        The parameters in the caller's units, those of several outputs side by side.

    Raises
    ------
    TypeError
        If it is nothing of these, or does not keep any.
    ValueError
        If it did not keep them.
    """
    result = result_of(run)
    history = result.history
    fields = () if history is None else history.array.dtype.names or ()
    if isinstance(result, Fit) and history is not None and "coef" in fields:
        n_rows = len(history)
        params = history["coef"].reshape(n_rows, -1)
        if "intercept" in fields:
            params = np.c_[params, history["intercept"].reshape(n_rows, -1)]
        labels = parameter_labels(result, "intercept" in fields)
        return Path(history["iteration"], params, history["loss"], labels)
    if isinstance(result, Minimum) and history is not None and "x" in fields:
        params = history["x"].reshape(len(history), -1)
        labels = [f"x[{j}]" for j in range(params.shape[1])]
        labels = labels if np.ndim(result.x) else ["x"]
        return Path(history["iteration"], params, history["fun"], labels)
    kept = "no history" if history is None else "a history of the loss alone"
    raise ValueError(
        f'run has {kept}, not of the parameters: pass history="full" to what makes it'
    )


def parameter_labels(fit: Fit, with_intercept: bool) -> list[str]:
    """Return what the parameters of a model are called in pictures.

    Parameters
    ----------
    fit : Fit
        The model.
    with_intercept : bool
        Whether the intercept is one of them.

    Returns
    -------
    list of str
        Coefficients, of several outputs one output after the other, then intercepts.
    """
    *outputs, n_features = fit.coef.shape
    if fit.feature_names is not None:
        names = [f"coefficient of {name}" for name in fit.feature_names]
    elif n_features == 1:
        names = ["coefficient"]
    else:
        names = [f"coefficient of x{j + 1}" for j in range(n_features)]
    numbers = [f" [{k}]" for k in range(outputs[0])] if outputs else [""]
    labels = [name + number for number in numbers for name in names]
    if with_intercept:
        labels += [f"intercept{number}" for number in numbers]
    return labels


def loss_label(result: Result) -> str:
    """Return what a run made smaller.

    Parameters
    ----------
    result : Fit or Minimum
        The run.

    Returns
    -------
    str
        The label of an axis.
    """
    if isinstance(result, Minimum):
        return "value of the function"
    penalty = " + penalty" if result.penalty else ""
    return f"mean {result.loss_name.replace('_', ' ')}{penalty}"


def _no_run(run: object) -> TypeError:
    """Return the error for what is no run."""
    hint = ""
    if hasattr(run, "fit") and hasattr(run, "get_params"):
        hint = "; it is not fitted yet"
    return TypeError(
        f"run must be a Fit, a Minimum or a fitted estimator, got {type(run)!r}{hint}"
    )
