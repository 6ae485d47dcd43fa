"""Drift: do values follow the distribution of the training data? One check per field, one for the predictions.

Fields are compared as counts of the same bins or categories, so that a reference needs no raw rows. A missing value
is a bin of its own. A change is a finding only if chance does not explain it, all checks of a report taken together, and
if it is large enough to matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..text import plural
from .distance import chi_squared, jensen_shannon, jensen_shannon_noise, kolmogorov_smirnov, proportions, psi, psi_noise
from .verdict import ALERT, INSUFFICIENT, OK, WARNING, Thresholds, grade, worst

__all__ = ["CHECKS_A_FIELD", "Counted", "drift"]

# Distribution, missing values, new categories: they share a report's false alarms.
CHECKS_A_FIELD = 3

# The stability index's customary limits are 0.1 and 0.25 (Siddiqi 2006); a mean half a standard deviation away
# gives 0.25 before binning, and must be an alert after it.
_INDEX = Thresholds(warning=0.1, alert=0.2)
# A rare binary field that moves by half a standard deviation hardly moves the index, and moves this distance by 0.1.
_DISTANCE = Thresholds(warning=0.1, alert=0.2)
_MISSING = Thresholds(warning=0.02, alert=0.10)
_MISSING_RELATIVE = 0.2
_NEW = Thresholds(warning=0.005, alert=0.05)
_SHOWN = 12


@dataclass(frozen=True)
class Counted:
    """The frequencies of the bins or categories of a field.

    Attributes
    ----------
    labels
        Bins from low to high, or categories.
    counts
        The number of rows in each, shape (len(labels),).
    missing
        Rows without a value.
    ordered
        Whether the labels are bins of numbers or times.
    new
        Rows of each category that is not among the labels.
    rare
        Of a reference: rows whose category occurred only once; they estimate the share of rows with a category not
        seen before (Good 1953).
    fine
        The counts of the finer bins before merging.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    missing: int = 0
    ordered: bool = True
    new: Mapping[str, int] = field(default_factory=dict)
    rare: int = 0
    fine: NDArray[np.int64] | None = None

    @property
    def rows(self) -> int:
        """All rows, those without a value included."""
        return int(self.counts.sum()) + self.missing + sum(self.new.values())


def drift(name: str, reference: Counted, current: Counted | None, *, alpha: float, min_rows: int) -> dict[str, Any]:
    """Compare a field's counts in a window with those of the reference.

    Parameters
    ----------
    reference, current
        Counts of the same labels; `current` is None where the rows do not have the field.
    alpha
        The probability with which a single check may raise a false alarm.
    min_rows
        Rows, on either side, below which the verdict is `insufficient`.

    Returns
    -------
    dict
        `field`, `rows`, `reference_rows`, the measures (`psi`, `jensen_shannon`, `chi_squared`, `ks`),
        `missing`, `new_categories`, `distribution` (shares, for plots), `checks`, `verdict` and `reason`.

    Examples
    --------
    >>> before = Counted(("a", "b"), np.array([500, 500]), ordered=False)
    >>> drift("shop", before, Counted(("a", "b"), np.array([480, 520]), ordered=False), alpha=0.001, min_rows=200)["verdict"]
    'ok'
    >>> drift("shop", before, Counted(("a", "b"), np.array([100, 900]), ordered=False), alpha=0.001, min_rows=200)["verdict"]
    'alert'
    """
    if current is None:
        return {"field": name, "rows": 0, "reference_rows": reference.rows, "checks": [], "verdict": ALERT} | {
            "reason": "The logged inputs do not have this field."
        }
    r, c = _with_missing(reference), _with_missing(current)
    record: dict[str, Any] = {
        "field": name,
        "rows": current.rows,
        "reference_rows": reference.rows,
        **_measures(r, c, reference, current),
        "missing": {"share": _share(current.missing, current), "reference_share": _share(reference.missing, reference)},
        "new_categories": _new(current),
        "distribution": _distribution(reference, current),
    }
    if min(reference.rows, current.rows) < min_rows:
        reason = f"{current.rows} {plural(current.rows, 'row')}, and {reference.rows} in the reference; a verdict needs {min_rows}."
        return record | {"checks": [], "verdict": INSUFFICIENT, "reason": reason}
    checks = [
        _distribution_check(r, c, record, alpha),
        _missing_check(reference, current, alpha),
        _new_check(reference, current, alpha),
    ]
    verdict = worst(check["verdict"] for check in checks)
    findings = [check["reason"] for check in reversed(checks) if check["verdict"] in (WARNING, ALERT)]
    return record | {
        "checks": checks,
        "verdict": verdict,
        "reason": "No change." if verdict == OK else " ".join(findings),
    }


def _with_missing(counted: Counted) -> NDArray[np.int64]:
    # New categories have a check of their own: the reference has none of them by definition, not by chance.
    return np.append(counted.counts, counted.missing)


