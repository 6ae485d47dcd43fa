"""Group commit: all requests of one turn of the event loop share one transaction of the prediction log."""

from __future__ import annotations

import asyncio

from ...prediction_log import PendingCommit, PredictionLog

__all__ = ["GroupCommit"]


class GroupCommit:
    """Waits in an event loop for pending commits of a prediction log.

    If the log can be written quickly, the loop writes it: waking a thread and being woken by it takes longer.
    Otherwise a thread writes, one transaction after another, and the loop continues.

    Example: requests a, b and c predict in the same turn. Each calls `wait`; the first schedules `_flush` for the
    end of the turn, which writes the three records in one transaction and wakes all three.
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
            # Runs after the other requests of this turn, and writes their records too.
            self._loop.call_soon(self._flush)
        self._waiting.append((commit, waiter))
        await waiter

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
