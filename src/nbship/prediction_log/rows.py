"""Entries of the log as rows of its tables, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from .records import BatchRun, Label, Record, from_micros, to_micros

__all__ = ["COLUMNS", "TABLES", "Entry", "entry_of", "rows_of"]

Entry: TypeAlias = "Record | BatchRun | Label"

TABLES: Mapping[type, str] = {Record: "records", BatchRun: "batches", Label: "labels"}
COLUMNS: Mapping[type, tuple[str, ...]] = {kind: kind._fields for kind in (Record, BatchRun, Label)}
_MOMENTS = frozenset({"at", "event_time", "first_event", "last_event", "time"})


def rows_of(entries: Sequence[Entry]) -> list[tuple[object, ...]]:
    """Return the rows of entries.

    Raises
    ------
    ValueError
        If a time has no zone.
    """
    return [tuple([_to_column(value) for value in entry]) for entry in entries]


def entry_of(kind: type, row: Sequence[object]) -> Any:
    """Return the entry that a row holds."""
    return kind(*[_from_column(name, value) for name, value in zip(COLUMNS[kind], row, strict=True)])


def _to_column(value: object) -> object:
    kind = type(value)
    if kind is str or value is None:
        return value
    if isinstance(value, datetime):
        return to_micros(value)
    return json.dumps(value) if kind is tuple else value


def _from_column(name: str, value: Any) -> Any:
    if name in _MOMENTS and value is not None:
        return from_micros(value)
    return tuple(json.loads(value)) if name == "redacted" else value
