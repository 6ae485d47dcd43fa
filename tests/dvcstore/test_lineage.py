from __future__ import annotations

from pathlib import Path

from commands import run

from nbship.dvcstore.lineage import find_commit


def commit(root: Path, who: str) -> None:
    run("git", "add", "-A", cwd=root, check=True)
    name = ["-c", f"user.name={who}", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]
    run("git", *name, "commit", "-qm", "as it is now", cwd=root, check=True)


def test_the_commit_that_made_a_package_is_found(tmp_path: Path) -> None:
    package = tmp_path / "models/one"
    (package / "code").mkdir(parents=True)
    (package / "MANIFEST.json").write_text("{}")
    (package / "code" / "a.py").write_text("x = 1\n")
    assert find_commit(package, tmp_path) is None
    run("git", "init", "-q", cwd=tmp_path, check=True)
    run("dvc", "init", "-q", cwd=tmp_path, check=True)
    run("dvc", "stage", "add", "-n", "package", "-o", "models/one", "true", cwd=tmp_path, check=True)
    run("dvc", "commit", "-f", "package", cwd=tmp_path, check=True)
    assert find_commit(package, tmp_path) is None
    commit(tmp_path, "Ann")
    assert (find_commit(package, tmp_path) or "").endswith("by Ann")
    (tmp_path / "other").write_text("")
    commit(tmp_path, "Ben")
    assert (find_commit(package, tmp_path) or "").endswith("by Ann")
    (package / "code" / "a.py").write_text("x = 2\n")
    assert find_commit(package, tmp_path) is None
