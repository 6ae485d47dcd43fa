"""What past runs took, and on which platform."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from stages import pretend_run, write_project

from nbship.cli import main
from nbship.pipeline.platforms import this_platform
from nbship.run_records import RunRecord, append_record

RECORD = RunRecord(
    stage="load",
    started="2026-11-21T04:27:30.755+00:00",
    outcome="done",
    seconds=2.706,
    cpu_seconds=0.536,
    peak_memory=146_448_384,
    python="3.11.7",
    platform=this_platform(),
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    pretend_run(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def record(root: Path, *records: RunRecord) -> None:
    for each in records:
        append_record(root / ".nbship/state/runs.jsonl", each)


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["status", *words])
    assert ended.value.code == code
    out, err = capsys.readouterr()
    return out + err


def test_history_has_one_line_per_stage(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(
        root, replace(RECORD, seconds=9.0), RECORD, replace(RECORD, stage="fit", outcome="CellError", cpu_seconds=None)
    )
    assert [line.split() for line in said(capsys, "--history").splitlines()] == [
        ["stage", "when", "(UTC)", "outcome", "wall", "CPU", "memory", "platform"],
        ["load", "2026-11-21", "04:27:30", "done", "2.7", "s", "0.5", "s", "146", "MB", *this_platform().split()],
        ["fit", "2026-11-21", "04:27:30", "CellError", "2.7", "s", "-", "146", "MB", *this_platform().split()],
    ]


def test_history_of_a_stage_has_all_its_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(root, RECORD, replace(RECORD, stage="fit"), replace(RECORD, seconds=1.0))
    assert [line.split()[4] for line in said(capsys, "--history", "load").splitlines()[1:]] == ["2.7", "1.0"]
    found = json.loads(said(capsys, "--history", "load", "--json"))
    assert [(each["stage"], each["seconds"], each["peak_memory"]) for each in found] == [
        ("load", 2.706, 146_448_384),
        ("load", 1.0, 146_448_384),
    ]


def test_history_without_runs_or_of_an_unknown_stage(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--history") == "No run is recorded yet.\n"
    assert said(capsys, "--history", "load") == "No run of 'load' is recorded yet.\n"
    assert "has no stage 'laod'. Did you mean 'load'?" in said(capsys, "--history", "laod", code=1)
    assert "STAGE needs --history" in said(capsys, "load", code=2)


def test_status_names_results_of_another_platform(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(root, replace(RECORD, platform="darwin arm64"), replace(RECORD, stage="fit"))
    here = this_platform()
    for _ in range(2):
        assert said(capsys).splitlines() == [
            f"Built on another platform (darwin arm64; this one is {here}): load. Running them here (`nbship run --force`) may change their last digits.",
            "Nothing to run: all stages are up to date.",
        ]
    assert json.loads(said(capsys, "--json"))["stages"][0]["made_on"] == "darwin arm64"
    (root / "out/first.csv").write_text("other digits")
    assert (
        f"load  would run: platform changed from darwin arm64 to {here}; out/first.csv was changed after the run"
        in said(capsys)
    )


def test_old_records_without_vector_extensions_match_this_platform(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(root, replace(RECORD, platform=" ".join(this_platform().split()[:2])))
    assert said(capsys) == "Nothing to run: all stages are up to date.\n"
