"""The result of a run, and the file it is kept in."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Real
from typing import Any, Generic, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from gdfast._files import atomic_write
from gdfast._typing import Doubles
from gdfast._validation import check_X, raise_nonfinite
from gdfast._version import __version__
from gdfast.csr import CSR
from gdfast.history import History
from gdfast.optimizers import OPTIMIZERS, Optimizer

FORMAT = 1  # of saved and pickled fits; one more when old ones would be misread
MAGIC = b"gdfast fit, sha256 "
PREDICT_VALUES = 1 << 17  # of X in a piece: 1 MB, if it has to be widened to double
SHOWN_COEFFICIENTS = 10

T = TypeVar("T")


class Sampling(NamedTuple):
    """What decides which rows a step sees; all None where every step sees all.

    Parameters
    ----------
    batch_size : int or None
        Rows of a batch.
    shuffle : bool or None
        Whether the order of batches is drawn.
    validation_fraction : float or None
        The part of the rows that is held out.
    start : str or None
        What is drawn from, before the first draw: the state of a generator as text.
    """

    batch_size: int | None = None
    shuffle: bool | None = None
    validation_fraction: float | None = None
    start: str | None = None


EVERY_ROW = Sampling()


class State(NamedTuple):
    """Where a run ended, so that another one can go on as if it had not.

    Parameters
    ----------
    params : ndarray of float64, shape (n_params,)
        Parameters of the columns trained on.
    optimizer : Optimizer
        The update rule.
    memory : ndarray of float64
        What it remembered.
    method : str
        How steps were made.
    carried : ndarray of float64 or None
        What that has to know besides.
    watched : ndarray of float64 or None
        What rules know that wait for a lower loss: the learning rate, the lowest loss
        and the iterations since; with early stopping, of the best model the iterations
        before it, the loss on the rows held out, and the parameters as well.
    sampling : Sampling
        Which rows the steps saw.
    """

    params: Doubles
    optimizer: Optimizer
    memory: Doubles
    method: str
    carried: Doubles | None
    watched: Doubles | None = None
    sampling: Sampling = EVERY_ROW


class Late(Generic[T]):
    """A field of a result that may be a function of it, called when first read.

    Then the value takes its place, and what the function held is let go.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, fit: Any, owner: type) -> T:
        if fit is None:  # the class is asked for a default
            raise AttributeError(self.name)
        value = fit.__dict__[self.name]
        if callable(value):
            value = fit.__dict__[self.name] = value(fit)
        return cast(T, value)

    def __set__(self, fit: Any, value: T | Callable[[Any], T]) -> None:
        fit.__dict__[self.name] = value


