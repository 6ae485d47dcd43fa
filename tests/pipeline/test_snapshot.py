"""What was up to date is so only while all that the judgement rested on is the same."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from stages import pretend_run, replace, write_project

from nbship import project
from nbship.pipeline.file_index import index_at
from nbship.pipeline.snapshot import read_snapshot
from nbship.pipeline.staleness import read_status, write_snapshot_if_current
from nbship.pipeline.synchronization import sync


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_project(tmp_path)
    replace(tmp_path / "pipeline.yaml", "data/names.csv", "data/folder")
    (tmp_path / "data/folder").mkdir()
    for name in ("one", "two"):
        (tmp_path / "data/folder" / name).write_text(name)
    pretend_run(tmp_path)
    status = read_status(project.load(tmp_path))
    assert status.current, status
    assert write_snapshot_if_current(project.load(tmp_path))
    assert read_snapshot(tmp_path, name="run") == ["load", "fit"]
    return tmp_path


def appended(name: str, text: str = "\n") -> Callable[[Path], object]:
    return lambda root: (root / name).write_text((root / name).read_text() + text)


def created(name: str) -> Callable[[Path], object]:
    def create(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("")

    return create


def with_the_same_size_and_time(name: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        path = root / name
        before = path.stat()
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


CHANGES: dict[str, Callable[[Path], object]] = {
    "notebook": appended("notebooks/load.ipynb"),
    "module": appended("src/own/features.py", "X = 1\n"),
    "module, same size and time": with_the_same_size_and_time("src/own/features.py"),
    "resource": appended("data/raw.csv"),
    "resource, same size and time": with_the_same_size_and_time("data/raw.csv"),
    "file in a folder": appended("data/folder/one"),
    "new file in a folder": created("data/folder/three"),
    "file gone from a folder": lambda root: (root / "data/folder/one").unlink(),
    "file renamed in a folder": lambda root: (root / "data/folder/one").rename(root / "data/folder/zero"),
    "product": appended("out/first.csv"),
    "product gone": lambda root: (root / "out/first.csv").unlink(),
    "product, same size and time": with_the_same_size_and_time("out/second.csv"),
    "pipeline.yaml": appended("pipeline.yaml"),
    "params.yaml": appended("params.yaml"),
    "new nbship.yaml": created("nbship.yaml"),
    "dvc.yaml": appended("dvc.yaml"),
    "dvc.lock": appended("dvc.lock"),
    "dvc.lock gone": lambda root: (root / "dvc.lock").unlink(),
    "uv.lock": appended("uv.lock"),
    "module that shadows a library": created("src/pandas.py"),
    "package that shadows a library": created("src/pandas/__init__.py"),
    "module beside the notebooks": created("notebooks/json.py"),
    "package in the place of a module": created("src/own/features/__init__.py"),
    "copy of a notebook": appended(".nbship/cache/notebooks/load.ipynb"),
    "snapshot gone": lambda root: (root / ".nbship/cache/run.json").unlink(),
    "snapshot cut": lambda root: os.truncate(root / ".nbship/cache/run.json", 300),
    "snapshot changed": with_the_same_size_and_time(".nbship/cache/run.json"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("pause", [0.0, 0.12], ids=["at once", "later"])
def test_any_change_invalidates_the_snapshot(root: Path, change: str, pause: float) -> None:
    time.sleep(pause)  # files are too young for their times to prove something, or not
    read_snapshot(root, name="run")
    CHANGES[change](root)
    assert read_snapshot(root, name="run") is None
    index_at.cache_clear()  # as in a new process
    assert read_snapshot(root, name="run") is None


@pytest.mark.parametrize(
    "harmless",
    [
        lambda root: os.utime(root / "data/raw.csv"),
        lambda root: (root / ".nbship/cache/digests.json").unlink(),
        lambda root: (root / ".nbship/cache/memo.json").write_text("garbage"),
        lambda root: (root / "notebooks/notes.txt").write_text("x"),
        lambda root: (root / "src/own/__pycache__").mkdir(),
    ],
)
def test_an_unchanged_project_is_recalled(root: Path, harmless: Callable[[Path], object]) -> None:
    harmless(root)
    index_at.cache_clear()
    assert read_snapshot(root, name="run") == ["load", "fit"]


def test_an_overridden_setting_invalidates_the_snapshot(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBSHIP_SERVING__PORT", "9000")
    assert read_snapshot(root, name="run") is None


def test_a_project_that_was_moved_is_still_up_to_date(root: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(root, moved, symlinks=True, ignore=shutil.ignore_patterns("elsewhere"))
    assert read_snapshot(moved, name="run") == ["load", "fit"]


def test_a_change_during_planning_is_not_remembered(root: Path) -> None:
    index = index_at(root / ".nbship/cache")
    (root / ".nbship/cache/run.json").unlink()
    index.start_record()
    index.md5(root / "data/raw.csv")
    (root / "data/raw.csv").write_text("other")
    index.md5(root / "data/raw.csv")
    assert not index.consistent


def test_extra_files_count(root: Path, tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    extra.write_text("1")
    assert write_snapshot_if_current(project.load(root), extra=[extra])
    assert read_snapshot(root, name="run")
    extra.write_text("2")
    assert read_snapshot(root, name="run") is None


def test_a_stale_project_is_not_remembered(root: Path) -> None:
    (root / "params.yaml").write_text((root / "params.yaml").read_text().replace("seed: 3", "seed: 4"))
    sync(project.load(root), check_with_ploomber=False)
    assert not write_snapshot_if_current(project.load(root))
    assert read_snapshot(root, name="run") is None
