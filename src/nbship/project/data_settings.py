"""`data` in `nbship.yaml`: the sources of new data, and what is expected of them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = ["ColumnSection", "DataSection", "Kind", "SourceSection"]

Kind = Literal["string", "integer", "number", "timestamp", "boolean"]

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Ratio = Annotated[float, msgspec.Meta(ge=0, le=1_000)]
_Hours = Annotated[float, msgspec.Meta(ge=0, le=8_760)]
# A day: a source that takes longer is read in shorter windows.
_Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class ColumnSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The expectations of a column: rows that break one are quarantined. `minimum` and `maximum` are inclusive."""

    kind: Kind
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    categories: list[str] = []


class SourceSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source of new data: where it is, how it is written, and what is expected of each window.

    `url` is a path or pattern relative to the project, an `https://` address or an SQLAlchemy URL. `${NAME}` in it and in
    `headers` is replaced by an environment variable. Of a database, `table` or `query` (with `$from` and `$to`) is read. Files
    have a `format` (default: by the suffix), an `encoding`, a `delimiter`, strings that are null, and a `decimal` mark.
    Timestamps are ISO 8601, or in the format that `dates` declares, and in `timezone` if they have no offset. `time` is the
    column that decides the window of a row; `key` identifies a row.
    `max_bad_share` limits the rows that are quarantined. The number of rows is compared with `min_rows`, and with earlier
    windows by `min_share` and `max_share`. The latest row is at most `fresh_hours` older than the window's end.
    A connection is made in `connect_seconds`, no pause takes more than `read_seconds`, and an attempt `total_seconds`. Attempts
    are repeated `retries` times. Of a source that is still down, `when_down` is the outcome: `fail`, or `last`.
    """

    url: str
    columns: dict[str, Kind | ColumnSection]
    time: str
    key: list[str] = []
    table: str = ""
    query: str = ""
    format: Literal["", "csv", "jsonl", "parquet"] = ""
    encoding: str = "utf-8"
    delimiter: str = ","
    nulls: list[str] = []
    decimal: Literal[".", ","] = "."
    dates: dict[str, str] = {}
    timezone: str = ""
    window: str = "day"
    max_bad_share: _Share = 0.01
    min_rows: _Count = 1
    min_share: _Share = 0.5
    max_share: _Ratio = 1.9
    fresh_hours: _Hours = 24.0
    connect_seconds: _Seconds = 10.0
    read_seconds: _Seconds = 60.0
    total_seconds: _Seconds = 3_600.0
    retries: Annotated[int, msgspec.Meta(ge=0, le=20)] = 3
    when_down: Literal["fail", "last"] = "fail"
    headers: dict[str, str] = {}
    allow_private: list[str] = []
    max_bytes: _Count = 2_000_000_000


class DataSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sources of new data, and the folder that gets their windows."""

    folder: str = "windows"
    sources: dict[str, SourceSection] = {}
