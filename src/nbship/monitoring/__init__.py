"""Monitoring of a model over a window of time: volume, drift, performance, service.

::

    from nbship import monitoring
    report = monitoring.report_window("2013-07-01", "2013-08-01")
    report["headline"], report["advice"]
"""

from __future__ import annotations

from .drift import Compared
from .observed import observe, open_model_log, read_signature, report_window, write_report_of
from .report import Observed, build_report
from .report_file import read_report, read_reports, report_paths, write_report
from .window import Window, days_over, end_of_today, last_whole_month, parse_window, whole_windows

__all__ = [
    "Compared",
    "Observed",
    "Window",
    "build_report",
    "days_over",
    "end_of_today",
    "last_whole_month",
    "observe",
    "open_model_log",
    "parse_window",
    "read_report",
    "read_reports",
    "read_signature",
    "report_paths",
    "report_window",
    "whole_windows",
    "write_report",
    "write_report_of",
]
