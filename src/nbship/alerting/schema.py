"""The tables of alerts, in the SQL that SQLite and PostgreSQL share. Times are seconds since 1970."""

from __future__ import annotations

__all__ = ["FORMAT", "TABLES"]

FORMAT = 1

TABLES = (
    "CREATE TABLE IF NOT EXISTS nbship_alert_meta (id BIGINT PRIMARY KEY, format BIGINT NOT NULL)",
    # The findings of each report, as JSON; a report that is written again replaces its row.
    """CREATE TABLE IF NOT EXISTS nbship_alert_windows (
        model TEXT NOT NULL, length TEXT NOT NULL, first_day TEXT NOT NULL, last_day TEXT NOT NULL, report TEXT NOT NULL,
        findings TEXT NOT NULL, PRIMARY KEY (model, first_day, last_day))""",
    """CREATE TABLE IF NOT EXISTS nbship_alerts (
        id BIGINT PRIMARY KEY, model TEXT NOT NULL, length TEXT NOT NULL, section TEXT NOT NULL, subject TEXT NOT NULL,
        severity TEXT NOT NULL, words TEXT NOT NULL, first_window TEXT NOT NULL, last_window TEXT NOT NULL,
        link TEXT NOT NULL, status TEXT NOT NULL, opened_at DOUBLE PRECISION NOT NULL, fired_at DOUBLE PRECISION,
        resolved_at DOUBLE PRECISION, acked_at DOUBLE PRECISION, acked_by TEXT, ack_reason TEXT,
        escalated_at DOUBLE PRECISION)""",
    # The outbox. An alert is announced to a sink once for each event; `delivered_at` is empty until then.
    """CREATE TABLE IF NOT EXISTS nbship_alert_notices (
        alert BIGINT NOT NULL, sink TEXT NOT NULL, event TEXT NOT NULL, severity TEXT NOT NULL,
        created_at DOUBLE PRECISION NOT NULL, delivered_at DOUBLE PRECISION, PRIMARY KEY (alert, sink, event))""",
    """CREATE TABLE IF NOT EXISTS nbship_alert_silences (
        id BIGINT PRIMARY KEY, created_at DOUBLE PRECISION NOT NULL, created_by TEXT NOT NULL,
        until DOUBLE PRECISION NOT NULL, reason TEXT NOT NULL, model TEXT NOT NULL, section TEXT NOT NULL,
        subject TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS nbship_alert_sinks (
        sink TEXT PRIMARY KEY, failures BIGINT NOT NULL, next_at DOUBLE PRECISION NOT NULL, problem TEXT NOT NULL)""",
)
