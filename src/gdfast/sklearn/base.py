"""What all estimators have in common."""

from __future__ import annotations

from typing import Self

from sklearn.base import BaseEstimator


class Estimator(BaseEstimator):
    """Trains a twin and becomes it at the end, so that a failure changes nothing."""

    def _twin(self) -> Self:
        """Return what the estimator will be if nothing goes wrong until then."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin
