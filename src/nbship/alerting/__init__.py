"""Alerts about the findings of monitoring: rules, notices, sinks, silences; and gauges, rules and dashboards to export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .changes import acknowledge, find_alert, silence
    from .dashboard_file import grafana_dashboard
    from .databases import Database, open_database
    from .delivery import Delivery, deliver, send_test
    from .gauges import read_gauges, write_gauges
    from .links import page_of
    from .messages import window_words
    from .records import Alert, Silence, alerts, silences, sink_problems, waiting
    from .rules_file import prometheus_rules
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "Alert",
    "Database",
    "Delivery",
    "Silence",
    "acknowledge",
    "alerts",
    "deliver",
    "find_alert",
    "grafana_dashboard",
    "open_database",
    "page_of",
    "prometheus_rules",
    "read_gauges",
    "send_test",
    "silence",
    "silences",
    "sink_problems",
    "waiting",
    "window_words",
    "write_gauges",
]
