"""A database with a spool: a local file that stores entries while the database is unavailable."""

from __future__ import annotations

import fcntl
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol, TextIO

from ..errors import LogError
from .databases import Connection, Database
from .records import Record
from .rows import COLUMNS, TABLES, Entry, entry_of, rows_of
from .sqlite import Sqlite

__all__ = ["WRITE_SECONDS", "Primary", "Spooled"]

_LOGGER = logging.getLogger(__name__)
# After this time without a response from the database, entries are spooled.
WRITE_SECONDS = 1.5
_QUICK_SECONDS, _SLOW_SECONDS = 5.0, 600.0
_INTERVAL_SECONDS, _POLL_SECONDS = 1.0, 0.05
_FORWARD_ROWS = 1000


class Primary(Database, Protocol):
    """A database to which entries can be forwarded."""

    def write_once(self, entries: Sequence[Entry]) -> Sequence[Exception | None]:
        """Write entries of which an interrupted `write` may have stored some; return for each None or its error."""


class Spooled:
    """A database whose writes go to a spool while it is unavailable, so that every acknowledged entry is on disk.

    Spooled entries are forwarded in the background, and before every read. An entry is written once, even if the
    process dies between forwarding it and deleting it from the spool, or the outcome of its first write is unknown.

    Parameters
    ----------
    open_primary
        Connects to the database, given the number of the spool; called again until it succeeds.
    """

    def __init__(self, open_primary: Callable[[int], Primary], spool: Sqlite) -> None:
        self._open, self._spool = open_primary, spool
        self._number = _number_of(spool)
        self._primary: Primary | None = None
        self._spooling = False
        self._stuck: set[object] = set()
        self._lock = threading.RLock()
        self._closed = threading.Event()
        try:
            self._reach()
        except LogError as error:
            # Without the database's salt, pseudonyms would not match the ones in the database.
            if _stored_salt(spool) is None:
                raise
            self._use_spool(error)
        self._thread = threading.Thread(target=self._run, name="nbship-spool", daemon=True)
        self._thread.start()

    def __str__(self) -> str:
        return str(self._primary or self._spool)

    @property
    def mark(self) -> str:
        """The placeholder of a value in a query."""
        return self._reach().mark

    @property
    def prefix(self) -> str:
        """The prefix of the table names."""
        return self._reach().prefix

    @property
    def salt(self) -> bytes:
        """The database's salt for pseudonyms, of which the spool has a copy."""
        stored = _stored_salt(self._spool)
        return self._reach().salt if stored is None else stored

    def write(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
        """Write to the database, or to the spool while the database is unavailable."""
        # Forwarding uses the same connection.
        if not self._spooling and self._lock.acquire(timeout=WRITE_SECONDS):
            try:
                return self._reach().write(group)
            except LogError as error:
                self._use_spool(error)
            finally:
                self._lock.release()
        return self._spool.write(group)

    def try_write(self, group: Sequence[Sequence[Entry]]) -> None:
        """Return None: writing to a server always waits for it."""

    @contextmanager
    def connected(self, action: str, *, slow: bool = False) -> Iterator[Connection]:
        """Forward spooled entries, then yield a connection to the database."""
        self.forward(patience=_SLOW_SECONDS if slow else _QUICK_SECONDS)
        with self._reach().connected(action, slow=slow) as connection:
            yield connection

    def stores(self) -> Sequence[Database]:
        """Forward spooled entries, then return the database, and the spool with what the database rejected."""
        self.forward()
        return self._reach(), self._spool

    def erase(self) -> None:
        """Remove the bytes of deleted entries from both."""
        for store in self.stores():
            store.erase()

    def forward(self, *, patience: float = _QUICK_SECONDS) -> None:
        """Move spooled entries to the database.

        Parameters
        ----------
        patience
            The maximum number of seconds to wait for another thread or process that forwards entries.

        Raises
        ------
        LogError
            If the database is still unavailable, or another thread or process forwards for longer.
        """
        with self._exclusive(time.monotonic() + patience):
            primary = self._reach()
            while entries := self._waiting():
                # Writers must not wait until all entries are forwarded.
                self._spooling = True
                outcomes = primary.write_once(entries)
                for entry, error in zip(entries, outcomes, strict=True):
                    if error is not None:
                        _LOGGER.error("An entry stays in the spool '%s': %s", self._spool, error)
                        self._stuck.add(entry)
                # Delete only what the database has: after a crash before this line, `write_once` skips the entries.
                self._delete([entry for entry in entries if entry not in self._stuck])
            if self._spooling:
                # One write shows that the database can be written, and opens the connection of the next.
                primary.write_once([])
                _LOGGER.warning(
                    "The prediction log '%s' is available again. All spooled entries were written to it.", primary
                )
            self._spooling = False

    def close(self) -> None:
        """Forward spooled entries if the database is available, and close both."""
        self._closed.set()
        self._thread.join(WRITE_SECONDS)
        # What is spooled is safe, and forwarded after the next start: an unavailable database must not delay a stop.
        if not self._spooling and not self._thread.is_alive():
            with suppress(LogError):
                self.forward(patience=WRITE_SECONDS)
        if self._primary is not None:
            self._primary.close()
        self._spool.close()

    def _reach(self) -> Primary:
        with self._lock:
            if self._primary is None:
                self._primary = self._open(self._number)
                with self._spool.connected("written") as connection:
                    connection.execute("INSERT OR REPLACE INTO meta VALUES ('primary salt', ?)", (self._primary.salt,))
            return self._primary

    @contextmanager
    def _exclusive(self, end: float) -> Iterator[None]:
        """Lock the spool until `end`, so that no other thread or process forwards the same entries."""
        if not self._lock.acquire(timeout=max(0.0, end - time.monotonic())):
            raise self._busy()
        try:
            with self._spool.path.with_name(f"{self._spool.path.name}.lock").open("w") as file:
                while not _lock_file(file):
                    if time.monotonic() > end:
                        raise self._busy()
                    time.sleep(_POLL_SECONDS)
                yield
        finally:
            self._lock.release()

    def _busy(self) -> LogError:
        return LogError(
            f"The prediction log '{self}' cannot be read: entries of the spool '{self._spool}' are still being written to it. Try again in a minute."
        )

    def _use_spool(self, error: LogError) -> None:
        self._spooling = True
        _LOGGER.warning("%s Predictions are stored in '%s' until it is available again.", error, self._spool)

    def _run(self) -> None:
        while not self._closed.wait(_INTERVAL_SECONDS):
            with suppress(LogError):
                if self._spooling or self._waiting():
                    self.forward()

    def _waiting(self) -> list[Entry]:
        """Return the next spooled entries; entries that the database rejected stay in the spool and are skipped."""
        found: list[Entry] = []
        with self._spool.connected("read") as connection:
            for kind, table in TABLES.items():
                limit = _FORWARD_ROWS + len(self._stuck)
                query = f"SELECT {', '.join(COLUMNS[kind])} FROM {table} ORDER BY 1 LIMIT {limit}"
                found += [entry_of(kind, row) for row in connection.execute(query).fetchall()]
        return [entry for entry in found if entry not in self._stuck]

    def _delete(self, entries: Sequence[Entry]) -> None:
        with self._spool.connected("written") as connection:
            connection.execute("BEGIN IMMEDIATE")
            for entry in entries:
                if isinstance(entry, Record):
                    connection.execute("DELETE FROM records WHERE id = ?", (entry.id,))
                else:
                    names, (row,) = COLUMNS[type(entry)], rows_of([entry])
                    same = " AND ".join(f"{name} IS ?" for name in names)
                    connection.execute(f"DELETE FROM {TABLES[type(entry)]} WHERE {same}", row)
            connection.execute("COMMIT")


def _lock_file(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _number_of(spool: Sqlite) -> int:
    """Return the number of a spool, by which the database distinguishes its writers from others."""
    with spool.connected("written") as connection:
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('number', ?)", (secrets.token_bytes(7),))
        row = connection.execute("SELECT value FROM meta WHERE name = 'number'").fetchone()
    return int.from_bytes(row[0])


def _stored_salt(spool: Sqlite) -> bytes | None:
    with spool.connected("read") as connection:
        row = connection.execute("SELECT value FROM meta WHERE name = 'primary salt'").fetchone()
        return None if row is None else bytes(row[0])
