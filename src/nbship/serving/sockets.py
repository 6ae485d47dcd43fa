"""The sockets that the service listens on: bound here, or handed over by the process that started it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

from ..errors import ServingError

__all__ = ["bind", "bind_unix", "inherited", "remove_unix"]

_BACKLOG = 4096
# The first descriptor that systemd hands over (sd_listen_fds).
_FIRST_DESCRIPTOR = 3


def bind(host: str, port: int) -> socket.socket:
    """Bind an address and listen; port 0 picks a free port.

    It comes before the model is loaded, so that a port in use is reported at once.

    Raises
    ------
    ServingError
        If the port is in use or cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        bound.close()
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise ServingError(
                f"Port {port} of '{host}' is already in use. Stop the process that uses it, or choose another port: --port {port + 1}."
            ) from error
        reason = getattr(error, "strerror", None) or error
        raise ServingError(
            f"Port {port} of '{host}' cannot be bound: {reason}. Choose another port with --port."
        ) from error
    return bound


def bind_unix(path: Path) -> socket.socket:
    """Bind a Unix socket and listen. It replaces one at the same path: connections go to this process from then on.

    Raises
    ------
    ServingError
        If something else is at the path, or it cannot be bound.
    """
    bound, temporary = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_socket():
            raise ServingError(f"'{path}' exists and is not a socket. Choose another path for 'serving.unix_socket'.")
        bound.bind(str(temporary))
        bound.listen(_BACKLOG)
        temporary.replace(path)
    except (OSError, ServingError) as error:
        bound.close()
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, ServingError):
            raise
        raise ServingError(
            f"The Unix socket '{path}' cannot be bound: {error.strerror or error}. Choose another path for 'serving.unix_socket'."
        ) from error
    return bound


def remove_unix(path: Path, inode: int) -> None:
    """Remove a Unix socket, unless another process has replaced it."""
    with suppress(OSError):
        if path.stat().st_ino == inode:
            path.unlink()


def inherited(environ: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """Return the listening sockets that systemd, or another parent, hands over to this process; none if it does not.

    The variables are removed, so that no child takes the sockets for its own. See sd_listen_fds(3).
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    found = [socket.socket(fileno=_FIRST_DESCRIPTOR + number) for number in range(int(count))]
    for each in found:
        os.set_inheritable(each.fileno(), False)
    return found
