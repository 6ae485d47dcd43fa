"""Release versions of the registry to running services, through the release file that they follow."""

from __future__ import annotations

from pathlib import Path

from ..errors import ReleaseError
from ..inference import Release, publish_release, read_release
from ..model.package import read_files
from ..project import Project
from ..registry import PRODUCTION, locate, open_registry

__all__ = ["release_canary", "release_production", "stop_or_start"]


def release_production(project: Project, model: str = "") -> Release:
    """Let services use the version that is in production in the registry. A canary ends.

    Raises
    ------
    ReleaseError
        If `release.file` is not set, or is the file of another model.
    RegistryError
        If no version is in production, or its files are nowhere.
    """
    path = _release_file(project)
    located = locate(project, f"{_model(project, model)}#{PRODUCTION}")
    return publish_release(path, located.folder, tag=located.version)


def release_canary(project: Project, name: str, *, share: float) -> Release:
    """Let services use a version for a share of the keys, beside the one in production.

    Parameters
    ----------
    name
        Such as "late@v1.2.0", or "v1.2.0" in a project with one model.
    share
        From 0 to 1.

    Raises
    ------
    ReleaseError
        If `release.file` is not set or does not exist, or the version is the one in production.
    RegistryError
        If there is no such version, or its files are nowhere.
    """
    path = _release_file(project)
    production = read_release(path).production
    located = locate(project, name)
    if read_files(located.folder)[0].digest == production.digest:
        raise ReleaseError(f"'{located.model}@{located.version}' is in production already. Name another version.")
    return publish_release(path, canary=located.folder, canary_tag=located.version, share=share)


def stop_or_start(project: Project, *, stopped: str) -> Release:
    """Stop predictions for a reason, or start them again if it is empty. The versions stay.

    Raises
    ------
    ReleaseError
        If `release.file` is not set or does not exist.
    """
    return publish_release(_release_file(project), stopped=stopped)


def _release_file(project: Project) -> Path:
    if not project.settings.release.file:
        raise ReleaseError(
            "The setting 'release.file' is empty, so services follow no file. Set it in nbship.yaml, such as `release: {file: releases/late.json}`."
        )
    return project.root / project.settings.release.file


def _model(project: Project, model: str) -> str:
    return open_registry(project).the_model(model)
