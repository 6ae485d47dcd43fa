"""One fork server for each process that starts kernels: a Jupyter server, or a script that calls papermill."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable, Mapping

from ...notebook import PINNED
from .client import ForkServer, can_fork, find_fork_server

__all__ = ["shared_fork_server"]

_lock = threading.Lock()
# By process id: a fork of this process must not use this process's server.
_servers: dict[int, ForkServer] = {}


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
    if not can_fork():
        return None
    if found := find_fork_server(environ):
        return found
    with _lock:
        server = _servers.get(os.getpid())
        if server is None or not server.alive:
            server = ForkServer.start(tuple(modules) if _has_one_thread(environ) else (), env=environ)
            _servers[os.getpid()] = server
            atexit.register(server.close)
        return server


def _has_one_thread(environ: Mapping[str, str]) -> bool:
    return all(environ.get(key) == value for key, value in PINNED.items() if key.endswith("_NUM_THREADS"))
