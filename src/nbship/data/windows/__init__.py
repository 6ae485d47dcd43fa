"""Windows of new data: read from a source as declared, checked, and stored in one form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .canonical import QUARANTINE_FILE, WINDOW_FILE
    from .checks import Earlier, check_window
    from .facts import Facts, Failure
    from .lengths import next_window, overlapping
    from .process import read_in_process
    from .worker import read_source
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "QUARANTINE_FILE",
    "WINDOW_FILE",
    "Earlier",
    "Facts",
    "Failure",
    "check_window",
    "next_window",
    "overlapping",
    "read_in_process",
    "read_source",
]
