"""Connections to the PostgreSQL server of a prediction log, also for other tables of nbship in the same database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...errors import LogError, NbshipError
from ...project import without_passwords
from ...text import one_line

if TYPE_CHECKING:
    from .connections import WatchedConnection

__all__ = ["connect_server", "reason_of", "server_errors"]

_MISSING = "PostgreSQL needs psycopg. Install it: pip install 'nbship[postgres]'."


def connect_server(url: str, *, patience: float) -> WatchedConnection:
    """Connect to the server of a log; every use of the connection fails after `patience` seconds without a response.

    Raises
    ------
    LogError
        If psycopg is not installed.
    psycopg.OperationalError
        If the server cannot be reached.
    """
    try:
        from .connections import connect
    except ImportError as error:
        raise LogError(_MISSING) from error
    return connect(url, patience=patience)


@contextmanager
def server_errors(url: str, error_of: Callable[[str], NbshipError]) -> Iterator[None]:
    """Raise `error_of(reason)` for an error of the server in the block; the reason quotes no row and no password.

    Raises
    ------
    LogError
        If psycopg is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise LogError(_MISSING) from error
    try:
        yield
    except (psycopg.Error, OSError) as error:
        # Not chained: psycopg's message may quote a row or the password.
        raise error_of(without_passwords(reason_of(error), url).rstrip(".?")) from None


def reason_of(error: Exception) -> str:
    """Return an error's message without its details, which quote rows."""
    return one_line(str(error).partition("DETAIL:")[0])
