"""Turn what callers pass into plain arrays and numbers, or say what is wrong with it.

Arrays that the kernel can read as they are come back without a copy and without a look
at their values: NaN shows up in the first sum over them, and `raise_nonfinite` then
finds where it is.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gdfast._typing import Floats

SAFE_EXPONENT = 300  # of 2: weights up to here can be summed and multiplied
SEARCH_ROWS = 1 << 16  # looked through at a time for a value that is not finite


def check_X(X: object, name: str = "X") -> tuple[Floats, tuple[str, ...] | None]:
    """Return the features as a matrix that the kernel reads, and their names.

    Parameters
    ----------
    X : array-like, shape (n_samples, n_features) or (n_samples,)
        Numbers; one dimension is taken as one feature. Data frames, and all else that
        has ``columns`` of strings, give the names.
    name : str
        What to call it in messages.

    Returns
    -------
    matrix : ndarray of float32 or float64, shape (n_samples, n_features)
        `X` itself where the values of a row are contiguous, aligned and in native
        byte order, else a copy in C order; what is neither is converted to float64.
    feature_names : tuple of str or None
        Names of the columns if `X` has them.

    Raises
    ------
    TypeError
        If `X` is sparse or holds text, dates, complex numbers or other objects.
    ValueError
        If it is empty, ragged, has missing values or too many dimensions.
    """
    if type(X) is np.ndarray:
        array, names = X, None
    else:
        names = _names(X)
        array = _array(X, name)
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2:
        raise ValueError(
            f"{name} must have two dimensions (n_samples, n_features), "
            f"got shape {array.shape}"
        )
    if 0 in array.shape:
        raise ValueError(
            f"{name} must have at least one row and one column, got shape {array.shape}"
        )
    array = _floats(array, name)
    if array.shape[1] > 1 and array.strides[1] != array.itemsize:
        array = np.ascontiguousarray(array)
    return array, names


def check_y(y: object, n_samples: int, name: str = "y") -> Floats:
    """Return the targets as a vector of `n_samples` values that the kernel reads.

    Parameters
    ----------
    y : array-like, shape (n_samples,)
        Numbers, of any real type.
    n_samples : int
        How many there must be.
    name : str
        What to call it in messages.

    Returns
    -------
    ndarray of float32 or float64, shape (n_samples,)
        `y` itself where that can be.

    Raises
    ------
    TypeError, ValueError
        As `check_X`, and if there are more or fewer than `n_samples`.
    """
    array = y if type(y) is np.ndarray else _array(y, name)
    if array.ndim != 1:
        hint = f"; did you mean {name}.ravel()?" if array.size == n_samples > 1 else ""
        raise ValueError(
            f"{name} must have one dimension (n_samples,), got shape "
            f"{array.shape}{hint}"
        )
    if len(array) != n_samples:
        raise ValueError(f"{name} has {len(array)} values, but X has {n_samples} rows")
    return _floats(array, name)


def check_sample_weight(
    sample_weight: object, n_samples: int
) -> NDArray[np.float64] | None:
    """Return the weights as contiguous float64, or None for None.

    Parameters
    ----------
    sample_weight : array-like, shape (n_samples,), or None
        Finite, non-negative numbers, not all zero.
    n_samples : int
        How many there must be.

    Returns
    -------
    ndarray of float64, shape (n_samples,), or None
        The weights; a multiple of them where sums of them or products with them
        might overflow or vanish.

    Raises
    ------
    TypeError, ValueError
        As `check_y`, and for weights that are negative, not finite or all zero.
    """
    if sample_weight is None:
        return None
    given = check_y(sample_weight, n_samples, "sample_weight")
    weights = np.ascontiguousarray(given, dtype=np.float64)
    if not weights.min() >= 0 or not weights.max() < np.inf:
        raise ValueError("sample_weight must hold finite numbers that are not negative")
    exponent = math.frexp(weights.max())[1]
    if weights.max() == 0:
        raise ValueError("sample_weight must not be all zero")
    if abs(exponent) > SAFE_EXPONENT:
        # Only their ratios count, and a power of two leaves those as they are.
        weights = np.ldexp(weights, -exponent)
    return weights


def check_coef(
    coef: object, n_features: int, name: str = "coef"
) -> NDArray[np.float64]:
    """Return coefficients as a new float64 vector of `n_features` finite values.

    Parameters
    ----------
    coef : array-like, shape (n_features,), or a number if there is one feature
        The coefficients.
    n_features : int
        How many there must be.
    name : str
        What to call it in messages.

    Returns
    -------
    ndarray of float64, shape (n_features,)
        A copy.

    Raises
    ------
    TypeError, ValueError
        If it is not numbers, has another shape or is not finite.
    """
    array = _floats(_array(coef, name), name).astype(np.float64)
    if array.ndim == 0 and n_features == 1:
        array = array.reshape(1)
    if array.shape != (n_features,):
        raise ValueError(
            f"{name} must have shape ({n_features},), one value for each column of X, "
            f"got {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array}")
    return array


def check_number(
    value: object,
    name: str,
    *,
    low: float = -math.inf,
    open_low: bool = False,
    note: str = "",
) -> float:
    """Return a finite real number of at least (or, `open_low`, above) `low`.

    Parameters
    ----------
    value : float
        The number; True and False are not numbers here.
    name : str
        What to call it in messages.
    low : float
        Its lower bound.
    open_low : bool
        Whether the bound itself is excluded.
    note : str
        What else is allowed, put at the end of the message.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TypeError
        If it is not a real number.
    ValueError
        If it is not finite or out of range.
    """
    # float and int are Real; an abstract class takes longer to be asked.
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (float, int, Real)):
        raise TypeError(f"{name} must be a number{note}, got {value!r}")
    number = _float(value, name)
    if not math.isfinite(number) or number < low or (open_low and number == low):
        bound = ""
        if low > -math.inf:
            bound = f" {'greater than' if open_low else 'of at least'} {low:g}"
        raise ValueError(f"{name} must be a finite number{bound}{note}, got {value!r}")
    return number


def check_int(value: object, name: str, *, low: int) -> int:
    """Return a whole number of at least `low`.

    Parameters
    ----------
    value : int
        The number.
    name : str
        What to call it in messages.
    low : int
        Its lower bound.

    Returns
    -------
    int
        The number.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is less than `low`.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, Integral)):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, got {value!r}")
    return int(value)


