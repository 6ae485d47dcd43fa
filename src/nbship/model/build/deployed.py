"""The part of a fitted estimator that predicts: without its search, its folds and its scorers."""

from __future__ import annotations

from copy import copy
from typing import Any

from ..signature import Scalar

__all__ = ["deployed", "threshold_of"]


def deployed(estimator: Any) -> Any:
    """Return an estimator that predicts the same without what was needed only to fit it.

    A search becomes its best estimator, a tuned threshold a fixed one, and a frozen estimator the estimator.
    """
    from sklearn.frozen import FrozenEstimator
    from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

    if isinstance(estimator, FrozenEstimator):
        return deployed(estimator.estimator)
    if hasattr(estimator, "best_estimator_"):
        return deployed(estimator.best_estimator_)
    if isinstance(estimator, TunedThresholdClassifierCV):
        fixed = FixedThresholdClassifier(
            deployed(estimator.estimator_),
            threshold=estimator.best_threshold_,
            pos_label=estimator._curve_scorer._get_pos_label(),
            response_method=estimator.response_method,
        )
        fixed.estimator_ = fixed.estimator
        return fixed
    if isinstance(estimator, FixedThresholdClassifier):
        fixed = copy(estimator)
        fixed.estimator = fixed.estimator_ = deployed(estimator.estimator_)
        return fixed
    if hasattr(estimator, "steps"):
        *before, (name, last) = estimator.steps
        inner = deployed(last)
        if inner is last:
            return estimator
        pipeline = copy(estimator)
        pipeline.steps = [*before, (name, inner)]
        return pipeline
    return estimator


def threshold_of(estimator: Any) -> tuple[float | None, Scalar | None]:
    """Return the probability from which a class is the label, and that class; None if the largest probability decides.

    A threshold on a decision function is not one on a probability.
    """
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    if type(estimator).__name__ != "FixedThresholdClassifier" or estimator.response_method == "decision_function":
        return None, None
    if not hasattr(estimator, "predict_proba"):
        return None, None
    threshold = 0.5 if estimator.threshold == "auto" else float(estimator.threshold)
    classes = estimator.classes_.tolist()
    return threshold, classes[1] if estimator.pos_label is None else estimator.pos_label
