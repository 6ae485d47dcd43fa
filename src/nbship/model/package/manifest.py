"""The files of a package and their digests: every file is verified before any file is parsed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import CorruptPackageError, PackageError
from ..stored_files import read_json

__all__ = [
    "GOLDEN_OUTPUT",
    "MANIFEST",
    "Manifest",
    "json_bytes",
    "make_manifest",
    "read_files",
    "read_manifest",
    "verify_files",
]

# Prefix of the output columns in golden.parquet.
GOLDEN_OUTPUT = "output:"

MANIFEST = "MANIFEST.json"
# Since format 2, `reference.parquet` has counts by period.
FORMAT = 2
_READABLE = (1, FORMAT)
# A file that MLflow adds to a package that it loads from its registry; it is never read.
_OF_MLFLOW = "registered_model_meta"
# The largest size of a file, in bytes; a package with a larger one is rejected before it is read into memory.
_LARGEST = 4 << 30


@dataclass(frozen=True)
class _Format:
    format: int


@dataclass(frozen=True)
class _File:
    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class _Content:
    """The content of `MANIFEST.json`."""

    name: str
    files: tuple[_File, ...]


@dataclass(frozen=True)
class Manifest:
    """The manifest of a package, which identifies it by content.

    Attributes
    ----------
    name
        Name of the model.
    digest
        sha256 of `MANIFEST.json`, which holds the digests of all other files.
    files
        Path in the package -> (sha256, size in bytes).
    """

    name: str
    digest: str
    files: Mapping[str, tuple[str, int]]

    @property
    def version(self) -> str:
        """The first twelve hex digits of the digest."""
        return self.digest[:12]

    @property
    def has_code(self) -> bool:
        """Whether the package has modules of its own, which run when it is loaded."""
        return any(path.startswith("code/") for path in self.files)


def make_manifest(name: str, files: Mapping[str, bytes]) -> bytes:
    """Return the bytes of `MANIFEST.json` for these files."""
    listed = [
        {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for path, content in sorted(files.items())
    ]
    return (json.dumps({"format": FORMAT, "name": name, "files": listed}, indent=1) + "\n").encode()


def read_manifest(data: bytes) -> Manifest:
    """Read the bytes of `MANIFEST.json`.

    Raises
    ------
    CorruptPackageError
        If the bytes are not a manifest.
    PackageError
        If the format of the package is unknown.
    """
    version = read_json(data, _Format, path=MANIFEST).format
    if version not in _READABLE:
        raise PackageError(
            f"The package has format {version}; this version of nbship reads formats 1 to {FORMAT}. Install a version that reads format {version}."
        )
    content = read_json(data, _Content, path=MANIFEST)
    files = {each.path: (each.sha256, each.size) for each in content.files}
    # The digest is of the stored bytes, so that every change of the file is another version.
    manifest = Manifest(content.name, hashlib.sha256(data).hexdigest(), files)
    for path in files:
        # Paths are joined to a folder: "../x", "/x" and, on Windows, "..\x" must not leave it.
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or str(pure) != path or "\\" in path or "\0" in path:
            raise CorruptPackageError(
                f"'{MANIFEST}' names the path '{path}', which is outside the package. Do not use this package."
            )
    return manifest


def read_files(folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Read the files of a package, and check each against the manifest; the returned bytes are the checked bytes.

    Raises
    ------
    PackageError
        If there is no package in `folder`.
    CorruptPackageError
        If a file was changed, added, removed, or is a link.
    """
    if not (folder / MANIFEST).is_file():
        raise PackageError(
            f"There is no model package in '{folder}': it has no '{MANIFEST}'. Build one with `nbship run`."
        )
    manifest = read_manifest((folder / MANIFEST).read_bytes())
    present = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and path != folder / _OF_MLFLOW
    }
    # A link, or a file below a linked folder, has its content outside the package. The package itself may be linked.
    for name, path in present.items():
        inner = PurePosixPath(name).parents[:-1]
        if path.is_symlink() or any((folder / parent).is_symlink() for parent in inner):
            raise CorruptPackageError(f"'{name}' in package '{folder}' is a link. Build the package again.")
    files = {}
    for name in sorted(manifest.files.keys() & present.keys()):
        # Compare sizes first: a file that has become huge is not read into memory.
        if present[name].stat().st_size != manifest.files[name][1] or manifest.files[name][1] > _LARGEST:
            raise _changed(name, str(folder))
        files[name] = present[name].read_bytes()
    verify_files(manifest, files, present=set(present) - {MANIFEST}, where=str(folder))
    return manifest, files


def verify_files(manifest: Manifest, files: Mapping[str, bytes], *, present: set[str], where: str) -> None:
    """Check files against a manifest.

    Raises
    ------
    CorruptPackageError
        If a file was changed, added or removed.
    """
    for name in sorted(present - manifest.files.keys()):
        raise CorruptPackageError(
            f"'{name}' was added to package '{where}' after it was built. Build the package again."
        )
    for name, (digest, size) in manifest.files.items():
        if name not in files:
            raise CorruptPackageError(
                f"'{name}' is missing from package '{where}'. Build the package again, or `dvc checkout` it."
            )
        if len(files[name]) != size or hashlib.sha256(files[name]).hexdigest() != digest:
            raise _changed(name, where)


def _changed(name: str, where: str) -> CorruptPackageError:
    return CorruptPackageError(
        f"'{name}' in package '{where}' has changed since the package was built. Build the package again, or `dvc checkout` it."
    )


def json_bytes(content: Any) -> bytes:
    """Return content as JSON with sorted keys and without NaN, so that equal content gives equal bytes."""
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
