"""Measures of predictions: one definition for training, gates and monitoring.

Every measure is a finite number, or None if the data do not define it (no rows, a single class); never NaN.
"""

from __future__ import annotations

from .arrays import Measures
from .probabilities import calibration_curve, classification
from .slices import by_slice
from .values import regression

__all__ = ["Measures", "by_slice", "calibration_curve", "classification", "regression"]
