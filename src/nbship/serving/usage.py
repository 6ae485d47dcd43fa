"""Record CPU time and memory of this process in the prediction log, once a minute."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime

from ..errors import LogError
from ..prediction_log import PredictionLog, Usage
from .http import resident_bytes

__all__ = ["record_usage"]

_SECONDS = 60.0


async def record_usage(log: PredictionLog, model: str, *, seconds: float = _SECONDS) -> None:
    """Append a record to the log after each interval, until this is cancelled.

    A log that cannot be written loses the record: usage is no reason to reject a request.
    """
    process = f"{socket.gethostname()}:{os.getpid()}"
    began, before = time.monotonic(), _cpu_seconds()
    while True:
        await asyncio.sleep(seconds)
        now, used = time.monotonic(), _cpu_seconds()
        usage = Usage(datetime.now(UTC), now - began, model, process, used - before, resident_bytes())
        began, before = now, used
        with suppress(LogError):
            # A log that does not respond delays the next record, and nothing else.
            await asyncio.to_thread(log.append, usage)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
