"""Checks of shares of rows: missing values and new categories, judged by their history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...text import plural
from ..verdict import ALERT, BEYOND, BROKEN, WARNING
from .bands import made_band
from .compared import Compared, Counted
from .distance import proportions

__all__ = ["beyond", "missing_check", "most_frequent", "new_check", "share"]

# On the scale of logits, past shares spread by at least this: from 1 % to 1.6 %, or from 10 % to 15 %.
_LEAST_SPREAD = 0.5
_LEAST_ROWS = 20
# The smallest change of the share of missing values that matters, and without a history to compare with.
_MISSING, _MISSING_UNKNOWN = 0.02, 0.1
# A column is gone without a value in any row; some weeks of a rare value come close.
_GONE, _ALMOST = 0.9999, 0.99
# From 10% to 12% is a small change; from 0% to 2% is not.
_MISSING_RELATIVE = 0.2
# The smallest share of rows with new categories that matters.
_NEW, _NEW_BROKEN = 0.005, 0.01


def missing_check(compared: Compared) -> dict[str, Any]:
    """Compare the share of rows without a value with its history.

    More missing values than in any past period are broken data; fewer are beyond the field's history.
    """
    reference, current, past = compared.reference, compared.current, compared.past
    assert current is not None
    now, then = share(current.missing, current), share(reference.missing, reference)
    chance = proportions(current.missing, current.rows, reference_hits=reference.missing, reference_rows=reference.rows)
    size, p_value, least = abs(now - then), chance.p_value, _MISSING_UNKNOWN
    more = now > then
    if past is not None:
        rows = past.pieces.sum(axis=1) + past.new
        sign = 1.0 if more else -1.0
        found = beyond(past.pieces[:, -1], rows, past.units[:, -1], past.units.sum(axis=1), sign=sign)
        if found is not None:
            # A piece may have more missing values than the whole window.
            now, size = (found[1], abs(found[1] - then)) if abs(found[1] - then) > size else (now, size)
            p_value, least = (
                max(found[0], _chance(past, found[2], compared, chance.p_value)),
                _MISSING if more else least,
            )
            # Days differ more than weeks: without a wind there are no gusts. A share that some day had is usual.
            units = past.units[:, -1] / np.maximum(past.units.sum(axis=1), 1)
            is_gone = now >= _GONE and units.max() < _ALMOST
            size = size if not more or is_gone or now >= past.missing_before + _MISSING else 0.0
    notable = size >= max(least, _MISSING_RELATIVE * max(now, then))
    kind, verdict = (BROKEN, ALERT) if more else (BEYOND, WARNING)
    reason = f"Missing in {now:.1%} of the rows, against {then:.1%} in training."
    return {"check": "missing", "p_value": p_value, "notable": notable, "found": verdict, "kind": kind, "reason": reason}  # fmt: skip


def _chance(past: Any, piece: int, compared: Compared, whole: float) -> float:
    row = past.pieces[piece]
    rows = float(row.sum() + past.new[piece])
    hits = {"reference_hits": compared.reference.missing, "reference_rows": compared.reference.rows}
    return min(whole, proportions(float(row[-1]), rows, **hits).p_value)


def new_check(compared: Compared) -> dict[str, Any]:
    """Compare the share of rows whose category is new with that of the categories that only one past period has."""
    reference, current, past = compared.reference, compared.current, compared.past
    assert current is not None
    unseen = sum(current.new.values())
    # The expected share of new categories is that of categories seen once (Good 1953), plus three rows: the upper
    # bound for a sample without any (rule of three).
    expected = min(1.0, (reference.rare + 3) / reference.rows) * current.rows
    p_value, size = _poisson_tail(unseen, expected), share(unseen, current)
    if past is not None and unseen:
        found = beyond(past.new, past.pieces.sum(axis=1) + past.new, past.new_before, past.units.sum(axis=1), sign=1.0)
        if found is not None:
            p_value, size = max(p_value, found[0]), max(size, found[1])
    named = ", ".join(f"'{name}'" for name in most_frequent(current.new, 3))
    kind, verdict = (BROKEN, ALERT) if size >= _NEW_BROKEN else (BEYOND, WARNING)
    reason = f"{len(current.new)} {plural(len(current.new), 'value that is', 'values that are')} not in the training data, in {share(unseen, current):.1%} of the rows: {named}."
    return {"check": "new categories", "p_value": p_value, "notable": size >= _NEW, "found": verdict, "kind": kind, "reason": reason}  # fmt: skip


def beyond(
    hits: NDArray[np.int64], rows: NDArray[np.int64], past_hits: NDArray[np.int64], past_rows: NDArray[np.int64], *, sign: float
) -> tuple[float, float, int] | None:  # fmt: skip
    """Judge the shares of a window's pieces by those of past periods.

    Parameters
    ----------
    sign
        1 to look for larger shares, -1 for smaller ones.

    Returns
    -------
    tuple
        The p-value of the most extreme piece, its share, and its number; None without a history.
    """
    thick, known = past_rows >= _LEAST_ROWS, np.flatnonzero(rows >= _LEAST_ROWS)
    band = made_band(sign * _logits(past_hits[thick], past_rows[thick]), least_spread=_LEAST_SPREAD)
    if band is None or not len(known):
        return None
    logits = sign * _logits(hits[known], rows[known])
    most = int(np.argmax(logits))
    piece = int(known[most])
    return min(1.0, len(known) * band.p_value(float(logits[most]))), float(hits[piece] / rows[piece]), piece


def _logits(hits: ArrayLike, rows: ArrayLike) -> NDArray[np.float64]:
    # Half a row on either side keeps shares of 0 and 1 finite.
    some, all_rows = np.asarray(hits, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    return np.asarray(np.log((some + 0.5) / (all_rows - some + 0.5)))


def _poisson_tail(events: int, expected: float) -> float:
    """Probability of at least `events` events where `expected` are expected (Poisson)."""
    if events == 0:
        return 1.0
    from scipy.special import gammainc  # type: ignore[import-untyped]

    return float(gammainc(events, expected))


def most_frequent(counts: Mapping[str, int], number: int) -> list[str]:
    """Return the names with the largest counts."""
    return sorted(counts, key=lambda name: (-counts[name], name))[:number]


def share(rows: int, counted: Counted) -> float:
    """Return a share of all rows, 0 without any."""
    return rows / counted.rows if counted.rows else 0.0
