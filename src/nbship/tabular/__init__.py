"""Tabular files, read and written by a signature: CSV, JSON Lines, Parquet."""

from __future__ import annotations

from .columns import parse_csv_value
from .csv_dialects import CsvOptions
from .csv_rows import parse_rows
from .formats import Kind, find_format, output_kind, sniff_suffix
from .formulas import unescape_text
from .readers import Chunk, read_chunks, read_column_names, read_row_spans
from .sources import Source, digest_of
from .strict_json import parse_json
from .writers import TableJoiner, TableWriter, writing

__all__ = [
    "Chunk",
    "CsvOptions",
    "Kind",
    "Source",
    "TableJoiner",
    "TableWriter",
    "digest_of",
    "find_format",
    "output_kind",
    "parse_csv_value",
    "parse_json",
    "parse_rows",
    "read_chunks",
    "read_column_names",
    "read_row_spans",
    "sniff_suffix",
    "unescape_text",
    "writing",
]
