"""Copies of the notebooks that hold what a stage is a function of, and nothing else.

Saving a notebook with other outputs, or with other values in its parameters cell, leaves its copy
as it is; so no stage becomes stale.
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

__all__ = ["copy_digest", "copy_path", "copy_text", "strip_notebook", "write_copies"]

_CELL_METADATA = ("tags", "slideshow", "raw_mimetype")
# Names of the parameters cell that are filled in when the stage runs.
_FILLED = [name for name in RESERVED if name != "upstream"]
# Editors write the kernel's name as it is installed there ("Python 3 (ipykernel)"); which Python runs is not theirs to say.
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def copy_path(stage: Stage) -> PurePosixPath:
    """Return where the copy of a stage's notebook lies, relative to the root."""
    return PurePosixPath(".nbship/cache/notebooks") / f"{stage.name}.ipynb"


def strip_notebook(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notebook without outputs, execution counts, editor metadata and injected cells."""
    return {
        "cells": [_strip_cell(cell, place) for place, cell in enumerate(notebook["cells"]) if not is_injected(cell)],
        "metadata": {"kernelspec": _kernel(notebook)},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _kernel(notebook: Mapping[str, Any]) -> Mapping[str, str]:
    language = language_of(notebook).name
    if language == PYTHON:
        return _KERNEL
    return {"display_name": language, "language": language, "name": kernel_name(notebook)}


def _strip_cell(cell: Mapping[str, Any], place: int) -> dict[str, Any]:
    metadata = {key: cell["metadata"][key] for key in _CELL_METADATA if cell.get("metadata", {}).get(key)}
    stripped = {
        "cell_type": cell["cell_type"],
        "id": cell.get("id") or f"cell-{place + 1}",
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

    Values that come from `params.yaml` are blanked in the parameters cell: they are inputs of their
    own. Values that stand in `pipeline.yaml` are filled in: they are part of the code. Which name each
    file and parameter has goes with it: DVC knows files, and would not see two names change places.
    """
    return _copy_text(pipeline, stage, read_content(project.root / stage.notebook, name=str(stage.notebook)))


def copy_digest(project: Project, pipeline: Pipeline, stage: Stage) -> str:
    """Return the md5 of the copy of a stage's notebook, without making one that was made before.

    Raises
    ------
    NotebookError
        If the notebook cannot be read.
    """
    index, path = index_of(project), project.root / stage.notebook
    asked = md5_of_text(json.dumps([_declared(pipeline, stage), _given(stage)], default=repr))
    kept = index.memo.get(f"copy {asked} {index.md5(path)}")
    if isinstance(kept, str):
        return kept
    content = read_content(path, name=str(stage.notebook))
    read = hashlib.md5(content, usedforsecurity=False).hexdigest()
    index.note(path, read)
    found = md5_of_text(_copy_text(pipeline, stage, content))
    index.memo.put(f"copy {asked} {read}", found)
    return found


def _copy_text(pipeline: Pipeline, stage: Stage, content: bytes) -> str:
    notebook = strip_notebook(parse_notebook(content, name=str(stage.notebook)))
    notebook["metadata"]["nbship"] = _declared(pipeline, stage)
    cell = find_parameters(notebook, name=str(stage.notebook))
    if cell is not None:
        given = _given(stage)
        texts = {name: given.get(name, "None") for name in cell.assignments if name in given or name in _FILLED}
        notebook["cells"][cell.index]["source"] = replace_values(cell, texts)
    return render_notebook(notebook)


def _given(stage: Stage) -> dict[str, str]:
    """Return what stands for each parameter: its value, or nothing where that is an input of its own."""
    return {name: "None" if stage.param_keys.get(name) else literal(value) for name, value in stage.params.items()}


def _declared(pipeline: Pipeline, stage: Stage) -> dict[str, Any]:
    return {
        "params": dict(stage.templates),
        "product": {key: str(path) for key, path in stage.products.items()},
        "resources_": {key: str(path) for key, path in stage.resources.items()},
        "upstream": {
            name: {key: str(path) for key, path in pipeline[name].data_products.items()} for name in stage.upstream
        },
    }


def write_copies(project: Project, pipeline: Pipeline) -> list[PurePosixPath]:
    """Write the copies of all notebooks, and the versions of the libraries; files that are the same stay untouched.

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
