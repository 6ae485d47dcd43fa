"""A package that was changed in any byte is refused, before anything in it is parsed."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nbship import predictor
from nbship.errors import PackageError
from nbship.model import manifest


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
    # Reading and checking the files is all that runs: nothing has been parsed when it refuses.
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


@pytest.mark.parametrize("change", ["added", "removed", "link", "folder link"])
def test_files_that_come_and_go_are_found(package: Path, tmp_path: Path, change: str) -> None:
    victim = package / "provenance.json"
    if change == "added":
        (package / "extra.py").write_text("")
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
