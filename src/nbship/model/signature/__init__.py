"""The contract of a model: fields, validation, columns and outputs."""

from __future__ import annotations

from .columns import Codes, Column, Columns, columns_of, compute, is_null, to_local, with_names
from .examples import example_record
from .fast_record import RecordReader
from .fields import Field, Output, Scalar
from .outputs import OutputReader, Predictions, Target
from .parsing import storable
from .relations import Relation, read_relation
from .signature import Signature
from .timestamps import parse_timestamp, read_timestamp
from .training_columns import (
    as_trained,
    is_plain_number,
    number_type,
    training_attributes,
    training_frame,
    training_matrix,
)
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
    "Relation",
    "Rows",
    "Scalar",
    "Signature",
    "Target",
    "as_trained",
    "columns_of",
    "compute",
    "example_record",
    "is_null",
    "is_plain_number",
    "number_type",
    "parse_timestamp",
    "read_records",
    "read_relation",
    "read_rows",
    "read_timestamp",
    "storable",
    "to_array",
    "to_local",
    "training_attributes",
    "training_frame",
    "training_matrix",
    "with_names",
]
