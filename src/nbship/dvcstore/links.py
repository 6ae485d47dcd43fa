"""Ways to have one content in two places: shared blocks, a second name, a link, a copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..atomic_write import remove, replacing

__all__ = ["is_linked", "link", "reflink"]

_FICLONE = 0x40049409  # of linux/fs.h: share the blocks of another file


def link(source: Path, path: Path, kinds: Iterable[str]) -> None:
    """Put a file of the cache to a path, in the first of some ways that works here, or as a copy.

    Whatever was there is replaced; the file appears whole or not at all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        for kind in (*kinds, "copy"):
            try:
                _WAYS[kind](source, temporary)
                break
            except OSError:
                temporary.unlink(missing_ok=True)
                if kind == "copy":
                    raise
        remove(path)  # a rename over another name of the same file would do nothing


def reflink(source: Path, draft: Path) -> None:
    """Make a file that shares its blocks with another.

    Raises
    ------
    OSError
        If the file system cannot.
    """
    try:
        import fcntl
    except ImportError as error:  # Windows
        raise OSError("This system shares no blocks.") from error
    with source.open("rb") as reader, draft.open("wb") as writer:
        fcntl.ioctl(writer, _FICLONE, reader.fileno())


def is_linked(path: Path, target: Path) -> bool:
    """Tell whether a path is a link, or another name, of a file of the cache."""
    if path.is_symlink():
        return path.resolve() == target.resolve()
    return path.samefile(target)


_WAYS: Mapping[str, Callable[[Path, Path], object]] = {
    "reflink": reflink,
    "hardlink": os.link,
    "symlink": lambda source, draft: draft.symlink_to(source),
    "copy": shutil.copyfile,
}
