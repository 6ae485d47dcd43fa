from __future__ import annotations

from pathlib import Path

import pytest

from nbship.text import counted, did_you_mean, first_line, listed, one_line, similar, value_at

SOURCE = Path(__file__).parents[1] / "src" / "nbship"


def test_one_module_looks_for_similar_names() -> None:
    found = [path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if "difflib" in path.read_text()]
    assert found == ["text.py"]


def test_the_most_similar_names_come_first() -> None:
    assert similar("train.rate", ["trian.rate", "train.rates", "gate"], most=3) == ["train.rates", "trian.rate"]
    assert did_you_mean("maximum", iter(["minimum"]), otherwise="Add it.") == "Did you mean 'minimum'?"
    assert did_you_mean("maximum", [], otherwise="Add it.") == "Add it."


@pytest.mark.parametrize(
    ("most", "separator", "expected"),
    [(3, ", ", "a, b, c"), (2, ", ", "a, b and 1 more"), (1, "; ", "a; and 2 more")],
)
def test_a_long_list_is_bounded(most: int, separator: str, expected: str) -> None:
    assert listed(["a", "b", "c"], most=most, separator=separator) == expected


def test_a_count_has_its_noun() -> None:
    assert [counted(number, "entry", "entries") for number in (0, 1, 1000)] == ["0 entries", "1 entry", "1,000 entries"]


def test_a_message_of_a_library_becomes_one_line() -> None:
    assert first_line(" \n\nbad\nline 2") == "bad"
    assert first_line(RuntimeError(), otherwise="RuntimeError") == "RuntimeError"
    # An encoder's message lists every unknown category.
    assert len(first_line(ValueError(f"Found unknown categories {list(range(9999))} in column 0"))) == 301
    assert one_line("a\n\tb  c" + "d" * 300) == "a b c" + "d" * 295


@pytest.mark.parametrize("key", ["train.missing", "train.rate.first", "missing", ""])
def test_a_missing_key_is_an_error_or_the_default(key: str) -> None:
    content = {"train": {"rate": 0.1, "none": None}}
    with pytest.raises(KeyError):
        value_at(content, key)
    assert value_at(content, key, default=1) == 1
    assert value_at(content, "train.none", default=1) is None
