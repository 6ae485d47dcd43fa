"""The protocol of a prediction log, and how a log is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from ..errors import LogError
from ..project import Project, database_file, is_url, is_valid_url, shown_url
from .commits import PendingCommit
from .disks import check_disk
from .records import BatchRun, Label, Record, Usage
from .rows import Entry, LoggedColumns, LoggedLabels, LoggedTimings
from .spool import WRITE_SECONDS, Spooled
from .sql import SqlLog
from .sqlite import Sqlite

__all__ = ["PredictionLog", "log_address", "open_log", "shown_address"]

_SERVERS = ("postgresql", "postgres")


class PredictionLog(Protocol):
    """A durable log of predictions, batch runs, labels, and the usage of the service's processes."""

    @property
    def salt(self) -> bytes:
        """The log's salt for pseudonyms of personal data."""

    @property
    def folder(self) -> Path | None:
        """The folder for files that are derived from the log; None if it has none."""

    @property
    def model(self) -> str | None:
        """The model whose entries are read; None for all models."""

    def submit(self, entries: Sequence[Entry]) -> PendingCommit[Sequence[Entry]]:
        """Queue entries for the next flush; they are written together or not at all."""

    def flush(self) -> None:
        """Write all queued entries, or wait while another thread writes them."""

    def try_flush(self) -> bool:
        """Write all queued entries if that blocks an event loop only briefly; return whether the queue is empty."""

    def append(self, *entries: Entry) -> None:
        """Write entries; return when they are durable."""

    def check(self) -> None:
        """Raise LogError if no record can be written now."""

    def find(self, id: str) -> Record:
        """Return the record with this id, or raise UnknownPredictionError."""

    def records(self, start: datetime, end: datetime) -> Iterator[Record]:
        """Yield the records whose event time lies in the window (`start` inclusive, `end` exclusive)."""

    def prediction_columns(self, start: datetime, end: datetime, *, measured: bool = False) -> Iterator[LoggedColumns]:
        """Yield the predictions of `records`, in parts, in the order of event times and ids."""

    def requests(self, start: datetime, end: datetime) -> Iterator[Record]:
        """Yield the records, errors included, made in a window (`start` inclusive, `end` exclusive)."""

    def timings(self, start: datetime, end: datetime) -> Iterator[LoggedTimings]:
        """Yield the timings of `requests`, in parts, without reading their content."""

    def usage(self, start: datetime, end: datetime) -> list[Usage]:
        """Return the usage of the service's processes in a window (`start` inclusive, `end` exclusive)."""

    def counts(self, start: datetime, end: datetime) -> tuple[int, ...]:
        """Count a window's records by event time and by time of prediction, batch runs and usage; and number all labels."""

    def last_event(self, before: datetime | None = None) -> datetime | None:
        """Return the latest event time of a prediction, or None; `before` counts only earlier records and batch runs."""

    def recent(self, count: int) -> list[Record]:
        """Return the newest records, newest first."""

    def batches(self, start: datetime | None = None, end: datetime | None = None) -> list[BatchRun]:
        """Return the batch runs with events in the window, newest first; without a window, all batch runs."""

    def batch(self, id: str) -> list[BatchRun]:
        """Return the runs of one batch, newest first."""

    def labels(self) -> list[Label]:
        """Return all labels in the order in which they were reported."""

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return the ids that are in the log, with a prediction."""

    def known_keys(self, keys: Iterable[str]) -> set[str]:
        """Return those of the key columns that a record has."""

    def labels_of(self, ids: Iterable[str], keys: Iterable[str]) -> list[Label]:
        """Return all labels of these prediction ids and key columns, in the order in which they were reported."""

    def labels_by_id(self, ids: Iterable[str]) -> LoggedLabels:
        """Return the columns of all labels of these prediction ids."""

    def labels_by_keys(self, keys: Iterable[str]) -> LoggedLabels:
        """Return the columns of all labels of these key columns."""

    def chunks(self, start: datetime | None = None, end: datetime | None = None) -> Iterator[list[Record]]:
        """Yield the records made in a window, in the order of their ids, in chunks of bounded size."""

    def prune(self, before: datetime) -> int:
        """Delete older predictions, batch runs and labels, and return their space to the disk. Return their number."""

    def forget(self, is_theirs: Callable[[Mapping[str, Any]], bool]) -> int:
        """Delete the records with inputs, and the labels with key columns, for which a function is true."""

    def close(self) -> None:
        """Write all queued entries and close."""


def open_log(where: Project | Path | str, *, spool: Path | None = None) -> SqlLog:
    """Open a prediction log: a project's own, a file, or a URL (`sqlite:///path`, `postgresql://user@host/database`).

    Parameters
    ----------
    spool
        The file that stores entries while PostgreSQL is unavailable. A project sets it with `log.when_down: spool`.

    Raises
    ------
    LogError
        If the log cannot be opened, is another kind of file, or was written by a newer nbship.
    """
    address = log_address(where)
    if isinstance(address, Path):
        check_disk(address)
        return SqlLog(Sqlite(address), folder=address.parent)
    from .postgres import Postgres

    if spool is None and isinstance(where, Project) and where.settings.log.when_down == "spool":
        spool = where.state / "predictions.spool.sqlite"
    folder = where.state if isinstance(where, Project) else spool.parent if spool else None
    if spool is None:
        return SqlLog(Postgres(address), folder=folder)
    check_disk(spool)
    return SqlLog(
        Spooled(lambda writer: Postgres(address, patience=WRITE_SECONDS, writer=writer), spool), folder=folder
    )


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
    """Return the address of a log without its password."""
    address = log_address(where)
    return str(address) if isinstance(address, Path) else shown_url(address)


def _local(url: str) -> Path | str:
    if not is_url(url) and not {"@", "="} & set(url):
        return Path(url)
    scheme, path = url.partition("://")[0], database_file(url)
    if scheme in _SERVERS:
        if not is_valid_url(url):
            raise LogError(
                f"The log address '{shown_url(url)}' is not a valid URL. In user and password, write @ as %40, / as %2F, : as %3A and % as %25."
            )
        return url
    if scheme != "sqlite" or path is None:
        raise LogError(
            f"The log address '{shown_url(url)}' is not known. Use 'sqlite:///' and the path of a file, or 'postgresql://user@host/database'."
        )
    return path
