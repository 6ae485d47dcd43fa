"""Requests, responses and errors of HTTP, directly on ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ...errors import InputFailure, RequestError
from ...inference import PendingPredictions
from .statuses import RETRY_AFTER, STATUSES, as_request_error

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = [
    "HTTPError",
    "PendingResponse",
    "Receive",
    "Request",
    "Response",
    "Scope",
    "Send",
    "error_response",
    "json_response",
    "read_body",
    "send_response",
    "too_large",
]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MOST_FAILURES = 100
# A response of this size fits the buffers of a connection, and need not be waited for.
_MOST_UNREAD_BYTES = 65_536
# Headers that are read, and have one value: a request that repeats one says two things.
_SINGLE = frozenset(
    {
        b"authorization", b"content-encoding", b"content-length", b"content-type", b"host",
        b"inference-header-content-length", b"origin", b"sec-fetch-mode", b"sec-fetch-site", b"traceparent",
        b"x-api-key", b"x-forwarded-user", b"x-request-id",
    }
)  # fmt: skip
# Headers that are read, and have a list of values.
_LISTS = frozenset({b"accept-encoding", b"x-forwarded-for"})


class Request:
    """A request, with what metrics and the request log need to know about it.

    Attributes
    ----------
    caller
        The name of the key, the user given by the proxy, or the address; empty before authentication.
    trace
        The trace id of `traceparent`, or a new one.
    id
        The value of `X-Request-ID`, or else the trace id.
    rows, invalid_field
        The number of rows, and the first field that is not valid.
    version
        The version of the model that predicted; empty if the request was not for a prediction.
    """

    __slots__ = (
        "_repeated",
        "body",
        "caller",
        "headers",
        "id",
        "invalid_field",
        "method",
        "path",
        "rows",
        "trace",
        "version",
    )

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        root: str = scope.get("root_path", "")
        # uvicorn puts the prefix before each path; a proxy that does not strip it has sent it too.
        for _ in range(2 if root else 0):
            if self.path == root or self.path.startswith(f"{root}/"):
                self.path = self.path[len(root) :] or "/"
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self._repeated = len(self.headers) < len(scope["headers"]) and self._join_repeated(scope["headers"])
        self.body = b""
        self.caller = ""
        self.trace = ""
        self.id = ""
        self.rows = 0
        self.invalid_field: str | None = None
        self.version = ""

    def _join_repeated(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Join the values of list headers; return the name of another repeated header that is read, or nothing."""
        seen: dict[bytes, bytes] = {}
        repeated = b""
        for name, value in headers:
            if name in seen and name in _SINGLE:
                repeated = name
            seen[name] = seen[name] + b", " + value if name in seen and name in _LISTS else value
        self.headers = seen
        return repeated

    def check_headers(self) -> None:
        """Raise HTTPError if a header that is read is repeated: which value counts must not be a guess."""
        if self._repeated:
            name = self._repeated.decode("latin-1")
            raise HTTPError("invalid_http", f"The request has the header '{name}' more than once. Send it once.")

    def header(self, name: bytes) -> str:
        """Return the value of a header, or an empty string."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def kind(self) -> str:
        """The media type of the body, in lower case and without parameters."""
        return self.header(b"content-type").partition(";")[0].strip().lower()


class Response(msgspec.Struct, frozen=True):
    """A response; `kind` is the media type of the body."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: Mapping[str, str] = {}


class PendingResponse(msgspec.Struct, frozen=True):
    """A response to predictions that are to be made: `write` returns it once the records are durable, or raises the error."""

    pending: PendingPredictions
    write: Callable[[], Response]


class HTTPError(RequestError):
    """An error of HTTP or of the service, before or around the prediction.

    Attributes
    ----------
    headers
        Headers of the response.
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


def error_response(error: Exception) -> Response:
    """Return the JSON response of an error."""
    reported = as_request_error(error)
    fields = [
        {"row": wrong.row, "field": wrong.field, "reason": wrong.reason} for wrong in reported.fields[:_MOST_FAILURES]
    ]
    headers = reported.headers if isinstance(reported, HTTPError) else {}
    if reported.code in RETRY_AFTER:
        headers = {"Retry-After": RETRY_AFTER[reported.code], **headers}
    content = {"error": {"code": reported.code, "message": str(reported), "fields": fields}}
    return json_response(content, STATUSES[reported.code], headers=headers)


def json_response(content: Any, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response; a float is written such that parsing returns the identical float.

    >>> json_response({"probability": 0.1}).body
    b'{"probability":0.1}'
    """
    return Response(status, msgspec.json.encode(content), headers=headers or {})


async def read_body(request: Request, receive: Receive, *, most: int, seconds: float) -> bytes:
    """Receive a body of at most `most` bytes within `seconds`.

    Raises
    ------
    HTTPError
        If the body is too large or too slow.
    """
    length = request.header(b"content-length")
    if length.isdecimal() and int(length[:20]) > most:
        raise too_large(most)
    receiving = _receive_all(receive, most)
    try:
        # A body that has already arrived needs no deadline: `asyncio.timeout` costs more than reading it.
        waited_for = receiving.send(None)
    except StopIteration as done:
        body: bytes = done.value
        return body
    try:
        async with asyncio.timeout(seconds):
            return await _Resumed(receiving, waited_for)
    except TimeoutError as error:
        message = f"The body did not arrive within {seconds:g} seconds. Send fewer rows in one request, or use a faster connection."
        raise HTTPError("too_slow", message, headers={"Connection": "close"}) from error


class _Resumed:
    """Awaits a coroutine that was started with `send(None)`, from its first suspension on."""

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
            raise too_large(most)
        more = message.get("more_body", False)
    return b"".join(parts) if len(parts) > 1 else parts[0]


def too_large(most: int) -> HTTPError:
    """Return the error of a body that is larger than `most` bytes."""
    return HTTPError(
        "too_large",
        f"The body is larger than {most:,} bytes. Send fewer rows in one request, or run 'nbship predict' on a file.",
        headers={"Connection": "close"},
    )


async def send_response(
    response: Response,
    send: Send,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    body: bool = True,
    exchange: Exchange | None = None,
) -> None:
    """Send a response; without the body for a HEAD request."""
    lines = [
        (b"content-type", response.kind.encode("latin-1")),
        (b"content-length", b"%d" % len(response.body)),
        *headers,
    ]
    small = len(response.body) <= _MOST_UNREAD_BYTES
    if (
        exchange is not None
        and body
        and small
        and not response.headers
        and exchange.respond(response.status, lines, response.body)
    ):
        return
    if response.headers:
        lines += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": lines})
    content = response.body if body else b""
    if content and not small:
        # The empty part behind it is sent once the client has received most of the response.
        await send({"type": "http.response.body", "body": content, "more_body": True})
        content = b""
    await send({"type": "http.response.body", "body": content})
