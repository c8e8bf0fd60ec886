"""Long arrays that begin where a cache line does.

Parameters of several outputs lie side by side, those of a feature in a run that fills
a few cache lines. NumPy puts long arrays 16 bytes behind the start of one, so that
every other run reaches into a line more. Passes over sparse rows, which take the runs
in any order, then take an eighth more time.
"""

from __future__ import annotations

import numpy as np

from gdfast._typing import Doubles

LINE_VALUES = 8  # of a cache line
VECTOR_VALUES = 4  # of the widest vectors of the kernel
LONG = 1 << 15  # values that do not stay in the first-level cache in any case


def aligned_zeros(n: int) -> Doubles:
    """Return zeros.

    Parameters
    ----------
    n : int
        How many.

    Returns
    -------
    ndarray of float64, shape (n,)
        A view of a few more, if they are many.
    """
    if n < LONG:
        return np.zeros(n)
    zeros = np.zeros(n + LINE_VALUES)
    start = -(zeros.ctypes.data // zeros.itemsize) % LINE_VALUES
    return zeros[start : start + n]


def aligned_copy(values: Doubles) -> Doubles:
    """Return a copy.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        What is copied.

    Returns
    -------
    ndarray of float64, shape (n,)
        The copy.
    """
    if len(values) < LONG:
        return values.copy()
    copy = aligned_zeros(len(values))
    copy[:] = values
    return copy
