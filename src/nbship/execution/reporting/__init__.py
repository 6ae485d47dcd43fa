"""Progress, reports, run records and their history."""

from __future__ import annotations

from .history import describe_runs, last_runs, run_elsewhere
from .progress import Progress, choose_progress
from .report import StageReport, describe
from .summary import RunSummary, raise_for
from .unexpected import describe_unexpected

__all__ = [
    "Progress",
    "RunSummary",
    "StageReport",
    "choose_progress",
    "describe",
    "describe_runs",
    "describe_unexpected",
    "last_runs",
    "raise_for",
    "run_elsewhere",
]
