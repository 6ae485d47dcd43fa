"""Files and folders appear whole or not at all, and one module sees to it."""

from __future__ import annotations

import ast
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nbship import atomic_write
from nbship.atomic_write import remove_temporary, replacing, replacing_folder, write_if_changed, write_whole

SOURCE = Path(__file__).parents[1] / "src" / "nbship"
# Modules with temporary names or renames for other purposes than atomic writes, and the reason.
EXCEPTIONS = {
    "atomic_write.py": "the module for atomic writes",
    "serving/sockets.py": "a Unix socket takes over the path of another",
    "execution/kernels/client.py": "a folder for a socket, whose path must be short",
    "execution/kernels/executor.py": "a folder for a kernel's connection file",
    "execution/reporting/unexpected.py": "a trace in the folder for temporary files",
}


def test_one_module_renames():
    found = {
        path.relative_to(SOURCE).as_posix(): f"line {node.lineno}: {ast.unparse(node.func)}"
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and renames(node)
    }
    assert {path: call for path, call in found.items() if path not in EXCEPTIONS} == {}
    assert sorted(EXCEPTIONS) == sorted(found)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("os.replace(a, b)", True),
        ("os.rename(a, b)", True),
        ("shutil.move(a, b)", True),
        ("mkstemp(dir=folder)", True),
        ("tempfile.NamedTemporaryFile(delete=False)", True),
        ("path.replace(target)", True),
        ("Path(path).with_suffix('.new').rename(target)", True),
        ("text.replace('a', 'b')", False),
        ("frame.rename(columns=names)", False),
        ("moment.replace(day=1)", False),
        ("dataclasses.replace(source)", False),
    ],
)
def test_what_counts_as_a_rename(call: str, expected: bool):
    node = ast.parse(call, mode="eval").body
    assert isinstance(node, ast.Call)
    assert renames(node) is expected


def renames(call: ast.Call) -> bool:
    """Return whether a call renames, or makes a file with a temporary name."""
    owner, _, name = ast.unparse(call.func).rpartition(".")
    if name in ("mkstemp", "mkdtemp", "NamedTemporaryFile") or (owner, name) == ("shutil", "move"):
        return True
    if owner == "os":
        return name in ("replace", "rename", "renames")
    return owner != "dataclasses" and name in ("replace", "rename") and len(call.args) == 1 and not call.keywords


@pytest.mark.parametrize("durable", [False, True])
def test_a_linked_file_is_replaced_not_written_through(tmp_path: Path, durable: bool):
    cached, product = tmp_path / "cached", tmp_path / "product.json"
    cached.write_text("old")
    os.link(cached, product)
    write_whole(product, "new\r\né", durable=durable)
    assert (cached.read_text(), product.read_bytes()) == ("old", "new\r\né".encode())
    assert names(tmp_path) == ["cached", "product.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path):
    product = tmp_path / "new" / "folder" / "product.json"
    write_whole(product, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(product, "\ud800")
    with pytest.raises(UnicodeEncodeError), replacing(product) as temporary:
        temporary.write_text("\ud800")
    assert [path.read_text() for path in product.parent.iterdir()] == ["old"]


def test_permissions_are_those_of_an_ordinary_file_or_as_given(tmp_path: Path):
    (tmp_path / "ordinary").write_text("")
    write_whole(tmp_path / "file", b"content")
    write_whole(tmp_path / "secret", b"content", mode=0o600)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)}
    assert modes == {"ordinary": modes["ordinary"], "file": modes["ordinary"], "secret": 0o600}


@pytest.mark.parametrize("durable", [False, True])
def test_content_and_name_are_synced_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool):
    synced: list[tuple[str, list[str]]] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append((Path(f"/proc/self/fd/{handle}").resolve().name, names(tmp_path, hidden=False)))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "file", "content", durable=durable)
    assert [found for _, found in synced] == ([[], ["file"]] if durable else [])
    assert [name.startswith(".file.") or name == tmp_path.name for name, _ in synced] == [True, True][: 2 * durable]


def test_a_current_file_is_not_written(tmp_path: Path):
    path = tmp_path / "generated.yaml"
    assert write_if_changed(path, "a: 1\n")
    before = path.stat()
    assert not write_if_changed(path, "a: 1\n")
    assert path.stat().st_ino == before.st_ino
    assert write_if_changed(path, "a: 2\n")


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path):
    target = tmp_path / "deep" / "report"
    for content in ("old", "new"):
        with replacing_folder(target) as folder:
            (folder / content).write_text(content)
            assert not (target / content).exists()
        assert names(target) == [content]
    with pytest.raises(UnicodeEncodeError), replacing_folder(target) as folder:
        (folder / "half").write_text("\ud800")
    assert (names(target), names(target.parent)) == (["new"], ["report"])


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "report"
    target.mkdir()
    (target / "old").write_text("old")
    rename = Path.rename
    with monkeypatch.context() as patch:
        patch.setattr(atomic_write, "_exchange", lambda *_: False)  # a file system that cannot
        calls = iter([rename, failed, rename])
        patch.setattr(Path, "rename", lambda path, to: next(calls)(path, to))
        with pytest.raises(OSError, match="disk"), replacing_folder(target) as folder:
            (folder / "new").write_text("new")
    assert (names(target), names(tmp_path)) == (["old"], ["report"])


def failed(*_: object) -> Path:
    raise OSError("disk")


REPLACER = """
import sys
from pathlib import Path
from nbship.atomic_write import replacing_folder
for number in range(300):
    with replacing_folder(Path(sys.argv[1])) as folder:
        (folder / "number").write_text(str(number))
"""


def test_there_is_a_folder_at_every_time_of_its_replacement(tmp_path: Path):
    target = tmp_path / "report"
    with replacing_folder(target) as folder:
        (folder / "number").write_text("-1")
    with subprocess.Popen([sys.executable, "-c", REPLACER, target]) as process:
        while process.poll() is None:
            assert os.path.exists(target)  # noqa: PTH110 - the quickest look
    assert process.returncode == 0
    assert ((target / "number").read_text(), names(tmp_path)) == ("299", ["report"])


WRITER = """
import os, signal, sys
from pathlib import Path
from nbship.atomic_write import replacing, replacing_folder
with replacing(Path(sys.argv[1]) / "file") as file, replacing_folder(Path(sys.argv[1]) / "folder") as folder:
    file.write_text("half")
    (folder / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_deleted(tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", WRITER, tmp_path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 2
    remove_temporary([tmp_path / "file", tmp_path / "folder"], age=60)
    assert len(names(tmp_path)) == 2
    remove_temporary([tmp_path / "file", tmp_path / "folder", tmp_path / "missing" / "file"])
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", [".a.json.4711.draft", ".a.json.x_1b2c3d", ".a.json.0123456789abcdef.tmp"])
def test_names_of_this_and_earlier_versions_are_known(tmp_path: Path, name: str):
    others = [".a.json", ".a.json.draft", ".b.json.4711.draft", "a.json", "a.json.x_1b2c3d"]
    for each in (name, *others):
        (tmp_path / each).write_text("")
    remove_temporary([tmp_path / "a.json"])
    assert names(tmp_path) == sorted(others)


def names(folder: Path, *, hidden: bool = True) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if hidden or not path.name.startswith("."))
