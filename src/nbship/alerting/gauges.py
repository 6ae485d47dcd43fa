"""The newest report as Prometheus gauges: a file in the state folder, which `/metrics` of a service ends with.

`nbship monitor` writes the file whole, so a service reads it without waiting for anything. On a machine without a
service, the textfile collector of node_exporter reads it as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ..atomic_write import write_whole
from ..errors import MonitoringError
from ..file_locks import changing
from ..project import SECTIONS, Project
from .findings import FINDINGS, find

if TYPE_CHECKING:
    from prometheus_client import Gauge

__all__ = ["read_gauges", "write_gauges"]

_PATH = Path("monitoring", "gauges.prom")
# Of a model's reports, beside them: its time is that of the last success, also if the report was current already.
_SUCCESS = "last_success"
_MOST_BYTES = 2_000_000


def read_gauges(state: Path) -> bytes:
    """Return the gauges in a state folder, in Prometheus' text format; empty without a report."""
    path = state / _PATH
    with suppress(OSError):
        if path.stat().st_size <= _MOST_BYTES:
            return path.read_bytes()
    return b""


def write_gauges(project: Project) -> None:
    """Record that monitoring of a project's model has succeeded now, and write the gauges of all of its models.

    Raises
    ------
    OSError
        If the state folder cannot be written.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    write_whole(project.reports / _SUCCESS, "")
    with changing(project.state / _PATH) as path:
        registry = CollectorRegistry()
        gauges = _Gauges(registry)
        for model in project.packages:
            gauges.add(model, project.of_model(model).reports)
        write_whole(path, generate_latest(registry))


class _Gauges:
    def __init__(self, registry: Any) -> None:
        def gauge(name: str, help: str, *labels: str) -> Gauge:
            from prometheus_client import Gauge

            return Gauge(f"nbship_monitoring_{name}", help, ["model", *labels], registry=registry)

        self._success = gauge("last_success_timestamp_seconds", "Time at which monitoring last succeeded.")
        self._end = gauge("window_end_timestamp_seconds", "End of the window of the newest report.")
        self._rows = gauge("rows", "Predictions in the window.")
        self._findings = gauge("findings", "Fields, measures or slices with a finding.", "section", "severity")
        self._unjudged = gauge("unjudged", "Fields, measures or slices with too little data.", "section")
        self._drift = gauge("drift", "Stability index of an input.", "field")
        self._predictions = gauge("prediction_drift", "Stability index of the predictions.")
        self._missing = gauge("missing_ratio", "Share of rows without a value of an input.", "field")
        self._quality = gauge("quality", "Measures on rows with a label.", "measure")
        self._labelled = gauge("labelled_ratio", "Share of rows with a label.")

    def add(self, model: str, reports: Path) -> None:
        """Add the gauges of a model, if it has a report."""
        newest = _newest_report(reports)
        if newest is None:
            return
        with suppress(OSError):
            _set(self._success, (reports / _SUCCESS).stat().st_mtime, model)
        # A notebook of one's own may write a window of another form.
        with suppress(KeyError, TypeError, ValueError):
            _set(self._end, _end(newest["window"]), model)
        _set(self._rows, newest.get("volume", {}).get("rows"), model)
        self._add_findings(model, newest)
        for record in newest.get("drift", ()):
            _set(self._drift, record.get("psi"), model, str(record["field"]))
            _set(self._missing, (record.get("missing") or {}).get("share"), model, str(record["field"]))
        _set(self._predictions, newest.get("prediction_drift", {}).get("psi"), model)
        performance = newest.get("performance", {})
        _set(self._labelled, performance.get("share_labelled"), model)
        for measure, value in (performance.get("measures") or {}).items():
            _set(self._quality, value, model, measure)

    def _add_findings(self, model: str, report: Mapping[str, Any]) -> None:
        found = find(report)
        for section in {*SECTIONS, *(key[0] for key in found)} & report.keys():
            severities = [finding.severity for key, finding in found.items() if key[0] == section]
            for severity in FINDINGS:
                self._findings.labels(model, section, severity).set(severities.count(severity))
            self._unjudged.labels(model, section).set(severities.count(None))


def _newest_report(reports: Path) -> Mapping[str, Any] | None:
    """Return the report whose window ends last, of several the shortest; one that cannot be read is skipped."""
    from ..monitoring import read_report, report_paths

    # The folder of a report is `<from>_<to>`.
    for path in sorted(report_paths(reports), key=lambda path: path.parent.name.split("_")[::-1], reverse=True):
        with suppress(MonitoringError):
            return read_report(path)
    return None


def _end(window: Mapping[str, str]) -> float:
    return datetime.fromisoformat(window["to"]).replace(tzinfo=ZoneInfo(window["timezone"])).timestamp()


def _set(gauge: Gauge, value: Any, *labels: str) -> None:
    # A gauge that gets labels and no value is 0.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        gauge.labels(*labels).set(value)
