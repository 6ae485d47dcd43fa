"""The warm parent, as the processes that use it hold it."""

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

__all__ = ["PARENT", "Ending", "Forked", "WarmParent", "can_fork", "find_parent"]

PARENT = "NBSHIP_PARENT"
_STARTUP_SECONDS = 120
# Arrow's allocator has a thread for returning memory, which a fork would not have.
_SINGLE_THREADED = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}


def can_fork() -> bool:
    """Tell whether this system forks processes that hold libraries such as numpy safely: Linux does."""
    return sys.platform.startswith("linux")


@dataclass(frozen=True)
class Ending:
    """How a forked process ended.

    Attributes
    ----------
    status
        Its exit status; the negative number of the signal that killed it.
    cpu, peak
        Seconds on the CPU, and the most memory in bytes, of it and the processes that it waited for.
    """

    status: int
    cpu: float
    peak: int


class WarmParent:
    """A process that has heavy libraries imported, and forks.

    It ends with this object, or with the process that holds it. Several threads may use it.
    """

    def __init__(self, address: str, *, process: subprocess.Popen[bytes] | None = None, folder: str = "") -> None:
        self.address = address
        self._process = process
        self._folder = folder
        self._started = threading.Lock()

    @classmethod
    def start(
        cls, modules: Sequence[str] | None = (), *, env: Mapping[str, str], own: Path | None = None
    ) -> WarmParent:
        """Start a parent and return at once; it imports `modules` (those that there are) meanwhile.

        Parameters
        ----------
        modules
            Dotted names; one that is not there, fails, prints or starts a thread is left out. None: `preload` will
            tell them.
        env
            Its environment, and what those of its forks should agree with in all that is read when a library is loaded.
        own
            The folder whose modules every fork imports anew; None: all that are not installed as a library.
        """
        # A socket's path has room for about 100 characters.
        folder = tempfile.mkdtemp(prefix="nbship-", dir=None if len(tempfile.gettempdir()) < 70 else "/tmp")
        address = str(Path(folder, "parent"))
        process = subprocess.Popen(
            [sys.executable, "-m", "nbship.execution.kernels.forkserver"],
            cwd=folder,
            env={**env, **private_settings(Path(folder)), **_SINGLE_THREADED},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        parent = cls(address, process=process, folder=folder)
        parent._order({"address": address, "left": [], "own": str(own) if own else None})
        if modules is not None:
            parent.preload(modules)
        return parent

    def preload(self, modules: Sequence[str]) -> None:
        """Say what to import, once, to a parent that was started without being told."""
        self._order({"modules": list(dict.fromkeys(modules))})

    def _order(self, document: Mapping[str, Any]) -> None:
        assert self._process
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(document).encode() + b"\n")
            self._process.stdin.flush()

    @property
    def pid(self) -> int | None:
        """Its process; None if another process started it."""
        return self._process.pid if self._process else None

    def fork(self, request: Mapping[str, Any], files: Sequence[int]) -> Forked:
        """Fork a child that serves `request`; wait for the imports if they are not done.

        Parameters
        ----------
        request
            `kind`, `environ`, `cwd`, and what the kind needs.
        files
            Descriptors that the child gets; the last two become its standard output and error.

        Raises
        ------
        DeadKernelError
            If the parent is gone.
        """
        connection = self._connect()
        try:
            send(connection, json.dumps(request).encode() + b"\n", files)
            return Forked(connection)
        except OSError as error:
            connection.close()
            raise DeadKernelError("The fork server ended. Run again.") from error

    @property
    def alive(self) -> bool:
        """Whether its process has not ended, as far as is known."""
        return self._process is None or self._process.poll() is None

    def close(self) -> None:
        """End the parent and all that it forked."""
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

    def __enter__(self) -> WarmParent:
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


class Forked:
    """A child of the warm parent. When this object is closed, or its process ends, the child's group is killed."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        self._ending: Ending | None = None
        self.pid = int((self._answer(_STARTUP_SECONDS) or {"pid": 0})["pid"])
        if not self.pid:
            raise OSError("no answer")

    def fileno(self) -> int:
        """Return a descriptor that is readable when the child has ended."""
        return self._connection.fileno()

    def wait(self, timeout: float | None) -> Ending | None:
        """Return how the child ended; None if it has not within `timeout` seconds (None: no limit)."""
        if self._ending is None and (told := self._answer(timeout)) is not None:
            self._ending = Ending(**told) if told else Ending(-signal.SIGKILL, 0.0, 0)
        return self._ending

    def signal(self, number: int) -> None:
        """Send a signal to the child and all that it started."""
        with contextlib.suppress(OSError):
            self._connection.sendall(json.dumps({"signal": number}).encode() + b"\n")

    def kill(self) -> None:
        """Kill the child and all that it started."""
        self.signal(signal.SIGKILL)

    def close(self) -> None:
        """Let go of the child, which ends if it has not."""
        self._connection.close()

    def _answer(self, timeout: float | None) -> dict[str, Any] | None:
        """Return the parent's next line; empty if the parent has gone."""
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
        answer: dict[str, Any] = json.loads(line)
        return answer


def find_parent(environ: Mapping[str, str]) -> WarmParent | None:
    """Return the warm parent of the run that this process is part of, if there is one that lives."""
    if not (address := environ.get(PARENT, "")) or not can_fork():
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(address)
        except OSError:
            return None
    return WarmParent(address)


def private_settings(folder: Path) -> dict[str, str]:
    """Return variables that shadow what the home folder says about IPython and matplotlib."""
    style = folder / "matplotlibrc"
    style.write_text("svg.hashsalt: nbship\n")
    return {
        "IPYTHONDIR": str(folder / "ipython"),
        "MATPLOTLIBRC": str(style),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
