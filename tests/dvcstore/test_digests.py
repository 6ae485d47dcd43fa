from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest
from commands import run

from nbship.dvcstore import digests as digests_module
from nbship.dvcstore.digests import Digests, stamp_of


def test_digests_are_those_of_dvc(tmp_path: Path) -> None:
    names = ["a-b/x", "a/x", "a/é", "A", "b.txt"]
    for name in names:
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_text(name)
    for words in (["init", "--no-scm", "--quiet"], ["add", "--quiet", "folder", "folder.txt"]):
        (tmp_path / "folder.txt").write_text("one\r\ntwo\n")
        run("dvc", *words, cwd=tmp_path, check=True)
    digests = Digests(tmp_path / "index.json")
    for name in ("folder", "folder.txt"):
        assert f"md5: {digests.md5(tmp_path / name)}\n" in (tmp_path / f"{name}.dvc").read_text()


def test_files_that_dvcignore_names_do_not_count(tmp_path: Path) -> None:
    names = [
        "a.csv",
        "a.tmp",
        "keep.tmp",
        "logs/x.csv",
        "sub/logs/x.csv",
        "sub/x.log",
        "x/b.csv",
        "sub/x/b.csv",
        "é.bak",
    ]
    for name in names:
        (tmp_path / "data/raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data/raw" / name).write_text(name)
    (tmp_path / ".dvcignore").write_text("# A comment\n\n*.tmp\n!keep.tmp\nlogs/\n*.log\n/data/raw/x\n")
    (tmp_path / "data/.dvcignore").write_text("*.bak\n!*.log\n")
    digests = Digests(tmp_path / "index.json")
    assert len(digests.files(tmp_path / "data/raw") or ()) == len(names)  # not in a DVC repository
    for words in (["init", "--no-scm", "--quiet", "--force"], ["add", "--quiet", "data/raw"]):
        ignored = (tmp_path / ".dvcignore").read_text()
        run("dvc", *words, cwd=tmp_path, check=True)
        (tmp_path / ".dvcignore").write_text(ignored)
    assert f"md5: {digests.md5(tmp_path / 'data/raw')}\n" in (tmp_path / "data/raw.dvc").read_text()
    assert sorted(digests.files(tmp_path / "data/raw") or ()) == ["a.csv", "keep.tmp", "sub/x.log", "sub/x/b.csv"]


def test_cached_digests_follow_the_file(tmp_path: Path) -> None:
    file, index = tmp_path / "x", tmp_path / "index.json"
    file.write_text("1")
    first = Digests(index)
    before = first.md5(file)
    first.save()
    assert Digests(index).md5(file) == before
    file.write_text("2")
    assert Digests(index).md5(file) != before
    index.write_text("{ broken")
    assert Digests(index).md5(file) != before
    assert Digests(index).md5(tmp_path / "absent") is None


def set_clock_after(monkeypatch: pytest.MonkeyPatch, file: Path, seconds: float) -> None:
    """Set the clock to a time after the last change of a file."""
    info = file.stat()
    now = max(info.st_mtime_ns, info.st_ctime_ns) + round(seconds * 1e9)
    monkeypatch.setattr(digests_module.time, "time_ns", lambda: now)


def test_a_recent_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, index = tmp_path / "x", tmp_path / "index.json"
    file.write_text("1")
    set_clock_after(monkeypatch, file, 0.01)
    first = Digests(index)
    before = first.md5(file)
    first.save()
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: hashlib.md5(b"read"))
    assert Digests(index).md5(file) == hashlib.md5(b"read").hexdigest() != before


@pytest.mark.parametrize(("seconds", "reliable"), [(0.1, False), (1.9, False), (2.1, True)])
def test_a_timestamp_in_full_seconds_is_unreliable_for_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, reliable: bool
) -> None:
    file = tmp_path / "x"
    file.write_text("1")
    second = 1_000_000_000
    os.utime(file, ns=(0, time.time_ns() // second * second))
    set_clock_after(monkeypatch, file, seconds)
    assert stamp_of(file.stat()).reliable is reliable


def test_an_old_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, index = tmp_path / "x", tmp_path / "index.json"
    file.write_text("1")
    set_clock_after(monkeypatch, file, 0.1)
    first = Digests(index)
    before = first.md5(file)
    first.save()
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert Digests(index).md5(file) == before


@pytest.mark.parametrize("place", range(0, 200, 7))
def test_any_damage_to_the_cache_file_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    file, index = tmp_path / "x", tmp_path / "index.json"
    file.write_text("1")
    set_clock_after(monkeypatch, file, 0.1)
    first = Digests(index)
    right = first.md5(file)
    first.save()
    whole = index.read_bytes()
    place %= len(whole)
    for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
        index.write_bytes(damaged)
        assert Digests(index).md5(file) == right


def test_a_stored_digest_is_used_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x"
    file.write_text("1")
    set_clock_after(monkeypatch, file, 0.1)
    digests = Digests(tmp_path / "index.json")
    digests.remember(file, stamp_of(file.stat()), "known")
    assert digests.md5(file) == "known"
    file.write_text("2")
    assert digests.md5(file) != "known"
