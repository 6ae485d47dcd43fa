"""The seam: what every prediction log can do, and how one is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ..errors import LogError
from ..project import Project, database_file
from .commits import PendingCommit
from .disks import check_disk
from .records import BatchRun, Label, Record
from .rows import Entry
from .spool import Spooled
from .sql import SqlLog
from .sqlite import Sqlite

__all__ = ["PredictionLog", "log_address", "open_log", "shown_address"]

_SERVERS = ("postgresql", "postgres")


class PredictionLog(Protocol):
    """Where predictions, batch runs and labels are kept, durably."""

    @property
    def salt(self) -> bytes:
        """The log's own salt for pseudonyms of personal data."""

    @property
    def model(self) -> str | None:
        """The one model whose entries are read; None for all."""

    def submit(self, entries: Sequence[Entry]) -> PendingCommit[Sequence[Entry]]:
        """Let entries, all of them or none, wait for whoever settles next."""

    def flush(self) -> None:
        """Return when all that was submitted before is durable, or refused."""

    def try_flush(self) -> bool:
        """Do the same if that takes but a moment, as an event loop needs it; tell whether it was done."""

    def append(self, *entries: Entry) -> None:
        """Write entries and return when they are durable."""

    def check(self) -> None:
        """Raise LogError unless a record could be written now."""

    def find(self, id: str) -> Record:
        """Return the record with this id, or raise UnknownPredictionError."""

    def records(self, start: datetime, end: datetime) -> list[Record]:
        """Return the records whose event time lies in the window (`start` inclusive, `end` exclusive)."""

    def requests(self, start: datetime, end: datetime) -> list[Record]:
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

    def chunks(self, start: datetime | None = None, end: datetime | None = None) -> Iterator[list[Record]]:
        """Yield the records answered in a window, in the order of their ids, a bounded part at a time."""

    def prune(self, before: datetime) -> int:
        """Delete what was answered, run and told before a moment; return how many entries that were."""

    def forget(self, fields: Mapping[str, str]) -> int:
        """Delete the records whose inputs have one of these fields (name -> JSON text), and their labels."""

    def close(self) -> None:
        """Write what waits and close."""


def open_log(where: Project | Path | str, *, spool: Path | None = None) -> SqlLog:
    """Open a prediction log: a project's own, a file, or a URL (`sqlite:///path`, `postgresql://user@host/database`).

    Parameters
    ----------
    spool
        The file that keeps what cannot be written to PostgreSQL now, until it can. A project's settings
        (`log.when_down: spool`) say so too.

    Raises
    ------
    LogError
        If the log cannot be opened, is not one, or was written by a newer nbship.
    """
    address = log_address(where)
    if isinstance(address, Path):
        check_disk(address)
        return SqlLog(Sqlite(address))
    from .postgres import Postgres

    if spool is None and isinstance(where, Project) and where.settings.log.when_down == "spool":
        spool = where.state / "predictions.spool.sqlite"
    if spool is None:
        return SqlLog(Postgres(address))
    check_disk(spool)
    return SqlLog(Spooled(lambda: Postgres(address), Sqlite(spool)))


def log_address(where: Project | Path | str) -> Path | str:
    """Return the file of a prediction log, or the URL of its database.

    >>> str(log_address("sqlite:////var/lib/predictions.sqlite")), log_address("postgresql://db/log")
    ('/var/lib/predictions.sqlite', 'postgresql://db/log')
    """
    if isinstance(where, Path):
        return where
    if isinstance(where, str):
        return _local(where)
    url = where.settings.log.url
    if not url:
        return where.state / "predictions.sqlite"
    address = _local(url)
    return where.root / address if isinstance(address, Path) else address


def shown_address(where: Project | Path | str) -> str:
    """Return the address of a log as people may see it: without a password."""
    from urllib.parse import urlsplit

    address = log_address(where)
    if isinstance(address, Path):
        return str(address)
    parts = urlsplit(address)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or 'localhost'}{port}{parts.path}"


def _local(url: str) -> Path | str:
    scheme, separator, _ = url.partition("://")
    if not separator:
        return Path(url)
    if scheme in _SERVERS:
        return url
    path = database_file(url)
    if scheme != "sqlite" or path is None:
        raise LogError(
            f"The log address '{url}' is not known. Use 'sqlite:///' and the path of a file, or 'postgresql://user@host/database'."
        )
    return path
