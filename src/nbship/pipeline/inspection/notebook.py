"""Inspect a notebook for its stage: parameters cell, language, and a summary of its code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ...project import Project
from ..file_index import index_of
from .assignments import Assignment
from .cells import parse_notebook, read_content
from .kernels import kernel_name
from .languages import CodeSummary, language_of
from .parameters import ParametersCell, find_parameters

__all__ = ["Inspection", "inspect_notebook"]


@dataclass(frozen=True)
class Inspection:
    """The result of inspecting a notebook.

    Attributes
    ----------
    md5
        The md5 of the notebook's file.
    parameters
        Its parameters cell, if it has one.
    language, kernel
        Its language, and the name of its kernel.
    code
        A summary of its code.
    """

    md5: str
    parameters: ParametersCell | None
    language: str
    kernel: str
    code: CodeSummary


def inspect_notebook(project: Project, path: PurePosixPath) -> Inspection:
    """Inspect a notebook; the result is cached by the content of the notebook.

    Raises
    ------
    NotebookError, ParameterError
        If it cannot be a stage.
    """
    index, file = index_of(project), project.root / path
    md5 = index.md5(file)
    cached = index.results.get(f"inspection {md5}")
    if cached is not None:
        return _from_json(str(md5), cached)
    content = read_content(file, name=str(path))
    # The file may have changed since its digest was taken.
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    index.record(file, md5)
    inspection = _inspect(md5, parse_notebook(content, name=str(path)), name=str(path))
    index.results.put(f"inspection {md5}", _to_json(inspection))
    return inspection


def _inspect(md5: str, notebook: Mapping[str, Any], *, name: str) -> Inspection:
    language = language_of(notebook)
    return Inspection(
        md5=md5,
        parameters=find_parameters(notebook, name=name),
        language=language.name,
        kernel=kernel_name(notebook),
        code=language.read(notebook),
    )


def _to_json(inspection: Inspection) -> list[Any]:
    cell = inspection.parameters
    found = cell and [
        *(cell.index, cell.source, cell.tagged),
        [[each.name, each.value, list(each.start), list(each.end)] for each in cell.assignments.values()],
    ]
    code = inspection.code
    read = [list(code.settings), list(code.imports), list(code.paths), code.run_magic, list(code.search_paths)]
    return [found, inspection.language, inspection.kernel, read]


def _from_json(md5: str, content: list[Any]) -> Inspection:
    found, language, kernel, (settings, imports, paths, run_magic, search_paths) = content
    cell = None
    if found:
        index, source, tagged, assignments = found
        by_name = {
            name: Assignment(name, value, (start[0], start[1]), (end[0], end[1]))
            for name, value, start, end in assignments
        }
        cell = ParametersCell(index, source, tagged, by_name)
    code = CodeSummary(tuple(settings), tuple(imports), tuple(paths), run_magic, tuple(search_paths))
    return Inspection(md5, cell, language, kernel, code)
