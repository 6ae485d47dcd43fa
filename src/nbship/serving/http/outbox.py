"""Responses sent together: head and body in one write, and all responses of one turn of the event loop at its end.

A client with many open requests is then woken once per turn, instead of twice per response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Outbox", "Outgoing"]

_MOST_HELD_BYTES = 65_536


class Outbox:
    """The connections of a server that have data to send in this turn of the event loop."""

    def __init__(self) -> None:
        self._holding: list[Outgoing] = []

    def add(self, outgoing: Outgoing, loop: asyncio.AbstractEventLoop) -> None:
        """Send what a connection holds at the end of this turn."""
        if not self._holding:
            loop.call_soon(self._send)
        self._holding.append(outgoing)

    def _send(self) -> None:
        holding, self._holding = self._holding, []
        for outgoing in holding:
            outgoing.send()


class Outgoing:
    """A transport that holds written data until `send` or `close`.

    Parameters
    ----------
    hold
        Called at the first write after `send`; must arrange for the next call of `send`.
    may_read
        Whether to read from the connection; otherwise `resume_reading` does nothing.
    """

    def __init__(
        self, transport: asyncio.Transport, hold: Callable[[Outgoing], object], *, may_read: Callable[[], bool]
    ) -> None:
        self._transport, self._hold, self._may_read = transport, hold, may_read
        self._parts: list[bytes] = []
        self.is_closing, self.get_extra_info = transport.is_closing, transport.get_extra_info
        self.get_write_buffer_size, self.abort = transport.get_write_buffer_size, transport.abort
        self.pause_reading = transport.pause_reading

    def write(self, data: bytes) -> None:
        """Hold bytes to send; send large ones immediately."""
        self._parts.append(data)
        if len(data) > _MOST_HELD_BYTES:
            self.send()
        elif len(self._parts) == 1:
            self._hold(self)

    def resume_reading(self) -> None:
        """Read again, if it is time."""
        if self._may_read():
            self._transport.resume_reading()

    def send(self) -> None:
        """Send held data."""
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        """Send held data, and close."""
        self.send()
        self._transport.close()
