"""`nbship.yaml`: what a project decides where a default does not suit."""

from __future__ import annotations

import difflib
import os
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from ..errors import SettingsError
from .yaml import read_yaml

__all__ = ["AppSection", "Phrase", "Settings", "read_settings"]

# Sections that a variable NBSHIP_SECTION__KEY may override: never what a stage reads.
_OVERRIDABLE = ("serving", "release", "log", "schedules", "alerts")


class ProjectSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name, time zone and source folder of the project; seconds that one cell may take (0: no limit).

    `secrets` names the environment variables whose values must not be written anywhere.
    """

    name: str = ""
    timezone: str = "UTC"
    source: str = "src"
    timeout: float = 0.0
    secrets: list[str] = []


class ModelSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the pipeline leaves its model package."""

    path: str = ""


class Phrase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the app says of a probability below so many times the usual one."""

    below: float
    words: str
    tone: Literal["good", "fair", "poor", "bad"] = "fair"


class AppSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words of the app: its title, what it asks, names of a field's values, phrases for a risk."""

    title: str = ""
    intro: str = ""
    names: dict[str, dict[str, str]] = {}
    phrases: list[Phrase] = []


class ServingSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Address of the REST service, and the words of the app."""

    host: str = "127.0.0.1"
    port: int = 8000
    app: AppSection = AppSection()


class LogSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where predictions are logged; empty: SQLite in the project's state folder."""

    url: str = ""


class MonitoringSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The monitoring notebook and the least number of rows that a check needs."""

    notebook: str = "notebooks/90_monitor.ipynb"
    min_rows: int = 200


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `nbship.yaml`."""

    project: ProjectSection = ProjectSection()
    model: ModelSection = ModelSection()
    data: dict[str, Any] = {}
    slices: list[str] = []
    gates: dict[str, Any] = {}
    serving: ServingSection = ServingSection()
    release: dict[str, Any] = {}
    log: LogSection = LogSection()
    monitoring: MonitoringSection = MonitoringSection()
    schedules: dict[str, Any] = {}
    alerts: dict[str, Any] = {}


def read_settings(path: Path) -> Settings:
    """Read `nbship.yaml`, with `NBSHIP_SECTION__KEY` from the environment on top.

    Raises
    ------
    SettingsError
        For an unknown key (the nearest known one is suggested) or a value of a wrong type.
    """
    found = read_yaml(path, SettingsError) if path.is_file() else {}
    _refuse_unknown(found, Settings, where="")
    try:
        settings = msgspec.convert(_with_environment(found, os.environ), Settings, strict=False)
        ZoneInfo(settings.project.timezone)
    except msgspec.ValidationError as error:
        raise SettingsError(f"'nbship.yaml' is wrong: {error}. Correct it there.") from error
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(
            f"'nbship.yaml' names an unknown time zone '{found['project']['timezone']}'. Use an IANA name such as 'America/New_York'."
        ) from error
    return settings


def _with_environment(found: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    merged = {key: dict(value) if isinstance(value, Mapping) else value for key, value in found.items()}
    for variable, value in environ.items():
        section, separator, key = variable.removeprefix("NBSHIP_").lower().partition("__")
        if variable.startswith("NBSHIP_") and separator and section in _OVERRIDABLE:
            merged.setdefault(section, {})[key] = value
    return merged


def _refuse_unknown(found: Mapping[str, Any], struct: type[msgspec.Struct], *, where: str) -> None:
    known = typing.get_type_hints(struct)
    for key, value in found.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.4)
            hint = f"Did you mean '{where}{near[0]}'?" if near else f"Known keys: {', '.join(known)}."
            raise SettingsError(f"'nbship.yaml' has an unknown key '{where}{key}'. {hint}")
        if isinstance(value, Mapping) and isinstance(known[key], type) and issubclass(known[key], msgspec.Struct):
            _refuse_unknown(value, known[key], where=f"{key}.")
