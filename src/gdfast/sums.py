"""Sums over examples: the only thing gdfast does to data.

A sum over all rows is the sum of the sums over chunks of them, so one chunk, one file
and one machine are added up alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gdfast._backend import kernel
from gdfast._typing import Doubles, Floats
from gdfast.aligned import aligned_zeros
from gdfast.csr import CSR, Matrix
from gdfast.losses import Loss
from gdfast.threads import Team

# Values of X in a chunk that Python sees: 8 MB, a fraction of a millisecond of work, so
# that a temporary copy of one stays small and Ctrl-C is answered between two.
CHUNK_VALUES = 1 << 20
# Values of X in a piece that NumPy works on: each of its temporary arrays takes 1 MB.
PIECE_VALUES = 1 << 17
# Rows at least of a chunk with sums of its own, which are as long as a row: all such
# sums together then take less than a hundredth of X.
MIN_CHUNK_ROWS = 256
# Values at least, for each feature, of such a chunk of sparse rows: the same to within
# a few hundredths of X.
MIN_CHUNK_STORED = 32
# Bytes that the second moments may take, or a part of X if that is more.
MOMENT_BYTES = 1 << 22
MOMENT_PART = 1 / 200
MAX_MOMENT_PARTS = 16  # which have second moments of their own: work for some threads


class Examples(NamedTuple):
    """Rows of data that the kernel can read.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_samples, n_features), or CSR
        Features; the values of a row are contiguous.
    y : ndarray of float32 or float64, shape (n_samples,) or (n_samples * n_outputs,)
        Targets, those of a row side by side; or, for several outputs, numbers of
        classes.
    sample_weight : ndarray of float64, shape (n_samples,), or None
        Non-negative weights.
    columns : ndarray of float64, shape (2, n_features), or None
        Centres and factors: what is summed over is ``(X - columns[0]) * columns[1]``.
    n_outputs : int
        Number of outputs.
    """

    X: Matrix
    y: Floats
    sample_weight: Doubles | None = None
    columns: Doubles | None = None
    n_outputs: int = 1

    @property
    def targets(self) -> Floats:
        """The targets in the caller's shape, to say where one is."""
        if len(self.y) == len(self.X):
            return self.y
        return self.y.reshape(len(self.X), -1)

    @property
    def n_classes(self) -> int | None:
        """How many classes the targets are numbers of; None if they are no such."""
        several = self.n_outputs > 1 and len(self.y) == len(self.X)
        return self.n_outputs if several else None

    def chunks(self, rows: int | None = None) -> Iterator[Examples]:
        """Yield the rows in order, some at a time, without copying them.

        Parameters
        ----------
        rows : int or None
            How many at a time; None for `PIECE_VALUES` values of X.

        Yields
        ------
        examples : Examples
            Views of some rows.
        """
        X = self.X
        if rows is None:
            rows = max(1, PIECE_VALUES // X.shape[1])
        if len(X) <= rows:
            yield self
            return
        for start in range(0, len(X), rows):
            yield self.rows(slice(start, start + rows))

    def parts(self) -> list[Examples]:
        """Return the chunks that are summed each by itself, for threads to share.

        Returns
        -------
        list of Examples
            All rows where they have up to `CHUNK_VALUES` values; the cut depends on the
            shape of X alone, or on where sparse rows begin.
        """
        if isinstance(self.X, CSR):
            width = self.X.shape[1] * self.n_outputs
            stored = max(CHUNK_VALUES, MIN_CHUNK_STORED * width)
            return [self.rows(part) for part in self.X.chunks(stored)]
        if self.X.size <= CHUNK_VALUES:
            return [self]
        least = MIN_CHUNK_ROWS * self.n_outputs
        rows = max(least, CHUNK_VALUES // self.X.shape[1])
        return list(self.chunks(rows))

    def pieces(self) -> Iterator[Examples]:
        """Yield what the kernel is given of sparse rows at a time.

        Yields
        ------
        examples : Examples
            Views of some rows, with up to `CHUNK_VALUES` values for all outputs
            together; so Ctrl-C is answered between two.
        """
        values = max(1, CHUNK_VALUES // self.n_outputs)
        if self.X.size + len(self.X) <= values:
            yield self
            return
        for part in self.X.chunks(values):
            yield self.rows(part)

    def rows(self, part: slice | NDArray[np.intp]) -> Examples:
        """Return some rows.

        Parameters
        ----------
        part : slice or ndarray of intp
            Which.

        Returns
        -------
        examples : Examples
            Views of them for a slice, else copies.
        """
        X, _, weight, columns, n_outputs = self
        weight = None if weight is None else weight[part]
        y = self.targets[part].reshape(-1)
        return Examples(X[part], y, weight, columns, n_outputs)

    def features(self) -> Floats:
        """Return the features as they are summed over.

        Returns
        -------
        ndarray of float32 or float64, shape (n_samples, n_features)
            X itself where there are no `columns`, else a float64 copy.
        """
        X: Floats = self.X
        if self.columns is None:
            return X
        features: Doubles = (X - self.columns[0]) * self.columns[1]
        return features


class GradientSum(NamedTuple):
    """What one pass over the examples adds up.

    Parameters
    ----------
    gradient : ndarray of float64, shape (n_params,)
        Sum of weight times gradient; the last ones are the intercepts', if fitted.
    loss_sum : float
        Sum of weight times loss.
    weight_sum : float
        Sum of the weights.
    """

    gradient: Doubles
    loss_sum: float
    weight_sum: float


class Objective(Protocol):
    """What has a mean loss and its gradient: a `Summation`, or what stands for one."""

    @property
    def values_per_pass(self) -> int:
        """Values that finding them reads."""
        ...

    def gradient(self, params: Doubles) -> GradientSum:
        """Return the sums at some parameters.

        Parameters
        ----------
        params : ndarray of float64, shape (n_params,)
            The parameters.

        Returns
        -------
        GradientSum
            Sums of loss, gradient and weight.
        """
        ...


class MomentSum(NamedTuple):
    """What one pass adds up that makes all further ones needless for a square.

    Parameters
    ----------
    totals : GradientSum
        Sums of the loss and its gradient.
    moment : ndarray of float64, shape (n_params, n_params)
        Sum of weight times ``[x, 1] [x, 1]'``, or of ``x x'`` without intercept.
    """

    totals: GradientSum
    moment: Doubles


class Summation:
    """Adds up one loss over the same examples again and again.

    Parameters
    ----------
    loss : Loss
        The loss.
    examples : Examples
        The rows.
    team : Team
        The threads to do it on.

    Notes
    -----
    Chunks depend on the shape and the type of X alone and their sums are merged in
    order: any number of threads gives the same bits. Up to `CHUNK_VALUES` values are
    one chunk, for which no thread is started; of sparse rows, where the loss alone is
    added up, times outputs.
    """

    def __init__(self, loss: Loss, examples: Examples, team: Team) -> None:
        self.loss = loss
        self.examples = examples
        self.team = team
        self._chunks = examples.parts()

    @property
    def values_per_pass(self) -> int:
        """Values that a pass reads, once for each output."""
        X = self.examples.X
        return (int(X.size) + len(X)) * self.examples.n_outputs

    def gradient(self, params: Doubles) -> GradientSum:
        """Add up the loss and its gradient over all examples.

        Parameters
        ----------
        params : ndarray of float64, shape (n_params,)
            Coefficients, n_features times one of each output, then the intercepts if
            there are any.

        Returns
        -------
        GradientSum
            The totals.
        """

        def add(chunk: Examples) -> GradientSum:
            return add_up(self.loss, chunk, params, self.team)

        return _merged(self.team.map(add, self._chunks))

    def mean_loss(self, params: Doubles) -> float:
        """Return the mean loss, without the cost of a gradient.

        Parameters
        ----------
        params : ndarray of float64, shape (n_params,)
            As for `gradient`.

        Returns
        -------
        float
            The mean loss; of sparse rows it may be rounded otherwise than that of
            `gradient`.
        """

        def add(chunk: Examples) -> tuple[float, float]:
            return _add_sums(self.loss, chunk, params, None, self.team)

        chunks = self._chunks
        if isinstance(self.examples.X, CSR):  # there is no gradient that is to be small
            chunks = list(self.examples.pieces())
        losses, weights = zip(*self.team.map(add, chunks), strict=True)
        return float(sum(losses) / sum(weights))

    def loss_of_zeros(self) -> float:
        """Return the mean loss where all parameters are 0, without a look at X."""
        X = np.broadcast_to(np.zeros((1, 1)), (len(self.examples.X), 1))
        rows = self.examples._replace(X=X, columns=None)
        params = np.zeros(self.examples.n_outputs)
        return Summation(self.loss, rows, self.team).mean_loss(params)

    def moments(self, params: Doubles) -> MomentSum:
        """Add up the loss, its gradient and the moments of all examples of one output.

        Parameters
        ----------
        params : ndarray of float64, shape (n_features,) or (n_features + 1,)
            Where the loss and the gradient are taken.

        Returns
        -------
        MomentSum
            The totals.

        Notes
        -----
        The rows are cut into at most `MAX_MOMENT_PARTS` parts, or as many as
        `moment_room` allows: each has second moments of its own, and so does each
        thread in the kernel.
        """
        n_samples, n_features = self.examples.X.shape
        n_params = len(params)
        kind, param = self.loss.kind, self.loss.param
        parts = self._chunks
        if len(parts) > 1:
            n_parts = min(MAX_MOMENT_PARTS, len(parts), moment_room(self.examples))
            parts = list(self.examples.chunks(-(-n_samples // n_parts)))
        # Ctrl-C is answered between two pieces, which take some milliseconds.
        rows = max(
            MIN_CHUNK_ROWS, 16 * CHUNK_VALUES // (n_features * (n_features + 16))
        )

        def add(part: Examples) -> MomentSum:
            gradient = np.zeros(n_params)
            moment = np.zeros((n_params, n_params))
            loss_sum = weight_sum = 0.0
            for piece in part.chunks(rows):
                if self.team.stopped:
                    break
                loss, weight = kernel.add_moments(
                    kind, param, *piece[:-1], params, gradient, moment
                )
                loss_sum += loss
                weight_sum += weight
            return MomentSum(GradientSum(gradient, loss_sum, weight_sum), moment)

        if len(parts) == 1:
            return add(parts[0])
        totals, moments = zip(*self.team.map(add, parts), strict=True)
        return MomentSum(_merged(totals), _added(moments))


def add_up(
    loss: Loss, chunk: Examples, params: Doubles, team: Team | None = None
) -> GradientSum:
    """Add up a loss and its gradient over one chunk, on the calling thread.

    Parameters
    ----------
    loss : Loss
        The loss.
    chunk : Examples
        The rows.
    params : ndarray of float64, shape (n_params,)
        Where the gradient is taken.
    team : Team or None
        Where it has stopped, the sums are of some rows only.

    Returns
    -------
    GradientSum
        The totals.
    """
    gradient = aligned_zeros(len(params))
    return GradientSum(gradient, *_add_sums(loss, chunk, params, gradient, team))


def _add_sums(
    loss: Loss,
    chunk: Examples,
    params: Doubles,
    gradient: Doubles | None,
    team: Team | None,
) -> tuple[float, float]:
    """Return the sums of losses and weights; adds to a gradient, if there is one."""
    if isinstance(chunk.X, CSR):
        return _add_sparse(loss, chunk, params, gradient, team)
    return kernel.add_gradient(
        loss.kind, loss.param, *chunk[:-1], params, gradient, chunk.n_outputs
    )


def _add_sparse(
    loss: Loss,
    chunk: Examples,
    params: Doubles,
    gradient: Doubles | None,
    team: Team | None,
) -> tuple[float, float]:
    """Do the same for sparse rows, into a gradient of zeros.

    Columns (x - c) f are never made, as they have no zeros. Their predictions are those
    of x with coefficients f w and the intercept b - c . (f w); their gradient is f
    times that of x less c times the sum of the slopes, which is the intercept's.
    """
    columns, n_outputs, n_features = chunk.columns, chunk.n_outputs, chunk.X.shape[1]
    at = params.reshape(-1, n_outputs)
    slopes = None if gradient is None else gradient.reshape(-1, n_outputs)
    loss_sum = weight_sum = 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # of a run that diverges
        if columns is not None:
            center, factor = columns
            coef = factor[:, None] * at[:n_features]
            at = np.vstack([coef, at[n_features:].sum(axis=0) - center @ coef])
            slopes = None if gradient is None else np.zeros(at.shape)
        total = None if slopes is None else slopes.reshape(-1)
        for X, y, weight, _, _ in chunk.pieces():
            if team is not None and team.stopped:
                break
            losses, weights = kernel.add_gradient_csr(
                *(loss.kind, loss.param, X.data, X.indices, X.indptr, y, weight),
                *(n_features, at.reshape(-1), total, n_outputs),
            )
            loss_sum += losses
            weight_sum += weights
        if columns is not None and slopes is not None and gradient is not None:
            slopes[:-1] -= np.outer(center, slopes[-1])
            slopes[:-1] *= factor[:, None]
            gradient += slopes.reshape(-1)[: len(params)]
    return loss_sum, weight_sum


def _merged(sums: Sequence[GradientSum]) -> GradientSum:
    """Return the totals of chunks, added up in their order."""
    gradients, losses, weights = zip(*sums, strict=True)
    return GradientSum(_added(gradients), sum(losses), sum(weights))


def _added(arrays: Sequence[Doubles]) -> Doubles:
    """Return the sum of some arrays, added to the first one in their order."""
    total = arrays[0]
    for array in arrays[1:]:
        total += array
    return total


def moment_room(examples: Examples) -> int:
    """Return how many second moments of the examples may be kept.

    Parameters
    ----------
    examples : Examples
        The rows.

    Returns
    -------
    int
        0 if a single one is out of proportion to X: takes more than 4 MiB and more
        than a two-hundredth of its bytes.
    """
    n_features = examples.X.shape[1]
    room = max(MOMENT_BYTES, int(MOMENT_PART * examples.X.nbytes))
    return int(room // (8 * n_features * n_features))
