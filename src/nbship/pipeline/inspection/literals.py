"""Find paths in the code of a notebook, including those joined from parts: `Path("..") / "data" / "a.csv"`."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator

__all__ = ["find_paths", "find_paths_in_text"]

_PATH = re.compile(r"[\w.~ /\\:@+=,-]*[./\\][\w.~ /\\:@+=,-]*")
_LONGEST = 300
# Other languages are not parsed: paths are searched in quoted strings, bare words, and calls that join quoted parts.
_COMMENT = re.compile(r"^\s*(?:#|//|--|%).*$", re.MULTILINE)
_QUOTED = r"""(?:"[^"\n]*"|'[^'\n]*')"""
_STRING = re.compile(_QUOTED)
_WORD = re.compile(r"[\w.~/@+-]+")
_JOIN = re.compile(rf"\b(?:file\.path|joinpath|here)\(\s*({_QUOTED}(?:\s*,\s*{_QUOTED})*)\s*\)")
# Calls that join their arguments to a path, by the last part of their name.
_JOINING = {"Path", "PurePath", "PosixPath", "PurePosixPath", "join", "joinpath"}


def find_paths(trees: Iterable[ast.AST]) -> tuple[str, ...]:
    """Return strings that could be paths, sorted; docstrings do not count.

    >>> find_paths([ast.parse("read(Path('..') / 'data' / 'a.csv')\\nread(ROOT / 'b' / 'c.csv')")])
    ('../data/a.csv', 'b/c.csv')
    """
    return _paths(text for tree in trees for text in _strings(tree))


def find_paths_in_text(sources: Iterable[str]) -> tuple[str, ...]:
    """Return strings that could be paths in code of another language, sorted; comment lines do not count.

    >>> find_paths_in_text(["# from old/a.csv\\nx <- read.csv(file.path('..', 'data', 'a.csv'))", "sort < ../b.csv"])
    ('../b.csv', '../data/a.csv', 'a.csv', 'file.path', 'read.csv')
    """
    return _paths(text for source in sources for text in _candidates(_COMMENT.sub("", source)))


def _paths(strings: Iterable[str]) -> tuple[str, ...]:
    found = {text for text in strings if len(text) < _LONGEST and _PATH.fullmatch(text) and text.strip("./ ")}
    return tuple(sorted(found))


def _candidates(source: str) -> Iterator[str]:
    yield from (quoted[1:-1] for quoted in _STRING.findall(source))
    yield from _WORD.findall(source)
    for parts in _JOIN.findall(source):
        yield posixpath.join(*(quoted[1:-1] for quoted in _STRING.findall(parts)))


def _strings(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    elif isinstance(node, ast.JoinedStr):  # its constant parts are not whole strings
        for part in node.values:
            yield from _strings(part.value) if isinstance(part, ast.FormattedValue) else ()
    elif parts := _parts(node):
        known, unknown = _split(parts)
        if known:
            yield posixpath.join(*known)
        for part in unknown:
            yield from _strings(part)
    else:
        for inner in ast.iter_child_nodes(node):
            yield from _strings(inner)


def _parts(node: ast.AST) -> list[ast.expr]:
    """Return the parts that an expression joins to a path; empty for other expressions."""
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
    """Return the strings at the end of the path, and the unknown parts before them."""
    known: list[str] = []
    for index, part in reversed(list(enumerate(parts))):
        if not isinstance(part, ast.Constant) or not isinstance(part.value, str):
            return known, parts[: index + 1]
        known.insert(0, part.value)
    return known, []