class Kept:
    """What results have in common: pickles that say which version wrote them."""

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields, with the format and the version that wrote them."""
        state = {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]
        return {"format": FORMAT, "version": __version__, **state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the fields of a pickled result."""
        _check_written(state)
        for each in fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, each.name, state[each.name])


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit(Kept):
    """A linear model, and how it was found.

    Parameters
    ----------
    coef : ndarray of float64, shape (n_features,) or (n_outputs, n_features)
        Coefficients, in units of y per unit of each column of X; for "log_loss" those
        of the log-odds of y = 1, for "poisson" of the logarithm of the expected y. A
        row for each output if y had columns or was numbers of classes.
    intercept : float or ndarray of float64, shape (n_outputs,)
        Constant term, in the units of a prediction; 0 if none was fitted. One for each
        output where there are several.
    loss : float
        The objective of this model on the training data: mean loss and penalty.
    n_iter : int
        Updates made.
    converged : bool
        Whether a tolerance was reached.
    stop_reason : str
        Why the run ended, in words, and what would help if it did not converge.
    learning_rate : float
        The rate of the last step; of standardised columns where they were trained on.
    max_stable_learning_rate : float or None
        The rate above which the update rule diverges on these data. If the loss is not
        square, on squares that curve as much as it does at most: "gd" is stable below
        it for any loss, which is not proven of rules with momentum. None where finding
        it would have cost more than a tenth of the run, for losses that have none, and
        for rules and rates that adapt to the gradients.
    history : History or None
        What every iteration saw.
    feature_names : tuple of str or None
        Names of the columns of X, if it had them.
    n_classes : int or None
        How many classes `y` was numbers of, for which `coef` has a row each; None if
        it was targets themselves, as labels 0 and 1 are.
    loss_name : str
        Name of the loss.
    loss_params : dict of str to float
        Its parameter by name; empty if it has none.
    penalty : dict of str to float
        Factors of the penalty by its names, ``l1`` and ``l2``; empty if it has none.
    standardized : bool
        Whether it was trained on standardised columns, to which the learning rates
        then belong.
    method : str
        How the steps were made: by "passes" over the data, one a step, or on their
        "moments", which one pass adds up and which are taken for squared errors where
        that is estimated to be faster (many rows and steps). The steps are the same.
        Or on "batches" of rows, an iteration being all of these.
    n_samples : int or None
        Rows of the data, with those held out; None if an old version trained it.
    settings : dict of str to number, text or None
        Arguments of `train` that are not found elsewhere here, by their names: the
        learning rate as it was asked for, the stopping rules; of arguments that are
        arrays or fits, whether they were given. Empty if an old version trained it.
    state : State or None
        What `train` needs to go on with this run.

    Notes
    -----
    After a short run on few values, `stop_reason` and `max_stable_learning_rate` are
    found when they are first read, as they are when the fit is printed, saved or
    pickled; finding them takes longer than such a run. The fit keeps a copy of the data
    until then, at most 4096 values of `X`. The history of any run is put
    together when it is first read.

    Examples
    --------
    >>> import gdfast
    >>> fit = gdfast.train([[1.0], [2.0], [3.0]], [3.0, 5.0, 7.0], gtol=1e-9)
    >>> fit.converged, round(fit.intercept, 6), fit.coef.round(6)
    (True, 1.0, array([2.]))
    >>> fit.predict([[10.0]]).round(6)
    array([21.])
    """

    coef: Doubles
    intercept: float | Doubles
    loss: float
    n_iter: int
    converged: bool
    stop_reason: Late[str] = Late()
    learning_rate: float
    max_stable_learning_rate: Late[float | None] = Late()
    history: Late[History | None] = field(default=Late(), repr=False)
    feature_names: tuple[str, ...] | None
    n_classes: int | None = None
    loss_name: str
    loss_params: dict[str, float]
    penalty: dict[str, float]
    standardized: bool
    method: str
    n_samples: int | None = None
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    state: State | None = field(default=None, repr=False)

    def predict(self, X: object) -> Doubles:
        """Return the raw predictions ``X @ coef.T + intercept``.

        Parameters
        ----------
        X : array-like, CSR matrix or data frame, shape (n_samples, n_features)
            Features, in the order of the training data. One dimension, or a single
            number, is taken as values of the only feature of a model that has one.

        Returns
        -------
        ndarray of float64, shape (n_samples,) or (n_samples, n_outputs)
            Predictions, in units of y, or for "log_loss" the log-odds of y = 1, for
            "poisson" the logarithm of the expected y; of labels, above 0 for 1. Of
            several classes, the largest of a row is that of the class:
            ``fit.predict(X).argmax(axis=1)``. A number for a number, or a row.

        Raises
        ------
        TypeError
            If X does not hold numbers.
        ValueError
            If X has another number of columns, columns of other names or in another
            order than the training data, or values that are missing or infinite.
        """
        if isinstance(X, Real) or (isinstance(X, np.ndarray) and X.ndim == 0):
            number: Doubles = self.predict([X])[0]
            return number
        matrix, names = check_X(X)
        n_samples, n_features = matrix.shape
        if n_features != self.coef.shape[-1]:
            raise ValueError(
                f"X has {n_features} columns, but the model has {self.coef.shape[-1]} "
                "coefficients"
            )
        if None not in (names, self.feature_names) and names != self.feature_names:
            raise ValueError(
                f"X has the feature names {_listed(names)}, but the model was trained "
                f"on {_listed(self.feature_names)}, in this order"
            )
        prediction = np.empty((n_samples, *self.coef.shape[:-1]))
        if isinstance(matrix, CSR):
            for part in matrix.chunks(PREDICT_VALUES):
                prediction[part] = matrix[part].dot(self.coef)
        else:
            rows = max(1, PREDICT_VALUES // n_features)
            for start in range(0, n_samples, rows):
                part = slice(start, start + rows)
                np.matmul(matrix[part], self.coef.T, out=prediction[part])
        prediction += self.intercept
        if not np.isfinite(prediction).all():
            raise_nonfinite(X=matrix)
        return prediction

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write this fit to a file, for `gdfast.load`.

        Parameters
        ----------
        path : path-like
            The file. It appears as a whole or not at all: a crash, a full disk or
            Ctrl-C leaves what was there before.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        # Only needed here and in `load`; keep the import of gdfast short.
        import hashlib
        import io
        import json

        state = self.__getstate__()
        arrays = {"coef": state.pop("coef")}
        if isinstance(self.intercept, np.ndarray):
            arrays["intercept"] = state.pop("intercept")
        if self.state is not None:
            ended = state.pop("state")._asdict()
            rule = ended.pop("optimizer")
            state["optimizer"] = {"name": rule.name, **asdict(rule)}
            state["carries"] = ended["carried"] is not None
            state["sampling"] = ended["sampling"]
            arrays |= {
                f"state_{name}": value
                for name, value in ended.items()
                if isinstance(value, np.ndarray)
            }
        if self.history is not None:
            arrays["history"] = state.pop("history").array
        payload = io.BytesIO()
        np.savez(payload, state=np.array(json.dumps(state)), **arrays)
        content = payload.getvalue()
        with atomic_write(path) as file:
            file.write(MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n")
            file.write(content)

    def report(
        self,
        path: str | os.PathLike[str],
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        title: str | None = None,
    ) -> None:
        """Write a report of this run: one HTML file that needs nothing beside it.

        It has the model, why the run ended, its loss curve and the first, the last and
        some rows between of its history, and its settings. With the data it also has
        their summary, the fitted line of a single feature, the learning rates that the
        data allow with the iterations that each needs, and advice.

        Parameters
        ----------
        path : path-like
            The file. It appears as a whole or not at all.
        X : array-like, CSR matrix or data frame, of shape (n_samples, n_features)
            The features that it was trained on; None for a report without data.
        y : array-like, shape (n_samples,) or (n_samples, n_outputs)
            The targets that it was trained on; of a classifier the numbers of its
            labels, ``numpy.searchsorted(classifier.classes_, y)``. A name of theirs (a
            pandas or polars Series has one) is what the report calls them.
        sample_weight : array-like, shape (n_samples,), or None
            The weights that it was trained with; of a run with `class_weight`, the
            products of both.
        title : str or None
            Heading of the page; None for one with the name of `y`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        OSError
            If the file cannot be written.
        TypeError, ValueError
            If the data are no such, or have other shapes than those of the training.

        Notes
        -----
        The same run and data give the same bytes. There is no script in the file, and
        names of columns are shown as text whatever they are.

        The data are read some ten times, and for the learning rates at n_samples
        n_features^2 operations, as in `learning_rates`.

        Examples
        --------
        >>> import gdfast
        >>> mpg = gdfast.example_data("mpg")
        >>> X, y = mpg.select(["pounds_1000"]), mpg["mpg"]
        >>> fit = gdfast.train(X, y, learning_rate=0.01, max_iter=5, history="full")
        >>> fit.report("cars.html", X, y, title="Seven cars")  # doctest: +SKIP

        A run that diverged has a report as well:

        >>> try:
        ...     gdfast.train(X, y, learning_rate=1)
        ... except gdfast.DivergenceError as error:
        ...     error.fit.report("diverged.html", X, y)  # doctest: +SKIP
        """
        from gdfast.report import write

        write(path, self, X, y, sample_weight=sample_weight, title=title)

    def __str__(self) -> str:
        """Return a summary of a few lines."""
        n_features = self.coef.shape[-1]
        names = self.feature_names or [f"x{j + 1}" for j in range(n_features)]
        rows = [
            *shown([f"coef {name}" for name in names], self.coef),
            *shown(["intercept"], np.asarray(self.intercept)[..., None]),
            *figures(self),
        ]
        return summary(rows, self.stop_reason)


def settle(result: Kept) -> None:
    """Find now all but the history that would be found when it is first read."""
    for each in fields(result):  # type: ignore[arg-type]
        if each.name != "history":
            getattr(result, each.name)


class DivergenceError(ArithmeticError):
    """The loss grew instead of falling.

    Parameters
    ----------
    message : str
        Iteration, learning rate, the largest stable one and what to do.
    fit : Fit or Minimum
        The run until then, with its history; not a model to use, nor a minimum.

    Attributes
    ----------
    fit : Fit or Minimum
        As passed.
    """

    def __init__(self, message: str, fit: Any) -> None:
        super().__init__(message, fit)
        self.fit = fit

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0])


