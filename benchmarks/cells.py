"""Notebooks for benchmarks, from the sources of their cells."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["notebook"]


def notebook(*sources: str, parameters: str | None = None) -> dict[str, Any]:
    """Return a notebook whose first cell, if `parameters` is given, is tagged as its parameters."""
    from nbformat import v4

    cells = [v4.new_code_cell(source, id=f"c{number}") for number, source in enumerate(sources)]
    if parameters is not None:
        cells.insert(0, v4.new_code_cell(parameters, id="parameters", metadata={"tags": ["parameters"]}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content: dict[str, Any] = json.loads(json.dumps(v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})))
    return content
