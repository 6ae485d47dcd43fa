"""JSON files that hold a list of records, one record, or a record per line: split into records, in bounded memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .text_lines import MAX_LINE_BYTES, split_lines

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["is_lines", "split_values"]

_BLOCK_BYTES = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]+")
_DECODER = json.JSONDecoder()


def is_lines(stream: pa.NativeFile, *, is_declared: bool) -> bool:
    """Return whether the first line is a whole record, so that every line is one.

    Parameters
    ----------
    is_declared
        Whether the suffix is that of lines. Only the beginning of a list then decides against it.
    """
    line = next((line for line, _ in split_lines(stream) if line.strip()), b"")
    if is_declared:
        return not line.lstrip().startswith(b"[")
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


class _Text:
    """The text of a stream, of which only the part from `position` on is kept."""

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream, self._decode = stream, codecs.getincrementaldecoder("utf-8-sig")().decode
        self.text, self.position, self.is_at_end = "", 0, False

    def read(self) -> None:
        block = self._stream.read(_BLOCK_BYTES)
        self.text, self.position = self.text[self.position :] + self._decode(block, not block), 0
        self.is_at_end = not block

    def peek(self) -> str:
        """Return the next character that is not white space, without passing it; "" at the end."""
        while True:
            space = _SPACE.match(self.text, self.position)
            self.position = space.end() if space else self.position
            if self.position < len(self.text) or self.is_at_end:
                return self.text[self.position : self.position + 1]
            self.read()

    def value(self, number: int) -> bytes:
        """Return the JSON of the next value, and pass it."""
        while True:
            try:
                _, end = _DECODER.raw_decode(self.text, self.position)
            except ValueError as error:
                if self.is_at_end:
                    raise ValueError(f"record {number} is not JSON") from error
            except RecursionError as error:
                raise ValueError(f"record {number} is nested too deeply") from error
            else:
                # A number at the end of a block may go on in the next one.
                if end < len(self.text) or self.is_at_end:
                    value, self.position = self.text[self.position : end], end
                    return value.encode("utf-8", "surrogatepass")
            if len(self.text) - self.position > MAX_LINE_BYTES:
                raise ValueError(f"record {number} is not JSON, or longer than {MAX_LINE_BYTES:,} bytes")
            self.read()


def split_values(stream: pa.NativeFile) -> Iterator[tuple[bytes, bool]]:
    """Yield the JSON of each record, of a list or one after the other, and true: the record is complete.

    Raises
    ------
    ValueError
        If the file is not JSON. Where a record ends is then unknown, so the records after it cannot be read.
    """
    text, number = _Text(stream), 0
    is_list = text.peek() == "["
    text.position += is_list
    while (character := text.peek()) not in ("", "]"):
        if is_list and number:
            if character != ",":
                raise ValueError(f"there is no comma after record {number - 1}")
            text.position += 1
            text.peek()
        yield text.value(number), True
        number += 1
    text.position += bool(character)
    if is_list and (character != "]" or text.peek()):
        raise ValueError("the list of records does not end with the file")
