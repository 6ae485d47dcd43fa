"""The prediction log: predictions, batch runs and labels, in SQLite or PostgreSQL."""

from __future__ import annotations

from .batches import batch_rows, digest_of, find_run, output_fields, row_id, split_id
from .commits import GroupCommit, PendingCommit
from .key_columns import keys_of_frame
from .key_index import batch_keys
from .keys import StoredRow, keys_of, store_row
from .log import PredictionLog, log_address, open_log, shown_address
from .postgres import connect_server, server_errors
from .records import BatchRun, Label, Record, Usage, as_json, new_id, pseudonym
from .redaction import is_redacted, mark_redacted, redacted, redacted_fields, store_rejected, stored_fields
from .retention import belongs_to, export_records, forget_subject
from .rows import Entry, LoggedTimings
from .sql import SqlLog
from .windows import Part, Parts, input_column, latest_event, predictions, require_event_time

__all__ = [
    "BatchRun",
    "Entry",
    "GroupCommit",
    "Label",
    "LoggedTimings",
    "Part",
    "Parts",
    "PendingCommit",
    "PredictionLog",
    "Record",
    "SqlLog",
    "StoredRow",
    "Usage",
    "as_json",
    "batch_keys",
    "batch_rows",
    "belongs_to",
    "connect_server",
    "digest_of",
    "export_records",
    "find_run",
    "forget_subject",
    "input_column",
    "is_redacted",
    "keys_of",
    "keys_of_frame",
    "latest_event",
    "log_address",
    "mark_redacted",
    "new_id",
    "open_log",
    "output_fields",
    "predictions",
    "pseudonym",
    "redacted",
    "redacted_fields",
    "require_event_time",
    "row_id",
    "server_errors",
    "shown_address",
    "split_id",
    "store_rejected",
    "store_row",
    "stored_fields",
]
