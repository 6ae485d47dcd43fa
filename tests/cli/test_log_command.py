"""`nbship log`: export, forget, prune."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from packages import build_small, make_rows

from nbship import predictor
from nbship.cli.log import command
from nbship.errors import InvalidInputError, SignatureError, SourceError
from nbship.inference import Logged, find_deployment, store_feedback
from nbship.model import Field
from nbship.prediction_log import forget_subject

invoke = partial(CliRunner().invoke, catch_exceptions=False)


@pytest.fixture
def logged_rows(small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Log three predictions, one of them with a label, and a rejected request; return the rows and responses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))
    rows = json.loads(make_rows(3, seed=1).to_json(orient="records", date_format="iso"))
    with find_deployment(small_package).open_log() as log:
        logged = Logged(predictor.load(small_package), log, mode="rest")
        answers = logged.respond(rows)
        with pytest.raises(InvalidInputError):
            logged.respond([{**rows[0], "size": "many"}])
        store_feedback(log, [{"id": answers[1]["id"], "label": answers[1]["label"]}], signature=logged.signature)
    return [{**row, **answer} for row, answer in zip(rows, answers, strict=True)]


def test_the_log_is_exported_as_parquet(small_package: Path, logged_rows: list[dict]) -> None:
    result = invoke(command, ["export", "out.parquet", "--package", str(small_package), "--json"])
    assert json.loads(result.stdout) == {"records": 4, "output": "out.parquet"}
    frame = pd.read_parquet("out.parquet")
    assert frame["id"].tolist()[:3] == [each["id"] for each in logged_rows]
    assert [json.loads(text)["size"] for text in frame["inputs"][:3]] == [each["size"] for each in logged_rows]
    assert frame["label"].notna().tolist() == [False, True, False, False]
    assert frame["outputs"].isna().tolist() == [False, False, False, True]
    assert str(frame["at"].dtype) == "datetime64[us, UTC]"
    nothing = invoke(command, ["export", "none.parquet", "--package", str(small_package), "--to", "2001-01-01"])
    assert nothing.stdout == "0 records exported to 'none.parquet'\n"
    assert list(pd.read_parquet("none.parquet")) == list(frame)
    with pytest.raises(SourceError, match=r"'out.csv' is not a .parquet file"):
        invoke(command, ["export", "out.csv", "--package", str(small_package)])


def test_forget_deletes_the_records_of_a_person(small_package: Path, logged_rows: list[dict]) -> None:
    size = logged_rows[0]["size"]
    about = sum(each["size"] == size for each in logged_rows)
    result = invoke(command, ["forget", "--field", "size", "--value", str(size), "--package", str(small_package)])
    assert result.stdout == f"{about} record{'s' if about > 1 else ''} deleted\n"
    with find_deployment(small_package).open_log() as log:
        assert all(json.loads(each.inputs or "{}").get("size") != size for each in log.recent(9) if each.outputs)
        signature = predictor.load(small_package).signature
        with pytest.raises(InvalidInputError, match="size"):
            forget_subject(log, signature, {"size": "many"})
        with pytest.raises(SignatureError, match="no field 'colour'"):
            forget_subject(log, signature, {"colour": "red"})


def test_forget_says_that_a_dropped_field_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    package = build_small(tmp_path, name="personal", fields=[Field("card", "string", pii="drop", example="none")])
    result = invoke(command, ["forget", "--field", "card", "--value", "4111", "--package", str(package)])
    assert result.stdout == "0 records deleted\n"
    assert "does not store 'card' (pii: drop)" in result.stderr


def test_prune_deletes_old_entries(small_package: Path, logged_rows: list[dict]) -> None:
    package = ["--package", str(small_package)]
    assert invoke(command, ["prune", "--before", "2001-01-01", *package]).stdout == "0 entries deleted\n"
    assert invoke(command, ["prune", "--before", "2999-01-01", *package]).stdout == "5 entries deleted\n"
    result = invoke(command, ["prune", *package])
    assert result.exit_code == 2
    assert "log.retention_days" in result.output
    assert "Write it as YYYY-MM-DD" in invoke(command, ["prune", "--before", "May", *package]).output
