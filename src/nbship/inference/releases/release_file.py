"""The release file: which versions of a model running services use, beside the packages themselves.

Services on any machine that sees the folder follow it, without Git, DVC or credentials::

    releases/
      late.json                        production, the canary with its share, or that predictions are stopped
      packages/3f0c…/                  a package, named by its digest

The file is replaced as a whole, after the packages that it names are complete. Packages that it no longer names stay, so that
a rollback copies nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ...atomic_write import remove_temporary, replacing_folder, write_whole
from ...errors import PackageError, ReleaseError
from ...file_locks import changing
from ...model.package import MANIFEST, read_files, signature_path

__all__ = ["CanaryRelease", "Release", "ReleasedVersion", "end_canary", "package_of", "publish_release", "read_release"]

_FORMAT = 1
_ABANDONED_SECONDS = 3600.0


class ReleasedVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version of a model.

    Attributes
    ----------
    digest
        Of the package's manifest.
    tag
        The version in the registry; empty if it has none.
    """

    digest: str
    tag: str = ""


class CanaryRelease(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version that gets a share of the keys, from 0 to 1."""

    version: ReleasedVersion
    share: float


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What services use.

    Attributes
    ----------
    model
        The model's name.
    serial
        Grows by one with each change.
    at
        When the file was written, in UTC.
    production
        The version in production.
    canary
        The version beside it; None: there is none.
    stopped
        Why no predictions are made; empty: they are.
    ended
        Why a service ended the last canary; empty: none was.
    """

    model: str
    serial: int
    at: datetime
    production: ReleasedVersion
    canary: CanaryRelease | None = None
    stopped: str = ""
    ended: str = ""
    format: int = _FORMAT


def read_release(path: Path) -> Release:
    """Read a release file.

    Raises
    ------
    ReleaseError
        If there is none, or it is not one of this version of nbship.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ReleaseError(f"There is no release file '{path}'. Write one with 'nbship models release'.") from None
    except OSError as error:
        raise ReleaseError(f"The release file '{path}' cannot be read: {error.strerror}.") from error
    try:
        release = msgspec.json.decode(content, type=Release)
    except msgspec.DecodeError as error:
        raise ReleaseError(
            f"'{path}' is not a release file that this nbship reads: {error}. Upgrade nbship, or write the file again."
        ) from None
    if release.format != _FORMAT or (release.canary and not 0 <= release.canary.share <= 1):
        raise ReleaseError(
            f"'{path}' is not a release file of format {_FORMAT}. Upgrade nbship, or write the file again."
        )
    return release


def package_of(path: Path, version: ReleasedVersion) -> Path:
    """Return the folder of a version's package beside a release file."""
    return path.parent / "packages" / version.digest


def publish_release(
    path: Path,
    production: Path | None = None,
    *,
    tag: str = "",
    canary: Path | None = None,
    canary_tag: str = "",
    share: float = 0.0,
    stopped: str | None = None,
) -> Release:
    """Change a release file, or write the first one. What is not given stays; with a new version in production, the canary ends.

    Parameters
    ----------
    production, canary
        Packages, which are copied beside the file and verified there. Without `production`, it stays.
    tag, canary_tag
        Their versions in the registry.
    share
        The canary's share of the keys, from 0 to 1.
    stopped
        Why predictions are stopped; "" starts them again, None leaves it as it is.

    Raises
    ------
    ReleaseError
        If the packages are of different models, or there is no version in production yet.
    PackageError
        If a package cannot be read.
    CorruptPackageError
        If a file of a package differs from its manifest.
    """
    if not 0 <= share <= 1:
        raise ReleaseError(f"The canary's share {share} is not between 0 and 1.")
    copied = {each: _copy_package(path, each) for each in (production, canary) if each is not None}
    names = {name for name, _ in copied.values()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with changing(path) as file:
        before = read_release(file) if file.exists() else None
        if before is not None:
            names.add(before.model)
        if len(names) > 1:
            quoted = " and ".join(f"'{name}'" for name in sorted(names))
            raise ReleaseError(f"The release file '{path}' is of one model, and not of {quoted}. Name another file.")
        version = before.production if before else None
        if production is not None:
            version = ReleasedVersion(copied[production][1], tag)
        if version is None:
            raise ReleaseError(f"There is no release file '{path}' yet. Release a version to production first.")
        beside = before.canary if before and production is None else None
        if canary is not None:
            beside = CanaryRelease(ReleasedVersion(copied[canary][1], canary_tag), share)
        release = Release(
            model=names.pop(),
            serial=before.serial + 1 if before else 1,
            at=datetime.now(UTC),
            production=version,
            canary=beside,
            stopped=(before.stopped if before else "") if stopped is None else stopped,
        )
        write_whole(file, msgspec.json.format(msgspec.json.encode(release)) + b"\n", durable=True)
    return release


def end_canary(path: Path, serial: int, reason: str) -> bool:
    """End the canary of a release, and record the reason; return whether the file still was that release.

    Raises
    ------
    ReleaseError
        If the file cannot be read or written.
    """
    try:
        with changing(path) as file:
            before = read_release(file)
            if before.serial != serial:
                return False
            release = msgspec.structs.replace(
                before, serial=serial + 1, at=datetime.now(UTC), canary=None, ended=reason
            )
            write_whole(file, msgspec.json.format(msgspec.json.encode(release)) + b"\n", durable=True)
    except OSError as error:
        raise ReleaseError(f"The release file '{path}' cannot be written: {error.strerror}.") from error
    return True


def _copy_package(path: Path, package: Path) -> tuple[str, str]:
    """Copy a package with its signature beside a release file, and return its model and its digest."""
    manifest, files = read_files(package)
    target = path.parent / "packages" / manifest.digest
    remove_temporary([target], age=_ABANDONED_SECONDS)
    if not _is_whole(target):
        with replacing_folder(target) as folder:
            for name, content in {**files, MANIFEST: (package / MANIFEST).read_bytes()}.items():
                write_whole(folder / name, content, durable=True)
    signature = signature_path(package)
    if signature.is_file():
        write_whole(signature_path(target), signature.read_bytes(), durable=True)
    return manifest.name, manifest.digest


def _is_whole(package: Path) -> bool:
    try:
        return read_files(package)[0].digest == package.name
    except PackageError:
        return False
