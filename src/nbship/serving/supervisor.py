"""Workers: several processes that share addresses, log and metrics, and the supervisor that restarts them."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from ..errors import NbshipError, ServingError
from ..file_locks import changing
from ..inference import Deployment, find_deployment
from .application import application_of
from .http import FOLDER, forget_worker
from .service import Service
from .uvicorn_server import Server, config_of

__all__ = ["serve_workers", "worker"]

_LOGGER = logging.getLogger(__name__)
_PACKAGE, _OTHER, _DIGEST, _TAG = "NBSHIP_PACKAGE", "NBSHIP_OTHER_VERSIONS", "NBSHIP_DIGEST", "NBSHIP_TAG"
_SUPERVISOR = "NBSHIP_SUPERVISOR"
_START_SECONDS = 60
# After failed restarts, the next attempt comes after 1, 2, 4, ... seconds.
_MOST_PAUSE_SECONDS = 30.0


def serve_workers(
    deployment: Deployment,
    sockets: list[socket.socket],
    announce: Callable[[], None],
    *,
    digest: str,
    other_versions: bool,
) -> None:
    """Serve a deployment in several processes until SIGTERM.

    Parameters
    ----------
    digest
        The package that all workers serve, also those that start after another package has come to its path.

    Raises
    ------
    ServingError
        If the service did not start, or no worker is left and none could be restarted.
    """
    settings = deployment.settings.serving
    # Workers that follow a release file find it in the settings.
    package = "" if deployment.settings.release.file else str(deployment.package)
    os.environ[_PACKAGE], os.environ[_DIGEST], os.environ[_TAG] = package, digest, deployment.tag
    os.environ[_SUPERVISOR] = str(os.getpid())
    if other_versions:
        os.environ[_OTHER] = "1"
    with _metrics_folder(deployment.state) as folder:
        os.environ[FOLDER] = str(folder)
        config = config_of("nbship.serving.supervisor:worker", settings, workers=settings.workers)
        supervisor = _Supervisor(config, sockets, announce)
        supervisor.run()
    if supervisor.problem:
        raise ServingError(supervisor.problem)


def worker() -> Service:
    """Return the application of a worker process, configured by environment variables."""
    try:
        deployment = replace(find_deployment(os.environ[_PACKAGE] or None), tag=os.environ.get(_TAG, ""))
    except NbshipError as error:
        _LOGGER.error("%s", error)
        sys.exit(STARTUP_FAILURE)
    return application_of(deployment, other_versions=bool(os.environ.get(_OTHER)), digest=os.environ.get(_DIGEST, ""))


@contextmanager
def _metrics_folder(state: Path) -> Iterator[Path]:
    """Yield a folder for the workers' metrics, and remove those of services that were killed.

    A service holds a lock on its folder, which ends with its process. The state folder is writable, because the log is
    there; other folders may be read-only.
    """
    state.mkdir(parents=True, exist_ok=True)
    with changing(state / "metrics"):
        for left in state.glob("metrics-*"):
            handle = os.open(left, os.O_RDONLY)
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left)
            os.close(handle)
        folder = tempfile.TemporaryDirectory(prefix="metrics-", dir=state)
        own = os.open(folder.name, os.O_RDONLY)
        with suppress(OSError):
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield Path(folder.name)
    finally:
        folder.cleanup()
        os.close(own)


class _Worker(Process):
    """A worker process that runs our `Server` instead of uvicorn's."""

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            # Not `getppid`: the supervisor may have been killed before this process came so far.
            self._server = Server(self.config, parent=int(os.environ[_SUPERVISOR]))
        return self._server


class _Supervisor(Multiprocess):
    """uvicorn's supervisor, which goes on with the other workers while one cannot be restarted.

    Attributes
    ----------
    problem
        Why the service ended without being stopped; empty otherwise.
    """

    def __init__(self, config: Any, sockets: list[socket.socket], announce: Callable[[], None]) -> None:
        ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        super().__init__(config, sockets)
        if ignored:
            # Under nohup.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._announce = announce
        self.problem = ""
        # Index of a worker that could not be started -> number of failures, and when to try again.
        self._failed: dict[int, tuple[int, float]] = {}

    def init_processes(self) -> None:
        self.processes += [self._started() for _ in range(self.processes_num)]
        if self.processes[0].wait_until_ready(_START_SECONDS, self.should_exit):
            self._announce()
        elif not self.should_exit.is_set():
            self.problem = "The service did not start. See the error above."
            self.should_exit.set()

    def keep_subprocess_alive(self) -> None:
        for index, process in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if index in self._failed:
                self._try_again(index)
            elif not process.is_alive(timeout=self.config.timeout_worker_healthcheck):
                self._replace(index)
        if len(self._failed) == len(self.processes):
            self.problem = "No worker is left, and none could be restarted. See the errors above."
            self.should_exit.set()

    def _replace(self, index: int, *, failures: int = 0) -> None:
        """Replace a dead worker, or note when to try again if it died while it started."""
        process = self.processes[index]
        process.kill()
        process.join()
        if process.pid is not None:
            forget_worker(process.pid)
        if process.exitcode == STARTUP_FAILURE:
            pause = min(2.0**failures, _MOST_PAUSE_SECONDS)
            _LOGGER.warning("A worker did not start. The others go on; the next attempt is in %g s.", pause)
            self._failed[index] = failures + 1, time.monotonic() + pause
        else:
            self.processes[index] = self._started()

    def _try_again(self, index: int) -> None:
        failures, not_before = self._failed[index]
        if time.monotonic() < not_before:
            return
        self.processes[index] = self._started()
        if self.processes[index].wait_until_ready(_START_SECONDS, self.should_exit):
            del self._failed[index]
        elif not self.should_exit.is_set():
            self._replace(index, failures=failures)

    def handle_hup(self) -> None:
        """Stop, as the terminal was closed: SIGHUP does not replace a package."""
        self.handle_term()

    def _started(self) -> Process:
        process = _Worker(self.config, self.sockets)
        process.start()
        return process
