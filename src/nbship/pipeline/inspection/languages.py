"""What nbship can read of a notebook's code, by the language that it is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .assignments import Assignment, read_assignments
from .cells import code_cells
from .imports import cell_imports, find_run, parsed_cells, settings_read
from .literals import find_paths, find_written_paths

__all__ = ["PYTHON", "Language", "Other", "Python", "Reading", "language_of"]

PYTHON = "python"


@dataclass(frozen=True)
class Reading:
    """What the cells of a notebook say, read without running them.

    Attributes
    ----------
    settings
        The keys of `nbship.yaml` that they read.
    imports
        Dotted names that they import, sorted.
    paths
        Strings that could be paths, sorted.
    runs
        A line that runs another file by `%run`, with its cell's number; empty if there is none.
    """

    settings: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    runs: str = ""


class Language(Protocol):
    """A language that notebooks are written in."""

    @property
    def name(self) -> str:
        """The language's name, as the notebook's kernel gives it."""

    def read(self, notebook: Mapping[str, Any]) -> Reading:
        """Read the cells of a notebook."""

    def assignments(self, source: str, *, name: str) -> Mapping[str, Assignment]:
        """Return the values that the parameters cell of the notebook `name` assigns."""


@dataclass(frozen=True)
class Python:
    """Python: nbship reads imports, parameters and upstream from the code."""

    name: str = PYTHON

    def read(self, notebook: Mapping[str, Any]) -> Reading:
        """Read the syntax of the cells."""
        cells = list(parsed_cells(notebook))
        return Reading(settings_read(cells), cell_imports(cells), find_paths(cells), find_run(notebook))

    def assignments(self, source: str, *, name: str) -> Mapping[str, Assignment]:
        """Read the cell's literals."""
        return read_assignments(source, name=name)


@dataclass(frozen=True)
class Other:
    """Any other language: nbship reads the paths in the code, and `pipeline.yaml` declares the rest."""

    name: str

    def read(self, notebook: Mapping[str, Any]) -> Reading:
        """Find what looks like a path."""
        return Reading(paths=find_written_paths(source for _, source in code_cells(notebook)))

    def assignments(self, source: str, *, name: str) -> Mapping[str, Assignment]:
        """Return nothing: the cell's values are defaults for work by hand."""
        return {}


def language_of(notebook: Mapping[str, Any]) -> Language:
    """Return the language of a notebook; one that names none is in Python.

    >>> language_of({"metadata": {"kernelspec": {"name": "ir", "language": "R"}}})
    Other(name='R')
    >>> language_of({"metadata": {}})
    Python(name='python')
    """
    metadata = notebook.get("metadata") or {}
    name = _text(metadata, "kernelspec", "language") or _text(metadata, "language_info", "name") or PYTHON
    return Python() if name.lower() == PYTHON else Other(name)


def _text(metadata: Mapping[str, Any], block: str, key: str) -> str:
    return str((metadata.get(block) or {}).get(key) or "")
