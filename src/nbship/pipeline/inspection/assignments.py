"""The values that a parameters cell in Python assigns, and their positions in the cell."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import NotebookError, ParameterError
from ...project import Value
from .magics import without_magics

__all__ = ["Assignment", "literal", "read_assignments"]


@dataclass(frozen=True)
class Assignment:
    """One `name = literal`, and the position of its value: lines from 1, columns in UTF-8 bytes."""

    name: str
    value: Any
    start: tuple[int, int]
    end: tuple[int, int]


def read_assignments(source: str, *, name: str) -> Mapping[str, Assignment]:
    """Return the assignments of literals in a parameters cell; `name` is the notebook's name in errors.

    Raises
    ------
    NotebookError
        If the cell is not valid Python.
    ParameterError
        If it sets a name twice, or to a value that is not a literal.
    """
    try:
        body = ast.parse(without_magics(source)).body
    except SyntaxError as cause:
        raise NotebookError(
            f"The parameters cell of '{name}' is not valid Python, line {cause.lineno}: {cause.msg}. Correct it there."
        ) from cause
    found: dict[str, Assignment] = {}
    for statement in body:
        for assignment in _assigned(statement, name=name):
            if assignment.name in found:
                raise ParameterError(
                    f"The parameters cell of '{name}' sets '{assignment.name}' twice. Keep one of the lines."
                )
            found[assignment.name] = assignment
    return found


def _assigned(statement: ast.stmt, *, name: str) -> Iterator[Assignment]:
    if isinstance(statement, ast.Assign):
        targets, value = statement.targets, statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets, value = [statement.target], statement.value
    else:
        return
    for target in targets:
        if not isinstance(target, ast.Name):
            continue
        try:
            found = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as cause:
            raise ParameterError(
                f"The parameters cell of '{name}' gives '{target.id}' the value '{ast.unparse(value)[:60]}', which is not a literal. "
                "Write a number, string, list or mapping, or move the line to another cell."
            ) from cause
        assert value.end_lineno is not None
        assert value.end_col_offset is not None
        start, end = (value.lineno, value.col_offset), (value.end_lineno, value.end_col_offset)
        yield Assignment(target.id, found, start, end)


def literal(value: Value) -> str:
    """Write a value as a Python literal, with strings in double quotes, as formatters do.

    >>> literal({"rate": 0.1, "names": ["a", None, True]})
    '{"rate": 0.1, "names": ["a", None, True]}'
    """
    if isinstance(value, str):
        text = repr(value)
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(key)}: {literal(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(inner) for inner in value) + "]"
    return repr(value)
