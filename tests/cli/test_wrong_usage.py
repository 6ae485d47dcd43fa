"""What is mistyped, or matches nothing, is an error that says what was meant."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from packages import make_rows

from nbship.cli import nbship
from nbship.errors import LogError


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sevre"], "There is no command 'sevre'. Did you mean 'serve'?"),
        (["Predict"], "There is no command 'Predict'. Did you mean 'predict'?"),
        (["merge_lock"], "There is no command 'merge_lock'. Did you mean 'merge-lock'?"),
        (["bugfix"], "There is no command 'bugfix'. `nbship --help` lists the commands."),
        (["package", "whel"], "There is no command 'whel'. Did you mean 'wheel'?"),
        (["log", "exprot"], "There is no command 'exprot'. Did you mean 'export'?"),
        (["keys", "x"], "There is no command 'x'. `nbship keys --help` lists the commands."),
    ],
)
def test_a_mistyped_command_is_an_error_with_a_suggestion(words: list[str], message: str) -> None:
    result = CliRunner().invoke(nbship, words, prog_name="nbship")
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"Error: {message}"


@pytest.mark.parametrize("by", ["key", "id"])
def test_labels_of_which_none_matches_are_stored_and_fail_the_command(
    tmp_path: Path, small_package: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))
    rows = make_rows(20, seed=5).drop(columns=["limit", "grade"]).drop_duplicates(["at", "line"])
    given = rows[["at", "line"]] if by == "key" else pd.DataFrame({"prediction_id": ["nothing"] * len(rows)})
    given.assign(label=1).to_csv("labels.csv", index=False)
    words = ["labels", "labels.csv", "--package", str(small_package)]
    result = CliRunner().invoke(nbship, words)
    assert isinstance(result.exception, LogError)
    assert str(result.exception).startswith(f"0 of {len(rows)} labels match a logged prediction. They are stored")
    as_json = CliRunner().invoke(nbship, [*words, "--json"])
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["matched"] == 0
    if by == "key":
        rows.to_csv("in.csv", index=False)
        assert CliRunner().invoke(nbship, ["predict", "in.csv", "out.csv", *words[2:]]).exit_code == 0
        assert json.loads(CliRunner().invoke(nbship, [*words, "--json"]).stdout)["matched"] == len(rows)
