"""Gradient descent for linear models, at the speed of memory."""

from importlib import import_module
from typing import TYPE_CHECKING

from gdfast._version import __version__

__all__ = [
    "ConvergenceWarning",
    "DivergenceError",
    "Fit",
    "History",
    "Iteration",
    "LearningRates",
    "Minimum",
    "Point",
    "Table",
    "TableError",
    "__version__",
    "example_data",
    "gradient",
    "learning_rates",
    "load",
    "loss",
    "losses",
    "minimize",
    "optimizers",
    "read_table",
    "schedules",
    "scipy_method",
    "simd_level",
    "train",
]

if TYPE_CHECKING:
    from gdfast import losses, optimizers, schedules
    from gdfast._backend import simd_level
    from gdfast.callbacks import Iteration, Point
    from gdfast.delimited import TableError
    from gdfast.finder import LearningRates, learning_rates
    from gdfast.fit import DivergenceError, Fit, load
    from gdfast.history import History
    from gdfast.minimization import minimize
    from gdfast.minimum import Minimum
    from gdfast.scipy_methods import scipy_method
    from gdfast.sources import Table, example_data, read_table
    from gdfast.stopping import ConvergenceWarning
    from gdfast.training import gradient, loss, train
else:
    # Imported when first asked for (PEP 562): what trains does not wait for what reads
    # files, and the command answers Ctrl-C before NumPy is loaded.
    _MODULES = {
        "ConvergenceWarning": "stopping",
        "DivergenceError": "fit",
        "Fit": "fit",
        "History": "history",
        "Iteration": "callbacks",
        "LearningRates": "finder",
        "Minimum": "minimum",
        "Point": "callbacks",
        "Table": "sources",
        "TableError": "delimited",
        "example_data": "sources",
        "gradient": "training",
        "learning_rates": "finder",
        "load": "fit",
        "loss": "training",
        "losses": "losses",
        "minimize": "minimization",
        "optimizers": "optimizers",
        "read_table": "sources",
        "schedules": "schedules",
        "scipy_method": "scipy_methods",
        "simd_level": "_backend",
        "train": "training",
    }

    def __getattr__(name: str) -> object:
        """Import a public name."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f"{__name__}.{_MODULES[name]}")
        value = module if name == _MODULES[name] else getattr(module, name)
        globals()[name] = value  # the next time it is found without asking here
        return value

    def __dir__() -> list[str]:
        """Return the public names too that are not imported yet."""
        return sorted({*globals(), *__all__})
