"""`report.json` on disk: one report, and all those in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..atomic_write import write_whole
from ..errors import MonitoringError
from ..notebook import canonical_json

__all__ = ["FORMAT", "read_report", "read_reports", "report_paths", "write_report"]

# Format 2 has the verdict `notice`, kinds of findings, and the sections `data`, `given`, `unseen` and `promises`.
FORMAT = 2
_READABLE = (1, FORMAT)


def write_report(report: Mapping[str, Any], path: Path) -> Path:
    """Write a report as `report.json`, whole or not at all."""
    write_whole(path, canonical_json(report), durable=True, mode=0o600)
    return path


def read_report(path: Path) -> dict[str, Any]:
    """Read a `report.json`.

    Raises
    ------
    MonitoringError
        If it cannot be read, or its format is newer than this nbship.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        number = report["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MonitoringError(
            f"The report '{path}' cannot be read: {error}. Delete its folder and run `nbship monitor` for that window again."
        ) from error
    if number not in _READABLE:
        raise MonitoringError(
            f"The report '{path}' has format {number}; this nbship reads formats 1 to {FORMAT}. Upgrade nbship."
        )
    return dict(report)


def read_reports(*folders: Path, newest_first: bool = False) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the path and content of each report in folders, as `report_paths` finds them.

    Reports that cannot be read are skipped.
    """
    paths = report_paths(*folders)
    for path in reversed(paths) if newest_first else paths:
        try:
            yield path, read_report(path)
        except MonitoringError:
            continue


def report_paths(*folders: Path) -> list[Path]:
    """Return the paths of the reports in folders, in the order of their windows; of a window twice, the last folder's."""
    # A hidden folder is a report that is being written.
    found = {path.parent.name: path for folder in folders for path in folder.glob("[!.]*/report.json")}
    return [found[name] for name in sorted(found)]
