"""Read `nbship.yaml`, with the environment on top: every key is applied, or an error that names it."""

from __future__ import annotations

import os
import re
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from ..errors import SettingsError
from ..text import nearest
from .alert_values import check_alerts
from .data_values import check_data
from .schedule_values import check_schedules
from .setting_types import describe_wrong, find_wrong, is_section, meant_kind, parts_of
from .setting_values import check_log, check_serving
from .settings import ModelSection, Settings, read_bytes
from .yaml import is_there, read_yaml

__all__ = ["changed_settings", "read_settings", "with_absolute_paths"]

# Sections that a variable NBSHIP_SECTION__KEY may override: never what a stage reads.
_OVERRIDABLE = ("serving", "release", "log", "alerts")
_ONE_UNDERSCORE = re.compile(rf"NBSHIP_({'|'.join(_OVERRIDABLE).upper()})_([A-Z][A-Z_]*)")
# What applies without a project too: `nbship serve PACKAGE` in any folder, in a container.
_WITHOUT_PROJECT = ("serving", "release", "log", "project.timezone")
# What they hold that a project alone applies.
_WITH_PROJECT = ("release.approvers",)


def read_settings(path: Path, *, in_project: bool = True) -> Settings:
    """Read `nbship.yaml`, with `NBSHIP_SECTION__KEY` from the environment on top.

    Parameters
    ----------
    in_project
        Whether the file belongs to a project. Without a project, a setting that only a project uses is an error.

    Raises
    ------
    SettingsError
        For an unknown key (with a suggestion), a value of a wrong type, or a setting that would not be applied.
    """
    other = path.with_suffix(".yml")
    if other.is_file():
        raise SettingsError(f"'{other}' is not read. Rename it to '{path.name}', or remove it.")
    found = read_yaml(path, SettingsError) if is_there(path) else {}
    _reject_unknown("", found, Settings)
    _require_types(found)
    if not in_project:
        _reject_project_settings(found)
    merged = _with_environment(found, os.environ, in_project=in_project)
    _require_types(merged)
    settings = msgspec.convert(merged, Settings, strict=False)
    if settings.models and settings.model != ModelSection():
        raise SettingsError("'nbship.yaml' has both 'model' and 'models'. Keep 'models', with an entry for each model.")
    _require_zone(settings.project.timezone)
    read_bytes(settings.project.memory)
    check_serving(settings.serving)
    check_log(settings.log)
    check_alerts(settings.alerts)
    check_data(settings.data)
    check_schedules(settings.schedules)
    return settings


def _require_types(found: Mapping[str, Any]) -> None:
    wrong = find_wrong(("", found, Settings))
    if wrong is None:
        return
    key, value, kind = wrong
    variable = f"NBSHIP_{key.replace('.', '__').upper()}"
    given = variable in os.environ and os.environ[variable] == value
    subject = f"The variable '{variable}'" if given else f"'{key}' in nbship.yaml"
    raise SettingsError(f"{subject} {describe_wrong(value, kind)}")


def _require_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"'nbship.yaml' names an unknown time zone '{name}'. Use an IANA name such as 'America/New_York'."
        ) from error


def _with_environment(found: Mapping[str, Any], environ: Mapping[str, str], *, in_project: bool) -> dict[str, Any]:
    overridable = [section for section in _OVERRIDABLE if in_project or section in _WITHOUT_PROJECT]
    merged = {key: dict(value) if isinstance(value, Mapping) else value for key, value in found.items()}
    for variable, value in environ.items():
        match = _ONE_UNDERSCORE.fullmatch(variable)
        # Kubernetes sets NBSHIP_SERVING_PORT=tcp://10.0.0.7:8000 for a service of the name `nbship-serving`.
        if match and _type_of(match[1].lower(), match[2].lower()) is not None and not value.startswith("tcp://"):
            raise SettingsError(
                f"The variable '{variable}' sets nothing. Did you mean 'NBSHIP_{match[1]}__{match[2]}', with two underscores?"
            )
        section, separator, key = variable.removeprefix("NBSHIP_").lower().partition("__")
        if variable.startswith("NBSHIP_") and separator:
            if section not in overridable:
                raise SettingsError(
                    f"The variable '{variable}' sets nothing: variables override only the sections {', '.join(overridable)}. "
                    "Remove it, and write the setting in nbship.yaml."
                )
            if _type_of(section, key) is None:
                near = nearest(key, typing.get_type_hints(typing.get_type_hints(Settings)[section]))
                hint = f"Did you mean 'NBSHIP_{section.upper()}__{near.upper()}'?" if near else "Remove it."
                raise SettingsError(f"The variable '{variable}' is not a setting of '{section}'. {hint}")
            listed = typing.get_origin(_type_of(section, key)) is list
            merged.setdefault(section, {})[key] = [each.strip() for each in value.split(",")] if listed else value
    return merged


def _type_of(section: str, key: str) -> Any:
    """Return the type of a setting; None for an unknown setting."""
    struct = typing.get_type_hints(Settings).get(section)
    return typing.get_type_hints(struct).get(key) if isinstance(struct, type) else None


def _reject_project_settings(found: Mapping[str, Any]) -> None:
    names = [
        f"{section}.{key}" if isinstance(content, Mapping) else section
        for section, content in found.items()
        for key in (content if isinstance(content, Mapping) else ("",))
    ]
    for name in names:
        if name in _WITH_PROJECT or not {name, name.partition(".")[0]} & set(_WITHOUT_PROJECT):
            raise SettingsError(
                f"'nbship.yaml' has '{name}', which applies only to a project, and this folder has no 'pipeline.yaml'. "
                "Remove it, or run the command in the project."
            )


def _reject_unknown(key: str, value: Any, kind: Any) -> None:
    kind = meant_kind(kind, value)
    if is_section(kind) and isinstance(value, Mapping):
        for name in value:
            _reject_unknown_key(str(name), key, typing.get_type_hints(kind))
    for part in parts_of((key, value, kind)):
        _reject_unknown(*part)


def _reject_unknown_key(name: str, section: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        where = f"{section}." if section else ""
        near = nearest(name, known)
        hint = f"Did you mean '{where}{near}'?" if near else f"Known keys: {', '.join(known)}."
        raise SettingsError(f"'nbship.yaml' has an unknown key '{where}{name}'. {hint}")


def changed_settings(settings: Settings, sections: Sequence[str]) -> list[str]:
    """Return the settings of sections that differ from their defaults, such as `serving.port`."""
    defaults = Settings()
    return [
        f"{section}.{name}"
        for section in sections
        for name in getattr(defaults, section).__struct_fields__
        if getattr(getattr(settings, section), name) != getattr(getattr(defaults, section), name)
    ]


def with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    """Return settings whose relative paths start at the folder of `nbship.yaml`, wherever the command runs."""

    def joined(path: str) -> str:
        return str(folder / path) if path else ""

    serving, release = settings.serving, settings.release
    return msgspec.structs.replace(
        settings,
        serving=msgspec.structs.replace(
            serving,
            keys=joined(serving.keys),
            results=joined(serving.results),
            unix_socket=joined(serving.unix_socket),
        ),
        release=msgspec.structs.replace(
            release,
            signers=[joined(each) for each in release.signers],
            approvers={name: joined(each) for name, each in release.approvers.items()},
            file=joined(release.file),
        ),
    )
