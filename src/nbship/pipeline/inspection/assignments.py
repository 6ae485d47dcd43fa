"""The values that a parameters cell in Python assigns, and their positions in the cell."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import NotebookError, ParameterError
from ...project import Value
from ...text import one_line
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

    Other code could change a parameter after its value was set. Only imports, magics and docstrings are allowed.

    Raises
    ------
    NotebookError
        If the cell is not valid Python.
    ParameterError
        If it sets a name twice or to a value that is not a literal, sets several names in one statement, or runs other
        code.
    """
    try:
        body = ast.parse(without_magics(source)).body
    except SyntaxError as cause:
        raise NotebookError(
            f"The parameters cell of '{name}' is not valid Python, line {cause.lineno}: {cause.msg}. Correct it there."
        ) from cause
    found: dict[str, Assignment] = {}
    imported: set[str] = set()
    for statement in body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            imported |= {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
        elif (assignment := _assigned(statement, name=name)) is not None:
            if assignment.name in found:
                raise ParameterError(
                    f"The parameters cell of '{name}' sets '{assignment.name}' twice. Keep one of the lines."
                )
            found[assignment.name] = assignment
    if hidden := [each for each in imported if each in found or each == "*"]:
        raise ParameterError(
            f"The parameters cell of '{name}' imports '{hidden[0]}', which may replace a parameter. Move the line to another cell."
        )
    return found


def _assigned(statement: ast.stmt, *, name: str) -> Assignment | None:
    """Return the assignment of a statement; None if it does nothing."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    value = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
    target = targets[0] if targets else statement.target if isinstance(statement, ast.AnnAssign) else None
    if isinstance(target, ast.Name) and len(targets) < 2:
        return None if value is None else _literal(target.id, value, name=name)
    if isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    ):
        return None
    raise ParameterError(
        f"The parameters cell of '{name}' has '{one_line(ast.unparse(statement), most=60)}' in line {statement.lineno}, which is not one `name = value`. "
        "Write one line for each parameter, and move other code to another cell."
    )


def _literal(target: str, value: ast.expr, *, name: str) -> Assignment:
    try:
        found = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as cause:
        raise ParameterError(
            f"The parameters cell of '{name}' gives '{target}' the value '{ast.unparse(value)[:60]}', which is not a literal. "
            "Write a number, string, list or mapping, or move the line to another cell."
        ) from cause
    assert value.end_lineno is not None
    assert value.end_col_offset is not None
    return Assignment(target, found, (value.lineno, value.col_offset), (value.end_lineno, value.end_col_offset))


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
