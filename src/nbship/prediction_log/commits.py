"""Group commit: whoever waits for the same fsync shares it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from ..errors import LogError

__all__ = ["GroupCommit"]

T = TypeVar("T")


class GroupCommit(Generic[T]):
    """One thread that writes what many threads submit, as few transactions as the disk allows.

    While a transaction is on its way to the disk, submissions gather; they are the next one.

    Parameters
    ----------
    commit
        Makes all submissions of a group durable, in order. It returns, for each, None or the reason
        why this one was refused; when it raises, none of the group was written.
    most
        Most submissions in one transaction.

    >>> written = []
    >>> def commit(group):
    ...     written.extend(group)
    ...     return [None] * len(group)
    >>> commits = GroupCommit(commit)
    >>> commits.submit("a").result()
    >>> commits.close()
    >>> written
    ['a']
    """

    def __init__(self, commit: Callable[[Sequence[T]], Sequence[Exception | None]], *, most: int = 1000) -> None:
        self._commit = commit
        self._most = most
        self._waiting: queue.SimpleQueue[tuple[T, Future[None]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="nbship-log", daemon=True)
        self._thread.start()

    def submit(self, item: T) -> Future[None]:
        """Queue `item`; the future is done when it is durable, or holds why it is not."""
        future: Future[None] = Future()
        with self._lock:
            if self._closed:
                raise LogError("The prediction log is closed. Open it again to write.")
            self._waiting.put((item, future))
        return future

    def close(self) -> None:
        """Write what waits, then end the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            group, last = self._gather()
            if group:
                _settle(group, self._attempt([item for item, _ in group]))
            if last:
                return

    def _gather(self) -> tuple[list[tuple[T, Future[None]]], bool]:
        group: list[tuple[T, Future[None]]] = []
        entry = self._waiting.get()
        while entry is not None:
            if entry[1].set_running_or_notify_cancel():
                group.append(entry)
            if len(group) >= self._most or self._waiting.empty():
                return group, False
            entry = self._waiting.get()
        return group, True

    def _attempt(self, items: Sequence[T]) -> Sequence[Exception | None]:
        try:
            return self._commit(items)
        except Exception as error:
            return [error] * len(items)


def _settle(group: Sequence[tuple[T, Future[None]]], outcomes: Sequence[Exception | None]) -> None:
    for (_, future), outcome in zip(group, outcomes, strict=True):
        if outcome is None:
            future.set_result(None)
        else:
            future.set_exception(outcome)
