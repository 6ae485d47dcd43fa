"""What passes between a notebook's process and the run that reads it: frames, and marks in its printed text.

A frame is one JSON document, and bytes behind it where a widget has some. Printed text flows in pipes of its own, as it does
in any process, so that also what a library or a child process prints is caught. Before each frame a
mark is written into both pipes; a reader that stops at the marks sees text and frames in the order in
which they were written.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["HEADER", "MARK_SIZE", "decode", "encode", "line", "mark", "write"]

HEADER = struct.Struct(">QQ")
_MARK = b"\x1e%s:%012x\x1e"
MARK_SIZE = 2 + 16 + 1 + 12


def encode(document: bytes, buffers: Sequence[bytes] = ()) -> bytes:
    """Return a frame of an encoded JSON document and buffers."""
    lengths = b"".join(struct.pack(">Q", len(buffer)) for buffer in buffers)
    return HEADER.pack(len(document), len(buffers)) + lengths + document + b"".join(buffers)


def decode(received: bytearray) -> tuple[dict[str, Any], list[bytes]] | None:
    """Take one frame off the front of what was received; None if it is not whole yet."""
    if len(received) < HEADER.size:
        return None
    size, count = HEADER.unpack_from(received)
    start = HEADER.size + 8 * count
    if len(received) < start:
        return None
    lengths = struct.unpack_from(f">{count}Q", received, HEADER.size)
    end = start + size + sum(lengths)
    if len(received) < end:
        return None
    with memoryview(received) as view:
        document: dict[str, Any] = json.loads(bytes(view[start : start + size]))
        buffers, at = [], start + size
        for length in lengths:
            buffers.append(bytes(view[at : at + length]))
            at += length
    del received[:end]
    return document, buffers


def mark(nonce: bytes, number: int) -> bytes:
    """Return the mark before frame `number`; `nonce` is 16 random characters that no output holds by chance."""
    return _MARK % (nonce, number)


def write(file: int, data: bytes | memoryview) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def line(document: Mapping[str, Any]) -> bytes:
    """Return a request as one line of JSON.

    >>> line({"do": "end"})
    b'{"do": "end"}\\n'
    """
    return json.dumps(document).encode() + b"\n"
