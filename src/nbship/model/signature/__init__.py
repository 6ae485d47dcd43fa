"""The contract of a model: fields, their checks, columns and outputs."""

from __future__ import annotations

from .columns import Codes, Column, Columns, columns_of, compute, to_local
from .examples import example_record
from .fast_record import RecordReader
from .fields import Field, Output
from .outputs import OutputReader, Predictions, Target
from .signature import Signature
from .timestamps import parse_moment, read_moment
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
    "parse_moment",
    "read_moment",
    "read_records",
    "read_rows",
    "to_array",
    "to_local",
]
