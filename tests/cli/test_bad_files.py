"""Every command, with every file that it reads or writes missing, damaged or of another kind: one sentence with a remedy."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from packages import make_rows
from sklearn.linear_model import LogisticRegression
from stages import write_project

from nbship.cli import GROUPS, HIDDEN, main
from nbship.model import save_estimator

GARBAGE = random.Random(1).randbytes(5000)
CONTENTS = {
    "empty": b"", "garbage": GARBAGE, "text": b"hello, world\n", "zip": b"PK\x03\x04" + GARBAGE[:100], "NUL": b"\0" * 1000,
    "list": b"[]", "number": b"3\n", "Latin-1": "größe: é\n".encode("latin-1"), "UTF-16": "a: 1\n".encode("utf-16"), "tab": b"\ta: 1\n",
}  # fmt: skip
# What each command reads, in the place of BAD, with the suffixes with which it may come.
INPUTS: dict[str, tuple[str, ...]] = {
    "predict BAD out.csv --package PACKAGE": (".csv", ".parquet", ".jsonl", ".json", ".csv.gz", ".xlsx", ""),
    "predict rows.csv out.csv --package BAD": ("", ".whl"),
    "labels BAD --package PACKAGE": (".csv", ".parquet", ".jsonl"),
    "labels rows.csv --package BAD": ("",),
    "serve BAD": ("", ".whl"),
    "app BAD": ("", ".whl"),
    "verify BAD": ("", ".whl"),
    "log forget --field line --value a --package BAD": ("",),
    "package build BAD --reference rows.csv": (".skops", ".pkl"),
    "package build model.skops --reference BAD": (".csv", ".parquet", ".xlsx"),
    "package build model.skops --reference rows.csv --golden BAD": (".csv",),
    "package build model.skops --reference rows.csv --signature BAD": (".json",),
    "package signature BAD --reference rows.csv": (".skops",),
    "package signature model.skops --reference BAD": (".csv",),
    "package wheel BAD": ("", ".whl"),
    "package onnx BAD --to x.onnx": ("",),
    "package container BAD --to context": ("",),
    "package sign PACKAGE --key BAD": (".pem",),
    "check BAD": ("",),
}
# Only a missing file is wrong: they do not read it, or an empty one is fine.
MISSING = (
    "log export all.parquet --package BAD", "log prune --before 2013-01-01 --package BAD", "keys list --package BAD",
    "replay id --package BAD", "package container PACKAGE --to context --lock BAD", "merge-lock BAD BAD BAD", "package sign BAD --key key.pem",
)  # fmt: skip
# What each command writes, with a path at which it cannot.
OUTPUTS = {
    "predict rows.csv folder.csv --package PACKAGE": "is a folder",
    "predict rows.csv rows.csv/out.csv --package PACKAGE": "does not exist",
    "predict rows.csv out.xlsx --package PACKAGE": "unsupported suffix",
    "log export folder.parquet --package PACKAGE": "is a folder",
    "log export rows.csv/all.parquet --package PACKAGE": "Not a directory|folder",
    "package signature model.skops --reference rows.csv --output folder.csv": "is a directory",
    "package wheel PACKAGE --to rows.csv": "is a file",
    "package container PACKAGE --to rows.csv": "is a file",
    "package onnx PACKAGE --to folder.csv": "is a directory",
}
# Their files are those of the project, which are walked below.
OF_A_PROJECT = {"data", "run", "schedule", "status", "lab", "models", "monitor", "stage", "sync", "ready"}


@pytest.fixture
def fails(
    tmp_path: Path, small_package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Call a command in a folder with good files beside the bad one, and return its sentence."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))

    def call(words: str, **paths: Path | str) -> str:
        given = {"PACKAGE": small_package, **paths}
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(given.get(word, word)) for word in words.split(" ")])
        error = capsys.readouterr().err.rstrip("\n")
        assert ended.value.code in (1, 2), (words, paths, error)
        if ended.value.code == 2:
            return error.splitlines()[-1]
        # A sentence, and the remedy, in one line.
        assert re.fullmatch(r"nbship: .+[.?:] [A-Z`].*[.?]", error), (words, paths, error)
        assert error.isprintable(), (words, paths)
        return error

    return call


@pytest.fixture
def good(tmp_path: Path) -> Path:
    rows = make_rows(20, seed=5).drop(columns=["limit", "grade"])
    rows.to_csv(tmp_path / "rows.csv", index=False)
    save_estimator(LogisticRegression().fit(rows[["size"]], rows["size"] > 4), tmp_path / "model.skops")
    for name in ("folder.csv", "folder.parquet"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "inside").touch()
    return tmp_path


def test_every_command_is_walked() -> None:
    walked = {words.partition(" ")[0] for words in (*INPUTS, *MISSING, *OUTPUTS)}
    assert walked | OF_A_PROJECT == {name for commands in GROUPS.values() for name in commands} | set(HIDDEN)


@pytest.mark.parametrize("words", [*INPUTS, *MISSING])
def test_a_missing_file_is_named(good: Path, fails: Callable[..., str], words: str) -> None:
    for suffix in INPUTS.get(words, ("",)):
        path = good / f"missing{suffix}"
        assert path.name in fails(words, BAD=path) or "key.pem" in words
        link = good / f"link{suffix}"
        link.symlink_to(good / "nowhere")
        # The folder of a project is shown where its link leads.
        error = fails(words, BAD=link)
        assert link.name in error or "key.pem" in words or (words == "check BAD" and "nowhere" in error)


@pytest.mark.parametrize("words", INPUTS)
def test_a_file_of_another_kind_is_named(good: Path, fails: Callable[..., str], words: str) -> None:
    for suffix in INPUTS[words]:
        for kind, content in CONTENTS.items():
            path = good / f"{kind}{suffix}"
            path.write_bytes(content)
            # A signature is named by what it lacks.
            assert path.name in fails(words, BAD=path) or suffix == ".json"
        folder = good / f"a folder{suffix}"
        folder.mkdir()
        assert folder.name in fails(words, BAD=folder)


@pytest.mark.parametrize(("words", "reason"), OUTPUTS.items())
def test_an_output_that_cannot_be_written_is_named(
    good: Path, fails: Callable[..., str], words: str, reason: str
) -> None:
    assert re.search(reason, fails(words), re.IGNORECASE)


READ = ("pipeline.yaml", "params.yaml", "nbship.yaml", "dvc.lock", "notebooks/fit.ipynb")
WRITTEN = ("dvc.yaml", ".nbship/state/runs.jsonl", ".nbship/cache/index.json", "notebooks/.gitignore")


@pytest.mark.parametrize("name", READ)
def test_a_damaged_file_of_a_project_is_named(tmp_path: Path, fails: Callable[..., str], name: str) -> None:
    write_project(tmp_path)
    path = tmp_path / name
    for kind, content in CONTENTS.items():
        path.write_bytes(content)
        if kind == "empty" and name in ("nbship.yaml", "dvc.lock"):
            continue
        # A run restores a damaged lock file.
        for words in ("status", "run") if name != "dvc.lock" else ("status",):
            error = fails(words)
            assert path.name in error, (kind, error)
    path.unlink()
    for link in (True, False):
        path.symlink_to("nowhere") if link else path.mkdir()
        if name == "dvc.lock" and link:
            assert path.is_symlink()
        else:
            assert path.name in fails("status")
        path.unlink() if link else None


@pytest.mark.parametrize("name", WRITTEN)
def test_a_damaged_file_that_nbship_writes_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    for kind, content in CONTENTS.items():
        path.write_bytes(content)
        for words in (["status"], ["status", "--history"], ["sync"], ["check"]):
            with pytest.raises(SystemExit) as ended:
                main(words)
            assert ended.value.code == 0 or words == ["check"], (kind, capsys.readouterr().err)
