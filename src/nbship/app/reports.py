"""Monitoring reports, as the page shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

__all__ = ["Report", "month_of", "newest_reports"]

_METRICS = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
}


@dataclass(frozen=True)
class Report:
    """A monitoring report, reduced to what the page shows.

    Attributes
    ----------
    numbers
        Name, value and explanation of each key figure.
    html
        The HTML page of the report, if there is one.
    """

    window: str
    version: str
    verdict: str
    headline: str
    advice: str
    reasons: tuple[str, ...]
    numbers: tuple[tuple[str, str, str | None], ...]
    html: Path | None


def newest_reports(folder: Path, *, count: int = 24) -> list[Report]:
    """Return the reports in a folder, newest window first. Unreadable files are skipped."""
    found = sorted(folder.glob("[!.]*/report.json"), key=lambda path: path.parent.name, reverse=True)
    reports = [_read(path) for path in found[:count]]
    return [report for report in reports if report is not None]


def month_of(timestamp: datetime, zone: ZoneInfo) -> tuple[date, date]:
    """Return the first day of a timestamp's month in a time zone, and of the next month.

    >>> [str(day) for day in month_of(datetime.fromisoformat("2024-12-31T23:00:00+00:00"), ZoneInfo("UTC"))]
    ['2024-12-01', '2025-01-01']
    """
    first = timestamp.astimezone(zone).date().replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def _read(path: Path) -> Report | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        window = content["window"]
        page = path.with_name("report.html")
        return Report(
            window=f"{window['from']} to {window['to']}",
            version=str(content["version"]),
            verdict=str(content["verdict"]),
            headline=str(content["headline"]),
            advice=_words(content.get("advice")),
            reasons=tuple(_words(reason) for reason in content.get("reasons") or ()),
            numbers=tuple(_numbers(content)),
            html=page if page.is_file() else None,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _words(item: Any) -> str:
    if isinstance(item, Mapping):
        return str(item.get("reason") or item.get("text") or "")
    return "" if item is None else str(item)


def _numbers(content: Mapping[str, Any]) -> list[tuple[str, str, str | None]]:
    numbers: list[tuple[str, str, str | None]] = [("Predictions", f"{content['volume']['rows']:,}", "In this window")]
    performance = content.get("performance") or {}
    if performance.get("share_labelled") is not None:
        numbers.append(
            ("Labelled", f"{performance['share_labelled']:.0%}", "Share of predictions whose actual outcome is known")
        )
    measures = performance.get("measures") or {}
    for name, title in _METRICS.items():
        if isinstance(measures.get(name), (int, float)):
            numbers.append((title, f"{measures[name]:.3f}", "On labelled predictions"))
    return numbers
