"""The rows and errors of all values of some fields, and of all pairs of their values, from which rows can be taken out again.

Sums are counted once: when the rows of a slice are taken out, only those are counted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..coding import Coded

__all__ = ["Cell", "Sums", "Table"]


class Cell(NamedTuple):
    """A value of a field, or a value of each of two fields, by their codes."""

    fields: tuple[str, ...]
    codes: tuple[int, ...]

    def rows_of(self, fields: Mapping[str, Coded]) -> NDArray[np.bool_]:
        """Return a mask of the rows with these values."""
        found = [fields[name].codes == code for name, code in zip(self.fields, self.codes, strict=True)]
        return np.asarray(np.logical_and.reduce(found), dtype=bool)


class Table(NamedTuple):
    """The values of one field, or the pairs of two, in one or two dimensions: rows, and sums of excess and expected errors."""

    names: tuple[str, ...]
    rows: NDArray[np.float64]
    excess: NDArray[np.float64]
    expected: NDArray[np.float64]


class Sums:
    """Rows and sums of errors for each value of some fields, and each pair of values.

    Parameters
    ----------
    fields
        The fields of the rows.
    excess, expected
        How far the error of each row is above that of its day, and its expected error, shape (rows,).
    names
        The groups of one or two fields to count.
    """

    def __init__(
        self,
        fields: Mapping[str, Coded],
        excess: NDArray[np.float64],
        expected: NDArray[np.float64],
        names: Iterable[tuple[str, ...]],
    ) -> None:
        self._excess, self._expected = excess, expected
        # Rows that belong to no value have the code 0.
        self._codes = {name: each.codes.astype(np.int32) + 1 for name, each in fields.items()}
        self._sizes = {name: len(each.labels) + 1 for name, each in fields.items()}
        self._rows_left = np.ones(len(excess), dtype=bool)
        self._tables = {each: self._counted(each, slice(None)) for each in names}
        self.rows, self.excess = len(excess), float(excess.sum())

    def add(self, names: Iterable[tuple[str, ...]]) -> None:
        """Count further groups of fields."""
        self._tables |= {each: self._counted(each, self._rows_left) for each in names}

    def take_out(self, rows: NDArray[np.bool_]) -> None:
        """Take rows out of all sums."""
        gone = np.flatnonzero(rows & self._rows_left)
        self._rows_left[gone] = False
        self.rows, self.excess = self.rows - len(gone), self.excess - float(self._excess[gone].sum())
        for names, table in self._tables.items():
            table -= self._counted(names, gone)

    def __iter__(self) -> Iterator[Table]:
        """Yield the table of each group of fields."""
        for names, table in self._tables.items():
            inner = (slice(1, None),) * len(names)
            yield Table(names, *(each[inner] for each in table))

    def _counted(self, names: tuple[str, ...], rows: slice | NDArray[np.bool_] | NDArray[np.intp]) -> NDArray[np.float64]:  # fmt: skip
        shape = tuple(self._sizes[name] for name in names)
        index = self._codes[names[0]][rows]
        if len(names) == 2:
            index = index * np.int32(shape[1]) + self._codes[names[1]][rows]
        number = int(np.prod(shape))
        weights = (None, self._excess[rows], self._expected[rows])
        counts = [np.bincount(index, weights=each, minlength=number) for each in weights]
        return np.array(counts, dtype=np.float64).reshape(3, *shape)
