"""Find slices with larger errors than the rest: one value of a field, or of two fields together.

Of thousands of candidates, some look bad by chance. So half of the rows are searched, and only what was found there is
tested on the other half, with errors by day and corrected for the number of tests. For example, of 40 fields with 20 values
each there are 300,000 pairs of values; at most five are tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...metrics import block_mean
from ...text import listed
from ..corrections import holm
from ..verdict import WARNING
from .measures import LEAST_DAYS, Outcomes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Coded", "discover", "discovered"]

_MOST_FOUND, _SEED = 5, 0
# The least number and share of rows of a slice, and how many times the error of the others its error is.
_LEAST_ROWS, _LEAST_SHARE, _LEAST_TIMES = 50, 0.005, 1.5
# Rows that are searched: more take longer and find little more.
_MOST_SEARCHED = 100_000
# A slice of two fields must be this much clearer than one of a field, which is easier to act on.
_CLEARER = 1.3


class Coded(NamedTuple):
    """A field as codes.

    Attributes
    ----------
    codes
        The number of each row's label, shape (rows,); -1 for rows that belong to none.
    labels
        Values or bins, in words.
    """

    codes: NDArray[np.integer[Any]]
    labels: Sequence[str]


class _Slice(NamedTuple):
    fields: tuple[str, ...]
    codes: tuple[int, ...]
    clarity: float

    def rows_of(self, fields: Mapping[str, Coded]) -> NDArray[np.bool_]:
        found = [fields[name].codes == code for name, code in zip(self.fields, self.codes, strict=True)]
        return np.asarray(np.logical_and.reduce(found), dtype=bool)


def discovered(
    frame: pd.DataFrame, by: Sequence[str], *, kind: str, alpha: float, zone: tzinfo = UTC
) -> list[dict[str, Any]]:
    """Find slices of one or two slicing columns with larger errors than the other rows, as `discover` does.

    The error of a probability is its squared difference from the outcome, that of a value the absolute one.
    """
    known = Outcomes.of(frame, zone)
    miss = known.predicted - known.actual
    fields = {name: _coded(frame[name].iloc[known.rows]) for name in by}
    return discover(fields, np.abs(miss) if kind == "value" else np.square(miss), known.day, alpha=alpha)


def _coded(series: pd.Series[Any]) -> Coded:
    import pandas as pd

    codes, values = pd.factorize(series)
    # Rarer values are no slices; without them, pairs of values are few even where each row has its own.
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    frequent = np.flatnonzero(counts >= _least_rows(len(codes)))
    numbers = np.full(len(values) + 1, -1)
    numbers[frequent] = np.arange(len(frequent))
    return Coded(numbers[codes], [str(value) for value in values[frequent]])


def _least_rows(rows: int) -> float:
    return max(_LEAST_ROWS, _LEAST_SHARE * rows)


def discover(
    fields: Mapping[str, Coded], error: NDArray[np.float64], day: NDArray[np.int64], *, alpha: float
) -> list[dict[str, Any]]:
    """Find slices with larger errors than the other rows.

    Parameters
    ----------
    fields
        The fields of the labelled rows.
    error
        The error of each row, such as the squared difference of probability and outcome, shape (rows,).
    day
        The day of each row, shape (rows,): integers from 0.
    alpha
        The probability that a window without such a slice has one named.

    Returns
    -------
    list
        The slices, the clearest first: `slice` (its fields), `where` (a list of `field` and `value`), `rows`, `error` and
        `others` (the mean errors of its rows and of the others), `p_value`, corrected for the number of slices that were
        tested, and `verdict`.
    """
    if len(error) < 2 * _LEAST_ROWS or len(np.unique(day)) < LEAST_DAYS:
        return []
    searched = np.random.default_rng(_SEED).permutation(len(error)) % 2 == 0
    found = _search({name: _taken(each, searched) for name, each in fields.items()}, error[searched])
    tested = {name: _taken(each, ~searched) for name, each in fields.items()}
    p_values = holm([_p_value(each.rows_of(tested), error[~searched], day[~searched]) for each in found])
    return [
        _record(each, fields, error) | {"p_value": p_value, "verdict": WARNING}
        for each, p_value in zip(found, p_values, strict=True)
        if p_value < alpha
    ]


def _taken(field: Coded, rows: NDArray[np.bool_]) -> Coded:
    return field._replace(codes=field.codes[rows])


def _search(fields: Mapping[str, Coded], error: NDArray[np.float64]) -> list[_Slice]:
    """Return the slices with the clearest errors; the rows of one are left out when the next is searched."""
    if len(error) > _MOST_SEARCHED:
        rows = np.arange(len(error)) < _MOST_SEARCHED
        fields, error = {name: _taken(each, rows) for name, each in fields.items()}, error[rows]
    found: list[_Slice] = []
    while len(found) < _MOST_FOUND and len(error) >= 2 * _LEAST_ROWS:
        best = max(filter(None, [_clearest(fields, error, names) for names in _names(fields)]), key=_preference, default=None)  # fmt: skip
        if best is None:
            break
        found.append(best)
        left = ~best.rows_of(fields)
        fields, error = {name: _taken(each, left) for name, each in fields.items()}, error[left]
    return found


def _names(fields: Mapping[str, Coded]) -> list[tuple[str, ...]]:
    return [*((name,) for name in fields), *combinations(fields, 2)]


def _preference(found: _Slice) -> float:
    return found.clarity * (_CLEARER if len(found.fields) == 1 else 1.0)


def _clearest(fields: Mapping[str, Coded], error: NDArray[np.float64], names: tuple[str, ...]) -> _Slice | None:
    """Return the slice of some fields whose error is clearest: the most standard errors above that of the others."""
    codes, sizes = [fields[name].codes.astype(np.int64) for name in names], [len(fields[name].labels) for name in names]
    inside = np.logical_and.reduce([each >= 0 for each in codes])
    index = codes[0] if len(names) == 1 else codes[0] * sizes[1] + codes[1]
    number = int(np.prod(sizes))
    rows = np.bincount(index[inside], minlength=number)
    sums = np.bincount(index[inside], weights=error[inside], minlength=number)
    with np.errstate(divide="ignore", invalid="ignore"):
        means, others = sums / rows, (error.sum() - sums) / (len(error) - rows)
        clarity = (means - others) * np.sqrt(rows) / (error.std() or 1.0)
    clarity[~((rows >= _least_rows(len(error))) & (means >= _LEAST_TIMES * others))] = -np.inf
    best = int(np.argmax(clarity)) if number else 0
    if not number or not np.isfinite(clarity[best]):
        return None
    return _Slice(names, (best,) if len(names) == 1 else divmod(best, sizes[1]), float(clarity[best]))


def _p_value(inside: NDArray[np.bool_], error: NDArray[np.float64], day: NDArray[np.int64]) -> float:
    """Return the one-sided probability of a slice's mean error, if it is that of the other rows."""
    if inside.sum() < 2 or inside.all():
        return 1.0
    estimate, others = block_mean(error[inside], day[inside]), float(error[~inside].mean())
    if estimate.blocks < LEAST_DAYS or estimate.value is None or estimate.value <= others:
        return 1.0
    return estimate.p_value(others) / 2


def _record(found: _Slice, fields: Mapping[str, Coded], error: NDArray[np.float64]) -> dict[str, Any]:
    inside = found.rows_of(fields)
    where = [
        {"field": name, "value": fields[name].labels[code]}
        for name, code in zip(found.fields, found.codes, strict=True)
    ]
    return {
        "slice": listed(found.fields, most=2),
        "where": where,
        "rows": int(inside.sum()),
        "error": float(error[inside].mean()),
        "others": float(error[~inside].mean()),
    }
