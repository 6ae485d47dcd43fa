"""Environment variables that make results reproducible, in the pipeline and by hand."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Mapping

__all__ = ["PINNED", "pin"]

# One thread and one OpenBLAS kernel, so that every x86 machine adds in the same order; one time zone, one locale.
PINNED: Mapping[str, str] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Haswell",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "PLOOMBER_STATS_ENABLED": "false",
    "DVC_NO_ANALYTICS": "1",
}


def pin() -> None:
    """Set these variables in a kernel that was started without them.

    Libraries that are imported later read them; the thread pools of libraries already imported are limited.
    Variables that are set already are not changed.
    """
    core = os.environ.get("OPENBLAS_CORETYPE")
    for variable, value in PINNED.items():
        os.environ.setdefault(variable, value)
    if hasattr(time, "tzset"):
        time.tzset()
    if "numpy" in sys.modules:
        _limit_pools()
        if core is None:
            _warn_if_other_core()


def _limit_pools() -> None:
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)


def _warn_if_other_core() -> None:
    from threadpoolctl import threadpool_info

    wanted = PINNED["OPENBLAS_CORETYPE"]
    if any(pool.get("architecture", wanted) != wanted for pool in threadpool_info()):
        warnings.warn(
            "numpy was imported before the stage was opened, so the last digits of results may differ from the "
            "pipeline's. Move `notebook.open_stage(...)` above the imports.",
            stacklevel=4,
        )
