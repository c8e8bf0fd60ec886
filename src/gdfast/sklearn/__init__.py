"""scikit-learn's estimators with gdfast's kernel; they need ``gdfast[sklearn]``.

`SGDRegressor` and `SGDClassifier` take the place of the classes of these names in
``sklearn.linear_model``; `GDRegressor` and `GDClassifier` are `gdfast.train`.
"""

from gdfast.sklearn.classifier import SGDClassifier
from gdfast.sklearn.gradient import GDClassifier, GDRegressor
from gdfast.sklearn.regressor import SGDRegressor

__all__ = ["GDClassifier", "GDRegressor", "SGDClassifier", "SGDRegressor"]
