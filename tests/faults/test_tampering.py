"""A package with any changed byte is rejected before any of its files is parsed."""

from __future__ import annotations

import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nbship import predictor
from nbship.errors import CorruptPackageError, PackageError
from nbship.model import build_wheel
from nbship.model.backends.tables_file import load_tables
from nbship.model.canonical_zip import write_zip
from nbship.model.package import manifest


def flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def count_rejections(package: Path, *, times: int, load: Callable[[Path], object]) -> int:
    """Flip one bit of one file at a time; return how often the package was rejected."""
    rng = random.Random(0)
    files = sorted(path for path in package.rglob("*") if path.is_file() and path.name != "MANIFEST.json")
    rejected = 0
    for _ in range(times):
        path = rng.choice(files)
        original = path.read_bytes()
        flip(path, rng)
        try:
            load(package)
        except PackageError:
            rejected += 1
        finally:
            path.write_bytes(original)
    return rejected


@pytest.fixture
def package(small_package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_package, tmp_path / "package"))


def test_every_flipped_bit_is_found_before_a_file_is_parsed(package: Path, full: bool) -> None:
    times = 2_000 if full else 100
    # Only the check of the files runs here, so a rejected package has not been parsed.
    assert count_rejections(package, times=times, load=manifest.read_files) == times
    predictor.load(package)


def test_a_flipped_bit_of_the_manifest_is_found_or_changes_the_version(package: Path, full: bool) -> None:
    version, path = predictor.load(package).version, package / "MANIFEST.json"
    rng, original = random.Random(1), path.read_bytes()
    for _ in range(500 if full else 50):
        flip(path, rng)
        try:
            assert manifest.read_files(package)[0].version != version
        except PackageError:
            pass
        finally:
            path.write_bytes(original)


def test_a_reader_that_trusts_sizes_alone_would_be_caught(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "verify_files", lambda *args, **kwargs: None)
    assert count_rejections(package, times=100, load=manifest.read_files) < 50


@pytest.mark.parametrize("change", ["added", "removed", "renamed", "link", "folder link"])
def test_added_removed_and_linked_files_are_found(package: Path, tmp_path: Path, change: str) -> None:
    victim = package / "provenance.json"
    if change == "added":
        (package / "extra.py").write_text("")
    elif change == "renamed":
        victim.rename(package / "origin.json")
    elif change == "folder link":
        (package / "elsewhere").symlink_to(tmp_path)
    else:
        original = victim.read_bytes()
        victim.unlink()
        if change == "link":
            (tmp_path / "same").write_bytes(original)
            victim.symlink_to(tmp_path / "same")
    with pytest.raises(PackageError):
        predictor.load(package)


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "code/../../x", "a\\b", "./x", "a//b", "a\0b"])
def test_a_manifest_with_a_path_outside_the_package_is_rejected(package: Path, path: str) -> None:
    content = json.loads((package / "MANIFEST.json").read_text())
    content["files"][0]["path"] = path
    (package / "MANIFEST.json").write_text(json.dumps(content))
    with pytest.raises(CorruptPackageError, match="outside the package"):
        predictor.load(package)


def test_a_wheel_is_verified_like_a_package(package: Path, tmp_path: Path, full: bool) -> None:
    """Every flipped bit of the archive in the wheel is found, and compression bombs are not unpacked."""
    wheel = build_wheel(package, tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    inside = next(name for name in entries if name.endswith("package.zip"))
    rng, version = random.Random(2), predictor.load(wheel).version
    for _ in range(1_000 if full else 60):
        content = bytearray(entries[inside])
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        wheel.write_bytes(write_zip({**entries, inside: bytes(content)}))
        try:
            # A flipped timestamp or flag of the archive does not affect the package inside.
            assert predictor.load(wheel).version == version
        except PackageError:
            continue
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(inside, "w") as entry:
        for _ in range(300):
            entry.write(bytes(1 << 20))
    wheel.write_bytes(bomb.getvalue())
    with pytest.raises(CorruptPackageError, match="would unpack to 315 MB"):
        predictor.load(wheel)


def test_tables_that_unpack_to_gigabytes_are_not_unpacked() -> None:
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("leaves.npy", "w", force_zip64=True) as entry,
    ):
        for _ in range(1100):
            entry.write(bytes(1 << 20))
    with pytest.raises(CorruptPackageError, match="would unpack to 1,153 MB"):
        load_tables(bomb.getvalue(), path="tables.npz")
