"""Long arrays that begin where a cache line does."""

import numpy as np
import pytest

from gdfast.aligned import LINE_VALUES, LONG, aligned_copy, aligned_zeros


@pytest.mark.parametrize("n", [0, 1, 7, LONG - 1, LONG, LONG + 3])
def test_zeros_and_copies_are_arrays_of_their_own(n):
    zeros, values = aligned_zeros(n), np.arange(float(n))
    copy = aligned_copy(values)
    assert zeros.shape == copy.shape == (n,)
    assert not zeros.any()
    assert (copy == values).all()
    assert zeros.flags.writeable
    assert zeros.flags.c_contiguous
    assert not np.shares_memory(copy, values)


def test_long_ones_begin_where_a_cache_line_does():
    for n in (LONG, LONG + 1, 10 * LONG):
        for array in (aligned_zeros(n), aligned_copy(np.ones(n))):
            assert array.ctypes.data % (LINE_VALUES * array.itemsize) == 0
