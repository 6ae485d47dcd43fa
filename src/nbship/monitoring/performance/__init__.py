"""Performance of a window: measures, slices and new segments of the rows whose label is known,
labels to come, and estimates until then."""

from __future__ import annotations

from .cohorts import labels
from .contrasts import Errors
from .discovery import discover, discovered
from .expectations import estimated, estimates, expected_measures, last_labelled
from .loops import feedback
from .measures import LEAST_CLASS, LEAST_DAYS, Outcomes, measures_of, performance
from .segments import Pairs, new_segments
from .slicing import slices

__all__ = [
    "LEAST_CLASS",
    "LEAST_DAYS",
    "Errors",
    "Outcomes",
    "Pairs",
    "discover",
    "discovered",
    "estimated",
    "estimates",
    "expected_measures",
    "feedback",
    "labels",
    "last_labelled",
    "measures_of",
    "new_segments",
    "performance",
    "slices",
]
