"""Compile estimators that contain others: calibrated classifiers, voting and transformed targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from ...errors import NotCompilableError
from ..backends import INVERSES, Blend, Calibration, Layers, Member, Nodes, Tables, steps_of
from .layers import compile_layers, has_layers
from .trace import Traced

__all__ = ["compile_model"]


CompiledModel: TypeAlias = "Tables | Nodes | Layers | Blend"
Trace: TypeAlias = "Callable[[Sequence[Any]], Traced]"
CompileOne: TypeAlias = "Callable[[Any, Traced], Tables | Nodes]"


def compile_model(steps: Sequence[Any], trace: Trace, compile_one: CompileOne) -> CompiledModel:
    """Compile a pipeline; if its last step contains estimators, compile each of them.

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
    if kind == "TransformedTargetRegressor":
        return Blend((Member(_compiled(last.regressor_, before, trace, compile_one), _inverse(last.transformer_)),))
    try:
        return compile_one(last, trace([*before, last]))
    except NotCompilableError:
        if not has_layers(last):
            raise
        return compile_layers(before, last, trace)


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


def _inverse(transformer: Any) -> Calibration:
    """Return the function from the scores of a regressor to its target."""
    kind = type(transformer).__name__
    if kind in ("StandardScaler", "RobustScaler", "MaxAbsScaler", "MinMaxScaler"):
        if getattr(transformer, "clip", False):
            raise NotCompilableError(f"TransformedTargetRegressor inverts {kind}, which clips")
        if kind == "MinMaxScaler":
            return Calibration("ranged", (0,), (np.array([transformer.min_[0], transformer.scale_[0]]),), 1)
        # A StandardScaler has a mean even if it does not subtract it.
        centre = getattr(transformer, "center_", None)
        if getattr(transformer, "with_mean", False):
            centre = transformer.mean_
        scale = transformer.scale_
        curve = [1.0 if scale is None else scale[0], 0.0 if centre is None else centre[0]]
        return Calibration("scaled", (0,), (np.array(curve),), 1)
    function = transformer.inverse_func if kind == "FunctionTransformer" and not transformer.inv_kw_args else None
    if isinstance(function, np.ufunc) and function.__name__ in INVERSES:
        return Calibration(function.__name__, (0,), (np.empty(0),), 1)
    raise NotCompilableError(
        f"TransformedTargetRegressor inverts {kind}, which is neither a scaler nor a NumPy function"
    )


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
