"""Is a window beyond the earlier ones, or the last of many that become worse?

A window is compared with earlier windows of the same length, which do not overlap; where it is about performance, with those
of the same version of the model, whose labels are known. Windows differ by more than chance within them explains, so the
errors are those between windows (Student's prediction interval), and at least what days of this window add. With few
earlier windows the verdict is `insufficient`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from ...text import counted
from ..verdict import INSUFFICIENT, NOTICE, OK, WARNING, worst
from .series import LEAST_SLOPE, Beyond, beyond, decline

__all__ = ["history"]

# The fewest earlier windows to compare with, and the most that are compared.
_LEAST, _MOST = 6, 52
# Windows of a length that differs by at most this share are compared, such as months.
_ALIKE = 0.15
# The share of labelled rows from which a window's measures are final.
_KNOWN = 0.9
_NOTICED = 0.001


class _Subject(NamedTuple):
    """What is compared.

    Attributes
    ----------
    name, words
        In the report, and in a sentence.
    worse
        -1 where lower is worse, 1 where higher is, 0 where either is a change.
    size, relative
        The smallest change that matters, and whether it is a share of the earlier mean.
    of_model
        Whether it is about performance: of one version, with its labels known.
    """

    name: str
    words: str
    worse: int
    size: float
    relative: bool = False
    of_model: bool = False


_SUBJECTS = (
    _Subject("auc", "AUC", -1, 0.03, of_model=True),
    _Subject("mae", "mean absolute error", 1, 0.10, relative=True, of_model=True),
    _Subject("mean outcome", "mean outcome", 0, 0.15, relative=True),
    _Subject("mean prediction", "mean prediction", 0, 0.15, relative=True),
    _Subject("inputs drifted", "number of drifted inputs", 1, 2.0),
)


class _Point(NamedTuple):
    value: float
    error: float


def history(report: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]], *, alpha: float) -> dict[str, Any]:
    """Compare a window with the earlier ones.

    Parameters
    ----------
    report
        The sections of this window, with `version` and `window`.
    earlier
        The reports of earlier windows of the model, oldest first.
    alpha
        The probability of a false alarm. Notices are no alarms: each of their checks is wrong in one of 1,000 windows.

    Returns
    -------
    dict
        `windows` (the number of earlier windows that are like this one), `checks` (`check`, `subject`, `value`, `reference`,
        `windows`, `p_value`, `verdict`, `reason`), `verdict` and `reason`.
    """
    alike = _alike(report["window"], earlier)[-_MOST:]
    checks = [check for subject in _SUBJECTS for check in _checks(subject, report, alike, alpha)]
    judged = [check for check in checks if check["verdict"] != INSUFFICIENT]
    verdict = worst(check["verdict"] for check in judged)
    if not judged:
        reason = f"{counted(len(alike), 'earlier window')} of this length; a comparison needs {_LEAST}."
    elif verdict == OK:
        reason = f"As in {counted(max(check['windows'] for check in judged), 'earlier window')} of this length."
    else:
        reason = " ".join(check["reason"] for check in judged if check["verdict"] != OK)
    return {"windows": len(alike), "checks": checks, "verdict": verdict, "reason": reason}


def _alike(window: Mapping[str, str], earlier: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the reports of windows of about this length that do not overlap each other, oldest first."""
    length, end, found = _days(window), window["from"], list[Mapping[str, Any]]()
    for report in reversed(earlier):
        if report["window"]["to"] <= end and abs(_days(report["window"]) - length) <= _ALIKE * length:
            found.append(report)
            end = report["window"]["from"]
    return found[::-1]


def _days(window: Mapping[str, str]) -> int:
    return (date.fromisoformat(window["to"][:10]) - date.fromisoformat(window["from"][:10])).days


