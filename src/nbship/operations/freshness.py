"""Whether a report is current: the digest of its inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from .. import __version__
from ..atomic_write import write_whole
from ..monitoring import Window, open_model_log, report_paths
from ..project import Project

__all__ = ["is_current", "mark", "report_inputs"]


def report_inputs(project: Project, window: Window) -> str:
    """Return the digest of the inputs of a window's report.

    The inputs are the package, the monitoring notebook, the project's modules and settings, the reports of other
    windows, and the log's entries in this window. Entries are only ever added, so counting them is enough.
    """
    digest = hashlib.sha256(f"{__version__}\n{window.name}\n".encode())
    digest.update(json.dumps(msgspec.to_builtins(project.settings), sort_keys=True, default=str).encode())
    for path in _files(project, window):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    with open_model_log(project) as log:
        digest.update(repr(log.counts(window.start, window.end)).encode())
    return digest.hexdigest()


def is_current(project: Project, folder: Path, inputs: str) -> bool:
    """Return whether the report in a folder was written for these inputs."""
    marked = _mark(project, folder)
    whole = all((folder / f"report.{suffix}").is_file() for suffix in ("ipynb", "html", "json"))
    return whole and marked.is_file() and marked.read_text(encoding="utf-8") == inputs


def mark(project: Project, folder: Path, inputs: str) -> None:
    """Record the inputs of the report in a folder; without this record the report is written again."""
    write_whole(_mark(project, folder), inputs)


def _mark(project: Project, folder: Path) -> Path:
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return project.cache / "monitoring" / f"{folder.name}-{digest}.sha256"


def _files(project: Project, window: Window) -> Iterator[Path]:
    yield project.package / "MANIFEST.json"
    yield project.root / project.settings.monitoring.notebook
    if project.source.is_dir():
        yield from sorted(project.source.rglob("*.py"))
    yield from (path for path in report_paths(project.reports) if path.parent.name != window.name)
