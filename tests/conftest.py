"""What several test files share: both kernels, and the data of the tutorials."""

import os
import signal
from types import ModuleType

import numpy as np
import pytest
from hypothesis import settings

import gdfast
from gdfast import _backend, _kernel, _reference

# What a script starts in the background ignores Ctrl-C, and so would the children that
# the tests send it to.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Every run on a developer's machine tries other examples; CI judges a change and always
# tries the same.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


KERNELS = {"compiled": _kernel, "reference": _reference}
if _backend.level > 1:
    KERNELS["compiled-wider"] = _backend.kernel


@pytest.fixture(params=KERNELS.values(), ids=KERNELS)
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each implementation of the kernel in turn: every test of one is one of all."""
    return request.param


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261120)


@pytest.fixture(scope="session")
def mpg() -> tuple[np.ndarray, np.ndarray]:
    table = gdfast.example_data("mpg")
    return table["pounds_1000"], table["mpg"]


@pytest.fixture(scope="session")
def pizza() -> tuple[np.ndarray, np.ndarray]:
    table = gdfast.example_data("pizza")
    return table["Reservations"], table["Pizzas"]


@pytest.fixture(scope="session")
def advertising() -> gdfast.Table:
    return gdfast.example_data("advertising")
