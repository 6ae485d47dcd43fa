"""The dependencies of each stage: files, parameters, settings and libraries."""

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
from .inspection import ProjectModules, inspect_notebook, reject_run_magic
from .libraries import LOCK, read_libraries
from .spec import Pipeline, Stage

__all__ = ["Plan", "library_imports", "plan_stage", "plan_stages", "provenance_inputs"]


@dataclass(frozen=True)
class Plan:
    """One stage and its dependencies; paths are relative to the root.

    Attributes
    ----------
    modules
        The project's modules that the notebook imports, directly or indirectly.
    upstream_files
        The upstream products that it reads.
    lineage
        For the stage that builds the package: the sources of all its ancestors, which are in the provenance.
    params
        Dotted keys of `params.yaml`.
    settings
        Keys of `nbship.yaml` that the file has.
    libraries
        Distributions whose locked versions the stage depends on.
    imports
        Dotted names that the notebook and its modules import from libraries, for preloading.
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
        """All files that the stage depends on, without duplicates."""
        own = (self.copy, *self.modules, *self.stage.resources.values(), *self.upstream_files, *self.lineage)
        return tuple(dict.fromkeys(own))

    def state(self, project: Project) -> Mapping[str, Any]:
        """Return the values that the stage depends on: parameters, settings, library versions."""
        versions = read_libraries(project).versions
        return {
            "params": dict(self.stage.params),
            "settings": {key: value_at(project.values, key, default=None) for key in self.settings},
            "libraries": {name: versions.get(name) for name in self.libraries},
        }


def plan_stage(project: Project, pipeline: Pipeline, stage: Stage) -> Plan:
    """Plan one stage; its ancestors are only read for the stage that builds the package."""
    before = _ancestors(pipeline, stage.name) if stage.package else ()
    return _plan(project, pipeline, [*before, stage.name])[stage.name]


def plan_stages(project: Project, pipeline: Pipeline) -> Mapping[str, Plan]:
    """Plan every stage, in the order of the pipeline."""
    return _plan(project, pipeline, pipeline.stages)


def _plan(project: Project, pipeline: Pipeline, names: Iterable[str]) -> dict[str, Plan]:
    settings = _settings_file(project)
    modules = ProjectModules(project)
    libraries = read_libraries(project)
    required_by = lru_cache(maxsize=None)(libraries.required_by)
    plans: dict[str, Plan] = {}
    for stage in (pipeline.stages[name] for name in names):
        code = inspect_notebook(project, stage.notebook).code
        reject_run_magic(code.run_magic, stage.notebook)
        found = modules.follow(code.imports, folder=stage.notebook.parent, search_paths=code.search_paths)
        before = [plans[name] for name in _ancestors(pipeline, stage.name)] if stage.package else []
        keys = _unique(key for keys in stage.param_keys.values() for key in keys)
        plans[stage.name] = Plan(
            stage=stage,
            copy=copy_path(stage),
            modules=found.modules,
            upstream_files=_unique(
                path for name in stage.upstream for path in pipeline.stages[name].data_products.values()
            ),
            lineage=_lineage(project, before) if stage.package else (),
            params=_unique([*keys, *(key for plan in before for key in plan.params)]),
            settings=tuple(key for key in stage.settings if value_at(settings, key, default=None) is not None),
            libraries=required_by(found.libraries),
            imports=found.imports,
        )
    return plans


def library_imports(project: Project, pipeline: Pipeline, names: Iterable[str]) -> list[str]:
    """Return the library imports of some stages, much faster than planning them."""
    modules = ProjectModules(project)
    notebooks = dict.fromkeys(pipeline.stages[name].notebook for name in names)
    found = (
        modules.follow(inspect_notebook(project, path).code.imports, folder=path.parent).imports for path in notebooks
    )
    return list(dict.fromkeys(name for names in found for name in names))


def provenance_inputs(project: Project, pipeline: Pipeline, stage: Stage) -> Mapping[str, Any]:
    """Return the inputs of a stage and its ancestors, for a package's provenance.

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
    """Return the copy of the stage's notebook; in runs by hand, the file may not exist."""
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
            f"'{path.name}' is needed for the provenance and cannot be read: {error.strerror}. Get it with `dvc pull`, or with the project's install step."
        ) from error


def _settings_file(project: Project) -> Mapping[str, Any]:
    path = project.root / "nbship.yaml"
    return read_yaml(path, SettingsError) if path.is_file() else {}


def _unique(items: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(items))
