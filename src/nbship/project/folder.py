"""Find a project, and its folders."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from ..errors import PipelineError, ProjectError
from ..text import listed
from .params import Value, read_params
from .settings import Settings
from .settings_file import read_settings, with_absolute_paths
from .yaml import read_yaml

__all__ = ["Project", "find_root", "find_settings", "load", "tracked_path"]

Path_ = TypeVar("Path_", bound=PurePath)


@dataclass(frozen=True)
class Project:
    """A folder with a `pipeline.yaml`, and its settings.

    Attributes
    ----------
    root
        The project's folder, absolute, links resolved.
    settings
        `nbship.yaml` with defaults filled in.
    model
        The selected model, if the project has several.
    """

    root: Path
    settings: Settings
    model: str = ""

    @property
    def name(self) -> str:
        """The project's name: `project.name`, or else the folder's name."""
        return self.settings.project.name or self.root.name

    @property
    def timezone(self) -> ZoneInfo:
        """The time zone of windows."""
        return ZoneInfo(self.settings.project.timezone)

    @cached_property
    def params(self) -> Mapping[str, Value]:
        """The values of `params.yaml`; empty without the file."""
        return read_params(self.root / "params.yaml")

    @cached_property
    def values(self) -> Mapping[str, Value]:
        """The settings as plain values, with defaults."""
        found: Mapping[str, Value] = msgspec.to_builtins(self.settings)
        return found

    @property
    def source(self) -> Path:
        """The folder of the project's own modules."""
        return self.root / self.settings.project.source

    @cached_property
    def packages(self) -> Mapping[str, Path]:
        """The package folder of each model, by name.

        Without `models` in its settings, a project has one: `model.path`, the product `package` of `pipeline.yaml`,
        or `models/<name>`.
        """
        if not self.settings.models:
            path = self.settings.model.path or _find_package_product(self.root) or f"models/{self.name}"
            return {Path(path).name: self.root / path}
        return {name: self.root / (entry.path or f"models/{name}") for name, entry in self.settings.models.items()}

    @property
    def package(self) -> Path:
        """The folder of the model's package.

        Raises
        ------
        ProjectError
            If the project has several models and none is selected.
        """
        if self.model:
            return self.packages[self.model]
        if len(self.packages) > 1:
            raise ProjectError(
                f"This project has the models {listed(self.packages, quoted=True)}. Choose one: `--model NAME`."
            )
        return next(iter(self.packages.values()))

    def of_model(self, name: str) -> Project:
        """Return the project with one of its models selected.

        Raises
        ------
        ProjectError
            If it has no model of this name.
        """
        if name not in self.packages:
            raise ProjectError(
                f"This project has no model '{name}', but {listed(self.packages, quoted=True)}. Choose one of them."
            )
        return replace(self, model=name)

    @property
    def reports(self) -> Path:
        """The folder of monitoring reports; in a project with several models, one folder for each."""
        folder = self.state / "monitoring"
        return folder / self.package.name if len(self.packages) > 1 else folder

    @property
    def cache(self) -> Path:
        """The folder of files that may be deleted at any time."""
        return self.root / ".nbship" / "cache"

    @property
    def scratch(self) -> Path:
        """The folder for results of runs by hand."""
        return self.root / ".nbship" / "scratch"

    @property
    def state(self) -> Path:
        """The folder that must not be deleted: log, run records, reports. `NBSHIP_STATE` moves it."""
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


def find_settings() -> Settings:
    """Return the settings that apply in the working directory, of a project or without one, with absolute paths."""
    try:
        root = find_root()
    except ProjectError:
        return with_absolute_paths(read_settings(Path("nbship.yaml"), in_project=False), Path.cwd())
    return with_absolute_paths(read_settings(root / "nbship.yaml"), root)


def load(start: Path | str | None = None, *, model: str | None = None) -> Project:
    """Load the project that `start` (default: the working directory) lies in.

    Parameters
    ----------
    model
        The model to select, if the project has several (default: the variable `NBSHIP_MODEL`).
    """
    root = find_root(start)
    project = Project(root=root, settings=read_settings(root / "nbship.yaml"))
    chosen = model or os.environ.get("NBSHIP_MODEL")
    # A version or an alias, as in `late@v1.2.0` or `late#production`, is for the registry to find.
    name = re.split("[@#]", chosen, maxsplit=1)[0] if chosen else ""
    return project.of_model(name) if name else project


def _find_package_product(root: Path) -> str | None:
    """Return the path of the first product `package` in `pipeline.yaml`."""
    for task in read_yaml(root / "pipeline.yaml", PipelineError).get("tasks") or ():
        product = task.get("product") if isinstance(task, Mapping) else None
        if isinstance(product, Mapping) and isinstance(product.get("package"), str):
            return str(product["package"])
    return None


def tracked_path(path: Path_) -> Path_:
    """Return what a `.dvc` file tracks, such as a folder, which Ploomber does not accept as a resource; another path as it is.

    >>> str(tracked_path(PurePath("data/raw.dvc")))
    'data/raw'
    """
    return path.with_suffix("") if path.suffix == ".dvc" else path
