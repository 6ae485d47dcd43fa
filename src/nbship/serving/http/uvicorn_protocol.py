"""HTTP/1.1 connections as uvicorn has them, where the head of a request is bounded in bytes and in time.

What they send leaves together: head and body in one piece, and the answers of one turn of the loop one right after
another, so that whoever asks much at a time is woken once a turn, and not once or twice an answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ...errors import RequestError
from .asgi import error_answer

__all__ = ["Connection", "Outbox"]

_MOST_HEAD_BYTES = 65_536
_MOST_HELD_BYTES = 65_536


class Outbox:
    """What the connections of one server have to send in this turn of their loop."""

    def __init__(self) -> None:
        self._holding: list[Outgoing] = []

    def add(self, outgoing: Outgoing, loop: asyncio.AbstractEventLoop) -> None:
        """Send what a connection holds, when those have run whose turn it is."""
        if not self._holding:
            loop.call_soon(self._send)
        self._holding.append(outgoing)

    def _send(self) -> None:
        holding, self._holding = self._holding, []
        for outgoing in holding:
            outgoing.send()


class Outgoing:
    """A transport that holds what is written until `send`, or `close`.

    Parameters
    ----------
    hold
        Called when something is written and nothing was held before: it sees to it that `send` is called.
    """

    def __init__(self, transport: asyncio.Transport, hold: Callable[[Outgoing], object]) -> None:
        self._transport, self._hold = transport, hold
        self._parts: list[bytes] = []
        self.is_closing, self.get_extra_info = transport.is_closing, transport.get_extra_info
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading

    def write(self, data: bytes) -> None:
        """Take bytes to send; many are sent at once."""
        self._parts.append(data)
        if len(data) > _MOST_HELD_BYTES:
            self.send()
        elif len(self._parts) == 1:
            self._hold(self)

    def send(self) -> None:
        """Send what is held."""
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        """Send what is held, and close."""
        self.send()
        self._transport.close()


class Connection(HttpToolsProtocol):
    """A connection; what is wrong with it is told in the shape that every error has.

    Parameters
    ----------
    outbox
        Shared by the connections of a server.

    Attributes
    ----------
    waits_since
        When the head of a request began to arrive, as `time.monotonic` has it; None while none does.
    """

    def __init__(self, outbox: Outbox, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._outbox = outbox
        self.waits_since: float | None = None
        self._head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        self._outgoing = Outgoing(transport, self._hold)
        super().connection_made(self._outgoing)  # type: ignore[arg-type]
        self.waits_since = time.monotonic()

    def _hold(self, outgoing: Outgoing) -> None:
        self._outbox.add(outgoing, self.loop)

    def data_received(self, data: bytes) -> None:
        if self.waits_since is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        # The rest of a request may come with its head, and is bounded elsewhere.
        if self.waits_since is not None and self._head_bytes > _MOST_HEAD_BYTES:
            self.refuse("headers_too_large", f"The head of the request is over {_MOST_HEAD_BYTES:,} bytes. Send less.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self.waits_since is None:
            self.waits_since = time.monotonic()

    def on_headers_complete(self) -> None:
        self.waits_since, self._head_bytes = None, 0
        self.scope["under_way"] = self.tasks  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        # Nobody else has an answer that could go with it.
        if len(self.tasks) <= 1:
            self._outgoing.send()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self.refuse("invalid_http", "The request is not HTTP/1.1. Send one that is.")

    def refuse(self, code: str, message: str) -> None:
        """Answer with an error, and close."""
        if self.transport.is_closing():
            return
        response = error_answer(RequestError(code, message))
        status, body = response.status, response.body
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.waits_since = None
        self.transport.write(head.encode() + body)
        self.transport.close()
