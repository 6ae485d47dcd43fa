"""The cache: every content once, by its md5; what is damaged is found before it is used."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..atomic_write import publish, remove
from ..errors import StageError
from .config import Repository
from .digests import Digests, mark_of, md5_of_file, md5_of_text, render_folder
from .hashing import Content
from .links import is_linked, link, reflink

__all__ = ["Objects"]

_READ_ONLY = 0o444
_TICK = 0.012  # seconds; the coarsest clock of a Linux kernel ticks each 10 ms


class Objects:
    """The files in a DVC cache.

    Parameters
    ----------
    digests
        Tells md5 of files; what it has seen before and is unchanged it does not read again, so that
        proving a large cache costs a `stat` a file.
    """

    def __init__(self, repository: Repository, digests: Digests) -> None:
        self._repository = repository
        self._digests = digests
        self._folder = repository.cache / "files" / "md5"
        # One folder a repository, since several may share a cache; DVC does not look there.
        self._drafts = repository.cache / "nbship" / md5_of_text(str(repository.root))[:12]
        self._numbers = itertools.count()
        self._folders: set[Path] = set()
        # None as soon as the file system says that it cannot.
        self._share: Callable[[Path, Path], object] | None = os.link if repository.links[0] == "hardlink" else reflink

    def path(self, md5: str) -> Path:
        """Return where the content of an md5 lies, or would."""
        return self._folder / md5[:2] / md5[2:]

    def intact(self, md5: str) -> bool:
        """Tell whether a content, of a folder with all its files, is there and is what its name says.

        A damaged one is removed, so that neither DVC nor another run takes it for good.
        """
        if not self._intact_file(md5):
            return False
        return not md5.endswith(".dir") or all(map(self._intact_file, self.listing(md5).values()))

    def listing(self, md5: str) -> Mapping[str, str]:
        """Return the files of a folder in the cache: path within it -> md5."""
        return {each["relpath"]: each["md5"] for each in json.loads(self.path(md5).read_bytes())}

    def paths(self, md5: str) -> Iterator[Path]:
        """Yield all files of the cache that hold a content that is there."""
        yield self.path(md5)
        if md5.endswith(".dir"):
            yield from map(self.path, self.listing(md5).values())

    def take(self, path: Path) -> str:
        """Put a large file that a stage has just made into the cache, and return its md5: it is read once.

        Nobody writes it any more: the notebook that made it has ended.
        """
        # A change within one tick of the file system's clock would not be seen later.
        time.sleep(max(0.0, path.stat().st_mtime + _TICK - time.time()))
        mark = mark_of(path.stat())._replace(settled=True)
        with self._draft() as draft:
            md5 = self._copy(path, draft)
            self._place(draft, md5)
        self._digests.keep(path, mark, md5)
        return md5

    def add(self, path: Path, content: Content) -> None:
        """Put what is at `path` into the cache; what is there already, and intact, is not written."""
        if content.files is None:
            self._add(path, content.md5)
            return
        for name, md5 in content.files.items():
            self._add(path / name, md5)
        if not self._intact_file(content.md5):
            with self._draft() as draft:
                draft.write_bytes(render_folder(content.files).encode())
                self._place(draft, content.md5)

    def link(self, md5: str, path: Path, *, copy: bool = False, executable: bool = False) -> None:
        """Put a content from the cache to `path`, in the way that the repository prefers, or as a copy."""
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
        """Make a product that is in the cache a link to it, where the repository wants links and it is none."""
        if self._repository.links[0] in ("reflink", "copy"):
            return
        files = {path / name: md5 for name, md5 in (content.files or {}).items()} or {path: content.md5}
        for file, md5 in files.items():
            if not is_linked(file, self.path(md5)):
                link(self.path(md5), file, self._repository.links)

    def sweep(self) -> None:
        """Delete what a killed run left half-written; only while no other run is at work."""
        shutil.rmtree(self._drafts, ignore_errors=True)
        self._folders.clear()
        with contextlib.suppress(OSError):
            self._drafts.parent.rmdir()

    def _intact_file(self, md5: str) -> bool:
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
        if self._intact_file(md5):
            return
        with self._draft() as draft:
            if self._copy(path.resolve(), draft) != md5:
                raise StageError(
                    f"'{path}' changed while it was copied to the cache. Run again while no other process writes it."
                )
            self._place(draft, md5)

    def _copy(self, source: Path, draft: Path) -> str:
        """Bring a file to a draft, sharing its blocks where the file system can; return the draft's md5."""
        if self._share is not None:
            try:
                self._share(source, draft)
                return md5_of_file(draft)
            except OSError:
                self._share = None
        return _copied(source, draft)

    @contextmanager
    def _draft(self) -> Iterator[Path]:
        self._make_folder(self._drafts)
        draft = self._drafts / f"{os.getpid()}-{next(self._numbers)}"
        try:
            yield draft
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def _place(self, draft: Path, md5: str) -> None:
        """Give a whole draft its name."""
        target = self.path(md5)
        self._make_folder(target.parent)
        draft.chmod(_READ_ONLY)
        publish(draft, target)
        # However young it is, nobody else writes here.
        self._digests.keep(target, mark_of(target.stat())._replace(settled=True), md5.removesuffix(".dir"))

    def _make_folder(self, folder: Path) -> None:
        if folder not in self._folders:
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                if self._repository.shared:
                    folder.chmod(0o2775)
            self._folders.add(folder)


def _copied(source: Path, draft: Path) -> str:
    """Copy a file and return its md5."""
    md5 = hashlib.md5(usedforsecurity=False)
    with source.open("rb") as reader, draft.open("wb") as writer:
        while part := reader.read(1 << 20):
            md5.update(part)
            writer.write(part)
    return md5.hexdigest()
