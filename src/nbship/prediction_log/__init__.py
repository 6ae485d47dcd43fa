"""The prediction log: one record format, one writer, one reader."""

from __future__ import annotations

from .batches import batch_rows, digest_of, find_run, output_fields, row_of, split_id
from .commits import GroupCommit, Submission
from .keys import StoredRow, key_text, keys_of, keys_of_frame, store_row
from .log import PredictionLog, log_address, open_log, shown_address
from .reader import batch_keys, predictions
from .records import BatchRun, Label, Record, as_json, new_id, pseudonym
from .retention import export_records, forget_subject
from .rows import Entry
from .sql import SqlLog

__all__ = [
    "BatchRun",
    "Entry",
    "GroupCommit",
    "Label",
    "PredictionLog",
    "Record",
    "SqlLog",
    "StoredRow",
    "Submission",
    "as_json",
    "batch_keys",
    "batch_rows",
    "digest_of",
    "export_records",
    "find_run",
    "forget_subject",
    "key_text",
    "keys_of",
    "keys_of_frame",
    "log_address",
    "new_id",
    "open_log",
    "output_fields",
    "predictions",
    "pseudonym",
    "row_of",
    "shown_address",
    "split_id",
    "store_row",
]
