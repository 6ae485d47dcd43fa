"""Entries of the log as rows of its tables, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
    rows = []
    for entry in entries:
        row: list[object] = list(entry)
        for place, write in _WRITERS[type(entry)]:
            if row[place] is not None:
                row[place] = write(row[place])
        rows.append(tuple(row))
    return rows


def entry_of(kind: type, row: Sequence[object]) -> Any:
    """Return the entry that a row holds."""
    return kind(*[_from_column(name, value) for name, value in zip(COLUMNS[kind], row, strict=True)])


def _names(names: tuple[str, ...]) -> str:
    return json.dumps(names) if names else "[]"


# Kind -> what is not stored as it is: its place in the row, and what is stored for it.
_WRITERS: Mapping[type, Sequence[tuple[int, Callable[[Any], object]]]] = {
    kind: [
        (place, to_micros if name in _MOMENTS else _names)
        for place, name in enumerate(names)
        if name in _MOMENTS or name == "redacted"
    ]
    for kind, names in COLUMNS.items()
}


def _from_column(name: str, value: Any) -> Any:
    if name in _MOMENTS and value is not None:
        return from_micros(value)
    return tuple(json.loads(value)) if name == "redacted" else value
