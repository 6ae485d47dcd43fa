"""Connections to PostgreSQL with deadlines on this side: a server that hangs does not enforce its own settings."""

from __future__ import annotations

import time
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

__all__ = ["NoResponseError", "WatchedConnection", "connect"]

T = TypeVar("T")
# A thread that was left behind ends after the first time.
_CONNECT_SECONDS, _LOCK_SECONDS = 15, 5
# Commits are durable whatever the database's defaults. No statement waits for ever, and neither does a transaction
# whose client has lost its connection: it may hold locks.
_SESSION = (
    "SET synchronous_commit = on; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'; "
    f"SET lock_timeout = '{_LOCK_SECONDS}s'"
)


class NoResponseError(psycopg.OperationalError):
    """The server did nothing for some time. What was sent to it may have happened, or may still happen."""


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that is closed if nothing arrives from the server, and nothing is taken by it, for some time.

    Attributes
    ----------
    patience
        This time in seconds. A statement may take longer while rows are sent or received.
    """

    patience: float = 60.0

    def wait(self, gen: PQGen[T], *args: Any, **options: Any) -> T:
        """Wait as psycopg does; every exchange with the server passes through here."""
        return super().wait(self._watched(gen), *args, **options)

    def _watched(self, gen: PQGen[T]) -> PQGen[T]:
        try:
            wanted = next(gen)
            heard = time.monotonic()
            while True:
                # psycopg resumes it about ten times a second; `ready` is false if nothing happened.
                ready = yield wanted
                if ready:
                    heard = time.monotonic()
                elif time.monotonic() - heard > self.patience:
                    self.close()
                    raise NoResponseError(f"The server did not respond within {self.patience:g} seconds.")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result


def connect(url: str, *, patience: float) -> WatchedConnection:
    """Connect to a server, in `patience` seconds at most.

    Raises
    ------
    NoResponseError
        If that takes longer.
    """
    # A look-up of the host name cannot be interrupted, several hosts are tried one after another, and libpq waits at
    # least two seconds: a thread can be left behind.
    opened: Future[WatchedConnection] = Future()
    Thread(target=_connect, args=(url, patience, opened), name="nbship-connect", daemon=True).start()
    try:
        return opened.result(patience)
    except TimeoutError as error:
        opened.add_done_callback(_close)
        raise NoResponseError(f"The server did not respond within {patience:g} seconds.") from error


def _connect(url: str, patience: float, opened: Future[WatchedConnection]) -> None:
    try:
        connection = WatchedConnection.connect(
            url, autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name="nbship"
        )
        connection.patience = patience
        connection.execute(_SESSION)
    except BaseException as error:
        opened.set_exception(error)
    else:
        opened.set_result(connection)


def _close(opened: Future[WatchedConnection]) -> None:
    if opened.exception() is None:
        opened.result().close()
