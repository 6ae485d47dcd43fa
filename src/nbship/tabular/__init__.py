"""Tabular files, read and written by a signature: CSV, JSON Lines, Parquet."""

from __future__ import annotations

from .columns import parse_csv_value
from .formats import find_format, output_kind
from .readers import Chunk, read_chunks, read_column_names, read_row_spans
from .strict_json import parse_json
from .writers import TableJoiner, TableWriter

__all__ = [
    "Chunk",
    "TableJoiner",
    "TableWriter",
    "find_format",
    "output_kind",
    "parse_csv_value",
    "parse_json",
    "read_chunks",
    "read_column_names",
    "read_row_spans",
]
