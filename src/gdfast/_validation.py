"""Turn what callers pass into plain arrays and numbers, or say what is wrong with it.

Arrays that the kernel can read as they are come back without a copy and without a look
at their values: NaN shows up in the first sum over them, and `raise_nonfinite` then
finds where it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gdfast import _frames
from gdfast._typing import Doubles, Floats, Ints
from gdfast.csr import CSR, Matrix

SAFE_EXPONENT = 300  # of 2: weights up to here can be summed and multiplied
SEARCH_ROWS = 1 << 16  # looked through at a time for a value that is not finite


def check_X(X: Any, name: str = "X") -> tuple[Matrix, tuple[str, ...] | None]:
    """Return the features as a matrix that the kernel reads, and their names.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame, of shape (n_samples, n_features)
        Numbers; one dimension is taken as one feature. Data frames, and all else that
        has ``columns`` of strings, give the names.
    name : str
        What to call it in messages.

    Returns
    -------
    matrix : ndarray of float32 or float64, shape (n_samples, n_features), or CSR
        `X` itself where the values of a row are contiguous, aligned and in native
        byte order, else a copy in C order; what is neither is converted to float64.
        A sparse matrix is not copied either, if it has compressed rows.
    feature_names : tuple of str or None
        Names of the columns if `X` has them.

    Raises
    ------
    TypeError
        If `X` holds text, dates, complex numbers or other objects.
    ValueError
        If it is empty, ragged, has missing values or too many dimensions, or if indices
        of a sparse matrix point outside of it.
    """
    if type(X) is np.ndarray:
        array, names = X, None
    elif (frame := _frames.sparse_frame(X)) is not None:
        return _sparse(frame, name), _names(X)
    elif hasattr(type(X), "tocsr"):  # no column of a frame that is called so
        return _sparse(X, name), None
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


def check_y(y: object, n_samples: int, name: str = "y", *, max_dims: int = 1) -> Floats:
    """Return the targets as `n_samples` values, or rows of some, in floating point.

    Parameters
    ----------
    y : array-like, shape (n_samples,) or (n_samples, n_outputs)
        Numbers, of any real type.
    n_samples : int
        How many there must be.
    name : str
        What to call it in messages.
    max_dims : int
        Whether there may be rows, 2, or values alone, 1.

    Returns
    -------
    ndarray of float32 or float64, of the same shape
        `y` itself where that can be.

    Raises
    ------
    TypeError, ValueError
        As `check_X`, and if there are more or fewer than `n_samples`.
    """
    array = y if type(y) is np.ndarray else _array(y, name)
    if array.ndim == 2 == max_dims and array.shape[1] > 0:
        pass
    elif array.ndim != 1:
        hint = f"; did you mean {name}.ravel()?" if array.size == n_samples > 1 else ""
        raise ValueError(
            f"{name} must have one dimension (n_samples,), got shape "
            f"{array.shape}{hint}"
        )
    if len(array) != n_samples:
        what = "values" if array.ndim == 1 else "rows"
        raise ValueError(f"{name} has {len(array)} {what}, but X has {n_samples} rows")
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


def check_class_weight(
    class_weight: object, y: Floats, n_classes: int, sample_weight: Doubles | None
) -> Doubles | None:
    """Return weights of the rows with those of their classes in them.

    Parameters
    ----------
    class_weight : dict of class to number, "balanced" or None
        Factors of the weights of a class; 1 for one that a dict has not. "balanced" is
        the sum of all weights over that of the class and the number of classes.
    y : ndarray of float32 or float64
        Targets.
    n_classes : int
        How many classes there are, numbered from 0 on.
    sample_weight : ndarray of float64, shape (n_samples,), or None
        Weights of the rows.

    Returns
    -------
    ndarray of float64, shape (n_samples,), or None
        The products; `sample_weight` if there is nothing to multiply by.

    Raises
    ------
    TypeError, ValueError
        If `class_weight` is something else, leaves no weight, or y has values that are
        not numbers of classes.
    """
    if class_weight is None:
        return sample_weight
    classes = range(n_classes)
    known = "0 and 1" if n_classes == 2 else f"0 to {n_classes - 1}"
    rows = [y == label for label in classes]
    if y.ndim != 1 or not np.any(rows, axis=0).all():
        raise ValueError(f"class_weight needs labels: values of y that are {known}")
    weights = np.ones(len(y)) if sample_weight is None else sample_weight
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts = np.array([weights[of_class].sum() for of_class in rows])
        present = max(1, sum(bool(of_class.any()) for of_class in rows))
        factors = np.divide(
            counts.sum(), present * counts, out=np.zeros(n_classes), where=counts > 0
        )
    elif isinstance(class_weight, Mapping):
        if unknown := [label for label in class_weight if label not in classes]:
            raise ValueError(
                f"class_weight has the class {unknown[0]!r}; there are {known}"
            )
        factors = np.array(
            [
                check_number(
                    *(class_weight.get(label, 1.0), f"class_weight of class {label}"),
                    low=0,
                )
                for label in classes
            ]
        )
    else:
        raise ValueError(
            'class_weight must be "balanced", a dict of class to weight or None, '
            f"got {class_weight!r}"
        )
    with np.errstate(over="ignore"):
        weights = weights * factors[y.astype(np.intp)]
    if not weights.any() or weights.max() == np.inf:
        raise ValueError("class_weight must leave rows with a weight, and a finite one")
    return check_sample_weight(weights, len(y))


def check_coef(
    coef: object, n_features: int, outputs: int | None = None, name: str = "coef"
) -> NDArray[np.float64]:
    """Return coefficients as new float64 values that are finite.

    Parameters
    ----------
    coef : array-like, shape (n_features,), or a number if there is one feature
        The coefficients; of several outputs of shape (n_outputs, n_features).
    n_features : int
        How many there must be.
    outputs : int or None
        Number of outputs; None for a single one without a dimension of its own.
    name : str
        What to call it in messages.

    Returns
    -------
    ndarray of float64, shape (n_features,) or (n_outputs, n_features)
        A copy.

    Raises
    ------
    TypeError, ValueError
        If it is not numbers, has another shape or is not finite.
    """
    array = _floats(_array(coef, name), name).astype(np.float64)
    if array.ndim == 0 and n_features == 1 and outputs is None:
        array = array.reshape(1)
    shape: tuple[int, ...] = (n_features,)
    meaning = "one value for each column of X"
    if outputs is not None:
        shape = (outputs, n_features)
        meaning = "a row for each output with one value for each column of X"
    if array.shape != shape:
        raise ValueError(
            f"{name} must have shape {shape}, {meaning}, got {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array}")
    return array


def count_outputs(coef: object) -> int | None:
    """Return the number of outputs of a model.

    Parameters
    ----------
    coef : array-like
        Its coefficients.

    Returns
    -------
    int or None
        The number of rows; None where there are none but values.

    Raises
    ------
    TypeError, ValueError
        If they cannot be turned into an array.
    """
    array = _array(coef, "coef")
    return len(array) if array.ndim == 2 else None


def check_intercept(
    intercept: object, outputs: int | None = None, name: str = "intercept"
) -> float | NDArray[np.float64]:
    """Return a constant term, or one for each output.

    Parameters
    ----------
    intercept : float or array-like, shape (n_outputs,)
        The constant term; a number is that of all outputs.
    outputs : int or None
        Number of outputs; None for a single one without a dimension of its own.
    name : str
        What to call it in messages.

    Returns
    -------
    float or ndarray of float64, shape (n_outputs,)
        The same.

    Raises
    ------
    TypeError, ValueError
        If it is not numbers, has another shape or is not finite.
    """
    if outputs is None or isinstance(intercept, Real):
        return check_number(intercept, name)
    array = _floats(_array(intercept, name), name).astype(np.float64)
    if array.shape != (outputs,):
        raise ValueError(
            f"{name} must be a number or have shape ({outputs},), one value for each "
            f"output, got {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array}")
    return array


def check_x0(x0: object) -> NDArray[np.float64]:
    """Return a point to start from as new float64 values that are finite.

    Parameters
    ----------
    x0 : array-like, shape (n,), or a number
        The point.

    Returns
    -------
    ndarray of float64, shape (n,) or ()
        A copy.

    Raises
    ------
    TypeError, ValueError
        If it is not numbers, has another shape, no values or is not finite.
    """
    array = _floats(_array(x0, "x0"), "x0").astype(np.float64)
    if array.ndim > 1 or array.size == 0:
        raise ValueError(
            f"x0 must be a number or have shape (n,), got shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"x0 must be finite, got {array}")
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


def check_int(value: object, name: str, *, low: int, note: str = "") -> int:
    """Return a whole number of at least `low`.

    Parameters
    ----------
    value : int
        The number.
    name : str
        What to call it in messages.
    low : int
        Its lower bound.
    note : str
        What else is allowed, put at the end of the message.

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
        raise TypeError(
            f"{name} must be a whole number of at least {low}{note}, got {value!r}"
        )
    if value < low:
        raise ValueError(f"{name} must be at least {low}{note}, got {value!r}")
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


