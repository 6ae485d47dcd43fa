"""The prediction log: one record format, one writer, one reader."""

from __future__ import annotations

from .commits import GroupCommit
from .log import PredictionLog, log_path, open_log
from .records import BatchRun, Label, Record, new_id, pseudonym
from .sqlite import SqliteLog

__all__ = [
    "BatchRun",
    "GroupCommit",
    "Label",
    "PredictionLog",
    "Record",
    "SqliteLog",
    "log_path",
    "new_id",
    "open_log",
    "pseudonym",
]
