"""What users pass in: scikit-learn's checks, and a short way for plain arrays.

scikit-learn's take tenths of a millisecond. An array that is what they would return
gets the same checks in some microseconds, and whatever else there is goes to them.
"""

from __future__ import annotations

import math
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import compute_class_weight
from sklearn.utils.validation import _check_sample_weight, validate_data

from gdfast._typing import Doubles, Floats
from gdfast._validation import check_sparse_indices
from gdfast.csr import CSR, Matrix

MANY_VALUES = 1 << 16
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
# As what scikit-learn's checks return features.
AS_FEATURES: dict[str, Any] = {
    "accept_sparse": "csr",
    "order": "C",
    "dtype": [np.float64, np.float32],
}


def is_plain(X: Any, later: bool = False) -> TypeGuard[Floats]:
    """Whether X is a table that is used as it is, and finite.

    Parameters
    ----------
    X : object
        What a user passed in.
    later : bool
        Whether a training will show what is not finite, so that many values need not
        be read for it.

    Returns
    -------
    bool
        Whether the checks of scikit-learn would return the same array.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in FLOATS:
        return False
    flags = X.flags
    if not (flags.c_contiguous and flags.aligned and X.size):
        return False
    if later and X.size > MANY_VALUES:
        return True
    return math.isfinite(np.vdot(X, X))  # if not, scikit-learn is to find out why


def is_plain_line(values: Any, n: int, kinds: str) -> TypeGuard[NDArray[Any]]:
    """Whether values are an array with one for each row.

    Parameters
    ----------
    values : object
        What a user passed in.
    n : int
        How many rows.
    kinds : str
        Letters of the types that are allowed.

    Returns
    -------
    bool
        Whether that is so.
    """
    return (
        type(values) is np.ndarray
        and values.shape == (n,)
        and values.dtype.kind in kinds
        and values.dtype.isnative
    )


def keeps_features(estimator: Any, n_features: int, reset: bool) -> bool:
    """Whether an array has the features that an estimator knows, or sets them.

    Parameters
    ----------
    estimator : estimator
        Its attributes may be changed.
    n_features : int
        Number of columns of the array.
    reset : bool
        Whether they are the features from now on.

    Returns
    -------
    bool
        False where scikit-learn has something to say.
    """
    known = vars(estimator)
    if "feature_names_in_" in known:
        return False
    if reset:
        known["n_features_in_"] = n_features
    return bool(known.get("n_features_in_") == n_features)


def check_rows(
    estimator: Any, X: Any, y: Any, reset: bool, **of_y: Any
) -> tuple[Any, Any]:
    """Return X and y as scikit-learn checks them, and with what it lets pass.

    Parameters
    ----------
    estimator : estimator
        Gets the number of features and their names.
    X, y : object
        What a user passed in.
    reset : bool
        Whether they are the features from now on.
    **of_y : object
        What scikit-learn has to know of y besides.

    Returns
    -------
    X : ndarray of float32 or float64, or sparse matrix of rows
        Features.
    y : ndarray, shape (n_samples,)
        Targets.

    Raises
    ------
    TypeError, ValueError
        If scikit-learn raises it, X has times or masked cells, or is sparse and has a
        column that is not there.
    """
    refuse(X)
    X, y = validate_data(estimator, X, y, reset=reset, **AS_FEATURES, **of_y)
    return X, y


def refuse(X: Any) -> None:
    """Raise for features that scikit-learn would read as something else.

    Parameters
    ----------
    X : object
        What a user passed in.

    Raises
    ------
    TypeError, ValueError
        If X has times or masked cells, or is sparse and has a column that is not there.
    """
    if np.ma.is_masked(X):
        raise ValueError("X has masked cells: fill them, or leave their rows out")
    types = getattr(X, "dtypes", None)
    types = [getattr(X, "dtype", None)] if types is None else types
    if any(getattr(of_column, "kind", "") in ("M", "m") for of_column in types):
        raise TypeError("X has times, which are no numbers: take differences of them")
    if hasattr(X, "tocsr") and len(X.shape) == 2:
        check_sparse_indices(X, "X")


def as_matrix(X: Any) -> Matrix:
    """Return checked features as the kernel reads them.

    Parameters
    ----------
    X : ndarray or sparse matrix of rows
        Features.

    Returns
    -------
    ndarray or CSR
        The same, with no column twice in a row.
    """
    if isinstance(X, np.ndarray):
        return X
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return CSR(X.data, X.indices, X.indptr, X.shape[1])


def check_weights(
    sample_weight: Any, X: Any, allow_all_zero: bool = False
) -> Doubles | None:
    """Return weights of the rows, in float64 but as exact as X.

    Parameters
    ----------
    sample_weight : object
        What a user passed in.
    X : ndarray or sparse matrix
        Checked features.
    allow_all_zero : bool
        Whether no row needs to count.

    Returns
    -------
    ndarray of float64, shape (n_samples,), or None
        The weights; None if all are 1.

    Raises
    ------
    TypeError, ValueError
        If scikit-learn raises it, or one is negative.
    """
    if sample_weight is None:
        return None
    if is_plain_line(sample_weight, X.shape[0], "f"):
        weights = sample_weight.astype(X.dtype, copy=False).astype(float, copy=False)
        total = weights.sum()
        if weights.min() >= 0 and 0 < total < math.inf:
            return np.ascontiguousarray(weights)
    if np.ma.is_masked(sample_weight):
        raise ValueError("sample_weight has masked cells: give them a weight")
    weights = _check_sample_weight(
        sample_weight,
        X,
        dtype=X.dtype,
        ensure_non_negative=True,
        allow_all_zero_weights=allow_all_zero,
    )
    return np.ascontiguousarray(weights, dtype=float)


def class_factors(class_weight: Any, classes: NDArray[Any], y: NDArray[Any]) -> Doubles:
    """Return what the parameter `class_weight` makes of the weights of each class.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        The parameter.
    classes : ndarray, shape (n_classes,)
        Labels.
    y : ndarray, shape (n_samples,)
        Some of them.

    Returns
    -------
    ndarray of float64, shape (n_classes,)
        Factors.

    Raises
    ------
    ValueError
        If scikit-learn raises it, or one is negative.
    """
    factors: Doubles = compute_class_weight(class_weight, classes=classes, y=y)
    if (factors < 0).any():
        raise ValueError(f"class_weight must be at least 0, got {factors.min()}")
    return factors
