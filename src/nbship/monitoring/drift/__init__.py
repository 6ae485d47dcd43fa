"""Drift of data: the counts of a window, judged by the history of the training data."""

from __future__ import annotations

from .collected import Collected, Collector, read_relations
from .compared import Compared
from .counting import FieldCounts
from .fields import measure, settle
from .pieces import plan
from .row_checks import integrity, unseen

__all__ = [
    "Collected",
    "Collector",
    "Compared",
    "FieldCounts",
    "integrity",
    "measure",
    "plan",
    "read_relations",
    "settle",
    "unseen",
]
