"""Several processes change one file at the same time, and no change is lost."""

from __future__ import annotations

import ast
import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from waiting import PATIENCE

from nbship import file_locks
from nbship.dvcstore.gitignore import ignore_in_git
from nbship.errors import FileLockError
from nbship.file_locks import changing
from nbship.project import read_params, set_params
from nbship.serving import KeyFile

SOURCE = Path(__file__).parents[1] / "src" / "nbship"
WRITERS = {"write_whole", "write_if_changed", "replacing", "write_text", "write_bytes"}
READERS = {"read_text", "read_bytes", "read_notebook", "read_lock"}
# Functions that read and write without the lock of `changing`, and why.
EXCEPTIONS = {
    ("atomic_write.py", "write_if_changed"): "writes content that does not depend on the file",
    ("cli/package/artifacts.py", "wheel"): "copies a signature",
    (
        "inference/releases/release_file.py",
        "_copy_package",
    ): "copies a package, named by its content, and its signature",
    ("model/build/container.py", "write_context"): "copies a signature",
    ("dvcstore/lock_writer.py", "_write"): "its caller holds DVC's lock",
    ("dvcstore/repair.py", "repair_lock"): "its caller holds DVC's lock",
    ("model/build/wheel.py", "build_wheel"): "writes what it derives from other files",
    ("operations/monitoring.py", "_copy_report"): "copies a report into a temporary folder",
    ("pipeline/ploomber.py", "validate"): "a cache",
    ("pipeline/synchronization.py", "sync"): "writes what it derives from other files",
    ("scheduler/worktree.py", "_share_cache"): "writes what it derives from other files, in a worktree of its own",
}
COUNT = 10


def names(path: Path) -> list[str]:
    return sorted(key.name for key in KeyFile(path).keys())  # noqa: SIM118


def keys_added(folder: Path) -> tuple[Callable[[int], object], Callable[[], object], object]:
    path = folder / "state" / "keys.json"
    return (
        lambda number: KeyFile(path).add(f"k{number}", ["predict"]),
        lambda: names(path),
        sorted(f"k{number}" for number in range(COUNT)),
    )


def keys_revoked(folder: Path) -> tuple[Callable[[int], object], Callable[[], object], object]:
    path = folder / "keys.json"
    for number in range(COUNT + 1):
        KeyFile(path).add(f"k{number}", ["predict"])
    return (
        lambda number: KeyFile(path).revoke(f"k{number}"),
        lambda: names(path),
        [f"k{COUNT}"],
    )


def params_set(folder: Path) -> tuple[Callable[[int], object], Callable[[], object], object]:
    path = folder / "params.yaml"
    path.write_text("train:\n" + "".join(f"  p{number}: 0  # a comment\n" for number in range(COUNT)))
    return (
        lambda number: set_params(path, [f"train.p{number}={number + 1}"]),
        lambda: read_params(path)["train"],
        {f"p{number}": number + 1 for number in range(COUNT)},
    )


def products_ignored(folder: Path) -> tuple[Callable[[int], object], Callable[[], object], object]:
    return (
        lambda number: ignore_in_git(folder, [folder / f"product{number}"]),
        lambda: sorted((folder / ".gitignore").read_text().splitlines()),
        sorted(f"/product{number}" for number in range(COUNT)),
    )


@pytest.mark.parametrize("case", [keys_added, keys_revoked, params_set, products_ignored])
def test_no_change_is_lost(case: Callable[[Path], tuple], tmp_path: Path) -> None:
    change, read, expected = case(tmp_path)
    start = threading.Barrier(COUNT)

    def run(number: int) -> None:
        start.wait(PATIENCE)
        change(number)

    with ThreadPoolExecutor(COUNT) as pool:
        list(pool.map(run, range(COUNT)))
    assert read() == expected
    assert {path.name for path in tmp_path.rglob(".*")} <= {".gitignore"}


def test_ten_commands_add_ten_keys(tmp_path: Path, small_package: Path) -> None:
    environ = {**os.environ, "NBSHIP_STATE": str(tmp_path)}
    words = ["--role", "predict", "--package", str(small_package)]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "nbship", "keys", "add", f"k{number}", *words], cwd=tmp_path, env=environ
        )
        for number in range(10)
    ]
    assert [process.wait(PATIENCE) for process in started] == [0] * 10
    found = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert sorted(key["name"] for key in found["keys"]) == sorted(f"k{number}" for number in range(10))


def test_a_lock_that_another_process_keeps_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_locks, "_SECONDS", 0.05)
    path = tmp_path / "keys.json"
    with changing(path), pytest.raises(FileLockError, match=r"has been changing '.*keys\.json'"), changing(path):
        pass
    with changing(path):
        pass


def test_a_file_is_locked_where_a_folder_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_locks, "_SECONDS", 0.05)
    flock = fcntl.flock

    def as_on_nfs(handle: int, how: int) -> None:
        if Path(f"/proc/self/fd/{handle}").readlink() == tmp_path:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", as_on_nfs)
    path = tmp_path / "keys.json"
    with changing(path), pytest.raises(FileLockError), changing(path):
        pass


def unlocked(source: str) -> Iterator[str]:
    """Yield the functions of a module that read and write files outside of a `with changing(…)` block."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            called = set(calls(node))
            if called & WRITERS and called & READERS:
                yield node.name


def calls(node: ast.AST) -> Iterator[str]:
    """Yield the names of the functions that are called outside of a `with changing(…)` block."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.With) and any("changing" in ast.unparse(item.context_expr) for item in child.items):
            continue
        if isinstance(child, ast.Call):
            yield child.func.attr if isinstance(child.func, ast.Attribute) else ast.unparse(child.func)
        yield from calls(child)


def test_what_is_read_changed_and_written_is_locked() -> None:
    found = {
        (path.relative_to(SOURCE).as_posix(), name)
        for path in sorted(SOURCE.rglob("*.py"))
        for name in unlocked(path.read_text())
    }
    assert found == set(EXCEPTIONS)


def test_a_linked_file_changes_and_the_link_stays(tmp_path: Path) -> None:
    """Two links to one file, in folders of their own, have one lock."""
    (tmp_path / "params.yaml").write_text("train: {rate: 1}\n")
    for number in range(2):
        (tmp_path / f"{number}").mkdir()
        for name in ("keys.json", "params.yaml"):
            (tmp_path / f"{number}" / name).symlink_to(f"../{name}")
    with ThreadPoolExecutor(COUNT) as threads:
        added = [threads.submit(KeyFile(tmp_path / str(number % 2) / "keys.json").add, f"k{number}", ["predict"]) for number in range(COUNT)]  # fmt: skip
        assert [len(each.result()) > 32 for each in added] == [True] * COUNT
    KeyFile(tmp_path / "0" / "keys.json").revoke("k0")
    set_params(tmp_path / "1" / "params.yaml", ["train.rate=2"])
    assert [(tmp_path / str(number) / name).is_symlink() for number in range(2) for name in ("keys.json", "params.yaml")] == [True] * 4  # fmt: skip
    assert names(tmp_path / "keys.json") == [f"k{number}" for number in range(1, COUNT)]
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0
    assert read_params(tmp_path / "params.yaml") == {"train": {"rate": 2}}
