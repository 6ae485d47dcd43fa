"""Group commit: the requests of a few turns of the event loop share one transaction of the prediction log."""

from __future__ import annotations

import asyncio

from ...prediction_log import PendingCommit, PredictionLog

__all__ = ["GroupCommit"]

# Turns of the event loop before a transaction. In the first, requests are read that arrived while others were predicted;
# in the second, they are predicted. So a transaction has more records, and a client waits some microseconds longer.
_TURNS = 2


class GroupCommit:
    """Waits in an event loop for pending commits of a prediction log.

    If the log can be written quickly, the loop writes it: waking a thread and being woken by it takes longer.
    Otherwise a thread writes, one transaction after another, and the loop continues.

    Example: requests a and b predict in the same turn, and c arrives meanwhile. Each calls `wait`; two turns after the
    first of them, `_flush` writes the three records in one transaction and wakes all three.
    """

    def __init__(self, log: PredictionLog, loop: asyncio.AbstractEventLoop) -> None:
        self._log, self._loop = log, loop
        self._waiting: list[tuple[PendingCommit[object], asyncio.Future[None]]] = []
        self._thread: asyncio.Future[None] | None = None

    async def wait(self, commit: PendingCommit[object], *, alone: bool) -> None:
        """Return when `commit` is durable, or has failed.

        Parameters
        ----------
        alone
            Whether no other request is running that could share the transaction.
        """
        if commit.done or (alone and not self._waiting and self._log.try_flush()):
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        if not self._waiting:
            self._loop.call_soon(self._flush_after, _TURNS)
        self._waiting.append((commit, waiter))
        await waiter

    def _flush_after(self, turns: int) -> None:
        if turns:
            self._loop.call_soon(self._flush_after, turns - 1)
        else:
            self._flush()

    def _flush(self) -> None:
        if self._log.try_flush():
            self._wake()
        else:
            self._thread = self._loop.run_in_executor(None, self._log.flush)
            self._thread.add_done_callback(self._wake)

    def _wake(self, _: object = None) -> None:
        waiting, self._waiting = self._waiting, []
        for commit, waiter in waiting:
            if not commit.done:
                self._waiting.append((commit, waiter))
            elif not waiter.done():
                waiter.set_result(None)
        if self._waiting:
            self._loop.call_soon(self._flush)
