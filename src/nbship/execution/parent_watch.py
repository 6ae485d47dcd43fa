"""A stage's process ends when the run that wants its results has gone."""

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
    """Turn SIGTERM and SIGHUP into a clean stop, and do the same once DVC is gone.

    A killed `dvc repro` leaves its commands running; one of them could write its products into those of
    the next run.
    """
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: signal.raise_signal(signal.SIGINT))
    if "DVC_STAGE" in environ:
        threading.Thread(target=_watch, args=(environ,), daemon=True, name="parents").start()


def _watch(environ: Mapping[str, str]) -> None:
    watched = _wanting(environ)
    while all(parent.is_running() and parent.status() != "zombie" for parent in watched):
        time.sleep(_SECONDS)
    os.kill(os.getpid(), signal.SIGINT)


def _wanting(environ: Mapping[str, str]) -> list[Any]:
    """Return the processes that want the result: DVC, and the shell between."""
    import psutil  # type: ignore[import-untyped]

    parents: list[Any] = psutil.Process().parents()
    for place, parent in enumerate(parents, start=1):
        with contextlib.suppress(psutil.Error):
            if any(Path(part).name == "dvc" for part in parent.cmdline()[:4]):
                return parents[:place]
    return parents[:1]
