"""Whether a report is current: the digest of its inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from .. import __version__
from ..atomic_write import write_whole
from ..errors import MonitoringError
from ..monitoring import Window, days_over, end_of_today, open_model_log, read_report, report_paths
from ..project import Project
from .requirements import output_names

__all__ = ["is_current", "mark", "report_inputs"]


def report_inputs(project: Project, window: Window, *, also: Path | None = None) -> str:
    """Return the digest of the inputs of a window's report.

    The inputs are the package, the monitoring notebooks, the project's modules and settings, the reports of earlier
    windows, the days that are over, and the log's entries in this window. Entries are only ever added, so counting them is enough.

    Parameters
    ----------
    also
        A folder with reports that are newer than the project's, one folder a window.
    """
    digest = hashlib.sha256(f"{__version__}\n{window.name}\n".encode())
    # While the window is not over, each day that ends may be one without predictions.
    digest.update(f"{days_over(window)}\n".encode())
    digest.update(json.dumps(msgspec.to_builtins(project.settings), sort_keys=True, default=str).encode())
    for path in _files(project, window, also):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    with open_model_log(project) as log:
        digest.update(repr(log.counts(window.start, window.end)).encode())
    return digest.hexdigest()


def is_current(project: Project, folder: Path, inputs: str) -> bool:
    """Return whether the report in a folder was written for these inputs."""
    marked = _mark(project, folder)
    names = ["report.html", "report.json"]
    names += [f"{name}.{suffix}" for name in output_names(project).values() for suffix in ("ipynb", "html")]
    if not all((folder / name).is_file() for name in [*names, str(marked)]):
        return False
    known, _, as_of = marked.read_text(encoding="utf-8").partition(" ")
    try:
        report = read_report(folder / "report.json")
    except MonitoringError:
        return False
    return known == inputs and (as_of == _latest_day(project) or not _awaits_labels(report))


def mark(project: Project, folder: Path, inputs: str) -> None:
    """Record the inputs of the report in a folder; without this record the report is written again."""
    write_whole(_mark(project, folder), f"{inputs} {_latest_day(project)}")


def _awaits_labels(report: Mapping[str, Any]) -> bool:
    """Return whether more labels are expected as time goes by: that none comes must be noticed, though no entry says so."""
    labels = report.get("labels", {})
    expected, share = labels.get("expected_share"), labels.get("share")
    return expected is not None and expected < 1 and (share is None or share < 1)


def _latest_day(project: Project) -> str:
    with open_model_log(project) as log:
        latest = log.last_event(end_of_today(project.timezone))
    return "" if latest is None else f"{latest:%Y-%m-%d}"


def _mark(project: Project, folder: Path) -> Path:
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return project.cache / "monitoring" / f"{folder.name}-{digest}.sha256"


def _files(project: Project, window: Window, also: Path | None) -> Iterator[Path]:
    yield project.package / "MANIFEST.json"
    yield from (project.root / name for name in project.settings.monitoring.notebooks)
    if project.source.is_dir():
        yield from sorted(project.source.rglob("*.py"))
    first = window.name.partition("_")[0]
    yield from (
        path
        for path in report_paths(project.reports, *filter(None, [also]))
        if path.parent.name.partition("_")[2] <= first
    )
