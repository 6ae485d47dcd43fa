"""Limit concurrent requests: requests over the limit are rejected at once, so that the queue stays bounded.

A request counts until its response is sent, so callers that never read take no more memory than others.
"""

from __future__ import annotations

from .asgi import HTTPError

__all__ = ["Admission", "Limiter"]


class Limiter:
    """Limits the number of concurrent requests, and the bytes of their bodies and responses.

    >>> limiter = Limiter(most=1, most_bytes=100)
    >>> with limiter.admission() as admission:
    ...     admission.enter()
    ...     limiter.active
    1
    >>> limiter.active
    0
    """

    def __init__(self, *, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self.active = 0
        self._bytes = 0

    def admission(self) -> Admission:
        """Return the admission of one request."""
        return Admission(self)

    def enter(self) -> None:
        """Count a request.

        Raises
        ------
        HTTPError
            With code `busy`, if there are too many requests.
        """
        if self.active >= self._most:
            raise _busy(f"{self.active:,} requests are running")
        self.active += 1

    def hold(self, size: int) -> None:
        """Count the bytes of a body; a single body is always accepted."""
        if self._bytes and self._bytes + size > self._most_bytes:
            raise _busy(f"{self._bytes:,} bytes of requests and responses are held")
        self._bytes += size

    def add(self, size: int) -> None:
        """Count the bytes of a response, which is sent in any case: it delays later requests."""
        self._bytes += size

    def leave(self, size: int) -> None:
        """Stop counting a request, and its `size` bytes."""
        self.active -= 1
        self._bytes -= size


class Admission:
    """What a limiter counts of one request, until the end of a `with` block."""

    __slots__ = ("_bytes", "_entered", "_limiter")

    def __init__(self, limiter: Limiter) -> None:
        self._limiter, self._entered, self._bytes = limiter, False, 0

    def __enter__(self) -> Admission:
        return self

    def __exit__(self, *_: object) -> None:
        if self._entered:
            self._limiter.leave(self._bytes)

    def enter(self) -> None:
        """Count the request: see `Limiter.enter`."""
        self._limiter.enter()
        self._entered = True

    def hold(self, size: int) -> None:
        """Count the bytes of the body: see `Limiter.hold`."""
        self._limiter.hold(size)
        self._bytes += size

    def send(self, size: int) -> None:
        """Count the bytes of the response."""
        if self._entered:
            self._limiter.add(size)
            self._bytes += size


def _busy(reason: str) -> HTTPError:
    return HTTPError("busy", f"The service is busy: {reason}. Try again in a second.")
