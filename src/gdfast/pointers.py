"""Functions that a compiler made, as the addresses that the kernel calls."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

# Return type and arguments, without spaces: what it is, and whether it takes data.
SIGNATURES = {
    "double(int,double*)": ("value", False),
    "double(int,double*,void*)": ("value", True),
    "void(int,double*,double*)": ("gradient", False),
    "void(int,double*,double*,void*)": ("gradient", True),
    "double(int,double*,double*)": ("both", False),
    "double(int,double*,double*,void*)": ("both", True),
}


class Pointer(NamedTuple):
    """A compiled function.

    Parameters
    ----------
    kind : {"value", "gradient", "both"}
        What it gives.
    address : int
        Where it is.
    data : int or None
        Address of what it is passed last; None if it takes no such thing.
    owner : object
        What keeps it in memory.
    """

    kind: str
    address: int
    data: int | None
    owner: object


def compiled(function: Any) -> Pointer | None:
    """Return a function of the caller's as a pointer, if it is one.

    Parameters
    ----------
    function : object
        A `scipy.LowLevelCallable`, a function of ctypes, or what has one as `ctypes`,
        as those of ``numba.cfunc``.

    Returns
    -------
    Pointer or None
        None for all else, functions of ctypes with other arguments among it.

    Raises
    ------
    ValueError
        If a `LowLevelCallable` has a signature that is not one of `SIGNATURES`.
    """
    if isinstance(function, tuple) and type(function).__name__ == "LowLevelCallable":
        return _low_level(function)
    ctypes = sys.modules.get("ctypes")
    pointer = getattr(function, "ctypes", function)
    if ctypes is None or not isinstance(pointer, ctypes._CFuncPtr):
        return None
    if pointer.argtypes is None:
        return None
    names = [_type_name(each) for each in (pointer.restype, *pointer.argtypes)]
    known = SIGNATURES.get(f"{names[0]}({','.join(names[1:])})")
    if known is None:
        return None
    kind, takes_data = known
    address = ctypes.cast(pointer, ctypes.c_void_p).value
    return Pointer(kind, address, 0 if takes_data else None, function)


def _low_level(function: tuple[Any, ...]) -> Pointer:
    """Return the pointer in a capsule of SciPy's, which has the signature as name."""
    import ctypes

    def of_capsule(what: str, result: Any, *arguments: Any) -> Any:
        types: list[Any] = [ctypes.py_object, *[ctypes.c_char_p] * len(arguments)]
        ask = ctypes.PYFUNCTYPE(result, *types)((f"PyCapsule_{what}", ctypes.pythonapi))
        return ask(capsule, *arguments)

    capsule = tuple.__getitem__(function, 0)
    name = of_capsule("GetName", ctypes.c_char_p)
    signature = name.decode().replace(" ", "")
    if signature not in SIGNATURES:
        known = ", ".join(map(repr, SIGNATURES))
        raise ValueError(
            f"a LowLevelCallable must have one of the signatures {known}; got "
            f"{name.decode()!r}"
        )
    kind, takes_data = SIGNATURES[signature]
    address = of_capsule("GetPointer", ctypes.c_void_p, name)
    data = of_capsule("GetContext", ctypes.c_void_p) or 0
    return Pointer(kind, address, data if takes_data else None, function)


def _type_name(kind: Any) -> str:
    """Return the name in C of a type of ctypes."""
    import ctypes

    if kind is None:
        return "void"
    if getattr(kind, "_type_", None) is ctypes.c_double:
        return "double*"
    names = {ctypes.c_int: "int", ctypes.c_double: "double", ctypes.c_void_p: "void*"}
    return names.get(kind, "?")
