"""Update the alerts from the reports: open, worsen, escalate and resolve them, each with its notices.

The reports on disk are the truth. Each update compares all that is new since the last one, in one transaction, so a
process that is killed between a report and its alerts loses none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from ..errors import MonitoringError
from ..monitoring import read_report, report_paths
from ..project import Project
from .databases import Database, Transaction
from .findings import FINDINGS, Finding, find, length_of
from .links import link_to
from .records import FIRING, PENDING, RESOLVED, Alert, alerts, silences
from .rules import Active, Window, active_findings

__all__ = ["update"]

# Of each length, this many windows decide about alerts.
_WINDOWS = 100


def update(project: Project, database: Database, *, now: float) -> None:
    """Make alerts of the reports that were written since the last update, and notices of alerts whose time has come."""
    with database.transaction() as transaction:
        rows = transaction.execute("SELECT model, first_day, last_day, report FROM nbship_alert_windows")
    stamps = {(model, f"{first}_{last}"): stamp for model, first, last, stamp in rows}
    changed = list(_changed_reports(project, stamps))
    with database.transaction() as transaction:
        newest = _newest_windows(transaction)
        for row in changed:
            transaction.execute(
                "DELETE FROM nbship_alert_windows WHERE model = ? AND first_day = ? AND last_day = ?",
                (row[0], *row[2:4]),
            )
            transaction.execute("INSERT INTO nbship_alert_windows VALUES (?, ?, ?, ?, ?, ?)", row)
        comparison = _Comparison(project, transaction, now)
        for model in project.packages:
            comparison.compare(model, newest)
        comparison.escalate()


def _changed_reports(project: Project, stamps: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, ...]]:
    """Yield a row of the table of windows for each report that is not stored as it is on disk."""
    for model in project.packages:
        for path in report_paths(project.of_model(model).reports):
            stat = path.stat()
            stamp = f"{stat.st_mtime_ns}-{stat.st_size}"
            if stamps.get((model, path.parent.name)) == stamp:
                continue
            try:
                report = read_report(path)
                first, last = str(report["window"]["from"]), str(report["window"]["to"])
                length = length_of(first, last)
            except (MonitoringError, KeyError, TypeError, ValueError):
                # `nbship monitor` says how to repair it.
                continue
            found = json.dumps([[*key, *finding] for key, finding in find(report).items()])
            yield model, length, first, last, stamp, found


def _newest_windows(transaction: Transaction) -> dict[tuple[str, str], str]:
    """Return the end of the newest window of each model and length."""
    rows = transaction.execute("SELECT model, length, max(last_day) FROM nbship_alert_windows GROUP BY model, length")
    return {(model, length): last for model, length, last in rows}


class _Comparison:
    def __init__(self, project: Project, transaction: Transaction, now: float) -> None:
        self._project, self._transaction, self._now = project, transaction, now
        self._settings = project.settings.alerts
        self._silences = silences(transaction, now)

    def compare(self, model: str, newest: Mapping[tuple[str, str], str]) -> None:
        """Compare the open alerts of a model with its reports.

        Windows after the newest one of the last update are compared one after another, so that a finding is announced
        although the next window does not have it. The first time, the newest window alone counts: the reports of a
        whole year may be there already.
        """
        lengths = self._transaction.execute(
            "SELECT DISTINCT length FROM nbship_alert_windows WHERE model = ?", (model,)
        )
        for (length,) in lengths:
            windows = self._windows(model, length)
            before = newest.get((model, length))
            seen = len(windows) if before is None else sum(window.last <= before for window in windows)
            # Without a new window too, since a report may have been written again, and hours have passed.
            for count in range(min(seen + 1, len(windows)), len(windows) + 1):
                self._compare(model, length, windows[:count])

    def _compare(self, model: str, length: str, windows: Sequence[Window]) -> None:
        active = active_findings(windows, self._settings.rules, model=model, sinks=self._settings.sinks)
        opened = {
            (alert.section, alert.subject): alert
            for alert in alerts(self._transaction)
            if (alert.model, alert.length) == (model, length)
        }
        for key in sorted(active):
            alert = self._stored(opened.get(key), (model, length, *key), active[key])
            self._notify(alert, active[key].sinks)
        for key, alert in opened.items():
            if key not in active:
                self._resolve(alert)

    def escalate(self) -> None:
        """Announce alerts again that were not acknowledged in time."""
        hours = self._settings.escalate_hours
        for alert in alerts(self._transaction) if hours else ():
            late = alert.fired_at is not None and self._now - alert.fired_at >= hours * 3600
            if not late or alert.acked_at or alert.escalated_at or alert.model not in self._project.packages:
                continue
            if not self._is_silent(alert):
                for sink in self._settings.escalate_to or self._announced(alert):
                    self._add(alert, sink, "escalated")
                self._transaction.execute(
                    "UPDATE nbship_alerts SET escalated_at = ? WHERE id = ?", (self._now, alert.id)
                )

    def _windows(self, model: str, length: str) -> list[Window]:
        rows = self._transaction.execute(
            "SELECT first_day, last_day, findings FROM nbship_alert_windows WHERE model = ? AND length = ? "
            f"ORDER BY last_day DESC LIMIT {_WINDOWS}",
            (model, length),
        )
        return [
            Window(first, last, {(section, subject): Finding(*rest) for section, subject, *rest in json.loads(found)})
            for first, last, found in reversed(rows)
        ]

    def _stored(self, alert: Alert | None, key: tuple[str, str, str, str], active: Active) -> Alert:
        """Return the alert of an active finding, opened or updated."""
        link = link_to(self._project.of_model(key[0]), active.window, key[2])
        if alert is None:
            ((number,),) = self._transaction.execute("SELECT coalesce(max(id), 0) + 1 FROM nbship_alerts")
            self._transaction.execute(
                "INSERT INTO nbship_alerts (id, model, length, section, subject, severity, words, first_window, last_window, link, status, opened_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, *key, active.severity, active.words, active.since, active.window, link, PENDING, self._now),
            )
        else:
            number = alert.id
            self._transaction.execute(
                "UPDATE nbship_alerts SET severity = ?, words = ?, first_window = ?, last_window = ?, link = ? WHERE id = ?",
                (active.severity, active.words, active.since, active.window, link, number),
            )
        return next(each for each in alerts(self._transaction) if each.id == number)

    def _notify(self, alert: Alert, sinks: Mapping[str, float]) -> None:
        due = [sink for sink, hours in sinks.items() if self._now - alert.opened_at >= hours * 3600]
        if self._is_silent(alert) or (sinks and not due):
            return
        if alert.status == PENDING:
            self._transaction.execute(
                "UPDATE nbship_alerts SET status = ?, fired_at = ? WHERE id = ?", (FIRING, self._now, alert.id)
            )
        for sink in due:
            rows = self._transaction.execute(
                "SELECT severity FROM nbship_alert_notices WHERE alert = ? AND sink = ?", (alert.id, sink)
            )
            announced = max((FINDINGS.index(severity) for (severity,) in rows), default=None)
            if announced is None:
                self._add(alert, sink, "new")
            elif FINDINGS.index(alert.severity) > announced:
                self._add(alert, sink, f"worse, {alert.severity}")

    def _resolve(self, alert: Alert) -> None:
        self._transaction.execute(
            "UPDATE nbship_alerts SET status = ?, resolved_at = ? WHERE id = ?", (RESOLVED, self._now, alert.id)
        )
        for sink in self._announced(alert):
            self._add(alert, sink, "resolved")

    def _announced(self, alert: Alert) -> list[str]:
        """Return the sinks that have heard, or will hear, of an alert."""
        rows = self._transaction.execute("SELECT DISTINCT sink FROM nbship_alert_notices WHERE alert = ?", (alert.id,))
        return [sink for (sink,) in rows]

    def _add(self, alert: Alert, sink: str, event: str) -> None:
        self._transaction.execute(
            "INSERT INTO nbship_alert_notices (alert, sink, event, severity, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (alert.id, sink, event, alert.severity, self._now),
        )

    def _is_silent(self, alert: Alert) -> bool:
        return any(silence.covers(alert, self._now) for silence in self._silences)
