"""Read the pipeline from `pipeline.yaml`, `params.yaml` and the parameters cells of the notebooks."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..dvcstore import find_repository
from ..errors import NotebookError, ParameterError, PipelineError
from ..project import Project, Value, read_params, tracked_path, type_problem
from .file_index import FileIndex, index_of
from .graph import suggest, topological
from .inspection import PYTHON, RESERVED, inspect_notebook
from .placeholders import references, resolve, whole_key
from .stages import COPIES_STAGE, Pipeline, Stage
from .validation import reject_clashes

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
        If `pipeline.yaml` is not valid: unknown keys, conflicting products, a cycle.
    ParamsError
        If it has a value that its readers would read differently.
    NotebookError
        If a notebook is missing, or its parameters do not match `pipeline.yaml`.
    """
    index = index_of(project)
    key = _cache_key(project, index)
    if cached := index.objects.get("pipeline"):
        cached_key, notebooks, pipeline = cached
        if cached_key == key and all(index.md5(project.root / path) == md5 for path, md5 in notebooks.items()):
            reject_clashes(project.root, pipeline.stages.values())  # symbolic links may have changed
            return pipeline  # type: ignore[no-any-return]
    notebooks = dict[PurePosixPath, str]()
    pipeline = _read(project, notebooks)
    if key == _cache_key(project, index):
        index.objects["pipeline"] = key, notebooks, pipeline
    return pipeline


def _cache_key(project: Project, index: FileIndex) -> tuple[str | None, str]:
    """Return the inputs of a pipeline, without its notebooks."""
    return index.md5(project.root / "pipeline.yaml"), json.dumps(project.params)


def _read(project: Project, notebooks: dict[PurePosixPath, str]) -> Pipeline:
    """Read the pipeline; the digest of each notebook is added to `notebooks`."""
    path = project.root / "pipeline.yaml"
    if not path.is_file():
        raise PipelineError(f"There is no '{path}'. Create it with a task for each notebook.")
    # Its values are passed on like those of params.yaml, so the same spellings are ambiguous.
    content = read_params(path, error=PipelineError)
    _reject_unknown(content, _TOP_KEYS, where="pipeline.yaml")
    tasks = content.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        raise PipelineError("'pipeline.yaml' has no tasks. List at least one notebook under 'tasks:'.")
    extract = _extract_upstream(content.get("meta") or {})
    stages = [
        _stage(project, task, notebooks, extract=extract, position=position) for position, task in enumerate(tasks, 1)
    ]
    _reject_duplicates(stages)
    order = topological({stage.name: stage.upstream for stage in stages})
    by_name = {stage.name: stage for stage in stages}
    reject_clashes(project.root, stages)
    return Pipeline({name: by_name[name] for name in order})


def _extract_upstream(meta: Any) -> bool:
    if not isinstance(meta, Mapping):
        raise PipelineError("'meta' in pipeline.yaml is not a mapping. Write 'name: value' lines under it.")
    _reject_unknown(meta, _META_KEYS, where="'meta' in pipeline.yaml")
    for key in ("extract_product", "product_relative_to_source", "source_loader", "import_tasks_from"):
        if meta.get(key):
            raise PipelineError(
                f"'meta' in pipeline.yaml has '{key}', which nbship does not support. Remove it, and give every task 'source' and 'product'."
            )
    return bool(meta.get("extract_upstream", True))


def _stage(project: Project, task: Any, notebooks: dict[PurePosixPath, str], *, extract: bool, position: int) -> Stage:
    if not isinstance(task, Mapping):
        raise PipelineError(f"Task {position} in pipeline.yaml is not a mapping. Give it 'source' and 'product'.")
    name = _name(task, position)
    where = f"Task '{name}'"
    _reject_unknown(task, _TASK_KEYS, where=f"{where} in pipeline.yaml")
    source = _notebook(task, where)
    inspection = inspect_notebook(project, source)
    notebooks[source] = inspection.md5
    cell = inspection.parameters
    assigned = cell.assignments if cell else {}
    given = task.get("params") or {}
    if not isinstance(given, Mapping):
        raise PipelineError(f"{where} in pipeline.yaml has 'params' that are not a mapping. Write 'name: value' lines.")
    params = {
        str(key): resolve(value, project.params, where=where) for key, value in given.items() if key not in RESERVED
    }
    if inspection.language == PYTHON:
        _reject_parameters(params, cell.parameters if cell else {}, given, where=where, notebook=str(source))
    else:
        _reject_unreadable(source, inspection.language, kernel=inspection.kernel, extract=extract)
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
        settings=inspection.code.settings,
        possible_paths=inspection.code.paths,
        language=inspection.language,
    )


