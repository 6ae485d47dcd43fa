"""The settings of `nbship.yaml` that a stage reads."""

from __future__ import annotations

from typing import Any

from ..errors import StageError
from ..project import Project
from ..text import value_at

__all__ = ["covers", "setting_of"]


def covers(declared: tuple[str, ...], key: str) -> bool:
    return any(key == known or key.startswith(f"{known}.") for known in declared)


def setting_of(project: Project, key: str) -> Any:
    import msgspec

    try:
        return value_at(msgspec.to_builtins(project.settings), key)
    except KeyError:
        raise StageError(f"'nbship.yaml' does not have the setting '{key}'. Add it there.") from None
