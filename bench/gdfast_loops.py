"""The ways into gdfast that are measured: by thread, by kernel and by method.

All of the benchmarks' knowledge of gdfast's insides is here. What a version does not
have is left out, so that an older one can be measured with these files.
"""

from __future__ import annotations

import math
import os
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import gdfast
from gdfast import _kernel
from gdfast.losses import LOSSES

try:
    from gdfast import _backend, drivers
    from gdfast.sums import CHUNK_VALUES, Examples, Summation
    from gdfast.threads import Team
except ImportError:  # 0.1.0, which had one kernel, one thread and one method
    _backend = None

Floats = NDArray[Any]
Doubles = NDArray[np.float64]

CORES = os.cpu_count() or 1
ALL_THREADS = sorted({1, CORES})
THREADS = ALL_THREADS if _backend else [1]
METHODS = ["passes", "moments"] if _backend else ["passes"]
# The kernel for any processor, and the one that gdfast takes on this processor.
PORTABLE, WIDEST = _kernel, _backend.kernel if _backend else _kernel


def in_kernel(loss: str) -> tuple[Any, ...]:
    """Return what the kernel's functions are told of a loss.

    Parameters
    ----------
    loss : str
        Its name.

    Returns
    -------
    tuple
        Its number and, but for versions where no loss had one, its parameter.
    """
    found = LOSSES[loss]
    return (found.kind, found().param) if isinstance(found, type) else (found.kind,)


def gdfast_steps(
    X: Floats,
    y: Floats,
    params: Doubles,
    rates: Doubles,
    losses: Doubles,
    n_threads: int,
    loss: str = "squared_error",
    kernel: ModuleType = WIDEST,
) -> None:
    """Descend a mean loss in gdfast's loops alone, without the checks of `train`.

    Parameters
    ----------
    X, y, params, rates, losses, loss
        As in `bench.numpy_loops.numpy_descend`.
    n_threads : int
        One of `THREADS`; on small data one does the work, as in `train`.
    kernel : module
        `PORTABLE` or `WIDEST`.
    """
    if n_threads == 1 or X.size <= CHUNK_VALUES:
        trace = np.empty((len(rates), 3))
        kernel.descend(*in_kernel(loss), X, y, None, None, params, rates, trace, None)
        losses[:] = trace[:, 0]
        return
    with Team(n_threads) as team:
        found = LOSSES[loss]
        known = found() if isinstance(found, type) else found.kind
        summation = Summation(known, Examples(X, y), team)
        for t, rate in enumerate(rates):
            gradient, loss_sum, weight_sum = summation.gradient(params)
            losses[t] = loss_sum / weight_sum
            params -= rate * (gradient / weight_sum)


def train_by(
    method: str | None,
    X: Floats,
    y: Floats,
    rate: float,
    n_steps: int,
    n_threads: int = 1,
) -> gdfast.Fit:
    """Train by a method: "passes", "moments", or None for the one that `train` chooses.

    Parameters
    ----------
    method : str or None
        The method.
    X, y
        The data.
    rate : float
        Learning rate.
    n_steps : int
        How many steps.
    n_threads : int
        One of `THREADS`.

    Returns
    -------
    Fit
        The run.
    """
    if not _backend:
        return gdfast.train(X, y, learning_rate=rate, max_iter=n_steps)
    worth_it = drivers.WORTH_IT
    try:
        if method is not None:
            drivers.WORTH_IT = -math.inf if method == "moments" else math.inf
        return gdfast.train(
            X, y, learning_rate=rate, max_iter=n_steps, n_threads=n_threads
        )
    finally:
        drivers.WORTH_IT = worth_it


def method_of(fit: gdfast.Fit) -> str:
    """Return the method of a run."""
    return fit.method if _backend else "passes"
