"""The prediction log: one record format, one writer, one reader."""

from __future__ import annotations

from .batches import batch_rows, digest_of, find_run, row_of, split_id
from .commits import GroupCommit
from .keys import StoredRow, keys_of, keys_of_frame, store_row
from .log import PredictionLog, log_path, open_log
from .reader import batch_keys, predictions
from .records import BatchRun, Label, Record, new_id, pseudonym
from .sqlite import SqliteLog

__all__ = [
    "BatchRun",
    "GroupCommit",
    "Label",
    "PredictionLog",
    "Record",
    "SqliteLog",
    "StoredRow",
    "batch_keys",
    "batch_rows",
    "digest_of",
    "find_run",
    "keys_of",
    "keys_of_frame",
    "log_path",
    "new_id",
    "open_log",
    "predictions",
    "pseudonym",
    "row_of",
    "split_id",
    "store_row",
]
