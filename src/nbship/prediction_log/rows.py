"""Convert entries of the log to rows of its tables, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from .records import BatchRun, Label, Record, Usage, from_micros, to_micros

__all__ = [
    "COLUMNS",
    "NO_PREDICTIONS",
    "TABLES",
    "Entry",
    "LoggedColumns",
    "LoggedLabels",
    "LoggedTimings",
    "entry_of",
    "rows_of",
]

Entry: TypeAlias = "Record | BatchRun | Label | Usage"
Conversions: TypeAlias = "Sequence[tuple[int, Callable[[Any], object]]]"

TABLES: Mapping[type, str] = {Record: "records", BatchRun: "batches", Label: "labels", Usage: "usage"}
COLUMNS: Mapping[type, tuple[str, ...]] = {kind: kind._fields for kind in (Record, BatchRun, Label, Usage)}
_TIMES = frozenset({"at", "event_time", "first_event", "last_event", "time"})


class LoggedColumns(NamedTuple):
    """Columns of some predictions of a log: those of `Record`, with times in microseconds since 1970."""

    event_time: Sequence[int]
    id: Sequence[str]
    at: Sequence[int]
    mode: Sequence[str]
    caller: Sequence[str]
    version: Sequence[str]
    inputs: Sequence[str]
    outputs: Sequence[str]
    keys: Sequence[str | None]


class LoggedTimings(NamedTuple):
    """When predictions were made or rejected, in microseconds since 1970, how long each took (None if it failed), and its rows.

    A predicted row has an entry of its own; a rejected request has one for all of its rows.
    """

    at: Sequence[int]
    latency_ms: Sequence[float | None]
    rows: Sequence[int]


class LoggedLabels(NamedTuple):
    """Columns of some labels: their numbers in the log, what they name (an id, or key columns), and the times as above."""

    number: Sequence[int]
    label: Sequence[str]
    name: Sequence[str]
    time: Sequence[int | None]


NO_PREDICTIONS = LoggedColumns(*[()] * len(LoggedColumns._fields))


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
    values = list(row)
    for number, read in _READERS[kind]:
        if values[number] is not None:
            values[number] = read(values[number])
    return kind(*values)


def _names(names: tuple[str, ...]) -> str:
    return json.dumps(names) if names else "[]"


def _from_names(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(json.loads(text))


def _conversions(times: Callable[[Any], object], names: Callable[[Any], object]) -> Mapping[type, Conversions]:
    return {
        kind: [
            (number, times if name in _TIMES else names)
            for number, name in enumerate(columns)
            if name in _TIMES or name == "redacted"
        ]
        for kind, columns in COLUMNS.items()
    }


# Kind of entry -> the columns that need conversion: index and function.
_WRITERS, _READERS = _conversions(to_micros, _names), _conversions(from_micros, _from_names)
