"""Copies of the notebooks on which stages depend, without outputs and parameter values.

Saving a notebook with other outputs, or with other values in its parameters cell, does not change its
copy, so no stage becomes stale::

    rate = 0.5  # from params.yaml   ->   rate = None  # from params.yaml    (an input of its own)
    limit = 3                        ->   limit = 3                          (given in pipeline.yaml)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from ..atomic_write import write_if_changed, write_whole
from ..dvcstore import md5_of_text
from ..project import Project
from .file_index import index_of
from .inspection import (
    PYTHON,
    RESERVED,
    find_parameters,
    is_injected,
    kernel_name,
    language_of,
    literal,
    parse_notebook,
    read_content,
    render_notebook,
    replace_values,
    source_of,
)
from .libraries import LIBRARIES, read_libraries
from .spec import Pipeline, Stage

__all__ = ["copy_changes", "copy_digest", "copy_path", "copy_text", "strip_notebook", "write_copies"]

_CELL_METADATA = ("tags", "slideshow", "raw_mimetype")
# Names in the parameters cell whose values are set when the stage runs.
_FILLED = [name for name in RESERVED if name != "upstream"]
# Editors write the display name of their own kernel, such as "Python 3 (ipykernel)"; stages always run with this Python.
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def copy_path(stage: Stage) -> PurePosixPath:
    """Return the path of the copy of a stage's notebook, relative to the root."""
    return PurePosixPath(".nbship/cache/notebooks") / f"{stage.name}.ipynb"


def strip_notebook(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notebook without outputs, execution counts, editor metadata and injected cells."""
    return {
        "cells": [_strip_cell(cell, index) for index, cell in enumerate(notebook["cells"]) if not is_injected(cell)],
        "metadata": {"kernelspec": _kernel(notebook)},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _kernel(notebook: Mapping[str, Any]) -> Mapping[str, str]:
    language = language_of(notebook).name
    if language == PYTHON:
        return _KERNEL
    return {"display_name": language, "language": language, "name": kernel_name(notebook)}


def _strip_cell(cell: Mapping[str, Any], index: int) -> dict[str, Any]:
    metadata = {key: cell["metadata"][key] for key in _CELL_METADATA if cell.get("metadata", {}).get(key)}
    stripped = {
        "cell_type": cell["cell_type"],
        "id": cell.get("id") or f"cell-{index + 1}",
        "metadata": metadata,
        "source": source_of(cell),
    }
    if cell["cell_type"] == "code":
        stripped |= {"execution_count": None, "outputs": []}
    if cell.get("attachments"):
        stripped["attachments"] = cell["attachments"]
    return stripped


def copy_text(project: Project, pipeline: Pipeline, stage: Stage) -> str:
    """Return the copy of a stage's notebook.

    In the parameters cell, values from `params.yaml` are replaced by None, because they are inputs of their own, and
    values from `pipeline.yaml` are inserted, because they are part of the code. The metadata hold the name of each
    file and parameter: DVC compares files only, and would not notice that two names were swapped.
    """
    return _copy_text(pipeline, stage, read_content(project.root / stage.notebook, name=str(stage.notebook)))


def copy_changes(project: Project, pipeline: Pipeline, stage: Stage, *, recorded: str | None) -> list[str]:
    """Return what differs from the copy of the last run: parts of the task in pipeline.yaml, the notebook.

    Parameters
    ----------
    recorded
        The md5 of the copy in `dvc.lock`. Where the file of the last run is gone, only the notebook is named.
    """
    path = project.root / copy_path(stage)
    if recorded is None or index_of(project).md5(path) != recorded:
        return [f"{stage.notebook} changed"]
    before, now = json.loads(path.read_text(encoding="utf-8")), json.loads(copy_text(project, pipeline, stage))
    old, new = before["metadata"].get("nbship", {}), now["metadata"]["nbship"]
    keys = [key for key in new if old.get(key) != new[key]]
    if "params" in keys:
        for copy in (before, now):  # its parameters cell holds values from pipeline.yaml
            cell = find_parameters(copy, name=str(stage.notebook))
            if cell is not None:
                del copy["cells"][cell.index]
    is_edited = before["cells"] != now["cells"] or not keys
    return [f"'{key}' in pipeline.yaml changed" for key in keys] + [f"{stage.notebook} changed"] * is_edited


def copy_digest(project: Project, pipeline: Pipeline, stage: Stage) -> str:
    """Return the md5 of the copy of a stage's notebook, cached by the content of the notebook.

    Raises
    ------
    NotebookError
        If the notebook cannot be read.
    """
    index, path = index_of(project), project.root / stage.notebook
    key = md5_of_text(json.dumps([_declaration(pipeline, stage), _parameter_literals(stage)], default=repr))
    cached = index.results.get(f"copy {key} {index.md5(path)}")
    if isinstance(cached, str):
        return cached
    content = read_content(path, name=str(stage.notebook))
    read = hashlib.md5(content, usedforsecurity=False).hexdigest()
    index.record(path, read)
    found = md5_of_text(_copy_text(pipeline, stage, content))
    index.results.put(f"copy {key} {read}", found)
    return found


def _copy_text(pipeline: Pipeline, stage: Stage, content: bytes) -> str:
    notebook = strip_notebook(parse_notebook(content, name=str(stage.notebook)))
    notebook["metadata"]["nbship"] = _declaration(pipeline, stage)
    cell = find_parameters(notebook, name=str(stage.notebook))
    if cell is not None:
        literals = _parameter_literals(stage)
        texts = {name: literals.get(name, "None") for name in cell.assignments if name in literals or name in _FILLED}
        notebook["cells"][cell.index]["source"] = replace_values(cell, texts)
    return render_notebook(notebook)


def _parameter_literals(stage: Stage) -> dict[str, str]:
    """Return a literal for each parameter: its value, or None if it comes from `params.yaml`."""
    return {name: "None" if stage.param_keys.get(name) else literal(value) for name, value in stage.params.items()}


def _declaration(pipeline: Pipeline, stage: Stage) -> dict[str, Any]:
    return {
        "params": dict(stage.templates),
        "product": {key: str(path) for key, path in stage.products.items()},
        "resources_": {key: str(path) for key, path in stage.resources.items()},
        "upstream": {
            name: {key: str(path) for key, path in pipeline[name].data_products.items()} for name in stage.upstream
        },
    }


def write_copies(project: Project, pipeline: Pipeline) -> list[PurePosixPath]:
    """Write the copies of all notebooks and the versions of the libraries, unless they are current.

    Returns
    -------
    list
        The files that were written, relative to the root.
    """
    index, written = index_of(project), []
    for stage in pipeline.stages.values():
        path = project.root / copy_path(stage)
        if path.is_symlink() or index.digests.md5(path) != copy_digest(project, pipeline, stage):
            write_whole(path, copy_text(project, pipeline, stage))
            written.append(copy_path(stage))
    if write_if_changed(project.root / LIBRARIES, read_libraries(project).to_json()):
        written.append(LIBRARIES)
    return written
