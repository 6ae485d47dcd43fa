"""This window among the earlier ones: a row for each, and whether this one is beyond them."""

from __future__ import annotations

from .comparison import history
from .windows import reports_before, trend, trend_row

__all__ = ["history", "reports_before", "trend", "trend_row"]
