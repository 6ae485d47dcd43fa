"""Group commit: the requests of a few turns of the event loop are predicted together, and share a transaction of the log."""

from __future__ import annotations

import asyncio

from ...inference import PendingPredictions, predict_together
from ...prediction_log import PredictionLog

__all__ = ["GroupCommit"]

# Turns of the event loop before a transaction. In the first, requests are read that arrived while others were predicted;
# in the second, they are parsed. So a transaction has more records, and a client waits some microseconds longer.
_TURNS = 2


class GroupCommit:
    """Predicts in an event loop, and waits for the commits of a prediction log.

    If the log can be written quickly, the loop writes it: waking a thread and being woken by it takes longer.
    Otherwise a thread writes, one transaction after another, and the loop continues.

    Example: requests a and b are parsed in the same turn, and c arrives meanwhile. Each calls `wait`; two turns after the
    first of them, the three are predicted, and `_flush` writes their records in one transaction and wakes all three.
    """

    def __init__(self, log: PredictionLog, loop: asyncio.AbstractEventLoop) -> None:
        self._log, self._loop = log, loop
        self._new: list[PendingPredictions] = []
        self._waiting: list[tuple[PendingPredictions, asyncio.Future[None]]] = []
        self._thread: asyncio.Future[None] | None = None

    async def wait(self, pending: PendingPredictions, *, alone: bool) -> None:
        """Predict, and return when the records are durable, or have failed.

        Parameters
        ----------
        alone
            Whether no other request is running that could share the transaction.
        """
        if alone and not self._waiting:
            predict_together([pending])
            if self._log.try_flush():
                return
            self._loop.call_soon(self._flush)
        else:
            if not self._new:
                self._loop.call_soon(self._predict_after, _TURNS)
            self._new.append(pending)
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((pending, waiter))
        await waiter

    def _predict_after(self, turns: int) -> None:
        if turns:
            self._loop.call_soon(self._predict_after, turns - 1)
            return
        new, self._new = self._new, []
        predict_together(new)
        self._flush()

    def _flush(self) -> None:
        if self._thread is not None:
            # `_wake` calls this again when the thread has written.
            return
        if self._log.try_flush():
            self._wake()
        else:
            self._thread = self._loop.run_in_executor(None, self._log.flush)
            self._thread.add_done_callback(self._wake)

    def _wake(self, _: object = None) -> None:
        self._thread = None
        waiting, self._waiting = self._waiting, []
        for pending, waiter in waiting:
            if not pending.is_done:
                self._waiting.append((pending, waiter))
            elif not waiter.done():
                waiter.set_result(None)
        # Those that are not predicted yet are written after `_predict_after`.
        if any(pending.commit is not None for pending, _ in self._waiting):
            self._loop.call_soon(self._flush)
