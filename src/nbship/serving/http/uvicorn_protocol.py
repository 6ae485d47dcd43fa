"""uvicorn's HTTP/1.1 connection, with limits on the size and the arrival time of a request's head.

Responses are sent together: head and body in one write, and all responses of one turn of the event loop at its end.
A client with many open requests is then woken once per turn, instead of twice per response.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ...errors import RequestError
from .asgi import error_response

__all__ = ["Connection", "Outbox"]

_MOST_HEAD_BYTES = 65_536
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
    """

    def __init__(self, transport: asyncio.Transport, hold: Callable[[Outgoing], object]) -> None:
        self._transport, self._hold = transport, hold
        self._parts: list[bytes] = []
        self.is_closing, self.get_extra_info = transport.is_closing, transport.get_extra_info
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading

    def write(self, data: bytes) -> None:
        """Hold bytes to send; send large ones immediately."""
        self._parts.append(data)
        if len(data) > _MOST_HELD_BYTES:
            self.send()
        elif len(self._parts) == 1:
            self._hold(self)

    def send(self) -> None:
        """Send held data."""
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        """Send held data, and close."""
        self.send()
        self._transport.close()


class Connection(HttpToolsProtocol):
    """A connection that reports errors of HTTP as JSON, like all other errors.

    Parameters
    ----------
    outbox
        Shared by the connections of a server.

    Attributes
    ----------
    head_started
        When the head of a request started to arrive (`time.monotonic`); None while no head is incomplete.
    """

    def __init__(self, outbox: Outbox, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._outbox = outbox
        self.head_started: float | None = None
        self._head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        self._outgoing = Outgoing(transport, self._hold)
        super().connection_made(self._outgoing)  # type: ignore[arg-type]
        self.head_started = time.monotonic()

    def _hold(self, outgoing: Outgoing) -> None:
        self._outbox.add(outgoing, self.loop)

    def data_received(self, data: bytes) -> None:
        if self.head_started is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        # Data behind a complete head belongs to the body, which `read_body` limits.
        if self.head_started is not None and self._head_bytes > _MOST_HEAD_BYTES:
            self.reject(
                "headers_too_large",
                f"The headers of the request are larger than {_MOST_HEAD_BYTES:,} bytes. Send fewer or shorter headers.",
            )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self.head_started is None:
            self.head_started = time.monotonic()

    def on_headers_complete(self) -> None:
        self.head_started, self._head_bytes = None, 0
        self.scope["active_tasks"] = self.tasks  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        # No other request is running whose response could be sent with this one.
        if len(self.tasks) <= 1:
            self._outgoing.send()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self.reject("invalid_http", "The request is not valid HTTP/1.1. Check the client.")

    def reject(self, code: str, message: str) -> None:
        """Send an error, and close the connection."""
        if self.transport.is_closing():
            return
        response = error_response(RequestError(code, message))
        status, body = response.status, response.body
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.head_started = None
        self.transport.write(head.encode() + body)
        self.transport.close()
