"""Overwrite the unallocated part of SQLite's pages, where copies of deleted rows may remain.

`PRAGMA secure_delete` overwrites a row when it is deleted, but not when SQLite moves it to another page to keep the tree
balanced, nor when it builds a page anew. For example, a page of an index is full and its last two keys move to a new page;
then one of the people is forgotten::

    header  → a b c d                       d c b a       a page has offsets at its start, and cells from its end
    header  → a b      [   … d c   ]        b a           c and d moved: their copies stay between the two
    header  → a b      [   … d c   ]        b a           c was deleted where it is now

No statement overwrites that part (a VACUUM rewrites the file, while no service can write). So it is overwritten in the
file, while no process can write to the file and no page is in the write-ahead log. Format: https://sqlite.org/fileformat2.html
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from struct import unpack_from

from ...errors import LogError

__all__ = ["overwrite_unallocated", "pages_to_overwrite", "sync"]

# The kind of a page in a tree, its first byte -> the size of its header.
_HEADERS = {2: 12, 5: 12, 10: 8, 13: 8}
_FILE_HEADER = 100
# In larger files, the first byte of an overflow page, which is part of a page number, may look like the kind of a page.
_MOST_PAGES = 2 << 24
# The page at this offset is used for locks only.
_LOCKED = 2**30
_CHUNK = 256


def pages_to_overwrite(path: Path) -> Iterator[int]:
    """Yield the numbers of pages with anything but zeros in their unallocated part; the file may be written to meanwhile.

    Raises
    ------
    LogError
        If the file has more than 32 million pages.
    """
    file = _file(path)
    size = _page_size(file)
    total = os.fstat(file).st_size // size
    if total >= _MOST_PAGES:
        raise LogError(
            f"Records were deleted from the prediction log '{path}', but copies of their bytes may remain in its unused "
            "parts, as it is too large for overwriting them. Stop the service, and rewrite the file with SQLite's VACUUM."
        )
    maps = _maps(file, size, total)
    for first in range(0, total, _CHUNK):
        chunk = os.pread(file, _CHUNK * size, first * size)
        for number in range(first + 1, first + len(chunk) // size + 1):
            if number not in maps:
                start, end = _unallocated(chunk, (number - 1 - first) * size, size, number)
                if chunk.count(0, start, end) < end - start:
                    yield number


def overwrite_unallocated(path: Path, pages: Sequence[int]) -> None:
    """Overwrite the unallocated part of pages with zeros.

    Hold the lock of writers while the write-ahead log is empty, so that the file has the current content of all pages and
    no process changes it; then commit a change, because other connections read the pages that they have in memory again
    only after one.
    """
    file = _file(path)
    size = _page_size(file)
    for number in pages:
        offset = (number - 1) * size
        start, end = _unallocated(os.pread(file, size, offset), 0, size, number)
        os.pwrite(file, bytes(end - start), offset + start)


def sync(path: Path) -> None:
    """Return when what was overwritten is on the disk."""
    os.fsync(_file(path))


def _unallocated(content: bytes, offset: int, size: int, number: int) -> tuple[int, int]:
    """Return the start and end of the unallocated part of the page at an offset; an empty range if it is no page of a tree."""
    nothing = offset, offset
    if len(content) < offset + size:
        return nothing
    header = offset + (_FILE_HEADER if number == 1 else 0)
    length = _HEADERS.get(content[header])
    if length is None:
        return nothing
    cells, first_cell = unpack_from(">HH", content, header + 3)
    start, end = header + length + 2 * cells, offset + (first_cell or 2**16)
    return (start, end) if start <= end <= offset + size else nothing


def _maps(file: int, size: int, total: int) -> set[int]:
    """Return the pages of a file that can return free pages which map pages to their parents: their first byte may be any."""
    header = os.pread(file, _FILE_HEADER, 0)
    if not any(header[52:56]):
        return set()
    locked = _LOCKED // size + 1
    return {page + (page == locked) for page in range(2, total + 1, (size - header[20]) // 5 + 1)}


def _page_size(file: int) -> int:
    (size,) = unpack_from(">H", os.pread(file, _FILE_HEADER, 0), 16)
    return 2**16 if size == 1 else int(size)


def _file(path: Path) -> int:
    status = path.stat()
    return _opened(path, status.st_dev, status.st_ino)


@cache
def _opened(path: Path, device: int, inode: int) -> int:
    """Open a file for the rest of the process: closing it would end all locks of the process on it, SQLite's included.

    Source: https://sqlite.org/howtocorrupt.html, 2.2
    """
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)
