"""Tabular files, read and written by a signature: CSV, JSON Lines, Parquet."""

from __future__ import annotations

from .cells import read_cell
from .readers import SUFFIXES, Chunk, columns_in, read_chunks, spans_in
from .strict_json import parse_json
from .writers import TableJoiner, TableWriter, publish

__all__ = [
    "SUFFIXES",
    "Chunk",
    "TableJoiner",
    "TableWriter",
    "columns_in",
    "parse_json",
    "publish",
    "read_cell",
    "read_chunks",
    "spans_in",
]
