"""The separator and the encoding of a CSV file: declared, or found in its first bytes.

The encoding is UTF-8, or UTF-16 if the file begins with its byte order mark. No bytes distinguish the other encodings.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..errors import SourceError

__all__ = ["SAMPLE_BYTES", "CsvOptions", "Dialect", "find_dialect"]

SAMPLE_BYTES = 1 << 20
_SEPARATORS = ",;\t|"
_SAMPLED_ROWS = 20
# Excel writes and reads this line above the header.
_DECLARED = re.compile(r"sep=([^\r\n])(?:\r\n|\r|\n)", re.IGNORECASE)
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
    skipped
        The number of lines above the header.
    names
        The column names.
    """

    separator: str
    encoding: str
    skipped: int
    names: tuple[str, ...]


def find_dialect(path: Path, sample: bytes, options: CsvOptions) -> Dialect:
    """Return the dialect of a file from its first bytes.

    Raises
    ------
    SourceError
        If the header has another encoding, or could have several separators.

    >>> find_dialect(Path("t.csv"), b"a;b\\n1,5;2\\n", CsvOptions())
    Dialect(separator=';', encoding='utf-8-sig', skipped=0, names=('a', 'b'))
    """
    encoding = options.encoding or next((name for mark, name in _MARKS.items() if sample.startswith(mark)), "utf-8-sig")
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    header = text.splitlines()[0] if text else ""
    if "\N{REPLACEMENT CHARACTER}" in header:
        raise SourceError(f"The header of '{path}' is not {_shown(encoding)}. Declare its encoding, as in --encoding latin-1.")  # fmt: skip
    declared = _DECLARED.match(text)
    body = text[declared.end() :] if declared else text
    separator = options.separator or (declared[1] if declared else _find_separator(path, body))
    return Dialect(separator, encoding, int(declared is not None), tuple(next(_rows(body, separator), [])))


def _find_separator(path: Path, text: str) -> str:
    """Return the separator that divides the most rows like the header; a comma if none divides the header."""
    counts: dict[str, int] = {}
    for separator in _SEPARATORS:
        header, *rows = [*islice(_rows(text, separator), _SAMPLED_ROWS)] or [[]]
        if len(header) > 1:
            counts[separator] = sum(len(row) == len(header) for row in rows)
    best = [separator for separator in counts if counts[separator] == max(counts.values())]
    if len(best) > 1:
        found = " or ".join(repr(separator) for separator in best)
        raise SourceError(f"The separator of '{path}' may be {found}. Declare it, as in --separator '{best[0]}'.")
    return best[0] if best else ","


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    try:
        yield from (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row)
    except csv.Error:
        return


def _shown(encoding: str) -> str:
    return "UTF-8" if encoding == "utf-8-sig" else encoding
