"""DVC's cache: each content is stored once, by its md5, and verified before it is used."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..atomic_write import publish, remove
from ..errors import StageError
from .config import Repository
from .digests import Digests, md5_of_file, render_folder, stamp_of
from .hashing import Content
from .links import is_linked, link, reflink

__all__ = ["Cache"]

_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
_READ_ONLY = 0o444
_TICK = 0.012  # seconds; the coarsest clock of a Linux kernel ticks each 10 ms


class Cache:
    """The files in a DVC cache.

    Parameters
    ----------
    digests
        The known digests, so that verifying a file that has not changed takes one `stat`.
    """

    def __init__(self, repository: Repository, digests: Digests) -> None:
        self._repository = repository
        self._digests = digests
        self._folder = repository.cache / "files" / "md5"
        self._temporary_folder = repository.unfinished
        self._numbers = itertools.count()
        self._folders: set[Path] = set()
        # None once the file system does not support it.
        self._clone: Callable[[Path, Path], object] | None = os.link if repository.links[0] == "hardlink" else reflink

    def path(self, md5: str) -> Path:
        """Return the path of the content with this md5, whether it exists or not."""
        return self._folder / md5[:2] / md5[2:]

    def is_intact(self, md5: str) -> bool:
        """Tell whether a content exists and has this md5; of a folder, all its files too.

        A damaged file is removed, so that neither DVC nor another run uses it.
        """
        if not self._is_intact_file(md5):
            return False
        return not md5.endswith(".dir") or all(map(self._is_intact_file, self.listing(md5).values()))

    def listing(self, md5: str) -> Mapping[str, str]:
        """Return the files of a folder in the cache: path within it -> md5."""
        return {each["relpath"]: each["md5"] for each in json.loads(self.path(md5).read_bytes())}

    def files(self, md5: str) -> Iterator[tuple[Path, str]]:
        """Yield each file of the cache that holds a content, and its md5; of a folder, the listing first."""
        yield self.path(md5), md5.removesuffix(".dir")
        if md5.endswith(".dir"):
            yield from ((self.path(inner), inner) for inner in self.listing(md5).values())

    def add_new(self, path: Path) -> str:
        """Add a file that a stage has just written, and return its md5; the file is read once.

        The stage has ended, so the file does not change any more.
        """
        # A later change within the same tick of the file system's clock would go unnoticed.
        time.sleep(max(0.0, path.stat().st_mtime + _TICK - time.time()))
        stamp = stamp_of(path.stat())._replace(reliable=True)
        with self._temporary_file() as temporary:
            md5 = self._copy(path, temporary)
            self._publish(temporary, md5)
        self._digests.remember(path, stamp, md5)
        return md5

    def add(self, path: Path, content: Content) -> None:
        """Add the file or folder at `path`, unless its content is in the cache and intact."""
        if content.files is None:
            self._add(path, content.md5)
            return
        for name, md5 in content.files.items():
            self._add(path / name, md5)
        if not self._is_intact_file(content.md5):
            with self._temporary_file() as temporary:
                temporary.write_bytes(render_folder(content.files).encode())
                self._publish(temporary, content.md5)

    def link(self, md5: str, path: Path, *, copy: bool = False, executable: bool = False) -> None:
        """Link a content of the cache to `path`, with the link type of the repository, or copy it."""
        remove(path)
        links = ("copy",) if copy else self._repository.links
        if not md5.endswith(".dir"):
            link(self.path(md5), path, links)
            if executable:
                path.chmod(path.stat().st_mode | stat.S_IEXEC)
            return
        path.mkdir(parents=True, exist_ok=True)
        for name, inner in self.listing(md5).items():
            link(self.path(inner), path / name, links)

    def relink(self, path: Path, content: Content) -> None:
        """Replace a product by a link to its content in the cache, if the repository uses links."""
        if self._repository.links[0] in ("reflink", "copy"):
            return
        files = {path / name: md5 for name, md5 in (content.files or {}).items()} or {path: content.md5}
        for file, md5 in files.items():
            if not is_linked(file, self.path(md5)):
                link(self.path(md5), file, self._repository.links)

    def clean_up(self) -> None:
        """Delete temporary files of killed runs; no other run may be in progress."""
        shutil.rmtree(self._temporary_folder, ignore_errors=True)
        self._folders.clear()
        with contextlib.suppress(OSError):
            self._temporary_folder.parent.rmdir()

    def _is_intact_file(self, md5: str) -> bool:
        # Lock files and listings come from others: "../x" must not lead out of the cache, least of all to be removed.
        if not _MD5.fullmatch(md5):
            return False
        path = self.path(md5)
        try:
            mode = path.stat().st_mode
        except OSError:
            return False
        if self._digests.md5(path) != md5.removesuffix(".dir"):
            remove(path)
            return False
        if stat.S_IMODE(mode) != _READ_ONLY:
            with contextlib.suppress(OSError):
                path.chmod(_READ_ONLY)
        return True

    def _add(self, path: Path, md5: str) -> None:
        if self._is_intact_file(md5):
            return
        with self._temporary_file() as temporary:
            if self._copy(path.resolve(), temporary) != md5:
                raise StageError(
                    f"'{path}' changed while it was copied to the cache. Run again while no other process writes it."
                )
            self._publish(temporary, md5)

    def _copy(self, source: Path, temporary: Path) -> str:
        """Copy a file, sharing its blocks if the file system supports it; return the md5 of the copy."""
        if self._clone is not None:
            try:
                self._clone(source, temporary)
                return md5_of_file(temporary)
            except OSError:
                self._clone = None
        return _copy_and_hash(source, temporary)

    @contextmanager
    def _temporary_file(self) -> Iterator[Path]:
        self._make_folder(self._temporary_folder)
        temporary = self._temporary_folder / f"{os.getpid()}-{next(self._numbers)}"
        try:
            yield temporary
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _publish(self, temporary: Path, md5: str) -> None:
        """Move a complete temporary file to its path in the cache."""
        target = self.path(md5)
        self._make_folder(target.parent)
        temporary.chmod(_READ_ONLY)
        publish(temporary, target)
        # Reliable although the file is new: no other process writes this path.
        self._digests.remember(target, stamp_of(target.stat())._replace(reliable=True), md5.removesuffix(".dir"))

    def _make_folder(self, folder: Path) -> None:
        if folder not in self._folders:
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                if self._repository.shared:
                    folder.chmod(0o2775)
            self._folders.add(folder)


def _copy_and_hash(source: Path, temporary: Path) -> str:
    """Copy a file and return its md5."""
    md5 = hashlib.md5(usedforsecurity=False)
    with source.open("rb") as reader, temporary.open("wb") as writer:
        while chunk := reader.read(1 << 20):
            md5.update(chunk)
            writer.write(chunk)
    return md5.hexdigest()
