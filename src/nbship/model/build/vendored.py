"""The predicting part of nbship: the modules that a wheel takes along.

Found from the imports themselves, so that a new module cannot be forgotten. Packages' `__init__`
are cut down to what goes along: they would pull in the builder.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...errors import PackageError

__all__ = ["runtime_files"]

_ROOT = Path(__file__).parents[2]

# Path -> what loads models that answer in other ways: it stays behind.
_FITTED, _ONNX = "model.backends.sklearn", "model.backends.onnx"
_BEHIND = {"tables": (_FITTED, _ONNX), "onnx": (_FITTED,), "sklearn": (_ONNX,)}


def runtime_files(code: Mapping[str, bytes], *, path: str) -> dict[str, bytes]:
    """Return the modules of nbship that predicting and a package's own code need, with all that these import.

    Parameters
    ----------
    code
        Path below `code/` -> source.
    path
        How the package answers: "tables", "onnx" or "sklearn".

    Raises
    ------
    PackageError
        If the code imports a part of nbship that there is not.
    """
    found: dict[str, bytes] = {}
    waiting = ["predictor", *_parts_used(code)]
    while waiting:
        name = waiting.pop()
        file = _file_of(name)
        if file is None or file in found or name in _BEHIND[path]:
            continue
        found[file] = (_ROOT / file).read_bytes()
        waiting.append(name.rpartition(".")[0])
        if not file.endswith("__init__.py"):
            waiting += _imported(found[file], file)
    return {file: _cut(data, file, found) if file.endswith("__init__.py") else data for file, data in found.items()}


def _parts_used(code: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the modules of nbship that packaged code imports."""
    for path, content in code.items():
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                if name.startswith("nbship."):
                    yield _module_of(name.removeprefix("nbship."), path)


def _module_of(name: str, user: str) -> str:
    """Return the module that defines a dotted name, which may be one that a package's `__init__` passes on."""
    base, _, last = name.rpartition(".")
    if _file_of(name):
        return name
    path = _file_of(base)
    if path is None:
        raise PackageError(f"'code/{user}' imports 'nbship.{name}', which nbship does not have. Correct the import.")
    if path.endswith("__init__.py"):
        for node in ast.walk(ast.parse((_ROOT / path).read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.level == 1 and last in {alias.name for alias in node.names}:
                return f"{base}.{node.module}".lstrip(".")
    return base


def _file_of(name: str) -> str | None:
    place = name.replace(".", "/")
    options = (f"{place}/__init__.py".lstrip("/"), f"{place}.py")
    return next((option for option in options if (_ROOT / option).is_file()), None)


def _imported(source: bytes, path: str) -> Iterator[str]:
    """Yield the modules that a module imports when it runs, by relative imports."""
    package = path.split("/")[:-1]
    for node in _running(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = [*package[: len(package) - node.level + 1], *([node.module] if node.module else [])]
            base = ".".join(parts)
            yield base
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those below `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from _running(child)


def _cut(source: bytes, path: str, found: Mapping[str, bytes]) -> bytes:
    """Return an `__init__` without the imports of modules that stay behind."""
    folder = path.removesuffix("__init__.py")
    kept = [
        node
        for node in ast.parse(source).body
        if not (isinstance(node, ast.ImportFrom) and node.level)
        or (node.level == 1 and f"{folder}{str(node.module).replace('.', '/')}.py" in found)
    ]
    names = {alias.name for node in kept if isinstance(node, ast.ImportFrom) for alias in node.names}
    names |= {t.id for node in kept if isinstance(node, ast.Assign) for t in node.targets if isinstance(t, ast.Name)}
    tree = ast.Module(body=[node for node in kept if not _is_all(node)], type_ignores=[])
    listed = sorted(name for name in names if name not in ("__all__", "annotations"))
    return f"{ast.unparse(tree)}\n\n__all__ = {listed!r}\n".encode()


def _is_all(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)
