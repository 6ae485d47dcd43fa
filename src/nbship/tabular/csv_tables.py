"""CSV files as Arrow tables of strings. A row with too few or too many values stays in its table, as invalid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..text import counted
from .csv_blocks import TOO_LONG, UNDECODABLE, row_blocks
from .csv_dialects import SAMPLE_BYTES, CsvOptions, Dialect, find_dialect
from .csv_rows import parse_rows
from .formats import Format, open_stream
from .problems import split_problems, with_problems
from .text_lines import MAX_LINE_BYTES

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["csv_names", "csv_tables"]


def csv_names(path: Path, format: Format, options: CsvOptions, *, shown: str) -> list[str]:
    """Return the column names in the header; messages call the file `shown`."""
    return list(_dialect(path, format, options, shown).names)


def _dialect(path: Path, format: Format, options: CsvOptions, shown: str) -> Dialect:
    with open_stream(path, format.compression) as stream:
        return find_dialect(shown, stream.read(SAMPLE_BYTES), options)


def csv_tables(path: Path, format: Format, options: CsvOptions) -> Iterator[pa.Table]:
    """Yield the rows, block by block.

    Raises
    ------
    ValueError
        If a quote is not closed.
    """
    dialect = _dialect(path, format, options, str(path))
    with open_stream(path, format.compression) as stream:
        for text in row_blocks(stream, dialect):
            yield _table(text, dialect)


def _table(text: str, dialect: Dialect) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as pc

    content = text.encode("utf-8", "surrogatepass")
    ragged: list[Any] = []

    def set_aside(row: Any) -> str:
        ragged.append((row.number - 1, row.actual_columns, row.text))
        return "skip"

    table = pc.read_csv(
        pa.py_buffer(content),
        read_options=pc.ReadOptions(block_size=len(content) + 1, use_threads=False, column_names=dialect.names),
        parse_options=pc.ParseOptions(
            newlines_in_values=True, delimiter=dialect.separator, invalid_row_handler=set_aside
        ),
        convert_options=pc.ConvertOptions(
            column_types=dict.fromkeys(dialect.names, pa.string()), strings_can_be_null=False
        ),
    )
    table = _with_ragged(table, ragged, dialect)
    return _without_marks(table, dialect) if UNDECODABLE in text or TOO_LONG in text else table


def _with_ragged(table: pa.Table, found: Sequence[Any], dialect: Dialect) -> pa.Table:
    """Return a table with the ragged rows between its rows."""
    import numpy as np
    import pyarrow as pa

    if not found:
        return with_problems(table, {})
    positions = [position for position, _, _ in found]
    values = [_values(text, dialect) for _, _, text in found]
    columns = {name: pa.array(column, pa.string()) for name, column in zip(dialect.names, zip(*values, strict=True), strict=True)}  # fmt: skip
    order = np.empty(table.num_rows + len(found), dtype=np.int64)
    order[positions] = np.arange(len(found)) + table.num_rows
    order[np.setdiff1d(np.arange(len(order)), positions)] = np.arange(table.num_rows)
    expected = counted(len(dialect.names), "column")
    reasons = [f"has {counted(count, 'value')}, and the header {expected}" for _, count, _ in found]
    return with_problems(
        pa.concat_tables([table, pa.table(columns)]).take(pa.array(order)), dict(zip(positions, reasons, strict=True))
    )


def _values(text: str, dialect: Dialect) -> Sequence[str]:
    """Return the values of a ragged row, one for each column: missing ones are empty, the last holds all others."""
    count = len(dialect.names)
    values = next(parse_rows(text, dialect.separator), [])
    rest = dialect.separator.join(values[count - 1 :])
    return [*values[: count - 1], rest][:count] + [""] * (count - 1 - len(values[: count - 1]))


def _without_marks(table: pa.Table, dialect: Dialect) -> pa.Table:
    """Return a table in which the rows with undecodable bytes, and those that are too long, are invalid."""
    import pyarrow as pa
    import pyarrow.compute as compute

    table, problems = split_problems(table)
    encoding = "UTF-8" if dialect.encoding == "utf-8-sig" else dialect.encoding
    reasons = {
        UNDECODABLE: f"is not in {encoding}: declare the file's encoding, as in --encoding latin-1",
        TOO_LONG: f"is longer than {MAX_LINE_BYTES:,} characters",
    }
    columns = table.columns
    for mark, reason in reasons.items():
        shown = "\N{REPLACEMENT CHARACTER}" if mark == UNDECODABLE else ""
        for column in columns:
            problems |= dict.fromkeys(
                compute.indices_nonzero(compute.match_substring(column, mark)).to_pylist(), reason
            )
        columns = [compute.replace_substring(column, mark, shown) for column in columns]
    return with_problems(pa.table(columns, names=table.column_names), problems)
