"""The cache: every content once, by its md5; what is damaged is found before it is used."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ...errors import StageError
from ...pipeline.digest import Digests, mark_of, md5_of_text
from .config import Repository
from .content import Content, render_folder

__all__ = ["Objects", "remove"]

_READ_ONLY = 0o444
_FICLONE = 0x40049409  # of linux/fs.h: share the blocks of another file


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

    def add(self, path: Path, content: Content) -> None:
        """Put what is at `path` into the cache; what is there already, and intact, is not written."""
        if content.files is None:
            self._add(path, content.md5)
            return
        for name, md5 in content.files.items():
            self._add(path / name, md5)
        if not self._intact_file(content.md5):
            self._write(content.md5, lambda draft: _write_text(draft, render_folder(content.files or {})))

    def link(self, md5: str, path: Path, *, copy: bool = False, executable: bool = False) -> None:
        """Put a content from the cache to `path`, in the way that the repository prefers, or as a copy.

        Whatever was there is replaced; a file appears whole or not at all.
        """
        remove(path)
        links = ("copy",) if copy else self._repository.links
        if not md5.endswith(".dir"):
            self._link(md5, path, links)
            if executable:
                path.chmod(path.stat().st_mode | stat.S_IEXEC)
            return
        path.mkdir(parents=True, exist_ok=True)
        for name, inner in self.listing(md5).items():
            self._link(inner, path / name, links)

    def relink(self, path: Path, content: Content) -> None:
        """Make a product that is in the cache a link to it, where the repository wants links and it is none."""
        if self._repository.links[0] in ("reflink", "copy"):
            return
        files = {path / name: md5 for name, md5 in (content.files or {}).items()} or {path: content.md5}
        for file, md5 in files.items():
            if not _is_linked(file, self.path(md5)):
                self._link(md5, file, self._repository.links)

    def sweep(self) -> None:
        """Delete what a killed run left half-written; only while no other run is at work."""
        shutil.rmtree(self._drafts, ignore_errors=True)
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
        if not self._intact_file(md5):
            hardlink = self._repository.links[0] == "hardlink"
            self._write(md5, lambda draft: self._take(path, md5, draft, hardlink=hardlink))

    def _take(self, path: Path, md5: str, draft: Path, *, hardlink: bool) -> None:
        """Copy a file to a draft in the cache, sharing blocks where the file system can."""
        source = path.resolve()
        for way in (_reflink, os.link if hardlink else shutil.copyfile, shutil.copyfile):
            try:
                way(source, draft)
                break
            except OSError:
                draft.unlink(missing_ok=True)
        if self._digests.md5(path) != md5:
            raise StageError(
                f"'{path}' changed while it was taken into the cache. Run again, and let nothing else write it."
            )

    def _write(self, md5: str, write: Callable[[Path], None]) -> None:
        target = self.path(md5)
        self._make_folder(target.parent)
        self._make_folder(self._drafts)
        draft = self._drafts / f"{os.getpid()}-{next(self._numbers)}"
        try:
            write(draft)
            draft.chmod(_READ_ONLY)
            draft.replace(target)
            # However young it is, nobody else writes here.
            mark = mark_of(target.stat())._replace(settled=True)
            self._digests.keep(target, mark, md5.removesuffix(".dir"))
        finally:
            draft.unlink(missing_ok=True)

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            if self._repository.shared:
                folder.chmod(0o2775)

    def _link(self, md5: str, path: Path, links: tuple[str, ...]) -> None:
        source = self.path(md5)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        draft.unlink(missing_ok=True)
        for kind in links:
            try:
                _LINKS[kind](source, draft)
            except OSError:
                draft.unlink(missing_ok=True)
                continue
            remove(path)  # a rename over another name of the same file would do nothing
            draft.replace(path)
            return
        shutil.copyfile(source, draft)
        remove(path)
        draft.replace(path)


def remove(path: Path) -> None:
    """Delete a file, a link or a folder with all in it; what is not there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _reflink(source: Path, draft: Path) -> None:
    try:
        import fcntl
    except ImportError as error:  # Windows
        raise OSError("This system shares no blocks.") from error
    with source.open("rb") as reader, draft.open("wb") as writer:
        fcntl.ioctl(writer, _FICLONE, reader.fileno())


def _is_linked(path: Path, target: Path) -> bool:
    if path.is_symlink():
        return path.resolve() == target.resolve()
    return path.samefile(target)


def _write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


_LINKS: Mapping[str, Callable[[Path, Path], object]] = {
    "reflink": _reflink,
    "hardlink": os.link,
    "symlink": lambda source, draft: draft.symlink_to(source),
    "copy": shutil.copyfile,
}
