"""The seam: what every prediction log can do, and how one is opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ..errors import LogError
from ..project import Project
from .records import BatchRun, Label, Record
from .sqlite import Entry, SqliteLog

__all__ = ["PredictionLog", "log_path", "open_log"]


class PredictionLog(Protocol):
    """Where predictions, batch runs and labels are kept, durably."""

    @property
    def salt(self) -> bytes:
        """The log's own salt for pseudonyms of personal data."""

    def submit(self, entries: Sequence[Entry]) -> Future[None]:
        """Queue entries; the future is done when all of them are durable."""

    def append(self, *entries: Entry) -> None:
        """Write entries and return when they are durable."""

    def check(self) -> None:
        """Raise LogError unless a record could be written now."""

    def find(self, id: str) -> Record:
        """Return the record with this id, or raise UnknownPredictionError."""

    def records(self, start: datetime, end: datetime) -> list[Record]:
        """Return the records whose event time lies in the window (`start` inclusive, `end` exclusive)."""

    def answered(self, start: datetime, end: datetime) -> list[Record]:
        """Return the records, refusals included, that were answered from `start` until before `end`."""

    def counts(self, start: datetime, end: datetime) -> tuple[int, ...]:
        """Count the entries that concern a window: by event time, by time of answer, batch runs, and all labels."""

    def last_event(self) -> datetime | None:
        """Return the latest event time of a prediction, or None."""

    def recent(self, count: int) -> list[Record]:
        """Return the newest records, newest first."""

    def batches(self, start: datetime | None = None, end: datetime | None = None) -> list[BatchRun]:
        """Return the batch runs with an event in the window, newest first; without a window, all."""

    def batch(self, id: str) -> list[BatchRun]:
        """Return the runs of one batch, newest first."""

    def labels(self) -> list[Label]:
        """Return every label, in the order in which they were told."""

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids under which a prediction is logged."""

    def has_keys(self, keys: str) -> bool:
        """Tell whether a record has these key columns."""

    def keys(self) -> set[str]:
        """Return the key columns of all records."""

    def close(self) -> None:
        """Write what waits and close."""


def open_log(where: Project | Path | str) -> SqliteLog:
    """Open a prediction log: a project's own, a file, or a URL `sqlite:///path`.

    Raises
    ------
    LogError
        If the log cannot be opened, is not one, or was written by a newer nbship.
    """
    return SqliteLog(log_path(where))


def log_path(where: Project | Path | str) -> Path:
    """Return the file of a prediction log.

    >>> str(log_path("sqlite:////var/lib/predictions.sqlite"))
    '/var/lib/predictions.sqlite'
    """
    if isinstance(where, Path):
        return where
    if isinstance(where, str):
        return Path(_local(where))
    url = where.settings.log.url
    return where.root / _local(url) if url else where.state / "predictions.sqlite"


def _local(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    if scheme != "sqlite" or not rest.startswith("/"):
        raise LogError(f"The log address '{url}' is not known. Use 'sqlite:///' and the path of a file.")
    return rest[1:]
