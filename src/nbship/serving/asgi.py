"""The little of HTTP that the service needs, straight on ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from ..errors import InputFailure
from .body import MAX_BYTES

__all__ = ["Answer", "Receive", "Refusal", "Request", "Scope", "Send", "json_answer", "read_body", "send_answer"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

RECEIVE_SECONDS = 30.0
_JSON_HINT = "Send JSON with the header 'Content-Type: application/json' (curl: -H 'Content-Type: application/json')."


@dataclass(frozen=True)
class Request:
    """A request whose body has been read."""

    method: str
    path: str
    body: bytes
    caller: str


@dataclass(frozen=True)
class Answer:
    """A response: status, body and what kind of body it is."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818
    """A request that is answered with an error, in the shape that every error has."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        fields: Sequence[InputFailure] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.code, self.message, self.fields = status, code, message, fields
        self.headers = headers or {}
        super().__init__(message)

    def answer(self) -> Answer:
        """Return the response."""
        fields = [{"row": wrong.row, "field": wrong.field, "reason": wrong.reason} for wrong in self.fields]
        return json_answer(
            {"error": {"code": self.code, "message": self.message, "fields": fields}}, self.status, headers=self.headers
        )


def json_answer(content: Any, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a JSON response; floats are written so that they are read again to the bit.

    >>> json_answer({"probability": 0.1}).body
    b'{"probability":0.1}'
    """
    return Answer(status, msgspec.json.encode(content), headers=headers or {})


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Receive a JSON body, within the limits of kind, size and time.

    Raises
    ------
    Refusal
        With status 408, 413 or 415.
    """
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    _check_kind(headers)
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > MAX_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(RECEIVE_SECONDS):
            return await _receive_all(receive)
    except TimeoutError as error:
        message = f"The body did not arrive within {RECEIVE_SECONDS:g} seconds. Send it faster, or in parts."
        raise Refusal(408, "too_slow", message) from error


async def _receive_all(receive: Receive) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "disconnected", "The connection was closed before the body was complete.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BYTES:
            raise _too_large()
        more = message.get("more_body", False)
    return b"".join(parts)


def _check_kind(headers: Mapping[str, str]) -> None:
    kind, _, rest = headers.get("content-type", "application/json").partition(";")
    kind = kind.strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refusal(415, "unsupported_media_type", f"The body is declared as '{kind[:100]}'. {_JSON_HINT}")
    charset = rest.lower().partition("charset=")[2].split(";")[0].strip(' "')
    if charset not in ("", "utf-8", "utf8"):
        raise Refusal(415, "unsupported_media_type", f"The body is declared as {charset[:40]}. Send UTF-8.")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Refusal(415, "unsupported_encoding", f"The body is encoded as '{encoding[:40]}'. Send it as it is.")


def _too_large() -> Refusal:
    return Refusal(
        413,
        "too_large",
        f"The body is over {MAX_BYTES:,} bytes. Send fewer rows at a time, or use 'nbship predict' on a file.",
        headers={"Connection": "close"},
    )


async def send_answer(answer: Answer, send: Send, *, body: bool = True) -> None:
    """Send a response; for a HEAD request without its body."""
    headers = [
        (b"content-type", answer.kind.encode("latin-1")),
        (b"content-length", str(len(answer.body)).encode()),
        *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if body else b""})
