from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from nbship.errors import ParamsError
from nbship.project import read_params, render_params


def _write(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def test_values_keep_their_types(tmp_path: Path) -> None:
    path = _write(
        tmp_path, "train: {rate: 0.5, depth: 3, fast: true, none: null, names: [a, b], day: '2013-01-01'}  # note\n"
    )
    train = read_params(path)["train"]
    assert train == {"rate": 0.5, "depth": 3, "fast": True, "none": None, "names": ["a", "b"], "day": "2013-01-01"}
    assert isinstance(train, dict)
    assert [type(value) for value in train.values()] == [float, int, bool, type(None), list, str]


def test_no_file_means_no_parameters(tmp_path: Path) -> None:
    assert read_params(tmp_path / "params.yaml") == {}


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("a: yes", "Write true"),
        ("a: off", "Write false"),
        ("a: 017", r"\(17\)"),
        ("a: 1:30", "Write '1:30' in quotes"),
        ("a: 1_000", r"\(1000\)"),
        ("a: 1e-3", r"\(0.001\)"),
        ('a: "12"', "without quotes"),
        ("a: 'None'", "Write null without quotes, or add a word"),
        ("a: None", "Write null without quotes, or add a word"),
        ("a: 'TRUE'", "Write true without quotes, or add a word"),
        ("a: '-1.5'", "Write -1.5 without quotes, or add a word"),
        ("a: '[1]'", r"another type\. Add a word to it"),
        ("a: {zip: '12345'}", r"Write it without quotes, and use `str\(…\)` in the notebook"),
        ("a: 2013-01-01", "Write '2013-01-01' in quotes"),
        ("a: .nan", "finite"),
        ("1: 2", "in quotes"),
        ("a: 1\na: 2", "duplicate key"),
        ("a: [1", "line 1"),
        ("- 1", "key: value"),
    ],
)
def test_an_ambiguous_value_is_an_error_with_the_spelling_to_use(tmp_path: Path, text: str, remedy: str) -> None:
    with pytest.raises(ParamsError, match=remedy) as caught:
        read_params(_write(tmp_path, text))
    assert "params.yaml" in str(caught.value)


WORDS = ["NO", "no", "y", "On", "12:30", "-1:30", "12:30:45.5", "017", "08540", "2013-01-01", "2013-01-01 12:30"]


@pytest.mark.parametrize("word", [*WORDS, "1_000", "1e-3", "0b1"])
@pytest.mark.parametrize("is_key", [False, True])
def test_quotes_are_the_remedy_wherever_they_work(tmp_path: Path, word: str, is_key: bool) -> None:
    form = "a: {{{0}: 4}}" if is_key else "a: {{x: {0}}}"
    with pytest.raises(ParamsError, match=rf"the {'key' if is_key else 'value'} '{word}'") as caught:
        read_params(_write(tmp_path, form.format(word)))
    remedy = f"'{word}' in quotes"
    assert (remedy in str(caught.value)) == (is_key or word in WORDS)
    if remedy in str(caught.value):
        expected = {word: 4} if is_key else {"x": word}
        assert read_params(_write(tmp_path, form.format(f"'{word}'"))) == {"a": expected}


@pytest.mark.parametrize(
    ("text", "value"),
    [("12345", 12345), ("'08540'", "08540"), ("null", None), ("true", True), ("-1.5", -1.5), ("'a 1'", "a 1")],
)
def test_what_the_remedies_name_is_accepted(tmp_path: Path, text: str, value: object) -> None:
    assert read_params(_write(tmp_path, f"a: {text}")) == {"a": value}


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _VALUES, max_size=4))
def test_rendered_parameters_read_the_same_in_both_yaml_versions(params: dict[str, object]) -> None:
    text = render_params(params)
    for read in (yaml.safe_load(text), YAML(typ="safe", pure=True).load(text)):
        assert (read or {}) == params
        assert repr(sorted((read or {}).items())) == repr(sorted(params.items()))
