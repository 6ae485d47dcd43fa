"""A package as one file: the zip archive inside a wheel."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from ...errors import CorruptPackageError, PackageError
from .manifest import MANIFEST, Manifest, read_manifest, verify_files

__all__ = ["ARCHIVE", "read_archive", "read_wheel"]

ARCHIVE = "package.zip"
# A limit on decompression bombs: an archive may unpack to 64 MB, or to a hundred times its compressed size. For
# example, 1.5 MB compressed may unpack to 150 MB, but not to 2 GB.
_SMALL, _RATIO = 64 << 20, 100


def read_wheel(path: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Read and verify the package inside a wheel that `build_wheel` wrote.

    Raises
    ------
    PackageError
        If the file is not such a wheel.
    CorruptPackageError
        If the package does not match its manifest.
    """
    return read_archive(_inner(path), where=str(path))


def _inner(path: Path) -> bytes:
    """Return the archive inside a wheel."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [name for name in archive.namelist() if name.endswith(f"/{ARCHIVE}")]
            if len(inside) != 1:
                raise PackageError(f"'{path}' holds no model package. Name a wheel that `nbship package wheel` wrote.")
            entry = archive.getinfo(inside[0])
            if entry.file_size > max(_SMALL, _RATIO * entry.compress_size):
                raise zipfile.BadZipFile(f"'{ARCHIVE}' would unpack to {entry.file_size / 1e6:,.0f} MB")
            return archive.read(entry)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        raise CorruptPackageError(
            f"'{path}' cannot be read: {error}. Build it again with `nbship package wheel`."
        ) from error


def read_archive(data: bytes, *, where: str) -> tuple[Manifest, dict[str, bytes]]:
    """Read the files of a package from its archive, and check each against the manifest.

    Raises
    ------
    CorruptPackageError
        If the archive is damaged, or a file was changed, added or removed.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            present = {entry.filename: entry for entry in archive.infolist()}
            if len(present) != len(archive.infolist()) or MANIFEST not in present:
                raise zipfile.BadZipFile(f"it does not hold '{MANIFEST}', or holds a file twice")
            # An entry without compression cannot unpack to more than the size of the archive.
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in present.values()):
                raise zipfile.BadZipFile("an entry is compressed")
            manifest = read_manifest(archive.read(MANIFEST))
            files = {name: archive.read(name) for name in present if name in manifest.files}
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise CorruptPackageError(f"The package in '{where}' cannot be read: {error}. Build it again.") from error
    verify_files(manifest, files, present=set(present) - {MANIFEST}, where=where)
    return manifest, files
