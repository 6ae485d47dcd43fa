"""The little of HTTP that the service needs, straight on ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from ...errors import InputFailure, RequestError
from ...inference import PendingPredictions
from .statuses import RETRY_AFTER, STATUSES, as_request_error

__all__ = [
    "Answer",
    "HTTPError",
    "Receive",
    "Request",
    "Scope",
    "Send",
    "Waiting",
    "error_answer",
    "json_answer",
    "read_body",
    "send_answer",
]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MOST_FAILURES = 100


class Request:
    """A request: what it says, who sends it, and what is noted of it for the measures and the log line.

    Attributes
    ----------
    caller
        Who asks, once that is known.
    trace
        The trace id of its `traceparent`; one of its own where it has none.
    id
        Its `X-Request-ID`, or else the trace id.
    rows, refused
        How many rows it asks for, and the first field that is refused.
    version
        Of the model that predicted; empty where the request asked for no prediction.
    """

    __slots__ = ("body", "caller", "headers", "id", "method", "path", "refused", "rows", "trace", "version")

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        root: str = scope.get("root_path", "")
        if root and self.path.startswith(root):
            self.path = self.path[len(root) :]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.body = b""
        self.caller = ""
        self.trace = ""
        self.id = ""
        self.rows = 0
        self.refused: str | None = None
        self.version = ""

    def header(self, name: bytes) -> str:
        """Return the value of a header, or nothing."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def kind(self) -> str:
        """The media type of the body, in lower case and without parameters."""
        return self.header(b"content-type").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, body and what kind of body it is."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A response that may leave when its records are on the disk; `write` makes it then, or raises why not."""

    pending: PendingPredictions
    write: Callable[[], Answer]


class HTTPError(RequestError):
    """A request that HTTP itself, or the service around it, cannot answer.

    Attributes
    ----------
    headers
        Of the response.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        fields: Sequence[InputFailure] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message, fields=fields)
        self.headers = headers or {}


def error_answer(error: Exception) -> Answer:
    """Return the response to an error, in the shape that every error has."""
    told = as_request_error(error)
    fields = [
        {"row": wrong.row, "field": wrong.field, "reason": wrong.reason} for wrong in told.fields[:_MOST_FAILURES]
    ]
    headers = told.headers if isinstance(told, HTTPError) else {}
    if told.code in RETRY_AFTER:
        headers = {"Retry-After": RETRY_AFTER[told.code], **headers}
    content = {"error": {"code": told.code, "message": str(told), "fields": fields}}
    return json_answer(content, STATUSES[told.code], headers=headers)


def json_answer(content: Any, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a JSON response; floats are written so that they are read again to the bit.

    >>> json_answer({"probability": 0.1}).body
    b'{"probability":0.1}'
    """
    return Answer(status, msgspec.json.encode(content), headers=headers or {})


async def read_body(request: Request, receive: Receive, *, most: int, seconds: float) -> bytes:
    """Receive a body, within the limits of encoding, size and time.

    Raises
    ------
    HTTPError
        If it is encoded, too large or too slow.
    """
    encoding = request.header(b"content-encoding").strip().lower()
    if encoding not in ("", "identity"):
        raise HTTPError(
            "unsupported_encoding", f"The body is encoded as '{encoding[:40]}'. Send the body uncompressed."
        )
    length = request.header(b"content-length")
    if length.isdecimal() and int(length[:20]) > most:
        raise _too_large(most)
    receiving = _receive_all(receive, most)
    try:
        # A body that is there already needs no deadline, which costs more than taking it.
        waited_for = receiving.send(None)
    except StopIteration as done:
        body: bytes = done.value
        return body
    try:
        async with asyncio.timeout(seconds):
            return await _Resumed(receiving, waited_for)
    except TimeoutError as error:
        message = f"The body did not arrive within {seconds:g} seconds. Send it faster, or in parts."
        raise HTTPError("too_slow", message, headers={"Connection": "close"}) from error


class _Resumed:
    """Awaits a coroutine that was begun, from what it waits for."""

    def __init__(self, begun: Coroutine[Any, None, bytes], waited_for: Any) -> None:
        self._begun, self._waited_for = begun, waited_for

    def __await__(self) -> Generator[Any, None, bytes]:
        try:
            yield self._waited_for
            return (yield from self._begun.__await__())
        finally:
            self._begun.close()


async def _receive_all(receive: Receive, most: int) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HTTPError("disconnected", "The connection was closed before the body was complete.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _too_large(most)
        more = message.get("more_body", False)
    return b"".join(parts) if len(parts) > 1 else parts[0]


def _too_large(most: int) -> HTTPError:
    return HTTPError(
        "too_large",
        f"The body is over {most:,} bytes. Send fewer rows at a time, or use 'nbship predict' on a file.",
        headers={"Connection": "close"},
    )


async def send_answer(
    answer: Answer, send: Send, *, headers: Sequence[tuple[bytes, bytes]] = (), body: bool = True
) -> None:
    """Send a response; for a HEAD request without its body."""
    lines = [
        (b"content-type", answer.kind.encode("latin-1")),
        (b"content-length", str(len(answer.body)).encode()),
        *headers,
    ]
    if answer.headers:
        lines += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": lines})
    await send({"type": "http.response.body", "body": answer.body if body else b""})
