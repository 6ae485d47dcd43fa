"""Operations that combine execution, monitoring, data and the log, for the command line and the scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .fetch_records import read_rejections
    from .index_page import write_index
    from .monitoring import Monitored, choose_window, monitor, monitor_windows
    from .new_data import FILES_ROOT, Fetched, fetch, source_of
    from .releasing import release_canary, release_production, stop_or_start
    from .tracked_windows import HeldWindow, held_windows
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "FILES_ROOT",
    "Fetched",
    "HeldWindow",
    "Monitored",
    "choose_window",
    "fetch",
    "held_windows",
    "monitor",
    "monitor_windows",
    "read_rejections",
    "release_canary",
    "release_production",
    "source_of",
    "stop_or_start",
    "write_index",
]
