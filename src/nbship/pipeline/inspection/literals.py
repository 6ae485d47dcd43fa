"""Paths that a notebook's cells name literally, also in parts: `Path("..") / "data" / "a.csv"`."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator

__all__ = ["find_paths", "find_written_paths"]

_PATH = re.compile(r"[\w.~ /\\:@+=,-]*[./\\][\w.~ /\\:@+=,-]*")
_LONGEST = 300
# Other languages are not parsed: quoted text, words outside quotes, and calls that join quoted parts to a path.
_COMMENT = re.compile(r"^\s*(?:#|//|--|%).*$", re.MULTILINE)
_QUOTED = r"""(?:"[^"\n]*"|'[^'\n]*')"""
_TEXT = re.compile(_QUOTED)
_WORD = re.compile(r"[\w.~/@+-]+")
_JOIN = re.compile(rf"\b(?:file\.path|joinpath|here)\(\s*({_QUOTED}(?:\s*,\s*{_QUOTED})*)\s*\)")
# Calls that join their arguments to a path, by the last part of their name.
_JOINING = {"Path", "PurePath", "PosixPath", "PurePosixPath", "join", "joinpath"}


def find_paths(trees: Iterable[ast.AST]) -> tuple[str, ...]:
    """Return the texts that could be paths, sorted; text that stands alone, as a docstring does, is none.

    >>> find_paths([ast.parse("read(Path('..') / 'data' / 'a.csv')\\nread(ROOT / 'b' / 'c.csv')")])
    ('../data/a.csv', 'b/c.csv')
    """
    return _paths(text for tree in trees for text in _texts(tree))


def find_written_paths(sources: Iterable[str]) -> tuple[str, ...]:
    """Return what could be a path in code of another language, sorted; lines that are comments hold none.

    >>> find_written_paths(["# from old/a.csv\\nx <- read.csv(file.path('..', 'data', 'a.csv'))", "sort < ../b.csv"])
    ('../b.csv', '../data/a.csv', 'a.csv', 'file.path', 'read.csv')
    """
    return _paths(text for source in sources for text in _written(_COMMENT.sub("", source)))


def _paths(texts: Iterable[str]) -> tuple[str, ...]:
    found = {text for text in texts if len(text) < _LONGEST and _PATH.fullmatch(text) and text.strip("./ ")}
    return tuple(sorted(found))


def _written(source: str) -> Iterator[str]:
    yield from (quoted[1:-1] for quoted in _TEXT.findall(source))
    yield from _WORD.findall(source)
    for parts in _JOIN.findall(source):
        yield posixpath.join(*(quoted[1:-1] for quoted in _TEXT.findall(parts)))


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
