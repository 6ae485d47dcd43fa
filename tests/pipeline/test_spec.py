from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nbship import project
from nbship.errors import CycleError, NbshipError, PipelineError, UnknownStageError
from nbship.pipeline import read_pipeline

PARAMETERS = ["upstream = None", "product = None"]


def write_notebook(path: Path, *cells: str, parameters: list[str] | None = None) -> None:
    sources = ["\n".join(PARAMETERS if parameters is None else parameters), *cells]
    content = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{place}",
                "metadata": {} if place else {"tags": ["parameters"]},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for place, source in enumerate(sources)
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_notebook(tmp_path / "notebooks/a.ipynb", parameters=[*PARAMETERS, "rate = 0.5"])
    write_notebook(tmp_path / "notebooks/b.ipynb", parameters=["upstream = ['a']", "product = None"])
    (tmp_path / "params.yaml").write_text("a: {rate: 0.1, names: [x, z], word: july}\n")
    return tmp_path


def read(root: Path, **changes: Any) -> Any:
    first = {
        "source": "notebooks/a.ipynb",
        "name": "a",
        "params": {"rate": "{{a.rate}}"},
        "product": {"nb": "out/a.ipynb", "data": "out/a.csv", "plot_roc": "out/roc.json"},
    }
    second = {"source": "notebooks/b.ipynb", "name": "b", "product": "out/b.ipynb"}
    content = {"tasks": [{**first, **changes.pop("a", {})}, {**second, **changes.pop("b", {})}], **changes}
    (root / "pipeline.yaml").write_text(json.dumps(content))
    return read_pipeline(project.load(root))


def test_a_pipeline_is_read_with_typed_values(root: Path) -> None:
    stages = read(root).stages
    assert list(stages) == ["a", "b"]
    assert stages["a"].params == {"rate": 0.1}
    assert stages["a"].param_keys == {"rate": ("a.rate",)}
    assert stages["b"].upstream == ("a",)
    assert {key: str(path) for key, path in stages["a"].data_products.items()} == {"data": "out/a.csv"}


def test_stages_are_sorted_after_their_upstreams(root: Path) -> None:
    write_notebook(root / "notebooks/a.ipynb", parameters=["upstream = ['b']", "product = None", "rate = 1.0"])
    write_notebook(root / "notebooks/b.ipynb")
    assert list(read(root).stages) == ["b", "a"]


