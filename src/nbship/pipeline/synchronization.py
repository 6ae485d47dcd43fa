"""Keep generated content current: `dvc.yaml`, parameters for Ploomber, parameters cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atomic_write import replacing, write_if_changed, write_whole
from ..dvcstore import create_empty_folders, read_lock
from ..errors import PipelineError
from ..file_locks import changing
from ..project import Project, Value, render_params, same
from .copies import copy_path, strip_notebook, write_copies
from .dvc_yaml import derive, reject_hand_written, render
from .file_index import index_of
from .inspection import find_parameters, inspect_notebook, literal, read_notebook, render_notebook, replace_values
from .placeholders import resolve, whole_key
from .plan import Plan
from .ploomber import validate
from .spec import Pipeline, Stage, read_pipeline

__all__ = ["Edit", "SyncResult", "check_current", "strip_in_place", "sync"]


@dataclass(frozen=True)
class Edit:
    """A value in a parameters cell that differs from `params.yaml`.

    Attributes
    ----------
    template
        The value in pipeline.yaml, such as `"{{train.seed}}"`.
    """

    stage: str
    notebook: str
    name: str
    template: Any
    cell: Value
    params: Value

    @property
    def key(self) -> str | None:
        """The dotted key of `params.yaml`, if the whole value is one placeholder."""
        return whole_key(self.template)

    def __str__(self) -> str:
        source = f"'{self.key}' in params.yaml" if self.key else f"'{self.template}' in pipeline.yaml"
        return f"'{self.name}' is {literal(self.cell)} in {self.notebook}, but {source} is {literal(self.params)}"


@dataclass
class SyncResult:
    """The files that `sync` wrote, and the edited values in parameters cells that it did not change."""

    written: list[str] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)


def sync(
    project: Project,
    *,
    prefer: str | None = None,
    check_with_ploomber: bool = True,
    plans: tuple[Pipeline, Mapping[str, Plan]] | None = None,
) -> SyncResult:
    """Write `dvc.yaml`, `.nbship/env.yaml` and the values of the parameters cells, unless they are current.

    A value in a cell that equals the value of the last run is replaced by the new value of `params.yaml`. Another
    value was edited, and is kept, unless `prefer` names the side to use: "notebook" or "params".

        last run 0.5, params.yaml 0.7, cell 0.5  ->  the cell becomes 0.7
        last run 0.5, params.yaml 0.7, cell 0.6  ->  the cell keeps 0.6, and the edit is returned

    Parameters
    ----------
    check_with_ploomber
        Validate a changed pipeline with Ploomber's own reader, which takes seconds.
    plans
        The current pipeline and its plans, if they are known.

    Raises
    ------
    PipelineError, NotebookError, ParamsError
        If the pipeline cannot be read, Ploomber does not accept it, or `dvc.yaml` holds what nbship would delete.
    """
    result = SyncResult()
    if prefer == "notebook":
        result.written += _copy_cells_to_params(project)
        project, plans = Project(project.root, project.settings), None
    pipeline, planned = plans or (read_pipeline(project), None)
    create_empty_folders(
        project.root, (path for stage in pipeline.stages.values() for path in stage.resources.values())
    )
    path, derived = project.root / "dvc.yaml", render(derive(project, pipeline, planned))
    if not path.is_file() or path.read_bytes() != derived.encode():
        reject_hand_written(path)
    edits = [edit for stage in pipeline.stages.values() for edit in _differences(project, stage)]
    last = _last_params(project) if edits else {}
    for stage in pipeline.stages.values():
        here = [edit for edit in edits if edit.stage == stage.name]
        kept = [edit for edit in here if prefer != "params" and not _is_last(edit, last.get(stage.name))]
        result.edits += kept
        if changed := {edit.name: literal(edit.params) for edit in here if edit not in kept}:
            _write_cell(project, stage, changed)
            result.written.append(str(stage.notebook))
    if write_if_changed(path, derived):
        result.written.append("dvc.yaml")
    _write_environment(project)
    write_copies_if_absent(project, pipeline)
    if check_with_ploomber:
        validate(project, pipeline)
    index_of(project).save()
    return result


def check_current(project: Project) -> list[Edit]:
    """Check that `dvc.yaml` is current; return the values in parameters cells that differ.

    Raises
    ------
    PipelineError
        If `dvc.yaml` is not current.
    """
    pipeline = read_pipeline(project)
    path = project.root / "dvc.yaml"
    if not path.is_file() or path.read_bytes() != render(derive(project, pipeline)).encode():
        raise PipelineError(
            "'dvc.yaml' does not match pipeline.yaml and the notebooks. Run `nbship sync` and commit it."
        )
    _write_environment(project)  # ignored by Git, so a new clone does not have it, and Ploomber reads it
    validate(project, pipeline)
    return [edit for stage in pipeline.stages.values() for edit in _differences(project, stage)]


def strip_in_place(project: Project) -> list[str]:
    """Strip outputs and editor metadata from the pipeline's notebooks; return those that were changed."""
    stripped = []
    notebooks = {*read_pipeline(project).notebooks, *project.settings.monitoring.notebooks}
    for name in sorted(map(str, notebooks)):
        path = project.root / name
        if not path.is_file():
            continue
        with changing(path) as path:
            if write_if_changed(path, render_notebook(strip_notebook(read_notebook(path, name=name)), lines=True)):
                stripped.append(name)
    return stripped


