"""Arrow columns of numbers as the values of a boolean field: 0 and 1, as SQLite and MySQL store booleans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model.signature import Field

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["convert_booleans"]


def convert_booleans(column: pa.ChunkedArray, field: Field) -> tuple[Any, dict[int, str]]:
    """Return booleans, or float64 if the field is nullable, and the reasons for invalid values by position."""
    import numpy as np
    import pyarrow as pa

    numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    null, known = np.isnan(numbers), np.isin(numbers, (0.0, 1.0))
    failures = {} if field.nullable else dict.fromkeys(np.flatnonzero(null).tolist(), "is empty")
    for position in np.flatnonzero(~null & ~known).tolist():
        shown = "" if field.pii else f"is '{column[position].as_py()}', which "
        failures[position] = f"{shown}is neither true nor false"
    if field.nullable:
        return np.where(known, numbers, np.nan), failures
    return known & (numbers == 1), failures
