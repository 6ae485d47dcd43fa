"""The distribution check: is the stability index of a window beyond those of past periods?

Each past period is compared with the others, and each piece of the window with the reference. The logarithms of the
past indices give a band for each field. For example, a week of temperatures has an index of about 3 against the other weeks of
a winter and spring, and an index of 3 is then no finding; a week of airlines has 0.01, and 0.1 is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bands import Band, made_band
from .compared import Compared
from .distance import chi_squared, homogeneity, psi, psi_noise
from .past import Past

__all__ = ["Stability", "stability"]

# Below this index, no change matters; the logarithms of past indices spread by at least this: where all past periods are
# below the floor, an index of twice the floor is a finding.
_FLOOR, _LEAST_SPREAD = 0.02, 0.15
_ERRORS = 2.0
# A smaller piece or period says nothing about a distribution.
_LEAST_ROWS = 20
# Bins with fewer expected rows are merged (Cochran 1954).
_LEAST_EXPECTED = 5.0
# Past periods are taken to differ by more than chance unless the test of homogeneity says otherwise.
_BY_CHANCE = 0.01


@dataclass(frozen=True)
class Stability:
    """The result of the check.

    Attributes
    ----------
    p_value
        Of all pieces and the whole window together.
    band
        Of the logarithms of the past indices, without what chance explains; None without a history.
    worst
        The piece with the largest index: its number, or None for the whole window.
    indices
        The index of each piece, NaN with too few rows.
    """

    p_value: float
    band: Band | None
    worst: int | None
    indices: NDArray[np.float64]
    index: float

    def record(self, past: Past | None, alpha: float) -> dict[str, Any] | None:
        """Return the band as a record of the report."""
        if self.band is None or past is None:
            return None
        known = [None if np.isnan(index) else float(index) for index in self.indices]
        return {
            "periods": self.band.number,
            "days": past.plan.length,
            "seasonal": past.plan.seasonal,
            "median": float(np.exp(self.band.mean)),
            "limit": float(np.exp(min(self.band.limit(alpha), 700.0))),
            "pieces": dict(zip(past.plan.names, known, strict=True)),
            "worst": None if self.worst is None else past.plan.names[self.worst],
        }


def stability(compared: Compared) -> Stability:
    """Judge the distribution of a field by its history."""
    past = compared.past
    assert compared.current is not None
    if past is None:
        return Stability(1.0, None, None, np.array([]), psi(compared.reference.counts, compared.current.counts))
    units, pieces, current = (_inside(each, compared) for each in (past.units[:, :-1], past.pieces[:, :-1], compared.current.counts[None]))  # fmt: skip
    thick = units.sum(axis=1) >= _LEAST_ROWS
    assert past.plan.others is not None
    assert past.plan.alike is not None
    others, alike = past.plan.others[thick][:, thick].astype(int), past.plan.alike[:, thick].astype(int)
    units = units[thick]
    whole = alike.max(axis=0, initial=0)
    reference = whole @ units
    merged = _merge(units.sum(axis=0), _smallest(pieces, units)) if compared.kind in ("category", "text") else None
    units, pieces = (_merged(table, merged) for table in (units, pieces))
    band = _band(units, others)
    against = [*(alike @ units), whole @ units]
    tables = np.vstack([pieces, _merged(current, merged)])
    like = float(np.median(units.sum(axis=1))) if len(units) else 0.0
    p_values = [_p_value(before, now, band, like) for before, now in zip(against, tables, strict=True)]
    # A single piece is the whole window.
    tested = p_values[: len(pieces)] if len(pieces) == 1 else p_values
    worst = int(np.argmin(tested))
    indices = [psi(*pair) if pair[1].sum() >= _LEAST_ROWS else np.nan for pair in zip(against, tables, strict=True)][:-1]  # fmt: skip
    return Stability(
        min(1.0, len(tested) * tested[worst]),
        band,
        worst if worst < len(pieces) else None,
        np.array(indices),
        psi(reference, current[0]),
    )


def _inside(table: NDArray[np.int64], compared: Compared) -> NDArray[np.int64]:
    """Return the counts with values outside the range of the training data in the nearest bin.

    No past period has such values, because it is part of the training data: they have a check of their own.
    """
    if compared.kind != "number" or table.shape[1] < 4:
        return table
    return np.column_stack([table[:, :2].sum(axis=1), table[:, 2:-2], table[:, -2:].sum(axis=1)])


def _band(units: NDArray[np.int64], others: NDArray[np.int64]) -> Band | None:
    if len(units) and homogeneity(units) > _BY_CHANCE:
        # What differs by chance alone has no spread of its own.
        return made_band(np.full(len(units), np.log(_FLOOR)), least_spread=_LEAST_SPREAD)
    values = [_excess(before, unit) for before, unit in zip(others @ units, units, strict=True)]
    return made_band(values, least_spread=_LEAST_SPREAD)


def _excess(before: NDArray[np.int64], now: NDArray[np.int64], *, like: float = 0.0) -> float:
    """Return the logarithm of the index, less what chance explains, and less what few rows add to the error of past periods.

    The index of n rows has about the variance of a noncentral chi-squared variable, divided by n. For example, with 24 bins,
    650 rows and a true index of 0.03, chance adds 0.035 on average, give or take 0.017.

    Parameters
    ----------
    like
        The rows of a past period, whose index has an error of its own. As many rows need no allowance.
    """
    size = max(psi(before, now) - psi_noise(before, now), 0.0)
    if like:
        more = _variance(before, now, size, now.sum()) - _variance(before, now, size, like)
        size -= _ERRORS * np.sqrt(max(0.0, more))
    return float(np.log(max(size, _FLOOR)))


def _variance(before: NDArray[np.int64], now: NDArray[np.int64], size: float, rows: float) -> float:
    worth = 1 / (1 / max(1, before.sum()) + 1 / max(1, rows))
    bins = int(np.count_nonzero(before + now))
    return float(2 * max(bins - 1, 0) / worth**2 + 4 * size / worth)


def _p_value(before: NDArray[np.int64], now: NDArray[np.int64], band: Band | None, like: float) -> float:
    if band is None or now.sum() < _LEAST_ROWS or not before.sum():
        return 1.0
    # With few rows an index is high by chance in one field of many: its lower bound is judged.
    excess = _excess(before, now, like=like)
    if excess <= np.log(_FLOOR):
        return 1.0
    # Both must hold: beyond the past periods, and not by chance.
    return max(band.p_value(excess), chi_squared(before, now).p_value)


def _smallest(pieces: NDArray[np.int64], units: NDArray[np.int64]) -> float:
    rows = [*pieces.sum(axis=1).tolist(), float(np.median(units.sum(axis=1))) if len(units) else 0.0]
    return min((one for one in rows if one >= _LEAST_ROWS), default=float(_LEAST_ROWS))


def _merge(totals: NDArray[np.int64], rows: float) -> NDArray[np.bool_]:
    """Return a mask of the categories that are merged into one: those that expect too few of `rows`."""
    expected = totals * rows / max(1, totals.sum())
    rare = np.asarray(expected < _LEAST_EXPECTED)
    order = np.argsort(expected, kind="stable")
    number = int(rare.sum())
    while 0 < number < len(order) and expected[order[:number]].sum() < _LEAST_EXPECTED:
        number += 1
    rare[order[:number]] = True
    return rare


def _merged(table: NDArray[np.int64], rare: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    if rare is None or not rare.any():
        return table
    return np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
