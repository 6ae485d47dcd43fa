"""Notebooks as files, and their cells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import NotebookError

__all__ = [
    "RESERVED",
    "code_cells",
    "is_injected",
    "parse_notebook",
    "read_content",
    "read_notebook",
    "render_notebook",
    "source_of",
    "tags_of",
]

# Names in the parameters cell that are set by Ploomber and are not parameters.
RESERVED = ("upstream", "product", "resources_")
_INJECTED = {"injected-parameters", "debugging-settings"}


def read_notebook(path: Path, *, name: str) -> dict[str, Any]:
    """Read a notebook's JSON; `name` is its name in errors.

    Raises
    ------
    NotebookError
        If it is missing, or not a notebook of format 4.
    """
    return parse_notebook(read_content(path, name=name), name=name)


def read_content(path: Path, *, name: str) -> bytes:
    """Read the bytes of a notebook's file; `name` is its name in errors.

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
    """Read the content of a notebook's file; `name` is its name in errors.

    Other tools write null for what is empty, and a byte order mark; both are read as Jupyter would have written them.

    Raises
    ------
    NotebookError
        If it is not a notebook of format 4, or its code holds a lone surrogate, which no Python can read.
    """
    try:
        notebook: dict[str, Any] = json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as cause:
        raise NotebookError(f"'{name}' cannot be read as a notebook: {cause}. Save it again in an editor.") from cause
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or notebook.get("nbformat") != 4 or not all(map(_is_cell, cells)):
        raise NotebookError(f"'{name}' is not a notebook of format 4. Save it again in a current editor.")
    try:
        return _without_nulls(notebook)
    except TypeError as cause:
        raise NotebookError(f"'{name}' is not a valid notebook: {cause}. Save it again in a current editor.") from cause
    except UnicodeEncodeError as cause:
        raise NotebookError(
            f"'{name}' holds {cause.object[cause.start]!a} in its code, a lone surrogate and not a character. Type it again."
        ) from cause


def _without_nulls(notebook: Mapping[str, Any]) -> dict[str, Any]:
    metadata = _field(notebook, "metadata", dict)
    for key in ("kernelspec", "language_info"):
        if key in metadata:
            metadata = {**metadata, key: _field(metadata, key, dict)}
    return {**notebook, "metadata": metadata, "cells": [_complete_cell(cell) for cell in notebook["cells"]]}


def _complete_cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    metadata = _field(cell, "metadata", dict)
    if "tags" in metadata:
        metadata = {**metadata, "tags": [tag for tag in _field(metadata, "tags", list) if isinstance(tag, str)]}
    source = cell.get("source") or ""
    if not isinstance(source, str):
        source = [line for line in _field(cell, "source", list) if line is not None]
        if not all(isinstance(line, str) for line in source):
            raise TypeError("'source' holds something that is not a string")
    completed = {**cell, "metadata": metadata, "source": source}
    if cell["cell_type"] == "code":
        completed["outputs"] = _field(cell, "outputs", list)
        source_of(completed).encode()
    return completed


def _field(document: Mapping[str, Any], key: str, kind: type) -> Any:
    """Return a field; an empty one if it is missing or null."""
    value = document.get(key)
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"'{key}' is not {'a list' if kind is list else 'an object'}")
    return kind() if value is None else value


def render_notebook(notebook: Mapping[str, Any], *, lines: bool = False, sort_keys: bool = True) -> str:
    """Return a notebook's JSON, indented as Jupyter does; a lone surrogate becomes an escape.

    Parameters
    ----------
    lines
        Store each source as a list of lines, as Jupyter does, so that Git compares lines.
    sort_keys
        Jupyter sorts keys; a file that is only edited keeps its order.
    """
    content = {**notebook, "cells": list(map(_in_lines, notebook["cells"]))} if lines else notebook
    text = json.dumps(content, indent=1, sort_keys=sort_keys, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()


def _in_lines(cell: Mapping[str, Any]) -> dict[str, Any]:
    source = cell.get("source", "")
    return {**cell, "source": source.splitlines(keepends=True) if isinstance(source, str) else source}


def _is_cell(cell: object) -> bool:
    return isinstance(cell, dict) and isinstance(cell.get("cell_type"), str)


def source_of(cell: Mapping[str, Any]) -> str:
    """Return a cell's source as one string."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def tags_of(cell: Mapping[str, Any]) -> list[str]:
    """Return a cell's tags."""
    return list((cell.get("metadata") or {}).get("tags") or ())


def is_injected(cell: Mapping[str, Any]) -> bool:
    """Tell whether an earlier run injected this cell."""
    return not _INJECTED.isdisjoint(tags_of(cell))


def code_cells(notebook: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield index and source of each code cell, except injected ones."""
    for index, cell in enumerate(notebook["cells"]):
        if cell.get("cell_type") == "code" and not is_injected(cell):
            yield index, source_of(cell)
