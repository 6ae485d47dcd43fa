"""Find stale stages and the reasons, by comparing `dvc.lock` with the current state."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..dvcstore import (
    Cache,
    DeclaredStage,
    Difference,
    Entry,
    LockFile,
    config_files,
    find_differences,
    find_repository,
    product_digests,
    read_lock,
    read_repository,
)
from ..project import Project, load
from .copies import copy_changes, copy_digest, copy_path
from .declarations import declare
from .dvc_yaml import derive, render
from .file_index import FileIndex, index_of
from .libraries import LIBRARIES, LOCK
from .plan import Plan, plan_stages
from .snapshot import read_snapshot, snapshot_environment, write_snapshot
from .spec import COPIES_STAGE, Pipeline, read_pipeline

__all__ = ["StageStatus", "Status", "quick_status", "read_status", "write_snapshot_if_current"]

# Files that are read in addition to notebooks, modules, resources and products.
SETTINGS = ("pipeline.yaml", "params.yaml", "nbship.yaml", "dvc.yaml", "dvc.lock", str(LOCK))


@dataclass(frozen=True)
class StageStatus:
    """The reasons why a stage would run; without reasons it is up to date."""

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
        Whether `dvc.yaml` matches the pipeline.
    copies_current
        Whether the copies of the notebooks are current and recorded in `dvc.lock`.
    uncached
        Products that are up to date, but not in DVC's cache.
    """

    stages: tuple[StageStatus, ...]
    dvc_yaml_current: bool
    copies_current: bool = True
    uncached: tuple[str, ...] = ()

    @property
    def current(self) -> bool:
        """Whether `nbship run` has nothing to do."""
        return self.dvc_yaml_current and not self.uncached and not any(stage.stale for stage in self.stages)


def read_status(project: Project) -> Status:
    """Return what `nbship run` would run. Only cache files are written.

    Raises
    ------
    PipelineError
        If the pipeline or `dvc.lock` cannot be read.
    """
    index = index_of(project)
    index.start_record()
    index.environment = snapshot_environment()
    for name in SETTINGS:  # recorded before they are read, so that a change in between is noticed
        index.md5(project.root / name)
    for path in config_files(project.root):  # another cache folder needs the products too
        index.md5(path)
    project = load(project.root)
    pipeline = read_pipeline(project)
    plans = plan_stages(project, pipeline)
    path = project.root / "dvc.yaml"
    derived = derive(project, pipeline, plans)
    current = path.is_file() and path.read_bytes() == render(derived).encode()
    comparison = _Comparison(project, pipeline, declare(project, derived), read_lock(project.root / "dvc.lock"), index)
    stages: dict[str, StageStatus] = {}
    for name, plan in plans.items():
        after = tuple(f"after {before}" for before in plan.stage.upstream if stages[before].stale)
        stages[name] = StageStatus(name, (*comparison(plan), *after))
    index.save()
    copies_current = comparison.copies_are_current()
    fresh = [*([COPIES_STAGE] if copies_current else []), *(name for name in plans if not stages[name].stale)]
    return Status(tuple(stages.values()), current, copies_current, tuple(comparison.uncached(fresh)))


def quick_status(project_root: Path) -> Status | None:
    """Return the status if a snapshot shows that all stages are up to date; None if `read_status` is needed."""
    names = read_snapshot(project_root) or read_snapshot(project_root, name="run")
    return None if names is None else Status(tuple(StageStatus(name, ()) for name in names), dvc_yaml_current=True)


def write_snapshot_if_current(project: Project, *, name: str = "run", extra: Iterable[Path] = ()) -> bool:
    """Write a snapshot if all stages are up to date; return whether they are.

    Parameters
    ----------
    name
        The name of the snapshot.
    extra
        Additional files that must not change.

    Raises
    ------
    NbshipError
        As `read_status`.
    """
    status = read_status(project)
    if status.current and status.copies_current:
        write_snapshot(project.root, [stage.name for stage in status.stages], name=name, extra=extra)
        index_of(project).save()
    return status.current and status.copies_current


