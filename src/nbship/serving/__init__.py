"""Answer predictions: the REST service and the pages' backing."""

from __future__ import annotations

from pathlib import Path

from ..inference import Place, find_place
from ..project import Project
from .access import Access, check_address, keys_of
from .body import BodyError, parse_body
from .keys import ROLES, KeyFile
from .pages import example_curl
from .rest import Service
from .serve import application_of, serve
from .server import bind, run

__all__ = [
    "ROLES",
    "Access",
    "BodyError",
    "KeyFile",
    "Service",
    "application",
    "bind",
    "check_address",
    "example_curl",
    "key_file",
    "page_script",
    "parse_body",
    "run",
    "serve",
]


def application(package: Path | str | None = None) -> Service:
    """Return the ASGI application of a package, by default of the project around the working directory.

    The package is loaded, verified, when the server starts the application.
    """
    return application_of(find_place(package))


def key_file(place: Place) -> KeyFile:
    """Return the API keys of a place."""
    return keys_of(place.settings.serving, state=place.state)


def page_script(project: Project | None) -> Path:
    """Return the script of the Streamlit page: the project's own, or else nbship's."""
    own = project.root / "app" / "streamlit_app.py" if project else None
    return own if own is not None and own.is_file() else Path(__file__).with_name("page.py")
