"""The Streamlit app, generated from a model's signature and the project's settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..lazy import lazy_names
from ..project import Project

if TYPE_CHECKING:
    from .pages import show_app
else:
    __getattr__ = lazy_names(__name__)

__all__ = ["page_script", "show_app"]


def page_script(project: Project | None) -> Path:
    """Return the Streamlit script: the project's own, or else nbship's."""
    own = project.root / "app" / "streamlit_app.py" if project else None
    return own if own is not None and own.is_file() else Path(__file__).with_name("script.py")
