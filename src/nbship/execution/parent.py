"""The warm parent: a process that imports heavy libraries once, and forks for every notebook.

It has one thread, no event loop and no sockets but its own, so that a fork of it is as good as a new
process. What a library would change by being imported early (a thread that it starts, a line that it prints)
is found, and that library is left to the notebooks.

It ends when the process that started it does, and takes every child along; a child's process group
ends when the child does, or when whoever asked for it goes.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import selectors
import signal
import socket
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

__all__ = ["main"]

_MOST = 1 << 20
_ORDER = "NBSHIP_PARENT_ORDER"
_PARENT_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG
# ipykernel, and what an IPython shell imports when it is made.
_IPYKERNEL = (
    *(
        "IPython",
        "ipykernel.ipkernel",
        "ipykernel.debugger",
        "IPython.extensions.storemagic",
        "bdb",
        "tempfile",
        "asyncio",
    ),
    *("IPython.core.application", "IPython.core.completerlib", "IPython.core.logger", "IPython.core.oinspect"),
)


def main() -> None:
    """Import what standard input's first line names, then serve forks at the socket that it names."""
    lifeline = os.dup(0)
    order = json.loads(_first_line(int(os.environ.pop(_ORDER, "0"))))
    del sys.path[0]
    environ = dict(os.environ)
    libc = ctypes.CDLL(None, use_errno=True)
    _preload(order, _IPYKERNEL, optional=False)
    _preload(order, order["modules"], optional=True)
    from . import child, forked_kernel

    kinds: dict[str, Any] = {"cells": partial(child.run_cells, child.prepare()), "kernel": forked_kernel.run_kernel}
    set_by_imports = {key: value for key, value in os.environ.items() if environ.get(key) != value}
    _forget_project()
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(order["address"] + ".new")
    listener.listen(64)
    os.rename(order["address"] + ".new", order["address"])  # noqa: PTH104
    _Parent(listener, lifeline, kinds, child.refresh, set_by_imports, libc).serve()


def _first_line(file: int) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(file, 1)
        if not byte:
            sys.exit(0)
        line += byte
    return bytes(line)


def _preload(order: dict[str, Any], names: Sequence[str], *, optional: bool) -> None:
    """Import modules; begin anew without one that starts a thread or says something while it is imported."""
    for name in names:
        if any(name == other or name.startswith(f"{other}.") for other in order["left"]):
            continue
        with _overheard() as said:
            try:
                importlib.import_module(name)
            except Exception:
                if not optional:
                    raise
        if optional and (_threads() > 1 or said()):
            order["left"].append(name)
            _begin_anew(order)


def _begin_anew(order: Mapping[str, Any]) -> None:
    """Replace this process by a clean one that does not import what stood out."""
    reader, writer = os.pipe()
    os.write(writer, json.dumps(order).encode() + b"\n")
    os.close(writer)
    os.environ[_ORDER] = str(reader)
    os.set_inheritable(reader, True)
    os.execv(sys.executable, [sys.executable, "-m", "nbship.execution.parent"])


@contextlib.contextmanager
def _overheard() -> Iterator[Any]:
    """Catch what is written to standard output and error; calling the yielded value tells whether anything was."""
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        size = [0]
        try:
            yield lambda: size[0]
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            size[0] = os.fstat(file.fileno()).st_size
            for number, copy in enumerate(kept, start=1):
                os.dup2(copy, number)
                os.close(copy)


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208


