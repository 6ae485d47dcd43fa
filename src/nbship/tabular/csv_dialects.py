"""The separator and the encoding of a CSV file: declared, or found in its first bytes.

The encoding is UTF-8, or UTF-16 if the file begins with its byte order mark. No bytes distinguish the other encodings.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from ..errors import SourceError
from .csv_rows import parse_rows

__all__ = ["SAMPLE_BYTES", "CsvOptions", "Dialect", "find_dialect"]

SAMPLE_BYTES = 1 << 20
_SEPARATORS = ",;\t|"
_SAMPLED_ROWS = 20
# Excel writes and reads this line above the header.
_DECLARED = re.compile(r"sep=([^\r\n])(?:\r\n|\r|\n)", re.IGNORECASE)
_LINE_END = re.compile(r"[\r\n]")
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class CsvOptions:
    """What is declared about a CSV file.

    Attributes
    ----------
    separator
        The character between values; None: found in the header.
    encoding
        A name that Python knows; None: UTF-8, or UTF-16 by its byte order mark.
    nulls
        Values that are null, besides the empty value.
    escaped
        Whether strings that a spreadsheet would run as formulas were escaped when the file was written.
    """

    separator: str | None = None
    encoding: str | None = None
    nulls: tuple[str, ...] = ()
    escaped: bool = False


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is read.

    Attributes
    ----------
    names
        The column names.
    start
        The number of characters before the first row.
    """

    separator: str
    encoding: str
    names: tuple[str, ...]
    start: int


def find_dialect(shown: str, sample: bytes, options: CsvOptions) -> Dialect:
    """Return the dialect of a file, which messages call `shown`, from its first bytes.

    Raises
    ------
    SourceError
        If the header has another encoding, or could have several separators.

    >>> find_dialect("t.csv", b"a;b\\n1,5;2\\n", CsvOptions())
    Dialect(separator=';', encoding='utf-8-sig', names=('a', 'b'), start=4)
    """
    encoding = options.encoding or next((name for mark, name in _MARKS.items() if sample.startswith(mark)), "utf-8-sig")
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    header = text.splitlines()[0] if text else ""
    if "\N{REPLACEMENT CHARACTER}" in header:
        raise SourceError(f"The header of '{shown}' is not {_shown(encoding)}. Declare its encoding, as in --encoding latin-1.")  # fmt: skip
    declared = _DECLARED.match(text)
    above = declared.end() if declared else 0
    if len(sample) == SAMPLE_BYTES and not _LINE_END.search(text, above):
        raise SourceError(f"The header of '{shown}' is longer than {SAMPLE_BYTES:,} bytes. The first line must hold the column names.")  # fmt: skip
    body = text[above:]
    separator = options.separator or (declared[1] if declared else _find_separator(shown, body))
    lines = io.StringIO(body, newline="")
    names = next(filter(_is_filled, parse_rows(lines, separator)), [])
    return Dialect(separator, encoding, tuple(names), above + lines.tell())


def _find_separator(shown: str, text: str) -> str:
    """Return the separator that divides the most rows like the header; a comma if none divides the header."""
    counts: dict[str, int] = {}
    for separator in _SEPARATORS:
        header, *rows = [*islice(filter(_is_filled, parse_rows(text, separator)), _SAMPLED_ROWS)] or [[]]
        if len(header) > 1:
            counts[separator] = sum(len(row) == len(header) for row in rows)
    best = [separator for separator in counts if counts[separator] == max(counts.values())]
    if len(best) > 1:
        found = " or ".join(repr(separator) for separator in best)
        raise SourceError(f"The separator of '{shown}' may be {found}. Declare it, as in --separator '{best[0]}'.")
    return best[0] if best else ","


def _is_filled(row: Sequence[str]) -> bool:
    """Return whether a row has a value: spreadsheets write blank rows with separators."""
    return any(map(str.strip, row))


def _shown(encoding: str) -> str:
    return "UTF-8" if encoding == "utf-8-sig" else encoding
