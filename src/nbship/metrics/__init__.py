"""Measures of predictions: one definition for training, gates and monitoring.

Every measure is a finite number, or None if the data do not define it (no rows, a single class); never NaN.
"""

from __future__ import annotations

from .arrays import Measures
from .blocks import Estimate, block_auc, block_mean, calibration_line
from .probabilities import calibration_curve, classification
from .sequential import highest_rate, share_evidence
from .slices import by_slice, slice_rows
from .values import regression

__all__ = [
    "Estimate",
    "Measures",
    "block_auc",
    "block_mean",
    "by_slice",
    "calibration_curve",
    "calibration_line",
    "classification",
    "highest_rate",
    "regression",
    "share_evidence",
    "slice_rows",
]
