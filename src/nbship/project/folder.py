"""Find the project that a path lies in, and the folders that nbship keeps there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from ..errors import PipelineError, ProjectError
from .params import Value, read_params
from .settings import Settings, read_settings
from .yaml import read_yaml

__all__ = ["Project", "find_root", "load"]


@dataclass(frozen=True)
class Project:
    """A folder with a `pipeline.yaml`, and what its settings say.

    Attributes
    ----------
    root
        The project's folder, absolute, links resolved.
    settings
        `nbship.yaml` with defaults filled in.
    """

    root: Path
    settings: Settings

    @property
    def name(self) -> str:
        """The project's name: `project.name`, or else the folder's name."""
        return self.settings.project.name or self.root.name

    @property
    def timezone(self) -> ZoneInfo:
        """The zone in which windows of time are read."""
        return ZoneInfo(self.settings.project.timezone)

    @cached_property
    def params(self) -> Mapping[str, Value]:
        """`params.yaml`, typed; empty where there is none."""
        return read_params(self.root / "params.yaml")

    @cached_property
    def values(self) -> Mapping[str, Value]:
        """The settings as plain values, defaults filled in."""
        found: Mapping[str, Value] = msgspec.to_builtins(self.settings)
        return found

    @property
    def source(self) -> Path:
        """The folder that holds the project's own modules."""
        return self.root / self.settings.project.source

    @cached_property
    def package(self) -> Path:
        """The folder of the model package: `model.path`, or what `pipeline.yaml` says, or `models/<name>`."""
        return self.root / (self.settings.model.path or _packaged_in(self.root) or f"models/{self.name}")

    @property
    def cache(self) -> Path:
        """What may always be deleted."""
        return self.root / ".nbship" / "cache"

    @property
    def scratch(self) -> Path:
        """Results of runs by hand."""
        return self.root / ".nbship" / "scratch"

    @property
    def state(self) -> Path:
        """What must never be deleted: log, run records, reports. `NBSHIP_STATE` moves it."""
        moved = os.environ.get("NBSHIP_STATE")
        return Path(moved).absolute() if moved else self.root / ".nbship" / "state"


def find_root(start: Path | str | None = None) -> Path:
    """Return the nearest folder at or above `start` that holds a `pipeline.yaml`.

    Raises
    ------
    ProjectError
        If there is none.
    """
    here = Path(start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "pipeline.yaml").is_file():
            return folder
    raise ProjectError(
        f"No project in '{here}': neither it nor a folder above it holds a 'pipeline.yaml'. Change to the project's folder."
    )


def load(start: Path | str | None = None) -> Project:
    """Load the project that `start` (default: the working directory) lies in."""
    root = find_root(start)
    return Project(root=root, settings=read_settings(root / "nbship.yaml"))


def _packaged_in(root: Path) -> str | None:
    """Return the first product called `package` in `pipeline.yaml`."""
    for task in read_yaml(root / "pipeline.yaml", PipelineError).get("tasks") or ():
        product = task.get("product") if isinstance(task, Mapping) else None
        if isinstance(product, Mapping) and isinstance(product.get("package"), str):
            return str(product["package"])
    return None
