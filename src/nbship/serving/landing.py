"""Wake those who wait in an event loop for what another thread does: all at once, with one call into the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import Any

__all__ = ["Landing"]


class Landing:
    """Where futures of other threads land in a loop.

    The writer of a log settles many futures one after another; `asyncio.wrap_future` would call into the loop for each.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._landed: deque[asyncio.Future[None]] = deque()

    def of(self, future: Future[Any]) -> asyncio.Future[None]:
        """Return what is done in the loop when `future` is, whatever it holds."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        future.add_done_callback(partial(self._land, waiter))
        return waiter

    def _land(self, waiter: asyncio.Future[None], _: Future[Any]) -> None:
        self._landed.append(waiter)
        # The others are found by the call that is under way.
        if len(self._landed) == 1:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        while self._landed:
            waiter = self._landed.popleft()
            if not waiter.done():
                waiter.set_result(None)
