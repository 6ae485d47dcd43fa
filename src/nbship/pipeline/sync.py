"""Keep what is generated current: `dvc.yaml`, the parameters for bare Ploomber, the parameters cells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import PipelineError
from ..project import Project, Value, render_params
from ..project.yaml import read_yaml
from .cells import find_parameters, literal, read_notebook, replace_values, same
from .dvc import derive, render
from .files import write_if_changed
from .ploomber import validate
from .spec import Pipeline, Stage, read_pipeline
from .strip import strip_notebook, write_copies

__all__ = ["Edit", "SyncResult", "check_current", "strip_in_place", "sync"]


@dataclass(frozen=True)
class Edit:
    """A value in a parameters cell that is not that of `params.yaml`."""

    stage: str
    notebook: str
    name: str
    key: str
    cell: Value
    params: Value

    def __str__(self) -> str:
        return f"{self.notebook} says {self.name} = {literal(self.cell)}, params.yaml says {self.key}: {literal(self.params)}"


@dataclass
class SyncResult:
    """What `sync` wrote, and the values that persons edited in parameters cells, which it left alone."""

    written: list[str] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)


def sync(project: Project, *, prefer: str | None = None) -> SyncResult:
    """Write `dvc.yaml`, `.nbship/env.yaml` and the values of the parameters cells; what is current stays untouched.

    A cell whose value is that of the last run gets the new value of `params.yaml`. Another value is a
    person's edit, and stays, unless `prefer` says which to keep: "notebook" or "params".

    Raises
    ------
    PipelineError, NotebookError, ParamsError
        If the pipeline cannot be read, or Ploomber does not accept it.
    """
    result = SyncResult()
    if prefer == "notebook":
        result.written += _keep_cells(project)
        project = Project(project.root, project.settings)
    pipeline = read_pipeline(project)
    for stage in pipeline.stages.values():
        _sync_cell(project, stage, _last_params(project), prefer=prefer, result=result)
    if write_if_changed(project.root / "dvc.yaml", render(derive(project, pipeline))):
        result.written.append("dvc.yaml")
    _write_environment(project)
    write_copies_if_absent(project, pipeline)
    validate(project, pipeline)
    return result


def check_current(project: Project) -> list[Edit]:
    """Prove that `dvc.yaml` is what the pipeline says; return the values that differ in parameters cells.

    Raises
    ------
    PipelineError
        If it is not.
    """
    pipeline = read_pipeline(project)
    validate(project, pipeline)
    path = project.root / "dvc.yaml"
    if not path.is_file() or path.read_text(encoding="utf-8") != render(derive(project, pipeline)):
        raise PipelineError(
            "'dvc.yaml' is not what pipeline.yaml and the notebooks say. Run `nbship sync` and commit it."
        )
    return [edit for stage in pipeline.stages.values() for edit in _differences(project, stage)]


def strip_in_place(project: Project) -> list[str]:
    """Take outputs and editor metadata out of the pipeline's notebooks, and return those that were changed."""
    stripped = []
    notebooks = {*read_pipeline(project).notebooks, project.settings.monitoring.notebook}
    for name in sorted(map(str, notebooks)):
        path = project.root / name
        if path.is_file() and write_if_changed(path, _dumps(strip_notebook(read_notebook(path, name=name)))):
            stripped.append(name)
    return stripped


def write_copies_if_absent(project: Project, pipeline: Pipeline) -> None:
    """Write the stripped copies where a clone has none, so that hand-run tools find them."""
    from .plan import plan_stages

    if not all((project.root / plan.copy).is_file() for plan in plan_stages(project, pipeline).values()):
        write_copies(project, pipeline)


def _sync_cell(
    project: Project, stage: Stage, last: Mapping[str, Any], *, prefer: str | None, result: SyncResult
) -> None:
    differences = _differences(project, stage)
    kept = [edit for edit in differences if prefer != "params" and not _is_last(edit, last.get(stage.name))]
    changed = {edit.name: literal(edit.params) for edit in differences if edit not in kept}
    result.edits += kept
    if changed:
        path = project.root / stage.notebook
        notebook = read_notebook(path, name=str(stage.notebook))
        cell = find_parameters(notebook, name=str(stage.notebook))
        assert cell is not None
        source = replace_values(cell, changed)
        stored = notebook["cells"][cell.index]["source"]
        notebook["cells"][cell.index]["source"] = (
            source if isinstance(stored, str) else source.splitlines(keepends=True)
        )
        write_if_changed(path, _dumps(notebook))
        result.written.append(str(stage.notebook))


def _differences(project: Project, stage: Stage) -> list[Edit]:
    cell = find_parameters(read_notebook(project.root / stage.notebook, name=str(stage.notebook)), name=stage.name)
    if cell is None:
        return []
    return [
        Edit(stage.name, str(stage.notebook), name, ", ".join(keys), cell.parameters[name], stage.params[name])
        for name, keys in stage.param_keys.items()
        if keys and name in cell.parameters and not same(cell.parameters[name], stage.params[name])
    ]


def _is_last(edit: Edit, last: Mapping[str, Any] | None) -> bool:
    """Tell whether the cell holds the value of the stage's last run, so that nobody edited it since."""
    return last is None or (edit.key in last and same(_plain(last[edit.key]), edit.cell))


def _last_params(project: Project) -> Mapping[str, Any]:
    path = project.root / "dvc.lock"
    stages = (read_yaml(path, PipelineError).get("stages") or {}) if path.is_file() else {}
    return {name: (entry.get("params") or {}).get("params.yaml", {}) for name, entry in stages.items()}


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _keep_cells(project: Project) -> list[str]:
    """Write the cells' values to `params.yaml`, its comments kept."""
    from ruamel.yaml import YAML

    edits = [edit for stage in read_pipeline(project).stages.values() for edit in _differences(project, stage)]
    if not edits:
        return []
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 2**31 - 1
    path = project.root / "params.yaml"
    content = yaml.load(path.read_text(encoding="utf-8"))
    for edit in edits:
        *above, last = edit.key.split(".")
        block = content
        for part in above:
            block = block[part]
        block[last] = edit.cell
    draft = path.with_name(".params.yaml.draft")
    with draft.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
    draft.replace(path)
    return ["params.yaml"]


def _write_environment(project: Project) -> None:
    """Write the parameters where bare Ploomber looks for them: `env.yaml` beside `pipeline.yaml`."""
    write_if_changed(project.root / ".nbship" / "env.yaml", render_params(project.params))
    link = project.root / "env.yaml"
    if link.is_symlink() and link.readlink() == Path(".nbship/env.yaml"):
        return
    if link.exists() and not link.is_symlink():
        raise PipelineError(
            "There is an 'env.yaml' beside pipeline.yaml, where nbship puts the parameters for Ploomber. Move its values to params.yaml and delete it."
        )
    link.unlink(missing_ok=True)
    link.symlink_to(Path(".nbship/env.yaml"))


def _dumps(notebook: Mapping[str, Any]) -> str:
    return json.dumps({**notebook, "cells": list(_with_lines(notebook["cells"]))}, indent=1, ensure_ascii=False) + "\n"


def _with_lines(cells: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for cell in cells:
        source = cell.get("source", "")
        yield {**cell, "source": source.splitlines(keepends=True) if isinstance(source, str) else source}
