"""One warm parent for a whole process that starts kernels: a Jupyter server, a script that calls papermill."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable, Mapping

from ...notebook import PINNED
from .client import WarmParent, can_fork, find_parent

__all__ = ["shared_parent"]

_lock = threading.Lock()
# By process: a fork of this process must not use what this process holds.
_held: dict[int, WarmParent] = {}


def shared_parent(environ: Mapping[str, str], *, modules: Iterable[str] = ()) -> WarmParent | None:
    """Return this process's warm parent: that of the run it is part of, or its own, started when first asked for.

    It ends with this process. None where the system cannot fork.

    Parameters
    ----------
    environ
        The environment of the kernels that it is for.
    modules
        What a new one imports. Libraries that start threads when they are imported cannot be shared, so it
        imports none unless `environ` allows one thread only, as the pipeline does.
    """
    if not can_fork():
        return None
    if found := find_parent(environ):
        return found
    with _lock:
        held = _held.get(os.getpid())
        if held is None or not held.alive:
            held = WarmParent.start(tuple(modules) if _has_one_thread(environ) else (), env=environ)
            _held[os.getpid()] = held
            atexit.register(held.close)
        return held


def _has_one_thread(environ: Mapping[str, str]) -> bool:
    return all(environ.get(key) == value for key, value in PINNED.items() if key.endswith("_NUM_THREADS"))
