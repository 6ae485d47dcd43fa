"""`nbship run` writes the same files as `dvc repro`."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from .graphs import executions, products, write_graph
from .two_stages import call as call_without_path
from .two_stages import git, write_project


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has never run, committed."""
    root = write_graph(tmp_path_factory.mktemp("fresh") / "project")
    assert call(root, "nbship", "sync").returncode == 0
    git(root, "add", ".")
    git(root, "commit", "-qm", "Begin")
    return root


@pytest.fixture(scope="module")
def by_dvc(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after `dvc repro`."""
    root = clone(fresh, tmp_path_factory.mktemp("dvc") / "project")
    done = call(root, "dvc", "repro")
    assert done.returncode == 0, done.stderr
    return root


def call(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the environment on PATH, where DVC finds `nbship`."""
    programs = Path(sys.executable).parent
    return call_without_path(root, *command, PATH=f"{programs}{os.pathsep}{os.environ['PATH']}")


def clone(source: Path, root: Path) -> Path:
    subprocess.run(["git", "clone", "-q", source, root], check=True)
    # Ploomber has read this pipeline; reading it again takes seconds.
    accepted = ".nbship/cache/ploomber-accepts"
    (root / accepted).parent.mkdir(parents=True)
    shutil.copy(source / accepted, root / accepted)
    return root


def files(root: Path, folder: str) -> dict[str, bytes]:
    found = [path for path in (root / folder).rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def nothing_to_do(root: Path) -> None:
    executions(root)
    assert "up to date" in call(root, "dvc", "status").stdout
    assert call(root, "dvc", "repro").stdout.count("didn't change, skipping") == 6
    done = call(root, "nbship", "run")
    assert "5 up to date" in done.stdout, done.stdout + done.stderr
    assert executions(root) == []


def test_a_run_writes_the_files_of_dvc_repro(fresh: Path, by_dvc: Path, tmp_path: Path) -> None:
    root = clone(fresh, tmp_path / "project")
    done = call(root, "nbship", "run", "-j", "2")
    assert done.returncode == 0, done.stderr
    assert (root / "dvc.lock").read_text() == (by_dvc / "dvc.lock").read_text()
    assert products(root) == products(by_dvc)
    for folder in (".dvc/cache/files", ".dvc/cache/runs"):
        assert files(root, folder) == files(by_dvc, folder)
    assert git(root, "status", "--short") == git(by_dvc, "status", "--short")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (root / ".dvc/cache/files").rglob("*") if path.is_file()}
    assert modes == {0o444}
    nothing_to_do(root)


@pytest.mark.parametrize("kind", ["hardlink", pytest.param("symlink", marks=pytest.mark.long)])
def test_products_are_linked_as_configured(fresh: Path, by_dvc: Path, tmp_path: Path, kind: str) -> None:
    root = clone(fresh, tmp_path / "project")
    call(root, "dvc", "config", "cache.type", kind)
    call(root, "dvc", "config", "--local", "cache.dir", str(tmp_path / "elsewhere"))
    call(root, "dvc", "config", "core.hardlink_lock", str(kind == "symlink").lower())
    assert call(root, "nbship", "run").returncode == 0
    assert (root / "dvc.lock").read_text() == (by_dvc / "dvc.lock").read_text()
    assert not (root / ".dvc/cache").exists()
    product = root / "products/a/parts/one.txt"
    assert product.is_symlink() == (kind == "symlink")
    assert (product.stat().st_nlink > 1) == (kind == "hardlink")
    nothing_to_do(root)
    # Products are never written in place, so linked objects in the cache do not change.
    before = files(tmp_path / "elsewhere", "files")
    assert call(root, "nbship", "run", "-S", "a.start=7").returncode == 0
    assert call(root, "dvc", "repro", "--force").returncode == 0
    after = files(tmp_path / "elsewhere", "files")
    assert {name: after[name] for name in before} == before
    call(root, "nbship", "run", "-S", "a.start=1")
    assert executions(root).count("a") == 2
    assert products(root) == products(by_dvc)


def test_remotes_checkout_and_gc_work(fresh: Path, by_dvc: Path, tmp_path: Path) -> None:
    root = clone(fresh, tmp_path / "project")
    call(root, "dvc", "remote", "add", "-d", "store", str(tmp_path / "store"))
    assert call(root, "nbship", "run").returncode == 0
    assert call(root, "dvc", "push", "--run-cache").returncode == 0
    git(root, "add", ".")
    git(root, "commit", "-qm", "Run")
    other = clone(root, tmp_path / "other")
    assert call(other, "dvc", "pull").returncode == 0
    nothing_to_do(other)
    shutil.rmtree(root / "products/a/parts")
    assert call(root, "dvc", "checkout", "--force").returncode == 0
    assert products(root) == products(by_dvc)
    assert call(root, "dvc", "gc", "-w", "-f").returncode == 0
    nothing_to_do(root)


def test_changed_data_is_recorded_in_its_dvc_file(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project")
    git(root, "init", "-q")
    call(root, "dvc", "init", "-q")
    assert call(root, "dvc", "add", "data").returncode == 0
    assert call(root, "nbship", "run").returncode == 0
    before = (root / "data.dvc").read_text()
    (root / "data/numbers.json").write_text("[1, 2, 3]")
    done = call(root, "nbship", "run")
    assert done.stdout.splitlines()[0] == "'data' changed; 'data.dvc' records it."
    assert "2 ran" in done.stdout
    assert (root / "data.dvc").read_text() != before
    assert "data" not in call(root, "dvc", "status").stdout


def test_tracked_data_is_added_to_the_cache(tmp_path: Path) -> None:
    """For example in a clone whose data were installed instead of pulled."""
    root = write_project(tmp_path / "project")
    git(root, "init", "-q")
    call(root, "dvc", "init", "-q")
    assert call(root, "dvc", "add", "data").returncode == 0
    for _ in range(2):
        shutil.rmtree(root / ".dvc/cache")
        assert call(root, "nbship", "run").returncode == 0
        assert "not in cache" not in call(root, "dvc", "status").stdout


def test_dvc_and_runs_restore_each_others_products(fresh: Path, by_dvc: Path, tmp_path: Path) -> None:
    for first, second in (("nbship", "dvc"), ("dvc", "nbship")):
        root = clone(fresh, tmp_path / first)
        commands = {"nbship": ["nbship", "run"], "dvc": ["dvc", "repro"]}
        assert call(root, *commands[first]).returncode == 0
        executions(root)
        lock = (root / "dvc.lock").read_text()
        (root / "dvc.lock").unlink()
        shutil.rmtree(root / "products")
        assert call(root, *commands[second]).returncode == 0
        assert executions(root) == []
        assert (root / "dvc.lock").read_text() == lock
        assert products(root) == products(by_dvc)


def test_another_cache_folder_receives_the_products(fresh: Path, by_dvc: Path, tmp_path: Path) -> None:
    root = clone(by_dvc, tmp_path / "project")
    assert call(root, "nbship", "run").returncode == 0
    assert call(root, "dvc", "cache", "dir", str(tmp_path / "cache")).returncode == 0
    done = call(root, "nbship", "run")
    assert "5 up to date" in done.stdout, done.stdout + done.stderr
    assert "not in cache" not in (status := call(root, "dvc", "status").stdout), status
    nothing_to_do(root)


def test_changed_files_are_staged_in_git_if_dvc_is_configured_so(fresh: Path, tmp_path: Path) -> None:
    staged = {}
    for command in (["dvc", "repro"], ["nbship", "run"]):
        root = clone(fresh, tmp_path / command[0])
        assert call(root, "dvc", "config", "--local", "core.autostage", "true").returncode == 0
        done = call(root, *command)
        assert done.returncode == 0, done.stderr
        staged[command[0]] = git(root, "diff", "--cached", "--name-only").split()
    assert "dvc.lock" in staged["dvc"]
    assert staged["nbship"] == staged["dvc"]
