"""Compile estimators that average others: calibrated classifiers and voting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from ...errors import NotCompilableError
from ..backends import Blend, Calibration, Member, Nodes, Tables, steps_of
from .trace import Traced

__all__ = ["compile_model"]


CompiledModel: TypeAlias = "Tables | Nodes | Blend"
Trace: TypeAlias = "Callable[[Sequence[Any]], Traced]"
CompileOne: TypeAlias = "Callable[[Any, Traced], Tables | Nodes]"


def compile_model(steps: Sequence[Any], trace: Trace, compile_one: CompileOne) -> CompiledModel:
    """Compile a pipeline; if its last step averages estimators, compile each of them.

    Parameters
    ----------
    trace
        The function that traces the steps back to the inputs.
    compile_one
        The function that compiles the last step of a traced pipeline.

    Raises
    ------
    NotCompilableError
        With the reason, as a clause.
    """
    *before, last = steps
    last = _unwrapped(last)
    if hasattr(last, "steps"):
        return compile_model([*before, *steps_of(last)], trace, compile_one)
    kind = type(last).__name__ if type(last).__module__.startswith("sklearn.") else ""
    if kind == "CalibratedClassifierCV":
        return Blend(tuple(_calibrated(each, before, trace, compile_one) for each in last.calibrated_classifiers_))
    if kind in ("VotingClassifier", "VotingRegressor"):
        if getattr(last, "voting", "soft") != "soft":
            raise NotCompilableError("VotingClassifier votes by label")
        weights = last._weights_not_none or [1.0] * len(last.estimators_)
        return Blend(
            tuple(
                Member(_compiled(each, before, trace, compile_one), weight=float(weight))
                for each, weight in zip(last.estimators_, weights, strict=True)
            )
        )
    return compile_one(last, trace([*before, last]))


def _calibrated(each: Any, before: Sequence[Any], trace: Trace, compile_one: CompileOne) -> Member:
    """Return a calibrated member; the curves apply to its decision function, or to probabilities if it has none."""
    tables = _compiled(each.estimator, before, trace, compile_one)
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


def _compiled(inner: Any, before: Sequence[Any], trace: Trace, compile_one: CompileOne) -> CompiledModel:
    return compile_model([*before, *steps_of(_unwrapped(inner))], trace, compile_one)


def _unwrapped(estimator: Any) -> Any:
    """Return the estimator whose scores those of a frozen one, or of a classifier with a threshold, are."""
    while type(estimator).__name__ in ("FrozenEstimator", "FixedThresholdClassifier"):
        estimator = getattr(estimator, "estimator_", estimator.estimator)
    return estimator


def _curve(calibrator: Any, method: str) -> Any:
    if method == "sigmoid":
        return np.array([calibrator.a_, calibrator.b_], dtype=np.float64)
    return np.concatenate([calibrator.X_thresholds_, calibrator.y_thresholds_]).astype(np.float64)
