"""Serve a deployment in one process, or in several workers that share addresses, log and metrics."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from ..errors import ServingError
from ..inference import Deployment, Logged, Results, find_deployment, open_results
from ..prediction_log import as_json
from .docs import example_curl
from .http import FOLDER, check_address, forget_worker, open_access
from .service import Service
from .uvicorn_server import Server, bind, config_of, run

__all__ = ["application_of", "serve", "worker"]

_PACKAGE, _OTHER = "NBSHIP_PACKAGE", "NBSHIP_OTHER_VERSIONS"
_START_SECONDS = 60


def application_of(deployment: Deployment, *, other_versions: bool = False) -> Service:
    """Return the ASGI application of a deployment. The package is loaded and verified at startup."""
    settings = deployment.settings.serving
    return Service(
        lambda: deployment.open_logged(mode="rest", other_versions=other_versions),
        settings=settings,
        access=open_access(settings, state=deployment.state),
        open_results=_results_of(deployment),
    )


def _results_of(deployment: Deployment) -> Callable[[Logged], Results] | None:
    output = deployment.settings.serving.results
    if not output:
        return None
    folder = deployment.state / "results"
    return lambda logged: open_results(Path(output), package=logged.package, log=logged.log, folder=folder)


def serve(
    deployment: Deployment,
    *,
    options: Mapping[str, Any],
    other_versions: bool = False,
    write_line: Callable[[str], object],
) -> None:
    """Serve a deployment until Ctrl-C or SIGTERM.

    Parameters
    ----------
    options
        Settings of `serving` that replace those of the deployment.
    write_line
        Writes a line for the user.

    Raises
    ------
    ServingError
        If the address cannot be bound, or is reachable from other machines while `serving.auth` is not set.
    """
    settings = msgspec.structs.replace(deployment.settings.serving, **options)
    deployment = replace(deployment, settings=msgspec.structs.replace(deployment.settings, serving=settings))
    check_address(settings.host, settings)
    access = open_access(settings, state=deployment.state)
    sockets = [bind(settings.host, settings.port)]
    try:
        if settings.probes_port:
            sockets.append(bind(settings.host, settings.probes_port))
        logged = deployment.open_logged(mode="rest", other_versions=other_versions)
        announce = _announcement(deployment, logged, sockets[0], write_line)
        if settings.workers == 1:
            opener = _results_of(deployment)
            if opener is not None:
                opener(logged).close()
            service = Service(lambda: logged, settings=settings, access=access, open_results=opener)
            run(service, sockets, announce=announce)
        else:
            logged.log.close()
            # Worker processes read the same settings; options reach them through the environment.
            os.environ.update({f"NBSHIP_SERVING__{name.upper()}": str(value) for name, value in options.items()})
            _serve_workers(deployment, sockets, announce, other_versions=other_versions)
    finally:
        for each in sockets:
            each.close()


def _announcement(
    deployment: Deployment, logged: Any, bound: socket.socket, write_line: Callable[[str], object]
) -> Callable[[], None]:
    host, settings = deployment.settings.serving.host, deployment.settings.serving
    address = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}{settings.prefix}"
    example = as_json(logged.package.example).encode()

    model = logged.package.id

    def announce() -> None:
        write_line(f"Serving {model.name} {model.version} at {address}")
        write_line(f"Prediction log: {deployment.log}")
        write_line(f"Documentation: {address}/docs")
        if logged.package.manifest.has_code and not deployment.settings.release.signers:
            write_line(
                "The package runs code of its own, from an unchecked signer: set 'release.signers' in nbship.yaml."
            )
        write_line("Press Ctrl-C to stop. Try:")
        write_line(f"  {example_curl(example, address=address)}")

    return announce


def worker() -> Service:
    """Return the application of a worker process, configured by environment variables."""
    deployment = find_deployment(Path(os.environ[_PACKAGE]))
    return application_of(deployment, other_versions=bool(os.environ.get(_OTHER)))


def _serve_workers(
    deployment: Deployment, sockets: list[socket.socket], announce: Callable[[], None], *, other_versions: bool
) -> None:
    settings = deployment.settings.serving
    os.environ[_PACKAGE] = str(deployment.package)
    if other_versions:
        os.environ[_OTHER] = "1"
    deployment.state.mkdir(parents=True, exist_ok=True)
    # The state folder is writable, because the log is there; other folders may be read-only.
    with tempfile.TemporaryDirectory(prefix="metrics-", dir=deployment.state) as folder:
        os.environ[FOLDER] = folder
        config = config_of("nbship.serving.supervisor:worker", settings, workers=settings.workers)
        supervisor = _Supervisor(config, sockets, announce)
        supervisor.run()
    if not supervisor.announced:
        raise ServingError("The service did not start. See the error above.")


class _Worker(Process):
    """A worker process that runs our `Server` instead of uvicorn's."""

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = Server(self.config)
        return self._server


class _Supervisor(Multiprocess):
    """uvicorn's supervisor, which restarts dead workers; the gauges of a dead worker are removed."""

    def __init__(self, config: Any, sockets: list[socket.socket], announce: Callable[[], None]) -> None:
        super().__init__(config, sockets)
        self._announce = announce
        self.announced = False

    def init_processes(self) -> None:
        self.processes += [self._started() for _ in range(self.processes_num)]
        if self.processes[0].wait_until_ready(_START_SECONDS, self.should_exit):
            self._announce()
            self.announced = True

    def keep_subprocess_alive(self) -> None:
        for index, process in enumerate(self.processes):
            if self.should_exit.is_set() or process.is_alive(timeout=self.config.timeout_worker_healthcheck):
                continue
            process.kill()
            process.join()
            if process.pid is not None:
                forget_worker(process.pid)
            if process.exitcode == STARTUP_FAILURE:
                self.should_exit.set()
                return
            self.processes[index] = self._started()

    def handle_hup(self) -> None:
        """Do nothing: SIGHUP does not replace a package."""

    def _started(self) -> Process:
        process = _Worker(self.config, self.sockets)
        process.start()
        return process
