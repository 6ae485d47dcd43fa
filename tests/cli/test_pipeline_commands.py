"""`nbship sync`, `status` and `check` as a person meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stages import replace, write_project

from nbship.cli import main
from nbship.dvcstore import versions


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_status_updates_dvc_yaml_and_gives_the_reasons(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "status")
    assert code == 0
    assert out.splitlines() == [
        "Updated dvc.yaml.",
        "load  would run: not run yet",
        "fit   would run: not run yet; after load",
        "No stage is up to date.",
    ]
    code, out, _ = call(capsys, "status", "--json")
    first = {"name": "load", "reasons": ["not run yet"], "stale": True, "made_on": None}
    assert json.loads(out)["stages"][0] == first
    assert json.loads(out)["dvc_yaml_current"] is True


def test_sync_check_fails_until_dvc_yaml_is_written(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "sync", "--check")
    assert code == 1
    assert "Run `nbship sync`" in err
    assert call(capsys, "sync") == (0, "wrote dvc.yaml\n", "")
    assert call(capsys, "sync", "--check") == (0, "dvc.yaml is current.\n", "")


def test_an_edited_value_is_reported_with_both_remedies(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  load:\n    cmd: x\n    params:\n      params.yaml:\n        load.rate: 0.5\n"
    )
    replace(root / "notebooks/load.ipynb", "rate = 0.5", "rate = 0.6")
    code, _, err = call(capsys, "sync")
    assert code == 0
    assert "'rate' is 0.6 in notebooks/load.ipynb, but 'load.rate' in params.yaml is 0.5" in err
    assert "--from-notebook" in err
    assert "--from-params" in err


def test_check_uses_ploombers_own_reader(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "sync")
    assert call(capsys, "check") == (0, "No problems found.\n", "")
    # Only Ploomber objects: a key that it does not have for notebooks, and that nbship leaves to it.
    replace(root / "pipeline.yaml", "name: load\n", "name: load\n    executor: nothing\n")
    code, _, err = call(capsys, "check")
    assert code == 1
    assert "Ploomber does not accept 'pipeline.yaml'" in err
    assert "\n" not in err.strip()


def test_check_fix_tags_the_cell_that_sets_the_parameters(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = root / "notebooks/fit.ipynb"
    replace(path, '"tags": ["parameters"]', '"tags": []')
    replace(root / "pipeline.yaml", '{{fit.seed}}"}', '{{fit.seed}}", speed: 2}')
    assert call(capsys, "check")[0] == 1
    assert call(capsys, "check", "--fix")[1] == "notebooks/fit.ipynb: added the tag, speed\n"
    assert call(capsys, "sync")[0] == 0
    assert call(capsys, "check", "--fix") == (0, "No problems found.\n", "")
    cells = json.loads(path.read_text())["cells"]
    assert "".join(cells[0]["source"]) == "upstream = ['load']\nproduct = None\nseed = 3\nspeed = 2"
    assert len(cells) == 2


def test_check_fix_adds_a_missing_cell(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = root / "notebooks/load.ipynb"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "cells": content["cells"][1:]}))
    assert call(capsys, "check", "--fix")[1].startswith("notebooks/load.ipynb: added a parameters cell\n")
    assert 'rate = 0.5\ntitle = "to july"\nlimit = 3' in "".join(json.loads(path.read_text())["cells"][0]["source"])


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("pipeline.yaml", "tasks: [", "'pipeline.yaml', line"),
        ("params.yaml", "load: {rate: yes, month: july}\nfit: {seed: 3}\n", "a boolean in YAML 1.1"),
        ("nbship.yaml", "slicez: []\n", "Did you mean 'slices'"),
    ],
)
@pytest.mark.parametrize("command", ["status", "sync", "check"])
def test_an_invalid_file_is_an_error_of_one_sentence(
    root: Path, capsys: pytest.CaptureFixture[str], command: str, file: str, text: str, said: str
) -> None:
    (root / file).write_text(text)
    code, _, err = call(capsys, command)
    assert code == 1
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_check_warns_about_an_untested_dvc(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert versions.version_problem() is None
    call(capsys, "sync")
    monkeypatch.setattr(versions, "TESTED", ((1, 0), (1, 2)))
    code, _, err = call(capsys, "check")
    assert code == 0
    assert "lock file and cache of DVC 1.0 to 1.2" in err
