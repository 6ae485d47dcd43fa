"""Measures of predictions: one definition for training, gates and monitoring.

Every measure is a finite number, or None if the data do not define it (no rows, a single class); never NaN.
"""

from __future__ import annotations

from .arrays import Measures
from .blocks import Estimate, block_auc, block_mean, block_numbers, calibration_line
from .corrections import holm, listed_tests, shrunk
from .paired import MEASURES, Comparison, compare_models
from .probabilities import calibration_curve, classification
from .sequential import highest_rate, share_evidence
from .slices import by_slice, slice_rows
from .values import regression

__all__ = [
    "MEASURES",
    "Comparison",
    "Estimate",
    "Measures",
    "block_auc",
    "block_mean",
    "block_numbers",
    "by_slice",
    "calibration_curve",
    "calibration_line",
    "classification",
    "compare_models",
    "highest_rate",
    "holm",
    "listed_tests",
    "regression",
    "share_evidence",
    "shrunk",
    "slice_rows",
]
