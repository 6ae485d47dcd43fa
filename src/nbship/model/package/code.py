"""Import the project code of a package from its verified bytes, isolated from installed modules.

The modules get a prefix that is unique to the package, so that an installed version of the project, or the code of
another package, never conflicts. Inside the code, `import shop` imports the packaged module.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from ...errors import PackageError
from ...imports import Imports, follow, read_imports, with_parents

__all__ = ["collect_code", "distributions_in", "distributions_of", "install_code"]

_OWN = __name__.rsplit(".", 3)[0]


def install_code(digest: str, files: Mapping[str, bytes]) -> Mapping[str, str]:
    """Make packaged modules importable; a second call with the same digest does nothing.

    Parameters
    ----------
    digest
        Digest of the package, the source of the prefix.
    files
        Path below `code/` -> source.

    Returns
    -------
    Mapping
        Name of a top-level package in the code -> its name in this process.
    """
    tops = sorted({path.split("/")[0].removesuffix(".py") for path in files})
    if not tops:
        return {}
    prefix = f"_nbship_code_{digest[:16]}"
    if prefix not in sys.modules:
        root = ModuleType(prefix)
        # An empty path makes this a package without a folder: only the finder provides its modules.
        root.__path__ = []
        sys.modules[prefix] = root
        sys.meta_path.append(_Finder(prefix, dict(files), tops))
    return {top: f"{prefix}.{top}" for top in tops}


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    def __init__(self, prefix: str, files: dict[str, bytes], tops: Sequence[str]) -> None:
        self._prefix = prefix
        self._files = files
        # In a wheel, nbship has another name: `import nbship` in packaged code must find that one.
        names = {"nbship": _OWN, **{top: f"{prefix}.{top}" for top in tops}}
        self._builtins = {**vars(builtins), "__import__": _importer(names)}

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        found = self._path(fullname)
        if found is None:
            return self._find_folder(fullname)
        return importlib.machinery.ModuleSpec(
            fullname, self, origin=f"code/{found}", is_package=found.endswith("/__init__.py")
        )

    def _find_folder(self, fullname: str) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a folder without `__init__.py`, a namespace package."""
        folder = f"{fullname.removeprefix(f'{self._prefix}.').replace('.', '/')}/"
        if not fullname.startswith(f"{self._prefix}.") or not any(path.startswith(folder) for path in self._files):
            return None
        return importlib.machinery.ModuleSpec(fullname, None, is_package=True)

    def is_package(self, fullname: str) -> bool:
        return str(self._path(fullname)).endswith("/__init__.py")

    def get_source(self, fullname: str) -> str:
        return self._files[self._path(fullname) or ""].decode()

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.get_source(fullname), f"code/{self._path(fullname)}", "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self._builtins
        exec(self.get_code(module.__name__), vars(module))

    def _path(self, fullname: str) -> str | None:
        if not fullname.startswith(f"{self._prefix}."):
            return None
        stem = fullname.removeprefix(f"{self._prefix}.").replace(".", "/")
        return next((path for path in (f"{stem}/__init__.py", f"{stem}.py") if path in self._files), None)


def _importer(names: Mapping[str, str]) -> Any:
    def isolated(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        # `import shop.features` imports `_nbship_code_<digest>.shop.features` and, like Python, returns `shop`;
        # `from shop import features` returns the attribute `features`, which may be a submodule to import.
        top, dot, rest = name.partition(".")
        if level or top not in names:
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = importlib.import_module(f"{names[top]}{dot}{rest}")
        if not fromlist:
            return importlib.import_module(names[top])
        for wanted in fromlist:
            if not hasattr(module, wanted) and hasattr(module, "__path__"):
                importlib.import_module(f"{module.__name__}.{wanted}")
        return module

    return isolated


def collect_code(types: Sequence[str]) -> Mapping[str, bytes]:
    """Return the project modules that define these types, and the modules that they import, as files of `code/`.

    Parameters
    ----------
    types
        Dotted names. Types of libraries and of nbship are skipped.

    Raises
    ------
    PackageError
        If a type is defined in a notebook, or inside a function.
    """
    for name in types:
        module, _, own = name.rpartition(".")
        if module == "__main__":
            what = "a lambda" if own == "<lambda>" else f"'{own}'"
            raise PackageError(
                f"The model uses {what}, which is defined in the notebook, which a server cannot import. "
                "Move it to a module of the project, and import it."
            )
        imported = sys.modules.get(module)
        if imported is not None and _project_file(module) and not hasattr(imported, own):
            what = "a lambda" if own == "<lambda>" else f"'{own}'"
            raise PackageError(
                f"The model uses {what} of the module '{module}', which is defined inside a function or another expression, and which a server "
                "cannot import. Define it at the top of the module, with a name."
            )
    found, _ = follow([part for name in types for part in with_parents(name.rpartition(".")[0])], _project_imports)
    files = {name: file for name in found if (file := _project_file(name))}
    return {_path_in_code(name, file): file.read_bytes() for name, file in files.items()}


def _path_in_code(name: str, file: Path) -> str:
    return name.replace(".", "/") + ("/__init__.py" if file.name == "__init__.py" else ".py")


def _project_imports(name: str) -> Imports | None:
    file = _project_file(name)
    if file is None:
        return None
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    return read_imports(ast.parse(file.read_bytes()), package=package)


def _project_file(name: str) -> Path | None:
    """Return the file of a project module; None for libraries, the standard library and nbship."""
    if not name or name.partition(".")[0] in {"nbship", _OWN, *sys.stdlib_module_names}:
        return None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin or not spec.has_location:
        return None
    file = Path(spec.origin)
    return None if {"site-packages", "dist-packages"} & set(file.parts) or file.suffix != ".py" else file


def distributions_in(code: Mapping[str, bytes]) -> set[str]:
    """Return the distributions that modules import, except the standard library, nbship and the modules themselves.

    Parameters
    ----------
    code
        Path -> source.
    """
    imported = (read_imports(ast.parse(content)).names for content in code.values())
    names = {name.partition(".")[0] for found in imported for name in found}
    own = {path.split("/")[0].removesuffix(".py") for path in code} | {"nbship"}
    return distributions_of(names - own - set(sys.stdlib_module_names))


def distributions_of(modules: Iterable[str]) -> set[str]:
    """Return the installed distributions that top-level modules belong to."""
    names = set(modules)
    given = _distributions(_folders()) if names else {}
    return {re.sub(r"[-_.]+", "-", given[name][0]).lower() for name in names if name in given}


def _folders() -> tuple[tuple[str, int], ...]:
    """Return the folders of `sys.path`, each with the time of its last installation."""
    return tuple((path, Path(path).stat().st_mtime_ns) for path in sys.path if Path(path).is_dir())


@lru_cache(maxsize=1)
def _distributions(folders: tuple[tuple[str, int], ...]) -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
