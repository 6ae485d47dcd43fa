"""Summarize a notebook's code, by its language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .assignments import Assignment, read_assignments
from .cells import code_cells
from .imports import changes_search_path, find_imports, find_run_magic, find_settings, parse_cells
from .kernels import kernel_language, kernel_name
from .literals import find_paths, find_paths_in_text

__all__ = ["PYTHON", "CodeSummary", "Language", "Other", "Python", "language_of"]

PYTHON = "python"


@dataclass(frozen=True)
class CodeSummary:
    """What nbship reads in the cells of a notebook, without running them.

    Attributes
    ----------
    settings
        Keys of `nbship.yaml` that the cells read.
    imports
        Dotted names that the cells import, sorted.
    paths
        Strings that could be paths, sorted.
    run_magic
        The first line that runs another file with `%run`, and its cell; empty if there is none.
    search_paths
        Those of `paths` that the cells may add to `sys.path`: all, if they change it.
    """

    settings: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    run_magic: str = ""
    search_paths: tuple[str, ...] = ()


class Language(Protocol):
    """A language that notebooks are written in."""

    @property
    def name(self) -> str:
        """The language's name, as the notebook's kernel gives it."""

    def read(self, notebook: Mapping[str, Any]) -> CodeSummary:
        """Read the cells of a notebook."""

    def assignments(self, source: str, *, name: str) -> Mapping[str, Assignment]:
        """Return the assignments of a parameters cell; `name` is the notebook's name in errors."""


@dataclass(frozen=True)
class Python:
    """Python: nbship reads imports, parameters and upstream from the code."""

    name: str = PYTHON

    def read(self, notebook: Mapping[str, Any]) -> CodeSummary:
        """Read the syntax of the cells."""
        cells = list(parse_cells(notebook))
        paths = find_paths(cells)
        return CodeSummary(
            settings=find_settings(cells),
            imports=find_imports(cells),
            paths=paths,
            run_magic=find_run_magic(notebook),
            search_paths=paths if changes_search_path(cells) else (),
        )

    def assignments(self, source: str, *, name: str) -> Mapping[str, Assignment]:
        """Read the cell's literals."""
        return read_assignments(source, name=name)


@dataclass(frozen=True)
class Other:
    """Another language: nbship reads only paths in the code, and `pipeline.yaml` declares the rest."""

    name: str

    def read(self, notebook: Mapping[str, Any]) -> CodeSummary:
        """Find strings that look like paths."""
        return CodeSummary(paths=find_paths_in_text(source for _, source in code_cells(notebook)))

    def assignments(self, source: str, *, name: str) -> Mapping[str, Assignment]:
        """Return no assignments: the values in the cell are defaults for runs by hand."""
        return {}


def language_of(notebook: Mapping[str, Any]) -> Language:
    """Return the language of a notebook, as it or its kernel names it (default: Python).

    >>> language_of({"metadata": {"kernelspec": {"name": "ir", "language": "R"}}})
    Other(name='R')
    >>> language_of({"metadata": {}})
    Python(name='python')
    """
    metadata = notebook.get("metadata") or {}
    name = _text(metadata, "kernelspec", "language") or _text(metadata, "language_info", "name")
    if not name:  # Colab names only the kernel
        kernel = kernel_name(notebook)
        name = (kernel and kernel_language(kernel)) or PYTHON
    return Python() if name.lower() == PYTHON else Other(name)


def _text(metadata: Mapping[str, Any], block: str, key: str) -> str:
    return str((metadata.get(block) or {}).get(key) or "")
