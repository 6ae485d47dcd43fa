"""Tabular files, read and written by a signature: CSV, JSON Lines, Parquet."""

from __future__ import annotations

from .columns import parse_csv_value
from .readers import SUFFIXES, Chunk, read_chunks, read_column_names, read_row_spans
from .strict_json import parse_json
from .writers import TableJoiner, TableWriter

__all__ = [
    "SUFFIXES",
    "Chunk",
    "TableJoiner",
    "TableWriter",
    "parse_csv_value",
    "parse_json",
    "read_chunks",
    "read_column_names",
    "read_row_spans",
]
