"""Measures of slices: of each value of a column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..text import listed
from .probabilities import classification

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["by_slice", "slice_rows"]

_OTHER = "other values"


def by_slice(
    frame: pd.DataFrame,
    by: str | Sequence[str],
    *,
    measure: Callable[[ArrayLike, ArrayLike], Mapping[str, Any]] = classification,
    actual: str = "actual",
    predicted: str = "probability",
    most: int = 40,
) -> list[dict[str, Any]]:
    """Measure each value of each slicing column.

    Parameters
    ----------
    frame
        Outcomes, predictions and slicing columns.
    by
        The slicing columns, which are not crossed with each other.
    measure
        Function of the outcomes and the predictions of a slice.
    actual, predicted
        Names of the columns of outcomes and predictions.
    most
        The number of values per column; less frequent values are merged into the slice `other values`.

    Returns
    -------
    list
        For each slice `slice` (the column), `value` (None: missing) and the measures; values in their natural order.

    Raises
    ------
    DataError
        If a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"shop": ["b", "a", "b"], "actual": [1, 0, 0], "probability": [0.6, 0.2, 0.4]})
    >>> [(row["value"], row["n"], row["base_rate"]) for row in by_slice(frame, "shop")]
    [('a', 1, 0.0), ('b', 2, 0.5)]
    """
    columns = [by] if isinstance(by, str) else list(by)
    _require(frame, [*columns, actual, predicted])
    outcomes, predictions = frame[actual].to_numpy(), frame[predicted].to_numpy()
    return [
        {"slice": column, "value": value, **measure(outcomes[rows], predictions[rows])}
        for column, value, rows in slice_rows(frame, columns, most=most)
    ]


def slice_rows(
    frame: pd.DataFrame, by: Sequence[str], *, most: int = 40
) -> Iterator[tuple[str, Any, NDArray[np.intp]]]:
    """Yield the column, the value (None: missing) and the numbers of the rows of each slice, as `by_slice` divides them.

    Raises
    ------
    DataError
        If a column is missing.
    """
    _require(frame, by)
    for column in by:
        for value, rows in _groups(frame[column], most=most):
            yield column, value, rows


def _require(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    for column in columns:
        if column not in frame.columns:
            raise DataError(f"There is no column '{column}'. Columns: {listed(frame.columns, quoted=True)}.")


def _groups(column: pd.Series[Any], *, most: int) -> list[tuple[Any, NDArray[np.intp]]]:
    import pandas as pd

    codes, values = pd.factorize(column, sort=False, use_na_sentinel=True)
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    frequent = np.argsort(-counts, kind="stable")[: most if len(values) > most else None]
    # One sort for all slices is faster than one scan of the frame for each.
    slot = np.full(len(values) + 1, len(values), dtype=np.intp)
    slot[frequent] = frequent
    slot[-1] = len(values) + 1  # code -1, missing
    # For example, the values a, b, a and null have the slots 0, 1, 0, 3; sorted, the rows are 0, 2, 1, 3, and the limits
    # of the slots 0, 2, 3, 3, 4 give a the rows 0 and 2, b the row 1, other values none, and null the row 3.
    slots = slot[codes]
    order = np.argsort(slots, kind="stable")
    limits = np.searchsorted(slots[order], np.arange(len(values) + 3))
    groups = [(_plain(values[code]), order[limits[code] : limits[code + 1]]) for code in frequent]
    groups.sort(key=lambda group: _natural(group[0]))
    rest = [(_OTHER, len(values)), (None, len(values) + 1)]
    groups += [(name, order[limits[at] : limits[at + 1]]) for name, at in rest]
    return [group for group in groups if group[1].size]


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _natural(value: Any) -> tuple[bool, float, str]:
    text = isinstance(value, str)
    return text, 0.0 if text else float(value), value if text else ""
