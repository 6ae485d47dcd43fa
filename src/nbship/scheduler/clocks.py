"""The time since this machine started: it passes while the machine sleeps, and no change of the clock affects it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

__all__ = ["BOOT_ID", "boot_seconds"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def _boot_id() -> str:
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return "this machine"


# Another one after each start of the machine.
BOOT_ID = _boot_id()
# Not on macOS, whose monotonic clock is shared by all processes too, but stops while the machine sleeps.
_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_seconds() -> float:
    """Return the seconds since this machine started; all its processes get the same.

    >>> boot_seconds() <= boot_seconds()
    True
    """
    return time.clock_gettime(_CLOCK)
