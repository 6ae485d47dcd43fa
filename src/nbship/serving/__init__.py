"""Answer predictions: the REST service and the pages' backing."""

from __future__ import annotations

from pathlib import Path

from ..inference import find_place
from ..project import Project
from .body import BodyError, parse_body
from .rest import Service, example_curl
from .server import bind, check_loopback, run

__all__ = [
    "BodyError",
    "Service",
    "application",
    "bind",
    "check_loopback",
    "example_curl",
    "page_script",
    "parse_body",
    "run",
]


def application(package: Path | str | None = None) -> Service:
    """Return the ASGI application of a package, by default of the project around the working directory.

    The package is loaded, verified, when the server starts the application.
    """
    return Service(lambda: find_place(package).open_logged(mode="rest"))


def page_script(project: Project | None) -> Path:
    """Return the script of the Streamlit page: the project's own, or else nbship's."""
    own = project.root / "app" / "streamlit_app.py" if project else None
    return own if own is not None and own.is_file() else Path(__file__).with_name("page.py")
