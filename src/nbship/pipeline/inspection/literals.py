"""Paths that a notebook's cells name literally, also in parts: `Path("..") / "data" / "a.csv"`."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator

__all__ = ["find_paths"]

_PATH = re.compile(r"[\w.~ /\\:@+=,-]*[./\\][\w.~ /\\:@+=,-]*")
_LONGEST = 300
# Calls that join their arguments to a path, by the last part of their name.
_JOINING = {"Path", "PurePath", "PosixPath", "PurePosixPath", "join", "joinpath"}


def find_paths(trees: Iterable[ast.AST]) -> tuple[str, ...]:
    """Return the texts that could be paths, sorted; text that stands alone, as a docstring does, is none.

    >>> find_paths([ast.parse("read(Path('..') / 'data' / 'a.csv')\\nread(ROOT / 'b' / 'c.csv')")])
    ('../data/a.csv', 'b/c.csv')
    """
    found = {text for tree in trees for text in _texts(tree)}
    return tuple(sorted(text for text in found if len(text) < _LONGEST and _PATH.fullmatch(text) and text.strip("./ ")))


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    elif isinstance(node, ast.JoinedStr):  # its parts are no texts of their own
        for part in node.values:
            yield from _texts(part.value) if isinstance(part, ast.FormattedValue) else ()
    elif parts := _parts(node):
        known, unknown = _split(parts)
        if known:
            yield posixpath.join(*known)
        for part in unknown:
            yield from _texts(part)
    else:
        for inner in ast.iter_child_nodes(node):
            yield from _texts(inner)


def _parts(node: ast.AST) -> list[ast.expr]:
    """Return what an expression joins to a path; empty if it joins nothing."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return [*(_parts(node.left) or [node.left]), *(_parts(node.right) or [node.right])]
    if isinstance(node, ast.Call) and node.args and not node.keywords:
        if isinstance(node.func, ast.Name) and node.func.id in _JOINING:
            return _flat(node.args)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _JOINING:
            return _flat([node.func.value, *node.args] if node.func.attr == "joinpath" else node.args)
    return []


def _flat(nodes: Iterable[ast.expr]) -> list[ast.expr]:
    return [part for node in nodes for part in _parts(node) or [node]]


def _split(parts: list[ast.expr]) -> tuple[list[str], list[ast.expr]]:
    """Return the texts that the path ends in, and the parts before them."""
    known: list[str] = []
    for place, part in reversed(list(enumerate(parts))):
        if not isinstance(part, ast.Constant) or not isinstance(part.value, str):
            return known, parts[: place + 1]
        known.insert(0, part.value)
    return known, []
