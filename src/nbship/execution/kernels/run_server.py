"""The process that the notebooks of one run are forked from, started before it is known which will run."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from .client import WarmParent, can_fork

__all__ = ["RunParent"]


class RunParent:
    """Starts a warm parent once, and ends it with the run.

    Parameters
    ----------
    environ
        The environment of the kernels.
    root
        The project's folder.
    """

    def __init__(self, environ: Mapping[str, str], *, root: Path) -> None:
        self._environ, self._root = environ, root
        self._lock = threading.Lock()
        self._parent: WarmParent | None = None
        self._told = False

    def begin(self) -> None:
        """Start it, before it is known what it is to import."""
        with self._lock:
            if self._parent is None and can_fork():
                self._parent = WarmParent.start(None, env=self._environ, own=self._root)

    def preload(self, modules: Sequence[str]) -> None:
        """Have it import `modules` while the run goes on; once."""
        with self._lock:
            if self._parent is not None and not self._told:
                self._told = True
                self._parent.preload(modules)

    def __call__(self) -> WarmParent | None:
        """Return it, started if need be; None where the system cannot fork."""
        self.begin()
        self.preload(())
        return self._parent

    def close(self) -> None:
        """End it, and with it the notebooks that run."""
        with self._lock:
            if self._parent is not None:
                self._parent.close()
