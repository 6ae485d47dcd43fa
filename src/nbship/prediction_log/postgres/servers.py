"""Connections to the PostgreSQL server of a prediction log, for other tables of nbship in the same database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import LogError

if TYPE_CHECKING:
    from .connections import WatchedConnection

__all__ = ["connect_server"]


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
        raise LogError("PostgreSQL needs psycopg. Install it: pip install 'nbship[postgres]'.") from error
    return connect(url, patience=patience)
