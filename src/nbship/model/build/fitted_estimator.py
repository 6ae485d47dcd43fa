"""What can be packaged: a fitted estimator that predicts."""

from __future__ import annotations

from typing import Any

from ...errors import PackageError
from ..backends import library_of

__all__ = ["check_estimator"]

# The training function of a library returns its own model.
_ESTIMATORS = {
    "xgboost": "an XGBClassifier or XGBRegressor",
    "lightgbm": "an LGBMClassifier or LGBMRegressor",
    "catboost": "a CatBoostClassifier or CatBoostRegressor",
}


def check_estimator(estimator: Any) -> None:
    """Check that an object is a fitted estimator with `predict`, as scikit-learn defines estimators.

    Raises
    ------
    PackageError
        If it is not, with what to pass instead.
    """
    kind, library = type(estimator).__name__, library_of(estimator)
    if isinstance(estimator, type):
        raise PackageError(f"'{estimator.__name__}' is a class. Pass a fitted instance: {estimator.__name__}().fit(…).")
    if library and kind in ("Booster", "CatBoost"):
        raise PackageError(
            f"'{library}.{kind}' is not an estimator of scikit-learn. Fit {_ESTIMATORS[library]} instead."
        )
    if not hasattr(estimator, "predict"):
        if getattr(estimator, "refit", True) is False:
            raise PackageError(
                f"{kind} was fitted with refit=False, so it has no estimator that predicts. Set refit=True."
            )
        if hasattr(estimator, "transform"):
            raise PackageError(
                f"{kind} has no `predict`. Package a pipeline that ends with a classifier or a regressor."
            )
        raise PackageError(f"An object of type '{kind}' is not an estimator: it has no `predict`. Pass a fitted one.")
    if library != "catboost" and not hasattr(estimator, "__sklearn_tags__"):
        raise PackageError(
            f"{kind} is not an estimator of scikit-learn. Let its class inherit from sklearn.base.BaseEstimator."
        )
    if library == "catboost" and not estimator.is_fitted():
        raise PackageError(f"{kind} is not fitted. Call `fit` before the package is built.")
