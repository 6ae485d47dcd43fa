"""Requests that predict within a few turns of the event loop are logged in one transaction."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prediction_log.test_log import record

from nbship.prediction_log import open_log
from nbship.serving.http.group_commit import GroupCommit


def test_requests_of_the_next_turns_share_a_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(record())  # opens the file
        sizes: list[int] = []
        write = log.database.try_write
        monkeypatch.setattr(log._commits, "_try_commit", lambda group: [write(group), sizes.append(len(group))][0])

        async def serve() -> None:
            commits = GroupCommit(log, asyncio.get_running_loop())

            async def request(turns: int) -> None:
                for _ in range(turns):
                    await asyncio.sleep(0)
                pending = log.submit([record()])
                await commits.wait(pending, alone=False)
                pending.check()

            await asyncio.gather(*(request(turns) for turns in (0, 0, 1, 2, 9)))
            await commits.wait(log.submit([record()]), alone=True)

        asyncio.run(serve())
        assert sizes == [4, 1, 1]
        assert len(log.recent(9)) == 7