class _Comparison:
    """Compares stages with `dvc.lock`, and describes the differences."""

    def __init__(
        self,
        project: Project,
        pipeline: Pipeline,
        declared: Mapping[str, DeclaredStage],
        lock: LockFile,
        index: FileIndex,
    ) -> None:
        self._project = project
        self._pipeline = pipeline
        self._declared = declared
        self._lock = lock
        self._index = index
        self._copies = {str(copy_path(stage)): stage for stage in pipeline.stages.values()}

    def __call__(self, plan: Plan) -> Iterator[str]:
        declared = self._declared[plan.stage.name]
        # The digest of a copy is that of the copy that would be written now.
        found = list(self._differences(declared, self._digest))
        for each in found:
            if each.kind == "stage":
                yield "not run yet"
            elif each.kind == "command":
                # It holds a digest of the list of inputs; what joined or left the list is a difference of its own.
                if len(found) == 1:
                    yield "its command changed"
            elif each.kind == "dependency":
                yield from self._dependency(each, plan, declared)
            elif each.kind == "parameter":
                yield _parameter(each)
            else:
                yield f"{each.name} {'is missing' if each.now is None else 'was changed after the run'}"

    def copies_are_current(self) -> bool:
        """Tell whether the copies of the notebooks are current and recorded."""
        return not any(self._differences(self._declared[COPIES_STAGE], self._md5))

    def uncached(self, names: Iterable[str]) -> Iterator[str]:
        """Yield the products of unchanged stages that are not in DVC's cache."""
        if find_repository(self._project.root) is None:
            return
        cache = Cache(read_repository(self._project.root), self._index.digests)
        for name in names:
            recorded = product_digests(self._lock.get(name) or {})
            for path in self._declared[name].cached:
                if not all(self._index.md5(file) == md5 for file, md5 in cache.files(recorded[path])):
                    yield path

    def _differences(self, declared: DeclaredStage, digest: Callable[[str], str | None]) -> Iterator[Difference]:
        deps = [{"path": path, "md5": md5} for path in declared.files if (md5 := digest(path)) is not None]
        entry: Entry = {"cmd": declared.command, "deps": deps, "params": declared.params}
        products = {path: md5 for path in declared.products if (md5 := self._md5(path)) is not None}
        return find_differences(self._lock.get(declared.name), entry, products)

    def _digest(self, path: str) -> str | None:
        stage = self._copies.get(path)
        return copy_digest(self._project, self._pipeline, stage) if stage else self._md5(path)

    def _dependency(self, each: Difference, plan: Plan, declared: DeclaredStage) -> Iterator[str]:
        stage = self._copies.get(each.name)
        name = str(stage.notebook) if stage else each.name
        if each.now is None and each.name not in declared.files:
            yield f"{name} is no longer a dependency"
        elif each.now is None:
            # A missing product of another stage is a reason of that stage.
            if each.name not in map(str, plan.upstream_files):
                yield f"{name} is missing"
        elif each.recorded is None:
            yield f"{name} is a new dependency"
        elif stage:
            yield from copy_changes(self._project, self._pipeline, stage, recorded=each.recorded)
        else:
            yield f"{name} changed"

    def _md5(self, path: str) -> str | None:
        return self._index.md5(os.path.join(self._project.root, path))  # noqa: PTH118 - of each file


def _parameter(each: Difference) -> str:
    if each.file == str(LIBRARIES):
        return f"library {each.name} changed from {each.recorded or 'none'} to {each.now or 'none'}"
    kind = "setting" if each.file == "nbship.yaml" else "parameter"
    if each.recorded is None:
        return f"{kind} {each.name} was added"
    if each.now is None:
        return f"{kind} {each.name} was removed"
    return f"{kind} {each.name} changed from {each.recorded} to {each.now}"
