"""Call every function of every kernel on arrays beside memory that nobody may read.

A script for test_vectors.py: a single read or write outside of an array ends it with a
signal. With the argument "outside" it makes one on purpose.
"""

import ctypes
import mmap
import sys
from itertools import product

import numpy as np

PAGE = mmap.PAGESIZE
N_PAGES = 128
NO_ACCESS = 0  # PROT_NONE
LENGTHS = [1, 2, 3, 4, 5, 7, 8, 9, 12, 31, 32, 33]
WIDTHS = [*range(1, 11), 15, 16, 17, 24, 25, 31, 32, 33, 63, 64, 65, 130]
# More rows than a block has, where blocks are long.
SHAPES = [(n, d) for d in WIDTHS for n in LENGTHS]
SHAPES += [(n, d) for d in (1, 3, 8, 9) for n in (255, 256, 257, 263)]


class Arena:
    """Some pages of memory, between or among pages that nobody may read."""

    def __init__(self, scattered=False):
        size = (2 * N_PAGES + 2) * PAGE
        self.memory = mmap.mmap(-1, size)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        libc = ctypes.CDLL(None, use_errno=True)
        closed = [0, 2 * N_PAGES + 1]
        if scattered:  # every other page
            closed = range(0, 2 * N_PAGES + 1, 2)
        for page in closed:
            address = ctypes.c_void_p(start + page * PAGE)
            if libc.mprotect(address, ctypes.c_size_t(PAGE), NO_ACCESS):
                raise OSError(ctypes.get_errno(), "mprotect")

    def array(self, shape, dtype, offset, strides):
        return np.ndarray(shape, dtype, self.memory, offset, strides)

    def place(self, values, at_end, step=None):
        """Copy values to the first or to the last bytes that may be read."""
        strides = (step, *values.strides[1:]) if step else values.strides
        size = values.strides[0] if values.ndim else values.itemsize
        size += (len(values) - 1) * strides[0]
        offset = (2 * N_PAGES + 1) * PAGE - size if at_end else PAGE
        result = self.array(values.shape, values.dtype, offset, strides)
        result[...] = values
        return result

    def scatter(self, values, at_end):
        """Copy each row to the first or to the last bytes of a page of its own."""
        offset = PAGE + (PAGE - values.strides[0] if at_end else 0)
        strides = (2 * PAGE, *values.strides[1:])
        result = self.array(values.shape, values.dtype, offset, strides)
        result[...] = values
        return result


ARENAS = {"scattered": Arena(scattered=True)}


def arena(name):
    """Return the memory of one argument."""
    if name not in ARENAS:
        ARENAS[name] = Arena()
    return ARENAS[name]


def layouts(X, y, at_end):
    """Yield the rows, and other rows of the same shape, in every layout."""
    closed = [arena(name).place(value, at_end) for name, value in (("X", X), ("y", y))]
    yield closed
    yield [np.broadcast_to(closed[0][:1], X.shape), closed[1]]
    yield [values[::-1] for values in closed]
    step = X.strides[0] + 3 * X.itemsize
    yield [arena("X").place(X, at_end, step), arena("y").place(y, at_end, 24)]
    if len(X) < N_PAGES:
        scattered = ARENAS["scattered"].scatter(X, at_end)
        yield [scattered, closed[1]]
        yield [scattered[::-1], closed[1]]


