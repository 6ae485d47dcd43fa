"""What would run, and why: `dvc.lock` held against what is there now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..dvcstore import DeclaredStage, Difference, Entry, LockFile, find_differences, read_lock
from ..project import Project, load
from .copies import copy_digest, copy_path
from .declarations import declare
from .dvc_yaml import derive, render
from .file_index import Index, index_of
from .libraries import LIBRARIES, LOCK
from .plan import Plan, plan_stages
from .snapshot import environment, recall, remember
from .spec import COPIES_STAGE, Pipeline, read_pipeline

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
    derived = derive(project, pipeline, plans)
    current = path.is_file() and path.read_text(encoding="utf-8") == render(derived)
    judge = _Judge(project, pipeline, declare(project, derived), read_lock(project.root / "dvc.lock"), index)
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
    """Says why a stage would run: what `find_differences` finds, in words."""

    def __init__(
        self, project: Project, pipeline: Pipeline, declared: Mapping[str, DeclaredStage], lock: LockFile, index: Index
    ) -> None:
        self._project = project
        self._pipeline = pipeline
        self._declared = declared
        self._lock = lock
        self._index = index
        self._copies = {str(copy_path(stage)): stage for stage in pipeline.stages.values()}

    def __call__(self, plan: Plan) -> Iterator[str]:
        declared = self._declared[plan.stage.name]
        # Copies of notebooks are digested as they would be written now.
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
                yield f"{each.name} is missing" if each.now is None else f"{each.name} is not what the stage made"

    def copies_are_current(self) -> bool:
        """Tell whether the copies are those of the notebooks, and recorded as such."""
        return not any(self._differences(self._declared[COPIES_STAGE], self._md5))

    def _differences(self, declared: DeclaredStage, digest: Callable[[str], str | None]) -> Iterator[Difference]:
        deps = [{"path": path, "md5": md5} for path in declared.files if (md5 := digest(path)) is not None]
        entry: Entry = {"cmd": declared.command, "deps": deps, "params": declared.params}
        made = {path: md5 for path in declared.products if (md5 := self._md5(path)) is not None}
        return find_differences(self._lock.get(declared.name), entry, made)

    def _digest(self, path: str) -> str | None:
        stage = self._copies.get(path)
        return copy_digest(self._project, self._pipeline, stage) if stage else self._md5(path)

    def _dependency(self, each: Difference, plan: Plan, declared: DeclaredStage) -> Iterator[str]:
        stage = self._copies.get(each.name)
        name = str(stage.notebook) if stage else each.name
        if each.now is None and each.name not in declared.files:
            yield f"{name} is no longer part of it"
        elif each.now is None:
            # Of a file that another stage makes, that stage says so.
            if each.name not in map(str, plan.upstream_files):
                yield f"{name} is not there"
        else:
            yield f"{name} is new to it" if each.recorded is None else f"{name} changed"

    def _md5(self, path: str) -> str | None:
        return self._index.md5(f"{self._project.root}/{path}")


def _parameter(each: Difference) -> str:
    if each.file == str(LIBRARIES):
        return f"library {each.name} changed from {each.recorded or 'none'} to {each.now or 'none'}"
    kind = "setting" if each.file == "nbship.yaml" else "parameter"
    if each.recorded is None:
        return f"{kind} {each.name} is new to it"
    if each.now is None:
        return f"{kind} {each.name} is no longer part of it"
    return f"{kind} {each.name} changed from {each.recorded} to {each.now}"
