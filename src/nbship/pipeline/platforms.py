"""The class of machine that this is: on another, the same numbers may differ in their last digits."""

from __future__ import annotations

import platform
import sys
from functools import lru_cache
from pathlib import Path

__all__ = ["is_here", "this_platform"]

# Of the first processor; numerical libraries choose their code by these.
_CLASSES = ("avx512f", "avx2", "avx", "sse4_2")
_ENOUGH = 16_384


@lru_cache(maxsize=1)
def this_platform() -> str:
    """Return system, processor and, where it is known, the widest vectors: `"linux x86_64 avx2"`."""
    return " ".join(filter(None, (sys.platform, platform.machine(), _vectors())))


def is_here(name: str) -> bool:
    """Tell whether a recorded platform is this one; older records do not name the vectors.

    >>> is_here(this_platform()), is_here("plan9 mips")
    (True, False)
    """
    return f"{this_platform()} ".startswith(f"{name} ")


def _vectors() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            lines = file.read(_ENOUGH).splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return next((each for each in _CLASSES if each in flags), "")
