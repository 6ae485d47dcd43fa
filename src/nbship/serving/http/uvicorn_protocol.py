"""uvicorn's HTTP/1.1 connection, with limits on the bytes and the seconds of a request and of its response."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ...errors import RequestError
from ...project import ServingSection
from .asgi import error_response
from .exchange import Exchange
from .outbox import Outbox, Outgoing

__all__ = ["Connection"]

_MOST_HEAD_BYTES = 65_536
# The number of bytes that are parsed at a time. A client may send requests before it has received the responses: those in
# one part wait in memory as objects, later ones as bytes.
_PART_BYTES = 4096
# What a chunk costs besides its content: its size in hexadecimal and line ends.
_CHUNK_BYTES = 16
# While the service stops, the time in which a new connection may send its request.
_LAST_SECONDS = 1.0
# The headers of an upgrade to another protocol, and the words of `Connection` that name them.
_OFFER = (b"upgrade", b"http2-settings")


class Connection(HttpToolsProtocol):
    """A connection that reports errors of HTTP as JSON, like all other errors.

    Until it is idle, its bytes and seconds are limited: those of the head, the body and the trailers of a request, also
    after an early response, and those in which the client receives the response.

    Parameters
    ----------
    outbox
        Shared by the connections of a server.
    """

    def __init__(self, outbox: Outbox, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._outbox = outbox
        self._settings: ServingSection = getattr(self.app, "settings", ServingSection())
        # Times are of `time.monotonic`; None while no head is incomplete, no request, nothing to send, and not idle.
        self._head_since: float | None = None
        self._request_since: float | None = None
        self._sending_since: float | None = None
        self._idle_since: float | None = None
        # Whether a request has come, and whether none may come after it.
        self._used = self._last = False
        # Of the current request, and the number of requests that have begun on this connection.
        self._bytes, self._body_bytes, self._chunks, self._begun = 0, 0, 0, 0
        self._unparsed = bytearray()

    def connection_made(self, transport: Any) -> None:
        self._outgoing = Outgoing(transport, self._hold, may_read=lambda: not self._unparsed)
        super().connection_made(self._outgoing)  # type: ignore[arg-type]
        self._head_since = time.monotonic()

    def _hold(self, outgoing: Outgoing) -> None:
        self._outbox.add(outgoing, self.loop)

    def data_received(self, data: bytes) -> None:
        if self._unparsed or self.pipeline or len(data) > _PART_BYTES:
            self._unparsed += data
            self._parse_waiting()
        else:
            self._receive(data)

    def _parse_waiting(self) -> None:
        """Parse what was received, until requests wait for others; read no more until all is parsed."""
        if self._head_since is not None:
            # The rest of the head waited for responses, not for the client.
            self._head_since = time.monotonic()
        while self._unparsed and not self.pipeline and not self.transport.is_closing():
            part = bytes(self._unparsed[:_PART_BYTES])
            del self._unparsed[:_PART_BYTES]
            self._receive(part)
        if self._unparsed:
            self._outgoing.pause_reading()
        elif not self.flow.read_paused:
            self._outgoing.resume_reading()

    def _receive(self, data: bytes) -> None:
        begun, receiving = self._begun, self._request_since is not None
        if self._head_since is None and not receiving:
            # Also for empty lines, which belong to no request.
            self._head_since = time.monotonic()
        self._parse(data)
        if self._request_since is None and self._head_since is None:
            return
        # Data with the end of one request and the start of another are not counted: they fit the socket's buffer.
        if begun == self._begun or (not receiving and begun + 1 == self._begun):
            self._bytes += len(data)
        if self._bytes - self._body_bytes > _MOST_HEAD_BYTES + _CHUNK_BYTES * self._chunks:
            self.reject(
                "headers_too_large",
                f"The headers or trailers of the request are larger than {_MOST_HEAD_BYTES:,} bytes. Send fewer or shorter ones.",
            )

    def _parse(self, data: bytes) -> None:
        self._idle_since = None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Parse a request that offers another protocol again, without the offer (RFC 9110, section 7.8).

        The parser ends at such a head, as what follows would be the other protocol: the body is in `rest`. Java's
        HttpClient and `curl --http2` offer HTTP/2 with each request.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            self.send_400_response("")
            return
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                value = b", ".join(token for token in tokens if token.lower() not in _OFFER)
            if name not in _OFFER:
                lines.append(b"%s: %s" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._parse(b"\r\n".join([*lines, b"", rest]))

    def shutdown(self) -> None:
        """Close an idle connection, or after its response; a new one may still send its request.

        Closing a connection whose request has arrived and is not read yet would reset it, and lose the request.
        """
        if not (self._used or self.transport.is_closing()):
            self._last = True
            self.loop.call_later(_LAST_SECONDS, self._close_unused)
        else:
            super().shutdown()

    def _close_unused(self) -> None:
        if not (self._used or self.transport.is_closing()):
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun += 1
        self._bytes = self._body_bytes = self._chunks = 0
        if self._head_since is None:
            self._head_since = time.monotonic()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._head_since, self._request_since = None, self._head_since
        super().on_headers_complete()
        self.scope["exchange"] = Exchange(self.cycle, self.tasks)  # type: ignore[typeddict-unknown-key]
        self._used = True
        if self._last:
            self.cycle.keep_alive = False
        # Trailers are ignored: they must not count as headers, which the application may not have read yet.
        self.headers = []

    def on_chunk_header(self) -> None:
        """Count a chunk of the body."""
        self._chunks += 1

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        # The application limits the body that it reads; this is for what comes after an early response.
        if self._body_bytes > self._settings.max_bytes and self.cycle.response_complete:
            self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._request_since = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        # No other request is running whose response could be sent with this one.
        if len(self.tasks) <= 1:
            self._outgoing.send()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            # `close_slow` closes idle connections: uvicorn's timer for each response takes longer than this method.
            self._idle_since = time.monotonic()
        if self._unparsed:
            self._parse_waiting()

    def close_slow(self, now: float) -> None:
        """Close the connection if it has been idle for long, or the client sends or receives too slowly."""
        seconds = self._settings.receive_seconds
        if self._head_since is not None and self._head_since < now - seconds and not self._unparsed:
            self.reject("too_slow", "The headers of the request did not arrive in time. Send them faster.")
        # While the application reads a body, it has a deadline for it; as long again for what it does not read.
        early = self._request_since is not None and self.cycle.response_complete
        if early and self._request_since is not None and self._request_since < now - 2 * seconds:
            self.transport.close()
        if self._idle_since is not None and self._idle_since < now - self.timeout_keep_alive:
            self.transport.close()
        if not self._outgoing.get_write_buffer_size():
            self._sending_since = None
        elif self._sending_since is None:
            self._sending_since = now
        elif self._sending_since < now - self._settings.send_seconds:
            self._outgoing.abort()

    def send_400_response(self, msg: str) -> None:
        self.reject("invalid_http", "The request is not valid HTTP/1.1. Check the client.")

    def reject(self, code: str, message: str) -> None:
        """Send an error, and close the connection."""
        if self.transport.is_closing():
            return
        response = error_response(RequestError(code, message))
        status, body = response.status, response.body
        # The application counts a request that it is reading.
        reading = self.cycle is not None and not self.cycle.response_complete
        if not reading and (count := getattr(self.app, "count_malformed", None)) is not None:
            count(status)
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self._head_since = None
        self.transport.write(head.encode() + body)
        self.transport.close()