def check_bool(value: object, name: str) -> bool:
    """Return True or False.

    Parameters
    ----------
    value : bool
        The value.
    name : str
        What to call it in messages.

    Returns
    -------
    bool
        The value.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def raise_nonfinite(**arrays: Floats) -> None:
    """Raise if an array holds NaN or infinity, and say where.

    Parameters
    ----------
    **arrays : ndarray
        The arrays by their names in the message.

    Raises
    ------
    ValueError
        Naming the array, the place and the value of the first one.
    """
    for name, array in arrays.items():
        for start in range(0, len(array), SEARCH_ROWS):
            rows = array[start : start + SEARCH_ROWS]
            finite = np.isfinite(rows)
            if not finite.all():
                place = np.argwhere(~finite)[0]
                value = rows[tuple(place)]
                place[0] += start
                at = ", ".join(map(str, place))
                what = (
                    "a missing value (NaN)"
                    if np.isnan(value)
                    else f"an infinite value ({value})"
                )
                raise ValueError(
                    f"{name} has {what} at [{at}]; drop or fill such rows first"
                )


def _names(X: object) -> tuple[str, ...] | None:
    """Return the column names of a frame, or the name of a series, if strings."""
    if hasattr(X, "columns"):
        names = tuple(X.columns)
    elif isinstance(name := getattr(X, "name", None), str) and name:
        names = (name,)
    else:
        return None
    return names if all(isinstance(name, str) for name in names) else None


def _array(values: object, name: str) -> NDArray[Any]:
    """Return `values` as an array, not looking at its type yet."""
    if hasattr(values, "tocsr"):
        raise TypeError(
            f"{name} is a sparse matrix, which is not supported; pass {name}.toarray()"
        )
    parts = values if isinstance(values, (list, tuple)) else [values]
    if any(np.ma.is_masked(part) for part in parts):
        raise ValueError(f"{name} has missing values (masked cells)")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{name} cannot be turned into an array of numbers: {error}"
        ) from error
    if array.ndim == 0 and array.dtype == object:
        raise TypeError(f"{name} must be an array of numbers, got {values!r}")
    return array


def _floats(array: NDArray[Any], name: str) -> Floats:
    """Return `array`, or a native and aligned copy of it, as float32 or float64."""
    dtype = array.dtype
    if dtype.kind == "f" and dtype.itemsize in (4, 8):
        if dtype.isnative and array.flags.aligned:
            return array
        return array.astype(dtype.newbyteorder("="))
    if dtype.kind == "O":
        return _numbers(array, name)
    if dtype.kind not in "buif":
        raise TypeError(f"{name} must hold real numbers, got {dtype} values")
    return array.astype(np.float64)


def _numbers(array: NDArray[Any], name: str) -> Floats:
    """Return an array of Python objects as float64, or name the first misfit."""
    result = np.empty(array.shape)
    for place, value in np.ndenumerate(array):
        if not isinstance(value, Real):
            _raise_misfit(value, name, place)
        result[place] = _float(value, f"{name}{list(place)}")
    return result


def _float(value: Real | float, name: str) -> float:
    """Return a number as a float."""
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{name} is too large for a float64") from error


def _raise_misfit(value: object, name: str, place: tuple[int, ...]) -> NoReturn:
    at = ", ".join(map(str, place))
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        raise ValueError(f"{name} has a missing value ({value!r}) at [{at}]")
    raise TypeError(f"{name} must hold numbers, got {value!r} at [{at}]")
