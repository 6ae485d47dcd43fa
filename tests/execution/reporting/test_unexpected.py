"""No command ends with a traceback: an exception that is not nbship's own becomes one sentence, and a trace file."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import click
import pytest

from nbship import cli
from nbship.cli import GROUPS, HIDDEN, main, nbship

COMMANDS = [*(name for commands in GROUPS.values() for name in commands), *HIDDEN]


NBSHIP = str(Path(cli.__file__).with_name("status.py"))


def fail(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    error: Exception,
    *,
    file: str = NBSHIP,
) -> tuple[str, Path]:
    """Call a command in which code of `file` raises an error; return the printed sentence, and the trace file it names."""
    names: dict[str, Any] = {"error": error}
    exec(compile("def make_context(*_, **__):\n    raise error", file, "exec"), names)
    monkeypatch.setattr(nbship.get_command(click.Context(nbship), name), "make_context", names["make_context"])
    with pytest.raises(SystemExit) as caught:
        main([name])
    assert caught.value.code == 1
    sentence, found, path = capsys.readouterr().err.rstrip("\n").partition(" The trace is in '")
    assert found
    assert "\n" not in sentence
    return sentence, Path(path.removesuffix("'."))


@pytest.fixture(autouse=True)
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_one_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    sentence, trace = fail(monkeypatch, capsys, name, KeyError("a\nb"))
    assert sentence == "nbship: KeyError: 'a\\nb'. This is a bug in nbship: report it with the trace."
    assert trace.read_text().startswith("Traceback (most recent call last):")
    assert trace.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device", "/data/x"), r"No space left on device: '/data/x'\. Check the disk"),
        (MemoryError(), r"The memory ran out\. End other programs"),
        (ModuleNotFoundError("No module named 'dvc'", name="dvc"), r"The library 'dvc' is not installed\. Install it"),
        (
            sqlite3.OperationalError("disk I/O error"),
            r"The library 'sqlite3' reported OperationalError: disk I/O error\.",
        ),
    ],
    ids=["disk", "memory", "library missing", "library"],
)
def test_what_is_no_bug_is_not_called_one(
    error: Exception, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    sentence, _ = fail(monkeypatch, capsys, "status", error)
    assert re.match(f"nbship: {expected}", sentence)
    assert "bug" not in sentence


def test_an_error_of_the_users_code_names_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "theirs.py"
    path.touch()
    sentence, _ = fail(monkeypatch, capsys, "verify", ValueError("in their code"), file=str(path))
    assert sentence == f"nbship: '{path}', line 2, raised ValueError: in their code. Correct it there."


def test_secrets_are_in_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text("project: {secrets: [TOKEN]}\n")
    monkeypatch.setenv("TOKEN", "open-sesame")
    sentence, trace = fail(monkeypatch, capsys, "status", KeyError("open-sesame"))
    assert "sesame" not in sentence + trace.read_text()


def test_without_room_for_a_trace_the_sentence_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    monkeypatch.setattr(nbship.get_command(click.Context(nbship), "status"), "make_context", lambda *_, **__: 1 / 0)
    with pytest.raises(SystemExit):
        main(["status"])
    assert "ZeroDivisionError: division by zero." in capsys.readouterr().err
