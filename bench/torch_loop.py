"""The same descent in PyTorch, which is measured where it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Doubles = NDArray[np.float64]

INSTALLED = find_spec("torch") is not None


def torch_descend(
    X: Floats,
    y: Floats,
    params: Doubles,
    rates: Doubles,
    losses: Doubles,
    loss: str = "squared_error",
    n_threads: int = 1,
) -> None:
    """Descend a mean loss with as little work as PyTorch allows.

    Like `bench.numpy_loops.numpy_descend`, on the same memory and in the type of `X`;
    the gradient is written out, as to have it derived takes longer.

    Parameters
    ----------
    X, y, params, rates, losses, loss
        As there.
    n_threads : int
        How many threads PyTorch may use.
    """
    import torch

    torch.set_num_threads(n_threads)
    rows, targets = torch.from_numpy(X), torch.from_numpy(y)
    n, d = rows.shape
    coef = torch.from_numpy(params[:d].astype(X.dtype))
    intercept = torch.tensor(params[d], dtype=rows.dtype)
    z, gradient = torch.empty_like(targets), torch.empty_like(coef)
    for t, rate in enumerate(rates.tolist()):
        torch.mv(rows, coef, out=z)
        z += intercept
        if loss == "log_loss":
            loss_sum = torch.nn.functional.softplus(z, threshold=40).sum()
            loss_sum -= torch.dot(targets, z)
            torch.sigmoid(z, out=z)
            z -= targets
            factor = rate / n
        else:
            z -= targets
            loss_sum = torch.dot(z, z)
            factor = 2 * rate / n
        losses[t] = loss_sum.item() / n
        torch.mv(rows.T, z, out=gradient)
        coef.sub_(gradient, alpha=factor)
        intercept.sub_(z.sum(), alpha=factor)
    params[:d], params[d] = coef.numpy(), intercept.item()


def torch_epoch(
    X: Floats, y: Floats, params: Doubles, order: Any, size: int, rate: float
) -> None:
    """Make a step on every batch of rows, on one thread.

    Like `bench.numpy_loops.numpy_epoch`: what a loop over a ``DataLoader`` costs beside
    that is left out, which is more than all of this.

    Parameters
    ----------
    X, y, params, order, size, rate
        As there.
    """
    import torch

    torch.set_num_threads(1)
    rows, targets = torch.from_numpy(X), torch.from_numpy(y)
    places = None if order is None else torch.from_numpy(order)
    coef, intercept = torch.from_numpy(params[:-1]), torch.from_numpy(params[-1:])
    for start in range(0, len(X), size):
        part: Any = slice(start, start + size)
        if places is not None:
            part = places[part]
        batch = rows[part]
        z = torch.mv(batch, coef)
        z += intercept
        z -= targets[part]
        factor = 2 * rate / len(z)
        coef.sub_(torch.mv(batch.T, z), alpha=factor)
        intercept.sub_(z.sum(), alpha=factor)
