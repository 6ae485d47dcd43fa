"""A project on disk: its root, its settings (`nbship.yaml`) and its parameters (`params.yaml`)."""

from __future__ import annotations

from .folder import Project, find_root, load
from .params import Value, read_params, render_params
from .settings import AppSection, Phrase, ServingSection, Settings, read_settings

__all__ = [
    "AppSection",
    "Phrase",
    "Project",
    "ServingSection",
    "Settings",
    "Value",
    "find_root",
    "load",
    "read_params",
    "read_settings",
    "render_params",
]