def _measures(r: NDArray[np.int64], c: NDArray[np.int64], reference: Counted, current: Counted) -> dict[str, Any]:
    ks = kolmogorov_smirnov(_finest(reference), _finest(current)) if reference.ordered else None
    return {
        "psi": psi(*_used(r, c)),
        "psi_noise": psi_noise(r, c),
        "jensen_shannon": jensen_shannon(r, c),
        "chi_squared": {
            "statistic": (test := chi_squared(r, c)).statistic,
            "degrees": test.degrees,
            "p_value": test.p_value,
        },
        "ks": ks and {"statistic": ks.statistic, "p_value": ks.p_value},
    }


def _finest(counted: Counted) -> NDArray[np.int64]:
    return counted.counts if counted.fine is None else counted.fine


def _used(r: NDArray[np.int64], c: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    used = r + c > 0
    return r[used], c[used]


def _distribution_check(
    r: NDArray[np.int64], c: NDArray[np.int64], record: Mapping[str, Any], alpha: float
) -> dict[str, Any]:
    index = max(0.0, record["psi"] - record["psi_noise"])
    distance = math.sqrt(max(0.0, record["jensen_shannon"] ** 2 - jensen_shannon_noise(r, c) ** 2))
    p_value = record["chi_squared"]["p_value"]
    sizes = ((index, _INDEX), (distance, _DISTANCE))
    verdict = worst(grade(size, limits, p_value=p_value, alpha=alpha) for size, limits in sizes)
    reason = f"The distribution drifted (stability index {record['psi']:.2f}, Jensen-Shannon distance {record['jensen_shannon']:.2f})."
    return {"check": "distribution", "p_value": p_value, "verdict": verdict, "reason": reason}


def _missing_check(reference: Counted, current: Counted, alpha: float) -> dict[str, Any]:
    test = proportions(current.missing, current.rows, reference_hits=reference.missing, reference_rows=reference.rows)
    now, then = _share(current.missing, current), _share(reference.missing, reference)
    # From 10% to 12% is a small change; from 0% to 2% is not.
    size = abs(now - then) if abs(now - then) >= _MISSING_RELATIVE * max(now, then) else 0.0
    verdict = grade(size, _MISSING, p_value=test.p_value, alpha=alpha)
    reason = f"Missing in {now:.1%} of the rows, against {then:.1%} in training."
    return {"check": "missing", "p_value": test.p_value, "verdict": verdict, "reason": reason}


def _new_check(reference: Counted, current: Counted, alpha: float) -> dict[str, Any]:
    unseen = sum(current.new.values())
    # The expected share of new categories is that of categories seen once (Good 1953), plus three rows: the upper
    # bound for a sample without any (rule of three).
    expected = min(1.0, (reference.rare + 3) / reference.rows) * current.rows
    p_value = _poisson_tail(unseen, expected)
    verdict = grade(_share(unseen, current), _NEW, p_value=p_value, alpha=alpha)
    named = ", ".join(f"'{name}'" for name in _most(current.new, 3))
    reason = f"{len(current.new)} {plural(len(current.new), 'value that is', 'values that are')} not in the training data, in {_share(unseen, current):.1%} of the rows: {named}."
    return {"check": "new categories", "p_value": p_value, "verdict": verdict, "reason": reason}


def _poisson_tail(events: int, expected: float) -> float:
    """Probability of at least `events` events where `expected` are expected (Poisson)."""
    if events == 0:
        return 1.0
    from scipy.special import gammainc  # type: ignore[import-untyped]

    return float(gammainc(events, expected))


def _new(current: Counted) -> dict[str, Any]:
    unseen = sum(current.new.values())
    return {
        "count": len(current.new),
        "rows": unseen,
        "share": _share(unseen, current),
        "most_frequent": _most(current.new, _SHOWN),
    }


def _most(counts: Mapping[str, int], number: int) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))[:number]


def _share(rows: int, counted: Counted) -> float:
    return rows / counted.rows if counted.rows else 0.0


def _distribution(reference: Counted, current: Counted) -> list[dict[str, Any]]:
    """Shares for a plot: all bins, or the most frequent categories."""
    both = reference.counts + current.counts
    shown = list(range(len(reference.labels)))
    if not reference.ordered and len(reference.labels) > _SHOWN:
        shown = sorted(np.argsort(-both, kind="stable")[:_SHOWN].tolist())
    shown = [k for k in shown if both[k]]
    rows = [_bar(reference.labels[k], reference.counts[k], current.counts[k], reference, current) for k in shown]
    rest = [k for k in range(len(reference.labels)) if k not in set(shown)]
    if both[rest].sum():
        rows.append(_bar("others", reference.counts[rest].sum(), current.counts[rest].sum(), reference, current))
    for label, before, now in (
        ("new", 0, sum(current.new.values())),
        ("missing", reference.missing, current.missing),
    ):
        if before or now:
            rows.append(_bar(label, before, now, reference, current))
    return rows


def _bar(label: str, before: Any, now: Any, reference: Counted, current: Counted) -> dict[str, Any]:
    return {"label": label, "reference": _share(int(before), reference), "current": _share(int(now), current)}
