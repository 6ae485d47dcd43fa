"""Find slices with larger errors than other rows with such predictions: one value of a field, or of two fields together.

Of thousands of candidates, some look bad by chance. So half of the rows are searched, and only what was found there is
tested on the other half, beside the other rows of the same days and corrected for the number of tests. For example, of 40
fields with 20 values each there are 300,000 pairs of values; at most five are tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...metrics import holm
from ...text import listed
from ..coding import Coded
from ..verdict import WARNING
from .contrasts import Errors, contrast, excess_of_day
from .measures import LEAST_DAYS, Outcomes
from .tabulated import Cell, Sums, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEAST_TIMES", "discover", "discovered"]

_MOST_FOUND, _SEED = 5, 0
# The least number and share of rows of a slice, and how many times the error of the others its error is.
_LEAST_ROWS, _LEAST_SHARE, LEAST_TIMES = 50, 0.005, 1.5
# Rows that are searched, fields that are paired and values of a field: more take longer and find little more.
_MOST_SEARCHED, _MOST_PAIRED, _MOST_VALUES = 100_000, 24, 100
# A slice of two fields must be this much clearer than one of a field, which is easier to act on.
_CLEARER = 1.3


class _Found(NamedTuple):
    cell: Cell
    clarity: float

    @property
    def preference(self) -> float:
        return self.clarity * (_CLEARER if len(self.cell.fields) == 1 else 1.0)


def discovered(
    frame: pd.DataFrame,
    by: Sequence[str],
    *,
    kind: str,
    alpha: float,
    zone: tzinfo = UTC,
    inputs: Mapping[str, Coded] | None = None,
) -> list[dict[str, Any]]:
    """Find slices of one or two slicing columns or inputs with larger errors than the other rows, as `discover` does.

    The error of a probability is its squared difference from the outcome, that of a value the absolute one.

    Parameters
    ----------
    inputs
        The inputs of the rows of the frame. Values that training never had are left out: they are new segments.
    """
    known = Outcomes.of(frame, zone)
    fields = {name: _of_column(frame[name].iloc[known.rows]) for name in by}
    for name, each in (inputs or {}).items():
        if name not in fields:
            fields[name] = _frequent(each.taken(known.rows), most=len(each.labels) if each.known is None else each.known + 1)  # fmt: skip
    return discover(fields, Errors.of(known, kind), alpha=alpha)


def _of_column(series: pd.Series[Any]) -> Coded:
    import pandas as pd

    codes, values = pd.factorize(series)
    found = _frequent(Coded(codes, values), most=len(values))  # type: ignore[arg-type]
    return found._replace(labels=[str(value) for value in found.labels])


def _frequent(field: Coded, *, most: int) -> Coded:
    """Return a field with its frequent values only, of the first `most`: rarer ones are no slices, and pairs stay few."""
    counts = np.bincount(field.codes[field.codes >= 0], minlength=len(field.labels))[:most]
    order = np.argsort(-counts, kind="stable")[:_MOST_VALUES]
    frequent = np.sort(order[counts[order] >= _least_rows(len(field.codes))])
    # The last one is that of the code -1.
    numbers = np.full(len(field.labels) + 1, -1, dtype=np.min_scalar_type(-len(frequent) - 1))
    numbers[frequent] = np.arange(len(frequent))
    return Coded(numbers[field.codes], [field.labels[code] for code in frequent.tolist()])


def _least_rows(rows: int) -> float:
    return max(_LEAST_ROWS, _LEAST_SHARE * rows)


def discover(fields: Mapping[str, Coded], errors: Errors, *, alpha: float) -> list[dict[str, Any]]:
    """Find slices with larger errors than other rows with such predictions.

    Parameters
    ----------
    fields
        The fields of the labelled rows.
    errors
        Their errors.
    alpha
        The probability that a window without such a slice has one named.

    Returns
    -------
    list
        The slices, the clearest first: `slice` (its fields), `where` (a list of `field` and `value`), `rows`, `error` and
        `others` (the mean errors of its rows, and of rows with such predictions), `p_value`, corrected for the number of
        slices that were tested, and `verdict`.
    """
    number = len(errors.error)
    if number < 2 * _LEAST_ROWS or len(np.unique(errors.day)) < LEAST_DAYS:
        return []
    order = np.random.default_rng(_SEED).permutation(number)
    half = (number + 1) // 2
    searched, tested = np.sort(order[: min(half, _MOST_SEARCHED)]), np.sort(order[half:])
    expected = errors.expected
    excess = excess_of_day(errors.error - expected, errors.day)
    found = _search(_taken(fields, searched), excess[searched], expected[searched])
    used = {name: fields[name] for each in found for name in each.fields}
    others, of_others = _taken(used, tested), errors.taken(tested)
    p_values = holm([contrast(each.rows_of(others), of_others).p_value for each in found])
    records = [_record(each, fields, errors) | {"p_value": p_value} for each, p_value in zip(found, p_values, strict=True)]  # fmt: skip
    return [one for one in records if one["p_value"] < alpha and one["error"] >= LEAST_TIMES * one["others"]]


def _taken(fields: Mapping[str, Coded], rows: NDArray[np.intp]) -> dict[str, Coded]:
    return {name: each.taken(rows) for name, each in fields.items()}


def _search(fields: Mapping[str, Coded], excess: NDArray[np.float64], expected: NDArray[np.float64]) -> list[Cell]:
    """Return the slices with the clearest errors; the rows of one are left out when the next is searched."""
    sums, spread = Sums(fields, excess, expected, [(name,) for name in fields]), float(excess.std()) or 1.0
    sums.add(combinations(_promising(fields, sums, spread), 2))
    found: list[Cell] = []
    while len(found) < _MOST_FOUND and sums.rows >= 2 * _LEAST_ROWS:
        each_best = (_clearest(table, sums, spread) for table in sums)
        best = max(filter(None, each_best), key=lambda one: one.preference, default=None)
        if best is None:
            break
        found.append(best.cell)
        sums.take_out(best.cell.rows_of(fields))
    return found


def _promising(fields: Mapping[str, Coded], sums: Sums, spread: float) -> list[str]:
    """Return the fields to pair: those with the clearest value, as a clear pair shows in each of its fields."""
    if len(fields) <= _MOST_PAIRED:
        return list(fields)
    clarity = {table.names[0]: _clarity(table, sums, spread).max(initial=-np.inf) for table in sums}
    return sorted(sorted(fields, key=lambda name: -clarity[name])[:_MOST_PAIRED])


def _clarity(table: Table, sums: Sums, spread: float) -> NDArray[np.float64]:
    """Return by how many standard errors the mean errors of values are above those of the others."""
    rows, excess = table.rows, table.excess
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = excess / rows - (sums.excess - excess) / (sums.rows - rows)
        clarity = np.where(rows >= _least_rows(sums.rows), difference * np.sqrt(rows) / spread, -np.inf)
        is_large = difference >= (LEAST_TIMES - 1) * table.expected / rows
    return np.asarray(np.where(is_large & np.isfinite(clarity), clarity, -np.inf))


def _clearest(table: Table, sums: Sums, spread: float) -> _Found | None:
    clarity = _clarity(table, sums, spread)
    if clarity.max(initial=-np.inf) <= 0:
        return None
    best = int(np.argmax(clarity))
    codes = tuple(int(code) for code in np.unravel_index(best, clarity.shape))
    return _Found(Cell(table.names, codes), float(clarity.flat[best]))


def _record(cell: Cell, fields: Mapping[str, Coded], errors: Errors) -> dict[str, Any]:
    where = [
        {"field": name, "value": str(fields[name].labels[code])}
        for name, code in zip(cell.fields, cell.codes, strict=True)
    ]
    found = contrast(cell.rows_of(fields), errors)
    names = listed(cell.fields, most=2)
    return {"slice": names, "where": where, "rows": found.rows, "error": found.error, "others": found.others, "verdict": WARNING}  # fmt: skip
