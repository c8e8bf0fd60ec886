"""Gradient descent for linear models, at the speed of memory."""

from gdfast._version import __version__
from gdfast.delimited import TableError
from gdfast.fit import DivergenceError, Fit, load
from gdfast.history import History
from gdfast.sources import Table, example_data, read_table
from gdfast.stopping import ConvergenceWarning
from gdfast.training import Iteration, gradient, loss, train

__all__ = [
    "ConvergenceWarning",
    "DivergenceError",
    "Fit",
    "History",
    "Iteration",
    "Table",
    "TableError",
    "__version__",
    "example_data",
    "gradient",
    "load",
    "loss",
    "read_table",
    "train",
]
