"""The files of a registered package: from DVC's cache or remote, by digest, verified."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..atomic_write import replacing_folder, write_whole
from ..dvcstore import Cache, Digests, parse_lock, read_repository
from ..errors import NbshipError, PackageError, PipelineError, RegistryError
from ..model.package import MANIFEST, Manifest, Package, read_files, read_manifest, signature_path, verify_files
from ..project import Project
from ..text import one_line
from .dvc_remote import pull_contents
from .git import Git
from .history import Version

__all__ = ["MissingPackageError", "fetch_version", "locked_folder", "locked_outs", "read_contents", "read_version"]


class MissingPackageError(RegistryError):
    """The files of a package are in neither DVC's cache nor its remote."""


def fetch_version(project: Project, git: Git, version: Version, folder: Path) -> Manifest:
    """Write the package of a version to a folder, verified by its digest; nothing is written if the folder holds it.

    The signature of a signed package is written beside it.

    Raises
    ------
    RegistryError
        If neither DVC's cache nor its remote has the files.
    CorruptPackageError
        If they are not the registered package.
    """
    if (folder / MANIFEST).is_file():
        try:
            manifest, _ = read_files(folder)
        except PackageError:
            manifest = None
        if manifest is not None and version.package and manifest.digest == version.package.digest:
            return manifest
    manifest, files = _read(project, git, version)
    with replacing_folder(folder) as new:
        for path, data in files.items():
            target = new / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    if version.package and version.package.signature:
        write_whole(signature_path(folder), json.dumps(version.package.signature, indent=1) + "\n")
    return manifest


def read_version(project: Project, git: Git, version: Version, *, pull: bool = True) -> Package:
    """Return the package of a version.

    Parameters
    ----------
    pull
        Whether to copy files that DVC's cache lacks from its remote.

    Raises
    ------
    RegistryError, CorruptPackageError
        As `fetch_version`.
    """
    manifest, files = _read(project, git, version, pull=pull)
    return Package(manifest, {path: data for path, data in files.items() if path != MANIFEST})


def _read(project: Project, git: Git, version: Version, *, pull: bool = True) -> tuple[Manifest, dict[str, bytes]]:
    known = version.package
    md5 = known.dvc if known else locked_folder(project, git, version.commit, version.model)[1]
    manifest, files = read_contents(project, md5, where=str(version), pull=pull)
    if known and manifest.digest != known.digest:
        raise RegistryError(
            f"The package of '{version}' has the digest {manifest.digest[:12]}, and its tag records {known.short}. Do not use it, and find out who changed the tag."
        )
    return manifest, files


def read_contents(project: Project, md5: str, *, where: str, pull: bool = True) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and all files of a package in DVC's cache, copied from the remote if necessary.

    Parameters
    ----------
    md5
        DVC's digest of the folder.
    where
        The version, for messages.
    pull
        Whether to copy files from the remote.

    Raises
    ------
    RegistryError
        If neither has them.
    CorruptPackageError
        If they are not a whole package.
    """
    repository = read_repository(project.root)
    cache = Cache(repository, Digests(project.cache / "digests.json"))
    if not cache.is_intact(md5):
        _pull(repository.root, md5, where=where, remote=repository.remote if pull else "")
        if not cache.is_intact(md5):
            raise MissingPackageError(
                f"The package of '{where}' is damaged in DVC's remote '{repository.remote}'. Run `dvc push` where its files are."
            )
    files = {path: cache.path(inner).read_bytes() for path, inner in cache.listing(md5).items()}
    if MANIFEST not in files:
        raise RegistryError(f"The folder of '{where}' in DVC's cache has no '{MANIFEST}'. Build one with `nbship run`.")
    manifest = read_manifest(files[MANIFEST])
    inner = {path: data for path, data in files.items() if path != MANIFEST}
    verify_files(manifest, inner, present=set(inner), where=where)
    return manifest, files


def _pull(root: Path, md5: str, *, where: str, remote: str) -> None:
    remedy = "Run `nbship run` at its commit, which builds the same files, or `dvc push` where they are"
    if not remote:
        raise MissingPackageError(f"The package of '{where}' is not in DVC's cache. {remedy}.")
    try:
        pull_contents(root, [md5])
    except PipelineError as error:
        reason = one_line(error).partition(". `dvc")[0].rstrip(".")
        raise MissingPackageError(
            f"The package of '{where}' is not in DVC's cache, and not in its remote '{remote}': {reason}. {remedy}."
        ) from error


def locked_folder(project: Project, git: Git, commit: str, model: str) -> tuple[str, str]:
    """Return path and DVC's digest of a model's package in the `dvc.lock` of a commit.

    Raises
    ------
    RegistryError
        If the commit has no `dvc.lock`, or the lock no such package.
    """
    content = git.file(commit, "dvc.lock")
    if content is None:
        raise RegistryError(
            f"Commit {commit[:12]} has no 'dvc.lock', which records the package. Run `nbship run`, and commit dvc.lock."
        )
    path = (
        project.packages[model].relative_to(project.root).as_posix() if model in project.packages else f"models/{model}"
    )
    try:
        outs = locked_outs(content)
    except NbshipError as error:
        raise RegistryError(f"The 'dvc.lock' of commit {commit[:12]} cannot be read: {error}") from error
    if path not in outs or not outs[path].endswith(".dir"):
        raise RegistryError(
            f"The 'dvc.lock' of commit {commit[:12]} records no package '{path}'. Run `nbship run`, and commit dvc.lock."
        )
    return path, outs[path]


def locked_outs(content: bytes) -> Mapping[str, str]:
    """Return the products in the text of a `dvc.lock`: path -> digest."""
    lock = parse_lock(content.decode())
    return {out["path"]: str(out.get("md5", "")) for entry in lock.values() for out in entry.get("outs") or ()}
