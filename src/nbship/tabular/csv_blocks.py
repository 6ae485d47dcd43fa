"""The text of a CSV file in blocks of whole rows, so that each can be parsed on its own.

Arrow's own reader of streams reads ahead in a thread. When a run ends early, that thread may still read a Python object:
Python then aborts, or waits for ever.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .csv_dialects import Dialect
from .csv_rows import last_row_start, parse_rows
from .text_lines import KEPT_BYTES, MAX_LINE_BYTES

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TOO_LONG", "UNDECODABLE", "is_encoding", "row_blocks"]

# Unicode reserves these for use inside of a program: for a byte that the encoding does not have, and for what is left
# out of a line that is too long.
UNDECODABLE, TOO_LONG = "\ufdd0", "\ufdd1"
_ERRORS = "nbship-undecodable"
_BLOCK_BYTES = 8_000_000
_LINE_END = re.compile(r"[\r\n]")
_UNCLOSED = "a quote before its end is not closed"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE * (error.end - error.start), error.end


codecs.register_error(_ERRORS, _replace)


def is_encoding(name: str) -> bool:
    """Return whether Python has an encoding of text with this name, in which CSV can be read.

    >>> is_encoding("cp1252"), is_encoding("hex"), is_encoding("latin1x")
    (True, False, False)
    """
    sample = "a,1\n"
    try:
        return _decoder(name)(sample.encode(name), True) == sample
    except (LookupError, ValueError, AssertionError):
        return False


def _decoder(encoding: str) -> Callable[[bytes, bool], str]:
    return codecs.getincrementaldecoder(encoding)(_ERRORS).decode


def row_blocks(stream: pa.NativeFile, dialect: Dialect) -> Iterator[str]:
    """Yield the rows below the header. Of a line that is too long, only the beginning is left, behind `TOO_LONG`.

    Raises
    ------
    ValueError
        If a quote is not closed, as far as can be told.
    """
    rest, skipped = "", dialect.start
    pieces = _decoded(stream, dialect.encoding)
    for piece in pieces:
        text = rest + piece[skipped:]
        skipped = max(0, skipped - len(piece))
        if len(text) > MAX_LINE_BYTES and _first_line_end(text) > MAX_LINE_BYTES:
            text = _shorten_first_line(text, pieces)
        start = last_row_start(text, dialect.separator)
        if start:
            yield text[:start]
        rest = text[start:]
        if len(rest) > MAX_LINE_BYTES and _LINE_END.search(rest):
            raise _too_long()
    if _is_open(rest.rstrip("\r\n"), dialect.separator):
        raise ValueError(_UNCLOSED)
    if rest:
        yield rest


def _decoded(stream: pa.NativeFile, encoding: str) -> Iterator[str]:
    decode = _decoder(encoding)
    while block := _read(stream):
        yield decode(block, False)
    yield decode(b"", True)


def _read(stream: pa.NativeFile) -> bytes:
    """Return a whole block, except at the end: a compressed stream returns less at a time."""
    block = bytearray()
    while len(block) < _BLOCK_BYTES and (more := stream.read(_BLOCK_BYTES - len(block))):
        block += more
    return bytes(block)


def _first_line_end(text: str) -> int:
    found = _LINE_END.search(text)
    return found.start() if found else len(text)


def _shorten_first_line(text: str, pieces: Iterator[str]) -> str:
    """Return the text with little of its first line, whose end may be in a later piece."""
    begin, quotes = text[:KEPT_BYTES].replace('"', '""'), 0
    while text and not _LINE_END.search(text):
        quotes += text.count('"')
        text = next(pieces, "")
    end = _first_line_end(text)
    if (quotes + text.count('"', 0, end)) % 2:
        raise _too_long()
    return f'"{TOO_LONG}{begin}"{text[end:]}'


def _is_open(row: str, separator: str) -> bool:
    """Return whether a quote of a row is not closed, so that the row holds what may be other rows."""
    if '"' not in row or not _LINE_END.search(row):
        return False
    # Inside of quotes, a separator begins no value.
    (values,), (more,) = parse_rows(row, separator), parse_rows(row + separator, separator)
    return len(more) == len(values)


def _too_long() -> ValueError:
    return ValueError(f"a row is longer than {MAX_LINE_BYTES:,} characters, or {_UNCLOSED}")
