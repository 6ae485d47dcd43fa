"""Notebooks as files: their cells, and the parameters cell with its values."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import NotebookError, ParameterError
from ...project import Value
from .magics import without_magics

__all__ = [
    "RESERVED",
    "Assignment",
    "ParametersCell",
    "code_cells",
    "find_parameters",
    "literal",
    "parse_notebook",
    "read_content",
    "read_notebook",
    "replace_values",
    "source_of",
]

# Names in the parameters cell that Ploomber fills in and that are no parameters.
RESERVED = ("upstream", "product", "resources_")
_INJECTED = {"injected-parameters", "debugging-settings"}
_FIRST_LINE = re.compile(r"\s*#\s*parameters\s*(\n|$)")


@dataclass(frozen=True)
class Assignment:
    """One `name = literal` and where its value stands: lines from 1, columns in UTF-8 bytes."""

    name: str
    value: Any
    start: tuple[int, int]
    end: tuple[int, int]


@dataclass(frozen=True)
class ParametersCell:
    """The parameters cell of a notebook.

    Attributes
    ----------
    index
        Its place among the notebook's cells.
    tagged
        False if only its first line `# parameters` marks it.
    """

    index: int
    source: str
    tagged: bool
    assignments: Mapping[str, Assignment]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters' values, without `upstream`, `product` and `resources_`."""
        return {name: found.value for name, found in self.assignments.items() if name not in RESERVED}


def read_notebook(path: Path, *, name: str) -> dict[str, Any]:
    """Read a notebook's JSON; `name` is how errors call it.

    Raises
    ------
    NotebookError
        If it is missing, not a notebook of format 4, or not in Python.
    """
    return parse_notebook(read_content(path, name=name), name=name)


def read_content(path: Path, *, name: str) -> bytes:
    """Read the bytes of a notebook's file; `name` is how errors call it.

    Raises
    ------
    NotebookError
        If it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as cause:
        raise NotebookError(f"The notebook '{name}' does not exist. Create it, or correct its path.") from cause
    except OSError as cause:
        raise NotebookError(f"'{name}' cannot be read as a notebook: {cause}. Save it again in an editor.") from cause


def parse_notebook(content: bytes, *, name: str) -> dict[str, Any]:
    """Read the content of a notebook's file; `name` is how errors call it.

    Raises
    ------
    NotebookError
        If it is not a notebook of format 4, or not in Python.
    """
    try:
        notebook: dict[str, Any] = json.loads(content.decode())
    except (UnicodeDecodeError, ValueError, RecursionError) as cause:
        raise NotebookError(f"'{name}' cannot be read as a notebook: {cause}. Save it again in an editor.") from cause
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or notebook.get("nbformat") != 4 or not all(map(_is_cell, cells)):
        raise NotebookError(f"'{name}' is not a notebook of format 4. Save it again in a current editor.")
    kernel = ((notebook.get("metadata") or {}).get("kernelspec") or {}).get("language") or "python"
    if str(kernel).lower() != "python":
        raise NotebookError(f"'{name}' is a notebook in {kernel}, and stages are Python. Choose a Python kernel in it.")
    return notebook


def _is_cell(cell: object) -> bool:
    return isinstance(cell, dict) and isinstance(cell.get("cell_type"), str)


def source_of(cell: Mapping[str, Any]) -> str:
    """Return a cell's source as one text, however it is stored."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def tags_of(cell: Mapping[str, Any]) -> list[str]:
    """Return a cell's tags."""
    return list((cell.get("metadata") or {}).get("tags") or ())


def is_injected(cell: Mapping[str, Any]) -> bool:
    """Tell whether an earlier run put this cell in."""
    return not _INJECTED.isdisjoint(tags_of(cell))


def code_cells(notebook: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield index and source of each code cell that a person wrote."""
    for index, cell in enumerate(notebook["cells"]):
        if cell.get("cell_type") == "code" and not is_injected(cell):
            yield index, source_of(cell)


def find_parameters(notebook: Mapping[str, Any], *, name: str) -> ParametersCell | None:
    """Find the parameters cell: tagged `parameters`, or beginning with the line `# parameters`.

    Raises
    ------
    ParameterError
        If there are two, or it holds a parameter twice or with a value that is not a literal.
    """
    code = list(code_cells(notebook))
    tagged = [(index, source) for index, source in code if "parameters" in tags_of(notebook["cells"][index])]
    found = tagged or [(index, source) for index, source in code if _FIRST_LINE.match(source)]
    if not found:
        return None
    if len(found) > 1:
        places = " and ".join(str(index + 1) for index, _ in found)
        raise ParameterError(f"'{name}' has more than one parameters cell (cells {places}). Keep one of them.")
    index, source = found[0]
    return ParametersCell(index, source, bool(tagged), _assignments(source, name=name))


def _assignments(source: str, *, name: str) -> Mapping[str, Assignment]:
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
                "Write a number, text, list or mapping, or move the line to another cell."
            ) from cause
        assert value.end_lineno is not None
        assert value.end_col_offset is not None
        start, end = (value.lineno, value.col_offset), (value.end_lineno, value.end_col_offset)
        yield Assignment(target.id, found, start, end)


def replace_values(cell: ParametersCell, texts: Mapping[str, str]) -> str:
    """Return the cell's source with other texts for some values; all else stays as it was."""
    lines = [line.encode() for line in cell.source.split("\n")]
    places = sorted(((cell.assignments[name], text) for name, text in texts.items()), key=lambda place: place[0].start)
    for found, text in reversed(places):
        (first, left), (last, right) = found.start, found.end
        merged = lines[first - 1][:left] + text.encode() + lines[last - 1][right:]
        lines[first - 1 : last] = [merged]
    return b"\n".join(lines).decode()


def literal(value: Value) -> str:
    """Write a value as a Python literal, text in double quotes as formatters do.

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
