from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nbship.dvcstore.lineage import find_commit


def run(root: Path, *words: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        words, cwd=root, check=True, capture_output=True, env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
    )


def commit(root: Path, who: str) -> None:
    run(root, "git", "add", "-A")
    name = ["-c", f"user.name={who}", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]
    run(root, "git", *name, "commit", "-qm", "as it is now")


def test_the_commit_that_made_a_package_is_found(tmp_path: Path) -> None:
    package = tmp_path / "models/one"
    (package / "code").mkdir(parents=True)
    (package / "MANIFEST.json").write_text("{}")
    (package / "code" / "a.py").write_text("x = 1\n")
    assert find_commit(package, tmp_path) is None
    run(tmp_path, "git", "init", "-q")
    run(tmp_path, "dvc", "init", "-q")
    run(tmp_path, "dvc", "stage", "add", "-n", "package", "-o", "models/one", "true")
    run(tmp_path, "dvc", "commit", "-f", "package")
    assert find_commit(package, tmp_path) is None
    commit(tmp_path, "Ann")
    assert (find_commit(package, tmp_path) or "").endswith("by Ann")
    (tmp_path / "other").write_text("")
    commit(tmp_path, "Ben")
    assert (find_commit(package, tmp_path) or "").endswith("by Ann")
    (package / "code" / "a.py").write_text("x = 2\n")
    assert find_commit(package, tmp_path) is None
