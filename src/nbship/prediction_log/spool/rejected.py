"""Entries that a database rejected when they were forwarded from its spool: they stay in a SQLite file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ...errors import LogError
from ..databases import Primary
from ..rows import COLUMNS, TABLES, Entry, entry_of
from ..sqlite import Sqlite

__all__ = ["RejectedEntries"]

_LOGGER = logging.getLogger(__name__)
_ROWS = 1000


class RejectedEntries:
    """Rejected entries in the file `path`, which is created for the first of them.

    Attributes
    ----------
    pending
        Whether entries from before the start of this process were not tried again yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.pending = path.exists()

    def add(self, entries: Sequence[Entry]) -> bool:
        """Store entries; return whether that succeeded."""
        _LOGGER.error("The database rejected %d spooled entries. They are stored in '%s'.", len(entries), self._path)
        try:
            store = Sqlite(self._path)
            store.write([[entry] for entry in entries])
            store.close()
        except LogError as error:
            _LOGGER.error("%s The entries stay in the spool.", error)
            return False
        return True

    def stores(self) -> Sequence[Sqlite]:
        """Return the file, if there is one, as a database."""
        return [Sqlite(self._path)] if self._path.exists() else []

    def retry(self, primary: Primary) -> None:
        """Move the entries that the database accepts after all, once in the life of a process.

        Raises
        ------
        LogError
            If the database cannot be written.
        """
        if self.pending:
            for kind in TABLES:
                last: object = 0
                while rows := self._read(kind, after=last):
                    last = rows[-1][0]
                    outcomes = primary.write_once([entry_of(kind, row[1:]) for row in rows])
                    self._delete(kind, [row[0] for row, error in zip(rows, outcomes, strict=True) if error is None])
        self.pending = False

    def _read(self, kind: type, *, after: object) -> Sequence[Sequence[object]]:
        """Return the next rows, each after its number; none if the file cannot be read."""
        query = f"SELECT rowid, {', '.join(COLUMNS[kind])} FROM {TABLES[kind]} WHERE rowid > ? ORDER BY 1 LIMIT {_ROWS}"
        try:
            with Sqlite(self._path).connected("read") as connection:
                rows: Sequence[Sequence[object]] = connection.execute(query, (after,)).fetchall()
                return rows
        except LogError as error:
            # As on a full disk: nothing else may depend on it.
            _LOGGER.error("%s Its entries are forwarded after the next start.", error)
            return ()

    def _delete(self, kind: type, numbers: Sequence[object]) -> None:
        try:
            with Sqlite(self._path).connected("written") as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(f"DELETE FROM {TABLES[kind]} WHERE rowid = ?", [(each,) for each in numbers])
                connection.execute("COMMIT")
        except LogError as error:
            _LOGGER.error("%s Its forwarded entries are deleted after the next start.", error)
