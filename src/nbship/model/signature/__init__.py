"""The contract of a model: fields, validation, columns and outputs."""

from __future__ import annotations

from .columns import Codes, Column, Columns, columns_of, compute, to_local
from .examples import example_record
from .fast_record import RecordReader
from .fields import Field, Output
from .outputs import OutputReader, Predictions, Target
from .signature import Signature
from .timestamps import parse_timestamp, read_timestamp
from .validation import Rows, read_records, read_rows, to_array

__all__ = [
    "Codes",
    "Column",
    "Columns",
    "Field",
    "Output",
    "OutputReader",
    "Predictions",
    "RecordReader",
    "Rows",
    "Signature",
    "Target",
    "columns_of",
    "compute",
    "example_record",
    "parse_timestamp",
    "read_records",
    "read_rows",
    "read_timestamp",
    "to_array",
    "to_local",
]
