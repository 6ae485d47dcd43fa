"""Split a stream of bytes into lines of bounded length."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["KEPT_BYTES", "MAX_LINE_BYTES", "split_lines"]

MAX_LINE_BYTES = 10_000_000
_BLOCK_BYTES = 1 << 20
# What is kept of a line that is too long, so that it can be recognized.
KEPT_BYTES = 1000


def split_lines(stream: pa.NativeFile) -> Iterator[tuple[bytes, bool]]:
    """Yield each line without its end, and whether it is complete; of a longer line, only the first bytes.

    A byte order mark is no part of the first line.
    """
    lines = _split(stream)
    for line, is_complete in islice(lines, 1):
        yield line.removeprefix(codecs.BOM_UTF8), is_complete
    yield from lines


def _split(stream: pa.NativeFile) -> Iterator[tuple[bytes, bool]]:
    rest, is_complete = b"", True
    while block := stream.read(_BLOCK_BYTES):
        first, *others = block.split(b"\n")
        rest, is_complete = _extend(rest, first, is_complete)
        for other in others:
            yield rest.rstrip(b"\r"), is_complete
            rest, is_complete = other, True
    if rest:
        yield rest.rstrip(b"\r"), is_complete


def _extend(line: bytes, more: bytes, is_complete: bool) -> tuple[bytes, bool]:
    if not is_complete:
        return line, False
    if len(line) + len(more) > MAX_LINE_BYTES:
        return (line + more)[:KEPT_BYTES], False
    return line + more, True
