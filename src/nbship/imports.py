"""Find what Python code imports from its syntax, without running it.

Stages, packages and wheels use it to find the modules that their code depends on.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Imports", "absolute_name", "follow", "lazy_imports", "read_imports", "with_parents"]

_TYPE_CHECKING = ("TYPE_CHECKING", "typing.TYPE_CHECKING")


@dataclass(frozen=True)
class Imports:
    """The imports of a module.

    Attributes
    ----------
    names
        Dotted names: modules, their parent packages, and the names after `from … import`, which may be modules or
        not. If a module itself is bound, so that any of its names may be used, `a.b.*` is included.
    lazy
        Of a package's `__init__`: names imported at first use (`nbship.lazy`) -> dotted name.
    """

    names: tuple[str, ...]
    lazy: Mapping[str, str] = field(default_factory=dict)


def read_imports(tree: ast.AST, *, package: str = "") -> Imports:
    """Return the imports of a module, including those inside functions.

    Imports under `if TYPE_CHECKING` do not count, unless the module imports them at first use (`nbship.lazy`).

    Parameters
    ----------
    package
        The package in which relative imports are resolved.

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
            base = absolute_name(node, package)
            names.update(with_parents(base))
            for alias in node.names if base else ():
                names.update([f"{base}.*"] if alias.name == "*" else [f"{base}.{alias.name}", f"{base}.{alias.name}.*"])
        elif isinstance(node, ast.Call) and (name := _named_in_call(node)):
            names.update([*with_parents(name), f"{name}.*"])
    return Imports(tuple(sorted(names)), lazy_imports(tree, package=package))


def follow(
    names: Iterable[str], read: Callable[[str], Imports | None], *, without: Collection[str] = ()
) -> tuple[set[str], set[str]]:
    """Follow imports through all modules that `read` knows.

    Parameters
    ----------
    names
        The imports to start from, as in `Imports.names`.
    read
        Returns the imports of a module; None for a name that is not a module, or not to be followed.
    without
        Modules to leave out.

    Returns
    -------
    set, set
        The modules found, and the names that are not modules.
    """
    pending, seen = list(names), set[str](without)
    found, others = set[str](), set[str]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        base, _, last = name.rpartition(".")
        if last == "*":
            pending += _all_lazy(read(base))
            continue
        imports = read(name)
        if imports is not None:
            found.add(name)
            pending += imports.names
        elif base and (package := read(base)) is not None:
            if last in package.lazy:
                pending += with_parents(package.lazy[last])
        else:
            others.add(name)
    return found, others


def with_parents(name: str) -> list[str]:
    """Return a dotted name and its parent packages, outermost first.

    >>> with_parents("a.b.c")
    ['a', 'a.b', 'a.b.c']
    """
    parts = name.split(".") if name else []
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def absolute_name(node: ast.ImportFrom, package: str) -> str:
    """Return the dotted name of the module in `from … import`, in a module of `package`."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _all_lazy(package: Imports | None) -> Iterator[str]:
    for name in package.lazy.values() if package else ():
        yield from with_parents(name)


def lazy_imports(tree: ast.AST, *, package: str, eager: bool = False) -> dict[str, str]:
    """Return the names that a package's `__init__` imports at first use: name -> dotted name.

    Parameters
    ----------
    eager
        Include the names that it imports immediately.
    """
    body = getattr(tree, "body", [])
    blocks = [node for node in body if isinstance(node, ast.If) and _is_type_checking(node)]
    has_getattr = any(_is_getattr(node) for block in blocks for node in block.orelse)
    nodes = [node for block in (blocks if has_getattr else ()) for node in block.body]
    return {
        alias.asname or alias.name: f"{absolute_name(node, package)}.{alias.name}"
        for node in [*(body if eager else ()), *nodes]
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }


def _is_getattr(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id == "__getattr__" for target in targets)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk the tree without the bodies of `if TYPE_CHECKING`."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.If) and _is_type_checking(node):
            pending.extend(node.orelse)
        else:
            pending.extend(ast.iter_child_nodes(node))


def _is_type_checking(node: ast.If) -> bool:
    return ast.unparse(node.test) in _TYPE_CHECKING


def _named_in_call(call: ast.Call) -> str:
    """Return the module of `import_module("name")` or `__import__("name")`; empty for other calls."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    name = call.args[0] if len(call.args) == 1 and not call.keywords else None
    if function not in ("import_module", "__import__") or not isinstance(name, ast.Constant):
        return ""
    return name.value if isinstance(name.value, str) and not name.value.startswith(".") else ""
