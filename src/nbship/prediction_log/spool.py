"""A database that may be away, before a file that keeps what cannot be written to it until it is back."""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from ..errors import LogError
from .databases import Connection, Database
from .records import Record
from .rows import COLUMNS, TABLES, Entry, entry_of, rows_of
from .sqlite import Sqlite

__all__ = ["Spooled"]

_LOGGER = logging.getLogger(__name__)
_EVERY_SECONDS = 1.0
_AT_A_TIME = 1000


class Spooled:
    """A database whose writes go to a spool while it is away: what was acknowledged is on a disk in either case.

    What is spooled is forwarded in the background, and before anything is read. An entry that was
    forwarded, but not yet taken out of the spool when the process died, is not written twice.

    Parameters
    ----------
    open_primary
        Connects to the database; called again while it is away.
    """

    def __init__(self, open_primary: Callable[[], Database], spool: Sqlite) -> None:
        self._open, self._spool = open_primary, spool
        self._primary: Database | None = None
        self._away = False
        self._stuck: set[object] = set()
        self._lock = threading.RLock()
        self._closed = threading.Event()
        try:
            self._reach()
        except LogError as error:
            if _kept_salt(spool) is None:
                raise
            self._leave(error)
        self._thread = threading.Thread(target=self._run, name="nbship-spool", daemon=True)
        self._thread.start()

    def __str__(self) -> str:
        return str(self._primary or self._spool)

    @property
    def mark(self) -> str:
        """How a query marks a value."""
        return self._reach().mark

    @property
    def prefix(self) -> str:
        """How the names of the tables begin."""
        return self._reach().prefix

    @property
    def salt(self) -> bytes:
        """The database's salt for pseudonyms; while it is away, the copy in the spool."""
        kept = _kept_salt(self._spool)
        return self._reach().salt if kept is None else kept

    def write(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
        """Write to the database, or to the spool while it is away."""
        if not self._away:
            # What is being forwarded goes over the same connection.
            with self._lock:
                try:
                    return self._reach().write(group)
                except LogError as error:
                    self._leave(error)
        return self._spool.write(group)

    def try_write(self, group: Sequence[Sequence[Entry]]) -> None:
        """Write nothing: a server has to be waited for."""

    @contextmanager
    def connected(self, done: str) -> Iterator[Connection]:
        """Yield a connection to the database, which holds what was spooled."""
        self.forward()
        with self._reach().connected(done) as connection:
            yield connection

    def forward(self) -> None:
        """Write what was spooled to the database, and take it out of the spool.

        Raises
        ------
        LogError
            If the database is still away.
        """
        with self._lock, self._alone():
            primary = self._reach()
            while entries := self._waiting():
                with primary.connected("read") as connection:
                    new = [entry for entry in entries if not _there(primary, connection, entry)]
                refused = primary.write([[entry] for entry in new])
                for entry, reason in zip(new, refused, strict=True):
                    if reason is not None:
                        _LOGGER.error("An entry stays in the spool '%s': %s", self._spool, reason)
                        self._stuck.add(entry)
                self._drop([entry for entry in entries if entry not in self._stuck])
            if self._away:
                _LOGGER.warning("The prediction log '%s' is back; what was spooled is in it.", primary)
            self._away = False

    def close(self) -> None:
        """Forward what can be, and close both."""
        self._closed.set()
        self._thread.join()
        with suppress(LogError):
            self.forward()
        if self._primary is not None:
            self._primary.close()
        self._spool.close()

    def _reach(self) -> Database:
        with self._lock:
            if self._primary is None:
                self._primary = self._open()
                with self._spool.connected("written") as connection:
                    connection.execute("INSERT OR REPLACE INTO meta VALUES ('primary salt', ?)", (self._primary.salt,))
            return self._primary

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from forwarding the same entries."""
        with self._spool.path.with_name(f"{self._spool.path.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _leave(self, error: LogError) -> None:
        self._away = True
        _LOGGER.warning("%s Predictions are kept in '%s' until it is back.", error, self._spool)

    def _run(self) -> None:
        while not self._closed.wait(_EVERY_SECONDS):
            with suppress(LogError):
                if self._away or self._waiting():
                    self.forward()

    def _waiting(self) -> list[Entry]:
        found: list[Entry] = []
        with self._spool.connected("read") as connection:
            for kind, table in TABLES.items():
                limit = _AT_A_TIME + len(self._stuck)
                query = f"SELECT {', '.join(COLUMNS[kind])} FROM {table} ORDER BY 1 LIMIT {limit}"
                found += [entry_of(kind, row) for row in connection.execute(query).fetchall()]
        return [entry for entry in found if entry not in self._stuck]

    def _drop(self, entries: Sequence[Entry]) -> None:
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


def _there(primary: Database, connection: Connection, entry: Entry) -> bool:
    """Tell whether an entry was forwarded before."""
    kind = type(entry)
    names, (row,) = COLUMNS[kind], rows_of([entry])
    name = "id" if isinstance(entry, Record) else "at"
    query = f"SELECT {', '.join(names)} FROM {primary.prefix}{TABLES[kind]} WHERE {name} = {primary.mark}"
    return row in [tuple(found) for found in connection.execute(query, (row[names.index(name)],)).fetchall()]


def _kept_salt(spool: Sqlite) -> bytes | None:
    with spool.connected("read") as connection:
        row = connection.execute("SELECT value FROM meta WHERE name = 'primary salt'").fetchone()
        return None if row is None else bytes(row[0])