def test_upstreams_may_be_given_in_pipeline_yaml(root: Path) -> None:
    assert read(root, meta={"extract_upstream": False}, b={"upstream": ["a"]}).stages["b"].upstream == ("a",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"a": {"sorce": "x"}}, "unknown key 'sorce'. Did you mean 'source'"),
        ({"taskss": []}, "unknown key 'taskss'. Did you mean 'tasks'"),
        ({"tasks": []}, "no tasks"),
        ({"a": {"source": "notebooks/c.ipynb"}}, "'notebooks/c.ipynb' does not exist"),
        ({"a": {"source": "a.py"}}, "Name a notebook"),
        ({"a": {"name": "notebooks"}}, "Use another name"),
        ({"a": {"name": "no good"}}, "Use letters"),
        ({"b": {"name": "a"}}, "Two tasks in pipeline.yaml are called 'a'"),
        ({"a": {"params": {"rate": "{{a.rat}}"}}}, r"Did you mean '\{\{a\.rate\}\}'"),
        ({"a": {"params": {"rate": "x{{a.rate}}"}}}, "is not a string"),
        ({"a": {"params": {}}}, "needs parameter 'rate'"),
        (
            {"a": {"params": {"rate": 1.0, "speed": 2}}},
            "gives the parameter 'speed', which notebooks/a.ipynb does not have",
        ),
        (
            {"a": {"params": {"rate": "{{a.word}}"}}},
            "'a.word' in params.yaml is a string, not a float as in the parameters cell of notebooks/a.ipynb",
        ),
        ({"a": {"params": {"rate": "{{a.names}}"}}}, "is a list, not a float"),
        ({"a": {"params": {"rate": True}}}, "Task 'a' in pipeline.yaml: 'rate' is a boolean, not a float"),
        ({"b": {"product": "out/a.csv"}}, "executed notebook. Use the suffix .ipynb"),
        ({"b": {"product": {"nb": "out/b.ipynb", "data": "out/a.csv"}}}, "'a' and 'b' both write 'out/a.csv'"),
        ({"b": {"product": {"nb": "out/b.ipynb", "data": "out/a.csv/x"}}}, "is inside 'out/a.csv'"),
        ({"b": {"product": {"nb": "../b.ipynb"}}}, "not a path inside the project"),
        ({"b": {"product": {"nb": "/tmp/b.ipynb"}}}, "not a path inside the project"),
        ({"b": {"product": {"data": "out/b.csv"}}}, "does not have the product 'nb'"),
        ({"b": {"params": {"resources_": {"x": "out/a.csv"}}}}, "stage 'a' writes it. Add 'a' to its upstream"),
    ],
)
def test_an_error_is_one_sentence_with_subject_and_remedy(root: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(NbshipError, match=said) as caught:
        read(root, **changes)
    assert "\n" not in str(caught.value)


def test_a_broken_file_names_the_line(root: Path) -> None:
    (root / "pipeline.yaml").write_text("tasks:\n  - source: [\n")
    with pytest.raises(NbshipError, match=r"'pipeline\.yaml', line \d+ is not valid YAML"):
        read_pipeline(project.load(root))


def test_a_cycle_is_an_error(root: Path) -> None:
    write_notebook(root / "notebooks/a.ipynb", parameters=["upstream = ['b']", "product = None", "rate = 1.0"])
    with pytest.raises(CycleError, match="a → b → a"):
        read(root)


@pytest.mark.parametrize(
    ("cell", "extract", "message"),
    [
        ("upstream = ['a']", False, "upstream 'a' in the parameters cell of notebooks/b.ipynb, .* Write it in pipeline.yaml"),
        ("upstream = None", True, "upstream 'a' in pipeline.yaml, .* Write it in the parameters cell of notebooks/b.ipynb"),
    ],
)  # fmt: skip
def test_an_upstream_that_would_be_ignored_is_an_error(root: Path, cell: str, extract: bool, message: str) -> None:
    write_notebook(root / "notebooks/b.ipynb", parameters=[cell, "product = None"])
    with pytest.raises(PipelineError, match=message):
        read(root, meta={"extract_upstream": extract}, b={"upstream": ["a"] if extract else None})


def test_an_unknown_upstream_suggests_the_nearest(root: Path) -> None:
    write_notebook(root / "notebooks/b.ipynb", parameters=["upstream = ['aa']", "product = None"])
    with pytest.raises(NbshipError, match=r"upstream 'aa', which is not a stage\. Did you mean 'a'"):
        read(root)


def test_an_unknown_stage_suggests_the_nearest(root: Path) -> None:
    with pytest.raises(UnknownStageError, match=r"no stage 'bb'\. Did you mean 'b'"):
        read(root)["bb"]


def test_a_pipeline_is_read_again_only_after_a_change(root: Path) -> None:
    first = read(root)
    assert read_pipeline(project.load(root)) is first
    (root / "params.yaml").write_text("a: {rate: 0.2, names: [x, z], word: july}\n")
    second = read_pipeline(project.load(root))
    assert second["a"].params == {"rate": 0.2}
    write_notebook(root / "notebooks/b.ipynb", parameters=["upstream = None", "product = None"])
    assert read_pipeline(project.load(root))["b"].upstream == ()
    (root / "pipeline.yaml").write_text((root / "pipeline.yaml").read_text().replace("out/a.csv", "out/z.csv"))
    assert str(read_pipeline(project.load(root))["a"].products["data"]) == "out/z.csv"
