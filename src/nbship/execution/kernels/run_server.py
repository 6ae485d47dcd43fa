"""The fork server of one run, started before the run knows which notebooks it will execute."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from .client import ForkServer, can_fork

__all__ = ["RunForkServer"]


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
        self._preloaded = False

    def start(self) -> None:
        """Start the server; `preload` names its imports."""
        with self._lock:
            if self._server is None and can_fork():
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
            if self._server is not None:
                self._server.close()
