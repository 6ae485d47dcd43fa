"""How much is under way at once: what is over it is refused at once, and not queued without an end."""

from __future__ import annotations

from .asgi import HTTPError

__all__ = ["Gate"]


class Gate:
    """Lets so many requests in at a time, and so many bytes of bodies.

    >>> gate = Gate(most=1, most_bytes=100)
    >>> gate.enter()
    >>> gate.inside
    1
    >>> gate.leave(0)
    """

    def __init__(self, *, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self.inside = 0
        self._bytes = 0

    def enter(self) -> None:
        """Count a request in.

        Raises
        ------
        HTTPError
            With status 429, if there are too many.
        """
        if self.inside >= self._most:
            raise _busy(f"{self.inside:,} requests are under way")
        self.inside += 1

    def hold(self, size: int) -> None:
        """Count the bytes of a request's body in; a single body is always let in."""
        if self._bytes and self._bytes + size > self._most_bytes:
            raise _busy(f"{self._bytes:,} bytes of requests are under way")
        self._bytes += size

    def leave(self, size: int) -> None:
        """Count a request out, with so many bytes as were counted in."""
        self.inside -= 1
        self._bytes -= size


def _busy(reason: str) -> HTTPError:
    return HTTPError("busy", f"The service is busy: {reason}. Try again in a second.")
