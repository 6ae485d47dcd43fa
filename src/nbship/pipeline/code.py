"""What a notebook depends on: the project's modules that it imports, libraries, settings.

Found without running anything: from the syntax of its cells and of every module that they import,
followed through their imports, wherever in a function these stand.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import PipelineError
from ..project import Project
from .cells import code_cells
from .magics import parse_cell

__all__ = ["Code", "read_code", "settings_read"]

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


def read_code(project: Project, notebook: Mapping[str, Any], *, folder: PurePosixPath) -> Code:
    """Find what a notebook that lies in `folder` imports, transitively.

    Raises
    ------
    PipelineError
        If a module of the project is not valid Python, or a cell runs another file by `%run`.
    """
    _refuse_run(notebook, folder)
    search = (project.source, project.root / folder)
    waiting = {name for tree in _cells(notebook) for name in _imported(tree, package="")}
    seen: set[str] = set()
    files: set[Path] = set()
    others: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        file = _find(name, search)
        if file is not None:
            files.add(file)
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            waiting |= set(_module_imports(file, file.stat().st_mtime_ns, package))
        elif not _is_local(name, search):
            others.add(name)
    modules = sorted(PurePosixPath(file.relative_to(project.root).as_posix()) for file in files)
    imports = sorted(name for name in others if name.partition(".")[0] not in sys.stdlib_module_names)
    libraries = dict.fromkeys(name.partition(".")[0] for name in imports)
    return Code(tuple(modules), tuple(sorted(libraries)), tuple(imports))


def settings_read(notebook: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of `nbship.yaml` that the notebook reads by `….settings("key")`, sorted."""
    found = {
        node.args[0].value
        for tree in _cells(notebook)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "settings"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }
    return tuple(sorted(found))


def _refuse_run(notebook: Mapping[str, Any], folder: PurePosixPath) -> None:
    for index, source in code_cells(notebook):
        if found := _RUN.search(source):
            raise PipelineError(
                f"Cell {index + 1} of a notebook in '{folder}' says '{found[0].strip()}', and nbship cannot tell what "
                "that depends on. Move the code to a module and import it."
            )


def _cells(notebook: Mapping[str, Any]) -> Iterator[ast.Module]:
    for _, source in code_cells(notebook):
        tree = parse_cell(source)
        if tree is not None:
            yield tree


@lru_cache(maxsize=4096)
def _module_imports(file: Path, mtime: int, package: str) -> tuple[str, ...]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise PipelineError(
            f"'{file.name}' in '{file.parent.name}'{line} is not valid Python: {error}. Correct it there."
        ) from error
    return tuple(_imported(tree, package=package))


def _imported(tree: ast.AST, *, package: str) -> Iterator[str]:
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            yield from _with_parents(base)
            # A name may be a module of the package; one that is not is not found, and dropped.
            yield from (f"{base}.{alias.name}" for alias in node.names if base and alias.name != "*")
        elif isinstance(node, ast.Call):
            yield from _with_parents(_named_in_call(node))


def _named_in_call(call: ast.Call) -> str:
    """Return the module of `import_module("name")`, in any spelling; empty for other calls."""
    function = ast.unparse(call.func).rpartition(".")[2]
    name = call.args[0] if len(call.args) == 1 and not call.keywords else None
    if function not in ("import_module", "__import__") or not isinstance(name, ast.Constant):
        return ""
    return name.value if isinstance(name.value, str) and not name.value.startswith(".") else ""


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk the tree without what stands under `if TYPE_CHECKING:`."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _with_parents(name: str) -> Iterable[str]:
    parts = name.split(".") if name else []
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _find(name: str, search: Iterable[Path]) -> Path | None:
    for folder in search:
        place = folder.joinpath(*name.split("."))
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if file.is_file():
                return file
    return None


def _is_local(name: str, search: Iterable[Path]) -> bool:
    """Tell whether the name lies in a package of the project (where it is no module, but a name in one)."""
    top = name.partition(".")[0]
    return any((folder / top).is_dir() or (folder / f"{top}.py").is_file() for folder in search)
