"""Projects with a Git repository, and what commands print in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from registries import Call, add_remote, clone, commit_package, write_registry_project

from nbship.cli import main


@pytest.fixture(scope="session")
def template(small_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alice's repository with one commit of a package, and no remote."""
    top = tmp_path_factory.mktemp("registry") / "alice"
    top.mkdir()
    commit_package(write_registry_project(top, small_package), 1)
    return top


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "alice"))


@pytest.fixture
def shared(root: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Alice's and Bob's clones of one remote; they share DVC's cache."""
    remote = add_remote(root, tmp_path / "origin.git")
    bob = clone(remote, tmp_path / "bob", "Bob")
    (bob / ".dvc/config.local").write_text(f"[cache]\n    dir = {root / '.dvc/cache'}\n")
    return root, bob


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `nbship models …` in a project: exit code, output, errors."""

    def run(root: Path, *words: str) -> tuple[int, str, str]:
        monkeypatch.chdir(root)
        with pytest.raises(SystemExit) as ended:
            main(["models", *words])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run
