"""Keep what is generated current: `dvc.yaml`, the parameters for bare Ploomber, the parameters cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atomic_write import replacing, write_if_changed
from ..dvcstore import read_lock
from ..errors import PipelineError
from ..project import Project, Value, render_params, same
from .copies import copy_path, strip_notebook, write_copies
from .dvc_yaml import derive, render
from .file_index import index_of
from .inspection import find_parameters, literal, read_facts, read_notebook, render_notebook, replace_values
from .placeholders import resolve, whole_key
from .plan import Plan
from .ploomber import validate
from .spec import Pipeline, Stage, read_pipeline

__all__ = ["Edit", "SyncResult", "check_current", "strip_in_place", "sync"]


@dataclass(frozen=True)
class Edit:
    """A value in a parameters cell that is not that of `params.yaml`.

    Attributes
    ----------
    template
        What pipeline.yaml says, such as `"{{train.seed}}"`.
    """

    stage: str
    notebook: str
    name: str
    template: Any
    cell: Value
    params: Value

    @property
    def key(self) -> str | None:
        """The dotted key of `params.yaml`, if the parameter is one placeholder and nothing else."""
        return whole_key(self.template)

    def __str__(self) -> str:
        place = f"params.yaml says {self.key}:" if self.key else f"params.yaml makes '{self.template}'"
        return f"{self.notebook} says {self.name} = {literal(self.cell)}, {place} {literal(self.params)}"


@dataclass
class SyncResult:
    """What `sync` wrote, and the values that persons edited in parameters cells, which it left alone."""

    written: list[str] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)


def sync(
    project: Project,
    *,
    prefer: str | None = None,
    ask_ploomber: bool = True,
    plans: tuple[Pipeline, Mapping[str, Plan]] | None = None,
) -> SyncResult:
    """Write `dvc.yaml`, `.nbship/env.yaml` and the values of the parameters cells; what is current stays untouched.

    A cell whose value is that of the last run gets the new value of `params.yaml`. Another value is a
    person's edit, and stays, unless `prefer` says which to keep: "notebook" or "params".

    Parameters
    ----------
    ask_ploomber
        Let Ploomber's own reader judge a changed pipeline, which takes seconds.
    plans
        The pipeline and its plans, where they were made just now.

    Raises
    ------
    PipelineError, NotebookError, ParamsError
        If the pipeline cannot be read, or Ploomber does not accept it.
    """
    result = SyncResult()
    if prefer == "notebook":
        result.written += _keep_cells(project)
        project, plans = Project(project.root, project.settings), None
    pipeline, planned = plans or (read_pipeline(project), None)
    edits = [edit for stage in pipeline.stages.values() for edit in _differences(project, stage)]
    last = _last_params(project) if edits else {}
    for stage in pipeline.stages.values():
        here = [edit for edit in edits if edit.stage == stage.name]
        kept = [edit for edit in here if prefer != "params" and not _is_last(edit, last.get(stage.name))]
        result.edits += kept
        if changed := {edit.name: literal(edit.params) for edit in here if edit not in kept}:
            _write_cell(project, stage, changed)
            result.written.append(str(stage.notebook))
    if write_if_changed(project.root / "dvc.yaml", render(derive(project, pipeline, planned))):
        result.written.append("dvc.yaml")
    _write_environment(project)
    write_copies_if_absent(project, pipeline)
    if ask_ploomber:
        validate(project, pipeline)
    index_of(project).save()
    return result


def check_current(project: Project) -> list[Edit]:
    """Prove that `dvc.yaml` is what the pipeline says; return the values that differ in parameters cells.

    Raises
    ------
    PipelineError
        If it is not.
    """
    pipeline = read_pipeline(project)
    path = project.root / "dvc.yaml"
    if not path.is_file() or path.read_text(encoding="utf-8") != render(derive(project, pipeline)):
        raise PipelineError(
            "'dvc.yaml' is not what pipeline.yaml and the notebooks say. Run `nbship sync` and commit it."
        )
    _write_environment(project)  # Git ignores it, so a clone has none, and Ploomber reads it
    validate(project, pipeline)
    return [edit for stage in pipeline.stages.values() for edit in _differences(project, stage)]


def strip_in_place(project: Project) -> list[str]:
    """Take outputs and editor metadata out of the pipeline's notebooks, and return those that were changed."""
    stripped = []
    notebooks = {*read_pipeline(project).notebooks, project.settings.monitoring.notebook}
    for name in sorted(map(str, notebooks)):
        path = project.root / name
        if path.is_file() and write_if_changed(
            path, render_notebook(strip_notebook(read_notebook(path, name=name)), lines=True)
        ):
            stripped.append(name)
    return stripped


def write_copies_if_absent(project: Project, pipeline: Pipeline) -> None:
    """Write the stripped copies where a clone has none, so that hand-run tools find them."""
    if not all((project.root / copy_path(stage)).is_file() for stage in pipeline.stages.values()):
        write_copies(project, pipeline)


def _write_cell(project: Project, stage: Stage, texts: Mapping[str, str]) -> None:
    path = project.root / stage.notebook
    notebook = read_notebook(path, name=str(stage.notebook))
    cell = find_parameters(notebook, name=str(stage.notebook))
    assert cell is not None
    notebook["cells"][cell.index]["source"] = replace_values(cell, texts)
    write_if_changed(path, render_notebook(notebook, lines=True, sort_keys=False))


def _differences(project: Project, stage: Stage) -> list[Edit]:
    cell = read_facts(project, stage.notebook).parameters
    if cell is None:
        return []
    return [
        Edit(stage.name, str(stage.notebook), name, stage.templates[name], cell.parameters[name], stage.params[name])
        for name, keys in stage.param_keys.items()
        if keys and name in cell.parameters and not same(cell.parameters[name], stage.params[name])
    ]


def _is_last(edit: Edit, last: Mapping[str, Any] | None) -> bool:
    """Tell whether the cell holds the value of the stage's last run, so that nobody edited it since."""
    if last is None:
        return True
    try:
        return same(resolve(edit.template, last, where=edit.stage), edit.cell)
    except PipelineError:
        return False


def _last_params(project: Project) -> Mapping[str, Any]:
    """Return what each stage ran with last, in the shape of `params.yaml`."""
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


def _keep_cells(project: Project) -> list[str]:
    """Write the cells' values to `params.yaml`, its comments kept."""
    from ruamel.yaml import YAML

    edits = [edit for stage in read_pipeline(project).stages.values() for edit in _differences(project, stage)]
    values = _values(edits)
    if not values:
        return []
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 2**31 - 1
    path = project.root / "params.yaml"
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
                f"{edit}: pipeline.yaml makes it of several parts, so it cannot be taken from the notebook. Change params.yaml, then run `nbship sync --from-params`."
            )
        if edit.key in values and not same(values[edit.key], edit.cell):
            raise PipelineError(
                f"Two parameters cells give '{edit.key}' different values, {literal(values[edit.key])} and {literal(edit.cell)}. Make them the same, then run `nbship sync --from-notebook` again."
            )
        values[edit.key] = edit.cell
    return values


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
