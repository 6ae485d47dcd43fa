"""The request log (one JSON line per request), and the ids that trace a request."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from ...ids import random_hex
from .asgi import Request

__all__ = ["RequestLog", "identify", "trace_headers"]

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_NONE = b"0" * 32
_LINES_AT_A_TIME = 1000
_PAUSE_SECONDS = 0.02
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")


def identify(request: Request) -> None:
    """Set the trace id (W3C Trace Context) and the request id from the headers, or to new ids."""
    headers = request.headers
    found = _TRACEPARENT.fullmatch(headers[b"traceparent"]) if b"traceparent" in headers else None
    valid = found is not None and found[1] != _NONE
    request.trace = found[1].decode() if found is not None and valid else random_hex(16)
    given = headers.get(b"x-request-id", b"")
    request.id = given.decode() if given and _REQUEST_ID.fullmatch(given) else request.trace


def trace_headers(request: Request) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers with both ids; each response is a span of its own."""
    return (
        (b"x-request-id", request.id.encode()),
        (b"traceparent", f"00-{request.trace}-{random_hex(8)}-01".encode()),
    )


class RequestLog:
    """Writes one JSON line per request, in a thread, so that a slow or blocked reader delays no request.

    Parameters
    ----------
    write
        Writes complete lines; by default to standard output.
    most
        The limit of unwritten lines. Further lines are dropped; a line `{"dropped": n}` counts them.
    """

    def __init__(self, write: Callable[[str], object] | None = None, *, most: int = 100_000) -> None:
        self._write, self._most = write or _to_standard_output, most
        self._waiting: deque[bytes] = deque()
        self._wake = threading.Event()
        self._dropped = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="nbship-lines", daemon=True)
        self._thread.start()

    def note(self, request: Request, *, status: int, started: float, version: str | None) -> None:
        """Add the line of a request that started at `started` (`time.perf_counter`)."""
        if len(self._waiting) >= self._most:
            self._dropped += 1
            return
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
            "field": request.invalid_field,
        }
        self._waiting.append(msgspec.json.encode(line))
        # `set` takes a lock; while the thread is awake, it is not needed.
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write pending lines, for at most a second."""
        self._closed = True
        self._wake.set()
        self._thread.join(1)

    def _run(self) -> None:
        while not self._closed or self._waiting:
            self._wake.wait()
            self._wake.clear()
            lines: list[bytes] = []
            while self._waiting and len(lines) < _LINES_AT_A_TIME:
                lines.append(self._waiting.popleft())
            if self._waiting:
                self._wake.set()
            if self._dropped:
                lines.append(msgspec.json.encode({"dropped": self._dropped}))
                self._dropped = 0
            if lines:
                with suppress(OSError, ValueError):
                    self._write(b"\n".join(lines).decode("utf-8", "replace") + "\n")
            if not self._closed:
                # Write the lines of the next milliseconds together.
                time.sleep(_PAUSE_SECONDS)


def _to_standard_output(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