class _Parent:
    def __init__(
        self,
        listener: socket.socket,
        lifeline: int,
        kinds: Mapping[str, Callable[[Any, Any], None]],
        refresh: Callable[..., None],
        environ: Mapping[str, str],
        libc: Any,
    ) -> None:
        self._listener, self._lifeline, self._environ, self._libc = listener, lifeline, environ, libc
        self._kinds, self._refresh = kinds, refresh
        self._clients: dict[socket.socket, int] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = os.pipe()

    def serve(self) -> None:
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for place in (self._listener, self._lifeline, self._woken):
            self._selector.register(place, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                self._handle(key.fileobj)

    def _handle(self, ready: Any) -> None:
        if ready is self._listener:
            client, _ = self._listener.accept()
            self._clients[client] = 0
            self._selector.register(client, selectors.EVENT_READ)
        elif ready == self._lifeline:
            self._end()
        elif ready == self._woken:
            with contextlib.suppress(BlockingIOError):
                os.read(self._woken, 4096)
            self._reap()
        elif ready in self._clients:
            self._hear(ready)

    def _hear(self, client: socket.socket) -> None:
        try:
            data, files, _, _ = socket.recv_fds(client, _MOST, 8)
        except OSError:
            data, files = b"", []
        while data and not data.endswith(b"\n"):
            data = data + more if (more := client.recv(_MOST)) else b""
        for line in data.splitlines():
            self._answer(client, json.loads(line), files)
        for file in files:
            os.close(file)
        if not data:
            self._drop(client)

    def _answer(self, client: socket.socket, request: Mapping[str, Any], files: Sequence[int]) -> None:
        if "signal" in request:
            _signal(self._clients[client], request["signal"])
            return
        self._clients[client] = self._fork(request, files)
        _tell(client, {"pid": self._clients[client]})

    def _fork(self, request: Mapping[str, Any], files: Sequence[int]) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        if pid := os.fork():
            with contextlib.suppress(OSError):
                os.setpgid(pid, pid)
            return pid
        try:
            self._become_child(request, files)
        except BaseException:
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
            os._exit(70)
        os._exit(0)

    def _become_child(self, request: Mapping[str, Any], files: Sequence[int]) -> None:
        self._libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(0)
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for client in self._clients:
            client.close()
        self._selector.close()
        self._listener.close()
        for file in (self._lifeline, self._woken, self._waker):
            os.close(file)
        _prefer_for_memory_killer()
        _limit_memory(request.get("memory"))
        _standard_files(files)
        self._refresh({**request["environ"], **self._environ}, cwd=request["cwd"])
        self._kinds[request["kind"]](request, files)

    def _reap(self) -> None:
        """Take in the children that ended, end what they left running, and tell who asked for them."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            _signal(pid, signal.SIGKILL)
            for client, child in list(self._clients.items()):
                if child == pid:
                    cpu = usage.ru_utime + usage.ru_stime
                    ending = {"status": os.waitstatus_to_exitcode(status), "cpu": cpu, "peak": usage.ru_maxrss * 1024}
                    _tell(client, ending)
                    self._clients[client] = 0
                    self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        pid = self._clients.pop(client)
        self._selector.unregister(client)
        client.close()
        if pid:
            _signal(pid, signal.SIGKILL)

    def _end(self) -> None:
        for pid in self._clients.values():
            _signal(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.unlink(self._listener.getsockname())  # noqa: PTH108
        os._exit(0)


def _tell(client: socket.socket, answer: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):
        client.sendall(json.dumps(answer).encode() + b"\n")


def _signal(group: int, number: int) -> None:
    if group > 1:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _prefer_for_memory_killer() -> None:
    """Let the notebook be what the system ends when memory runs out, not the run that would tell of it."""
    with contextlib.suppress(OSError):
        file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(file, b"1000")
        os.close(file)


def _limit_memory(size: int | None) -> None:
    if size:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def _standard_files(files: Sequence[int]) -> None:
    """Point 0 at nothing, 1 and 2 at the last two of `files`, which stay the child's alone."""
    for file in files:
        os.set_inheritable(file, False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for number, file in enumerate(files[-2:], start=1):
        os.dup2(file, number)


def _forget_project() -> None:
    """Forget modules that come neither with Python nor with a library: notebooks import their own.

    What is in use here goes on working; only the names are gone.
    """
    paths = sysconfig.get_paths()
    known = tuple({f"{paths[name]}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and not file.startswith(known) and name != "__main__":
            del sys.modules[name]


if __name__ == "__main__":
    main()
