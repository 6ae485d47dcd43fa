"""Only predictions wait for the log, and those of a few turns of the event loop share a transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from prediction_log.test_log import record
from servers import running
from services import postgres_url
from waiting import PATIENCE, wait_until

from nbship import predictor
from nbship.inference import Logged, PendingPredictions
from nbship.prediction_log import PredictionLog, SqlLog, open_log
from nbship.prediction_log.sqlite import database as sqlite
from nbship.project import ServingSection
from nbship.serving import Service
from nbship.serving.http.group_commit import GroupCommit

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}


def service(package: Path, log: PredictionLog) -> Service:
    loaded = predictor.load(package)
    return Service(lambda: Logged(loaded, log, mode="rest"), settings=ServingSection())


def ask(client: httpx.Client, count: int) -> list[str]:
    """Send `count` concurrent requests; return the ids of the predictions."""
    with ThreadPoolExecutor(count) as clients:
        answers = list(clients.map(lambda _: client.post("/predict", json=RECORD), range(count)))
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json()["id"] for answer in answers]


def test_a_locked_log_delays_predictions_only(
    small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flushing, flush = tmp_path / "log.sqlite", threading.Event(), SqlLog.flush
    monkeypatch.setattr(SqlLog, "flush", lambda log: (flushing.set(), flush(log)))
    # Predictions wait for the lock as long as the test holds it.
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 3_600_000)
    with running(service(small_package, open_log(path))) as client, ThreadPoolExecutor(1) as asking:
        ask(client, 2)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            flushing.clear()
            ids = asking.submit(ask, client, 8)
            wait_until(flushing.is_set)
            # If it waited for the log, it would wait for ever, as the predictions do.
            for _ in range(5):
                assert client.get("/v2/health/live").status_code == 200
            assert not ids.done()
            other.execute("ROLLBACK")
        ids = [*ids.result(PATIENCE), *ask(client, 8)]
    with open_log(path) as log:
        assert log.known(ids) == set(ids)


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'log.sqlite'}"
        return
    with postgres_url() as url:
        yield url


def test_every_prediction_of_a_response_is_logged(small_package: Path, address: str) -> None:
    with running(service(small_package, open_log(address))) as client:
        ids = [id for _ in range(10) for id in ask(client, 12)]
    with open_log(address) as log:
        assert len(set(ids)) == 120
        assert log.known(ids) == set(ids)


def test_requests_of_the_next_turns_share_a_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(record())  # opens the file
        sizes: list[int] = []
        write = log.database.try_write
        # No commit is slow: after two slow ones in a row, a thread of the pool writes.
        monkeypatch.setattr(log._commits, "_clock", lambda: 0.0)
        monkeypatch.setattr(log._commits, "_try_commit", lambda group: [write(group), sizes.append(len(group))][0])

        async def serve() -> None:
            unused: Any = None
            commits = GroupCommit(log, asyncio.get_running_loop())

            def queued() -> PendingPredictions:
                return PendingPredictions(Logged(unused, log), [], "caller", commit=log.submit([record()]))

            async def request(turns: int) -> None:
                for _ in range(turns):
                    await asyncio.sleep(0)
                pending = queued()
                await commits.wait(pending, alone=False)
                pending.check()

            await asyncio.gather(*(request(turns) for turns in (0, 0, 1, 2, 9)))
            await commits.wait(queued(), alone=True)

        asyncio.run(serve())
        assert sizes == [4, 1, 1]
        assert len(log.recent(9)) == 7
