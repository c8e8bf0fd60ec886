"""The compiled kernel: that for the widest vectors which the processor has.

All are built from one source and give the same bits; ``GDFAST_SIMD=1`` in the
environment takes the plainest one and ``GDFAST_SIMD=3`` asks for x86-64-v3 (AVX2).
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from gdfast import _kernel

WIDER = {3: "_kernel_v3"}  # modules by the level of x86-64 that they need


def choose(level: str | None) -> tuple[object, int]:
    """Return a kernel and the level of x86-64 that it needs.

    Parameters
    ----------
    level : str or None
        The level wanted, "1" or "3"; None for the widest that there is.

    Returns
    -------
    kernel : module
        The kernel.
    level : int
        Its level; 1 is what every processor runs.

    Raises
    ------
    ImportError
        If the level is unknown, not built, or not for this processor.
    """
    top = _kernel.cpu_level()
    if level not in (None, "1", *map(str, WIDER)):
        raise ImportError(f"GDFAST_SIMD must be 1 or 3, got {level!r}")
    if level == "1" or (level is None and top not in WIDER):
        return _kernel, 1
    wanted = top if level is None else int(level)
    if wanted > top:
        raise ImportError(f"GDFAST_SIMD={level}: this processor runs level {top}")
    try:
        return import_module(f"gdfast.{WIDER[wanted]}"), wanted
    except ModuleNotFoundError:  # a build without it
        if level is None:
            return _kernel, 1
        raise ImportError(
            f"GDFAST_SIMD={level}: gdfast was built without {WIDER[wanted]}"
        ) from None


if TYPE_CHECKING:  # a module chosen at run time has no types
    kernel = _kernel
    level = 1
else:
    kernel, level = choose(os.environ.get("GDFAST_SIMD") or None)


def simd_level() -> int:
    """Return which of the compiled kernels is in use.

    Returns
    -------
    int
        1 for the one that every processor runs, 3 for the one that needs x86-64-v3
        (AVX2). They differ in speed alone. The environment variable ``GDFAST_SIMD``,
        read when gdfast is first used, asks for one of them.

    Examples
    --------
    >>> import gdfast
    >>> gdfast.simd_level() in (1, 3)
    True
    """
    return level
