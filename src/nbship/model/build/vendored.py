"""The modules of nbship that a package needs for predictions, for its wheel and for MLflow.

They are found by following imports, so that a new module cannot be forgotten. Each `__init__` is reduced to the
imports of included modules; as it is, it would import the code that builds packages.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path

from ...errors import PackageError
from ...imports import Imports, absolute_name, follow, lazy_imports, read_imports

__all__ = ["runtime_files"]

_ROOT = Path(__file__).parents[2]

_TOP = "nbship"
_FITTED, _ONNX = "nbship.model.backends.sklearn", "nbship.model.backends.onnx"
# Backend -> the modules of other backends, which are excluded.
_EXCLUDED = {"tables": (_FITTED, _ONNX), "nodes": (_FITTED, _ONNX), "onnx": (_FITTED,), "sklearn": (_ONNX,)}


def runtime_files(code: Mapping[str, bytes], *, backend: str) -> dict[str, bytes]:
    """Return the modules of nbship that predictions and the packaged code need, with their imports.

    Parameters
    ----------
    code
        Path below `code/` -> source.
    backend
        "tables", "nodes", "onnx" or "sklearn".

    Raises
    ------
    PackageError
        If the code imports a module that nbship does not have.
    """
    used = {file: read_imports(ast.parse(content)).names for file, content in code.items()}
    own = [(file, name) for file, names in used.items() for name in names if name.startswith("nbship.")]
    for file, name in own:
        _check_import(name, file)
    found, _ = follow(["nbship.predictor", *(name for _, name in own)], _read, without=_EXCLUDED[backend])
    files = {file: (_ROOT / file).read_bytes() for file in filter(None, map(_file_of, found))}
    return {file: _reduced(data, file, files) if file.endswith("__init__.py") else data for file, data in files.items()}


def _check_import(name: str, user: str) -> None:
    base = name.removesuffix(".*").rpartition(".")[0]
    if _file_of(name.removesuffix(".*")) is None and _file_of(base) is None:
        raise PackageError(f"'code/{user}' imports '{name}', which nbship does not have. Correct the import.")


@cache  # modules of nbship do not change while the process runs
def _read(name: str) -> Imports | None:
    """Return the imports of a module of nbship. An `__init__` counts only with the names that importers request."""
    file = _file_of(name)
    if file is None:
        return None
    tree = ast.parse((_ROOT / file).read_bytes())
    if not file.endswith("__init__.py"):
        return read_imports(tree, package=name.rpartition(".")[0])
    lazy = [f"{_TOP}.lazy"] if lazy_imports(tree, package=name) else []
    return Imports(tuple(lazy), lazy_imports(tree, package=name, eager=True))


def _file_of(name: str) -> str | None:
    stem = name.removeprefix(_TOP).removeprefix(".").replace(".", "/")
    options = (f"{stem}/__init__.py".lstrip("/"), f"{stem}.py")
    return next((option for option in options if (_ROOT / option).is_file()), None)


def _reduced(source: bytes, path: str, found: Collection[str]) -> bytes:
    """Return an `__init__` without the imports of excluded modules."""
    package = f"{_TOP}.{path}".removesuffix("/__init__.py").removesuffix(".__init__.py").replace("/", ".")

    def is_included(node: ast.stmt) -> bool:
        return not (isinstance(node, ast.ImportFrom) and node.level) or _file_of(absolute_name(node, package)) in found

    body: list[ast.stmt] = []
    names: set[str] = set()
    for node in filter(is_included, ast.parse(source).body):
        if isinstance(node, ast.If):
            node.body = [inner for inner in node.body if is_included(inner)]
            names |= _bound(node.body)
        if not _is_all(node) and not (isinstance(node, ast.If) and not node.body):
            body.append(node)
            names |= _bound([node])
    return f"{ast.unparse(ast.Module(body=body, type_ignores=[]))}\n\n__all__ = {sorted(names)!r}\n".encode()


def _bound(nodes: Iterable[ast.stmt]) -> set[str]:
    """Return the names that relative imports and assignments define."""
    imported = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 1]
    assigned = [node for node in nodes if isinstance(node, ast.Assign)]
    names = {alias.name for node in imported for alias in node.names}
    return names | {target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)}


def _is_all(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)
