"""The data that a model was trained on, as pictures take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdfast._typing import Doubles
from gdfast.csr import CSR, Matrix


def column(X: Matrix, number: int) -> Doubles:
    """Return a column of the features.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_samples, n_features), or CSR
        The features.
    number : int
        Which one.

    Returns
    -------
    ndarray of float64, shape (n_samples,)
        Its values.
    """
    if isinstance(X, CSR):
        unit = np.zeros(X.shape[1])
        unit[number] = 1.0
        return X.dot(unit)
    values: Doubles = X[:, number].astype(float)
    return values


def target_label(y: object) -> str:
    """Return what the targets are called in pictures.

    Parameters
    ----------
    y : array-like
        The targets.

    Returns
    -------
    str
        Their name if they have one, or y.
    """
    name = getattr(y, "name", None)
    return name if isinstance(name, str) else "y"


def numbered(run: Any, y: Any) -> Any:
    """Return the targets as the run of an estimator saw them.

    Parameters
    ----------
    run : Fit or estimator
        Of a classifier the labels become their numbers.
    y : array-like, shape (n_samples,)
        The targets, or labels.

    Returns
    -------
    array-like, shape (n_samples,)
        `y` itself, or numbers of classes.

    Raises
    ------
    ValueError
        If a label is none of the classifier's.
    """
    classes = getattr(run, "classes_", None)
    if classes is None:
        return y
    labels = np.asarray(y)
    known = np.isin(labels, classes)
    if not known.all():
        raise ValueError(
            f"y has the label {str(labels[~known][0])!r}, which run was not fitted to"
        )
    return np.searchsorted(classes, labels).astype(float)
