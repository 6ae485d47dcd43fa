"""Notebooks of which nbconvert makes no page: one error, and the executed notebook is not lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nbship.errors import StageError
from nbship.execution.html import render_html

from .notebooks import notebook, text
from .test_stage import OPEN, WORK, Workspace


def markdown(source: str, **rest: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "a", "metadata": {}, "source": source, **rest}


def shown(data: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    output = {"output_type": "display_data", "data": data, "metadata": metadata}
    return {"cell_type": "code", "id": "b", "metadata": {}, "source": "1", "execution_count": 1, "outputs": [output]}


CELLS = {
    "attachment that is not there": markdown("![x](attachment:no.png)"),
    "empty attachment": markdown("![x](attachment:no.png)", attachments={"no.png": {}}),
    "folder as an image": markdown("![x](.)"),
    "metadata of another type": shown({"image/png": "aGk="}, {"image/png": [1]}),
    "tags of another type": {**markdown("x"), "metadata": {"tags": "x"}},
    "raw type that is a number": {"cell_type": "raw", "id": "r", "metadata": {"raw_mimetype": 3}, "source": "x"},
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_a_notebook_without_a_page_is_one_error(cell: dict[str, Any]):
    with pytest.raises(StageError, match=r"^The HTML page of 'train' cannot be rendered: .+\. Correct the cell"):
        render_html({**notebook(), "cells": [cell]}, title="train")


def test_the_executed_notebook_is_kept_where_its_page_cannot_be_rendered(tmp_path: Path):
    workspace = Workspace(tmp_path)
    with pytest.raises(StageError, match=r"'sum' cannot be rendered: missing attachment: no\.png"):
        workspace.run(OPEN, "# ![x](attachment:no.png)", WORK)
    assert workspace.products() == []
    assert workspace.report.notebook == ".nbship/scratch/sum/sum.ipynb"
    assert (
        text(workspace.executed(workspace.report.notebook)["cells"][-1])
        == "../data/numbers.json ../products/sum.json\n"
    )
