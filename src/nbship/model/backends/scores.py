"""The scores of a fitted estimator: what its targets are, and how their scores are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..signature import Column, Target
from .boosters import labels_of

__all__ = ["classes_of", "finds_outliers", "scores_of", "targets_of"]

# Classifiers whose `predict` returns the class with the largest probability, the first of equal ones.
_LIKELIEST = {
    *("RandomForestClassifier", "ExtraTreesClassifier", "DecisionTreeClassifier", "ExtraTreeClassifier"),
    *("HistGradientBoostingClassifier", "BaggingClassifier", "CalibratedClassifierCV", "VotingClassifier"),
    *("XGBClassifier", "XGBRFClassifier", "LGBMClassifier"),
}


def finds_outliers(estimator: Any) -> bool:
    """Return whether an estimator is an outlier detector: it predicts -1 for outliers and 1 for others."""
    from sklearn.base import is_outlier_detector

    return bool(is_outlier_detector(estimator))


def classes_of(estimator: Any) -> Any:
    """Return the classes of a fitted estimator; None for a regression, of which CatBoost has an empty list."""
    classes = getattr(estimator, "classes_", None)
    return None if classes is None or len(classes) == 0 else classes


def targets_of(estimator: Any, *, several: int) -> tuple[Target, ...]:
    """Return the targets of a fitted estimator; `several` is the number of values that a regression returns."""
    if finds_outliers(estimator):
        return Target(np.array([-1, 1]), probabilistic=False), Target(start=2)
    classes = classes_of(estimator)
    if classes is None:
        return tuple(Target(start=index) for index in range(several))
    each_classes = classes if isinstance(classes, (list, tuple)) else [classes]
    labels_apart = not _predicts_likeliest(estimator)
    if labels := _labels(estimator, classes):
        each_classes, labels_apart = [np.array([0, 1])] * labels, True
    probabilistic = hasattr(estimator, "predict_proba")
    found: list[Target] = []
    for each in each_classes:
        found.append(Target(np.asarray(each), probabilistic, start=found[-1].stop if found else 0))
    if not probabilistic or not labels_apart:
        return tuple(found)
    # The scores of all targets come first, then a column for each label.
    widths = [len(each) for each in each_classes]
    starts = np.cumsum([sum(widths), *widths]).tolist()
    return tuple(replace(target, labels=start) for target, start in zip(found, starts, strict=False))


def _predicts_likeliest(estimator: Any) -> bool:
    last = _last(estimator)
    if type(last).__name__ == "KNeighborsClassifier":
        return bool(last.weights == "uniform")
    return type(last).__name__ in _LIKELIEST


def _last(estimator: Any) -> Any:
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    return estimator


def _labels(estimator: Any, classes: Any) -> int:
    """Return the number of labels that a row has or not, each for itself; 0 for a classifier that chooses one class."""
    last = _last(estimator)
    binarizer = getattr(last, "label_binarizer_", getattr(last, "_label_binarizer", None))
    if str(getattr(binarizer, "y_type_", "")).startswith("multilabel"):
        return len(classes)
    return labels_of(last)


def scores_of(estimator: Any, targets: Sequence[Target], data: Any) -> Column:
    """Return the scores of an estimator, shape (rows, scores): probabilities, 1 for the predicted class, or values."""
    if finds_outliers(estimator):
        labels = np.asarray(estimator.predict(data))[:, None]
        return np.column_stack([labels == targets[0].classes, estimator.decision_function(data)])
    if targets[0].classes is None:
        values = np.asarray(estimator.predict(data), dtype=np.float64)
        return values.reshape(len(values), -1)
    parts = [_probabilities(estimator, targets, data)] if targets[0].probabilistic else []
    if not parts or targets[0].labels is not None:
        predicted = estimator.predict(data)
        labels = np.asarray(predicted.toarray() if hasattr(predicted, "toarray") else predicted)
        labels = labels.reshape(len(labels), -1)
        parts += [labels[:, [index]] == each.classes for index, each in enumerate(targets)]
    return np.concatenate(parts, axis=1, dtype=np.float64)


def _probabilities(estimator: Any, targets: Sequence[Target], data: Any) -> Column:
    """Return the probability of each class of each target, whichever of three shapes an estimator returns."""
    found = estimator.predict_proba(data)
    if isinstance(found, list):
        return np.concatenate(found, axis=1)
    table = np.asarray(found)
    if len(targets) > 1:
        # One column for each label: the probability that the row has it.
        return np.stack([1 - table, table], axis=2).reshape(len(table), -1)
    return table
