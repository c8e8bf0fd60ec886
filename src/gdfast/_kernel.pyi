from collections.abc import Callable
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

_Floats = NDArray[np.float32] | NDArray[np.float64]
_Ints = NDArray[np.int32] | NDArray[np.int64]

def cpu_level() -> int: ...
def add_gradient(
    kind: int,
    param: float,
    X: _Floats,
    y: _Floats,
    sample_weight: NDArray[np.float64] | None,
    columns: NDArray[np.float64] | None,
    params: NDArray[np.float64],
    gradient: NDArray[np.float64] | None,
    n_outputs: int = 1,
) -> tuple[float, float]: ...
def add_gradient_csr(
    kind: int,
    param: float,
    data: _Floats,
    indices: _Ints,
    indptr: _Ints,
    y: _Floats,
    sample_weight: NDArray[np.float64] | None,
    n_features: int,
    params: NDArray[np.float64],
    gradient: NDArray[np.float64] | None,
    n_outputs: int = 1,
) -> tuple[float, float]: ...
def add_moments(
    kind: int,
    param: float,
    X: _Floats,
    y: _Floats,
    sample_weight: NDArray[np.float64] | None,
    columns: NDArray[np.float64] | None,
    params: NDArray[np.float64],
    gradient: NDArray[np.float64],
    moment: NDArray[np.float64],
) -> tuple[float, float]: ...

@final
class Update:
    def __init__(
        self,
        kind: int,
        constants: NDArray[np.float64],
        n_features: int,
        n_intercepts: int,
        l1: float,
        l2: float,
        bounds: NDArray[np.float64] | None,
        state: NDArray[np.float64],
    ) -> None: ...
    def look_ahead(
        self, params: NDArray[np.float64], point: NDArray[np.float64]
    ) -> None: ...
    def take_step(
        self,
        loss: float,
        point: NDArray[np.float64],
        gradient: NDArray[np.float64] | None,
        rate: NDArray[np.float64] | None,
        params: NDArray[np.float64],
        row: NDArray[np.float64],
    ) -> None: ...

def descend(
    kind: int,
    param: float,
    X: _Floats,
    y: _Floats,
    sample_weight: NDArray[np.float64] | None,
    columns: NDArray[np.float64] | None,
    params: NDArray[np.float64],
    rates: NDArray[np.float64],
    trace: NDArray[np.float64],
    path: NDArray[np.float64] | None,
    update: Update | None = None,
    n_outputs: int = 1,
) -> None: ...
def descend_batches(
    kind: int,
    param: float,
    X: _Floats,
    y: _Floats,
    sample_weight: NDArray[np.float64] | None,
    columns: NDArray[np.float64] | None,
    order: NDArray[np.intp] | None,
    batch_size: int,
    params: NDArray[np.float64],
    rates: NDArray[np.float64],
    sums: NDArray[np.float64],
    path_sum: NDArray[np.float64] | None,
    first: int,
    update: Update | None = None,
    n_outputs: int = 1,
) -> int: ...
def descend_batches_csr(
    kind: int,
    param: float,
    data: _Floats,
    indices: _Ints,
    indptr: _Ints,
    y: _Floats,
    sample_weight: NDArray[np.float64] | None,
    columns: NDArray[np.float64] | None,
    n_features: int,
    order: NDArray[np.intp] | None,
    batch_size: int,
    params: NDArray[np.float64],
    rates: NDArray[np.float64],
    sums: NDArray[np.float64],
    path_sum: NDArray[np.float64] | None,
    first: int,
    update: Update | None = None,
    n_outputs: int = 1,
    common: NDArray[np.float64] | None = None,
) -> int: ...
def descend_quadratic(
    loss: float,
    gradient: NDArray[np.float64],
    hessian: NDArray[np.float64],
    center: NDArray[np.float64] | None,
    origin: NDArray[np.float64],
    params: NDArray[np.float64],
    rates: NDArray[np.float64],
    trace: NDArray[np.float64],
    path: NDArray[np.float64] | None,
    update: Update | None = None,
) -> int: ...
def are_finite(values: NDArray[np.float64]) -> bool: ...

