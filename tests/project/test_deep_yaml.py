"""YAML that is nested deeply, in every file that is read: one sentence, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from nbship.cli import nbship
from nbship.errors import NbshipError, ProjectError
from nbship.project.yaml import read_yaml

SHAPES = {
    "lists": lambda depth: f"project: {'[' * depth}{']' * depth}\n",
    "mappings": lambda depth: f"project: {'{a: ' * depth}1{'}' * depth}\n",
    "open": lambda depth: f"project: {'[' * depth}\n",
    "blocks": lambda depth: "".join(f"{' ' * level}project:\n" for level in range(min(depth, 3000))),
    "items": lambda depth: "project:\n " + "- " * depth + "1\n",
}
FILES = ("nbship.yaml", "params.yaml", "pipeline.yaml", "dvc.lock")


@pytest.mark.parametrize("depth", [70, 300, pytest.param(20_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("file", FILES)
def test_deep_yaml_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, shape: str, depth: int
) -> None:
    monkeypatch.chdir(tmp_path)
    for other in FILES:
        (tmp_path / other).write_text("")
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / file).write_text(SHAPES[shape](depth))
    for words in (["status"], ["check"], ["sync"], ["run", "-S", "project=1"]):
        exception = CliRunner().invoke(nbship, words).exception
        assert exception is None or isinstance(exception, (NbshipError, SystemExit)), words


def test_the_limit_of_depth(tmp_path: Path) -> None:
    path = tmp_path / "nbship.yaml"
    path.write_text("a: " + "[" * 60 + "]" * 60)
    assert read_yaml(path, ProjectError)["a"]
    for depth in (65, 90, 10_000):
        path.write_text("a: " + "[" * depth + "]" * depth)
        with pytest.raises(ProjectError, match="nested more than 64 deep"):
            read_yaml(path, ProjectError)


def test_aliases_that_repeat_each_other_are_no_depth(tmp_path: Path) -> None:
    path = tmp_path / "nbship.yaml"
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    path.write_text("\n".join(lines))
    assert len(read_yaml(path, ProjectError)) == 40
