"""scikit-learn's estimators with gdfast's kernel; they need ``gdfast[sklearn]``.

Each takes the place of the class of the same name in ``sklearn.linear_model``.
"""

from gdfast.sklearn.classifier import SGDClassifier
from gdfast.sklearn.regressor import SGDRegressor

__all__ = ["SGDClassifier", "SGDRegressor"]
