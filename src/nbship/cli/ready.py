"""`nbship ready`."""

from __future__ import annotations

import socket
import urllib.request
from contextlib import closing
from http.client import OK, HTTPConnection, HTTPException
from typing import TYPE_CHECKING

import click

from ..errors import ServingError

if TYPE_CHECKING:
    from ..project import ServingSection

__all__ = ["command"]

# Less than Docker waits for a health check.
_SECONDS = 2.5
_PATH = "/v2/health/ready"
_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


@click.command()
def command() -> None:
    """Check that the service on this machine is ready: on the address and port of its settings.

    HEALTHCHECK of containers calls this. The settings are those that `nbship serve` reads: nbship.yaml of the working
    directory or the project, and the environment.

    \b
    Example:
        NBSHIP_SERVING__PROBES_PORT=9000 nbship ready
    """
    from ..project import find_settings

    settings = find_settings().serving
    on_socket = settings.unix_socket and not settings.probes_port
    address = f"unix:{settings.unix_socket}" if on_socket else _url(settings)
    try:
        if on_socket:
            _ask_socket(settings.unix_socket)
        else:
            _ask(address)
    except (OSError, ValueError, HTTPException) as error:
        raise ServingError(
            f"The service at '{address}' is not ready: {error}. See its output for the reason."
        ) from error
    click.echo("Ready.")


def _ask(url: str) -> None:
    # A proxy of the environment does not reach this machine.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=_SECONDS):
        pass


def _ask_socket(path: str) -> None:
    connection = HTTPConnection("localhost", timeout=_SECONDS)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(_SECONDS)
    with closing(connection):
        connection.sock.connect(path)
        connection.request("GET", _PATH)
        response = connection.getresponse()
        if response.status != OK:
            raise ValueError(f"HTTP Error {response.status}: {response.reason}")


def _url(serving: ServingSection) -> str:
    host = _ANY.get(serving.host, serving.host)
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{serving.probes_port or serving.port}{_PATH}"
