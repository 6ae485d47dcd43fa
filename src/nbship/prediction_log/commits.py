"""Group commit: concurrent writers share one transaction and one fsync."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

from ..errors import LogError

__all__ = ["GroupCommit", "PendingCommit"]

T = TypeVar("T")
Outcomes: TypeAlias = "Sequence[Exception | None]"

# An event loop may be blocked this long by one commit, plus this long for each entry of it.
_COMMIT_SECONDS, _ENTRY_SECONDS = 0.001, 0.0001
# After two slow commits in a row, the event loop commits for at most 1/100 of its time.
_BACKOFF = 100

# The outcome of items whose transaction ended without a result, as after a KeyboardInterrupt.
_INTERRUPTED = (
    "Writing to the prediction log was interrupted, so the record may or may not be in it. Look for it in the log."
)


class PendingCommit(Generic[T]):
    """An item that was submitted for writing.

    Attributes
    ----------
    done
        Whether writing it succeeded or failed.
    error
        Why it failed; None if `item` is durable or `done` is false.
    """

    __slots__ = ("done", "error", "item")

    def __init__(self, item: T) -> None:
        self.item = item
        self.done = False
        self.error: Exception | None = None

    def check(self) -> None:
        """Raise the error if writing failed; call it when `done`."""
        if self.error is not None:
            raise self.error
        assert self.done, "This commit was not flushed."


class GroupCommit(Generic[T]):
    """Writes the items that several threads submit, many in one transaction.

    The first thread to flush writes everything pending; items submitted meanwhile form the next transaction::

        thread 1   submit a, flush ──► writes [a] ─────► done
        thread 2       submit b, flush (waits) ────────► writes [b, c] ─► done
        thread 3           submit c, flush (waits) ────────────────────► done

    Parameters
    ----------
    commit
        Makes the items of a group durable, in order. It returns for each item None, or the error with which this
        item was rejected. If it raises, no item of the group was written.
    try_commit
        Like `commit`, but returns None, with nothing written, if it would have to wait for another writer.
    most
        The maximum number of items in a transaction.
    clock
        Returns seconds; for tests.

    >>> written = []
    >>> def commit(group):
    ...     written.extend(group)
    ...     return [None] * len(group)
    >>> commits = GroupCommit(commit)
    >>> one, other = commits.submit("a"), commits.submit("b")
    >>> commits.flush()
    >>> written, one.done, other.done
    (['a', 'b'], True, True)
    """

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Outcomes],
        *,
        try_commit: Callable[[Sequence[T]], Outcomes | None] = lambda group: None,
        most: int = 1000,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._commit, self._try_commit, self._most, self._clock = commit, try_commit, most, clock
        self._waiting: deque[PendingCommit[T]] = deque()
        self._entering, self._writing = threading.Lock(), threading.Lock()
        self._closed = False
        self._slow, self._not_before = 0, 0.0

    def submit(self, item: T) -> PendingCommit[T]:
        """Queue an item for the next flush.

        Raises
        ------
        LogError
            If the log is closed.
        """
        pending = PendingCommit(item)
        with self._entering:
            if self._closed:
                raise LogError("The prediction log is closed. Open it again to write.")
            self._waiting.append(pending)
        return pending

    def flush(self) -> None:
        """Write the queued items, or wait while another thread writes them."""
        with self._writing:
            # Items queued from now on are flushed by their own threads; otherwise this could go on for ever.
            before = len(self._waiting)
            while before > 0 and (group := self._gather()):
                self._write(group, self._commit)
                before -= len(group)

    def try_flush(self) -> bool:
        """Write the queued items if that blocks for about a millisecond; return whether the queue is empty."""
        if self._clock() < self._not_before or not self._writing.acquire(blocking=False):
            return False
        try:
            group = self._gather()
            return not group or (self._write_now(group) and not self._waiting)
        finally:
            self._writing.release()

    def close(self) -> None:
        """Write the queued items; no more can be submitted."""
        with self._entering:
            self._closed = True
        self.flush()

    def _gather(self) -> list[PendingCommit[T]]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]

    def _write_now(self, group: list[PendingCommit[T]]) -> bool:
        started = self._clock()
        written = self._write(group, self._try_commit)
        ended = self._clock()
        self._slow = self._slow + 1 if ended - started > _COMMIT_SECONDS + len(group) * _ENTRY_SECONDS else 0
        if self._slow > 1:
            self._not_before = ended + (ended - started) * _BACKOFF
        return written

    def _write(self, group: list[PendingCommit[T]], commit: Callable[[Sequence[T]], Outcomes | None]) -> bool:
        """Write a group; if `commit` would have to wait, put it back in the queue and return False."""
        outcomes: Outcomes | None = [LogError(_INTERRUPTED)] * len(group)
        try:
            outcomes = commit([each.item for each in group])
        except Exception as error:
            outcomes = [error] * len(group)
        finally:
            # Also after a KeyboardInterrupt, with which the outcome of the group stays unknown.
            if outcomes is None:
                self._waiting.extendleft(reversed(group))
            else:
                for each, outcome in zip(group, outcomes, strict=True):
                    each.error, each.done = outcome, True
        return outcomes is not None
