"""What Python code imports, read from its syntax: nothing is run.

Stages, packages and wheels all take along what their code imports; all follow imports by this module.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Imports", "absolute", "follow", "passed_on", "read_imports", "with_parents"]

_TYPE_CHECKING = ("TYPE_CHECKING", "typing.TYPE_CHECKING")


@dataclass(frozen=True)
class Imports:
    """What a module imports.

    Attributes
    ----------
    names
        Dotted names: modules, the packages that they lie in, and what stands after `from … import`, be it a module
        or not. A module that is bound as a whole, so that any of its names may be used, is named `a.b.*` as well.
    passed_on
        Of a package's `__init__`: name that it imports only when it is first used -> its dotted name.
    """

    names: tuple[str, ...]
    passed_on: Mapping[str, str] = field(default_factory=dict)


def read_imports(tree: ast.AST, *, package: str = "") -> Imports:
    """Return what a module imports, wherever in a function the statement stands.

    What stands under `if TYPE_CHECKING` is not imported, unless the module has a `__getattr__` that imports it at
    first use (`nbship.lazy`).

    Parameters
    ----------
    package
        The package that relative imports start from.

    >>> read_imports(ast.parse("import os.path\\nfrom .shop import prices"), package="own").names
    ('os', 'os.*', 'os.path', 'os.path.*', 'own', 'own.shop', 'own.shop.prices', 'own.shop.prices.*')
    """
    names: set[str] = set()
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.update(with_parents(alias.name))
                # `import a.b` binds `a`.
                bound = [alias.name] if alias.asname else with_parents(alias.name)
                names.update(f"{name}.*" for name in bound)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, package)
            names.update(with_parents(base))
            for alias in node.names if base else ():
                names.update([f"{base}.*"] if alias.name == "*" else [f"{base}.{alias.name}", f"{base}.{alias.name}.*"])
        elif isinstance(node, ast.Call) and (name := _named_in_call(node)):
            names.update([*with_parents(name), f"{name}.*"])
    return Imports(tuple(sorted(names)), passed_on(tree, package=package))


def follow(
    names: Iterable[str], read: Callable[[str], Imports | None], *, without: Collection[str] = ()
) -> tuple[set[str], set[str]]:
    """Follow imports through all modules that `read` knows.

    Parameters
    ----------
    names
        Where to begin, named as in `Imports.names`.
    read
        Returns what a module imports; None for a name that is no module, or not one to follow.
    without
        Modules to leave out.

    Returns
    -------
    set, set
        The modules found, and the names that are none.
    """
    waiting, seen = list(names), set[str](without)
    found, others = set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        base, _, last = name.rpartition(".")
        if last == "*":
            waiting += _all_passed_on(read(base))
            continue
        imports = read(name)
        if imports is not None:
            found.add(name)
            waiting += imports.names
        elif base and (package := read(base)) is not None:
            if last in package.passed_on:
                waiting += with_parents(package.passed_on[last])
        else:
            others.add(name)
    return found, others


def with_parents(name: str) -> list[str]:
    """Return a dotted name after all packages that it lies in.

    >>> with_parents("a.b.c")
    ['a', 'a.b', 'a.b.c']
    """
    parts = name.split(".") if name else []
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the dotted name of the module that `from … import` names, in a module of `package`."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _all_passed_on(package: Imports | None) -> Iterator[str]:
    for name in package.passed_on.values() if package else ():
        yield from with_parents(name)


def passed_on(tree: ast.AST, *, package: str, eager: bool = False) -> dict[str, str]:
    """Return the names that a package's `__init__` imports at first use: name -> its dotted name.

    Parameters
    ----------
    eager
        Take those that it imports at once, too.
    """
    body = getattr(tree, "body", [])
    blocks = [node for node in body if isinstance(node, ast.If) and _is_type_checking(node)]
    lazy = any(_is_getattr(node) for block in blocks for node in block.orelse)
    nodes = [node for block in (blocks if lazy else ()) for node in block.body]
    return {
        alias.asname or alias.name: f"{absolute(node, package)}.{alias.name}"
        for node in [*(body if eager else ()), *nodes]
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }


def _is_getattr(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id == "__getattr__" for target in targets)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk the tree without what stands under `if TYPE_CHECKING`."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and _is_type_checking(node):
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def _is_type_checking(node: ast.If) -> bool:
    return ast.unparse(node.test) in _TYPE_CHECKING


def _named_in_call(call: ast.Call) -> str:
    """Return the module of `import_module("name")`, in any spelling; empty for other calls."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    name = call.args[0] if len(call.args) == 1 and not call.keywords else None
    if function not in ("import_module", "__import__") or not isinstance(name, ast.Constant):
        return ""
    return name.value if isinstance(name.value, str) and not name.value.startswith(".") else ""
