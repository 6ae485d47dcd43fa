"""The fork server of a run, and that of any other process that starts kernels: a Jupyter server, a script with papermill."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...notebook import PINNED
from .client import ForkServer, can_fork, find_fork_server

__all__ = ["RunForkServer", "shared_fork_server"]

_lock = threading.Lock()
_server: ForkServer | None = None


def shared_fork_server(environ: Mapping[str, str], *, modules: Iterable[str] = ()) -> ForkServer | None:
    """Return the fork server of the run that this process belongs to, or this process's own; None if it cannot fork.

    A server of its own starts on the first call and ends with this process.

    Parameters
    ----------
    environ
        The environment of the kernels.
    modules
        Imports of a new server. Libraries that start threads on import cannot be shared, so the server imports
        nothing unless `environ` limits libraries to one thread, as the pipeline's environment does.
    """
    global _server
    if not can_fork():
        return None
    if found := find_fork_server(environ):
        return found
    with _lock:
        if _server is None or not _server.alive:
            _server = ForkServer.start(tuple(modules) if _has_one_thread(environ) else (), env=environ)
            atexit.register(_server.close)
        return _server


def _forget() -> None:
    """In a fork of this process: leave the server to its owner, and the lock to the thread that may have held it."""
    global _lock, _server
    if _server:
        atexit.unregister(_server.close)
        _server.abandon()
    _lock, _server = threading.Lock(), None


if can_fork():
    os.register_at_fork(after_in_child=_forget)


def _has_one_thread(environ: Mapping[str, str]) -> bool:
    return all(environ.get(key) == value for key, value in PINNED.items() if key.endswith("_NUM_THREADS"))


class RunForkServer:
    """Starts one fork server and ends it with the run.

    Calling it returns the server, started if necessary; None where the system cannot fork.

    Parameters
    ----------
    environ
        The environment shared by the kernels.
    root
        The project's folder.
    """

    def __init__(self, environ: Mapping[str, str], *, root: Path) -> None:
        self._environ, self._root = environ, root
        self._lock = threading.Lock()
        self._server: ForkServer | None = None
        self._preloaded, self._closed = False, False

    def start(self) -> None:
        """Start the server; `preload` names its imports."""
        with self._lock:
            if self._server is None and not self._closed and can_fork():
                self._server = ForkServer.start(None, env=self._environ, project=self._root)

    def preload(self, modules: Sequence[str]) -> None:
        """Import `modules` in the background; only the first call has an effect."""
        with self._lock:
            if self._server is not None and not self._preloaded:
                self._preloaded = True
                self._server.preload(modules)

    def __call__(self) -> ForkServer | None:
        self.start()
        self.preload(())
        return self._server

    def close(self) -> None:
        """End the server, and with it the notebooks that run."""
        with self._lock:
            self._closed = True
            if self._server is not None:
                self._server.close()
