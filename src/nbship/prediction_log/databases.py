"""The seam beneath the log: what it needs of a database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from .rows import Entry

__all__ = ["FORMAT", "Connection", "Database"]

# Of the tables. 2: `records` has a `trace`.
FORMAT = 3


class Connection(Protocol):
    """The little of a database connection that reading needs."""

    def execute(self, query: str, values: Sequence[Any] = ..., /) -> Any:
        """Run a query and return its cursor."""


class Database(Protocol):
    """Where the tables of a log are.

    Attributes
    ----------
    mark, prefix
        How a query marks a value, and how the names of the log's tables begin.
    """

    @property
    def mark(self) -> str:
        """How a query marks a value."""

    @property
    def prefix(self) -> str:
        """How the names of the log's tables begin."""

    @property
    def salt(self) -> bytes:
        """The log's own salt for pseudonyms."""

    def write(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
        """Make submissions durable, all in one transaction; return for each None or why it was refused.

        Raises
        ------
        LogError
            If the database cannot be written; nothing was, then.
        """

    def try_write(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None] | None:
        """Do the same where nobody has to be waited for, and else nothing: return None then."""

    def connected(self, done: str) -> AbstractContextManager[Connection]:
        """Yield a connection for one use; `done` ("read", …) is what an error says cannot be done."""

    def close(self) -> None:
        """Close what is open."""
