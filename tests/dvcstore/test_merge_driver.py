from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nbship.dvcstore.merge_driver import merge_lock_files
from nbship.errors import PipelineError


def _lock(**stages: str) -> str:
    entries = "".join(
        f"  {name}:\n    cmd: nbship stage {name}\n    deps:\n    - path: a\n      md5: {md5}\n"
        for name, md5 in stages.items()
    )
    return f"schema: '2.0'\nstages:\n{entries}"


def _git(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *identity, *args], cwd=folder, text=True, capture_output=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    _git(tmp_path, "init", "-q", "-b", "main")
    _git(tmp_path, "config", "merge.nbship-lock.driver", f"{sys.executable} -m nbship merge-lock %O %A %B")
    (tmp_path / ".gitattributes").write_text("dvc.lock merge=nbship-lock\n")
    return tmp_path


def _commit(folder: Path, lock: str) -> None:
    (folder / "dvc.lock").write_text(lock)
    _git(folder, "add", "-A")
    assert _git(folder, "commit", "-q", "-m", "lock").returncode == 0


def test_git_merges_neighbouring_stages_that_a_text_merge_would_conflict_on(repository: Path) -> None:
    _commit(repository, _lock(one="1", two="1"))
    _git(repository, "switch", "-q", "-c", "branch")
    _commit(repository, _lock(one="1", two="2", three="1"))
    _git(repository, "switch", "-q", "main")
    _commit(repository, _lock(one="2", two="1"))

    merge = _git(repository, "merge", "branch")

    assert merge.returncode == 0, merge.stdout + merge.stderr
    assert (repository / "dvc.lock").read_text() == _lock(one="2", two="2", three="1")


def test_a_stage_that_both_sides_changed_runs_again(repository: Path) -> None:
    _commit(repository, _lock(one="1", two="1"))
    _git(repository, "switch", "-q", "-c", "branch")
    _commit(repository, _lock(one="2", two="1"))
    _git(repository, "switch", "-q", "main")
    _commit(repository, _lock(one="3", two="1"))

    merge = _git(repository, "merge", "branch")

    assert merge.returncode == 0
    assert "stage 'one'" in merge.stderr + merge.stdout
    assert (repository / "dvc.lock").read_text() == _lock(two="1")


def test_a_damaged_lock_file_is_a_conflict(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("base", "ours", "theirs")]
    for path in paths:
        path.write_text(_lock(one="1"))
    paths[2].write_text("stages: [")
    with pytest.raises(PipelineError, match="by hand"):
        merge_lock_files(*paths)
    assert paths[1].read_text() == _lock(one="1")
