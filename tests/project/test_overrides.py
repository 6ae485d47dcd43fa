from __future__ import annotations

from pathlib import Path

import pytest

from nbship.errors import ParamsError
from nbship.project.overrides import set_params

TEXT = """\
# How we train.
train:
  max_iter: 100   # trees
  rate: 0.1
  kinds: [tree, "linear"]
  name: 'first'
  many:
    - 1
    - 2
data:
    month: 7
"""


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("assignment", "old", "new"),
    [
        ("train.max_iter=200", "max_iter: 100", "max_iter: 200"),
        ("train.rate=1", "rate: 0.1", "rate: 1.0"),
        ("train.rate=0.25", "rate: 0.1", "rate: 0.25"),
        ("train.kinds=[a, b]", '[tree, "linear"]', "[a, b]"),
        ("train.name=second try", "'first'", "second try"),
        ("data.month=null", "month: 7", "month: null"),
    ],
)
def test_one_value_changes_and_nothing_else(params: Path, assignment: str, old: str, new: str):
    set_params(params, [assignment])
    assert params.read_text(encoding="utf-8") == TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.max_itre=2", "has no parameter 'train.max_itre'. Did you mean 'train.max_iter'"),
        ("max_iter=2", r"Did you mean 'train.max_iter'\?"),
        ("train=2", "It is a block"),
        ("train.many=[1]", "over several lines"),
        ("train.name=yes", "a boolean in YAML 1.1"),
        ("train.name=2013-07-01", "is a date"),
        ("train.max_iter=1 # 2\nname: x", "more than one value|not valid YAML"),
        ("train.name=a: b", "more than one value|not valid YAML"),
        ("train.max_iter=", "is not an assignment"),
        ("train.max_iter", "is not an assignment"),
        ("train.max_iter=four", "'four' for 'train.max_iter' is a string, not an integer"),
        ("train.max_iter=2.5", "a float, not an integer"),
        ("train.max_iter=true", "a boolean, not an integer"),
        ("train.max_iter=[1]", "a list, not an integer"),
        ("train.rate=fast", "a string, not a float"),
        ("train.kinds=80", "'80' for 'train.kinds' is an integer, not a list"),
        ("train.kinds=[a, 1]", "a list with an integer, not a string"),
        ("train.kinds=tree", "a string, not a list"),
        ("train.name=5", "an integer, not a string"),
    ],
)
def test_an_invalid_assignment_writes_nothing(params: Path, assignment: str, message: str):
    with pytest.raises(ParamsError, match=message):
        set_params(params, ["data.month=8", assignment])
    assert params.read_text(encoding="utf-8") == TEXT


def test_without_a_file_every_key_is_unknown(tmp_path: Path):
    with pytest.raises(ParamsError, match="has no parameter 'a'"):
        set_params(tmp_path / "params.yaml", ["a=1"])
