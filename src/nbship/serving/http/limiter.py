"""Limit concurrent requests: requests over the limit are rejected at once, so that the queue stays bounded."""

from __future__ import annotations

from .asgi import HTTPError

__all__ = ["Limiter"]


class Limiter:
    """Limits the number of concurrent requests, and the bytes of their bodies.

    >>> limiter = Limiter(most=1, most_bytes=100)
    >>> limiter.enter()
    >>> limiter.active
    1
    >>> limiter.leave(0)
    """

    def __init__(self, *, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self.active = 0
        self._bytes = 0

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
            raise _busy(f"{self._bytes:,} bytes of requests are running")
        self._bytes += size

    def leave(self, size: int) -> None:
        """Stop counting a request, and the `size` bytes of its body."""
        self.active -= 1
        self._bytes -= size


def _busy(reason: str) -> HTTPError:
    return HTTPError("busy", f"The service is busy: {reason}. Try again in a second.")
