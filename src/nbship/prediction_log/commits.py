"""Group commit: whoever waits for the same fsync shares it."""

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

# A moment, which an event loop has time for: so long, and so much longer for each submission.
_MOMENT_SECONDS, _EACH_SECONDS = 0.001, 0.0001
# Where two in a row take longer, the loop is kept waiting for one part in so many of its time.
_PARTS = 100

_INTERRUPTED = "Writing the prediction log was interrupted. Look whether it holds the record."


class PendingCommit(Generic[T]):
    """Something that is to be made durable.

    Attributes
    ----------
    done
        Whether it is decided: it is durable then, or `error` says why it is not.
    """

    __slots__ = ("done", "error", "item")

    def __init__(self, item: T) -> None:
        self.item = item
        self.done = False
        self.error: Exception | None = None

    def check(self) -> None:
        """Raise why it is not durable, once it is decided."""
        if self.error is not None:
            raise self.error
        assert self.done, "Nobody settled this submission."


class GroupCommit(Generic[T]):
    """Writes what many threads submit, as few transactions as the disk allows.

    The thread that settles first writes for all that wait; those that come meanwhile gather for the next transaction.

    Parameters
    ----------
    commit
        Makes all submissions of a group durable, in order. It returns, for each, None or the reason
        why this one was refused; when it raises, none of the group was written.
    try_commit
        Does the same where nobody has to be waited for, and else returns None.
    most
        Most submissions in one transaction.

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
    ) -> None:
        self._commit, self._commit_now, self._most = commit, try_commit, most
        self._waiting: deque[PendingCommit[T]] = deque()
        self._entering, self._writing = threading.Lock(), threading.Lock()
        self._closed = False
        self._slow, self._not_before = 0, 0.0

    def submit(self, item: T) -> PendingCommit[T]:
        """Let `item` wait for whoever settles next.

        Raises
        ------
        LogError
            If the log is closed.
        """
        submission = PendingCommit(item)
        with self._entering:
            if self._closed:
                raise LogError("The prediction log is closed. Open it again to write.")
            self._waiting.append(submission)
        return submission

    def flush(self) -> None:
        """Return when all that was submitted before is decided; write it, unless somebody else does."""
        with self._writing:
            # Those that come meanwhile are settled by whoever waits for them.
            before = len(self._waiting)
            while before > 0 and (group := self._gather()):
                self._write(group, self._commit)
                before -= len(group)

    def try_flush(self) -> bool:
        """Write what waits, if that takes but a moment; tell whether all of it is decided."""
        if time.perf_counter() < self._not_before or not self._writing.acquire(blocking=False):
            return False
        try:
            group = self._gather()
            return not group or (self._write_now(group) and not self._waiting)
        finally:
            self._writing.release()

    def close(self) -> None:
        """Write what waits; nothing is taken any more."""
        with self._entering:
            self._closed = True
        self.flush()

    def _gather(self) -> list[PendingCommit[T]]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]

    def _write_now(self, group: list[PendingCommit[T]]) -> bool:
        started = time.perf_counter()
        written = self._write(group, self._commit_now)
        ended = time.perf_counter()
        self._slow = self._slow + 1 if ended - started > _MOMENT_SECONDS + len(group) * _EACH_SECONDS else 0
        if self._slow > 1:
            self._not_before = ended + (ended - started) * _PARTS
        return written

    def _write(self, group: list[PendingCommit[T]], commit: Callable[[Sequence[T]], Outcomes | None]) -> bool:
        """Write a group; where that would have to wait for somebody, put it back and return False."""
        outcomes: Outcomes | None = [LogError(_INTERRUPTED)] * len(group)
        try:
            outcomes = commit([each.item for each in group])
        except Exception as error:
            outcomes = [error] * len(group)
        finally:
            if outcomes is None:
                self._waiting.extendleft(reversed(group))
            else:
                for each, outcome in zip(group, outcomes, strict=True):
                    each.error, each.done = outcome, True
        return outcomes is not None
