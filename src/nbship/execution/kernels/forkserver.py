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
from .prefork import Spare, receive

__all__ = ["main"]

_PARENT_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG


def main() -> None:
    """Serve forks at the address that standard input's first line names, when what the second names is imported."""
    gc.disable()  # what is imported stays; to look through it for garbage again and again takes longer than some imports
    lifeline = os.dup(0)
    order = preload.first_order()
    del sys.path[0]
    environ = dict(os.environ)
    libc = ctypes.CDLL(None, use_errno=True)
    preload.import_ipykernel()
    from . import ipykernel, worker

    kernel = worker.prepare()
    kinds: dict[str, Any] = {"cells": partial(worker.run_cells, kernel), "kernel": ipykernel.run_kernel}
    with kernel.shell.builtin_trap:  # pandas and others ask at their import whether they are in a notebook
        preload.import_libraries(order, lifeline)
    set_by_imports = {key: value for key, value in os.environ.items() if environ.get(key) != value}
    preload.forget_project(order["own"])
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(order["address"] + ".new")
    listener.listen(64)
    publish(Path(order["address"] + ".new"), Path(order["address"]))
    _Parent(listener, lifeline, kinds, worker.refresh, set_by_imports, libc).serve()


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
        self._spare: Spare | None = None

    def serve(self) -> None:
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for place in (self._listener, self._lifeline, self._woken):
            self._selector.register(place, selectors.EVENT_READ)
        while True:
            if self._spare is None:
                self._spare = Spare(self._leave, self._become)
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
        data, files = receive(client)
        for line in data.splitlines(keepends=True):
            if "signal" in (request := json.loads(line)):
                _signal(self._clients[client], request["signal"])
            else:
                self._clients[client] = self._give(line, files)
                _tell(client, {"pid": self._clients[client]})
        for file in files:
            os.close(file)
        if not data:
            self._drop(client)

    def _give(self, line: bytes, files: Sequence[int]) -> int:
        """Give a request to the spare fork, or to another one if that is gone; return its process."""
        while True:
            spare, self._spare = self._spare or Spare(self._leave, self._become), None
            with contextlib.suppress(OSError):
                spare.give(line, files)
                return spare.pid

    def _leave(self) -> None:
        """In the child: let go of what is the parent's, and die when it does."""
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

    def _become(self, request: Mapping[str, Any], files: Sequence[int]) -> None:
        """In the child: be what is asked for."""
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
            if self._spare and self._spare.pid == pid:
                self._spare.close()
                self._spare = None
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
        spare = [self._spare.pid] if self._spare else []
        for pid in (*self._clients.values(), *spare):
            _signal(pid, signal.SIGKILL)
        # Whoever started this may have been killed, and cleans nothing up.
        shutil.rmtree(os.path.dirname(self._listener.getsockname()), ignore_errors=True)  # noqa: PTH120
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


if __name__ == "__main__":
    main()
