"""The pipeline as `pipeline.yaml`, `params.yaml` and the notebooks' parameters cells describe it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from ..errors import NotebookError, ParameterError, PipelineError
from ..project import Project, Value, read_params
from .file_index import Index, index_of
from .graph import suggest, topological
from .inspection import PYTHON, RESERVED, read_facts
from .placeholders import references, resolve
from .stages import COPIES_STAGE, Pipeline, Stage
from .validation import refuse_clashes

__all__ = ["COPIES_STAGE", "Pipeline", "Stage", "read_pipeline"]

_TOP_KEYS = ("meta", "tasks", "executor", "clients", "config", "serializer", "unserializer", "on_finish", "on_render")
_TASK_KEYS = (
    *("source", "name", "product", "params", "upstream", "class", "nb_product_key", "nbconvert_exporter_name"),
    *("nbconvert_export_kwargs", "local_execution", "executor", "executor_params", "papermill_params"),
    *("kernelspec_name", "static_analysis", "check_if_kernel_installed", "debug_mode", "on_finish", "on_render"),
)
_META_KEYS = (
    *("extract_upstream", "extract_product", "product_default_class", "product_relative_to_source"),
    *("jupyter_hot_reload", "jupyter_functions_as_notebooks", "source_loader", "import_tasks_from"),
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def read_pipeline(project: Project) -> Pipeline:
    """Read a project's pipeline.

    Raises
    ------
    PipelineError
        If `pipeline.yaml` is broken: unknown keys, clashing products, a cycle.
    ParamsError
        If it holds a value that its readers would take differently.
    NotebookError
        If a notebook is missing, or its parameters are not those of `pipeline.yaml`.
    """
    index = index_of(project)
    asked = _question(project, index)
    if kept := index.made.get("pipeline"):
        before, notebooks, pipeline = kept
        if before == asked and all(index.md5(project.root / path) == md5 for path, md5 in notebooks.items()):
            refuse_clashes(project.root, pipeline.stages.values())  # links may lead elsewhere now
            return pipeline  # type: ignore[no-any-return]
    notebooks = dict[PurePosixPath, str]()
    pipeline = _read(project, notebooks)
    if asked == _question(project, index):
        index.made["pipeline"] = asked, notebooks, pipeline
    return pipeline


def _question(project: Project, index: Index) -> tuple[str | None, str]:
    """Return what a pipeline is read from, besides its notebooks."""
    return index.md5(project.root / "pipeline.yaml"), json.dumps(project.params)


def _read(project: Project, notebooks: dict[PurePosixPath, str]) -> Pipeline:
    """Read the pipeline; `notebooks` receives the digest of each as it was read."""
    path = project.root / "pipeline.yaml"
    if not path.is_file():
        raise PipelineError(f"'{path}' cannot be read: there is no such file.")
    # Its values go where those of params.yaml go, and are read by the same readers.
    content = read_params(path, error=PipelineError)
    _refuse_unknown(content, _TOP_KEYS, where="pipeline.yaml")
    tasks = content.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        raise PipelineError("'pipeline.yaml' has no tasks. List at least one notebook under 'tasks:'.")
    extract = _extract_upstream(content.get("meta") or {})
    stages = [_stage(project, task, notebooks, extract=extract, place=place) for place, task in enumerate(tasks, 1)]
    _refuse_twice(stages)
    order = topological({stage.name: stage.upstream for stage in stages})
    by_name = {stage.name: stage for stage in stages}
    refuse_clashes(project.root, stages)
    return Pipeline({name: by_name[name] for name in order})


def _extract_upstream(meta: Any) -> bool:
    if not isinstance(meta, Mapping):
        raise PipelineError("'meta' in pipeline.yaml is not a mapping. Write 'name: value' lines under it.")
    _refuse_unknown(meta, _META_KEYS, where="'meta' in pipeline.yaml")
    for key in ("extract_product", "product_relative_to_source", "source_loader", "import_tasks_from"):
        if meta.get(key):
            raise PipelineError(
                f"'meta' in pipeline.yaml has '{key}', which nbship does not follow. Take it out, and give every task 'source' and 'product'."
            )
    return bool(meta.get("extract_upstream", True))


def _stage(project: Project, task: Any, notebooks: dict[PurePosixPath, str], *, extract: bool, place: int) -> Stage:
    if not isinstance(task, Mapping):
        raise PipelineError(f"Task {place} in pipeline.yaml is not a mapping. Give it 'source' and 'product'.")
    name = _name(task, place)
    where = f"Task '{name}'"
    _refuse_unknown(task, _TASK_KEYS, where=f"{where} in pipeline.yaml")
    source = _notebook(task, where)
    facts = read_facts(project, source)
    notebooks[source] = facts.md5
    cell = facts.parameters
    assigned = cell.assignments if cell else {}
    given = task.get("params") or {}
    if not isinstance(given, Mapping):
        raise PipelineError(f"{where} in pipeline.yaml has 'params' that are not a mapping. Write 'name: value' lines.")
    params = {
        str(key): resolve(value, project.params, where=where) for key, value in given.items() if key not in RESERVED
    }
    if facts.language == PYTHON:
        _refuse_parameters(params, set(cell.parameters) if cell else set(), where=where, notebook=str(source))
    else:
        _refuse_unreadable(source, facts.language, kernel=facts.kernel, extract=extract)
    products = _products(task, project.params, where)
    return Stage(
        name=name,
        notebook=source,
        params=params,
        param_keys={str(key): tuple(references(value)) for key, value in given.items() if key not in RESERVED},
        templates={str(key): value for key, value in given.items() if key not in RESERVED},
        resources=_resources(project, given, where),
        products=products,
        notebook_keys=_notebook_keys(task, products, where),
        upstream=_upstream(task, assigned.get("upstream"), extract=extract, where=where, notebook=str(source)),
        settings=facts.reading.settings,
        mentions=facts.reading.paths,
        language=facts.language,
    )


def _name(task: Mapping[str, Any], place: int) -> str:
    name = task.get("name") or PurePosixPath(str(task.get("source", ""))).stem
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PipelineError(
            f"Task {place} in pipeline.yaml has the name '{name}'. Use letters, digits, '-' and '_', beginning with a letter."
        )
    if name == COPIES_STAGE:
        raise PipelineError(
            f"Task {place} in pipeline.yaml is called '{name}', the name of the stage that nbship makes itself. Use another name."
        )
    return name


def _notebook(task: Mapping[str, Any], where: str) -> PurePosixPath:
    source = task.get("source")
    if not isinstance(source, str) or not source.endswith(".ipynb"):
        raise PipelineError(
            f"{where} in pipeline.yaml has the source '{source}'. Name a notebook, such as notebooks/train.ipynb."
        )
    return _inside(source, where, "source")


def _inside(path: object, where: str, what: str) -> PurePosixPath:
    pure = PurePosixPath(str(path))
    if not isinstance(path, str) or pure.is_absolute() or ".." in pure.parts or pure == PurePosixPath("."):
        raise PipelineError(
            f"{where} in pipeline.yaml has the {what} '{path}', which is not a path inside the project. Give one relative to its root."
        )
    return pure


def _products(task: Mapping[str, Any], params: Mapping[str, Value], where: str) -> Mapping[str, PurePosixPath]:
    product = resolve(task.get("product"), params, where=where)
    if isinstance(product, str):
        product = {"nb": product}
    if not isinstance(product, dict) or not product:
        raise PipelineError(
            f"{where} in pipeline.yaml has no 'product'. Say where its executed notebook goes, as in 'product: {{nb: products/x.ipynb}}'."
        )
    return {str(key): _inside(path, where, "product") for key, path in product.items()}


def _notebook_keys(task: Mapping[str, Any], products: Mapping[str, PurePosixPath], where: str) -> tuple[str, ...]:
    keys = task.get("nb_product_key", "nb")
    keys = (keys,) if isinstance(keys, str) else tuple(keys) if isinstance(keys, list) else (str(keys),)
    for key in keys:
        if key not in products:
            raise PipelineError(
                f"{where} in pipeline.yaml lacks the product '{key}', where its executed notebook goes. Add it under 'product'."
            )
        if products[key].suffix not in (".ipynb", ".html"):
            raise PipelineError(
                f"{where} in pipeline.yaml has '{products[key]}' as its executed notebook. Let it end in .ipynb or .html."
            )
    return keys


def _resources(project: Project, given: Mapping[str, Any], where: str) -> Mapping[str, PurePosixPath]:
    resources = resolve(given.get("resources_") or {}, project.params, where=where)
    if not isinstance(resources, dict):
        raise PipelineError(
            f"{where} in pipeline.yaml has 'resources_' that are not a mapping. Write 'name: path' lines."
        )
    return {key: _inside(path, where, "resource") for key, path in resources.items()}


def _upstream(task: Mapping[str, Any], assigned: Any, *, extract: bool, where: str, notebook: str) -> tuple[str, ...]:
    found = assigned.value if assigned is not None and extract else task.get("upstream")
    if found is None:
        return ()
    names = [found] if isinstance(found, str) else list(found) if isinstance(found, (list, tuple, set, dict)) else None
    if isinstance(found, set):
        names = sorted(found, key=str)  # a set has another order in every process
    if names is None or not all(isinstance(name, str) for name in names):
        place = f"the parameters cell of {notebook}" if extract else "pipeline.yaml"
        raise PipelineError(f"{where} names its upstream as {found!r} in {place}. Write a list of stage names.")
    return tuple(dict.fromkeys(names))


def _refuse_unknown(content: Mapping[str, Any], known: Iterable[str], *, where: str) -> None:
    for key in content:
        if key not in known:
            raise PipelineError(f"{where} has the unknown key '{key}'. {suggest(str(key), known)}")


def _refuse_parameters(params: Mapping[str, Value], declared: set[str], *, where: str, notebook: str) -> None:
    for name in params:
        if name not in declared:
            raise ParameterError(
                f"{where} gives the parameter '{name}', which {notebook} does not have. "
                f"Add '{name} = …' to its parameters cell (`nbship check --fix` does), or take it out of pipeline.yaml."
            )
    for name in sorted(declared - set(params)):
        raise ParameterError(
            f"{where} needs parameter '{name}', which {notebook} has in its parameters cell. "
            f"Give it under 'params' in pipeline.yaml, or move the line to another cell."
        )


def _refuse_unreadable(notebook: PurePosixPath, language: str, *, kernel: str, extract: bool) -> None:
    """Refuse a notebook in another language for which `pipeline.yaml` leaves something to be read from its code."""
    if not kernel:
        raise NotebookError(f"'{notebook}' is in {language} and names no kernel. Choose one in an editor, and save it.")
    if extract:
        raise PipelineError(
            f"'{notebook}' is in {language}, and the upstream of a stage can only be read from Python. "
            "Add `extract_upstream: false` to 'meta' in pipeline.yaml, and give every task its 'upstream' there."
        )


def _refuse_twice(stages: list[Stage]) -> None:
    seen: set[str] = set()
    for stage in stages:
        if stage.name in seen:
            raise PipelineError(f"Two tasks in pipeline.yaml are called '{stage.name}'. Rename one.")
        seen.add(stage.name)
