"""The platform of this machine; on another platform, results may differ in their last digits."""

from __future__ import annotations

import platform
import sys
from functools import lru_cache
from pathlib import Path

__all__ = ["is_here", "this_platform"]

# Flags of the first processor, by which numerical libraries choose their code.
_VECTOR_FLAGS = ("avx512f", "avx2", "avx", "sse4_2")
_MAX_BYTES = 16_384


@lru_cache(maxsize=1)
def this_platform() -> str:
    """Return system, processor and, if known, vector extension: `"linux x86_64 avx2"`."""
    return " ".join(filter(None, (sys.platform, platform.machine(), _vector_extension())))


def is_here(name: str) -> bool:
    """Tell whether a recorded platform is this one; older records have no vector extension.

    >>> is_here(this_platform()), is_here("plan9 mips")
    (True, False)
    """
    return f"{this_platform()} ".startswith(f"{name} ")


def _vector_extension() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            lines = file.read(_MAX_BYTES).splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return next((each for each in _VECTOR_FLAGS if each in flags), "")
