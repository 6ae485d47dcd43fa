"""Have the log written for those who wait in an event loop: once a turn of the loop, for all of them."""

from __future__ import annotations

import asyncio

from ...prediction_log import PendingCommit, PredictionLog

__all__ = ["Landing"]


class Landing:
    """Where commits to a log are waited for in a loop.

    The loop writes by itself where that takes but a moment: to hand over to a thread, and to be woken by it, takes
    longer. Else a thread writes, one transaction after another, and the loop goes on.
    """

    def __init__(self, log: PredictionLog, loop: asyncio.AbstractEventLoop) -> None:
        self._log, self._loop = log, loop
        self._waiting: list[tuple[PendingCommit[object], asyncio.Future[None]]] = []
        self._thread: asyncio.Future[None] | None = None

    async def land(self, commit: PendingCommit[object], *, alone: bool) -> None:
        """Return when `commit` is durable, or refused.

        Parameters
        ----------
        alone
            Whether no other request is under way, that might have something to write with it.
        """
        if commit.done or (alone and not self._waiting and self._log.try_flush()):
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        if not self._waiting:
            # All that has its turn now is written together.
            self._loop.call_soon(self._settle)
        self._waiting.append((commit, waiter))
        await waiter

    def _settle(self) -> None:
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
            self._loop.call_soon(self._settle)
