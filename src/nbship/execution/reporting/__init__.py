"""Progress, reports, run records and their history."""

from __future__ import annotations

from .history import describe_runs, last_runs, run_elsewhere
from .progress import Progress, choose_progress
from .records import RunRecord, append_record, read_records
from .report import StageReport, describe
from .summary import RunSummary, raise_for
from .unexpected import describe_unexpected

__all__ = [
    "Progress",
    "RunRecord",
    "RunSummary",
    "StageReport",
    "append_record",
    "choose_progress",
    "describe",
    "describe_runs",
    "describe_unexpected",
    "last_runs",
    "raise_for",
    "read_records",
    "run_elsewhere",
]
