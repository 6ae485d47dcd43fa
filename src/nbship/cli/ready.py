"""`nbship ready`."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ProjectError, ServingError

if TYPE_CHECKING:
    from ..project import ServingSection

__all__ = ["command"]

# Less than Docker waits for a health check.
_SECONDS = 2.5
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
    url = _url(_settings())
    # A proxy of the environment does not reach this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_SECONDS):
            click.echo("Ready.")
    except (OSError, ValueError) as error:
        raise ServingError(f"The service at '{url}' is not ready: {error}. See its output for the reason.") from error


def _settings() -> ServingSection:
    from .. import project

    try:
        root = project.find_root()
    except ProjectError:
        return project.read_settings(Path("nbship.yaml"), in_project=False).serving
    return project.read_settings(root / "nbship.yaml").serving


def _url(serving: ServingSection) -> str:
    host = _ANY.get(serving.host, serving.host)
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{serving.probes_port or serving.port}/v2/health/ready"
