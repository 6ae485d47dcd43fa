"""A fork that waits for its request: made before it is asked for, so that nobody waits for the forking."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["Spare", "receive", "send"]

_MOST = 1 << 20


class Spare:
    """A child of this process that does nothing until it is given a request.

    Parameters
    ----------
    leave
        Called in the child: lets go of what is the parent's.
    become
        Called in the child with the request and its files; when it returns, the child ends.
    """

    def __init__(self, leave: Callable[[], None], become: Callable[[Mapping[str, Any], Sequence[int]], None]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        ours, theirs = socket.socketpair()
        self._channel = ours
        self.pid = os.fork()
        if not self.pid:
            _wait(theirs, leave, become)
        theirs.close()
        with contextlib.suppress(OSError):
            os.setpgid(self.pid, self.pid)

    def give(self, line: bytes, files: Sequence[int]) -> None:
        """Hand over a request, one line of JSON, and its files.

        Raises
        ------
        OSError
            If the child is gone.
        """
        with self._channel:
            send(self._channel, line, files)

    def close(self) -> None:
        """Let the child end, which was not needed."""
        self._channel.close()


def send(connection: socket.socket, line: bytes, files: Sequence[int]) -> None:
    """Send a line, and files with it."""
    # No empty rest is sent: the other side may have closed, as it has all that it needs.
    if rest := line[socket.send_fds(connection, [line], list(files)) :]:
        connection.sendall(rest)


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Return whole lines that came, and the files with them; nothing when the other side is gone."""
    try:
        data, files, _, _ = socket.recv_fds(connection, _MOST, 8)
    except OSError:
        return b"", []
    while data and not data.endswith(b"\n"):
        data = data + more if (more := connection.recv(_MOST)) else b""
    return data, list(files)


def _wait(
    channel: socket.socket, leave: Callable[[], None], become: Callable[[Mapping[str, Any], Sequence[int]], None]
) -> None:
    try:
        leave()
        data, files = receive(channel)
        channel.close()
        if data:
            become(json.loads(data), files)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)
    os._exit(0)