def write_copies_if_absent(project: Project, pipeline: Pipeline) -> None:
    """Write the copies of the notebooks if they are missing, as in a new clone, for tools that are run by hand."""
    if not all((project.root / copy_path(stage)).is_file() for stage in pipeline.stages.values()):
        write_copies(project, pipeline)


def _write_cell(project: Project, stage: Stage, texts: Mapping[str, str]) -> None:
    path = project.root / stage.notebook
    with changing(path) as path:
        notebook = read_notebook(path, name=str(stage.notebook))
        cell = find_parameters(notebook, name=str(stage.notebook))
        assert cell is not None
        notebook["cells"][cell.index]["source"] = replace_values(cell, texts)
        write_if_changed(path, render_notebook(notebook, lines=True, sort_keys=False))


def _differences(project: Project, stage: Stage) -> list[Edit]:
    cell = inspect_notebook(project, stage.notebook).parameters
    if cell is None:
        return []
    return [
        Edit(stage.name, str(stage.notebook), name, stage.templates[name], cell.parameters[name], stage.params[name])
        for name, keys in stage.param_keys.items()
        if keys and name in cell.parameters and not same(cell.parameters[name], stage.params[name])
    ]


def _is_last(edit: Edit, last: Mapping[str, Any] | None) -> bool:
    """Tell whether the cell has the value of the last run, so that it was not edited."""
    if last is None:
        return True
    try:
        return same(resolve(edit.template, last, where=edit.stage), edit.cell)
    except PipelineError:
        return False


def _last_params(project: Project) -> Mapping[str, Any]:
    """Return the parameters of each stage's last run, nested as in `params.yaml`."""
    lock = read_lock(project.root / "dvc.lock")
    return {name: _nested((entry.get("params") or {}).get("params.yaml", {})) for name, entry in lock.items()}


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *above, last = key.split(".")
        block = nested
        for part in above:
            block = block.setdefault(part, {})
        block[last] = value
    return nested


def _copy_cells_to_params(project: Project) -> list[str]:
    """Write the values of the cells to `params.yaml`, and keep its comments."""
    from ruamel.yaml import YAML

    edits = [edit for stage in read_pipeline(project).stages.values() for edit in _differences(project, stage)]
    values = _values(edits)
    if not values:
        return []
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 2**31 - 1
    path = project.root / "params.yaml"
    with changing(path) as path:
        content = yaml.load(path.read_text(encoding="utf-8"))
        for key, value in values.items():
            *above, last = key.split(".")
            block = content
            for part in above:
                block = block[part]
            block[last] = value
        with replacing(path, durable=True) as temporary, temporary.open("w", encoding="utf-8") as file:
            yaml.dump(content, file)
    return ["params.yaml"]


def _values(edits: list[Edit]) -> Mapping[str, Value]:
    values: dict[str, Value] = {}
    for edit in edits:
        if edit.key is None:
            raise PipelineError(
                f"{edit}. It is made of several parts and cannot be copied from the notebook. Change params.yaml, then run `nbship sync --from-params`."
            )
        if edit.key in values and not same(values[edit.key], edit.cell):
            raise PipelineError(
                f"Two parameters cells give '{edit.key}' different values, {literal(values[edit.key])} and {literal(edit.cell)}. Make them the same, then run `nbship sync --from-notebook` again."
            )
        values[edit.key] = edit.cell
    return values


def _write_environment(project: Project) -> None:
    """Write the parameters where Ploomber reads them: `env.yaml` beside `pipeline.yaml`."""
    write_if_changed(project.root / ".nbship" / "env.yaml", render_params(project.params))
    ignored = project.root / ".nbship" / ".gitignore"
    if not ignored.exists():
        write_whole(ignored, "# Written by nbship: Git ignores this folder, in every project.\n*\n")
    link = project.root / "env.yaml"
    if link.is_symlink() and link.readlink() == Path(".nbship/env.yaml"):
        return
    if link.exists() and not link.is_symlink():
        raise PipelineError(
            "There is an 'env.yaml' beside pipeline.yaml, where nbship puts the parameters for Ploomber. Move its values to params.yaml and delete it."
        )
    link.unlink(missing_ok=True)
    link.symlink_to(Path(".nbship/env.yaml"))
