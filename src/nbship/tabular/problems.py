"""Rows that are not rows of their table: ragged, too long, wrongly encoded.

Such a row stays in its table, so that rows keep their numbers. A hidden column holds the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["split_problems", "with_problems"]

# No header has this name: Arrow and JSON keys allow NUL, but no field of a signature is found by it.
_COLUMN = "\0problem"


def with_problems(table: pa.Table, problems: Mapping[int, str]) -> pa.Table:
    """Return a table with the reasons why some of its rows are invalid, by position."""
    import pyarrow as pa

    reasons = [problems.get(position) for position in range(table.num_rows)] if problems else None
    column = pa.nulls(table.num_rows, pa.string()) if reasons is None else pa.array(reasons, pa.string())
    return table.append_column(_COLUMN, column)


def split_problems(table: pa.Table) -> tuple[pa.Table, dict[int, str]]:
    """Return a table without its hidden column, and the reasons by position."""
    import numpy as np

    if _COLUMN not in table.column_names:
        return table, {}
    column = table.column(_COLUMN)
    positions = np.flatnonzero(column.is_valid().to_numpy()).tolist() if column.null_count < len(column) else []
    return table.drop_columns([_COLUMN]), {position: column[position].as_py() for position in positions}
