"""The requirements of a container are installed by hash where a lock file has all of them."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nbship.cli.package import command
from nbship.errors import PackageError
from nbship.model.build.locked_hashes import find_lock, read_hashes
from nbship.model.build.wheel import wheel_bytes

ROOT = Path(__file__).parents[3]
UV = """
[[package]]
name = "one"
version = "1.0"
sdist = { url = "https://x/one.tar.gz", hash = "sha256:AA", size = 1 }
wheels = [{ url = "https://x/one.whl", hash = "sha256:BB" }, { url = "https://x/two.whl", hash = "sha256:AA" }]

[[package]]
name = "own"
source = { editable = "." }
"""
PYLOCK = """
lock-version = "1.0"
[[packages]]
name = "One.Two"
version = "2.0"
[[packages.wheels]]
name = "one.whl"
hashes = { sha256 = "BB", md5 = "c" }
[packages.sdist]
hashes = { sha256 = "AA" }
"""


def filled(text: str) -> str:
    return text.replace("AA", "a" * 64).replace("BB", "b" * 64)


def test_the_hashes_of_lock_files(tmp_path: Path) -> None:
    assert find_lock(tmp_path) is None
    (tmp_path / "pylock.toml").write_text(filled(PYLOCK))
    assert find_lock(tmp_path) == tmp_path / "pylock.toml"
    assert read_hashes(tmp_path / "pylock.toml") == {"one-two==2.0": ("a" * 64, "b" * 64)}
    (tmp_path / "uv.lock").write_text(filled(UV))
    assert read_hashes(tmp_path / "uv.lock") == {"one==1.0": ("a" * 64, "b" * 64)}


@pytest.mark.parametrize("text", ["[", "package = 3", "package = [3]", "[[package]]\nversion = '1'", "\udcff"])
def test_a_file_that_is_no_lock_file_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "uv.lock").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PackageError, match="cannot be read as a lock file"):
        read_hashes(tmp_path / "uv.lock")


def build(package: Path, folder: Path, *words: str) -> dict[str, object]:
    words = ("container", str(package), "--to", str(folder), "--json", *words)
    result = CliRunner().invoke(command, words, catch_exceptions=False)
    about: dict[str, object] = json.loads(result.stdout)
    return about


def test_a_container_installs_by_hash(tmp_path: Path, small_package: Path) -> None:
    assert build(small_package, tmp_path / "context", "--lock", str(ROOT / "uv.lock"))["by_hash"] is True
    lines = (tmp_path / "context" / "requirements.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[\w.-]+==\S+( --hash=sha256:[0-9a-f]{64})+", line) for line in lines)
    assert "--require-hashes -r /tmp/requirements.txt" in (tmp_path / "context" / "Dockerfile").read_text()
    lock = (ROOT / "uv.lock").read_text()
    assert all(f'hash = "sha256:{digest}"' in lock for line in lines for digest in re.findall(r"[0-9a-f]{64}", line))


def test_without_a_lock_file_that_has_all_libraries_the_command_reports_it(
    tmp_path: Path, small_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uv.lock").write_text(filled(UV))
    for words in ((), ("--lock", "uv.lock")):
        assert build(small_package, tmp_path / "context", *words)["by_hash"] is False
        assert "--hash" not in (tmp_path / "context" / "requirements.txt").read_text()
        assert "--require-hashes" not in (tmp_path / "context" / "Dockerfile").read_text()
    result = CliRunner().invoke(command, ["container", str(small_package), "--to", str(tmp_path / "context")])
    assert "required by version, not by hash" in result.stdout


def test_another_file_than_the_locked_one_is_not_installed(tmp_path: Path) -> None:
    info = "one-1.0.dist-info"
    content = wheel_bytes(
        info, {"one.py": b"", f"{info}/METADATA": b"Metadata-Version: 2.1\nName: one\nVersion: 1.0\n"}
    )
    (tmp_path / "one-1.0-py3-none-any.whl").write_bytes(content)
    uv = Path(sys.executable).with_name("uv")
    for digest, code in ((hashlib.sha256(content).hexdigest(), 0), ("a" * 64, 1)):
        (tmp_path / "uv.lock").write_text(UV.replace("BB", digest).replace("AA", digest))
        (found,) = read_hashes(tmp_path / "uv.lock").values()
        (tmp_path / "requirements.txt").write_text(f"one==1.0 --hash=sha256:{found[0]}\n")
        words = ["--no-index", "--find-links", tmp_path, "--no-cache", "--target", tmp_path / digest[:8]]
        done = subprocess.run([uv, "pip", "install", "-q", "--require-hashes", *words, "-r", tmp_path / "requirements.txt"], capture_output=True)  # fmt: skip
        assert bool(done.returncode) == bool(code), done.stderr
