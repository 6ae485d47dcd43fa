"""Monitoring reports, as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ..monitoring import read_reports

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
    pages
        Name -> HTML page of each notebook that shows the report.
    """

    window: str
    version: str
    verdict: str
    headline: str
    advice: str
    reasons: tuple[str, ...]
    numbers: tuple[tuple[str, str, str | None], ...]
    pages: Mapping[str, Path]


def newest_reports(folder: Path, *, count: int = 24) -> list[Report]:
    """Return the reports in a folder, newest window first. Unreadable and incomplete files are skipped."""
    shown = (_report(path, content) for path, content in read_reports(folder, newest_first=True))
    return list(islice(filter(None, shown), count))


def month_of(timestamp: datetime, zone: ZoneInfo) -> tuple[date, date]:
    """Return the first day of a timestamp's month in a time zone, and of the next month.

    >>> [str(day) for day in month_of(datetime.fromisoformat("2024-12-31T23:00:00+00:00"), ZoneInfo("UTC"))]
    ['2024-12-01', '2025-01-01']
    """
    first = timestamp.astimezone(zone).date().replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def _report(path: Path, content: Mapping[str, Any]) -> Report | None:
    try:
        return Report(
            window=f"{content['window']['from']} to {content['window']['to']}",
            version=content["version"],
            verdict=content["verdict"],
            headline=content["headline"],
            advice=content["advice"],
            reasons=tuple(reason["reason"] for reason in content["reasons"]),
            numbers=tuple(_numbers(content)),
            pages=_pages(path.parent),
        )
    except (KeyError, TypeError):  # a notebook may write a report of its own
        return None


def _pages(folder: Path) -> dict[str, Path]:
    """Return the pages of notebooks; older reports have one. The cover page, whose words are shown already, is left out."""
    found = sorted(path for path in folder.glob("*.html") if path.stem != "report") or [folder / "report.html"]
    return {path.stem.removeprefix("monitor_").replace("_", " ").capitalize(): path for path in found if path.is_file()}


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
