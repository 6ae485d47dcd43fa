"""The values of the bins of an input in the columns of a model's matrix.

Of the columns of an encoder, a bin differs from others in one or two, so that only what differs is stored. For example,
60,000 strings, one-hot, are a matrix of 27 GB, of which 60,000 entries are not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import NotCompilableError

__all__ = ["BinValues", "rows_at_once", "values_of_bins"]

# The size of a part of a matrix in bytes, and the largest size of what is stored. Copies take some times as much.
_PART, _LARGEST = 1 << 26, 1 << 28
# The largest number of rows of a part.
_ROWS = 1 << 15
# The size of a matrix in bytes, computed part by part, beyond which the time would be minutes.
_SLOW = 1 << 36


class BinValues:
    """A matrix of shape (bins, columns): a common row, and the entries that differ from it.

    Parameters
    ----------
    common
        The value of most bins in each column, shape (columns,). Only columns of the input are valid.
    count
        The number of bins.
    bins, columns, values
        The entries that differ, in the order of their bins.
    """

    def __init__(self, common: Any, count: int, bins: Any, columns: Any, values: Any) -> None:
        self._common, self.count = common, count
        order = np.argsort(columns, kind="stable")
        self._bins, self._values = bins[order], values[order]
        self._columns = columns[order]

    def column(self, column: int) -> Any:
        """Return the value of each bin, shape (bins,)."""
        found = np.full(self.count, self._common[column])
        bins, values = self._differing(column)
        found[bins] = values
        return found

    def columns(self, columns: Sequence[int]) -> Any:
        """Return several columns, shape (bins, columns).

        Raises
        ------
        NotCompilableError
            If they are too large.
        """
        size = self.count * len(columns) * 8
        if size > _LARGEST:
            raise NotCompilableError(f"the values of its bins would take {size / 1e6:,.0f} MB")
        found = np.empty((self.count, len(columns)))
        for number, column in enumerate(columns):
            found[:, number] = self.column(column)
        return found

    def nonzero(self, column: int) -> tuple[Any, Any]:
        """Return the bins whose value may not be 0, and their values."""
        return self._differing(column) if self._common[column] == 0 else (slice(None), self.column(column))

    def _differing(self, column: int) -> tuple[Any, Any]:
        own = slice(*np.searchsorted(self._columns, [column, column + 1]).tolist())
        return self._bins[own], self._values[own]


def values_of_bins(
    samples: Sequence[Any], owners: Any, used: Sequence[int], values_of: Callable[[Sequence[Any]], Any]
) -> dict[int, BinValues]:
    """Return the values of the bins of each used source.

    Parameters
    ----------
    samples
        For each source, a value in each bin. The value before the last one stands for all others.
    owners
        The source of each column, shape (columns,).
    values_of
        The function from an array for each source to the matrix, which may be sparse.

    Raises
    ------
    NotCompilableError
        If the matrix has other columns, or is too large.
    """
    lengths = [len(samples[index]) for index in used]
    common = _part(samples, np.array([-2]), values_of)
    if common.shape[1] != len(owners):
        raise NotCompilableError("the transformers return other columns than their types imply")
    is_sparse = not isinstance(common, np.ndarray)
    if not is_sparse and (size := max(lengths) * common.nbytes) > _SLOW:
        raise NotCompilableError(f"the values of its bins would take {size / 1e9:,.0f} GB before they are compressed")
    step = _ROWS if is_sparse else rows_at_once(len(owners))
    row = np.zeros(len(owners)) if is_sparse else common[0]
    found: dict[int, list[tuple[Any, Any, Any]]] = {index: [] for index in used}
    stored = 0
    for start in range(0, max(lengths), step):
        part = _part(samples, np.arange(start, min(start + step, max(lengths))), values_of)
        bins, columns, values = _differing(part, row)
        for index, length in zip(used, lengths, strict=True):
            own = (owners[columns] == index) & (bins + start < length)
            found[index].append((bins[own] + start, columns[own], values[own]))
            stored += 24 * int(own.sum())
        if stored > _LARGEST:
            raise NotCompilableError(f"the values of its bins would take more than {_LARGEST / 1e6:,.0f} MB")
    return {
        index: BinValues(
            row,
            length,
            *(np.concatenate([part[item] for part in found[index]]) for item in range(3)),
        )
        for index, length in zip(used, lengths, strict=True)
    }


def rows_at_once(columns: int) -> int:
    """Return the number of rows of a dense matrix that are computed together."""
    return max(1, min(_ROWS, _PART // (8 * columns)))


def _part(samples: Sequence[Any], bins: Any, values_of: Callable[[Sequence[Any]], Any]) -> Any:
    # Transformers need columns of equal length: shorter samples repeat their last value.
    return values_of([each[np.minimum(bins, len(each) - 1)] for each in samples])


def _differing(part: Any, row: Any) -> tuple[Any, Any, Any]:
    """Return the row, column and value of the entries whose bits differ from those of a row."""
    if isinstance(part, np.ndarray):
        bins, columns = np.nonzero(part.view(np.int64) != row.view(np.int64))
        return bins, columns, part[bins, columns]
    entries = part.tocoo()
    return entries.row.astype(np.int64), entries.col.astype(np.int64), entries.data
