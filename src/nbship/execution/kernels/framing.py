"""The protocol from a notebook's process to its run: frames, and marks in printed text.

A frame is a JSON document, followed by the binary buffers of widgets. Printed text has pipes of its own, one for
standard output and one for standard error, so text from libraries and child processes is caught too. Each frame is
preceded by a mark in both text pipes. Example: `print("a")`, a figure, `print("b")`:

    standard output:  a MARK1 b
    standard error:   MARK1
    frames:           figure

A reader that stops at each mark until it has handled that frame sees text and frames in the order they were written.
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
    """Return a frame of an encoded JSON document and buffers.

    Example: `{}` with a buffer of 3 bytes is the sizes 2 and 1 (the document's bytes, the number of buffers), 3 (the
    buffer's bytes), each in 8 bytes, then `{}`, then the buffer: 29 bytes.

    >>> len(encode(b"{}", [b"abc"])), decode(bytearray(encode(b"{}", [b"abc"])))
    (29, ({}, [b'abc']))
    """
    lengths = b"".join(struct.pack(">Q", len(buffer)) for buffer in buffers)
    return HEADER.pack(len(document), len(buffers)) + lengths + document + b"".join(buffers)


def decode(received: bytearray) -> tuple[dict[str, Any], list[bytes]] | None:
    """Remove one frame from the front of `received` and return it; None if it is incomplete."""
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
    """Return the mark before frame `number`.

    `nonce` is 16 random characters, so no output holds a mark by chance.

    >>> mark(b"0123456789abcdef", 1)
    b'\\x1e0123456789abcdef:000000000001\\x1e'
    """
    return _MARK % (nonce, number)


def write(file: int, data: bytes | memoryview) -> None:
    """Write all of `data`, in several writes if the pipe is full."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def line(document: Mapping[str, Any]) -> bytes:
    """Return a request as one line of JSON.

    >>> line({"do": "end"})
    b'{"do": "end"}\\n'
    """
    return json.dumps(document).encode() + b"\n"
