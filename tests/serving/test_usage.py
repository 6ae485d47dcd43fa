"""CPU time and memory of the service's processes, in the prediction log."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from nbship.errors import LogError
from nbship.prediction_log import SqlLog, Usage, open_log
from nbship.serving.usage import record_usage


def _record(log: Any, count: int) -> Sequence[Usage]:
    """Record usage until there are so many records."""
    written: list[Usage] = []
    append = log.append

    def counted(usage: Usage) -> None:
        written.append(usage)
        append(usage)

    log.append = counted

    async def until() -> None:
        task = asyncio.ensure_future(record_usage(log, "shops", seconds=0.01))
        while len(written) < count:
            sum(range(100_000))
            await asyncio.sleep(0.001)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(until())
    return written


def test_usage_is_recorded_while_the_service_runs(tmp_path: Path) -> None:
    began = datetime.now(UTC)
    with open_log(tmp_path / "log.sqlite") as log:
        _record(log, 3)
        found = log.usage(began, began + timedelta(hours=1))
    assert len(found) >= 3
    assert {one.process.rpartition(":")[2] for one in found} == {str(os.getpid())}
    assert all(one.model == "shops" and one.seconds > 0 for one in found)
    assert sum(one.cpu_seconds for one in found) > 0
    assert all(1e7 < one.memory_bytes < 1e11 for one in found)


def test_a_log_that_cannot_be_written_loses_the_record_only(tmp_path: Path) -> None:
    class Full(SqlLog):
        def append(self, *_: Any) -> None:
            raise LogError("The disk is full. Make room.")

    with open_log(tmp_path / "log.sqlite") as log:
        assert len(_record(Full(log.database), 3)) >= 3
