"""Stochastic gradient descent by scikit-learn's rules: a step on each row by itself.

The kernel makes the steps. This module knows epochs: in which order rows come, at which
rates, and when it is enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gdfast._backend import kernel
from gdfast._typing import Doubles, Floats
from gdfast.aligned import VECTOR_VALUES, aligned_zeros
from gdfast.csr import CSR, Matrix

# Work of a call of the kernel, in values of X: some milliseconds, after which Ctrl-C is
# answered. A row costs as much as so many values, and a sparse value as so many.
PIECE_VALUES = 1 << 23
ROW_VALUES = 32
SPARSE_VALUES = 4
PIECE_ROWS = 1 << 20  # whose order is made at a time, for the same reason
BLOCK = 1 << 12  # rates that are kept together
NO_RATES: Doubles = np.empty(0)
SMALLEST_RATE = 1e-6  # which "adaptive" does not divide any more
SPARSE_INTERCEPT = 0.01  # the intercept's part of a rate, where rows are sparse
# The kernel cuts slopes at 1e12. Losses whose slopes were cut add up to at least this.
CUT_LOSS = 2.5e23
RULES = {"pa1": 1, "pa2": 2}  # the kernel's numbers of passive-aggressive updates


class Task(NamedTuple):
    """What an estimator's parameters ask for.

    Parameters
    ----------
    kind, param : int, float
        The loss.
    alpha, l1, l2 : float
        Factor of the penalty, and its shares.
    schedule : str
        "constant", "optimal", "invscaling", "adaptive", "pa1" or "pa2".
    eta0, power_t : float
        What it takes.
    fit_intercept : bool
        Whether there is an intercept.
    shuffle : bool
        Whether rows come in another order than they lie.
    max_iter : int
        Largest number of epochs.
    tol : float or None
        What the objective must fall by, or the score rise, in `patience` epochs.
    patience : int
        How many they are.
    average : int
        First step that counts for the average; 0 for no average.
    curvature : float
        The largest second derivative of the loss where rates begin so large that
        rounding may grow from step to step; else 0.
    """

    kind: int
    param: float
    alpha: float
    l1: float
    l2: float
    schedule: str
    eta0: float
    power_t: float
    fit_intercept: bool
    shuffle: bool
    max_iter: int
    tol: float | None
    patience: int
    average: int
    curvature: float = 0.0


class Model(NamedTuple):
    """Where training begins or ends.

    Parameters
    ----------
    coef : ndarray of float64, shape (n_features,)
        Coefficients.
    intercept : float
        Constant term.
    mean_coef : ndarray of float64, shape (n_features,), or None
        Their mean, with an average.
    mean_intercept : float
        The mean of it.
    """

    coef: Doubles
    intercept: float = 0.0
    mean_coef: Doubles | None = None
    mean_intercept: float = 0.0


class HeldOut(NamedTuple):
    """Rows that are not trained on.

    Parameters
    ----------
    rows : ndarray of bool, shape (n_samples,)
        Which ones.
    score : callable
        Takes coefficients and the intercept, and returns how good they are on them.
    """

    rows: NDArray[np.bool_]
    score: Callable[[Doubles, float], float]


class Epoch(NamedTuple):
    """What a callback is told after every epoch.

    Parameters
    ----------
    epoch : int
        Its number, from 1.
    steps : int
        Steps made since the training began.
    loss : float
        Mean loss of the rows, each before its own step.
    objective : float
        The same with the penalty.
    coef : ndarray of float64, shape (n_features,)
        Coefficients; not their average.
    intercept : float
        Constant term.
    validation_score : float or None
        Score of the rows held out, with `early_stopping`.
    output : int
        Which of several classes is being told from the rest; 0 if there is one output.
    """

    epoch: int
    steps: int
    loss: float
    objective: float
    coef: Doubles
    intercept: float
    validation_score: float | None = None
    output: int = 0


Watch = Callable[[Epoch], bool]
LossOfNothing = Callable[[], float]


class Trained(NamedTuple):
    """The end of a training.

    Parameters
    ----------
    model : Model
        Where it ended.
    objectives : list of float
        Mean objective of every epoch.
    scores : list of float
        Score of the rows held out after every epoch; empty if there are none.
    reason : str
        Why it ended.
    diverged : tuple of float or None
        Mean loss of the last epoch and that of no model, if slopes were cut and the
        former is higher.
    finite : bool
        Whether all predictions were, as they are where X is and nothing overflows.
    """

    model: Model
    objectives: list[float]
    scores: list[float]
    reason: str
    diverged: tuple[float, float] | None
    finite: bool


class Rates:
    """The learning rates of one step after the other.

    Parameters
    ----------
    task : Task
        Has the schedule.
    t : float
        Number of the first step.
    """

    def __init__(self, task: Task, t: float) -> None:
        self.eta = task.eta0
        self._schedule = task.schedule
        self._formula = task.schedule, task.alpha, task.eta0, task.power_t
        self._changes = task.schedule in ("invscaling", "optimal")
        self._t = t
        self._same = NO_RATES  # rates that do not change, of as many steps as yet

    def take(self, n: int) -> Doubles:
        """Return the rates of the next steps.

        Parameters
        ----------
        n : int
            How many.

        Returns
        -------
        ndarray of float64, shape (n,)
            The rates; others may have the same memory.
        """
        if not self._changes:
            if n > len(self._same):
                self._same = np.full(n, self.eta)
            return self._same[:n]
        t, self._t = self._t, self._t + n
        if n > BLOCK:
            return rates_from(t, n, *self._formula)
        number, start = divmod(int(t) - 1, BLOCK)
        rates = block(number, *self._formula)[start : start + n]
        if len(rates) < n:
            more = block(number + 1, *self._formula)[: n - len(rates)]
            rates = np.concatenate([rates, more])
        return rates

    def lower(self) -> bool:
        """Divide an adaptive rate; False if there is no lower one."""
        if self._schedule != "adaptive" or self.eta <= SMALLEST_RATE:
            return False
        self.eta /= 5
        self._same = NO_RATES
        return True


@lru_cache(32)
def block(
    number: int, schedule: str, alpha: float, eta0: float, power_t: float
) -> Doubles:
    """Return the rates of some steps that many trainings make.

    Parameters
    ----------
    number : int
        Which block of steps, from 0.
    schedule, alpha, eta0, power_t
        As in `Task`.

    Returns
    -------
    ndarray of float64, shape (BLOCK,)
        The rates, read-only.
    """
    rates = rates_from(number * BLOCK + 1.0, BLOCK, schedule, alpha, eta0, power_t)
    rates.flags.writeable = False
    return rates


def rates_from(
    t: float, n: int, schedule: str, alpha: float, eta0: float, power_t: float
) -> Doubles:
    """Return the rates of successive steps, "invscaling" or "optimal".

    Parameters
    ----------
    t : float
        Number of the first step.
    n : int
        How many.
    schedule, alpha, eta0, power_t
        As in `Task`.

    Returns
    -------
    ndarray of float64, shape (n,)
        The rates.
    """
    steps = np.arange(t, t + n)
    with np.errstate(all="ignore"):  # what comes of it shows in the coefficients
        if schedule == "optimal":
            first = math.sqrt(1 / math.sqrt(alpha))
            steps += 1 / (first * alpha)
            steps -= 1.0  # by itself, as scikit-learn rounds
            steps *= alpha
            np.divide(1.0, steps, out=steps)
            return steps
        if power_t == 0.25:  # as roots take a fraction of a power's time
            np.sqrt(np.sqrt(steps, out=steps), out=steps)
        else:
            np.power(steps, power_t, out=steps)
        np.divide(eta0, steps, out=steps)
    return steps


class Pieces:
    """Steps on rows, in calls of the kernel that take some milliseconds each.

    Parameters
    ----------
    task : Task
        What is asked for.
    X : ndarray of float32 or float64, shape (n_samples, n_features), or CSR
        Features.
    targets : ndarray, shape (n_samples,)
        What the kernel takes for them.
    sample_weight : ndarray of float64, shape (n_samples,), or None
        Factors of the updates; None for 1.
    steps : kernel.Stochastic or kernel.StochasticOutputs
        Makes them.
    t : float
        Number of the first step.
    class_factor : float
        What may multiply the factor of an update.
    n_outputs : int or None
        How many outputs it makes steps on; None for a single one, whose sums have no
        axis of outputs.
    values : int
        Work of a call, as `PIECE_VALUES`.

    Notes
    -----
    How the steps of an epoch are cut into calls of the kernel depends on the shape of X
    and on the number of outputs alone.
    """

    def __init__(
        self,
        task: Task,
        X: Matrix,
        targets: NDArray[Any],
        sample_weight: Doubles | None,
        steps: Any,
        t: float,
        class_factor: float = 1.0,
        n_outputs: int | None = None,
        values: int = PIECE_VALUES,
    ) -> None:
        self.steps = steps
        self.rates = Rates(task, t)
        largest = 1.0 if sample_weight is None else float(sample_weight.max())
        self._safe_rate = safe_rate(task, X, largest * class_factor)
        n_rows, work = X.shape
        self._step: Callable[..., None] = steps.step
        self._data: tuple[Any, ...] = (X, targets, sample_weight)
        if isinstance(X, CSR):
            self._step = steps.step_csr
            self._data = (X.data, X.indices, X.indptr, targets, sample_weight)
            work = SPARSE_VALUES * X.size // n_rows
        self._sums = (4,) if n_outputs is None else (n_outputs, 4)
        self._piece: int = max(1, values // ((work + ROW_VALUES) * (n_outputs or 1)))

    def fitting(self, n_rows: int) -> int:
        """Return how many epochs of so many rows one call makes."""
        return max(1, self._piece // n_rows)

    def epochs(
        self,
        order: NDArray[np.intp],
        n_epochs: int,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Doubles:
        """Make a step on each of some rows.

        Parameters
        ----------
        order : ndarray of intp
            The rows of all epochs, in the order of the steps.
        n_epochs : int
            How many these are; if more than one, not more than `fitting`.
        stopped : callable
            Whether what follows is not wanted any more.

        Returns
        -------
        ndarray of float64, shape (n_epochs, 4) or (n_epochs, n_outputs, 4)
            Sums of the losses, and of losses and penalties, what is finite if the model
            is, and what is if all predictions are.
        """
        seen = np.empty((n_epochs, *self._sums))
        total: Any = 0.0
        for start in range(0, len(order), self._piece):
            if start and stopped():
                break
            rows = order[start : start + self._piece]
            rates = self.rates.take(len(rows))
            self.steps.in_order = bool(rates[0] > self._safe_rate)
            self._step(*self._data, rows, rates, seen)
            if len(rows) < len(order):
                total = total + seen[0]
                seen[0][..., [0, 1, 3]] = total[..., [0, 1, 3]]
        return seen


def rules_of(
    task: Task, X: Matrix
) -> tuple[int, float, float, float, float, float, float]:
    """Return what the kernel takes of a task for one output and for several.

    Parameters
    ----------
    task : Task
        What is asked for.
    X : ndarray of float32 or float64, shape (n_samples, n_features), or CSR
        Features.

    Returns
    -------
    rule, aggressiveness, alpha, l1, l2, intercept_rate, average_from : int, float
        Its arguments of these names.
    """
    intercept_rate = SPARSE_INTERCEPT if isinstance(X, CSR) else 1.0
    return (
        RULES.get(task.schedule, 0),
        task.eta0,
        task.alpha,
        task.l1,
        task.l2,
        intercept_rate if task.fit_intercept else 0.0,
        float(task.average) if task.average else math.inf,
    )


class Descent(Pieces):
    """Steps on the rows of one output.

    Parameters
    ----------
    task : Task
        What is asked for.
    X : ndarray of float32 or float64, shape (n_samples, n_features), or CSR
        Features. The values of a row are contiguous; no column twice in a row.
    y : ndarray of float64, shape (n_samples,)
        Targets, or 0 and 1.
    sample_weight : ndarray of float64, shape (n_samples,), or None
        Factors of the updates; None for 1.
    start : Model
        Where to begin; it is not changed.
    t : float
        Number of the first step.
    room : ndarray of float64, shape (lanes(n_features),), changed, or None
        Memory for the coefficients; None for some of its own.
    """

    steps: kernel.Stochastic

    def __init__(
        self,
        task: Task,
        X: Matrix,
        y: Doubles,
        sample_weight: Doubles | None,
        start: Model,
        t: float,
        room: Doubles | None = None,
    ) -> None:
        self.n_features = X.shape[1]
        self._coef = padded(start.coef, room)
        self._mean = None if start.mean_coef is None else padded(start.mean_coef)
        steps = kernel.Stochastic(
            task.kind,
            task.param,
            self.n_features,
            self._coef,
            self._mean,
            np.zeros_like(self._coef) if task.l1 else None,
            *rules_of(task, X),
        )
        steps.intercept = start.intercept
        steps.mean_intercept = start.mean_intercept
        steps.t = t
        super().__init__(task, X, y, sample_weight, steps, t)

    @property
    def stored(self) -> Doubles:
        """The coefficients without their factor."""
        return self._coef[: self.n_features]

    def coef(self) -> Doubles:
        """Return a copy of the coefficients."""
        return self.stored * self.steps.scale

    def score(self, held_out: HeldOut) -> float:
        """Return how good the model is on rows held out.

        Parameters
        ----------
        held_out : HeldOut
            The rows.

        Returns
        -------
        float
            The score.
        """
        return held_out.score(self.stored, self.steps.intercept)

    def end(self) -> Model:
        """Return the model; no further step may be made."""
        self.steps.settle()
        mean = None if self._mean is None else self._mean[: self.n_features]
        return Model(self.stored, self.steps.intercept, mean, self.steps.mean_intercept)


def first_order(n_rows: int, seed: int | None) -> NDArray[np.intp]:
    """Return the rows in the order of the first epoch.

    Parameters
    ----------
    n_rows : int
        How many.
    seed : int or None
        What the order is drawn with; None for that in which they lie.

    Returns
    -------
    ndarray of intp, shape (n_rows,)
        The order.
    """
    order = np.arange(n_rows)
    if seed is not None:
        for start in range(0, n_rows, PIECE_ROWS):
            seed = kernel.shuffled(order[start:], seed, PIECE_ROWS)
    return order


class Orders:
    """The rows of one epoch after the other.

    Parameters
    ----------
    n_rows : int
        How many there are.
    seed : int or None
        What the order is drawn with; None for that in which they lie.
    chosen : ndarray of bool, shape (n_rows,), or None
        Which of them epochs are made of; None for all.

    Attributes
    ----------
    n_rows : int
        Rows of an epoch.
    """

    def __init__(
        self, n_rows: int, seed: int | None, chosen: NDArray[np.bool_] | None
    ) -> None:
        self.n_rows = n_rows if chosen is None else int(chosen.sum())
        self._sigma = first_order(n_rows, seed)
        self._shuffled = seed is not None
        if chosen is not None and not self._shuffled:
            self._sigma, chosen = self._sigma[chosen], None
        self._chosen = chosen
        self._last: NDArray[np.intp] | None = None

    def take(self, n_epochs: int) -> NDArray[np.intp]:
        """Return the rows of the next epochs, in the order of the steps.

        Parameters
        ----------
        n_epochs : int
            How many.

        Returns
        -------
        ndarray of intp
            Those of one after those of the other.
        """
        sigma = self._sigma
        if not self._shuffled:
            rows = sigma if n_epochs == 1 else np.tile(sigma, n_epochs)
        elif n_epochs == 1 and self._last is None:
            rows = self._last = sigma
        else:
            orders = np.empty((n_epochs, len(sigma)), np.intp)
            if self._last is None:
                orders[0] = sigma
                self._follow(orders[0], orders[1:])
            else:
                self._follow(self._last, orders)
            self._last, rows = orders[-1], orders.reshape(-1)
        return rows if self._chosen is None else rows[self._chosen[rows]]

    def _follow(self, last: NDArray[np.intp], orders: NDArray[np.intp]) -> None:
        """Make the orders of some epochs from that of the last one."""
        sigma = self._sigma
        if len(sigma) <= PIECE_ROWS:
            kernel.follow_order(last, sigma, orders)
            return
        for order in orders:
            for start in range(0, len(sigma), PIECE_ROWS):
                part = slice(start, start + PIECE_ROWS)
                kernel.follow_order(last, sigma[part], order[np.newaxis, part])
            last = order


def safe_rate(task: Task, X: Matrix, largest_weight: float) -> float:
    """Return the rate up to which rounding does not grow from step to step.

    Parameters
    ----------
    task : Task
        What is asked for.
    X : ndarray of float32 or float64, shape (n_samples, n_features), or CSR
        Features.
    largest_weight : float
        The largest factor of an update.

    Returns
    -------
    float
        The rate; inf where there is none.
    """
    if not task.curvature or (X.data if isinstance(X, CSR) else X).dtype != float:
        return math.inf
    steepest = task.curvature * largest_square(X) * largest_weight
    return 2 / steepest if steepest else math.inf


def largest_square(X: Matrix) -> float:
    """Return what the sum of squares of no row exceeds, with 1 for the intercept.

    Parameters
    ----------
    X : ndarray of float64, shape (n_samples, n_features), or CSR
        Features.

    Returns
    -------
    float
        The largest sum, or a bound of it for sparse rows.
    """
    with np.errstate(over="ignore"):
        if not isinstance(X, CSR):
            return float(np.einsum("ij,ij->i", X, X).max()) + 1
        longest = int(np.diff(X.indptr).max())
        return longest * float(np.abs(X.values).max(initial=0.0)) ** 2 + 1


def padded(coef: Floats, room: Doubles | None = None) -> Doubles:
    """Return a copy of coefficients with zeros up to a multiple of 8.

    Parameters
    ----------
    coef : ndarray of float32 or float64, shape (n_features,)
        Coefficients.
    room : ndarray of float64, changed, or None
        Where to put it; None for memory of its own.

    Returns
    -------
    ndarray of float64
        The copy.
    """
    copy = np.empty(lanes(len(coef))) if room is None else room
    copy[: len(coef)] = coef
    copy[len(coef) :] = 0.0
    return copy


def lanes(n_features: int) -> int:
    """Return the next multiple of 8.

    Parameters
    ----------
    n_features : int
        A number of columns.

    Returns
    -------
    int
        The values that `padded` needs for them.
    """
    return -(-n_features // 8) * 8


class Course:
    """What the epochs of an output have seen so far, and whether it is enough.

    Parameters
    ----------
    task : Task
        What is asked for.
    n_rows : int
        Rows of an epoch.

    Attributes
    ----------
    objectives : list of float
        Mean objective of every epoch.
    scores : list of float
        Score of the rows held out after every epoch, if there are any.
    mean_loss : float
        That of the last epoch.
    idle : int
        Epochs in a row that were of little use.
    finite : bool
        Whether all predictions were.
    """

    def __init__(self, task: Task, n_rows: int) -> None:
        self.task = task
        self.objectives: list[float] = []
        self.scores: list[float] = []
        self.mean_loss = 0.0
        self.idle = 0
        self.finite = True
        self._n_rows = n_rows
        self._best = math.inf

    @property
    def n_certain(self) -> int:
        """Epochs that are made before any rule can end the training."""
        left = self.task.max_iter - len(self.objectives)
        if self.task.tol is None:
            return left
        return min(left, max(1, self.task.patience - self.idle))

    def add(
        self, trace: list[list[float]], score: Callable[[], float] | None = None
    ) -> None:
        """Note some epochs, and see whether they were of use.

        Parameters
        ----------
        trace : list of list of float
            What each has seen, see `Pieces.epochs`.
        score : callable or None
            Returns the score of the rows held out, if there are any: of a single epoch.

        Raises
        ------
        ValueError
            If the model is not finite after one.
        """
        tol, n_rows, best, idle = self.task.tol, self._n_rows, self._best, self.idle
        for _, objective_sum, magnitude, nothing in trace:
            measure = objective_sum / n_rows
            self.objectives.append(measure)
            self.finite &= nothing == 0
            if not math.isfinite(magnitude):
                raise ValueError(
                    "Floating-point under-/overflow occurred at epoch "
                    f"#{len(self.objectives)}. Scaling input data with StandardScaler "
                    "or MinMaxScaler might help."
                )
            if score is not None:
                self.scores.append(score())
                measure = -self.scores[-1]
            idle = idle + 1 if tol is not None and measure > best - tol else 0
            best = min(best, measure)
        self.mean_loss = trace[-1][0] / n_rows
        self._best, self.idle = best, idle

    @property
    def is_over(self) -> bool:
        """Whether the last epochs were of little use."""
        return self.idle >= self.task.patience

    def ended(
        self, model: Model, reason: str, loss_of_nothing: LossOfNothing
    ) -> Trained:
        """Return the end.

        Parameters
        ----------
        model : Model
            The model.
        reason : str
            Why no further epoch was made; empty if all were.
        loss_of_nothing : callable
            Returns the mean loss with coefficients of 0.

        Returns
        -------
        Trained
            The end.
        """
        diverged = None
        if not self.mean_loss * self._n_rows < CUT_LOSS:
            none = loss_of_nothing()
            diverged = None if self.mean_loss <= none else (self.mean_loss, none)
        return Trained(
            model,
            self.objectives,
            self.scores,
            reason or _all(self.task),
            diverged,
            self.finite,
        )


def train_rows(
    task: Task,
    X: Matrix,
    y: Doubles,
    sample_weight: Doubles | None,
    start: Model,
    t: float,
    seed: int,
    held_out: HeldOut | None = None,
    watch: Watch | None = None,
    stopped: Callable[[], bool] = lambda: False,
    room: Doubles | None = None,
) -> Trained:
    """Train one output.

    Parameters
    ----------
    task, X, y, sample_weight, start, t, room
        As in `Descent`.
    seed : int
        What the order of the rows is drawn with.
    held_out : HeldOut or None
        Rows to stop by.
    watch : callable or None
        Is told of every epoch; True ends the training.
    stopped : callable
        Whether the result is not wanted any more.

    Returns
    -------
    Trained
        The model and how it was reached.

    Raises
    ------
    ValueError
        If the model is not finite after an epoch, or X has a column out of range.
    """
    descent = Descent(task, X, y, sample_weight, start, t, room)
    chosen = None if held_out is None else ~held_out.rows
    orders = Orders(X.shape[0], seed if task.shuffle else None, chosen)
    course, reason, together = Course(task, orders.n_rows), "", 1
    if held_out is None and watch is None:
        together = descent.fitting(orders.n_rows)
    score = None if held_out is None else partial(descent.score, held_out)
    while not reason and (n_epochs := min(together, course.n_certain)):
        if course.objectives and stopped():
            break
        rows = orders.take(n_epochs)
        seen = descent.epochs(rows, n_epochs, stopped).tolist()
        course.add(seen, score)
        if watch is not None and watch(
            Epoch(
                len(course.objectives),
                int(descent.steps.t - t),
                course.mean_loss,
                course.objectives[-1],
                descent.coef(),
                descent.steps.intercept,
                course.scores[-1] if course.scores else None,
            )
        ):
            reason = "the callback ended the training"
        elif course.is_over:
            if descent.rates.lower():
                course.idle = 0
            else:
                reason = _enough(task, bool(course.scores))
    nothing = partial(_loss_of_nothing, task, X, y, rows[-orders.n_rows :])
    return course.ended(descent.end(), reason, nothing)


class Classes(NamedTuple):
    """Which rows are of which class.

    Parameters
    ----------
    label : ndarray of intp, shape (n_samples,)
        Number of the class of every row.
    weight : ndarray of float64, shape (n_classes,)
        Factors of the updates of a class's output on its own rows.
    low : float
        Target of rows of other classes; that of its own is 1.
    """

    label: NDArray[np.intp]
    weight: Doubles
    low: float

    def targets(self, output: int) -> Doubles:
        """Return the targets of an output.

        Parameters
        ----------
        output : int
            Number of its class.

        Returns
        -------
        ndarray of float64, shape (n_samples,)
            1 and `low`.
        """
        return np.where(self.label == output, 1.0, self.low)


class DescentTogether(Pieces):
    """Steps on the rows of one output for each class, which take them together.

    Parameters
    ----------
    task : Task
        What is asked for.
    X : ndarray of float32 or float64, shape (n_samples, n_features), or CSR
        Features, as for `Descent`.
    classes : Classes
        The targets.
    sample_weight : ndarray of float64, shape (n_samples,), or None
        Factors of the updates; None for 1.
    starts : list of Model
        Where to begin; they are not changed.
    t : float
        Number of the first step.

    Attributes
    ----------
    active : list of int
        The outputs that steps are made of.
    """

    steps: kernel.StochasticOutputs

    def __init__(
        self,
        task: Task,
        X: Matrix,
        classes: Classes,
        sample_weight: Doubles | None,
        starts: list[Model],
        t: float,
    ) -> None:
        self.active = list(range(len(starts)))
        self._X, self._classes = X, classes
        coef = side_by_side([start.coef for start in starts])
        means = [start.mean_coef for start in starts if start.mean_coef is not None]
        self._averages = bool(means)
        steps = kernel.StochasticOutputs(
            task.kind,
            task.param,
            X.shape[1],
            coef,
            side_by_side(means) if means else None,
            aligned_zeros(coef.size).reshape(coef.shape) if task.l1 else None,
            np.array([start.intercept for start in starts]),
            np.array([start.mean_intercept for start in starts]),
            classes.weight,
            classes.low,
            *rules_of(task, X),
            t,
        )
        super().__init__(
            *(task, X, classes.label, sample_weight, steps, t),
            class_factor=max(1.0, float(classes.weight.max())),
            n_outputs=len(starts),
            # Each call looks at all coefficients at its end, a small part of its work.
            values=max(PIECE_VALUES, 16 * coef.size),
        )

    def score(self, output: int, held_out: HeldOut) -> float:
        """Return how good an active output is on rows held out.

        Parameters
        ----------
        output : int
            Which.
        held_out : HeldOut
            The rows.

        Returns
        -------
        float
            The score.
        """
        stored = np.empty(self._X.shape[1])
        intercept = self.steps.stored(self.active.index(output), stored)
        return held_out.score(stored, intercept)

    def model(self, output: int, room: Doubles) -> Model:
        """Return the model of an active output.

        Parameters
        ----------
        output : int
            Which.
        room : ndarray of float64, shape (n_features,), changed
            Memory for its coefficients.

        Returns
        -------
        Model
            The model.
        """
        mean = np.empty_like(room) if self._averages else None
        at = self.active.index(output)
        intercept, mean_intercept = self.steps.model(at, room, mean)
        return Model(room, intercept, mean, mean_intercept)

    def go_on_without(self, ended: list[int]) -> None:
        """Make no further steps of some outputs, but of others.

        Parameters
        ----------
        ended : list of int
            Which.
        """
        for output in ended:
            self.steps.drop(self.active.index(output))
            self.active.remove(output)
        places = np.full(len(self._classes.weight), len(self.active))
        places[self.active] = np.arange(len(self.active))
        *stored, _, weight = self._data
        self._data = (*stored, places[self._classes.label], weight)
        self._sums = (len(self.active), 4)


def side_by_side(rows: list[Floats]) -> Doubles:
    """Return coefficients of outputs as the kernel takes them.

    Parameters
    ----------
    rows : list of ndarray of float32 or float64, shape (n_features,)
        Those of each.

    Returns
    -------
    ndarray of float64, shape (n_features, n_sides)
        Those of a feature side by side, and zeros up to a multiple of 4.
    """
    n_sides = -(-len(rows) // VECTOR_VALUES) * VECTOR_VALUES
    table = aligned_zeros(len(rows[0]) * n_sides).reshape(-1, n_sides)
    for output, row in enumerate(rows):
        if np.count_nonzero(row):
            table[:, output] = row
    return table


def train_together(
    task: Task,
    X: Matrix,
    classes: Classes,
    sample_weight: Doubles | None,
    starts: list[Model],
    t: float,
    held_out: list[HeldOut] | None,
    room: Doubles,
) -> list[Trained]:
    """Train one output for each class, all from one reading of the rows as they lie.

    Parameters
    ----------
    task, X, classes, sample_weight, starts, t
        As in `DescentTogether`; the task does not shuffle, and its schedule is the same
        for all outputs: not "adaptive".
    held_out : list of HeldOut or None
        Rows to stop by, the same for each output.
    room : ndarray of float64, shape (n_classes, lanes(n_features)), changed
        Memory for the coefficients.

    Returns
    -------
    list of Trained
        The models and how they were reached: what each would be if trained alone.

    Raises
    ------
    ValueError
        If a model is not finite after an epoch, or X has a column out of range.
    """
    descent = DescentTogether(task, X, classes, sample_weight, starts, t)
    orders = Orders(len(X), None, None if held_out is None else ~held_out[0].rows)
    courses = [Course(task, orders.n_rows) for _ in starts]
    together = 1 if held_out is not None else descent.fitting(orders.n_rows)
    ends: dict[int, Trained] = {}
    while len(ends) < len(starts):
        certain = min(courses[output].n_certain for output in descent.active)
        n_epochs = min(together, certain)
        rows = orders.take(n_epochs)
        seen = descent.epochs(rows, n_epochs)
        for at, output in enumerate(descent.active):
            score = None
            if held_out is not None:
                score = partial(descent.score, output, held_out[output])
            courses[output].add(seen[:, at].tolist(), score)
        ended = [
            output
            for output in descent.active
            if courses[output].is_over or not courses[output].n_certain
        ]
        for output in ended:
            course = courses[output]
            model = descent.model(output, room[output, : X.shape[1]])
            reason = _enough(task, bool(course.scores)) if course.is_over else ""
            y = classes.targets(output)
            nothing = partial(_loss_of_nothing, task, X, y, rows[-orders.n_rows :])
            ends[output] = course.ended(model, reason, nothing)
        if ended and len(ends) < len(starts):
            descent.go_on_without(ended)
    return [ends[output] for output in range(len(starts))]


def _enough(task: Task, scored: bool) -> str:
    """Say why there was no use in going on."""
    what = "validation score rose" if scored else "mean objective fell"
    epochs = f"{task.patience} epochs in a row" if task.patience > 1 else "an epoch"
    reason = f"the {what} by less than tol={task.tol:g} in {epochs}"
    if task.schedule == "adaptive":
        reason += ", and the learning rate is small"
    return reason


def _all(task: Task) -> str:
    """Say that all epochs were made."""
    return f"all max_iter={task.max_iter} epochs were made"


def _loss_of_nothing(
    task: Task, X: Matrix, y: Doubles, rows: NDArray[np.intp]
) -> float:
    """Return the mean loss of some rows where all coefficients are 0."""
    still = task._replace(schedule="constant", l1=0.0, l2=0.0, average=0, curvature=0.0)
    descent = Descent(still, X, y, np.zeros(len(y)), Model(np.zeros(X.shape[1])), 1.0)
    trace = descent.epochs(rows, 1)
    return float(trace[0, 0]) / len(rows)
