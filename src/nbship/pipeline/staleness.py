"""What would run, and why: `dvc.lock` held against what is there now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..dvcstore import Lock, read_lock
from ..project import Project, load, same
from .copies import copy_digest, copy_path
from .dvc_yaml import derive, render
from .file_index import Index, index_of
from .libraries import LIBRARIES, LOCK, read_libraries
from .placeholders import look_up
from .plan import Plan, look_into, plan_stages
from .snapshot import environment, recall, remember
from .spec import COPIES_STAGE, Pipeline, Stage, read_pipeline

__all__ = ["StageStatus", "Status", "quick_status", "read_status", "remember_current"]

# What is read beside notebooks, modules, resources and products.
SETTINGS = ("pipeline.yaml", "params.yaml", "nbship.yaml", "dvc.yaml", "dvc.lock", str(LOCK))


@dataclass(frozen=True)
class StageStatus:
    """Why a stage would run; without reasons it is up to date."""

    name: str
    reasons: tuple[str, ...]

    @property
    def stale(self) -> bool:
        """Whether the stage would run."""
        return bool(self.reasons)


@dataclass(frozen=True)
class Status:
    """The state of all stages.

    Attributes
    ----------
    dvc_yaml_current
        Whether `dvc.yaml` says what the pipeline says.
    copies_current
        Whether the copies of the notebooks, and what `dvc.lock` says of them, are those of the notebooks now.
    """

    stages: tuple[StageStatus, ...]
    dvc_yaml_current: bool
    copies_current: bool = True

    @property
    def current(self) -> bool:
        """Whether nothing would run."""
        return self.dvc_yaml_current and not any(stage.stale for stage in self.stages)


def read_status(project: Project) -> Status:
    """Tell what `nbship run` would run, without running or writing anything but what is kept to save time.

    Raises
    ------
    PipelineError
        If the pipeline or `dvc.lock` cannot be read.
    """
    index = index_of(project)
    index.begin()
    index.environment = environment()
    for name in SETTINGS:  # before they are read: what was read is not older than what is noted
        index.md5(project.root / name)
    project = load(project.root)
    pipeline = read_pipeline(project)
    plans = plan_stages(project, pipeline)
    path = project.root / "dvc.yaml"
    current = path.is_file() and path.read_text(encoding="utf-8") == render(derive(project, pipeline, plans))
    judge = _Judge(project, pipeline, read_lock(project.root / "dvc.lock"), index)
    stages: dict[str, StageStatus] = {}
    for name, plan in plans.items():
        after = tuple(f"after {before}" for before in plan.stage.upstream if stages[before].stale)
        stages[name] = StageStatus(name, (*judge(plan), *after))
    index.save()
    return Status(tuple(stages.values()), current, judge.copies_are_current())


def quick_status(project_root: Path) -> Status | None:
    """Return the status if all stages are up to date as they were before; None if that takes `read_status`."""
    names = recall(project_root) or recall(project_root, name="run")
    return None if names is None else Status(tuple(StageStatus(name, ()) for name in names), dvc_yaml_current=True)


def remember_current(project: Project, *, name: str = "run", extra: Iterable[Path] = ()) -> bool:
    """Look whether nothing would run, and remember it for `recall`; tell whether it is so.

    Parameters
    ----------
    name
        Which snapshot to write.
    extra
        More files that must stay as they are.

    Raises
    ------
    NbshipError
        As `read_status`.
    """
    status = read_status(project)
    if status.current and status.copies_current:
        remember(project.root, [stage.name for stage in status.stages], name=name, extra=extra)
        index_of(project).save()
    return status.current and status.copies_current


class _Judge:
    """Says why a stage would run."""

    def __init__(self, project: Project, pipeline: Pipeline, lock: Lock, index: Index) -> None:
        self._project = project
        self._pipeline = pipeline
        self._lock = lock
        self._index = index
        self._versions = read_libraries(project).versions
        self._copies = {str(copy_path(stage)): stage for stage in pipeline.stages.values()}

    def __call__(self, plan: Plan) -> Iterator[str]:
        entry = self._lock.get(plan.stage.name)
        if entry is None:
            yield "not run yet"
            return
        yield from self._changed_files(plan, entry)
        yield from self._changed_values(plan, entry.get("params") or {})
        yield from self._changed_products(plan.stage, entry)

    def copies_are_current(self) -> bool:
        """Tell whether the copies are those of the notebooks, and recorded as such."""
        entry = self._lock.get(COPIES_STAGE) or {}
        files = [*(entry.get("deps") or ()), *(entry.get("outs") or ())]
        return bool(files) and all(self._md5(file["path"]) == file.get("md5") for file in files)

    def _changed_files(self, plan: Plan, entry: Mapping[str, Any]) -> Iterator[str]:
        recorded = {dep["path"]: dep.get("md5") for dep in entry.get("deps") or ()}
        made = set(map(str, plan.upstream_files))
        files = dict.fromkeys(map(str, plan.files))
        for path in files:
            stage = self._copies.get(path)
            name = str(stage.notebook) if stage else path
            if path not in recorded:
                yield f"{name} is new to it"
                continue
            now = copy_digest(self._project, self._pipeline, stage) if stage else self._md5(path)
            if now is None and path not in made:  # else the stage that makes it says so
                yield f"{name} is not there"
            elif now is not None and now != recorded[path]:
                yield f"{name} changed"
        yield from (f"{path} is no longer part of it" for path in recorded if path not in files)

    def _changed_values(self, plan: Plan, recorded: Mapping[str, Any]) -> Iterator[str]:
        params = recorded.get("params.yaml") or {}
        for key in plan.params:
            now = look_up(self._project.params, key, where=plan.stage.name)
            if key not in params:
                yield f"parameter {key} is new to it"
            elif not same(params[key], now):
                yield f"parameter {key} changed from {params[key]} to {now}"
        settings = recorded.get("nbship.yaml") or {}
        for key in plan.settings:
            if key not in settings or not same(settings[key], look_into(self._project.values, key)):
                yield f"setting {key} changed"
        versions = recorded.get(str(LIBRARIES)) or {}
        for name in plan.libraries:
            if versions.get(name) != self._versions.get(name):
                yield f"library {name} changed from {versions.get(name, 'none')} to {self._versions.get(name)}"

    def _changed_products(self, stage: Stage, entry: Mapping[str, Any]) -> Iterator[str]:
        recorded = {out["path"]: out.get("md5") for out in entry.get("outs") or ()}
        for path in map(str, stage.products.values()):
            now = self._md5(path)
            if now is None:
                yield f"{path} is missing"
            elif now != recorded.get(path):
                yield f"{path} is not what the stage made"

    def _md5(self, path: str) -> str | None:
        return self._index.md5(f"{self._project.root}/{path}")
