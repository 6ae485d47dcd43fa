"""Link types between the cache and products: reflink, hard link, symbolic link, copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..atomic_write import remove, replacing

__all__ = ["is_linked", "link", "reflink"]

_FICLONE = 0x40049409  # of linux/fs.h: share the blocks of another file


def link(source: Path, path: Path, kinds: Iterable[str]) -> None:
    """Link a file of the cache to a path, with the first link type that works, or copy it.

    An existing file is replaced atomically.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        for kind in (*kinds, "copy"):
            try:
                _LINK_TYPES[kind](source, temporary)
                break
            except OSError:
                temporary.unlink(missing_ok=True)
                if kind == "copy":
                    raise
        remove(path)  # renaming a file over another hard link to it does nothing


def reflink(source: Path, target: Path) -> None:
    """Create a file that shares the blocks of another.

    Raises
    ------
    OSError
        If the file system does not support it.
    """
    try:
        import fcntl
    except ImportError as error:  # Windows
        raise OSError("This system has no reflinks.") from error
    with source.open("rb") as reader, target.open("wb") as writer:
        fcntl.ioctl(writer, _FICLONE, reader.fileno())


def is_linked(path: Path, target: Path) -> bool:
    """Tell whether a path is a symbolic or hard link to a file of the cache."""
    if path.is_symlink():
        return path.resolve() == target.resolve()
    return path.samefile(target)


_LINK_TYPES: Mapping[str, Callable[[Path, Path], object]] = {
    "reflink": reflink,
    "hardlink": os.link,
    "symlink": lambda source, target: target.symlink_to(source),
    "copy": shutil.copyfile,
}
