"""The fork server: a process that imports heavy libraries once and forks for each notebook.

It has one thread, no event loop and no sockets except its own, so a fork behaves like a new process. Libraries that
print or start threads on import are left to the notebooks.

Process groups end as follows. `A` (a run) starts the server `S`, which forks `K` (a kernel); `K` starts `C`:
- `A` ends, however it does: its end of the lifeline closes, and `S` kills `K` and `C`, then exits;
- `S` is killed: the system kills `K` (`PR_SET_PDEATHSIG`), and a guard, a shell, kills `C`;
- `K` ends, or its client disconnects: `S` kills its process group, hence `C`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import selectors
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...atomic_write import publish
from . import preload
from .guard import Guard
from .prefork import SpareFork, receive

__all__ = ["main"]

_PARENT_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG


def main() -> None:
    """Serve forks at the address on the first line of standard input, once the modules on the second are imported."""
    gc.disable()  # imported objects stay; repeated collections would take longer than some imports
    lifeline = os.dup(0)
    config = preload.read_config()
    del sys.path[0]
    environ = dict(os.environ)
    libc = ctypes.CDLL(None, use_errno=True)
    preload.import_ipykernel()
    from . import ipykernel, worker

    kernel = worker.prepare()
    kinds: dict[str, Any] = {"cells": partial(worker.run_cells, kernel), "kernel": ipykernel.run_kernel}
    with kernel.shell.builtin_trap:  # pandas and others check on import whether they are in a notebook
        preload.import_libraries(config, lifeline)
    set_by_imports = {key: value for key, value in os.environ.items() if environ.get(key) != value}
    preload.forget_project(config["own"])
    gc.freeze()
    server_socket = socket.socket(socket.AF_UNIX)
    server_socket.bind(config["address"] + ".new")
    server_socket.listen(64)
    publish(Path(config["address"] + ".new"), Path(config["address"]))
    _ForkServer(server_socket, lifeline, kinds, worker.refresh, set_by_imports, libc).serve()


class _ForkServer:
    def __init__(
        self,
        server_socket: socket.socket,
        lifeline: int,
        kinds: Mapping[str, Callable[[Any, Any], None]],
        refresh: Callable[..., None],
        environ: Mapping[str, str],
        libc: Any,
    ) -> None:
        self._server_socket, self._lifeline, self._environ, self._libc = server_socket, lifeline, environ, libc
        self._kinds, self._refresh = kinds, refresh
        self._clients: dict[socket.socket, int] = {}
        self._selector = selectors.DefaultSelector()
        self._wakeup_reader, self._wakeup_writer = os.pipe()
        self._spare: SpareFork | None = None
        self._guard = Guard()

    def serve(self) -> None:
        os.set_blocking(self._wakeup_reader, False)
        os.set_blocking(self._wakeup_writer, False)
        signal.set_wakeup_fd(self._wakeup_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for source in (self._server_socket, self._lifeline, self._wakeup_reader):
            self._selector.register(source, selectors.EVENT_READ)
        while True:
            if self._spare is None:
                self._spare = SpareFork(self._detach, self._serve_request)
            for key, _ in self._selector.select():
                self._handle(key.fileobj)

    def _handle(self, ready: Any) -> None:
        if ready is self._server_socket:
            client, _ = self._server_socket.accept()
            self._clients[client] = 0
            self._selector.register(client, selectors.EVENT_READ)
        elif ready == self._lifeline:
            self._shut_down()
        elif ready == self._wakeup_reader:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup_reader, 4096)
            self._reap()
        elif ready in self._clients:
            self._read_request(ready)

    def _read_request(self, client: socket.socket) -> None:
        data, files = receive(client)
        for line in data.splitlines(keepends=True):
            if "signal" in (request := json.loads(line)):
                _signal(self._clients[client], request["signal"])
            else:
                self._clients[client] = self._fork(line, files)
                _reply(client, {"pid": self._clients[client]})
        for file in files:
            os.close(file)
        if not data:
            self._disconnect(client)

    def _fork(self, line: bytes, files: Sequence[int]) -> int:
        """Hand a request to the spare fork, or to a new one if that ended; return the fork's process id."""
        while True:
            spare, self._spare = self._spare or SpareFork(self._detach, self._serve_request), None
            with contextlib.suppress(OSError):
                self._guard.watch([*self._groups(), spare.pid])
                spare.hand_over(line, files)
                return spare.pid

    def _detach(self) -> None:
        """In the child: close the server's files, and end with the server."""
        self._libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        # The server may have ended before prctl took effect: then init is the parent, and no signal will come.
        if os.getppid() == 1:
            os._exit(0)
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for client in self._clients:
            client.close()
        self._selector.close()
        self._server_socket.close()
        self._guard.abandon()
        for file in (self._lifeline, self._wakeup_reader, self._wakeup_writer):
            os.close(file)
        _prefer_for_memory_killer()

    def _serve_request(self, request: Mapping[str, Any], files: Sequence[int]) -> None:
        """In the child: serve the request."""
        _standard_files(files)  # first, so that the client gets the traceback of what fails
        _limit_memory(request.get("memory"))
        self._refresh({**request["environ"], **self._environ}, cwd=request["cwd"])
        self._kinds[request["kind"]](request, files)

    def _reap(self) -> None:
        """Reap ended children, kill the processes they left running, and reply to their clients."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self._guard.pid:
                self._guard = Guard()
                self._guard.watch(self._groups())
                continue
            _signal(pid, signal.SIGKILL)
            if self._spare and self._spare.pid == pid:
                self._spare.close()
                self._spare = None
            for client, child in list(self._clients.items()):
                if child == pid:
                    cpu = usage.ru_utime + usage.ru_stime
                    exit_info = {
                        "status": os.waitstatus_to_exitcode(status),
                        "cpu": cpu,
                        "peak": usage.ru_maxrss * 1024,
                    }
                    _reply(client, exit_info)
                    self._clients[client] = 0
                    self._guard.watch(self._groups())
                    self._disconnect(client)

    def _disconnect(self, client: socket.socket) -> None:
        pid = self._clients.pop(client)
        self._selector.unregister(client)
        client.close()
        if pid:
            _signal(pid, signal.SIGKILL)

    def _groups(self) -> list[int]:
        """Return the process groups of the notebooks."""
        return [pid for pid in self._clients.values() if pid]

    def _shut_down(self) -> None:
        spare = [self._spare.pid] if self._spare else []
        for pid in (*self._clients.values(), *spare):
            _signal(pid, signal.SIGKILL)
        # The process that started this one may have been killed before it could clean up.
        shutil.rmtree(os.path.dirname(self._server_socket.getsockname()), ignore_errors=True)  # noqa: PTH120
        os._exit(0)


def _reply(client: socket.socket, reply: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):
        client.sendall(json.dumps(reply).encode() + b"\n")


def _signal(group: int, number: int) -> None:
    if group > 1:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _prefer_for_memory_killer() -> None:
    """Make the system kill the notebook first when memory runs out, not the run that reports it."""
    with contextlib.suppress(OSError):
        file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(file, b"1000")
        os.close(file)


def _limit_memory(size: int | None) -> None:
    if size:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def _standard_files(files: Sequence[int]) -> None:
    """Point descriptor 0 at the null device, 1 and 2 at the last two of `files`; no child process inherits `files`."""
    for file in files:
        os.set_inheritable(file, False)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for number, file in enumerate(files[-2:], start=1):
        os.dup2(file, number)


if __name__ == "__main__":
    main()