def check_random_state(random_state: object) -> np.random.Generator:
    """Return a generator of random numbers.

    Parameters
    ----------
    random_state : int, Generator or None
        A seed, not negative; a generator, which is returned; or None for another seed
        every time.

    Returns
    -------
    Generator
        The generator.

    Raises
    ------
    TypeError, ValueError
        If it is something else.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if random_state is None:
        return np.random.default_rng()
    if not isinstance(random_state, Integral):
        raise TypeError(
            "random_state must be a whole number, a numpy.random.Generator or None, "
            f"got {random_state!r}"
        )
    return np.random.default_rng(check_int(random_state, "random_state", low=0))


def raise_nonfinite(**arrays: Matrix) -> None:
    """Raise if an array holds NaN or infinity, and say where.

    Parameters
    ----------
    **arrays : ndarray or CSR
        The arrays by their names in the message.

    Raises
    ------
    ValueError
        Naming the array, the place and the value of the first one.
    """
    for name, array in arrays.items():
        if isinstance(array, CSR):
            _raise_nonfinite_stored(name, array)
            continue
        for start in range(0, len(array), SEARCH_ROWS):
            rows = array[start : start + SEARCH_ROWS]
            finite = np.isfinite(rows)
            if not finite.all():
                place = np.argwhere(~finite)[0]
                value = rows[tuple(place)]
                place[0] += start
                raise _nonfinite(name, value, place)


def _raise_nonfinite_stored(name: str, X: CSR) -> None:
    """Raise if sparse rows store NaN or infinity."""
    finite = np.isfinite(X.values)
    if not finite.all():
        k = int(X.indptr[0]) + int(np.argmin(finite))
        row = int(np.searchsorted(X.indptr, k, side="right")) - 1
        raise _nonfinite(name, X.data[k], [row, X.indices[k]])


def _nonfinite(name: str, value: np.floating[Any], place: Iterable[int]) -> ValueError:
    """Return an error about a value that is not finite."""
    at = ", ".join(map(str, place))
    what = (
        "a missing value (NaN)" if np.isnan(value) else f"an infinite value ({value})"
    )
    return ValueError(f"{name} has {what} at [{at}]; drop or fill such rows first")


def _sparse(X: Any, name: str) -> CSR:
    """Return the rows of a sparse matrix, its indices checked.

    What other formats hold is checked as well: a conversion to rows would write to
    wherever an index points.
    """
    shape, form = X.shape, getattr(X, "format", None)
    if len(shape) != 2:
        raise ValueError(
            f"{name} must have two dimensions (n_samples, n_features), "
            f"got shape {shape}"
        )
    if 0 in shape:
        raise ValueError(
            f"{name} must have at least one row and one column, got shape {shape}"
        )
    if form != "csr":
        check_sparse_indices(X, name)
        try:
            X = X.tocsr()
        except ValueError as error:
            raise ValueError(
                f"{name} is a sparse matrix without rows: {error}"
            ) from error
    n_rows, n_features = shape
    data = _floats(_array(X.data, name), name)
    indices, indptr = (_integers(array, name) for array in (X.indices, X.indptr))
    _check_indices(indices, indptr, len(data), n_rows, n_features, name)
    return CSR(np.ascontiguousarray(data), indices, indptr, n_features)


def check_sparse_indices(X: Any, name: str) -> None:
    """Raise if indices of a sparse matrix point outside of it.

    Parameters
    ----------
    X : sparse matrix
        In any format of SciPy.
    name : str
        What to call it in messages.

    Raises
    ------
    TypeError, ValueError
        If one does, or is no whole number.
    """
    shape, form = X.shape, getattr(X, "format", None)
    if form == "csr":
        indices, indptr = (_integers(array, name) for array in (X.indices, X.indptr))
        _check_indices(indices, indptr, len(X.data), shape[0], shape[1], name)
    elif form == "csc":
        _check_indices(X.indices, X.indptr, len(X.data), shape[1], shape[0], name)
    elif form == "bsr":
        n_rows, n_columns = (n // k for n, k in zip(shape, X.blocksize, strict=True))
        _check_indices(X.indices, X.indptr, len(X.data), n_rows, n_columns, name)
    elif form == "coo":
        _check_range(X.row, shape[0], "row", name)


def _integers(array: NDArray[Any], name: str) -> Ints:
    """Return indices of a sparse matrix as the kernel reads them."""
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} is a sparse matrix with indices of type {array.dtype} and shape "
            f"{array.shape}; it must have one line of whole numbers"
        )
    fits = array.dtype in (np.int32, np.int64) and array.dtype.isnative
    return np.require(array, None if fits else np.int64, ["C", "A"])


def _check_indices(
    indices: Ints, indptr: Ints, n_stored: int, n_lines: int, limit: int, name: str
) -> None:
    """Raise if compressed lines, rows or columns, point outside of their matrix."""
    if len(indices) != n_stored:
        raise ValueError(
            f"{name} is a sparse matrix of {n_stored} values and {len(indices)} indices"
        )
    if len(indptr) != n_lines + 1:
        raise ValueError(
            f"{name} is a sparse matrix whose indptr has {len(indptr)} values; "
            f"it needs {n_lines + 1}"
        )
    falls = indptr[1:] < indptr[:-1]
    if indptr[0] != 0 or indptr[-1] > n_stored or falls.any():
        raise ValueError(
            f"{name} is a sparse matrix whose indptr does not rise from 0 to at most "
            f"{n_stored}, the number of its values"
        )
    _check_range(indices[: indptr[-1]], limit, "index", name)


def _check_range(numbers: Ints, limit: int, what: str, name: str) -> None:
    """Raise if indices of a sparse matrix are not from 0 to below a limit."""
    if numbers.size and not (numbers.min() >= 0 and numbers.max() < limit):
        wrong = numbers[(numbers < 0) | (numbers >= limit)][0]
        raise ValueError(
            f"{name} is a sparse matrix with {what} {wrong}; "
            f"it must be from 0 to {limit - 1}"
        )


def _names(X: Any) -> tuple[str, ...] | None:
    """Return the column names of a frame, or the name of a series, if strings."""
    if hasattr(type(X), "column_names"):  # a table of pyarrow
        names = tuple(X.column_names)
    elif hasattr(X, "columns"):
        names = tuple(X.columns)
    elif isinstance(name := getattr(X, "name", None), str) and name:
        names = (name,)
    else:
        return None
    return names if all(isinstance(name, str) for name in names) else None


def _array(values: object, name: str) -> NDArray[Any]:
    """Return `values` as an array, not looking at its type yet."""
    if hasattr(type(values), "tocsr"):
        raise TypeError(f"{name} is a sparse matrix; pass an array of its values")
    if (columns := _frames.columns(values, name)) is not None:
        arrays = [_floats(array, label) for label, array in columns]
        if not arrays:
            return np.empty((0, 0))
        return np.column_stack(arrays) if hasattr(values, "columns") else arrays[0]
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
