"""Serve a place: one process, or several workers that share its addresses, its log and its measures."""

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


def application_of(place: Deployment, *, other_versions: bool = False) -> Service:
    """Return the ASGI application of a place; the package is loaded, verified, when it starts."""
    settings = place.settings.serving
    return Service(
        lambda: place.open_logged(mode="rest", other_versions=other_versions),
        settings=settings,
        access=open_access(settings, state=place.state),
        open_results=_results_of(place),
    )


def _results_of(place: Deployment) -> Callable[[Logged], Results] | None:
    output = place.settings.serving.results
    if not output:
        return None
    folder = place.state / "results"
    return lambda logged: open_results(Path(output), package=logged.package, log=logged.log, folder=folder)


def serve(
    place: Deployment, *, options: Mapping[str, Any], other_versions: bool = False, say: Callable[[str], object]
) -> None:
    """Serve a place until Ctrl-C or SIGTERM.

    Parameters
    ----------
    options
        Keys of `serving`, in place of the settings' own.
    say
        Prints a line for the person who started it.

    Raises
    ------
    ServingError
        If the address cannot be taken, or is open to others and callers are not told apart.
    """
    settings = msgspec.structs.replace(place.settings.serving, **options)
    place = replace(place, settings=msgspec.structs.replace(place.settings, serving=settings))
    check_address(settings.host, settings)
    access = open_access(settings, state=place.state)
    taken = [bind(settings.host, settings.port)]
    try:
        if settings.probes_port:
            taken.append(bind(settings.host, settings.probes_port))
        logged = place.open_logged(mode="rest", other_versions=other_versions)
        announce = _announcement(place, logged, taken[0], say)
        if settings.workers == 1:
            opener = _results_of(place)
            if opener is not None:
                opener(logged).close()
            service = Service(lambda: logged, settings=settings, access=access, open_results=opener)
            run(service, taken, announce=announce)
        else:
            logged.log.close()
            # Worker processes read their settings where this one did.
            os.environ.update({f"NBSHIP_SERVING__{name.upper()}": str(value) for name, value in options.items()})
            _serve_workers(place, taken, announce, other_versions=other_versions)
    finally:
        for each in taken:
            each.close()


def _announcement(
    place: Deployment, logged: Any, taken: socket.socket, say: Callable[[str], object]
) -> Callable[[], None]:
    host, settings = place.settings.serving.host, place.settings.serving
    address = f"http://{f'[{host}]' if ':' in host else host}:{taken.getsockname()[1]}{settings.root_path}"
    example = as_json(logged.package.example).encode()

    model = logged.package.id

    def announce() -> None:
        say(f"{model.name} {model.version} answers at {address} and logs to {place.log}")
        say(f"Its fields, and a page to try it: {address}/docs. Ctrl-C stops it. For example:")
        say(f"  {example_curl(example, address=address)}")

    return announce


def worker() -> Service:
    """Return the application of a worker process, as its environment says."""
    place = find_deployment(Path(os.environ[_PACKAGE]))
    return application_of(place, other_versions=bool(os.environ.get(_OTHER)))


def _serve_workers(
    place: Deployment, taken: list[socket.socket], announce: Callable[[], None], *, other_versions: bool
) -> None:
    settings = place.settings.serving
    os.environ[_PACKAGE] = str(place.package)
    if other_versions:
        os.environ[_OTHER] = "1"
    place.state.mkdir(parents=True, exist_ok=True)
    # Where the log is there is room; elsewhere all may be read-only.
    with tempfile.TemporaryDirectory(prefix="metrics-", dir=place.state) as folder:
        os.environ[FOLDER] = folder
        config = config_of("nbship.serving.supervisor:worker", workers=settings.workers, root_path=settings.root_path)
        supervisor = _Supervisor(config, taken, announce)
        supervisor.run()
    if not supervisor.announced:
        raise ServingError("The service did not start; the reason stands above.")


class _Worker(Process):
    """A process of the supervisor's, with the service's own server in it."""

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = Server(self.config)
        return self._server


class _Supervisor(Multiprocess):
    """uvicorn's supervisor, which starts dead workers again; here, their living measures die with them."""

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
        for place, process in enumerate(self.processes):
            if self.should_exit.is_set() or process.is_alive(timeout=self.config.timeout_worker_healthcheck):
                continue
            process.kill()
            process.join()
            if process.pid is not None:
                forget_worker(process.pid)
            if process.exitcode == STARTUP_FAILURE:
                self.should_exit.set()
                return
            self.processes[place] = self._started()

    def handle_hup(self) -> None:
        """Do nothing: a package is exchanged by its alias, not by a signal."""

    def _started(self) -> Process:
        process = _Worker(self.config, self.sockets)
        process.start()
        return process
