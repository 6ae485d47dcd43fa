"""HTTP/1.1 connections as uvicorn has them, where the head of a request is bounded in bytes and in time."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .asgi import Refusal

__all__ = ["Connection"]

_MOST_HEAD_BYTES = 65_536


class Connection(HttpToolsProtocol):
    """A connection; what is wrong with it is told in the shape that every error has.

    Attributes
    ----------
    waits_since
        When the head of a request began to arrive, as `time.monotonic` has it; None while none does.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waits_since: float | None = None
        self._head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.waits_since = time.monotonic()

    def data_received(self, data: bytes) -> None:
        if self.waits_since is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        # The rest of a request may come with its head, and is bounded elsewhere.
        if self.waits_since is not None and self._head_bytes > _MOST_HEAD_BYTES:
            self.refuse(431, "too_large", f"The head of the request is over {_MOST_HEAD_BYTES:,} bytes. Send less.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self.waits_since is None:
            self.waits_since = time.monotonic()

    def on_headers_complete(self) -> None:
        self.waits_since, self._head_bytes = None, 0
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self.refuse(400, "invalid_http", "The request is not HTTP/1.1. Send one that is.")

    def refuse(self, status: int, code: str, message: str) -> None:
        """Answer with an error, and close."""
        if self.transport.is_closing():
            return
        body = Refusal(status, code, message).answer().body
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.waits_since = None
        self.transport.write(head.encode() + body)
        self.transport.close()
