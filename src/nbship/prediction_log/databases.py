"""The protocol of a database that holds a prediction log."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from .rows import Entry

__all__ = ["FORMAT", "Connection", "Database", "Primary"]

# The format of the tables. Format 2 added `trace` to `records`; format 3 added `role` to `records` and `model` to
# `labels`; format 4 added indexes of labels and of the times of entries; format 5 added `usage`.
FORMAT = 5


class Connection(Protocol):
    """The part of a database connection that reading uses."""

    def execute(self, query: str, values: Sequence[Any] = ..., /) -> Any:
        """Run a query and return its cursor."""


class Database(Protocol):
    """A database with the tables of a log."""

    @property
    def mark(self) -> str:
        """The placeholder of a value in a query."""

    @property
    def prefix(self) -> str:
        """The prefix of the table names."""

    @property
    def salt(self) -> bytes:
        """The log's salt for pseudonyms."""

    def write(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
        """Write several lists of entries in one durable transaction, each list entirely or not at all.

        Returns
        -------
        For each list None, or the error with which it was rejected.

        Raises
        ------
        LogError
            If the database cannot be written; no entry was written then.
        """

    def try_write(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None] | None:
        """Write as `write` does, or return None, with nothing written, if another writer would have to finish first."""

    def connected(self, action: str, *, slow: bool = False) -> AbstractContextManager[Connection]:
        """Yield a connection for one use; errors say that the log "cannot be {action}".

        Parameters
        ----------
        slow
            Whether queries may take minutes. Others fail after a few seconds without a response.
        """

    def stores(self) -> Sequence[Database]:
        """Return the databases that may hold entries: this one, or this one's parts."""

    def deleting(self) -> AbstractContextManager[None]:
        """Use, in a block, the space on the disk that is reserved for deleting entries."""

    def erase(self) -> None:
        """Remove the bytes of deleted entries from the files of the database.

        Raises
        ------
        LogError
            If another process prevents it.
        """

    def shrink(self) -> None:
        """Return the space of deleted entries to the disk, while others write."""

    def close(self) -> None:
        """Close all connections."""


class Primary(Database, Protocol):
    """A database to which spooled entries are forwarded."""

    def write_once(self, entries: Sequence[Entry]) -> Sequence[Exception | None]:
        """Write entries of which an interrupted `write` may have stored some; return for each None or its error."""
