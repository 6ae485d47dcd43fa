"""Arrow columns of integers, floats and decimals as the values of an integer field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model.signature import Field

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["convert_integers", "largest_integer"]

_LARGEST = 2**63 - 1
# From 2**53 on, a float stands for several integers.
_LARGEST_FLOAT = 2.0**53 - 1


def largest_integer(field: Field) -> int:
    """Return the largest integer that the column of a field holds exactly: one with nulls is float64.

    >>> largest_integer(Field("n", "int")), largest_integer(Field("n", "int", nullable=True))
    (9223372036854775807, 9007199254740991)
    """
    return int(_LARGEST_FLOAT) if field.nullable else _LARGEST


def convert_integers(column: pa.ChunkedArray, field: Field) -> tuple[Any, dict[int, str]]:
    """Return int64, or float64 if the field is nullable, and the reasons for invalid values by position.

    Integers stay exact, those of decimals too, or are invalid. Invalid values are 0 or NaN.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as compute

    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    null = np.isnan(floats)
    fractions = np.zeros(len(floats), dtype=bool)
    if not pa.types.is_integer(column.type) and not pa.types.is_null(column.type):
        fractions = compute.not_equal(compute.floor(column), column).fill_null(False).to_numpy() & ~null
    if pa.types.is_floating(column.type):
        large = ~null & ~fractions & ~(np.abs(floats) <= _LARGEST_FLOAT)
    else:
        largest = largest_integer(field)
        large = ~null & ~fractions & ~(np.abs(floats) < float(largest))
        # As floats, 2**63 - 1 is 2**63, and 2**53 + 1 is 2**53.
        for position in np.flatnonzero(large).tolist():
            large[position] = not abs(column[position].as_py()) <= largest
    failures = {} if field.nullable else dict.fromkeys(np.flatnonzero(null).tolist(), "is empty")
    for position in np.flatnonzero(fractions).tolist():
        shown = "" if field.pii else f"is '{column[position].as_py()}', which "
        failures[position] = f"{shown}is not an integer"
    failures |= dict.fromkeys(np.flatnonzero(large).tolist(), "is too large to be stored exactly")
    if field.nullable:
        return np.where(fractions | large, np.nan, floats), failures
    valid = ~(null | fractions | large)
    values = np.zeros(len(floats), dtype=np.int64)
    values[valid] = column.filter(pa.array(valid)).cast(pa.int64()).to_numpy()
    return values, failures
