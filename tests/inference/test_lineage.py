from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nbship.inference import commit_of

LOCK = "stages:\n  package:\n    outs:\n    - path: models/one\n      md5: {digest}\n"


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def test_the_commit_that_made_a_package_is_found(tmp_path: Path) -> None:
    package = tmp_path / "models/one"
    (package / "code").mkdir(parents=True)
    (package / "MANIFEST.json").write_text("{}")
    (package / "code" / "a.py").write_text("x = 1\n")
    git(tmp_path, "init", "-q")
    assert commit_of(package, tmp_path) is None
    # As `dvc add` has the digest of this very folder.
    (tmp_path / "dvc.lock").write_text(LOCK.format(digest="9c5c04ba4d4d7c2ff4f4a7b5d0f2d4b1.dir"))
    git(tmp_path, "add", "dvc.lock")
    git(tmp_path, "commit", "-qm", "another package")
    assert commit_of(package, tmp_path) is None


def test_the_reference_projects_package_has_one() -> None:
    root = Path(__file__).parents[2]
    if not (root / "models/flights/MANIFEST.json").is_file():
        pytest.skip("The pipeline has not run here")
    lock = (root / "dvc.lock").read_text()
    committed = subprocess.run(
        ["git", "show", "HEAD:dvc.lock"], cwd=root, capture_output=True, text=True, check=False
    ).stdout
    if lock != committed:
        pytest.skip("dvc.lock is not as it is committed")
    found = commit_of(root / "models/flights", root)
    assert found is not None
    assert " of 20" in found
