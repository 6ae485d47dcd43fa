"""What would run, and why: `dvc.lock` held against what is there now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import PipelineError
from ..project import Project
from ..project.yaml import read_yaml
from .cells import same
from .digest import Digests, md5_of_text
from .dvc import derive, render
from .libraries import LIBRARIES
from .placeholders import look_up
from .plan import Plan, plan_stages
from .spec import Pipeline, Stage, read_pipeline
from .strip import copy_text

__all__ = ["StageStatus", "Status", "read_status"]


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
    """The state of all stages, and whether `dvc.yaml` says what the pipeline says."""

    stages: tuple[StageStatus, ...]
    dvc_yaml_current: bool

    @property
    def current(self) -> bool:
        """Whether nothing would run."""
        return self.dvc_yaml_current and not any(stage.stale for stage in self.stages)


def read_status(project: Project) -> Status:
    """Tell what `nbship run` would run, without running or writing anything.

    Raises
    ------
    PipelineError
        If the pipeline or `dvc.lock` cannot be read.
    """
    pipeline = read_pipeline(project)
    plans = plan_stages(project, pipeline)
    digests = Digests(project.cache / "digests.json")
    lock = _read_lock(project)
    path = project.root / "dvc.yaml"
    text = render(derive(project, pipeline, plans))
    stages: dict[str, StageStatus] = {}
    for name, plan in plans.items():
        reasons = tuple(_reasons(project, plan, lock.get(name), digests, pipeline))
        after = tuple(f"after {before}" for before in plan.stage.upstream if stages[before].stale)
        stages[name] = StageStatus(name, reasons + after)
    digests.save()
    return Status(tuple(stages.values()), path.is_file() and path.read_text(encoding="utf-8") == text)


def _read_lock(project: Project) -> Mapping[str, Any]:
    path = project.root / "dvc.lock"
    stages = read_yaml(path, PipelineError).get("stages") if path.is_file() else None
    return stages if isinstance(stages, Mapping) else {}


def _reasons(project: Project, plan: Plan, entry: Any, digests: Digests, pipeline: Pipeline) -> Iterator[str]:
    if not isinstance(entry, Mapping):
        yield "not run yet"
        return
    yield from _changed_files(project, plan, entry, digests, pipeline)
    yield from _changed_values(project, plan, entry.get("params") or {})
    yield from _changed_products(project, plan.stage, entry, digests)


def _changed_files(
    project: Project, plan: Plan, entry: Mapping[str, Any], digests: Digests, pipeline: Pipeline
) -> Iterator[str]:
    recorded = {dep["path"]: dep.get("md5") for dep in entry.get("deps") or ()}
    notebooks = {
        str(each): stage for stage in pipeline.stages.values() for each in [_copy(project, stage, plan)] if each
    }
    made = {str(path) for path in plan.upstream_files}
    for path in map(str, plan.files):
        name = str(notebooks[path].notebook) if path in notebooks else path
        if path not in recorded:
            yield f"{name} is new to it"
            continue
        if path in notebooks:
            now: str | None = md5_of_text(copy_text(project, pipeline, notebooks[path]))
        elif path in made and not (project.root / path).exists():
            continue  # the stage that makes it says so
        else:
            now = digests.md5(project.root / path)
        if now is None:
            yield f"{name} is not there"
        elif now != recorded[path]:
            yield f"{name} changed"
    for path in recorded:
        if path not in set(map(str, plan.files)):
            yield f"{path} is no longer part of it"


def _copy(project: Project, stage: Stage, plan: Plan) -> Any:
    from .strip import copy_path

    path = copy_path(stage)
    return path if path in plan.files else None


def _changed_values(project: Project, plan: Plan, recorded: Mapping[str, Any]) -> Iterator[str]:
    state = plan.state(project)
    params = recorded.get("params.yaml") or {}
    for key in plan.params:
        now = look_up(project.params, key, where=plan.stage.name)
        if key not in params:
            yield f"parameter {key} is new to it"
        elif not same(_plain(params[key]), now):
            yield f"parameter {key} changed from {params[key]} to {now}"
    settings = recorded.get("nbship.yaml") or {}
    for key, value in state["settings"].items():
        if key not in settings or not same(_plain(settings[key]), value):
            yield f"setting {key} changed"
    versions = recorded.get(str(LIBRARIES)) or {}
    for name, version in state["libraries"].items():
        if versions.get(name) != version:
            yield f"library {name} changed from {versions.get(name, 'none')} to {version}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _changed_products(project: Project, stage: Stage, entry: Mapping[str, Any], digests: Digests) -> Iterator[str]:
    recorded = {out["path"]: out.get("md5") for out in entry.get("outs") or ()}
    for path in map(str, stage.products.values()):
        now = digests.md5(project.root / path)
        if now is None:
            yield f"{path} is missing"
        elif now != recorded.get(path):
            yield f"{path} is not what the stage made"
