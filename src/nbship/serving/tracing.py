"""Who asked what, and what became of it: trace ids, and one JSON line a request."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from .asgi import Request

__all__ = ["RequestLines", "identify", "trace_headers"]

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_NONE = b"0" * 32
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")


def identify(request: Request) -> None:
    """Give a request its trace id (W3C Trace Context) and its request id: those that it brings, or new ones."""
    found = _TRACEPARENT.fullmatch(request.headers.get(b"traceparent", b""))
    brought = found is not None and found[1] != _NONE
    request.trace = found[1].decode() if found is not None and brought else os.urandom(16).hex()
    given = request.headers.get(b"x-request-id", b"")
    request.id = given.decode() if _REQUEST_ID.fullmatch(given) else request.trace


def trace_headers(request: Request) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that tell both ids; the span is this answer's own."""
    span = os.urandom(8).hex()
    return (
        (b"x-request-id", request.id.encode()),
        (b"traceparent", f"00-{request.trace}-{span}-01".encode()),
    )


class RequestLines:
    """Writes one JSON line a request, all those of a moment at once.

    Parameters
    ----------
    write
        Takes whole lines; by default standard output does.
    soon
        Calls a function when the work at hand is done.
    """

    def __init__(
        self, soon: Callable[[Callable[[], None]], object], write: Callable[[str], object] | None = None
    ) -> None:
        self._write, self._soon = write or sys.stdout.write, soon
        self._waiting: list[bytes] = []

    def note(self, request: Request, *, status: int, started: float, version: str | None) -> None:
        """Note a request that was answered; `started` is of `time.perf_counter`."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request": request.id,
            "trace": request.trace,
            "caller": request.caller,
            "method": request.method[:16],
            "path": request.path[:200],
            "status": status,
            "ms": round((time.perf_counter() - started) * 1000, 3),
            "rows": request.rows,
            "version": version,
            "field": request.refused,
        }
        self._waiting.append(msgspec.json.encode(line))
        if len(self._waiting) == 1:
            self._soon(self._flush)

    def _flush(self) -> None:
        lines, self._waiting = self._waiting, []
        if lines:
            self._write(b"\n".join(lines).decode("utf-8", "replace") + "\n")
            sys.stdout.flush()
