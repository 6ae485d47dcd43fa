"""Find the dependencies of a notebook: project modules, libraries, settings.

They are read from the syntax of its cells and of the modules that they import, directly or indirectly. No code is run.
"""

from __future__ import annotations

import ast
import hashlib
import posixpath
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

__all__ = [
    "Dependencies",
    "ProjectModules",
    "changes_search_path",
    "find_imports",
    "find_run_magic",
    "find_settings",
    "parse_cells",
    "reject_run_magic",
]

_RUN = re.compile(r"^\s*%run\b.*", re.MULTILINE)


@dataclass(frozen=True)
class Dependencies:
    """The modules and libraries that a notebook imports, directly or indirectly.

    Attributes
    ----------
    modules
        Files of the project's own modules, relative to the root, sorted.
    libraries
        Top-level names of other imports, without the standard library, sorted.
    imports
        Dotted names of other imports, sorted, including the names after `from … import`, which may not be
        modules.
    """

    modules: tuple[PurePosixPath, ...]
    libraries: tuple[str, ...]
    imports: tuple[str, ...] = ()


class ProjectModules:
    """The project's own modules; each folder is listed once.

    Parameters
    ----------
    project
        The source folder is searched first, then the notebook's folder, in which its kernel starts, then those above it
        (for `sys.path.append("..")`, or a project that is installed in editable mode).
    """

    def __init__(self, project: Project) -> None:
        self._root = project.root
        self._source = project.source
        self._index = index_of(project)
        self._listed: dict[Path, frozenset[str]] = {}
        self._imports: dict[tuple[Path, str], Imports] = {}

    def follow(
        self, imports: Iterable[str], *, folder: PurePosixPath, search_paths: Iterable[str] = ()
    ) -> Dependencies:
        """Return the dependencies of a notebook in `folder` whose cells have these imports.

        Parameters
        ----------
        search_paths
            Paths that the cells may add to `sys.path`.

        Raises
        ------
        PipelineError
            If a module of the project is not valid Python.
        """
        always = (self._source, self._root / folder)
        search = dict.fromkeys([*always, *(self._root / each for each in _search_folders(folder, search_paths))])
        files: dict[str, Path | None] = {}

        def read(name: str) -> Imports | None:
            if name not in files:
                files[name] = next(filter(None, (self._find(name, start) for start in search)), None)
            file = files[name]
            return None if file is None else self._imported_by(file, name)

        found, others = follow(imports, read)
        own = {_top(name) for name in found}
        libraries = {
            name
            for name in others
            if _top(name) not in own and not any(self._has(start, _top(name)) for start in always)
        }
        return _code(self._root, filter(None, map(files.get, found)), libraries)

    def _find(self, name: str, folder: Path) -> Path | None:
        *above, last = name.split(".")
        for part in above:
            if f"{part}/" not in self._list(folder):
                return None
            folder = folder / part
        names = self._list(folder)
        if f"{last}/" in names and "__init__.py" in self._list(folder / last):
            return folder / last / "__init__.py"
        return folder / f"{last}.py" if f"{last}.py" in names else None

    def _has(self, folder: Path, top: str) -> bool:
        """Tell whether a top-level package or module belongs to the project."""
        names = self._list(folder)
        return f"{top}/" in names or f"{top}.py" in names

    def _list(self, folder: Path) -> frozenset[str]:
        if folder not in self._listed:
            self._listed[folder] = self._index.importable_names(folder)
        return self._listed[folder]

    def _imported_by(self, file: Path, name: str) -> Imports:
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        if (file, package) not in self._imports:
            self._imports[file, package] = self._read(file, package)
        return self._imports[file, package]

    def _read(self, file: Path, package: str) -> Imports:
        results = self._index.results
        cached = results.get(f"imports {package} {self._index.md5(file)}")
        if cached is not None:
            return Imports(tuple(cached[0]), cached[1])
        content = file.read_bytes()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        self._index.record(file, md5)
        found = _module_imports(file, content, package)
        results.put(f"imports {package} {md5}", [list(found.names), dict(found.lazy)])
        return found


def _top(name: str) -> str:
    return name.partition(".")[0]


def _search_folders(folder: PurePosixPath, paths: Iterable[str]) -> Iterator[PurePosixPath]:
    """Yield the folders above a notebook's folder, and those inside the project that its paths may refer to."""
    yield from folder.parents
    for path in paths:
        for start in (folder, PurePosixPath()):
            inner = posixpath.normpath(posixpath.join(start, path))
            if inner != ".." and not inner.startswith(("/", "../")):
                yield PurePosixPath(inner)


def _code(root: Path, files: Iterable[Path], others: Iterable[str]) -> Dependencies:
    modules = sorted({PurePosixPath(file.relative_to(root).as_posix()) for file in files})
    imports = sorted(name for name in others if _top(name) not in sys.stdlib_module_names)
    libraries = dict.fromkeys(map(_top, imports))
    return Dependencies(tuple(modules), tuple(sorted(libraries)), tuple(imports))


def find_imports(cells: Iterable[ast.Module]) -> tuple[str, ...]:
    """Return the dotted names that cells import and their parent packages, sorted."""
    return tuple(sorted({name for tree in cells for name in read_imports(tree).names}))


def changes_search_path(cells: Iterable[ast.Module]) -> bool:
    """Tell whether cells may change where Python searches modules."""
    attributes = (node for tree in cells for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return any(ast.unparse(node) in ("sys.path", "site.addsitedir") for node in attributes)


def find_run_magic(notebook: Mapping[str, Any]) -> str:
    """Return the first cell and line with `%run`; empty if there is none."""
    for index, source in code_cells(notebook):
        if found := _RUN.search(source):
            return f"Cell {index + 1} runs '{found[0].strip()}'"
    return ""


def reject_run_magic(run_magic: str, notebook: PurePosixPath) -> None:
    """Reject a notebook in which `find_run_magic` found a line.

    Raises
    ------
    PipelineError
        If there is a line: the dependencies of the other file are not known.
    """
    if run_magic:
        raise PipelineError(
            f"{run_magic} in '{notebook}', but nbship cannot find its dependencies. Move the code to a module and import it."
        )


def find_settings(cells: Iterable[ast.Module]) -> tuple[str, ...]:
    """Return the keys of `nbship.yaml` that cells read with `….settings("key")`, sorted."""
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


def parse_cells(notebook: Mapping[str, Any]) -> Iterator[ast.Module]:
    """Yield the syntax tree of each code cell in Python."""
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
