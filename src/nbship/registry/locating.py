"""The package that `MODEL@VERSION` or `MODEL#ALIAS` names, as a folder, for commands that take a package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import RegistryError
from ..project import Project
from .approvals import approved_version, approvers_of
from .contents import fetch_version
from .history import Version
from .registry import Registry, open_registry

__all__ = ["Located", "locate", "locate_digest"]


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
    return _located(registry, version)


def locate_digest(project: Project, model: str, digest: str) -> Located | None:
    """Return the registered package with a digest, archived or not; None if there is none, or its files are nowhere."""
    try:
        registry = open_registry(project)
        versions = registry.history(model).versions
        found = next((each for each in versions if each.package and each.package.digest == digest), None)
        return _located(registry, found) if found else None
    except RegistryError:
        return None


def _located(registry: Registry, version: Version) -> Located:
    # By digest: a server that runs from this folder never sees another package there.
    digest = version.package.digest if version.package else version.commit
    folder = registry.project.cache / "registry" / digest[:24] / version.model
    fetch_version(registry.project, registry.git, version, folder)
    return Located(version.model, version.name, folder)
