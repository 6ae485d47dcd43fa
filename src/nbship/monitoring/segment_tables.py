"""Tables of slices that were found, new segments, feedback, and the comparison with earlier windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .table import Table

__all__ = ["discovered_table", "feedback_table", "history_table", "segments_table"]

_NUMBERS = (
    *("Rows", "Labelled", "Share", "Mean error", "Rows alike", "Mean prediction", "Mean outcome"),
    *("This window", "Earlier windows", "Windows"),
)
_FIFTHS = ("lowest fifth", "second", "third", "fourth", "highest fifth")


def discovered_table(report: Mapping[str, Any]) -> Table:
    """Tabulate the slices with larger errors than the other rows, the clearest first."""
    rows = [
        {
            "Slice": _where(one["where"]),
            "Verdict": one["verdict"],
            "Rows": f"{one['rows']:,}",
            "Mean error": _number(one["error"]),
            "Rows alike": _number(one["others"]),
        }
        for one in report.get("discovered", ())
    ]
    return _table(rows or [{"Slice": "none", "Verdict": "ok"}])


def segments_table(report: Mapping[str, Any]) -> Table:
    """Tabulate the values, and the combinations of values, that training never had, the largest first."""
    rows = [
        {
            "Segment": _where(one["where"]),
            "Verdict": one["verdict"],
            "Rows": f"{one['rows']:,}",
            "Share": _percent(one["share"]),
            "First seen": one["first_seen"],
            "Labelled": f"{one['labelled']:,}",
            "Mean error": _number(one["error"]),
            "Rows alike": _number(one["others"]),
        }
        for one in report.get("segments", ())
    ]
    return _table(rows or [{"Segment": "none", "Verdict": "ok"}])


def feedback_table(report: Mapping[str, Any]) -> Table:
    """Tabulate the fifths of the predictions: the share of labels, and what came true."""
    found = report.get("feedback", {})
    rows = [
        {
            "Predictions": name,
            "Rows": f"{one['rows']:,}",
            "Mean prediction": _number(one["mean_predicted"]),
            "Labelled": f"{one['labelled']:,}",
            "Share": _percent(one["labelled"] / one["rows"] if one["rows"] else None),
            "Mean outcome": _number(one["mean_actual"]),
        }
        for name, one in zip(_FIFTHS, found.get("fifths", ()), strict=False)
    ]
    return _table(rows or [{"Predictions": "not compared", "Finding": found.get("reason", "The report is older.")}])


def history_table(report: Mapping[str, Any]) -> Table:
    """Tabulate the comparisons with earlier windows."""
    found = report.get("history", {})
    rows = [
        {
            "Compared": one["check"],
            "Verdict": one["verdict"],
            "This window": _number(one["value"]),
            "Earlier windows": _number(one["reference"]),
            "Windows": str(one["windows"]),
            "Finding": one["reason"],
        }
        for one in found.get("checks", ())
    ]
    return _table(rows or [{"Compared": "nothing", "Finding": found.get("reason", "The report is older.")}])


def _where(where: Sequence[Mapping[str, str]]) -> str:
    return " and ".join(f"{one['field']} is {one['value']}" for one in where)


def _table(rows: list[dict[str, str]]) -> Table:
    return Table(rows, numbers=_NUMBERS)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
