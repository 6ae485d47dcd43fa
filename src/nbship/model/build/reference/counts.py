"""Count values in bins and categories, all rows together or block by block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...signature import Codes, Column

__all__ = ["BINS", "GROUPS", "Counts", "count_in_categories", "count_texts", "edges_of", "factorized", "groups_of"]

BINS = 100
GROUPS = 10


@dataclass(frozen=True)
class Counts:
    """The counts of some values by block, such as a day.

    Attributes
    ----------
    table
        Rows of each block in each bin or category, and without a value in the last column, shape (blocks, bins + 1).
    new
        Rows of each category that is not among the known ones, shape (blocks,).
    """

    table: NDArray[np.int64]
    new: Mapping[str, NDArray[np.int64]]


def edges_of(values: Column) -> Column:
    """Return the edges of at most 100 bins between the quantiles of values, and two outer bins without any of them.

    A bin holds the values above its lower edge, up to and including its upper edge.
    """
    known = np.sort(values[np.isfinite(values)])
    inner = known
    if len(known):
        between = np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1], method="lower")
        inner = np.unique(np.concatenate([[np.nextafter(known[0], -np.inf)], between, [known[-1]]]))
    return np.concatenate([[-np.inf], inner, [np.inf]])


def groups_of(counts: Column) -> NDArray[np.intp]:
    """Return the index of the first bin of each group: at most ten groups of about equal weight, and two outer ones.

    A bin belongs to the tenth of the rows in which it starts. For example, bins with 30, 5, 5 and 60 of 100 rows start
    in the tenths 0, 3, 3 and 4, so the second and third bin form a group.

    >>> groups_of(np.array([0, 30, 5, 5, 60, 0])).tolist()
    [0, 1, 2, 4, 5]
    """
    total = max(1, int(counts.sum()))
    tenth = (np.cumsum(counts) - counts) * GROUPS // total
    starts = np.diff(tenth, prepend=-1) != 0
    # Values outside the range of the training data keep a bin of their own.
    starts[1:2] |= counts[0] == 0
    starts[-1] |= counts[-1] == 0
    return np.flatnonzero(starts)


def factorized(values: Column | Codes) -> tuple[Column, list[str | None]]:
    """Return the distinct strings, None as the last, and the index of each row's string among them.

    >>> factorized(np.array(["b", None, "b"], dtype=object))
    (array([ 0, -1,  0]), ['b', None])
    """
    import pandas as pd

    if isinstance(values, Codes):
        return values.codes, [None if name is None else str(name) for name in values.known.tolist()]
    codes, names = pd.factorize(values)
    return codes, [*(str(name) for name in names.tolist()), None]


def count_in_categories(values: Column | Codes, categories: tuple[str, ...], blocks: Column, number: int) -> Counts:
    """Count strings; None is missing."""
    found, names = factorized(values)
    last, new = len(categories), dict[str, int]()
    places: dict[str | None, int] = {**{name: place for place, name in enumerate(categories)}, None: last}
    # New categories come after the missing values: for example, known a and b, missing, then new c and d are 0 to 4.
    codes = [
        places[name] if name is None or name in places else new.setdefault(name, last + 1 + len(new)) for name in names
    ]
    of_rows = np.array(codes, dtype=np.intp)[found]
    table = _table(of_rows, last + 1 + len(new), blocks, number)
    # The known strings of codes need not occur.
    return Counts(table[:, : last + 1], {name: table[:, code] for name, code in new.items() if table[:, code].any()})


def count_texts(values: Column, blocks: Column, number: int) -> Counts:
    """Count whether there is a value or not."""
    return Counts(_table(_nulls(values).astype(np.intp), 2, blocks, number), {})


def _table(codes: Column, width: int, blocks: Column, number: int) -> NDArray[np.int64]:
    inside = blocks >= 0
    cells = blocks[inside].astype(np.intp) * width + codes[inside]
    return np.bincount(cells, minlength=number * width).reshape(number, width).astype(np.int64)


def _nulls(values: Column) -> Column:
    if values.dtype.kind == "O":
        return np.array([value is None or value != value for value in values], dtype=bool)
    return np.isnat(values) if values.dtype.kind == "M" else np.isnan(values.astype(np.float64))
