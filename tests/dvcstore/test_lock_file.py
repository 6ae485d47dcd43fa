"""`dvc.lock` as text: held against DVC's own reader and writer."""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml
from hypothesis import given
from hypothesis import strategies as st

from nbship.dvcstore.lock_file import LockFile, parse_lock, read_lock
from nbship.dvcstore.lock_yaml import parse_block, render_block, render_entry
from nbship.errors import PipelineError

DIGESTS = ["0e" + "1" * 30, "1" * 32, "9" * 16 + "e" + "9" * 15, "d41d8cd98f00b204e9800998ecf8427e", "0b" + "1" * 30]
WORDS = [
    "yes",
    "null",
    "~",
    "True",
    "2013-01-01",
    "1e5",
    "0x1F",
    "0o17",
    "017",
    "1_000",
    ".5",
    ".inf",
    "-",
    "=",
    "<<",
    "_",
    "+_",
    "...",
]
TEXTS = st.one_of(
    st.sampled_from([*DIGESTS, *WORDS, "", " a", "a b", "a: b", "a #b", "é", "x" * 90, "a " * 60, "2026.3", "3.0.1"]),
    st.text(alphabet="aAeE01234_./+@=-: #'\"\n,[]{}%&*!|>?", max_size=12),
    st.text(max_size=8),
)
SCALARS = st.one_of(TEXTS, st.integers(), st.floats(allow_nan=False), st.booleans(), st.none())
KEYS = st.one_of(st.text(alphabet="abc019._-", min_size=1, max_size=8), st.sampled_from([*WORDS, "x" * 80, "a b"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
FILES = st.lists(
    st.builds(
        lambda path, md5, size: {"path": path, "hash": "md5", "md5": md5, "size": size},
        TEXTS,
        st.sampled_from(DIGESTS),
        st.integers(0, 10**12),
    ),
    min_size=1,
    max_size=3,
)
ENTRIES = st.fixed_dictionaries(
    {
        "cmd": st.sampled_from(["nbship stage a", "nbship stage a --inputs 012e3456", "a --", "a -- b", "a --b"]),
        "deps": FILES,
    },
    optional={"params": st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=2), "outs": FILES},
)


@given(ENTRIES)
def test_an_entry_is_written_as_dvc_writes_it(entry: dict[str, Any]) -> None:
    assert render_entry(entry) == dumps_yaml(OrderedDict(entry))
    assert "stages:\n" + render_block("load", entry) == dumps_yaml({"stages": {"load": entry}})


@given(ENTRIES)
def test_a_lock_file_of_dvc_is_read_as_by_dvc(entry: dict[str, Any]) -> None:
    text = dumps_yaml({"schema": "2.0", "stages": {"load": entry, "fit": {"cmd": "x"}}})
    expected = loads_yaml(text)["stages"]
    lock = parse_lock(text)
    assert repr(dict(lock)) == repr(expected)
    assert lock.text == text


def test_a_repeated_object_gets_an_anchor_as_in_dvc() -> None:
    names = ["a", "b"]
    entry = {"cmd": "x", "params": {"params.yaml": {"load": {"names": names}, "load.names": names}}}
    assert render_entry(entry) == dumps_yaml(entry)
    assert "&id001" in render_entry(entry)
    assert parse_block(render_block("load", entry)) == entry


def test_stages_are_replaced_in_place_and_new_ones_added_at_the_end() -> None:
    lock = (
        LockFile()
        .with_stages({"a": {"cmd": "1"}, "b": {"cmd": "2"}})
        .with_stages({"c": {"cmd": "4"}, "a": {"cmd": "3"}})
    )
    assert lock.text == dumps_yaml(
        {"schema": "2.0", "stages": {"a": {"cmd": "3"}, "b": {"cmd": "2"}, "c": {"cmd": "4"}}}
    )
    assert list(lock.without("b")) == ["a", "c"]


def test_other_parts_of_the_file_are_unchanged() -> None:
    text = "schema: '2.0'\ndatasets:\n- name: x\nstages:\n  a:\n    cmd: x\nmore:\n  b: 1\n"
    lock = parse_lock(text).with_stages({"b": {"cmd": "y"}})
    assert lock.text == text.replace("    cmd: x\n", "    cmd: x\n  b:\n    cmd: y\n")


def test_a_file_with_another_layout_is_read() -> None:
    lock = parse_lock('{"schema": "2.0", "stages": {"a": {"cmd": "x", "deps": [{"path": "b", "md5": "1"}]}}}')
    assert lock["a"]["deps"] == [{"path": "b", "md5": "1"}]


@pytest.mark.parametrize(
    "text",
    [
        "schema: '2.0'\nstages:\n  a:\n    cmd",
        "schema: '2.0'\nstages:\n  a:\n    cmd: [\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    deps: 3\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\n  a:\n    cmd: x\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    cmd: x\n",
        "schema: '1.0'\nstages: {}\n",
        "schema: '2.0'\n<<<<<<< ours\nstages:\n",
        "\0\0\0",
        "x",
    ],
)
def test_damage_is_an_error_with_the_command_that_repairs_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(PipelineError, match=r"'dvc\.lock' is damaged: .* `git checkout dvc\.lock`, or delete it"):
        read_lock(tmp_path / "dvc.lock")


def test_a_missing_or_empty_file_reads_as_empty(tmp_path: Path) -> None:
    assert len(read_lock(tmp_path / "dvc.lock")) == 0
    (tmp_path / "dvc.lock").touch()
    assert read_lock(tmp_path / "dvc.lock").text == "schema: '2.0'\nstages:\n"


def test_the_lock_of_the_reference_project_is_the_same_after_reading_and_writing() -> None:
    path = Path(__file__).parents[2] / "dvc.lock"
    text = path.read_text(encoding="utf-8")
    lock = read_lock(path)
    assert lock.text == text
    assert LockFile().with_stages(dict(lock)).text == text
    assert dict(lock) == loads_yaml(io.StringIO(text))["stages"]
