"""The agreed measure and the calibration of the candidate, against limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..metrics import Estimate, block_auc, block_mean, calibration_line, classification, regression
from .checks import FAILED, INSUFFICIENT, Check, at_most, estimated
from .evidence import Evidence
from .limits import Limits

__all__ = ["TITLES", "agreed", "calibration", "estimate_of", "measures_of"]

TITLES = {"auc": "AUC", "brier": "Brier score", "log_loss": "log loss", "mae": "mean absolute error", "rmse": "root mean squared error"}  # fmt: skip

_LEAST_BLOCKS = 5
_FEATURES = "Look at the slices and at the features, or agree on another limit."
_CALIBRATE = "Calibrate the model on later rows (scikit-learn's CalibratedClassifierCV), or train on newer ones."


def measures_of(evidence: Evidence, predicted: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return all measures of predictions of the held-out rows, with errors by block."""
    if evidence.kind == "value":
        return dict(regression(evidence.actual, predicted, blocks=evidence.block))
    label = predicted >= evidence.threshold
    return dict(classification(evidence.actual, predicted, label=label, blocks=evidence.block))


def estimate_of(evidence: Evidence, measure: str) -> Estimate:
    """Return the agreed measure of the candidate with its error by block."""
    y, p = evidence.actual, evidence.predicted
    if measure == "auc":
        return block_auc(y, p, evidence.block)
    if measure == "brier":
        return block_mean(np.square(p - y), evidence.block)
    if measure == "log_loss":
        tiny = np.finfo(np.float64).eps
        clipped = np.clip(p, tiny, 1 - tiny)
        return block_mean(-np.log(np.where(y == 1, clipped, 1 - clipped)), evidence.block)
    if measure == "mae":
        return block_mean(np.abs(p - y), evidence.block)
    squared = block_mean(np.square(p - y), evidence.block)
    if squared.value is None or squared.error is None:
        return squared
    root = float(np.sqrt(squared.value))
    # The error of a root: that of the square, over twice the root (delta method).
    return squared._replace(value=root, error=squared.error / (2 * root) if root else 0.0)


def agreed(evidence: Evidence, measure: str, limits: Limits) -> Iterator[Check]:
    """Check the agreed measure against its limit."""
    limit, least = (limits.least, True) if measure == "auc" else (limits.most, False)
    name, found = TITLES[measure], estimate_of(evidence, measure)
    if found.blocks < _LEAST_BLOCKS:
        reason = f"{name}: {found.blocks} blocks of held-out rows are too few. Hold out at least {_LEAST_BLOCKS}."
        yield Check(name, INSUFFICIENT, reason, found.value, limit, required=True)
    elif limit is not None:
        yield estimated(name, found, limit, least=least, remedy=_FEATURES, required=True)


def calibration(evidence: Evidence, limits: Limits) -> Iterator[Check]:
    """Check error, intercept and slope of the calibration of probabilities."""
    if evidence.kind == "value":
        return
    if limits.max_calibration_error is not None:
        error = classification(evidence.actual, evidence.predicted)["calibration_error"]
        yield at_most("calibration error", error, limits.max_calibration_error, remedy=_CALIBRATE)
    intercept, slope = calibration_line(evidence.actual, evidence.predicted, evidence.block)
    if limits.max_calibration_intercept is not None:
        size = intercept._replace(value=None if intercept.value is None else abs(intercept.value))
        side = " (too low)" if (intercept.value or 0) > 0 else " (too high)"
        yield estimated("calibration intercept", size, limits.max_calibration_intercept, about=side, remedy=_CALIBRATE)
    low, high = limits.min_calibration_slope, limits.max_calibration_slope
    if low is not None:
        low_check = estimated("calibration slope", slope, low, least=True, about=" (too extreme)", remedy=_CALIBRATE)
        if low_check.verdict == FAILED or high is None:
            yield low_check
            return
    if high is not None:
        yield estimated("calibration slope", slope, high, about=" (too cautious)", remedy=_CALIBRATE)
