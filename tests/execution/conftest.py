"""A project of two stages that has run once, shared by the tests of this folder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .two_stages import call, git, write_project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_project(tmp_path_factory.mktemp("finished") / "project")
    git(root, "init", "-q")
    done = call(root, "nbship", "run")
    assert done.returncode == 0, done.stderr
    git(root, "add", ".")
    git(root, "commit", "-qm", "Run")
    return root


@pytest.fixture(scope="module")
def project(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy for the tests of one module."""
    root = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(finished, root, symlinks=True)
    subprocess.run(["git", "update-index", "-q", "--refresh"], cwd=root, check=False)
    return root
