"""What a notebook says of itself as a stage: its parameters cell, the settings that it reads, its imports."""

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
from .languages import Reading, language_of
from .parameters import ParametersCell, find_parameters

__all__ = ["Facts", "read_facts"]


@dataclass(frozen=True)
class Facts:
    """One notebook, looked into.

    Attributes
    ----------
    md5
        Of the file that was looked into.
    parameters
        Its parameters cell, if it has one.
    language, kernel
        Its language, and the name of the kernel that it asks for.
    reading
        What its cells say.
    """

    md5: str
    parameters: ParametersCell | None
    language: str
    kernel: str
    reading: Reading


def read_facts(project: Project, path: PurePosixPath) -> Facts:
    """Look into a notebook; one whose content was looked into before is not read.

    Raises
    ------
    NotebookError, ParameterError
        If it cannot be a stage.
    """
    index, whole = index_of(project), project.root / path
    md5 = index.md5(whole)
    kept = index.memo.get(f"facts {md5}")
    if kept is not None:
        return _from_json(str(md5), kept)
    content = read_content(whole, name=str(path))
    # The digest of these bytes, not of what was there a moment ago.
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    index.note(whole, md5)
    facts = _facts(md5, parse_notebook(content, name=str(path)), name=str(path))
    index.memo.put(f"facts {md5}", _to_json(facts))
    return facts


def _facts(md5: str, notebook: Mapping[str, Any], *, name: str) -> Facts:
    language = language_of(notebook)
    return Facts(
        md5=md5,
        parameters=find_parameters(notebook, name=name),
        language=language.name,
        kernel=kernel_name(notebook),
        reading=language.read(notebook),
    )


def _to_json(facts: Facts) -> list[Any]:
    cell = facts.parameters
    found = cell and [
        *(cell.index, cell.source, cell.tagged),
        [[each.name, each.value, list(each.start), list(each.end)] for each in cell.assignments.values()],
    ]
    reading = facts.reading
    read = [list(reading.settings), list(reading.imports), list(reading.paths), reading.runs]
    return [found, facts.language, facts.kernel, read]


def _from_json(md5: str, kept: list[Any]) -> Facts:
    found, language, kernel, (settings, imports, paths, runs) = kept
    cell = None
    if found:
        index, source, tagged, assignments = found
        by_name = {
            name: Assignment(name, value, (start[0], start[1]), (end[0], end[1]))
            for name, value, start, end in assignments
        }
        cell = ParametersCell(index, source, tagged, by_name)
    return Facts(md5, cell, language, kernel, Reading(tuple(settings), tuple(imports), tuple(paths), runs))
