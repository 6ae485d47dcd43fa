"""Operations that combine execution, monitoring and the log, for the command line and the scheduler."""

from __future__ import annotations

from .index_page import write_index
from .monitoring import Monitored, choose_window, monitor, monitor_windows

__all__ = ["Monitored", "choose_window", "monitor", "monitor_windows", "write_index"]
