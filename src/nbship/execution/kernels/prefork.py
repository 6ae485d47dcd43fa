"""A spare fork: created before it is needed, so that no request waits for the system to fork."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["SpareFork", "receive", "send"]

_CHUNK = 1 << 20


class SpareFork:
    """A child of this process that waits for its request.

    Parameters
    ----------
    detach
        Called in the child: closes the parent's files.
    serve
        Called in the child with the request and its descriptors; the child exits when it returns.
    """

    def __init__(self, detach: Callable[[], None], serve: Callable[[Mapping[str, Any], Sequence[int]], None]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        parent_end, child_end = socket.socketpair()
        self._channel = parent_end
        self.pid = os.fork()
        if not self.pid:
            _run_child(child_end, detach, serve)
        child_end.close()
        with contextlib.suppress(OSError):
            os.setpgid(self.pid, self.pid)

    def hand_over(self, line: bytes, files: Sequence[int]) -> None:
        """Send a request, one line of JSON, and its descriptors.

        Raises
        ------
        OSError
            If the child ended.
        """
        with self._channel:
            send(self._channel, line, files)

    def close(self) -> None:
        """End the unused child."""
        self._channel.close()


def send(connection: socket.socket, line: bytes, files: Sequence[int]) -> None:
    """Send a line together with descriptors."""
    # An empty rest is not sent: the receiver has the complete line and may have closed the connection.
    if rest := line[socket.send_fds(connection, [line], list(files)) :]:
        connection.sendall(rest)


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Return complete lines and the descriptors sent with them; both empty if the connection is closed.

    Descriptors travel with the first byte of a line. A line of 1.5 MB with two descriptors arrives as 1 MB with both,
    then 0.5 MB with none, so only the first read asks for descriptors.
    """
    try:
        data, files, _, _ = socket.recv_fds(connection, _CHUNK, 8)
    except OSError:
        return b"", []
    while data and not data.endswith(b"\n"):
        data = data + more if (more := connection.recv(_CHUNK)) else b""
    return data, list(files)


def _run_child(
    channel: socket.socket, detach: Callable[[], None], serve: Callable[[Mapping[str, Any], Sequence[int]], None]
) -> None:
    try:
        detach()
        data, files = receive(channel)
        channel.close()
        if data:
            serve(json.loads(data), files)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)
    os._exit(0)
