"""The estimators inside a fitted estimator: steps, members, calibrated classifiers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["nested", "steps_of"]


def nested(estimator: Any) -> Iterator[Any]:
    """Yield an estimator and every scikit-learn object that it holds, each once."""
    from sklearn.base import BaseEstimator

    seen: set[int] = set()
    waiting = [estimator]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, (list, tuple)) or (isinstance(each, np.ndarray) and each.dtype == object):
            waiting += list(each.flat) if isinstance(each, np.ndarray) else each
        elif id(each) not in seen and not isinstance(each, (str, type)):
            seen.add(id(each))
            # CatBoost's estimators are not based on scikit-learn's.
            if isinstance(each, BaseEstimator) or type(each).__module__.startswith(("sklearn.", "catboost.")):
                yield each
                waiting += vars(each).values() if hasattr(each, "__dict__") else []


def steps_of(estimator: Any) -> list[Any]:
    """Return the steps of a pipeline; those inside a classifier with a threshold, or the estimator alone."""
    if type(estimator).__name__ == "FixedThresholdClassifier":
        return steps_of(estimator.estimator_)
    return [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
