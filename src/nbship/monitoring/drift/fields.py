"""Fields: does one differ from the training data by more than past periods do?

Fields are compared as counts of the same bins or categories, so that a reference needs no raw rows. Missing values and new
categories have checks of their own, which find broken data. All checks of a report are judged together: see `settle`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...metrics import holm, listed_tests
from ...text import counted, plural
from ..verdict import ALERT, BEYOND, BROKEN, FALSE_ALARMS, INSUFFICIENT, OK, USUAL, WARNING, worst
from .compared import Compared, Counted, Unknown
from .distance import chi_squared, jensen_shannon, kolmogorov_smirnov, psi_noise
from .hints import hint, hint_of_values
from .shares import missing_check, most_frequent, new_check, share
from .stability import Stability, stability

__all__ = ["measure", "settle"]

_SHOWN = 12
# The share of wrong ones among the listed fields.
_LISTED = 0.1
# A field without an event-time history is stuck after this many days with the same values as the day before.
_LEAST_RUN = 2
# The share of rows with values that training never had, between those that it had; and times the share of any past period.
_UNKNOWN, _TIMES_BEFORE, _LEAST_UNKNOWN = 0.1, 3, 10
_USUAL_WORDS = "Within what past periods differ by."


def measure(compared: Compared, *, min_rows: int) -> dict[str, Any]:
    """Compare a field's counts in a window with those of the reference, without a verdict on its checks.

    Parameters
    ----------
    min_rows
        Rows, on either side, below which the verdict is `insufficient`.

    Returns
    -------
    dict
        `field`, `rows`, `effective_rows`, `reference_rows`, the measures (`psi`, `jensen_shannon`, `chi_squared`, `ks`),
        `missing`, `new_categories`, `distribution` (shares, for plots), `checks`; and `verdict`, `kind` and `reason`
        where they do not depend on the other fields. `settle` adds the rest.
    """
    name, reference, current = compared.name, compared.reference, compared.current
    if current is None:
        return {"field": name, "rows": 0, "reference_rows": reference.rows, "checks": [], "verdict": ALERT} | {
            "kind": BROKEN, "reason": "The logged inputs do not have this field."
        }  # fmt: skip
    found = stability(compared)
    record: dict[str, Any] = {
        "field": name,
        "given": None if compared.given is None else dict(zip(("field", "by", "value"), compared.given, strict=True)),
        "rows": current.rows,
        "effective_rows": compared.effective,
        "reference_rows": reference.rows,
        "psi": found.index,
        "psi_noise": psi_noise(reference.counts, current.counts),
        **_measures(reference, current),
        "missing": {"share": share(current.missing, current), "reference_share": share(reference.missing, reference)},
        "new_categories": _new(current),
        "distribution": _distribution(reference, current),
    }
    if min(reference.rows, current.rows) < min_rows:
        reason = f"{counted(current.rows, 'row', 'rows')}, and {reference.rows:,} in the reference; a verdict needs {min_rows}."
        return record | {"checks": [], "verdict": INSUFFICIENT, "kind": None, "reason": reason}
    return record | {"checks": _checks(compared, found), "stability": found, "compared": compared}


def settle(records: Sequence[dict[str, Any]], *, others: int = 0, alpha: float = FALSE_ALARMS) -> list[dict[str, Any]]:
    """Judge the checks of all fields together, and return the records with their verdicts.

    On data like those of past periods, any check of a report is a finding with a probability of at most `alpha` (Holm).
    `listed` fields are those worth a look: at most one in ten of them is there by chance (Benjamini and Hochberg).

    Parameters
    ----------
    others
        The number of tests of the report elsewhere.
    """
    tests = [check for record in records for check in record["checks"] if check["p_value"] is not None]
    p_values = [check["p_value"] for check in tests]
    corrected = holm(p_values, others=others)
    for check, p_value, is_listed in zip(tests, corrected, listed_tests(p_values, _LISTED), strict=True):
        is_rejected = p_value <= alpha
        check["verdict"] = check["found"] if is_rejected and check["notable"] else OK
        check["listed"] = is_listed and check["notable"]
        if not (is_rejected and check["notable"]) and check["kind"] == BROKEN and "subject" in check:
            check["kind"] = USUAL
    each = alpha / max(1, len(tests) + others)
    return [_settled(record, each) for record in records]


def _checks(compared: Compared, found: Stability) -> list[dict[str, Any]]:
    checks = [_distribution_check(compared, found)]
    if compared.given is None:
        checks += [missing_check(compared), _stuck_check(compared)]
        if compared.unknown is not None:
            checks.append(_unknown_check(compared, compared.unknown))
        if compared.kind == "category":
            checks.append(new_check(compared))
    return checks


def _distribution_check(compared: Compared, found: Stability) -> dict[str, Any]:
    check = {"check": "distribution", "p_value": found.p_value, "notable": True, "found": WARNING, "kind": BEYOND}
    if compared.past is None or found.band is None:
        number = 0 if compared.past is None else len(compared.past.units)
        why = compared.why or f"Only some of {number} past periods have enough values."
        return check | {"p_value": None, "verdict": INSUFFICIENT, "reason": f"Insufficient history: {why}"}
    return check


def _stuck_check(compared: Compared) -> dict[str, Any]:
    """Find a field that is stuck: whole days have the same few values as the day before, for longer than in training."""
    check = {
        "check": "stuck",
        "p_value": None,
        "kind": BROKEN,
        "verdict": OK,
        "reason": "The values change from day to day.",
    }
    if compared.runs is None:
        return check
    now, before = compared.runs
    if now < max(_LEAST_RUN, 2 * before + 1):
        return check
    longest = f"the longest run in training is {before + 1}" if before else "in training no two days are so"
    return check | {"verdict": ALERT, "reason": f"The values are stuck: {now + 1} days in a row have the same few values; {longest}."}  # fmt: skip


def _unknown_check(compared: Compared, unknown: Unknown) -> dict[str, Any]:
    """Find numbers between those of the training data, such as speeds in whole knots that were converted."""
    assert compared.current is not None
    inside = compared.current.counts[1:-1].sum() if len(compared.current.counts) > 2 else compared.current.counts.sum()
    check = {
        "check": "unknown values",
        "p_value": None,
        "kind": BROKEN,
        "verdict": OK,
        "reason": "The values are those of the training data.",
    }
    now = unknown.rows / max(1, int(inside))
    if unknown.rows < _LEAST_UNKNOWN or now < max(_UNKNOWN, _TIMES_BEFORE * unknown.before):
        return check
    reason = f"{now:.1%} of the values lie between those of the training data, which has few distinct ones: another unit, or another rounding?"
    return check | {"verdict": ALERT, "reason": " ".join(filter(None, [reason, hint_of_values(unknown)]))}


def _settled(record: dict[str, Any], alpha: float) -> dict[str, Any]:
    if "stability" not in record:
        drop = ("notable", "found", "listed")
        return record | {"checks": [{k: v for k, v in each.items() if k not in drop} for each in record["checks"]]}
    found: Stability = record.pop("stability")
    compared: Compared = record.pop("compared")
    history = found.record(compared.past, alpha)
    for check in record["checks"]:
        if check["check"] == "distribution" and check["p_value"] is not None:
            is_found = check["verdict"] == check["found"]
            check["reason"] = _distribution_words(record, history or {}, compared) if is_found else _USUAL_WORDS
    checks = [{name: check[name] for name in ("check", "p_value", "verdict", "kind", "reason")} for check in record["checks"]]  # fmt: skip
    findings = [check for check in checks if check["verdict"] in (WARNING, ALERT)]
    # What breaks data comes first: it explains the rest.
    findings.sort(key=lambda check: check["verdict"] != ALERT)
    verdict = worst(check["verdict"] for check in checks)
    insufficient = [check["reason"] for check in checks if check["verdict"] == INSUFFICIENT]
    reason = " ".join(check["reason"] for check in findings) or " ".join(insufficient)
    return record | {
        "history": history,
        "listed": any(check.get("listed") for check in record["checks"]),
        "checks": checks,
        "verdict": verdict,
        "kind": findings[0]["kind"] if findings else USUAL if verdict == OK else None,
        "reason": reason or _USUAL_WORDS,
    }


def _distribution_words(record: Mapping[str, Any], history: Mapping[str, Any], compared: Compared) -> str:
    assert compared.past is not None
    names, worst_piece = compared.past.plan.unit_name, history["worst"]
    index = record["psi"] if worst_piece is None else history["pieces"][worst_piece]
    where = (
        ""
        if worst_piece is None or len(history["pieces"]) == 1
        else f" in the {_length(history['days'])} from {worst_piece}"
    )
    words = f"The distribution{where} is beyond that of past {names} (stability index {index:.2g}, limit {history['limit']:.2g})."
    return " ".join(filter(None, [words, hint(compared)]))


def _length(days: int) -> str:
    return {1: "day", 7: "week", 28: "four weeks"}.get(days, f"{days} {plural(days, 'day')}")


def _measures(reference: Counted, current: Counted) -> dict[str, Any]:
    # Missing values and new categories have checks of their own.
    r, c = reference.counts, current.counts
    ks = kolmogorov_smirnov(_finest(reference), _finest(current)) if reference.ordered else None
    test = chi_squared(r, c)
    return {
        "jensen_shannon": jensen_shannon(r, c),
        "chi_squared": {"statistic": test.statistic, "degrees": test.degrees, "p_value": test.p_value},
        "ks": ks and {"statistic": ks.statistic, "p_value": ks.p_value},
    }


def _finest(counted: Counted) -> Any:
    return counted.counts if counted.fine is None else counted.fine


def _new(current: Counted) -> dict[str, Any]:
    unseen = sum(current.new.values())
    return {
        "count": len(current.new),
        "rows": unseen,
        "share": share(unseen, current),
        "most_frequent": most_frequent(current.new, _SHOWN),
    }


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
    return {"label": label, "reference": share(int(before), reference), "current": share(int(now), current)}
