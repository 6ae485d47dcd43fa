"""The package that `MODEL@VERSION` or `MODEL#ALIAS` names, as a folder, for commands that take a package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import RegistryError
from ..project import Project
from .approvals import approved_version, approvers_of
from .contents import fetch_version
from .registry import open_registry

__all__ = ["Located", "locate"]


@dataclass(frozen=True)
class Located:
    """A registered package in a folder.

    Attributes
    ----------
    model, version
        Such as `late` and `v1.2.0`.
    folder
        The package, verified.
    """

    model: str
    version: str
    folder: Path


def locate(project: Project, name: str) -> Located:
    """Return the package that a name of the registry stands for, copied from DVC's cache or remote.

    Raises
    ------
    RegistryError
        If there is no such version, or its files are nowhere.
    ApprovalError
        If the alias leads to a version without the approval that the settings require.
    """
    registry = open_registry(project)
    history, _, alias = registry.split(name)
    version = (approved_version(history, alias, approvers=approvers_of(project)) if alias else None) or registry.find(
        name
    )
    if version.archived and not alias:
        raise RegistryError(
            f"'{version}' is archived. Name another version, or an alias such as '{version.model}#production'."
        )
    # By digest: a server that runs from this folder never sees another package there.
    digest = version.package.digest if version.package else version.commit
    folder = project.cache / "registry" / digest[:24] / version.model
    fetch_version(project, registry.git, version, folder)
    return Located(version.model, version.name, folder)
