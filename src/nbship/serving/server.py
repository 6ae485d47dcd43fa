"""Run the service on uvicorn: check the address, say where it listens, stop in good order."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import ServingError

__all__ = ["bind", "check_loopback", "run"]

_DRAIN_SECONDS = 10


def check_loopback(host: str) -> None:
    """Refuse an address that other machines reach: the service knows no callers yet.

    Raises
    ------
    ServingError
        If `host` is not a loopback address.

    >>> check_loopback("127.0.0.1")
    >>> check_loopback("0.0.0.0")
    Traceback (most recent call last):
    ...
    nbship.errors.ServingError: The address '0.0.0.0' is open to other machines, and the service does not ask who is calling. Use 127.0.0.1, behind a proxy that does.
    """
    try:
        safe = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        safe = False
    if not safe:
        raise ServingError(
            f"The address '{host}' is open to other machines, and the service does not ask who is calling. Use 127.0.0.1, behind a proxy that does."
        )


def bind(host: str, port: int) -> socket.socket:
    """Take an address, before anything slow is done; port 0 takes a free one.

    Raises
    ------
    ServingError
        If the port is in use or cannot be taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen(2048)
    except (OSError, OverflowError) as error:
        taken.close()
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise ServingError(
                f"Port {port} of '{host}' is in use. Stop what runs there, or choose another: --port {port + 1}."
            ) from error
        reason = getattr(error, "strerror", None) or error
        raise ServingError(f"Port {port} of '{host}' cannot be taken: {reason}. Choose another with --port.") from error
    return taken


def run(app: Any, taken: socket.socket, *, announce: Callable[[], None]) -> None:
    """Serve `app` on a taken address until Ctrl-C or SIGTERM; requests under way are answered first.

    Parameters
    ----------
    announce
        Called when the service answers.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                announce()

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            with super().capture_signals():
                yield
                # Stopping as asked is success: nothing is left to raise again.
                self._captured_signals.clear()

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="on", server_header=False, ws="none",
        timeout_graceful_shutdown=_DRAIN_SECONDS, h11_max_incomplete_event_size=65_536,
    )  # fmt: skip
    server = Server(config)
    try:
        server.run(sockets=[taken])
    finally:
        taken.close()
    if not server.started:
        raise ServingError("The service did not start; the reason stands above.")
