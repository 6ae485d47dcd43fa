"""End a stage's process when its run has ended."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["stop_with_parents"]

_SECONDS = 0.5


def stop_with_parents(environ: Mapping[str, str]) -> None:
    """Stop cleanly on SIGTERM, on SIGHUP unless it is ignored (`nohup`), and when DVC has ended.

    A killed `dvc repro` leaves its commands running, and one of them could overwrite the products of the next run.
    Example: DVC (process 10) starts a shell (11), which starts this stage (12). A killed DVC leaves 11 and 12; the
    stage watches both 10 and 11, finds that 10 ended, and sends itself SIGTERM, which leaves no product.
    """
    # Not by way of SIGINT: a shell ignores it for what a script starts in the background.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    if "DVC_STAGE" in environ:
        threading.Thread(target=_watch, args=(environ,), daemon=True, name="parents").start()


def _watch(environ: Mapping[str, str]) -> None:
    watched = _processes_to_watch(environ)
    while all(parent.is_running() and parent.status() != "zombie" for parent in watched):
        time.sleep(_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _processes_to_watch(environ: Mapping[str, str]) -> list[Any]:
    """Return the parents whose end stops this process: those up to DVC; without DVC, the parent."""
    import psutil  # type: ignore[import-untyped]

    parents: list[Any] = psutil.Process().parents()
    for count, parent in enumerate(parents, start=1):
        with contextlib.suppress(psutil.Error):
            if any(Path(part).name == "dvc" for part in parent.cmdline()[:4]):
                return parents[:count]
    return parents[:1]
