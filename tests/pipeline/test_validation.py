"""Conflicting products and undeclared inputs are errors that name the stages, before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stages import code_cell

from nbship import project
from nbship.errors import NotebookError, PipelineError
from nbship.pipeline import read_pipeline


def write(
    root: Path, *, first: Any = None, second: Any = None, cell: str = "", upstream: str = "None", **task: Any
) -> Path:
    tasks = [
        {
            "source": "notebooks/a.ipynb",
            "name": "a",
            "product": {"nb": "out/a.ipynb", **(first or {"data": "out/a.csv"})},
        },
        {"source": "notebooks/b.ipynb", "name": "b", "product": {"nb": "out/b.ipynb", **(second or {})}, **task},
    ]
    (root / "notebooks").mkdir(exist_ok=True)
    (root / "out").mkdir(exist_ok=True)
    (root / "pipeline.yaml").write_text(json.dumps({"tasks": tasks}))
    for name, above in (("a", "None"), ("b", upstream)):
        names = (
            "".join(f"\n{key} = None" for key in task.get("params", {}) if key != "resources_") if name == "b" else ""
        )
        parameters = code_cell(f"upstream = {above}\nproduct = None{names}", tags=("parameters",))
        cells = [parameters, code_cell(cell, place=1)] if name == "b" else [parameters]
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (root / f"notebooks/{name}.ipynb").write_text(json.dumps(notebook))
    return root


def assert_rejected(root: Path, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        read_pipeline(project.load(root))


@pytest.mark.parametrize("path", ["out/a.csv", "./out/a.csv", "out/./a.csv", "out//a.csv", "OUT/A.csv", "link/a.csv"])
def test_two_stages_that_write_the_same_product(tmp_path: Path, path: str) -> None:
    write(tmp_path, second={"data": path})
    (tmp_path / "link").symlink_to("out")
    assert_rejected(tmp_path, r"Stages 'a' and 'b' both write .*'out/a\.csv'.* Choose different paths")


def test_two_spellings_of_an_accent_are_one_file_on_some_systems(tmp_path: Path) -> None:
    write(tmp_path, first={"data": "out/caf\u00e9.csv"}, second={"data": "out/cafe\u0301.csv"})
    assert_rejected(tmp_path, "both write the same file")


def test_one_stage_that_writes_a_product_twice(tmp_path: Path) -> None:
    write(tmp_path, second={"one": "out/b.csv", "two": "out/B.csv"})
    assert_rejected(tmp_path, "Stage 'b' writes the same file, as 'out/b.csv' and 'out/B.csv' as two products")


@pytest.mark.parametrize("path", ["out/a.csv/part", "OUT/a.csv/deep/part", "link/a.csv/part"])
def test_a_product_inside_another(tmp_path: Path, path: str) -> None:
    write(tmp_path, second={"data": path})
    (tmp_path / "link").symlink_to("out")
    assert_rejected(tmp_path, r"is inside 'out/a\.csv' of stage 'a'. Choose separate paths")


@pytest.mark.parametrize("path", ["../b.csv", "/tmp/b.csv", "out/../../b.csv"])
def test_a_product_outside_the_project(tmp_path: Path, path: str) -> None:
    assert_rejected(write(tmp_path, second={"data": path}), f"product '{path}', which is not a path inside the project")


def test_a_product_outside_the_project_through_a_link(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    write(root, second={"data": "away/deep/b.csv"})
    (root / "away").symlink_to(tmp_path)
    assert_rejected(root, "product 'away/deep/b.csv', which is outside the project through a symbolic link")


def test_a_product_may_itself_be_a_link_into_dvcs_cache(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    write(root)
    (tmp_path / "cached").write_text("")
    (root / "out/a.csv").symlink_to(tmp_path / "cached")
    assert list(read_pipeline(project.load(root)).stages) == ["a", "b"]


@pytest.mark.parametrize("path", [".NBSHIP/b.csv", "link/cache/b.csv", "dvc.lock", ".git/b"])
def test_a_product_among_the_files_of_nbship(tmp_path: Path, path: str) -> None:
    write(tmp_path, second={"data": path})
    (tmp_path / "link").symlink_to(".nbship")
    assert_rejected(tmp_path, "which is reserved for nbship and DVC")


@pytest.mark.parametrize("path", ["out/a.csv", "Out/a.csv", "link/a.csv"])
def test_a_resource_that_another_stage_writes(tmp_path: Path, path: str) -> None:
    write(tmp_path, params={"resources_": {"data": path}})
    (tmp_path / "link").symlink_to("out")
    assert_rejected(tmp_path, "but stage 'a' writes it. Add 'a' to its upstream instead")


@pytest.mark.parametrize(
    "cell",
    [
        "open('../out/a.csv')",
        "open('out/a.csv')",
        "open('../out/../out/a.csv')",
        "open(Path('..') / 'out' / 'a.csv')",
        "open(ROOT / 'out' / 'a.csv')",
        "open(os.path.join('..', 'out', 'a.csv'))",
        "open(Path('..').joinpath('out', 'a.csv'))",
        "def read():\n    return [open(name) for name in ['../out/a.csv']]",
        "%time open('../out/a.csv')\nopen('../out/a.csv')",
        "open('../out/a.csv/inside')",
    ],
)
def test_a_cell_that_names_anothers_product(tmp_path: Path, cell: str) -> None:
    write(tmp_path, cell=cell)
    assert_rejected(
        tmp_path,
        r"Stage 'b' names '.*' in notebooks/b\.ipynb .* stage 'a', which writes 'out/a\.csv', is not its upstream\. "
        r"Add 'a' to `upstream` in the notebook, and read upstream\['a'\]\['data'\]",
    )


def test_a_parameter_that_names_anothers_product(tmp_path: Path) -> None:
    assert_rejected(write(tmp_path, params={"path": ["out/a.csv"]}), "Stage 'b' names 'out/a.csv'")


def test_an_executed_notebook_of_an_upstream_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path, cell="open('../out/a.ipynb')", upstream="['a']")
    assert_rejected(tmp_path, "but stages cannot read executed notebooks and plots. Read a data product of stage 'a'")


@pytest.mark.parametrize(
    ("cell", "upstream"),
    [
        ("open('../out/a.csv')", "['a']"),
        ("open('../out/b.csv', 'w')", "None"),
        ("'''Reads out/a.csv.'''\nprint('see out/a.csv for more')", "None"),
        ("open('other/out/a.csv')\nf'out/a.csv {1}'", "None"),
        ("open('../../out/a.csv')", "None"),
    ],
)
def test_declared_files_and_other_paths_may_be_named(tmp_path: Path, cell: str, upstream: str) -> None:
    write(tmp_path, second={"data": "out/b.csv"}, cell=cell, upstream=upstream)
    assert len(read_pipeline(project.load(tmp_path)).stages) == 2


def write_in_r(
    root: Path,
    code: str,
    *,
    extract: bool = False,
    kernel: str = "ir",
    upstream: tuple[str, ...] = (),
    **task: Any,
) -> Path:
    """The same two stages, the second of them in R."""
    write(root, **task)
    content = json.loads((root / "pipeline.yaml").read_text())
    content["meta"] = {"extract_upstream": extract}
    content["tasks"][1]["upstream"] = list(upstream)
    (root / "pipeline.yaml").write_text(json.dumps(content))
    spec = {"name": kernel, "display_name": "R", "language": "R"}
    notebook = {"cells": [code_cell(code)], "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    (root / "notebooks/b.ipynb").write_text(json.dumps(notebook))
    for name in ("R/features.R", "data/raw.csv"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("")
    return root


def test_the_upstream_of_another_language_is_declared_in_pipeline_yaml(tmp_path: Path) -> None:
    root = write_in_r(tmp_path, "upstream <- list('a')", extract=True)
    assert_rejected(root, "'notebooks/b.ipynb' is in R, .* Add `extract_upstream: false` to 'meta' in pipeline.yaml")
    stages = read_pipeline(project.load(write_in_r(tmp_path, "1", upstream=("a",)))).stages
    assert (stages["b"].upstream, stages["b"].language, stages["a"].language) == (("a",), "R", "python")


def test_a_notebook_in_another_language_names_its_kernel(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match=r"'notebooks/b.ipynb' is in R, but has no kernel. Choose a kernel"):
        read_pipeline(project.load(write_in_r(tmp_path, "1", kernel="")))


@pytest.mark.parametrize(
    "code",
    [
        'source("../R/features.R")',
        "source(file.path('..', 'R', 'features.R'))",
        "source(here::here('R', 'features.R'))",
        "Rscript ../R/features.R",
    ],
)
def test_a_file_that_another_language_names_is_declared(tmp_path: Path, code: str) -> None:
    assert_rejected(
        write_in_r(tmp_path, code),
        "Stage 'b' names the file 'R/features.R' in notebooks/b.ipynb, but nbship cannot find the dependencies of R code. "
        "Add 'features: R/features.R' to 'resources_' in the task's 'params'",
    )
    for declared in ("R/features.R", "R"):
        root = write_in_r(tmp_path, code, params={"resources_": {"features": declared}})
        assert read_pipeline(project.load(root)).stages["b"].resources


def test_a_parameter_that_names_a_file_is_declared_as_well(tmp_path: Path) -> None:
    assert_rejected(write_in_r(tmp_path, "1", params={"path": "../data/raw.csv"}), "names the file 'data/raw.csv'")


@pytest.mark.parametrize(
    "code", ["# see data/raw.csv\n1", "setwd('../data')", 'read.csv("../out/a.csv")', "write.csv(x, '../out/b.csv')"]
)
def test_comments_folders_products_and_upstream_need_no_declaration(tmp_path: Path, code: str) -> None:
    root = write_in_r(tmp_path, code, second={"data": "out/b.csv"}, upstream=("a",))
    (root / "out/a.csv").write_text("")
    (root / "out/b.csv").write_text("")
    assert read_pipeline(project.load(root)).stages["b"].upstream == ("a",)


def test_a_product_of_another_stage_needs_its_upstream_in_pipeline_yaml(tmp_path: Path) -> None:
    root = write_in_r(tmp_path, 'read.csv("../out/a.csv")')
    assert_rejected(root, "is not its upstream. Add 'a' to the task's 'upstream' in pipeline.yaml")
