"""Notebooks for tests, from the sources of their cells."""

from __future__ import annotations

from typing import Any


def notebook(*sources: str, parameters: str | None = None) -> dict[str, Any]:
    cells = [_cell(source, f"c{number}") for number, source in enumerate(sources)]
    if parameters is not None:
        cells.insert(0, {**_cell(parameters, "p"), "metadata": {"tags": ["parameters"]}})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _cell(source: str, id: str) -> dict[str, Any]:
    if source.startswith("# "):
        kind = "markdown" if "\n" not in source else "code"
        if kind == "markdown":
            return {"cell_type": kind, "id": id, "metadata": {}, "source": source}
    return {"cell_type": "code", "execution_count": None, "id": id, "metadata": {}, "outputs": [], "source": source}


def text(cell: dict[str, Any]) -> str:
    """Return all text in a cell's outputs."""
    parts = []
    for output in cell["outputs"]:
        parts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
    return "".join(parts)
