"""Names that a package imports at first use, so that importing the package is cheap.

::

    if TYPE_CHECKING:
        from .heavy import work
    else:
        __getattr__ = lazy_names(__name__)

Type checkers, import-linter and `nbship.imports` read the import statements.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(package: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package: it imports the names under `if TYPE_CHECKING` in its `__init__`."""

    @lru_cache(maxsize=1)
    def modules() -> Mapping[str, str]:
        spec = sys.modules[package].__spec__
        source = spec.loader.get_source(package) if spec and spec.loader else None  # type: ignore[attr-defined]
        return {
            alias.asname or alias.name: f"{'.' * statement.level}{statement.module}"
            for node in ast.parse(source or "").body
            if isinstance(node, ast.If)
            for statement in node.body
            if isinstance(statement, ast.ImportFrom) and statement.level
            for alias in statement.names
        }

    def get(name: str) -> Any:
        # The import system and `inspect` look up dunder names, which are never lazy.
        if name.startswith("__") or name not in modules():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(modules()[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    return get