@disjoint_base
class Function:
    @property
    def n_values(self) -> int: ...
    @property
    def n_gradients(self) -> int: ...
    def evaluate(
        self, point: NDArray[np.float64], gradient: NDArray[np.float64]
    ) -> float: ...

@final
class CompiledFunction(Function):
    def __init__(
        self,
        value: tuple[int, int | None],
        gradient: tuple[int, int | None] | None,
        at_once: bool,
        n: int,
        bounds: NDArray[np.float64] | None,
    ) -> None: ...

@final
class PythonFunction(Function):
    def __init__(
        self,
        fun: Callable[..., Any],
        grad: Callable[..., Any] | Literal[True] | None,
        point: NDArray[np.float64],
        scalar: bool,
        bounds: NDArray[np.float64] | None,
        as_number: Callable[[Any], float],
        as_gradient: Callable[[Any], NDArray[np.float64]],
        n_known: int,
    ) -> None: ...

def descend_function(
    function: Function,
    params: NDArray[np.float64],
    rates: NDArray[np.float64],
    trace: NDArray[np.float64],
    path: NDArray[np.float64] | None,
    update: Update | None = None,
) -> int: ...
def shuffled(order: NDArray[np.intp], seed: int, n_draws: int) -> int: ...
def follow_order(
    order: NDArray[np.intp], sigma: NDArray[np.intp], following: NDArray[np.intp]
) -> None: ...

@final
class Stochastic:
    intercept: float
    mean_intercept: float
    t: float
    in_order: bool
    @property
    def scale(self) -> float: ...
    def __init__(
        self,
        kind: int,
        param: float,
        n_features: int,
        coef: NDArray[np.float64],
        mean: NDArray[np.float64] | None,
        paid: NDArray[np.float64] | None,
        rule: int,
        aggressiveness: float,
        alpha: float,
        l1: float,
        l2: float,
        intercept_rate: float,
        average_from: float,
    ) -> None: ...
    def settle(self) -> None: ...
    def step(
        self,
        X: _Floats,
        y: NDArray[np.float64],
        sample_weight: NDArray[np.float64] | None,
        order: NDArray[np.intp],
        rates: NDArray[np.float64],
        trace: NDArray[np.float64],
    ) -> None: ...
    def step_csr(
        self,
        data: _Floats,
        indices: _Ints,
        indptr: _Ints,
        y: NDArray[np.float64],
        sample_weight: NDArray[np.float64] | None,
        order: NDArray[np.intp],
        rates: NDArray[np.float64],
        trace: NDArray[np.float64],
    ) -> None: ...

@final
class StochasticOutputs:
    in_order: bool
    @property
    def n_outputs(self) -> int: ...
    def __init__(
        self,
        kind: int,
        param: float,
        n_features: int,
        coef: NDArray[np.float64],
        mean: NDArray[np.float64] | None,
        paid: NDArray[np.float64] | None,
        intercept: NDArray[np.float64],
        mean_intercept: NDArray[np.float64],
        class_weight: NDArray[np.float64],
        low: float,
        rule: int,
        aggressiveness: float,
        alpha: float,
        l1: float,
        l2: float,
        intercept_rate: float,
        average_from: float,
        t: float,
    ) -> None: ...
    def step(
        self,
        X: _Floats,
        label: NDArray[np.intp],
        sample_weight: NDArray[np.float64] | None,
        order: NDArray[np.intp],
        rates: NDArray[np.float64],
        trace: NDArray[np.float64],
    ) -> None: ...
    def step_csr(
        self,
        data: _Floats,
        indices: _Ints,
        indptr: _Ints,
        label: NDArray[np.intp],
        sample_weight: NDArray[np.float64] | None,
        order: NDArray[np.intp],
        rates: NDArray[np.float64],
        trace: NDArray[np.float64],
    ) -> None: ...
    def model(
        self,
        output: int,
        coef: NDArray[np.float64],
        mean: NDArray[np.float64] | None,
    ) -> tuple[float, float]: ...
    def stored(self, output: int, coef: NDArray[np.float64]) -> float: ...
    def drop(self, output: int) -> None: ...
