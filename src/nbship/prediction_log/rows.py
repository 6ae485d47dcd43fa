"""Convert entries of the log to rows of its tables, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from .records import BatchRun, Label, Record, from_micros, to_micros

__all__ = ["COLUMNS", "TABLES", "Entry", "entry_of", "rows_of"]

Entry: TypeAlias = "Record | BatchRun | Label"

TABLES: Mapping[type, str] = {Record: "records", BatchRun: "batches", Label: "labels"}
COLUMNS: Mapping[type, tuple[str, ...]] = {kind: kind._fields for kind in (Record, BatchRun, Label)}
_TIMES = frozenset({"at", "event_time", "first_event", "last_event", "time"})


def rows_of(entries: Sequence[Entry]) -> list[tuple[object, ...]]:
    """Return the rows of entries.

    Raises
    ------
    ValueError
        If a timestamp has no time zone.
    """
    rows = []
    for entry in entries:
        row: list[object] = list(entry)
        for number, write in _WRITERS[type(entry)]:
            if row[number] is not None:
                row[number] = write(row[number])
        rows.append(tuple(row))
    return rows


def entry_of(kind: type, row: Sequence[object]) -> Any:
    """Return the entry of a row."""
    return kind(*[_from_column(name, value) for name, value in zip(COLUMNS[kind], row, strict=True)])


def _names(names: tuple[str, ...]) -> str:
    return json.dumps(names) if names else "[]"


# Kind of entry -> the columns that need conversion: index and function.
_WRITERS: Mapping[type, Sequence[tuple[int, Callable[[Any], object]]]] = {
    kind: [
        (number, to_micros if name in _TIMES else _names)
        for number, name in enumerate(names)
        if name in _TIMES or name == "redacted"
    ]
    for kind, names in COLUMNS.items()
}


def _from_column(name: str, value: Any) -> Any:
    if name in _TIMES and value is not None:
        return from_micros(value)
    return tuple(json.loads(value)) if name == "redacted" else value
