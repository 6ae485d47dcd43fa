"""A package that was changed in any byte is refused, before anything in it is parsed."""

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


def flip(path: Path, random_: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[random_.randrange(len(content))] ^= 1 << random_.randrange(8)
    path.write_bytes(content)


def refusals(package: Path, *, times: int, load: Callable[[Path], object]) -> int:
    """Flip one bit of one file at a time; return how often the package was refused."""
    random_ = random.Random(0)
    files = sorted(path for path in package.rglob("*") if path.is_file() and path.name != "MANIFEST.json")
    refused = 0
    for _ in range(times):
        path = random_.choice(files)
        kept = path.read_bytes()
        flip(path, random_)
        try:
            load(package)
        except PackageError:
            refused += 1
        finally:
            path.write_bytes(kept)
    return refused


@pytest.fixture
def package(small_package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_package, tmp_path / "package"))


def test_every_flipped_bit_is_found_before_a_file_is_parsed(package: Path, full: bool) -> None:
    times = 2_000 if full else 100
    # CodeSummary and checking the files is all that runs: nothing has been parsed when it refuses.
    assert refusals(package, times=times, load=manifest.read_files) == times
    predictor.load(package)


def test_a_flipped_bit_of_the_manifest_is_found_or_makes_another_version(package: Path, full: bool) -> None:
    version, path = predictor.load(package).version, package / "MANIFEST.json"
    random_, kept = random.Random(1), path.read_bytes()
    for _ in range(500 if full else 50):
        flip(path, random_)
        try:
            assert manifest.read_files(package)[0].version != version
        except PackageError:
            pass
        finally:
            path.write_bytes(kept)


def test_a_reader_that_trusts_sizes_alone_would_be_caught(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "verify_files", lambda *args, **kwargs: None)
    assert refusals(package, times=100, load=manifest.read_files) < 50


@pytest.mark.parametrize("change", ["added", "removed", "renamed", "link", "folder link"])
def test_files_that_come_and_go_are_found(package: Path, tmp_path: Path, change: str) -> None:
    victim = package / "provenance.json"
    if change == "added":
        (package / "extra.py").write_text("")
    elif change == "renamed":
        victim.rename(package / "origin.json")
    elif change == "folder link":
        (package / "elsewhere").symlink_to(tmp_path)
    else:
        kept = victim.read_bytes()
        victim.unlink()
        if change == "link":
            (tmp_path / "same").write_bytes(kept)
            victim.symlink_to(tmp_path / "same")
    with pytest.raises(PackageError):
        predictor.load(package)


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "code/../../x", "a\\b", "./x", "a//b", "a\0b"])
def test_a_manifest_that_leaves_the_package_is_refused(package: Path, path: str) -> None:
    content = json.loads((package / "MANIFEST.json").read_text())
    content["files"][0]["path"] = path
    (package / "MANIFEST.json").write_text(json.dumps(content))
    with pytest.raises(CorruptPackageError, match="outside the package"):
        predictor.load(package)


def test_a_wheel_is_as_closely_looked_at(package: Path, tmp_path: Path, full: bool) -> None:
    """Every flipped bit of the archive in the wheel is found, and nothing that unpacks to gigabytes is unpacked."""
    wheel = build_wheel(package, tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    inside = next(name for name in entries if name.endswith("package.zip"))
    random_, version = random.Random(2), predictor.load(wheel).version
    for _ in range(1_000 if full else 60):
        content = bytearray(entries[inside])
        content[random_.randrange(len(content))] ^= 1 << random_.randrange(8)
        wheel.write_bytes(write_zip({**entries, inside: bytes(content)}))
        try:
            # A flipped time or flag of the archive itself says nothing of the package in it.
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
        load_tables(bomb.getvalue())
