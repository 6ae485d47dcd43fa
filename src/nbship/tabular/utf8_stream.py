"""A stream of text in any encoding as a stream of UTF-8."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["UNDECODABLE", "Utf8Stream"]

# Stands for a byte that the encoding does not have. Unicode reserves it for use inside of a program.
UNDECODABLE = "\ufdd0"
_ERRORS = "nbship-undecodable"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE * (error.end - error.start), error.end


codecs.register_error(_ERRORS, _replace)


class Utf8Stream:
    """A file object from which Arrow reads.

    Attributes
    ----------
    has_undecodable
        Whether a byte was replaced so far.
    tail
        The last bytes that were read.
    """

    closed = False

    def __init__(self, stream: pa.NativeFile, encoding: str) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder(encoding)(_ERRORS).decode
        self._pending = b""
        self.has_undecodable = False
        self.tail = b""

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end."""
        while not self._pending:
            block = self._stream.read(size)
            text = self._decode(block, not block)
            self.has_undecodable |= UNDECODABLE in text
            self._pending = text.encode("utf-8", "surrogatepass")
            if not block:
                break
        part, self._pending = self._pending[:size], self._pending[size:]
        self.tail = part[-16:] or self.tail
        return part

    def close(self) -> None:
        """Close the stream."""
        self.closed = True
        self._stream.close()
