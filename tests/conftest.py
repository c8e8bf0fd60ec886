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


# Whatever GDFAST_SIMD says: the plainest build and the widest that runs here.
WIDEST, LEVEL = _backend.choose(None)
COMPILED = {"compiled": _kernel}
if LEVEL > 1:
    COMPILED["compiled-wider"] = WIDEST
KERNELS = {**COMPILED, "reference": _reference}


@pytest.fixture(params=KERNELS.values(), ids=KERNELS)
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each implementation of the kernel in turn: every test of one is one of all."""
    return request.param


@pytest.fixture(params=COMPILED.values(), ids=COMPILED)
def compiled(request: pytest.FixtureRequest) -> ModuleType:
    """Each build of the kernel, for what BLAS does not promise of the reference."""
    return request.param


@pytest.fixture(scope="session")
def builds() -> tuple[ModuleType, ModuleType]:
    """The plainest and the widest build, to compare them bit by bit."""
    if LEVEL == 1:
        pytest.skip("needs a second build of the kernel and a processor for it")
    return _kernel, WIDEST


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
