from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nbship import predictor
from nbship.errors import CorruptPackageError, PackageError
from nbship.model.canonical_zip import write_zip
from nbship.model.package.archive import read_archive
from nbship.model.package.manifest import read_files, read_manifest


@pytest.fixture
def package(shop_package: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(shop_package("forest"), tmp_path / "package"))


def test_the_version_is_the_digest_of_the_manifest(package: Path) -> None:
    manifest, files = read_files(package)
    assert manifest.digest.startswith(manifest.version)
    assert len(manifest.version) == 12
    assert set(files) == set(manifest.files)


def test_a_flipped_byte_is_found_in_every_file(package: Path) -> None:
    random = np.random.default_rng(0)
    for path in sorted(package.rglob("*")):
        if not path.is_file() or not path.stat().st_size:
            continue
        whole = path.read_bytes()
        for place in random.integers(0, len(whole), 5):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
            try:
                flipped, _ = read_files(package)
            except PackageError:
                continue
            # A byte of the manifest that is in no path and in no digest gives another version of the package.
            assert path.name == "MANIFEST.json"
            assert flipped.version != read_manifest(whole).version
        path.write_bytes(whole)
    predictor.load(package)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: (p / "signature.json").unlink(), "'signature.json' is missing"),
        (lambda p: (p / "extra.txt").write_text("x"), "'extra.txt' was added"),
        (lambda p: (p / "code" / "shop" / "more.py").write_text("x"), "'code/shop/more.py' was added"),
        (
            lambda p: (p / "golden.parquet").write_bytes(b""),
            "'golden.parquet' .* has changed since the package was built",
        ),
        (lambda p: (p / "MANIFEST.json").write_text("{"), "'MANIFEST.json' cannot be read"),
        (lambda p: (p / "MANIFEST.json").unlink(), "no model package"),
        (lambda p: (p / "MODEL_CARD.md").rename(p / "CARD.md"), "'CARD.md' was added"),
    ],
)
def test_a_changed_file_is_rejected_by_name(package: Path, change: Callable[[Path], object], message: str) -> None:
    change(package)
    with pytest.raises(PackageError, match=message):
        predictor.load(package)


def test_links_are_rejected(package: Path, tmp_path: Path) -> None:
    (package / "signature.json").rename(tmp_path / "elsewhere.json")
    (package / "signature.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(CorruptPackageError, match=r"'signature.json' .* is a link"):
        predictor.load(package)


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "a\\b", "./a"])
def test_a_path_outside_the_package_is_rejected(path: str) -> None:
    content = {"format": 1, "name": "x", "files": [{"path": path, "sha256": "0" * 64, "size": 0}]}
    with pytest.raises(CorruptPackageError, match="is outside the package"):
        read_manifest(json.dumps(content).encode())


def test_an_unknown_format_is_reported(package: Path) -> None:
    content = json.loads((package / "MANIFEST.json").read_text())
    (package / "MANIFEST.json").write_text(json.dumps({**content, "format": 3}))
    with pytest.raises(PackageError, match="has format 3; this version of nbship reads formats 1 to 2"):
        predictor.load(package)


def test_an_archive_is_checked_against_its_manifest(package: Path) -> None:
    manifest, files = read_files(package)
    raw = {"MANIFEST.json": (package / "MANIFEST.json").read_bytes(), **files}
    assert read_archive(write_zip(raw), where="here")[0] == manifest
    for wrong in (
        write_zip({**raw, "extra": b"x"}),
        write_zip({**raw, "signature.json": b"{}"}),
        write_zip({name: content for name, content in raw.items() if name != "signature.json"}),
        write_zip(raw, compressed=True),
        write_zip(files),
        write_zip(raw)[:-100],
        b"",
    ):
        with pytest.raises(CorruptPackageError):
            read_archive(wrong, where="here")
