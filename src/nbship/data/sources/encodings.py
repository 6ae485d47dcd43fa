"""Lines of text in a declared encoding, and nothing else: bytes of another encoding are an error with their line.

Bytes do not name their encoding, but some are not possible in the declared one::

    declared utf-8, written latin-1     'é' is the byte E9, which is not UTF-8
    declared latin-1, written utf-8     every byte is latin-1; but the whole file is UTF-8, which does not happen by chance
    declared utf-8, written utf-16      byte order mark, or a NUL in every second byte
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import IO

from ...errors import SourceError, WindowError
from .declared import DeclaredSource

__all__ = ["read_lines"]

_BLOCK_BYTES = 1 << 20
_MOST_CHARACTERS = 10_000_000
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_WIDE = ("utf-16", "utf-32")
# Characters that latin-1 has and that do not occur, but are quotes and dashes of Windows.
_CONTROL = re.compile("[\x80-\x9f]")


def read_lines(stream: IO[bytes], source: DeclaredSource, *, shown: str) -> Iterator[str]:
    """Yield the lines of a file, each with its end.

    Raises
    ------
    WindowError
        If a byte is not of the declared encoding.
    SourceError
        If a line is longer than ten million characters.
    """
    decoder = _Decoder(source, shown)
    rest, line = "", 1
    while True:
        block = stream.read(_BLOCK_BYTES)
        *lines, rest = (rest + decoder.decode(block)).split("\n")
        yield from (f"{each}\n" for each in lines)
        line += len(lines)
        if len(rest) > _MOST_CHARACTERS:
            raise SourceError(
                f"The source '{source.name}': line {line} of '{shown}' is longer than {_MOST_CHARACTERS:,} characters. Write one row a line."
            )
        if not block:
            break
    if rest:
        yield rest


class _Decoder:
    """Decodes the blocks of a file, strictly, and looks for signs of another encoding."""

    def __init__(self, source: DeclaredSource, shown: str) -> None:
        self._source, self._shown = source, shown
        self._encoding = codecs.lookup(source.settings.encoding).name
        # Without its byte order mark.
        name = "utf-8-sig" if self._encoding == "utf-8" else self._encoding
        self._decode = codecs.getincrementaldecoder(name)().decode
        self._as_utf8 = _Utf8() if _is_single_byte(self._encoding) else None
        self._line, self._control, self._is_first = 1, 0, True

    def decode(self, block: bytes) -> str:
        """Return the characters of the next block; of an empty one, at the end, what is left."""
        if self._is_first and (other := _obviously(block, self._encoding)):
            raise _other(self._source, self._shown, 1, other)
        self._is_first = False
        try:
            text = self._decode(block, not block)
        except UnicodeDecodeError as error:
            at = self._line + _newlines(error, self._encoding)
            raise _other(self._source, self._shown, at, _guess(error, self._encoding)) from None
        if self._as_utf8:
            self._compare(block, text, self._as_utf8)
        self._line += text.count("\n")
        return text

    def _compare(self, block: bytes, text: str, as_utf8: _Utf8) -> None:
        """Raise an error if a file of an encoding that has all bytes is in UTF-8, or in that of Windows."""
        as_utf8.feed(block)
        if self._encoding == "iso8859-1" and not self._control and (found := _CONTROL.search(text)):
            self._control = self._line + text.count("\n", 0, found.start())
        if self._control and not as_utf8.is_valid:
            raise _other(self._source, self._shown, self._control, "cp1252")
        if not block and as_utf8.line:
            raise _other(self._source, self._shown, as_utf8.line, "utf-8")


class _Utf8:
    """Whether all bytes are UTF-8, and the first line with a character beyond ASCII."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self.is_valid, self._lines, self._first = True, 1, 0

    def feed(self, block: bytes) -> None:
        """Take the next bytes, or none at the end."""
        if not self.is_valid:
            return
        try:
            self._decode(block, not block)
        except UnicodeDecodeError:
            self.is_valid = False
            return
        if not self._first and not block.isascii():
            start = next(number for number, byte in enumerate(block) if byte > 127)
            self._first = self._lines + block.count(b"\n", 0, start)
        self._lines += block.count(b"\n")

    @property
    def line(self) -> int:
        """The line that shows that the file is in UTF-8; 0 if none does."""
        return self._first if self.is_valid else 0


def _is_single_byte(encoding: str) -> bool:
    """Return whether most bytes beyond ASCII are characters on their own, as in latin-1."""
    return sum(_is_character(byte, encoding) for byte in range(128, 256)) > 80


def _is_character(byte: int, encoding: str) -> bool:
    try:
        return len(bytes([byte]).decode(encoding)) == 1
    except UnicodeDecodeError:
        return False


def _obviously(block: bytes, declared: str) -> str | None:
    """Return the encoding that the first bytes show, if it is not the declared one."""
    is_wide = declared.startswith(_WIDE)
    mark = next((name for mark, name in _MARKS.items() if block.startswith(mark)), None)
    if mark and not declared.startswith(mark):
        return mark
    sample = block[:4096]
    if not is_wide and b"\0" in sample:
        return "utf-16-le" if sample[1:2] == b"\0" else "utf-16-be"
    if is_wide and not mark and sample and b"\0" not in sample and _is_utf8(sample):
        return "utf-8"
    return None


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _newlines(error: UnicodeDecodeError, declared: str) -> int:
    return error.object[: error.start].decode(declared, "replace").count("\n")


def _guess(error: UnicodeDecodeError, declared: str) -> str:
    sample = error.object[error.start : error.start + 4096]
    if declared not in ("utf-8", "ascii"):
        return "utf-8" if _is_utf8(sample) else ""
    if declared == "ascii" and _is_utf8(sample):
        return "utf-8"
    # Most of what is not UTF-8 comes from Windows; only its five unassigned bytes exclude it.
    return "latin-1" if any(byte in sample for byte in b"\x81\x8d\x8f\x90\x9d") else "cp1252"


def _other(source: DeclaredSource, shown: str, line: int, guess: str) -> WindowError:
    probably = f"It looks like {guess}. " if guess else ""
    return WindowError(
        f"The source '{source.name}' has another encoding: line {line} of '{shown}' is not {source.settings.encoding}, as declared. "
        f"{probably}Correct '{source.key}.encoding', or write the file again.",
        problem="encoding",
    )