def _name(task: Mapping[str, Any], position: int) -> str:
    name = task.get("name") or PurePosixPath(str(task.get("source", ""))).stem
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PipelineError(
            f"Task {position} in pipeline.yaml has the name '{name}'. Use letters, digits, '-' and '_', beginning with a letter."
        )
    if name == COPIES_STAGE:
        raise PipelineError(
            f"Task {position} in pipeline.yaml is called '{name}', which is the name of nbship's own stage. Use another name."
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
    if not isinstance(path, str) or pure.is_absolute() or ".." in pure.parts or pure == PurePosixPath():
        raise PipelineError(
            f"{where} in pipeline.yaml has the {what} '{path}', which is not a path inside the project. Write a path relative to the project's root."
        )
    return pure


def _products(task: Mapping[str, Any], params: Mapping[str, Value], where: str) -> Mapping[str, PurePosixPath]:
    product = resolve(task.get("product"), params, where=where)
    if isinstance(product, str):
        product = {"nb": product}
    if not isinstance(product, dict) or not product:
        raise PipelineError(
            f"{where} in pipeline.yaml has no 'product'. Give at least the path of the executed notebook: 'product: {{nb: products/x.ipynb}}'."
        )
    return {str(key): _inside(path, where, "product") for key, path in product.items()}


def _notebook_keys(task: Mapping[str, Any], products: Mapping[str, PurePosixPath], where: str) -> tuple[str, ...]:
    keys = task.get("nb_product_key", "nb")
    keys = (keys,) if isinstance(keys, str) else tuple(keys) if isinstance(keys, list) else (str(keys),)
    for key in keys:
        if key not in products:
            raise PipelineError(
                f"{where} in pipeline.yaml does not have the product '{key}', the path of its executed notebook. Add it under 'product'."
            )
        if products[key].suffix not in (".ipynb", ".html"):
            raise PipelineError(
                f"{where} in pipeline.yaml has '{products[key]}' as its executed notebook. Use the suffix .ipynb or .html."
            )
    return keys


def _resources(project: Project, given: Mapping[str, Any], where: str) -> Mapping[str, PurePosixPath]:
    resources = resolve(given.get("resources_") or {}, project.params, where=where)
    if not isinstance(resources, dict):
        raise PipelineError(
            f"{where} in pipeline.yaml has 'resources_' that are not a mapping. Write 'name: path' lines."
        )
    return {key: tracked_path(_resource(project, path, where)) for key, path in resources.items()}


def _resource(project: Project, path: object, where: str) -> PurePosixPath:
    """Return the path of a resource as DVC records it: relative to the root if it is inside the repository, else as given."""
    if not isinstance(path, str) or not path:
        raise PipelineError(f"{where} in pipeline.yaml has the resource '{path}', which is not a path. Write a string.")
    absolute = Path(os.path.normpath(project.root / path))
    if project.root.is_relative_to(absolute):
        raise PipelineError(
            f"{where} in pipeline.yaml has the resource '{path}', which contains the project. Name the file or folder that it reads."
        )
    if absolute.is_relative_to(find_repository(project.root) or project.root):
        return PurePosixPath(os.path.relpath(absolute, project.root))
    return PurePosixPath(os.path.normpath(path))


def _upstream(task: Mapping[str, Any], assigned: Any, *, extract: bool, where: str, notebook: str) -> tuple[str, ...]:
    cell = f"the parameters cell of {notebook}"
    written = _stage_names(assigned.value if assigned else None, where=where, origin=cell)
    declared = _stage_names(task.get("upstream"), where=where, origin="pipeline.yaml")
    used, unused = (written, declared) if extract and assigned is not None else (declared, written)
    ignored = [name for name in unused if name not in used]
    if ignored:
        right, wrong = (cell, "pipeline.yaml") if extract else ("pipeline.yaml", cell)
        setting = "true" if extract else "false"
        raise PipelineError(
            f"{where} has the upstream '{ignored[0]}' in {wrong}, where `extract_upstream: {setting}` means that it is ignored. "
            f"Write it in {right}."
        )
    return used


def _stage_names(value: Any, *, where: str, origin: str) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else list(value) if isinstance(value, (list, tuple, set, dict)) else None
    if isinstance(value, set):
        names = sorted(value, key=str)  # the order of a set differs between processes
    if value is not None and (names is None or not all(isinstance(name, str) for name in names)):
        raise PipelineError(f"{where} has the upstream {value!r} in {origin}. Write a list of stage names.")
    return tuple(dict.fromkeys(names or ()))


def _reject_unknown(content: Mapping[str, Any], known: Iterable[str], *, where: str) -> None:
    for key in content:
        if key not in known:
            raise PipelineError(f"{where} has the unknown key '{key}'. {suggest(str(key), known)}")


def _reject_parameters(
    params: Mapping[str, Value], declared: Mapping[str, Any], templates: Mapping[str, Any], *, where: str, notebook: str
) -> None:
    for name, value in params.items():
        if name not in declared:
            raise ParameterError(
                f"{where} gives the parameter '{name}', which {notebook} does not have. "
                f"Add '{name} = …' to its parameters cell (`nbship check --fix` does this), or remove it from pipeline.yaml."
            )
        if problem := type_problem(value, declared[name]):
            key = whole_key(templates[name])
            source = f"'{key}' in params.yaml" if key else f"{where} in pipeline.yaml: '{name}'"
            raise ParameterError(
                f"{source} is {problem} as in the parameters cell of {notebook}. Correct it, or change the value in the cell too."
            )
    for name in sorted(set(declared) - set(params)):
        raise ParameterError(
            f"{where} needs parameter '{name}', which {notebook} has in its parameters cell. "
            f"Add it to 'params' in pipeline.yaml, or move the line to another cell."
        )


def _reject_unreadable(notebook: PurePosixPath, language: str, *, kernel: str, extract: bool) -> None:
    """Reject a notebook in another language without a kernel, or whose upstream would have to be read from its code."""
    if not kernel:
        raise NotebookError(
            f"'{notebook}' is in {language}, but has no kernel. Choose a kernel in an editor, and save the notebook."
        )
    if extract:
        raise PipelineError(
            f"'{notebook}' is in {language}, but nbship reads 'upstream' only from Python. "
            "Add `extract_upstream: false` to 'meta' in pipeline.yaml, and add 'upstream' to every task there."
        )


def _reject_duplicates(stages: list[Stage]) -> None:
    seen: set[str] = set()
    for stage in stages:
        if stage.name in seen:
            raise PipelineError(f"Two tasks in pipeline.yaml are called '{stage.name}'. Rename one.")
        seen.add(stage.name)
