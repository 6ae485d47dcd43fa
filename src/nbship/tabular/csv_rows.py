"""Rows of CSV text, split by Python's `csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

__all__ = ["last_row_start", "parse_rows"]

# Python's own limit, 131,072 characters, is for the whole process.
_MAX_VALUE = 100_000_000


def parse_rows(text: str | Iterable[str], separator: str = ",") -> Iterator[list[str]]:
    """Yield the values of each row, of a string or of lines with their ends; values may be long.

    >>> list(parse_rows('a;"b;c"', ";"))
    [['a', 'b;c']]
    """
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_VALUE))
    lines = io.StringIO(text, newline="") if isinstance(text, str) else text
    yield from csv.reader(lines, delimiter=separator)


def last_row_start(text: str, separator: str) -> int:
    """Return where the last row begins; it may not be complete.

    >>> last_row_start("a,b\\n1,2\\n3,", ","), last_row_start('a,b\\n1,"2\\n3,', ",")
    (8, 4)
    """
    rows = text.rstrip("\r\n")
    if '"' not in rows:
        return max(rows.rfind("\n"), rows.rfind("\r")) + 1
    lines = io.StringIO(rows, newline="")
    start = end = 0
    for _ in parse_rows(lines, separator):
        start, end = end, lines.tell()
    return start
