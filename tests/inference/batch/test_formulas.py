"""CSV outputs escape formulas on request, and are read as if they had not."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from packages import build_small, make_rows

from nbship.cli import nbship
from nbship.model import Field
from nbship.tabular.formulas import escape_text, unescape_text

FORMULAS = [
    "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "'=1", "''+1", "＝1", "=HYPERLINK(\"http://x\",\"y\")",
    "-5", "+3.5e2", "'n Sneeker", "plain", "a=b", "-", "5-3",
]  # fmt: skip
STARTS = [
    "=",
    "+",
    "-",
    "@",
    "\t=",
    "\r=",
    "\n=",
    " =",
    "  @",
    "＝",
    "＋",
    "－",
    "＠",
    "'=",
    "''=",
    "\t",
    "\r",
    "=-",
    "+@",
    "-=",
]
ENDS = ["1+1", "cmd|' /C calc'!A0", "SUM(1,2)", 'HYPERLINK("http://x")', "A1", "1e5", "2,5", "x", "", 'DDE("a";"b")']
# Two hundred strings; those that are numbers stay as they are.
MANY = [f"{start}{end}" for start in STARTS for end in ENDS]
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    field = Field("name", "string", key=True, nullable=True, example="x")
    return build_small(tmp_path_factory.mktemp("models"), name="named", fields=[field])


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def values(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("source", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("escape", [True, False])
def test_outputs_escape_formulas_on_request(
    tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch, source: str, escape: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))
    rows = make_rows(2 * len(FORMULAS), seed=3).drop(columns=["limit", "grade"]).assign(name=FORMULAS * 2)
    rows["size"] = rows["size"].where(rows.index < len(FORMULAS), 77)
    if source == "parquet":
        rows.to_parquet("in.parquet", index=False)
    elif source == "csv":
        rows.to_csv("in.csv", index=False, quoting=csv.QUOTE_ALL)  # pandas does not quote \r
    else:
        rows.to_json("in.jsonl", orient="records", lines=True, date_format="iso")
    words = ["predict", f"in.{source}", "out.csv", "--json", "--max-rejected", "1", "--package", str(package)]
    words += ["--escape-formulas"] * escape
    summary = json.loads(CliRunner().invoke(nbship, words, catch_exceptions=False).stdout)
    assert (summary["rows"], summary["output"]) == (len(FORMULAS), str(tmp_path / "out.csv"))
    files = [values(tmp_path / "out.csv"), values(tmp_path / "out.csv.rejected.csv")]
    found = [value for lines in files for line in lines for value in line]
    dangerous = [text for text in found if text.strip(" ").startswith(DANGEROUS) and not is_number(text)]
    assert bool(dangerous) is not escape
    header, *lines = files[0]
    names = [line[header.index("name")] for line in lines]
    assert [text for text, given in zip(names, FORMULAS, strict=True) if text != given and not escape] == []
    id = lines[0][header.index("prediction_id")]
    assert CliRunner().invoke(nbship, ["replay", id, "--package", str(package)]).exit_code == 0
    again = json.loads(CliRunner().invoke(nbship, words).stdout)
    assert again["repeated"] is True


@given(st.text())
def test_an_escaped_string_is_read_as_it_was(text: str) -> None:
    assert unescape_text(escape_text(text)) == text


def test_two_hundred_formulas_are_text_and_numbers_stay_numbers() -> None:
    assert len(MANY) == 200
    for text in MANY:
        escaped = escape_text(text)
        assert unescape_text(escaped) == text
        assert not escaped.strip(" ").startswith(DANGEROUS) or (is_number(escaped) and escaped == text), text
    assert [escape_text(number) for number in ("-5", "-1e5", "+3.5", "-0")] == ["-5", "-1e5", "+3.5", "-0"]


@pytest.mark.parametrize("text", FORMULAS)
def test_nothing_that_is_escaped_is_a_formula(text: str) -> None:
    escaped = escape_text(text)
    assert is_number(escaped) or not escaped.strip(" ").startswith(DANGEROUS) or escaped == text == "5-3"
    assert unescape_text(escaped) == text


def test_the_same_path_with_and_without(tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))
    make_rows(3).drop(columns=["limit", "grade"]).assign(name="=1").to_csv("in.csv", index=False)
    for word, name in (([], "=1"), (["--escape-formulas"], "'=1"), ([], "=1")):
        words = ["predict", "in.csv", "out.csv", *word, "--package", str(package)]
        assert CliRunner().invoke(nbship, words).exit_code == 0
        assert pd.read_csv("out.csv")["name"].tolist() == [name] * 3
