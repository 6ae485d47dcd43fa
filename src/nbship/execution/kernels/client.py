"""The client of a fork server: starts it, asks it for forks, and waits for them to end.

A client and the server exchange JSON lines over a Unix socket, one connection a fork:

    client: {"kind": "cells", "cwd": …, "environ": {…}, …}    with the descriptors of pipes
    server: {"pid": 4711}                                     the fork runs
    client: {"signal": 2}                                     at any time, any number of them
    server: {"status": 0, "cpu": 1.5, "peak": 80000000}       the fork ended
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DeadKernelError
from .prefork import send

__all__ = ["ADDRESS_VARIABLE", "ExitInfo", "ForkServer", "ForkedProcess", "can_fork", "find_fork_server"]

ADDRESS_VARIABLE = "NBSHIP_PARENT"
_STARTUP_SECONDS = 120
# A fork has no copy of the thread with which Arrow's allocator returns memory.
_SINGLE_THREADED = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}


def can_fork() -> bool:
    """Return whether a process that holds libraries such as numpy forks safely here: on Linux it does."""
    return sys.platform.startswith("linux")


@dataclass(frozen=True)
class ExitInfo:
    """How a forked process ended.

    Attributes
    ----------
    status
        The exit status; negative: the number of the signal that killed the process.
    cpu, peak
        CPU time in seconds and peak memory in bytes, of the process and the children it waited for.
    """

    status: int
    cpu: float
    peak: int


class ForkServer:
    """A process that imports heavy libraries once and forks kernels.

    It ends with this object, or with the process that started it. Thread-safe.
    """

    def __init__(self, address: str, *, process: subprocess.Popen[bytes] | None = None, folder: str = "") -> None:
        self.address = address
        self._process = process
        self._folder = folder
        self._started = threading.Lock()

    @classmethod
    def start(
        cls, modules: Sequence[str] | None = (), *, env: Mapping[str, str], project: Path | None = None
    ) -> ForkServer:
        """Start a fork server and return at once; it imports `modules` in the background.

        Parameters
        ----------
        modules
            Dotted names. A module that is missing, fails, prints or starts a thread is left out. None: `preload` names
            them later.
        env
            The server's environment. Variables that libraries read when they load must be the same in its forks.
        project
            The folder whose modules each fork imports itself; None: all modules outside installed libraries.
        """
        # The path of a socket is limited to about 100 characters.
        folder = tempfile.mkdtemp(prefix="nbship-", dir=None if len(tempfile.gettempdir()) < 70 else "/tmp")
        address = str(Path(folder, "socket"))
        process = subprocess.Popen(
            [sys.executable, "-m", "nbship.execution.kernels.forkserver"],
            cwd=folder,
            env={**env, **private_settings(Path(folder)), **_SINGLE_THREADED},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        fork_server = cls(address, process=process, folder=folder)
        fork_server._send({"address": address, "left": [], "own": str(project) if project else None})
        if modules is not None:
            fork_server.preload(modules)
        return fork_server

    def preload(self, modules: Sequence[str]) -> None:
        """Name the modules to import; once, and only for a server started with `modules=None`."""
        self._send({"modules": list(dict.fromkeys(modules))})

    def _send(self, document: Mapping[str, Any]) -> None:
        assert self._process
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(document).encode() + b"\n")
            self._process.stdin.flush()

    @property
    def pid(self) -> int | None:
        """The server's process id; None if another process started it."""
        return self._process.pid if self._process else None

    def wait(self) -> None:
        """Wait until the imports are done.

        Raises
        ------
        DeadKernelError
            If the server ended.
        """
        self._connect().close()

    def fork(self, request: Mapping[str, Any], files: Sequence[int]) -> ForkedProcess:
        """Fork a child that serves `request`; wait until the imports are done.

        Parameters
        ----------
        request
            `kind`, `environ`, `cwd`, and the parameters of the kind.
        files
            Descriptors for the child; the last two become its standard output and error.

        Raises
        ------
        DeadKernelError
            If the server ended.
        """
        connection = self._connect()
        try:
            send(connection, json.dumps(request).encode() + b"\n", files)
            return ForkedProcess(connection)
        except OSError as error:
            connection.close()
            raise DeadKernelError("The fork server ended. Run again.") from error

    @property
    def alive(self) -> bool:
        """Whether the server's process runs; True if another process started it."""
        return self._process is None or self._process.poll() is None

    def abandon(self) -> None:
        """In a fork of the process that started the server: let go of it, so that it ends with its owner."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            self._process.returncode = 0  # not a child of this process
            self._process = None

    def close(self) -> None:
        """End the server and all its forks."""
        if self._process:
            assert self._process.stdin
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> socket.socket:
        until = time.monotonic() + _STARTUP_SECONDS
        with self._started:
            while True:
                connection = socket.socket(socket.AF_UNIX)
                try:
                    connection.connect(self.address)
                    return connection
                except OSError as error:
                    connection.close()
                    if self._is_gone() or time.monotonic() > until:
                        raise DeadKernelError(
                            f"The fork server did not start. Try `{sys.executable} -c 'import ipykernel.ipkernel'`."
                        ) from error
                time.sleep(0.002)

    def _is_gone(self) -> bool:
        return self._process is None or self._process.poll() is not None


class ForkedProcess:
    """A fork of the fork server. Closing this object kills the fork's process group, and so does the end of this process."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        self._exit_info: ExitInfo | None = None
        self.pid = int((self._read_reply(_STARTUP_SECONDS) or {"pid": 0})["pid"])
        if not self.pid:
            raise OSError("no reply")

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when the fork ends."""
        return self._connection.fileno()

    def wait(self, timeout: float | None) -> ExitInfo | None:
        """Return how the fork ended; None if it still runs after `timeout` seconds (None: no limit)."""
        if self._exit_info is None and (reply := self._read_reply(timeout)) is not None:
            self._exit_info = ExitInfo(**reply) if reply else ExitInfo(-signal.SIGKILL, 0.0, 0)
        return self._exit_info

    def signal(self, number: int) -> None:
        """Send a signal to the fork and its children."""
        with contextlib.suppress(OSError):
            self._connection.sendall(json.dumps({"signal": number}).encode() + b"\n")

    def kill(self) -> None:
        """Kill the fork and its children."""
        self.signal(signal.SIGKILL)

    def close(self) -> None:
        """Close the connection; a fork that still runs is killed."""
        self._connection.close()

    def _read_reply(self, timeout: float | None) -> dict[str, Any] | None:
        """Return the server's next line; None after `timeout`, empty if the server ended."""
        until = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._received:
            try:
                self._connection.settimeout(None if until is None else max(0.0, until - time.monotonic()))
                data = self._connection.recv(4096)
            except (TimeoutError, BlockingIOError):
                return None
            except OSError:
                data = b""
            if not data:
                return {}
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply


def find_fork_server(environ: Mapping[str, str]) -> ForkServer | None:
    """Return the fork server of the run that this process belongs to; None if there is none or it ended."""
    if not (address := environ.get(ADDRESS_VARIABLE, "")) or not can_fork():
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(address)
        except OSError:
            return None
    return ForkServer(address)


def private_settings(folder: Path) -> dict[str, str]:
    """Return variables that replace the user's settings of IPython and matplotlib."""
    style = folder / "matplotlibrc"
    style.write_text("svg.hashsalt: nbship\n", encoding="utf-8")
    return {
        "IPYTHONDIR": str(folder / "ipython"),
        "MATPLOTLIBRC": str(style),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
