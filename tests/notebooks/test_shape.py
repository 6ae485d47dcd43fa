"""Every notebook of the project has the same shape, and is committed without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[1-8]0_*.ipynb"))
by_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_the_stages_are_there() -> None:
    assert [path.stem[3:] for path in NOTEBOOKS] == [
        "extract",
        "validate",
        "explore",
        "prepare",
        "train",
        "evaluate",
        "gate",
        "package",
    ]


@by_notebook
def test_the_notebook_is_valid_and_its_cells_have_ids(path: Path) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    ids = [cell["id"] for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


@by_notebook
def test_nothing_of_a_run_is_committed(path: Path) -> None:
    for cell in cells(path):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            assert "injected-parameters" not in cell["metadata"].get("tags", [])


@by_notebook
def test_it_goes_from_a_question_to_a_conclusion(path: Path) -> None:
    title, parameters, imports, *rest = cells(path)
    assert text(title).startswith(f"# {path.stem[:2]} · ")
    assert "**Question.**" in text(title)
    assert parameters["metadata"]["tags"] == ["parameters"]
    assert "notebook.open_stage(" in text(imports)
    assert text(rest[-2]).startswith("## Conclusion")
    assert "print(" in text(rest[-1])
    headings = [text(cell) for cell in rest if cell["cell_type"] == "markdown" and text(cell).startswith("## ")]
    assert [heading[3] for heading in headings[:-1]] == [str(number) for number in range(1, len(headings))]


@by_notebook
def test_cells_are_short_and_logic_lives_in_the_package(path: Path) -> None:
    for cell in cells(path):
        if cell["cell_type"] == "code":
            assert len(text(cell).splitlines()) <= 25
            assert "def " not in text(cell)
