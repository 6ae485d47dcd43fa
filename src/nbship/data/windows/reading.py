"""Read a window of a source: each row is accepted, quarantined with its reasons, or of another window.

::

    batches of the source ──► declared columns ──► rows.parquet    typed, in the order of the source
                                              └──► bad.parquet     number, reasons, row
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sources import Batch, DataWindow, DeclaredSource, Reader
from .columns import arrow_type, convert_column
from .dates import exchange_day_and_month, fitting_format, parse_timestamps
from .facts import FILE_NUMBERS, Facts, Failure

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = ["BAD", "NUMBER", "ROWS_FILE", "bad_schema", "read_window", "row_schema"]

ROWS_FILE, BAD = "rows.parquet", "bad.parquet"
# The column with the number of a row, which no declared column can be called.
NUMBER = "nbship:number"
_SAMPLES = 1_000


def row_schema(source: DeclaredSource) -> pa.Schema:
    """Return the schema of the accepted rows of a source."""
    import pyarrow as pa

    return pa.schema([(name, arrow_type(column)) for name, column in source.columns.items()])


def bad_schema() -> pa.Schema:
    """Return the schema of quarantined rows: file and number, the broken expectations, and the row as JSON."""
    import pyarrow as pa

    return pa.schema([("file", pa.string()), ("number", pa.int64()), ("reasons", pa.string()), ("row", pa.string())])


def read_window(source: DeclaredSource, window: DataWindow, reader: Reader, folder: Path) -> Facts:
    """Write the rows of a window, and those that are quarantined, to a folder.

    Raises
    ------
    DataError
        If the source cannot be read as declared.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = _Counts(source, window)
    schema = row_schema(source).append(pa.field(NUMBER, pa.int64()))
    with ExitStack() as files:
        rows = files.enter_context(pq.ParquetWriter(folder / ROWS_FILE, schema))
        bad = files.enter_context(pq.ParquetWriter(folder / BAD, bad_schema()))
        for batch in reader:
            accepted, quarantined = count.divide(batch)
            if accepted.num_rows:
                rows.write_table(accepted.cast(schema))
            if quarantined.num_rows:
                bad.write_table(quarantined)
    return count.facts(reader.unit)