def load(path: str | os.PathLike[str]) -> Fit:
    """Read a fit that `Fit.save` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Fit
        The fit, the same bits. A fit of another version of gdfast comes with a
        warning that names both.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no saved fit, is damaged, or has a format that this version does not
        know.
    """
    import hashlib
    import io
    import json

    with open(path, "rb") as file:
        head = file.readline(len(MAGIC) + 65)
        content = file.read()
    if not head.startswith(MAGIC):
        raise ValueError(f"{os.fspath(path)!r} is not a saved fit of gdfast")
    if head != MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n":
        raise ValueError(f"{os.fspath(path)!r} is damaged: its checksum does not match")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        state = json.loads(archive["state"].item())
        _check_written(state)
        state["coef"] = archive["coef"]
        if "intercept" in archive:
            state["intercept"] = archive["intercept"]
        if state["feature_names"] is not None:
            state["feature_names"] = tuple(state["feature_names"])
        if "optimizer" in state:
            rule = state["optimizer"]
            state["state"] = State(
                archive["state_params"],
                replace(OPTIMIZERS[rule.pop("name")], **rule),
                archive["state_memory"],
                state["method"],
                archive["state_carried"] if state["carries"] else None,
                archive.get("state_watched"),
                Sampling(*state.get("sampling", ())),
            )
        if "history" in archive:
            state["history"] = History(archive["history"], state["feature_names"])
    return Fit(**{each.name: state[each.name] for each in fields(Fit)})


