"""CSV files with a header, in a declared encoding and with a declared delimiter."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from ...errors import EmptyDataError, WindowError
from .batches import ROWS, Batch, incomplete, missing_columns
from .declared import DeclaredSource
from .encodings import read_lines

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_csv"]

_DELIMITERS = ",;\t|"
_NAMES = {"\t": "tab"}


def read_csv(stream: IO[bytes], source: DeclaredSource, *, shown: str) -> Iterator[Batch]:
    """Yield the rows below the header, as strings, with their lines.

    Raises
    ------
    EmptyDataError
        If there is no header.
    WindowError
        If the header has another delimiter or lacks a column, the encoding is another one, or the last row is cut off.
    """
    lines = _Lines(read_lines(stream, source, shown=shown))
    rows = csv.reader(lines, delimiter=source.settings.delimiter, strict=True)
    try:
        header = next(filter(None, rows), None)
    except csv.Error:
        header = None
    if header is None:
        raise EmptyDataError(
            f"The source '{source.name}' is empty: '{shown}' has no header. Check what writes the file."
        )
    header = [name.strip() for name in header]
    _require_columns(source, header, shown)
    indices = [header.index(name) for name in source.columns]

    for numbers, values, unreadable in _blocks(rows, len(header), lines):
        if lines.problem:
            raise incomplete(source, shown, f"it ends in line {rows.line_num}, {lines.problem}")
        yield Batch(_table(source, values, indices), numbers, unreadable)


class _Lines:
    """The lines of a file, and whether the last one is cut off."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self.is_complete, self.problem = lines, True, ""

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.is_complete = line.endswith("\n")
            yield line


def _blocks(
    rows: Iterator[list[str]], width: int, lines: _Lines
) -> Iterator[tuple[list[int], list[list[str]], dict[int, str]]]:
    """Yield the numbers and values of rows; those with another number of values are reported, and empty."""
    numbers: list[int] = []
    values: list[list[str]] = []
    unreadable: dict[int, str] = {}
    while True:
        before: int = rows.line_num  # type: ignore[attr-defined]
        try:
            row, problem = next(rows, None), f"has {width} values, as the header"
        except csv.Error as error:
            row, problem = [], f"is a CSV row ({error})"
            if "unexpected end" in str(error):
                lines.problem = "within a quote"
        line: int = rows.line_num  # type: ignore[attr-defined]
        if row is None:
            break
        if not row and problem.startswith("has"):
            continue
        if len(row) == width:
            numbers.append(line)
            values.append(row)
        elif not lines.is_complete and not lines.problem:
            lines.problem = f"with {len(row)} of {width} values"
        # A quote that is not closed makes one row of several lines: each of them is one that is lost.
        for number in range(before + 1, line + 1) if len(row) != width else ():
            unreadable[len(values)] = problem
            numbers.append(number)
            values.append([""] * width)
        if len(values) >= ROWS:
            yield numbers, values, unreadable
            numbers, values, unreadable = [], [], {}
    if values:
        yield numbers, values, unreadable


def _table(source: DeclaredSource, values: Sequence[Sequence[str]], indices: Sequence[int]) -> pa.Table:
    import pyarrow as pa

    columns = list(zip(*values, strict=True))
    arrays = [pa.array(columns[index], pa.string()) for index in indices]
    return pa.table(arrays, names=list(source.columns))


def _require_columns(source: DeclaredSource, header: Sequence[str], shown: str) -> None:
    missing = missing_columns(source, header, shown=shown)
    if missing is None:
        return
    line = source.settings.delimiter.join(header)
    others = (each for each in _DELIMITERS if each != source.settings.delimiter)
    fits = [each for each in others if {name.strip() for name in line.split(each)} >= source.columns.keys()]
    if fits:
        name, declared = (_NAMES.get(each, each) for each in (fits[0], source.settings.delimiter))
        raise WindowError(
            f"The source '{source.name}' has another delimiter: the header of '{shown}' is divided by '{name}', and '{declared}' is declared. "
            f"Correct '{source.key}.delimiter', or write the file again.",
            problem="delimiter",
        )
    raise missing
