"""Small notebooks, made of cells."""

from __future__ import annotations

import json


def notebook_of(*sources: str) -> str:
    """Return a notebook whose first cell holds the parameters."""
    cells = [
        {"cell_type": "code", "execution_count": None, "id": f"c{k}", "metadata": {}, "outputs": [], "source": source.splitlines(keepends=True)}
        for k, source in enumerate(sources)
    ]  # fmt: skip
    cells[0]["metadata"] = {"tags": ["parameters"]}
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