class _Counts:
    """Divides batches, and counts."""

    def __init__(self, source: DeclaredSource, window: DataWindow) -> None:
        self._source, self._window = source, window
        self._rows = self._outside = self._bad = self._exchanged = self._unexchanged = 0
        self._first_exchanged = 0
        self._latest = ""
        self._files: dict[str, int] = {}
        self._failures: dict[tuple[str, str], tuple[int, int]] = {}
        self._texts: dict[str, dict[str, None]] = {name: {} for name in source.columns}
        self._commas: dict[str, None] = {}

    def divide(self, batch: Batch) -> tuple[pa.Table, pa.Table]:
        """Return the accepted rows of the window and the quarantined ones."""
        import numpy as np
        import pyarrow as pa

        numbers = np.asarray(batch.numbers, dtype=np.int64)
        if batch.file:
            numbers = numbers + self._files.setdefault(batch.file, len(self._files)) * FILE_NUMBERS
        unreadable = np.zeros(len(numbers), dtype=bool)
        unreadable[list(batch.unreadable)] = True
        columns: dict[str, pa.Array] = {}
        broken: list[tuple[str, str, np.ndarray[Any, Any]]] = []
        for name in self._source.columns:
            converted = convert_column(self._source, name, batch.table[name])
            columns[name] = converted.values
            broken += [(name, text, mask & ~unreadable) for text, mask in converted.broken]
        inside = self._inside(columns[self._source.settings.time])
        for text in dict.fromkeys(batch.unreadable.values()):
            mask = np.zeros(len(numbers), dtype=bool)
            mask[[position for position, each in batch.unreadable.items() if each == text]] = True
            broken.append(("", text, mask))
        # A row of another window is that window's concern; a row without a readable time may be of this one.
        known = self._known(columns[self._source.settings.time]) & ~unreadable
        relevant = inside | ~known
        broken = [(name, text, mask & relevant) for name, text, mask in broken]
        is_bad = np.logical_or.reduce([mask for _, _, mask in broken]) if broken else np.zeros(len(numbers), dtype=bool)
        accepted = inside & ~is_bad
        self._count(columns, numbers, broken, accepted, is_bad)
        self._sample(batch, broken)
        self._count_exchanged(batch, numbers, inside)
        table = pa.table({**columns, NUMBER: numbers})
        return table.filter(pa.array(accepted)), self._quarantined(batch, numbers, broken, is_bad)

    def facts(self, unit: str) -> Facts:
        """Return what was counted."""
        failures = [Failure(name, text, rows, first) for (name, text), (rows, first) in self._failures.items()]
        formats = {name: found for name in {each.column for each in failures} if (found := self._format(name))}
        return Facts(
            unit,
            rows=self._rows,
            outside=self._outside,
            bad=self._bad,
            latest=self._latest,
            failures=sorted(failures, key=lambda each: -each.rows),
            formats=formats,
            exchanged=0 if self._unexchanged else self._exchanged,
            first_exchanged=self._first_exchanged,
            decimals=list(self._commas),
            files=list(self._files),
        )

    def _count(
        self,
        columns: Mapping[str, pa.Array],
        numbers: np.ndarray[Any, Any],
        broken: Iterable[tuple[str, str, np.ndarray[Any, Any]]],
        accepted: np.ndarray[Any, Any],
        is_bad: np.ndarray[Any, Any],
    ) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self._rows += int(accepted.sum())
        self._bad += int(is_bad.sum())
        self._outside += int((~accepted & ~is_bad).sum())
        if accepted.any():
            latest = pc.max(columns[self._source.settings.time].filter(pa.array(accepted))).as_py()
            self._latest = max(self._latest, latest.isoformat())
        for name, text, mask in broken:
            if mask.any():
                rows, first = self._failures.get((name, text), (0, int(numbers[mask.argmax()])))
                self._failures[name, text] = rows + int(mask.sum()), first

    def _quarantined(
        self,
        batch: Batch,
        numbers: np.ndarray[Any, Any],
        broken: list[tuple[str, str, np.ndarray[Any, Any]]],
        is_bad: np.ndarray[Any, Any],
    ) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        positions = np.flatnonzero(is_bad)
        rows = batch.table.take(pa.array(positions)).to_pylist()
        reasons = ["; ".join(text for _, text, mask in broken if mask[position]) for position in positions]
        texts = [json.dumps(row, default=str, ensure_ascii=False) for row in rows]
        columns = [[batch.file] * len(rows), numbers[positions] % FILE_NUMBERS, reasons, texts]
        return pa.table(columns, schema=bad_schema())

    def _inside(self, times: pa.Array) -> np.ndarray[Any, Any]:
        import pyarrow as pa
        import pyarrow.compute as pc

        start, end = (pa.scalar(each, times.type) for each in (self._window.start, self._window.end))
        found = pc.and_(pc.greater_equal(times, start), pc.less(times, end))
        inside: np.ndarray[Any, Any] = pc.fill_null(found, False).to_numpy(zero_copy_only=False)
        return inside

    def _known(self, times: pa.Array) -> np.ndarray[Any, Any]:
        import pyarrow.compute as pc

        known: np.ndarray[Any, Any] = pc.is_valid(times).to_numpy(zero_copy_only=False)
        return known

    def _sample(self, batch: Batch, broken: Iterable[tuple[str, str, np.ndarray[Any, Any]]]) -> None:
        """Store what suggestions are made from: values that are not timestamps, and which bad numbers have commas."""
        import pyarrow as pa
        import pyarrow.compute as pc

        other = "," if self._source.settings.decimal == "." else "."
        for name, _, mask in broken:
            kind = self._source.columns[name].kind if name else ""
            values = batch.table[name].combine_chunks() if name else None
            if values is None or not pa.types.is_string(values.type):
                continue
            failed = values.filter(pa.array(mask))
            if kind == "timestamp" and len(self._texts[name]) < _SAMPLES:
                self._texts[name] |= dict.fromkeys(filter(None, pc.unique(failed).to_pylist()[:_SAMPLES]))
            if kind in ("integer", "number") and pc.any(pc.match_substring(failed, other)).as_py():
                self._commas[name] = None

    def _count_exchanged(self, batch: Batch, numbers: np.ndarray[Any, Any], inside: np.ndarray[Any, Any]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        settings = self._source.settings
        format = exchange_day_and_month(settings.dates.get(settings.time, ""))
        values = batch.table[settings.time].combine_chunks()
        if format and pa.types.is_string(values.type) and not self._unexchanged:
            found = parse_timestamps(values, format, self._source.local_zone)
            self._unexchanged += pc.sum(pc.and_(pc.is_valid(values), pc.is_null(found))).as_py() or 0
            moved = self._inside(found)
            self._exchanged += int(moved.sum())
            if not self._first_exchanged and (moved & ~inside).any():
                self._first_exchanged = int(numbers[(moved & ~inside).argmax()])

    def _format(self, name: str) -> str | None:
        if not name or self._source.columns[name].kind != "timestamp":
            return None
        nulls = {"", *self._source.settings.nulls}
        texts = [text for text in self._texts[name] if text not in nulls]
        return fitting_format(texts[:_SAMPLES], self._source.settings.dates.get(name, ""))
