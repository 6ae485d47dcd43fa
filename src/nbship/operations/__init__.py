"""What combines execution, monitoring and the log: called by the command line and the scheduler."""

from __future__ import annotations

from .monitoring import Monitored, choose_window, monitor

__all__ = ["Monitored", "choose_window", "monitor"]