def _check_written(state: dict[str, Any]) -> None:
    """Raise or warn if a fit was written in another format or by another version.

    What older versions of the same format did not write is filled in.
    """
    written = state["version"]
    if state["format"] != FORMAT:
        raise ValueError(
            f"this fit was written by gdfast {written}, in a format that "
            f"gdfast {__version__} does not read"
        )
    if written != __version__:
        warnings.warn(
            f"this fit was written by gdfast {written} and is read by {__version__}",
            stacklevel=3,
        )
    state.setdefault("method", "passes")  # there was nothing else
    state.setdefault("state", None)
    state.setdefault("penalty", {})
    state.setdefault("loss_params", {})
    state.setdefault("n_classes", None)
    state.setdefault("n_samples", None)
    state.setdefault("settings", {})


def _listed(names: tuple[str, ...] | None) -> str:
    """Return names for a message, the first few of many."""
    shown = [repr(name) for name in (names or ())[:8]]
    return ", ".join([*shown, "..."] if len(names or ()) > 8 else shown)


def figures(fit: Fit) -> list[tuple[str, str]]:
    """Return what the summary of a fit says of its run.

    Parameters
    ----------
    fit : Fit
        The fit.

    Returns
    -------
    list of pair of str
        Labels and values.
    """
    rows = []
    if fit.n_classes is not None:
        rows.append(("classes", str(fit.n_classes)))
    params = [f"{name}={value:g}" for name, value in fit.loss_params.items()]
    penalty = "".join(f" + {by:g} {name}" for name, by in fit.penalty.items())
    loss = ", ".join([fit.loss_name, *params]) + penalty
    stable = fit.max_stable_learning_rate
    note = "" if stable is None else f" (stable below {stable:.6g})"
    if fit.standardized:
        note += ", of standardised columns"
    return [
        *rows,
        (f"{'objective' if penalty else 'loss'} ({loss})", f"{fit.loss:.10g}"),
        ("iterations", str(fit.n_iter)),
        ("learning rate", f"{fit.learning_rate:.6g}{note}"),
    ]


def shown(labels: list[str], values: Doubles) -> list[tuple[str, str]]:
    """Return the first rows of a summary for values of one output, or of each.

    Parameters
    ----------
    labels : list of str
        Their names.
    values : ndarray of float64, shape (n,) or (n_outputs, n)
        The values.

    Returns
    -------
    list of pair of str
        Labels and values; the last one may say how many were left out.
    """
    if values.ndim == 2:
        labels = [f"{label} [{k}]" for k in range(len(values)) for label in labels]
    terms = list(zip(labels, values.flat, strict=True))[:SHOWN_COEFFICIENTS]
    rows = [(label, f"{value:.10g}") for label, value in terms]
    if values.size > len(terms):
        rows.append(("...", f"{values.size - len(terms)} more"))
    return rows


def summary(rows: list[tuple[str, str]], stop_reason: str) -> str:
    """Return what a result is printed as.

    Parameters
    ----------
    rows : list of pair of str
        Labels and values.
    stop_reason : str
        Why the run ended.

    Returns
    -------
    str
        Some lines.
    """
    width = max(len(label) for label, _ in rows)
    lines = [f"{label.ljust(width)}  {value}" for label, value in rows]
    return "\n".join([*lines, stop_reason])
