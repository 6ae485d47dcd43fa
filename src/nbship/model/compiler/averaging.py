"""Compile estimators that average others: calibrated classifiers and voting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ..backends import Blend, Calibration, Member, Tables, steps_of
from .compile import compile_tables
from .trace import Traced

__all__ = ["compile_model"]


def compile_model(steps: Sequence[Any], trace: Callable[[Sequence[Any]], Traced]) -> Tables | Blend:
    """Compile a pipeline; if its last step averages estimators, compile each of them.

    Raises
    ------
    NotCompilableError
        With the reason, as a clause.
    """
    *before, last = steps
    last = _unfrozen(last)
    kind = type(last).__name__ if type(last).__module__.startswith("sklearn.") else ""
    if kind == "CalibratedClassifierCV":
        return Blend(tuple(_calibrated(each, before, trace) for each in last.calibrated_classifiers_))
    if kind in ("VotingClassifier", "VotingRegressor"):
        if getattr(last, "voting", "soft") != "soft":
            raise NotCompilableError("VotingClassifier votes by label")
        weights = last._weights_not_none or [1.0] * len(last.estimators_)
        return Blend(
            tuple(
                Member(_compiled(each, before, trace), weight=float(weight))
                for each, weight in zip(last.estimators_, weights, strict=True)
            )
        )
    return compile_tables(last, trace([*before, last]))


def _calibrated(each: Any, before: Sequence[Any], trace: Callable[[Sequence[Any]], Traced]) -> Member:
    """Return a calibrated member; the curves apply to its decision function, or to probabilities if it has none."""
    tables = _compiled(each.estimator, before, trace)
    if hasattr(each.estimator, "decision_function"):
        if isinstance(tables, Blend):
            raise NotCompilableError("CalibratedClassifierCV calibrates an average of others")
        tables = replace(tables, link="identity")
    if each.method not in ("sigmoid", "isotonic"):
        raise NotCompilableError(f"CalibratedClassifierCV calibrates by {each.method}")
    class_indices = np.searchsorted(each.classes, each.estimator.classes_).tolist()
    if len(each.classes) == 2:
        class_indices = [1]
    curves = [_curve(calibrator, each.method) for calibrator in each.calibrators]
    return Member(tables, Calibration(each.method, tuple(class_indices), tuple(curves), len(each.classes)))


def _compiled(inner: Any, before: Sequence[Any], trace: Callable[[Sequence[Any]], Traced]) -> Tables | Blend:
    return compile_model([*before, *steps_of(_unfrozen(inner))], trace)


def _unfrozen(estimator: Any) -> Any:
    while type(estimator).__name__ == "FrozenEstimator":
        estimator = estimator.estimator
    return estimator


def _curve(calibrator: Any, method: str) -> Any:
    if method == "sigmoid":
        return np.array([calibrator.a_, calibrator.b_], dtype=np.float64)
    return np.concatenate([calibrator.X_thresholds_, calibrator.y_thresholds_]).astype(np.float64)
