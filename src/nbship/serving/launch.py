"""Serve a deployment until it is stopped, in one process or in several workers."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ServingError
from ..inference import Deployment
from ..prediction_log import as_json
from ..project import ServingSection, check_serving
from .application import results_of
from .docs import example_curl
from .http import check_address, open_access
from .service import Service
from .sockets import bind, bind_unix, inherited, remove_unix
from .supervisor import serve_workers
from .uvicorn_server import run

__all__ = ["serve"]

# The settings of the address that the service binds.
_ADDRESS = {"host", "port", "unix_socket"}


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
    check_serving(settings)
    deployment = replace(deployment, settings=msgspec.structs.replace(deployment.settings, serving=settings))
    if not settings.unix_socket:
        check_address(settings.host, settings)
    access = open_access(settings, state=deployment.state)
    with _listening(settings, given=options.keys() & _ADDRESS) as sockets:
        follower = deployment.follower(other_versions=other_versions)
        logged = deployment.open_logged(mode="rest", other_versions=other_versions, follower=follower)
        announce = _announcement(deployment, logged, sockets[0], write_line)
        if settings.workers == 1:
            opener = results_of(deployment)
            if opener is not None:
                opener(logged).close()
            service = Service(
                lambda: logged,
                settings=settings,
                access=access,
                open_results=opener,
                state=deployment.state,
                follower=follower,
            )
            run(service, sockets, announce=announce)
        else:
            logged.log.close()
            # Worker processes read the same settings; options reach them through the environment.
            os.environ.update({f"NBSHIP_SERVING__{name.upper()}": str(value) for name, value in options.items()})
            digest = logged.package.id.digest
            serve_workers(deployment, sockets, announce, digest=digest, other_versions=other_versions)


@contextmanager
def _listening(settings: ServingSection, *, given: Collection[str]) -> Iterator[list[socket.socket]]:
    """Yield the sockets to listen on: handed over, or bound according to the settings and the options that were given."""
    path = Path(settings.unix_socket) if settings.unix_socket else None
    sockets, inode = inherited(), 0
    try:
        if sockets and given:
            raise ServingError(
                "A socket was handed over to the service (LISTEN_FDS), so --host, --port and --unix-socket do not apply. Remove them."
            )
        if not sockets and path is not None:
            sockets.append(bind_unix(path))
            inode = path.stat().st_ino
        elif not sockets:
            sockets.append(bind(settings.host, settings.port))
        if settings.probes_port and settings.probes_port not in map(_port_of, sockets):
            sockets.append(bind(settings.host, settings.probes_port))
        yield sockets
    finally:
        for each in sockets:
            each.close()
        if path is not None and inode:
            remove_unix(path, inode)


def _port_of(bound: socket.socket) -> int | None:
    """Return the port of a socket; None for a Unix socket."""
    return None if bound.family == socket.AF_UNIX else int(bound.getsockname()[1])


def _address_of(bound: socket.socket, settings: ServingSection) -> tuple[str, str]:
    """Return the address of a socket as it is shown, and as curl takes it."""
    if bound.family == socket.AF_UNIX:
        path = bound.getsockname() if not settings.unix_socket else settings.unix_socket
        return f"unix:{path}", f"--unix-socket {path} http://localhost{settings.prefix}"
    host = settings.host
    shown = f"http://{f'[{host}]' if ':' in host else host}:{_port_of(bound)}{settings.prefix}"
    return shown, shown


def _announcement(
    deployment: Deployment, logged: Any, bound: socket.socket, write_line: Callable[[str], object]
) -> Callable[[], None]:
    address, for_curl = _address_of(bound, deployment.settings.serving)
    example = as_json(logged.package.example).encode()

    model = logged.package.id

    def announce() -> None:
        tag = f" ({model.name}@{model.tag})" if model.tag else ""
        write_line(f"Serving {model.name} {model.version}{tag} at {address}")
        if deployment.settings.release.file:
            write_line(f"Following: {deployment.settings.release.file}")
        write_line(f"Prediction log: {deployment.log}")
        if address == for_curl:
            write_line(f"Documentation: {address}/docs")
        if logged.package.manifest.has_code and not deployment.settings.release.signers:
            write_line(
                "The package runs code of its own, from an unchecked signer: set 'release.signers' in nbship.yaml."
            )
        write_line("Press Ctrl-C to stop. Try:")
        write_line(f"  {example_curl(example, address=for_curl)}")

    return announce
