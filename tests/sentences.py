"""Every sentence that a user can see, read from the source: `python -m tests.sentences [FOLDER …]` prints them.

`all_remarks` returns what developers read: docstrings and comments.

A sentence is a string of two or more words that is not a docstring, or the docstring of a command, which is its
help. f-strings are shown with their expressions: `Task '{name}' needs …`. Strings below a call of an error class are
errors; those that a name or a helper function brings there are found as the strings that they are.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

__all__ = ["ROOT", "Sentence", "all_remarks", "all_sentences", "error_classes", "raised_classes"]

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "nbship"
FOLDERS = (SOURCE, ROOT / "src" / "flights", ROOT / "notebooks", ROOT / "app")

_ERROR = re.compile(r"([A-Z]\w*(Error|Exception|Exit|Invalid|Failure|Refusal))$")
# Two words in a row, or one word that a punctuation mark ends: names of columns, SQL keywords and paths have neither.
_WORDS = re.compile(r"[A-Za-z'’]{2,}[,;:]? +[A-Za-z'’({]")
_CODE = re.compile(
    r"^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|BEGIN|PRAGMA|WITH|COPY|WHERE|LISTEN|NOTIFY)\b"
    r"|[{;]\s*(?:color|font|padding|margin|border|display)"
)
_Text: TypeAlias = ast.Constant | ast.JoinedStr


@dataclass(frozen=True)
class Sentence:
    """A string that a user can see.

    Attributes
    ----------
    kind
        "error", "warning", "help", "markdown", or "text" for all else.
    where
        The name of the call, dictionary key or keyword that holds the string; an error's class.
    """

    path: str
    line: int
    kind: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}{f' {self.where}' if self.where else ''}: {self.text}"


@cache
def all_sentences(folders: tuple[Path, ...] = FOLDERS) -> list[Sentence]:
    """Return the sentences of Python files and notebooks, by file and line."""
    found: list[Sentence] = []
    for folder in folders:
        paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
        for path in paths:
            if path.suffix == ".py":
                found += sorted(_of_module(path), key=lambda sentence: sentence.line)
            elif path.suffix == ".ipynb" and ".ipynb_checkpoints" not in path.parts:
                found += _of_notebook(path)
    return found


@cache
def all_remarks(folder: Path) -> list[Sentence]:
    """Return the docstrings and comments of the Python files below a folder; code in backticks is left out."""
    found: list[Sentence] = []
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*.py")):
        for line, kind, text in _remarks(path.read_text(encoding="utf-8")):
            found.append(Sentence(_shown(path), line, kind, "", re.sub(r"`[^`]*`", "`…`", text)))
    return found


def _remarks(source: str) -> Iterator[tuple[int, str, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], "comment", token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), "docstring", text


def error_classes() -> set[str]:
    """Return the names of all exceptions that nbship defines."""
    return {
        node.name
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.ClassDef) and node.name.endswith(("Error", "Exception"))
    }


def raised_classes() -> set[str]:
    """Return the names of the exceptions that nbship creates with arguments."""
    return {
        _name(node.func)
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.Call) and _ERROR.search(_name(node.func)) and node.args
    }


def _of_module(path: Path) -> Iterator[Sentence]:
    tree = _parsed(path)
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    shown = _shown(path)
    for node in ast.walk(tree):
        if _is_command(node):
            assert isinstance(node, ast.FunctionDef)
            text = ast.get_docstring(node)
            if text:
                yield Sentence(shown, node.lineno, "help", node.name, text)
        if not isinstance(node, ast.Constant | ast.JoinedStr) or node in docstrings or _inside(node, parents):
            continue
        text = _text(node)
        kind, where = _context(node, parents)
        if kind != "code" and (_WORDS.search(text) or (kind in ("error", "help") and text)) and not _CODE.search(text):
            yield Sentence(shown, node.lineno, kind, where, text)


def _of_notebook(path: Path) -> Iterator[Sentence]:
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], 1):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield Sentence(_shown(path), number, "markdown", "", source)
        else:
            for line in source.splitlines():
                if (comment := line.partition("# ")[2]) and _WORDS.search(comment):
                    yield Sentence(_shown(path), number, "comment", "", comment)


def _context(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> tuple[str, str]:
    """Return the nearest call, keyword, dictionary key or name that holds a string."""
    child, parent, where = node, parents.get(node), ""
    while parent is not None and not isinstance(parent, ast.stmt):
        if isinstance(parent, ast.FormattedValue):
            return "text", where  # a word of another string, not a message of its own
        if isinstance(parent, ast.keyword) and not where:
            where = parent.arg or ""
        if isinstance(parent, ast.Dict) and not where and child in parent.values:
            key = parent.keys[parent.values.index(child)]  # type: ignore[arg-type]
            where = str(key.value) if isinstance(key, ast.Constant) else ""
        if isinstance(parent, ast.Call) and child is not parent.func:
            name = _name(parent.func)
            if _ERROR.search(name) and name not in ("SchemaFailure", "InputFailure"):
                return ("error", name) if not where else ("text", where)
            if name in ("warn", "warning", "exception", "info", "error") and not where:
                return "warning", name
            if where == "help" or name in ("option", "argument", "command", "group"):
                return ("help", name) if where in ("help", "short_help", "epilog") else ("code", where)
            if name in ("compile", "search", "match", "sub", "execute", "executemany", "executescript", "ParseError"):
                return "code", name
            where = where or name
        child, parent = parent, parents.get(parent)
    return "text", where


def _inside(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Return whether users do not see a string: it is part of an f-string, an annotation or an assertion."""
    child, parent = node, parents.get(node)
    while parent is not None:
        if isinstance(parent, ast.JoinedStr) and not isinstance(child, ast.FormattedValue):
            return True
        if isinstance(parent, ast.Assert | ast.AnnAssign) and getattr(parent, "value", None) is not child:
            return True
        child, parent = parent, parents.get(parent)
    return False


def _is_command(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(mark, ast.Call) and _name(mark.func) in ("command", "group") for mark in node.decorator_list
    )


def _text(node: _Text) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    parts = [
        str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"  # type: ignore[attr-defined]
        for part in node.values
    ]
    return "".join(parts)


def _name(function: ast.AST) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _shown(path: Path) -> str:
    return path.resolve().relative_to(ROOT).as_posix()


def main(arguments: Sequence[str]) -> None:
    """Print the sentences below some folders, or all."""
    for sentence in all_sentences(tuple(Path(name).resolve() for name in arguments) or FOLDERS):
        print(sentence)


if __name__ == "__main__":
    main(sys.argv[1:])
