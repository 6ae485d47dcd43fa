"""The REST service: predictions, feedback, results, metrics and documentation over HTTP."""

from __future__ import annotations

from pathlib import Path

from ..inference import Deployment, find_deployment
from .application import application_of
from .docs import example_curl
from .http import ROLES, Access, KeyFile, check_address, keys_of
from .launch import serve
from .service import Service
from .sockets import bind
from .uvicorn_server import run

__all__ = [
    "ROLES",
    "Access",
    "KeyFile",
    "Service",
    "application",
    "application_of",
    "bind",
    "check_address",
    "example_curl",
    "key_file",
    "keys_of",
    "run",
    "serve",
]


def application(package: Path | str | None = None) -> Service:
    """Return the ASGI application of a package, by default the package of the current project.

    The package is loaded and verified when the server starts the application.
    """
    return application_of(find_deployment(package))


def key_file(deployment: Deployment) -> KeyFile:
    """Return the file with the API keys of a deployment."""
    return keys_of(deployment.settings.serving, state=deployment.state)
