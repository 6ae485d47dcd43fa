"""The copies that stages depend on: they change when the stage does, and only then."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stages import code_cell, replace, write_project

from nbship import project
from nbship.pipeline import read_pipeline
from nbship.pipeline.copies import copy_text, write_copies


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def copy_of(root: Path, name: str = "load") -> str:
    loaded = project.load(root)
    pipeline = read_pipeline(loaded)
    return copy_text(loaded, pipeline, pipeline[name])


def edit(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = root / "notebooks/load.ipynb"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def show_output(content: dict[str, Any]) -> None:
    content["cells"][1] |= {"outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}], "execution_count": 7}


@pytest.mark.parametrize(
    "change",
    [
        show_output,
        lambda content: content["metadata"].update(kernelspec={"name": "mine", "display_name": "Mine"}),
        lambda content: content["cells"][1]["metadata"].update(collapsed=True, execution={"iopub.execute_input": "x"}),
        lambda content: content["cells"].insert(1, code_cell("rate = 9", tags=("injected-parameters",))),
        lambda content: content["cells"][1].update(source=["from own import features"]),
    ],
)
def test_outputs_and_editor_metadata_do_not_change_the_copy(
    root: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    before = copy_of(root)
    edit(root, change)
    assert copy_of(root) == before


def test_a_value_of_params_yaml_does_not_change_the_copy(root: Path) -> None:
    before = copy_of(root)
    replace(root / "params.yaml", "rate: 0.5", "rate: 0.7")
    replace(root / "notebooks/load.ipynb", "rate = 0.5", "rate = 0.7")
    assert copy_of(root) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("notebooks/load.ipynb", "import features", "import features as f"),
        ("notebooks/load.ipynb", "# kept", "# and changed"),
        ("pipeline.yaml", "limit: 3", "limit: 4"),
        ("pipeline.yaml", "to {{load.month}}", "until {{load.month}}"),
        ("pipeline.yaml", "{raw: data/raw.csv, names: data/names.csv}", "{raw: data/names.csv, names: data/raw.csv}"),
        ("pipeline.yaml", "first: out/first.csv\n      second", "second: out/first.csv\n      first"),
    ],
)
def test_edited_code_changes_the_copy(root: Path, file: str, old: str, new: str) -> None:
    before = copy_of(root)
    replace(root / file, old, new)
    assert copy_of(root) != before


def test_names_of_upstream_files_change_the_copy_and_those_of_plots_do_not(root: Path) -> None:
    before = copy_of(root, "fit")
    replace(root / "pipeline.yaml", "plot_rate_by_hour:", "plot_rate:")
    assert copy_of(root, "fit") == before
    replace(root / "pipeline.yaml", "first: out", "third: out")
    assert copy_of(root, "fit") != before


def test_current_copies_are_not_written(root: Path) -> None:
    loaded = project.load(root)
    pipeline = read_pipeline(loaded)
    written = write_copies(loaded, pipeline)
    assert [path.name for path in written] == ["load.ipynb", "fit.ipynb", "libraries.json"]
    assert write_copies(loaded, pipeline) == []
    assert json.loads((root / written[-1]).read_text())["pandas"] == "3.0"