def call_all(kernel, X, y, weight, columns, at_end):
    """Call the functions that read X; all other arrays lie beside guards too."""
    n, d = X.shape

    def put(name, shape):
        return arena(name).place(np.full(shape, 0.5), at_end)

    sample_weight = put("sample_weight", n) if weight else None
    scales = put("columns", (2, d)) if columns else None
    for n_params in (d, d + 1):
        data = X, y, sample_weight, scales, put("params", n_params)
        gradient = put("gradient", n_params)
        kernel.add_gradient(2, 0.0, *data, gradient)
        kernel.add_moments(0, 0.0, *data, gradient, put("moment", (n_params, n_params)))
        outputs = put("rates", 2), put("trace", (3, 3)), put("path", (3, n_params))
        update = kernel.Update(
            2, put("constants", 3), d, n_params > d, 0.1, 0.1, put("bounds", (2, d)),
            put("state", 2 + n_params),
        )  # fmt: skip
        kernel.descend(1, 0.0, *data, *outputs, update)
        order = arena("order").place(np.arange(n)[::-1] // 2, at_end)
        for rows in (order, None):
            kernel.descend_batches(
                1, 0.0, *data[:4], rows, 5, data[4], put("rates", -(-n // 5)),
                put("first", 2), gradient, 1, update,
            )  # fmt: skip
        call_outputs(kernel, data[:4], n_params, at_end)
        point = put("point", n_params)
        update.look_ahead(data[-1], point)
        rate, row = put("rate", 1), put("row", 3)
        update.take_step(1.0, point, gradient, rate, data[-1], row)


def stochastic(kernel, d, rule, at_end, averaged=True, l1=0.5):
    """Return steps on single rows, whose arrays lie beside guards."""
    names = "params", "gradient", "point"
    arrays = [arena(name).place(np.full(-(-d // 8) * 8, 0.5), at_end) for name in names]
    average_from = 1.0
    if not averaged:
        arrays[1], average_from = None, np.inf
    rest = rule, 0.1, 0.1, l1, 0.5, 1.0, average_from
    return kernel.Stochastic(1, 0.0, d, *arrays, *rest)


def call_stochastic(kernel, X, weight, at_end):
    """Call the function that makes a step on every row, whatever their order."""
    n, d = X.shape
    y, sample_weight = (
        arena(name).place(np.full(n, 0.5), at_end) for name in ("y", "sample_weight")
    )
    order = arena("order").place(np.arange(n)[::-1] // 2, at_end)
    rates = arena("rates").place(np.full(n, 0.1), at_end)
    trace = arena("trace").place(np.ones((1, 4)), at_end)
    for averaged, l1, in_order in product((False, True), (0.0, 0.5), (False, True)):
        rule = n % 3 if l1 else 0  # as short rows have a way of their own for that
        steps = stochastic(kernel, d, rule, at_end, averaged, l1)
        steps.in_order = in_order
        steps.step(X, y, sample_weight if weight else None, order, rates, trace)
        steps.settle()


def call_outputs(kernel, data, n_params, at_end):
    """Call the same for several outputs, whose number follows from the shape."""

    def put(name, shape):
        return arena(name).place(np.full(shape, 0.5), at_end)

    n, n_outputs = len(data[0]), 2 + (data[0].size + data[0].shape[1]) % 13
    n_params *= n_outputs
    targets = arena("targets").place(np.full(n * n_outputs, 0.5), at_end)
    for loss, y in ((8, data[1]), (12, targets)):
        rows = data[0], y, *data[2:]
        params, gradient = put("params", n_params), put("gradient", n_params)
        for total in (gradient, None):
            kernel.add_gradient(loss, 0.0, *rows, params, total, n_outputs)
        order = arena("order").place(np.arange(n)[::-1] // 2, at_end)
        kernel.descend_batches(
            loss, 0.0, *rows, order, 5, params, put("rates", -(-n // 5)),
            put("first", n_outputs + 1), None, 1, None, n_outputs,
        )  # fmt: skip


def call_sparse(kernel, n, d, dtype, types, at_end):
    """Call the functions that read sparse rows, for full ones and for empty ones."""

    def put(name, values):
        return arena(name).place(values, at_end)

    indices = np.tile(np.arange(d), n).astype(types[0])
    full = np.arange(0, n * d + 1, d).astype(types[1])
    data = put("X", np.ones(n * d, dtype)), put("columns", indices)
    y, weight = put("y", np.ones(n, dtype)), put("sample_weight", np.full(n, 0.5))
    for indptr in (full, full // (2 * d) * 2 * d):
        rows = *data, put("rates", indptr), y, None if n % 2 else weight
        for n_params in (d, d + 1):
            params = put("params", np.full(n_params, 0.5))
            gradient = put("gradient", np.full(n_params, 0.5))
            kernel.add_gradient_csr(2, 0.0, *rows, d, params, gradient)
            order = arena("order").place(np.arange(n)[::-1] // 2, at_end)
            scales = put("second", np.full((2, d), 0.5))
            for columns, taken in ((None, order), (scales, order), (None, None)):
                kernel.descend_batches_csr(
                    1, 0.0, *rows, columns, d, taken, 5, params,
                    put("state", np.ones(-(-n // 5))), put("first", np.zeros(2)), None,
                    0,
                )  # fmt: skip
            n_outputs = 2 + (n + d) % 13
            params, gradient = (
                put(name, np.full(n_params * n_outputs, 0.5))
                for name in ("params", "gradient")
            )
            for total in (gradient, None):
                kernel.add_gradient_csr(8, 0.0, *rows, d, params, total, n_outputs)
            for taken in (order, None):
                kernel.descend_batches_csr(
                    8, 0.0, *rows, None, d, taken, 5, params,
                    put("state", np.ones(-(-n // 5))),
                    put("first", np.zeros(n_outputs + 1)), None,
                    0, None, n_outputs, put("second", np.ones(n_outputs + 1)),
                )  # fmt: skip
        steps = stochastic(kernel, d, n % 3, at_end)
        targets = put("targets", np.full(n, 0.5))
        rates, trace = put("state", np.full(n, 0.1)), put("trace", np.ones((1, 4)))
        steps.step_csr(
            *rows[:3], targets, None if n % 2 else weight.astype(float), order, rates,
            trace,
        )  # fmt: skip
        steps.settle()
        sides = put("bounds", np.zeros((d, -(-n_outputs // 4) * 4)))
        each = put("first", np.full(n_outputs, 0.5))
        together = kernel.StochasticOutputs(
            1, 0.0, d, sides, sides.copy(), sides.copy(), each, each, each, 0.0, n % 3,
            0.1, 0.1, 0.5, 0.5, 1.0, 1.0, 1.0,
        )  # fmt: skip
        labels = put("targets", np.arange(n) % (n_outputs + 1))
        trace = put("trace", np.ones((1, n_outputs, 4)))
        together.step_csr(*rows[:3], labels, None, order, rates, trace)
        together.drop(0)
        together.model(0, put("point", np.zeros(d)), None)


def call_quadratic(kernel, n, at_end):
    """Call the function that reads moments."""

    def put(name, shape):
        return arena(name).place(np.full(shape, 0.5), at_end)

    for center in (None, put("center", n - 1) if n > 1 else None):
        function = put("gradient", n), put("second", (n, n)), center
        outputs = put("rates", 2), put("trace", (2, 3)), put("path", (2, n))
        params = put("params", n), put("first", n)
        kernel.descend_quadratic(9.0, *function, *params, *outputs)


def main():
    from gdfast import _backend, _kernel

    for kernel in dict.fromkeys([_kernel, _backend.choose(None)[0]]):
        for case, (n, d) in enumerate(SHAPES):
            for dtype in (np.float32, np.float64):
                X, y = np.ones((n, d), dtype), np.ones(n, dtype)
                for at_end in (False, True):
                    for k, rows in enumerate(layouts(X, y, at_end)):
                        odd = case + k
                        call_all(kernel, *rows, odd % 2, odd % 3 == 0, at_end)
                        call_stochastic(kernel, rows[0], odd % 2, at_end)
                    types = np.int32, np.int64
                    call_sparse(
                        kernel, n, d, dtype, (types[n % 2], types[d % 2]), at_end
                    )
        for n in WIDTHS:
            for at_end in (False, True):
                call_quadratic(kernel, n, at_end)


if __name__ == "__main__":
    if sys.argv[1:] == ["outside"]:
        inside = arena("X").place(np.ones((4, 3)), at_end=True)
        np.lib.stride_tricks.as_strided(inside, (4, 4)).sum()
    main()
