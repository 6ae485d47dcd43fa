"""What a notebook depends on: the project's modules that it imports, libraries, settings.

Found without running anything: from the syntax of its cells and of every module that they import,
followed through their imports, wherever in a function these stand.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import PipelineError
from ...imports import Imports, follow, read_imports
from ...project import Project
from ..file_index import index_of
from .cells import code_cells
from .magics import parse_cell

__all__ = ["Code", "Sources", "cell_imports", "find_run", "parsed_cells", "refuse_run", "settings_read"]

_RUN = re.compile(r"^\s*%run\b.*", re.MULTILINE)


@dataclass(frozen=True)
class Code:
    """What a notebook imports.

    Attributes
    ----------
    modules
        Files of the project's own modules, relative to the root, sorted.
    libraries
        Top-level names of everything else, the standard library left out, sorted.
    imports
        Dotted names of everything else, as the import statements name it, sorted; what stands after
        `from … import` is among them, be it a module or not.
    """

    modules: tuple[PurePosixPath, ...]
    libraries: tuple[str, ...]
    imports: tuple[str, ...] = ()


class Sources:
    """The project's own modules, as one look at its folders finds them.

    Parameters
    ----------
    project
        Its source folder is searched first, then the folder that a notebook lies in, where its kernel starts.
    """

    def __init__(self, project: Project) -> None:
        self._root = project.root
        self._source = project.source
        self._index = index_of(project)
        self._listed: dict[Path, frozenset[str]] = {}
        self._imports: dict[tuple[Path, str], Imports] = {}

    def follow(self, imports: Iterable[str], *, folder: PurePosixPath) -> Code:
        """Find what a notebook that lies in `folder` depends on, from what its cells import.

        Raises
        ------
        PipelineError
            If a module of the project is not valid Python.
        """
        search = (self._source, self._root / folder)
        files: dict[str, Path | None] = {}

        def read(name: str) -> Imports | None:
            if name not in files:
                files[name] = next(filter(None, (self._find(name, place) for place in search)), None)
            file = files[name]
            return None if file is None else self._imported_by(file, name)

        found, others = follow(imports, read)
        libraries = {name for name in others if not any(self._has(place, name.partition(".")[0]) for place in search)}
        return _code(self._root, filter(None, map(files.get, found)), libraries)

    def _find(self, name: str, place: Path) -> Path | None:
        *above, last = name.split(".")
        for part in above:
            if f"{part}/" not in self._list(place):
                return None
            place = place / part
        names = self._list(place)
        if f"{last}/" in names and "__init__.py" in self._list(place / last):
            return place / last / "__init__.py"
        return place / f"{last}.py" if f"{last}.py" in names else None

    def _has(self, place: Path, top: str) -> bool:
        """Tell whether a name lies in a package of the project (where it is no module, but a name in one)."""
        names = self._list(place)
        return f"{top}/" in names or f"{top}.py" in names

    def _list(self, folder: Path) -> frozenset[str]:
        if folder not in self._listed:
            self._listed[folder] = self._index.code_in(folder)
        return self._listed[folder]

    def _imported_by(self, file: Path, name: str) -> Imports:
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        if (file, package) not in self._imports:
            self._imports[file, package] = self._read(file, package)
        return self._imports[file, package]

    def _read(self, file: Path, package: str) -> Imports:
        memo = self._index.memo
        kept = memo.get(f"imports {package} {self._index.md5(file)}")
        if kept is not None:
            return Imports(tuple(kept[0]), kept[1])
        content = file.read_bytes()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        self._index.note(file, md5)
        found = _module_imports(file, content, package)
        memo.put(f"imports {package} {md5}", [list(found.names), dict(found.lazy)])
        return found


def _code(root: Path, files: Iterable[Path], others: Iterable[str]) -> Code:
    modules = sorted(PurePosixPath(file.relative_to(root).as_posix()) for file in files)
    imports = sorted(name for name in others if name.partition(".")[0] not in sys.stdlib_module_names)
    libraries = dict.fromkeys(name.partition(".")[0] for name in imports)
    return Code(tuple(modules), tuple(sorted(libraries)), tuple(imports))


def cell_imports(cells: Iterable[ast.Module]) -> tuple[str, ...]:
    """Return the dotted names that cells import, sorted, with the packages that they lie in."""
    return tuple(sorted({name for tree in cells for name in read_imports(tree).names}))


def find_run(notebook: Mapping[str, Any]) -> str:
    """Return the cell and line that runs another file by `%run`; empty if none does."""
    for index, source in code_cells(notebook):
        if found := _RUN.search(source):
            return f"Cell {index + 1} says '{found[0].strip()}'"
    return ""


def refuse_run(runs: str, notebook: PurePosixPath) -> None:
    """Refuse what `find_run` found.

    Raises
    ------
    PipelineError
        Since nothing tells what the other file depends on.
    """
    if runs:
        raise PipelineError(
            f"{runs} in '{notebook}', and nbship cannot tell what that depends on. Move the code to a module and import it."
        )


def settings_read(cells: Iterable[ast.Module]) -> tuple[str, ...]:
    """Return the keys of `nbship.yaml` that cells read by `….settings("key")`, sorted."""
    found = {
        node.args[0].value
        for tree in cells
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "settings"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }
    return tuple(sorted(found))


def parsed_cells(notebook: Mapping[str, Any]) -> Iterator[ast.Module]:
    """Yield the syntax of each code cell that is Python."""
    for _, source in code_cells(notebook):
        tree = parse_cell(source)
        if tree is not None:
            yield tree


def _module_imports(file: Path, content: bytes, package: str) -> Imports:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise PipelineError(
            f"'{file.name}' in '{file.parent.name}'{line} is not valid Python: {error}. Correct it there."
        ) from error
    return read_imports(tree, package=package)