def _checks(
    subject: _Subject, report: Mapping[str, Any], alike: Sequence[Mapping[str, Any]], alpha: float
) -> list[dict[str, Any]]:
    now = _point(subject, report)
    if now is None:
        return []
    # Performance has two tests.
    alpha = alpha / 2 if subject.of_model else _NOTICED
    same = [each for each in alike if not subject.of_model or each["version"] == report["version"]]
    past = [point for each in same if (point := _point(subject, each)) is not None]
    values = [point.value for point in past]
    record = {"check": subject.name, "subject": subject.name, "value": now.value, "reference": None, "windows": len(past), "p_value": None}  # fmt: skip
    if len(past) < _LEAST:
        reason = (
            f"{counted(len(past), 'earlier window')} to compare the {subject.words} with; a verdict needs {_LEAST}."
        )
        return [record | {"verdict": INSUFFICIENT, "reason": reason}]
    found = beyond(now.value, values, now_error=now.error, past_errors=[point.error for point in past], worse=subject.worse)  # fmt: skip
    checks = [
        record | {"reference": found.mean, "p_value": found.p_value} | _level(subject, now, found, len(past), alpha)
    ]
    if subject.of_model and len(past) >= LEAST_SLOPE - 1:
        checks.append(_slow(subject, [*values, now.value], record, alpha))
    return checks


def _level(subject: _Subject, now: _Point, found: Beyond, windows: int, alpha: float) -> dict[str, Any]:
    change = now.value - found.mean
    size = abs(change) / (abs(found.mean) or 1.0) if subject.relative else abs(change)
    # A difference to either side is a change; where one side is worse, the other is none.
    is_found = found.p_value < alpha and size >= subject.size and change * (subject.worse or change) > 0
    if not is_found:
        return {"verdict": OK, "reason": f"The {subject.words} is within that of earlier windows."}
    side = "below" if change < 0 else "above"
    reason = f"The {subject.words} is {side} that of {counted(windows, 'earlier window')}: {now.value:.3g}, and {found.mean:.3g} on average then."
    return {"verdict": WARNING if subject.of_model else NOTICE, "reason": reason}


def _slow(subject: _Subject, values: Sequence[float], record: Mapping[str, Any], alpha: float) -> dict[str, Any]:
    found = decline(values, worse=subject.worse)
    whole = found.slope * (len(values) - 1)
    size = abs(whole) / (abs(found.start) or 1.0) if subject.relative else abs(whole)
    slow = {
        **record,
        "check": f"decline of {subject.name}",
        "value": found.slope,
        "reference": 0.0,
        "p_value": found.p_value,
    }
    if found.p_value >= alpha or size < subject.size:
        return slow | {"verdict": OK, "reason": f"The {subject.words} has no trend for the worse."}
    words = "rises" if subject.worse > 0 else "falls"
    reason = f"The {subject.words} {words} slowly: from about {found.start:.3g} to {found.start + whole:.3g} over {counted(len(values), 'window')}."
    return slow | {"verdict": WARNING, "reason": reason}


def _point(subject: _Subject, report: Mapping[str, Any]) -> _Point | None:
    """Return a value of a window with its error by day; None if it is not known."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    performance, days = report["performance"], report["volume"]["days"]
    if subject.name == "inputs drifted":
        records = (*report["drift"], *report.get("given", ()))
        return _Point(float(sum(each["verdict"] in ("warning", "alert") for each in records)), 0.5)
    if subject.name == "mean prediction":
        return _mean([(day["rows"], day["mean_predicted"]) for day in days])
    if not performance["rows"] or performance["labelled"] < _KNOWN * performance["rows"]:
        return None
    if subject.name == "mean outcome":
        return _mean([(day["labelled"], day["mean_actual"]) for day in days])
    value = performance["measures"].get(subject.name)
    limits = performance.get("intervals", {}).get(subject.name)
    if value is None or limits is None or performance["days"] < 2:
        return None
    return _Point(value, (limits["high"] - limits["low"]) / 2 / float(stdtrit(performance["days"] - 1, 0.975)))


def _mean(days: Sequence[tuple[int, float | None]]) -> _Point | None:
    known = [(rows, value) for rows, value in days if rows and value is not None]
    total = sum(rows for rows, _ in known)
    if len(known) < 2:
        return None
    mean = sum(rows * value for rows, value in known) / total
    squares = sum((rows * (value - mean)) ** 2 for rows, value in known) * len(known) / (len(known) - 1)
    return _Point(mean, math.sqrt(squares) / total)
