"""Performance of a window: measures and slices of the rows whose label is known, labels to come, and estimates until then."""

from __future__ import annotations

from .cohorts import labels
from .discovery import Coded, discover, discovered
from .expectations import estimated, estimates, expected_measures, last_labelled
from .measures import LEAST_CLASS, LEAST_DAYS, Outcomes, measures_of, performance
from .slicing import slices

__all__ = [
    "LEAST_CLASS",
    "LEAST_DAYS",
    "Coded",
    "Outcomes",
    "discover",
    "discovered",
    "estimated",
    "estimates",
    "expected_measures",
    "labels",
    "last_labelled",
    "measures_of",
    "performance",
    "slices",
]
