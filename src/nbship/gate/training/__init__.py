"""The training rows of the candidate: beside the held-out ones, beside those of production, and what training costs."""

from __future__ import annotations

from .cost import training_cost_checks
from .features_used import feature_checks, used_columns
from .record import label_checks, training_record
from .same_days import compare_days, input_checks
from .split import split_checks

__all__ = [
    "compare_days",
    "feature_checks",
    "input_checks",
    "label_checks",
    "split_checks",
    "training_cost_checks",
    "training_record",
    "used_columns",
]
