"""Steps on a part of the rows at a time: stochastic and mini-batch gradient descent."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gdfast._backend import kernel
from gdfast._typing import Doubles
from gdfast._validation import check_bool, check_int
from gdfast.aligned import VECTOR_VALUES, aligned_zeros
from gdfast.csr import CSR
from gdfast.drivers import Updater, outputs
from gdfast.fit import Sampling
from gdfast.losses import Domain, Loss
from gdfast.penalties import Penalty
from gdfast.settings import RATES_TO_GIVE, Settings
from gdfast.sums import CHUNK_VALUES, PIECE_VALUES, Examples, Summation, add_up

# What a row and an update cost beside the values that they go through, in such.
ROW_VALUES = 8
STEP_VALUES = 64
# Threads share the outputs where an epoch reads so many values for all of them.
SHARED_VALUES = 1 << 22
QUICK_ROWS = 1_000_000  # an order of which is drawn in some 20 ms


Rates: TypeAlias = Callable[[range], Doubles]  # of some steps
Order: TypeAlias = NDArray[np.intp] | None  # None: rows as they lie


class Batching(NamedTuple):
    """How rows make batches.

    Parameters
    ----------
    size : int
        Rows of a batch.
    generator : Generator or None
        Draws the order of each epoch; None to take the rows as they lie.
    average : int
        The update from which on the parameters are averaged; 0 for no average.
    """

    size: int
    generator: np.random.Generator | None
    average: int


class Drawing(NamedTuple):
    """All that changes from step to step, but the parameters and the rule's memory.

    Parameters
    ----------
    generator : dict or None
        State of the random numbers; None if none are drawn.
    n_steps : int
        Updates made.
    path_sum : ndarray of float64, shape (n_params,), or None
        Sum of the parameters after the updates that count for the average.
    """

    generator: Any
    n_steps: int
    path_sum: Doubles | None


class Share(NamedTuple):
    """Outputs whose steps are made apart from those of the others.

    Parameters
    ----------
    outputs : slice
        Which.
    examples : Examples
        The rows, with the targets of these outputs.
    params : ndarray of float64, shape (n_params,)
        Room for the parameters of these outputs.
    step : Update
        What is done with the gradient of a batch.
    common : ndarray of float64, shape (n_outputs + 1,)
        What their coefficients have in common, as `descend_batches_csr` takes it.
    """

    outputs: slice
    examples: Examples
    params: Doubles
    step: kernel.Update
    common: Doubles


class Epoch(NamedTuple):
    """What came of an epoch.

    Parameters
    ----------
    sums : ndarray of float64, shape (n_outputs + 1,)
        What the updates saw, as the kernel adds it up.
    n_steps : int
        Updates made.
    """

    sums: Doubles
    n_steps: int


class OutOfTime(Exception):
    """An epoch is not done by the time from which no more steps are made."""


class Batches:
    """Makes updates on batches of rows; to the outside, a step is an epoch of them.

    Parameters
    ----------
    summation : Summation
        Of the loss over all examples.
    updater : Updater
        What is done with the gradient of a batch.
    n_params : int
        Number of parameters.
    batching : Batching
        How rows make batches.
    deadline : float
        Time, as `time.perf_counter` gives it, at which an epoch is given up; not before
        some were made.
    watches_change : bool
        Whether to find by how much an epoch changes the parameters.

    Attributes
    ----------
    n_steps : int
        Updates made.
    last : ndarray of float64, shape (n_params,)
        The parameters at the end, before an average took their place.

    Notes
    -----
    The kernel is called for so many batches as take some milliseconds, and Ctrl-C is
    answered between two calls. A batch that would take longer is added up by several
    calls. How all this is cut depends on the shape of X and the size of a batch alone.
    Outputs of sparse rows that have losses of their own may be shared out to threads,
    which changes no bit.
    """

    method = "batches"

    def __init__(
        self,
        summation: Summation,
        updater: Updater,
        n_params: int,
        batching: Batching,
        deadline: float = math.inf,
        watches_change: bool = True,
    ) -> None:
        size, generator, average = batching
        self.summation = summation
        self.updater = updater
        self.n_steps = 0
        self.last = np.zeros(n_params)
        self._deadline = deadline
        self._watches_change = watches_change
        self._has_begun = False
        self._size = size
        self._generator = generator
        self._average = average
        self._path_sum = np.zeros(n_params) if average else None
        X, _, _, columns, n_outputs = summation.examples
        sparse = isinstance(X, CSR)
        self._common = np.ones(n_outputs + 1)  # see the kernel; for sparse rows
        # Whether a step leaves the coefficients of other columns than its batch's.
        in_place = sparse and updater.sparing and columns is None and not average
        self._needs_squares = in_place and updater.squares
        work = (X.size // len(X) + ROW_VALUES) * n_outputs
        batch = size * work + STEP_VALUES + (0 if in_place else n_params)
        # Of a call; 0 where it has a part of one. The kernel has no centred columns for
        # several outputs.
        by_parts = sparse and n_outputs > 1 and columns is not None
        self._batches = 0 if by_parts else CHUNK_VALUES // batch
        self._rows = max(1, CHUNK_VALUES // work)  # of such a part
        apart = in_place and summation.loss.domain is not Domain.CLASS
        large = X.size * n_outputs >= SHARED_VALUES
        self._shares: list[Share] = []
        if apart and large and self._batches:
            few = shares_of(n_outputs, summation.team.size)
            if len(few) > 1:
                self._shares = [self._share(some) for some in few]
        self._shared: Doubles | None = None  # parameters that the shares have

    @property
    def origin(self) -> Drawing:
        """Where the order and the average are; put back, the same epochs follow."""
        state = None if self._generator is None else self._generator.bit_generator.state
        path_sum = None if self._path_sum is None else self._path_sum.copy()
        return Drawing(state, self.n_steps, path_sum)

    @origin.setter
    def origin(self, origin: Drawing) -> None:
        state, self.n_steps, path_sum = origin
        if self._generator is not None:
            self._generator.bit_generator.state = state
        self._path_sum = None if path_sum is None else path_sum.copy()

    @property
    def carried(self) -> Doubles:
        """Where the average starts, and `origin`, with the generator as JSON text."""
        _, n_steps, path_sum = self.origin
        text = "" if self._generator is None else state_text(self._generator)
        sums = () if path_sum is None else path_sum
        return np.concatenate(([self._average, n_steps], sums, list(text.encode())))

    def go_on(self, carried: Doubles) -> None:
        """Make the epochs that would have followed.

        Parameters
        ----------
        carried : ndarray of float64
            That of another run on the same data.

        Raises
        ------
        ValueError
            If that run made another average or drew from another kind of generator.
        """
        average, n_steps = (int(number) for number in carried[:2])
        if average != self._average:
            raise ValueError(
                f"resume was trained with average={average}, which must be given "
                f"again; got {self._average}"
            )
        end = 2 + (len(self._path_sum) if self._path_sum is not None else 0)
        if self._generator is not None:
            put_back(self._generator, bytes(carried[end:].astype(np.uint8)).decode())
        state = self.origin.generator
        self.origin = Drawing(state, n_steps, carried[2:end] if average else None)

    @property
    def values_per_step(self) -> int:
        """Values that an epoch reads."""
        X = self.summation.examples.X
        n_outputs = self.summation.examples.n_outputs
        return int(X.size + ROW_VALUES * len(X)) * n_outputs

    def last_rate(self, n_iter: int) -> float:
        """Return the rate of the last update, or what was meant for the first one."""
        return self.updater.last_rate(self.n_steps)

    def take_steps(
        self, params: Doubles, steps: range, keep_path: bool, end: bool
    ) -> tuple[Doubles, Doubles | None]:
        """Make some epochs, changing `params` and the state of the updater.

        Parameters
        ----------
        params : ndarray of float64, shape (n_params,), changed
            The parameters; at the end their average, if one is asked for.
        steps : range
            The epochs, numbered from 0.
        keep_path : bool
            Whether to keep the parameters of every row.
        end : bool
            Whether to look at the model that the epochs led to as well.

        Returns
        -------
        trace : ndarray of float64, shape (n_epochs, 3) or (n_epochs + 1, 3)
            Of every epoch, the mean over its batches of mean loss and penalty before
            the batch's own update, NaN as no gradient is known of all rows, and the
            largest change of a parameter by the epoch, or 0 if that is not watched. At
            the end, the loss of all rows, NaN and inf.
        path : ndarray of float64, shape (len(trace), n_params), or None
            Where every epoch took its first gradient, and the model at the end.

        Raises
        ------
        OutOfTime
            If the deadline comes before the end of these epochs, which are not the
            first ones.
        """
        trace, path = outputs(params, len(steps), keep_path, end)
        for row in range(len(steps)):
            before = params.copy() if self._watches_change else None
            if path is not None:
                path[row] = self.updater.look_ahead(params)
            objective = self._epoch(params)
            change = 0.0 if before is None else largest_change(before, params)
            trace[row] = objective, np.nan, change
        self._has_begun |= len(steps) > 0
        if end:
            self.last = params
            if self._path_sum is not None:
                self.last = params.copy()
                params[:] = self.averaged(params)
            trace[-1] = self.look_at(params, gradient=False)
            if path is not None:
                path[-1] = params
        return trace, path

    def _share(self, outputs: slice) -> Share:
        """Return some outputs by themselves."""
        examples, width = self.summation.examples, outputs.stop - outputs.start
        targets, d = examples.targets, examples.X.shape[1]
        if examples.n_classes is None:
            y = targets[:, outputs].reshape(-1)
        else:  # numbers of other classes are no class of these
            y = targets - targets.dtype.type(outputs.start)
        n_params = len(self.last) // examples.n_outputs * width
        return Share(
            outputs,
            examples._replace(y=y, n_outputs=width),
            aligned_zeros(n_params),
            self.updater.step_of(d * width, n_params),
            np.ones(width + 1),
        )

    def _epoch(self, params: Doubles) -> float:
        """Make a step on every batch; returns the mean of what they saw before it."""
        n_rows, order = len(self.summation.examples.X), None
        if self._generator is not None:
            order = drawn(self._generator, n_rows).astype(np.intp, copy=False)
        if self._shares:
            epoch = self._descend_apart(params, order)
        else:
            step, examples = self.updater.step, self.summation.examples
            everything = slice(0, examples.n_outputs)
            epoch = self._descend(
                Share(everything, examples, params, step, self._common),
                order,
                self.updater.rates,
            )
        if epoch is None:
            raise OutOfTime
        self.n_steps += epoch.n_steps
        by_output: list[float] = epoch.sums[:-1].tolist()
        return sum(by_output) / float(epoch.sums[-1])

    def _descend_apart(self, params: Doubles, order: Order) -> Epoch | None:
        """Make a step on every batch for each share of the outputs, on the threads."""
        table = params.reshape(-1, self.summation.examples.n_outputs)
        is_shared, self._shared = self._shared is params, None
        # Found here, as a schedule may be a function of the caller's.
        n_batches = -(-len(self.summation.examples.X) // self._size)
        first = self.n_steps
        known = self.updater.rates(range(first, first + n_batches))

        def rates(steps: range) -> Doubles:
            return known[steps.start - first : steps.stop - first]

        def descend(share: Share) -> Epoch | None:
            own = share.params.reshape(len(table), -1)
            if not is_shared:
                own[:] = table[:, share.outputs]
            epoch = self._descend(share, order, rates)
            if epoch is not None:
                table[:, share.outputs] = own
            return epoch

        epochs = []
        for epoch in self.summation.team.map(descend, self._shares):
            if epoch is None:
                return None
            epochs.append(epoch)
        self._shared = params
        sums = [epoch.sums[:-1] for epoch in epochs] + [epochs[0].sums[-1:]]
        return epochs[0]._replace(sums=np.concatenate(sums))

    def _descend(self, share: Share, order: Order, rates: Rates) -> Epoch | None:
        """Make a step on every batch; returns None when there is no time for it."""
        X, common = share.examples.X, share.common
        n_rows, sums = len(X), np.zeros_like(common)
        table = share.params.reshape(-1, len(common) - 1)
        coef = table[: X.shape[1]]
        if self._needs_squares:
            common[0] = 1.0
            with np.errstate(over="ignore", invalid="ignore"):  # of a diverging run
                np.einsum("ij,ij->j", coef, coef, out=common[1:])
        step_on = self._step_on_batches if self._batches else self._step_on_parts
        rows = self._size * max(1, self._batches)
        made = 0
        for start in range(0, n_rows, rows):
            if self.summation.team.stopped or self._is_late():
                return None
            part = slice(start, min(start + rows, n_rows))
            made += step_on(share, part, order, self.n_steps + made, rates, sums)
        if common[0] != 1:
            multiply(coef, common[0])
        return Epoch(sums, made)

    def _is_late(self) -> bool:
        """Whether no more steps are to be made."""
        return self._has_begun and time.perf_counter() >= self._deadline

    def _step_on_batches(
        self,
        share: Share,
        rows: slice,
        order: Order,
        done: int,
        rates: Rates,
        sums: Doubles,
    ) -> int:
        """Make a step on each of some batches; returns how many these are."""
        loss, examples = self.summation.loss, share.examples
        n_batches = -(-(rows.stop - rows.start) // self._size)
        if order is None:
            examples = examples.rows(rows)
        X, y, weight, columns, n_outputs = examples
        steps = (
            None if order is None else order[rows],
            self._size,
            share.params,
            rates(range(done, done + n_batches)),
            sums,
            self._path_sum,
            max(0, self._average - 1 - done),
            share.step,
        )
        if isinstance(X, CSR):
            data = X.data, X.indices, X.indptr, y, weight, columns, X.shape[1], *steps
            return kernel.descend_batches_csr(
                loss.kind, loss.param, *data, n_outputs, share.common
            )
        return kernel.descend_batches(
            loss.kind, loss.param, X, y, weight, columns, *steps, n_outputs
        )

    def _step_on_parts(
        self,
        share: Share,
        rows: slice,
        order: Order,
        done: int,
        rates: Rates,
        sums: Doubles,
    ) -> int:
        """Make a step on one batch, which is added up part by part."""
        loss, examples, params = self.summation.loss, share.examples, share.params
        point, gradient = self.updater.look_ahead(params), np.zeros_like(params)
        loss_sum = weight_sum = 0.0
        for start in range(rows.start, rows.stop, self._rows):
            part = slice(start, min(start + self._rows, rows.stop))
            chosen = examples.rows(part if order is None else order[part])
            added = add_up(loss, chosen, point)
            gradient += added.gradient
            loss_sum += added.loss_sum
            weight_sum += added.weight_sum
        if weight_sum == 0:
            return 0
        row, rate = np.empty(3), rates(range(done, done + 1))
        share.step.take_step(
            loss_sum / weight_sum, point, gradient / weight_sum, rate, params, row
        )
        sums[0] += weight_sum * row[0]
        sums[-1] += weight_sum
        if self._path_sum is not None and done + 1 >= self._average:
            self._path_sum += params
        return 1

    def averaged(self, params: Doubles) -> Doubles:
        """Return the model: the average if one is asked for, else a copy.

        Parameters
        ----------
        params : ndarray of float64, shape (n_params,)
            The parameters after the last update.

        Returns
        -------
        ndarray of float64, shape (n_params,)
            The model.
        """
        n_averaged = self.n_steps - self._average + 1
        if self._path_sum is None or n_averaged <= 0:
            return params.copy()
        mean: Doubles = self._path_sum / n_averaged
        return mean

    def look_at(self, params: Doubles, gradient: bool = True) -> Doubles:
        """Return the row of a trace of some parameters.

        Parameters
        ----------
        params : ndarray of float64, shape (n_params,)
            The parameters.
        gradient : bool
            Whether to find the gradient, which takes twice the time.

        Returns
        -------
        ndarray of float64, shape (3,)
            Loss of all rows, the largest component of its gradient or NaN, and inf.
        """
        row = np.empty(3)
        if gradient:
            total, loss_sum, weight_sum = self.summation.gradient(params)
            total /= weight_sum
            loss = loss_sum / weight_sum
        else:
            total, loss = None, self.summation.mean_loss(params)
        self.updater.step.take_step(loss, params, total, None, params, row)
        return row


def shares_of(n_outputs: int, most: int) -> list[slice]:
    """Return outputs in shares of about the same size.

    Parameters
    ----------
    n_outputs : int
        How many there are.
    most : int
        Number of shares at most.

    Returns
    -------
    list of slice
        Shares of two vectors or more, the last of which may not be filled; larger
        shares first.
    """
    n_vectors = -(-n_outputs // VECTOR_VALUES)
    n_shares = max(1, min(most, n_vectors // 2))
    few, rest = divmod(n_vectors, n_shares)
    counts = [few + (share < rest) for share in range(n_shares)]
    ends = [min(VECTOR_VALUES * end, n_outputs) for end in accumulate(counts)]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def multiply(coef: Doubles, factor: float) -> None:
    """Multiply coefficients by what they have in common.

    Parameters
    ----------
    coef : ndarray of float64, shape (n_features, n_outputs), contiguous, changed
        The coefficients. None of them is -0.0 afterwards, which some steps leave and
        others make 0.0, depending on what other outputs there are.
    factor : float
        The factor.
    """
    flat = coef.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):  # of a diverging run
        for start in range(0, len(flat), PIECE_VALUES):
            piece = flat[start : start + PIECE_VALUES]
            piece *= factor
            piece += 0.0


def largest_change(before: Doubles, after: Doubles) -> float:
    """Return by how much a parameter has changed.

    Parameters
    ----------
    before : ndarray of float64, shape (n_params,), changed
        The parameters as they were; their changes take their place.
    after : ndarray of float64, shape (n_params,)
        The parameters.

    Returns
    -------
    float
        The largest change; NaN if there is one.
    """
    largest = []
    for start in range(0, len(before), PIECE_VALUES):
        piece = slice(start, start + PIECE_VALUES)
        change = np.subtract(after[piece], before[piece], out=before[piece])
        largest.append(np.abs(change, out=change).max())
    return float(np.max(largest))


def sampling_of(
    batching: Batching | None,
    early_stopping: float | None,
    generator: np.random.Generator | None,
) -> Sampling:
    """Return what decides which rows the steps of a run see, before it draws any.

    Parameters
    ----------
    batching : Batching or None
        How rows make batches.
    early_stopping : float or None
        The part of the rows that is held out.
    generator : Generator or None
        What is drawn from.

    Returns
    -------
    Sampling
        The same.
    """
    size, shuffle = None, None
    if batching is not None:
        size, shuffle = batching.size, batching.generator is not None
    start = None
    if generator is not None and (shuffle or early_stopping is not None):
        start = state_text(generator)
    return Sampling(size, shuffle, early_stopping, start)


def state_text(generator: np.random.Generator) -> str:
    """Return where a generator is.

    Parameters
    ----------
    generator : Generator
        The generator.

    Returns
    -------
    str
        Its state, as JSON.
    """
    import json

    return json.dumps(generator.bit_generator.state, default=np.ndarray.tolist)


def put_back(generator: np.random.Generator, text: str) -> None:
    """Put a generator where another one of a run before was.

    Parameters
    ----------
    generator : Generator
        The generator; changed.
    text : str
        That of the other one, by `state_text`.

    Raises
    ------
    ValueError
        If it is of another kind.
    """
    import json

    state = json.loads(text)
    kind = generator.bit_generator.state["bit_generator"]
    if kind != state["bit_generator"]:
        raise ValueError(
            "random_state must be a generator of the kind that resume was trained "
            f"with, {state['bit_generator']}; got {kind}"
        )
    generator.bit_generator.state = state


def drawn(generator: np.random.Generator, n_rows: int) -> NDArray[np.int64]:
    """Return the next permutation of some rows; Ctrl-C does not wait for a long one.

    Parameters
    ----------
    generator : Generator
        What it is drawn from.
    n_rows : int
        How many rows.

    Returns
    -------
    ndarray of int64, shape (n_rows,)
        ``generator.permutation(n_rows)``.
    """
    if n_rows <= QUICK_ROWS:
        return generator.permutation(n_rows)
    from concurrent.futures import ThreadPoolExecutor  # slow to import

    # By a thread that may be left, and so from a copy that it may go on with.
    own = copy.deepcopy(generator)
    pool = ThreadPoolExecutor(1, thread_name_prefix="gdfast")
    try:
        order = pool.submit(own.permutation, n_rows).result()
    finally:
        pool.shutdown(wait=False)
    generator.bit_generator.state = own.bit_generator.state
    return order


def check_batches(
    batch_size: object,
    shuffle: object,
    generator: np.random.Generator | None,
    average: object,
    examples: Examples,
    settings: Settings,
) -> Batching | None:
    """Return what batches are to be made.

    Parameters
    ----------
    batch_size : int or None
        Rows of a batch.
    shuffle : bool
        Whether their order is drawn.
    generator : Generator or None
        What it is drawn from; None if there is no batch_size.
    average : bool or int
        Whether, or from which update on, parameters are averaged.
    examples : Examples
        The rows.
    settings : Settings
        What the run is asked to do.

    Returns
    -------
    Batching or None
        What was asked for; None for no batches.

    Raises
    ------
    TypeError, ValueError
        If one has a wrong type or value, or there is no such run with batches.
    """
    n_samples = len(examples.X)
    shuffle = check_bool(shuffle, "shuffle")
    if isinstance(average, (bool, np.bool_)):
        first = int(average)
    else:
        first = check_int(average, "average", low=1, note=", True or False")
    if batch_size is None:
        if first:
            raise ValueError("average has no use without batch_size")
        return None
    note = f" and at most {n_samples}, the number of rows, or None"
    size = check_int(batch_size, "batch_size", low=1, note=note)
    if size > n_samples:
        raise ValueError(f"batch_size must be at least 1{note}, got {size}")
    _check_run(settings)
    return Batching(size, generator if shuffle else None, first)


def _check_run(settings: Settings) -> None:
    """Raise for what there is not with mini-batches."""
    if settings.backtracks:
        raise ValueError(
            "learning_rate must be given with batch_size for the loss "
            f"{settings.loss.name!r} with the optimizer {settings.optimizer.name!r}: "
            f"backtracking is for all rows at once. {RATES_TO_GIVE}"
        )
    if settings.tolerances.gtol:
        raise ValueError(
            "gtol must be None with batch_size, as an epoch does not find the gradient "
            "of all rows: pass xtol or ftol"
        )


def largest_curvature(loss: Loss, penalty: Penalty, examples: Examples) -> float:
    """Return what the objective of no batch curves more than.

    Parameters
    ----------
    loss : Loss
        A loss whose curvature is bounded.
    penalty : Penalty
        What is added to it.
    examples : Examples
        The rows.

    Returns
    -------
    float
        ``max_curvature * max |[x, 1]|^2 + l2``; NaN for overflow.
    """
    largest = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for squares in _squared_sizes(examples):
            largest = np.maximum(largest, squares.max())
        bound = loss.max_curvature * (float(largest) + 1) + penalty.l2
    return bound if bound < math.inf else math.nan


def _squared_sizes(examples: Examples) -> Iterator[Doubles]:
    """Yield the sums of the squares of every row, some rows at a time."""
    X = examples.X
    if not isinstance(X, CSR):
        for chunk in examples.chunks():
            rows = np.asarray(chunk.features(), dtype=np.float64)
            yield np.einsum("ij,ij->i", rows, rows)
        return
    center, scale = np.zeros(1), np.ones(1)
    if examples.columns is not None:
        center, scale = examples.columns
    center, scale = (np.broadcast_to(a, X.shape[1]) for a in (center, scale))
    for part in X.chunks(PIECE_VALUES):
        stored = X[part].merged()
        at, values = stored.columns, stored.values.astype(np.float64)
        # What a row stores, in place of the zeros there.
        more = scale[at] ** 2 * ((values - center[at]) ** 2 - center[at] ** 2)
        added = np.bincount(stored.row_numbers(), more, len(stored))
        yield added + ((scale * center) ** 2).sum()
