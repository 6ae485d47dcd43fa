"""What each stage is a function of: the pipeline, resolved down to files, parameters and libraries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import PipelineError, SettingsError
from ..project import Project, read_yaml
from ..text import value_at
from .copies import copy_path, copy_text
from .graph import ancestors
from .inspection import Sources, read_facts, refuse_run
from .libraries import LOCK, read_libraries
from .spec import Pipeline, Stage

__all__ = ["Plan", "imports_of", "plan_stage", "plan_stages", "provenance_inputs"]


@dataclass(frozen=True)
class Plan:
    """One stage and all that it depends on; paths are relative to the root.

    Attributes
    ----------
    modules
        The project's modules that the notebook imports, transitively.
    upstream_files
        The products that it reads.
    lineage
        For the stage that makes the package: the sources of every stage before it, which its provenance names.
    params
        Dotted keys of `params.yaml`.
    settings
        Keys of `nbship.yaml`, those that stand there.
    libraries
        Distributions whose locked versions count.
    imports
        Dotted names of what the notebook and its modules import from libraries, to be imported before it runs.
    """

    stage: Stage
    copy: PurePosixPath
    modules: tuple[PurePosixPath, ...]
    upstream_files: tuple[PurePosixPath, ...]
    lineage: tuple[PurePosixPath, ...]
    params: tuple[str, ...]
    settings: tuple[str, ...]
    libraries: tuple[str, ...]
    imports: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[PurePosixPath, ...]:
        """All files that the stage depends on, each once."""
        own = (self.copy, *self.modules, *self.stage.resources.values(), *self.upstream_files, *self.lineage)
        return tuple(dict.fromkeys(own))

    def state(self, project: Project) -> Mapping[str, Any]:
        """Return the values that the stage depends on besides its files: parameters, settings, versions."""
        versions = read_libraries(project).versions
        return {
            "params": dict(self.stage.params),
            "settings": {key: value_at(project.values, key, default=None) for key in self.settings},
            "libraries": {name: versions.get(name) for name in self.libraries},
        }


def plan_stage(project: Project, pipeline: Pipeline, stage: Stage) -> Plan:
    """Resolve one stage, and those before it only where it depends on them."""
    before = _ancestors(pipeline, stage.name) if stage.package else ()
    return _plan(project, pipeline, [*before, stage.name])[stage.name]


def plan_stages(project: Project, pipeline: Pipeline) -> Mapping[str, Plan]:
    """Resolve every stage, in the pipeline's order."""
    return _plan(project, pipeline, pipeline.stages)


def _plan(project: Project, pipeline: Pipeline, names: Iterable[str]) -> dict[str, Plan]:
    written = _settings_written(project)
    sources = Sources(project)
    libraries = read_libraries(project)
    needed = lru_cache(maxsize=None)(libraries.needed)
    plans: dict[str, Plan] = {}
    for stage in (pipeline.stages[name] for name in names):
        facts = read_facts(project, stage.notebook)
        refuse_run(facts.reading.runs, stage.notebook)
        code = sources.follow(facts.reading.imports, folder=stage.notebook.parent)
        before = [plans[name] for name in _ancestors(pipeline, stage.name)] if stage.package else []
        keys = _unique(key for keys in stage.param_keys.values() for key in keys)
        plans[stage.name] = Plan(
            stage=stage,
            copy=copy_path(stage),
            modules=code.modules,
            upstream_files=_unique(
                path for name in stage.upstream for path in pipeline.stages[name].data_products.values()
            ),
            lineage=_lineage(project, before) if stage.package else (),
            params=_unique([*keys, *(key for plan in before for key in plan.params)]),
            settings=tuple(key for key in stage.settings if value_at(written, key, default=None) is not None),
            libraries=needed(code.libraries),
            imports=code.imports,
        )
    return plans


def imports_of(project: Project, pipeline: Pipeline, names: Iterable[str]) -> list[str]:
    """Return what the notebooks of some stages import from libraries: a glance, where a plan takes its time."""
    sources = Sources(project)
    notebooks = dict.fromkeys(pipeline.stages[name].notebook for name in names)
    found = (
        sources.follow(read_facts(project, path).reading.imports, folder=path.parent).imports for path in notebooks
    )
    return list(dict.fromkeys(name for names in found for name in names))


def provenance_inputs(project: Project, pipeline: Pipeline, stage: Stage) -> Mapping[str, Any]:
    """Return what a stage and all before it were made from.

    Returns
    -------
    Mapping
        `data`, `notebooks` and `modules` (path -> sha256; of notebooks, that of the copy without outputs),
        `params` (stage -> name -> value) and `lock` (sha256 of the lock file, or None).
    """
    plans = plan_stages(project, pipeline)
    chain = [plans[name] for name in (*_ancestors(pipeline, stage.name), stage.name)]
    return {
        "data": _digests(project, (path for plan in chain for path in plan.stage.resources.values())),
        "notebooks": {
            str(plan.stage.notebook): hashlib.sha256(_copy_of(project, pipeline, plan)).hexdigest() for plan in chain
        },
        "modules": _digests(project, (path for plan in chain for path in plan.modules)),
        "params": {plan.stage.name: dict(plan.stage.params) for plan in chain if plan.stage.params},
        "lock": _digests(project, [LOCK])[str(LOCK)] if (project.root / LOCK).is_file() else None,
    }


def _ancestors(pipeline: Pipeline, name: str) -> tuple[str, ...]:
    return ancestors({stage.name: stage.upstream for stage in pipeline.stages.values()}, name)


def _lineage(project: Project, before: Iterable[Plan]) -> tuple[PurePosixPath, ...]:
    sources = [path for plan in before for path in (plan.copy, *plan.modules, *plan.stage.resources.values())]
    return _unique([*sources, *([LOCK] if (project.root / LOCK).is_file() else [])])


def _copy_of(project: Project, pipeline: Pipeline, plan: Plan) -> bytes:
    """Return the copy that runs; by hand, where there may be none, what it would be."""
    path = project.root / plan.copy
    return path.read_bytes() if path.is_file() else copy_text(project, pipeline, plan.stage).encode()


def _digests(project: Project, paths: Iterable[PurePosixPath]) -> dict[str, str]:
    return {str(path): _sha256(project.root / path) for path in sorted(set(paths))}


def _sha256(path: Path) -> str:
    """Return the digest of a file, or of a folder's listing of names and digests."""
    if path.is_dir():
        files = sorted(found.relative_to(path).as_posix() for found in path.rglob("*") if found.is_file())
        listed = "".join(f"{_sha256(path / name)}  {name}\n" for name in files)
        return hashlib.sha256(listed.encode()).hexdigest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PipelineError(
            f"'{path.name}' is needed for the provenance and cannot be read: {error.strerror}. Get it with `dvc pull`, or by the project's install step."
        ) from error


def _settings_written(project: Project) -> Mapping[str, Any]:
    path = project.root / "nbship.yaml"
    return read_yaml(path, SettingsError) if path.is_file() else {}


def _unique(items: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(items))
