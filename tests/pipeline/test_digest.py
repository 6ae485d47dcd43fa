from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nbship.pipeline.digest import Digests


def test_digests_are_those_that_dvc_records(tmp_path: Path) -> None:
    names = ["a-b/x", "a/x", "a/é", "A", "b.txt"]
    for name in names:
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_text(name)
    dvc = [sys.executable, "-m", "dvc"]
    environ = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    for words in (["init", "--no-scm", "--quiet"], ["add", "--quiet", "folder", "folder.txt"]):
        (tmp_path / "folder.txt").write_text("one\r\ntwo\n")
        subprocess.run([*dvc, *words], cwd=tmp_path, env=environ, check=True)
    digests = Digests(tmp_path / "index.json")
    for name in ("folder", "folder.txt"):
        assert f"md5: {digests.md5(tmp_path / name)}\n" in (tmp_path / f"{name}.dvc").read_text()


def test_kept_digests_follow_the_file(tmp_path: Path) -> None:
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
