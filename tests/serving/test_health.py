"""Health checks and metrics answer while requests, the disk or the database do not."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from servers import running
from waiting import wait_until

from nbship import predictor
from nbship.errors import LogError
from nbship.inference import Logged
from nbship.prediction_log import open_log
from nbship.predictor import PackagePredictor
from nbship.serving import Service
from nbship.serving.health import Health

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}
PATHS = (
    "/v2/health/live", "/v2/health/ready", "/ping", "/health", "/v2/models/small/ready", "/metrics", "/openapi.json", "/docs", "/version",
)  # fmt: skip


class Blocked:
    """A predictor that predicts once it is released."""

    quick = False

    def __init__(self, loaded: PackagePredictor) -> None:
        self._loaded, self.released, self.waiting = loaded, threading.Event(), threading.Semaphore(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loaded, name)

    def predict_records(self, rows: Any) -> Any:
        if len(rows) > 1:
            self.waiting.release()
            self.released.wait()
        return self._loaded.predict_records(rows)


def test_probes_and_pages_do_not_wait_for_requests(small_package: Path, tmp_path: Path) -> None:
    blocked = Blocked(predictor.load(small_package))
    service = Service(lambda: Logged(blocked, open_log(tmp_path / "log.sqlite"), mode="rest"))
    with running(service) as client, ThreadPoolExecutor(8) as callers:
        try:
            waiting = [callers.submit(client.post, "/predict", json=[RECORD] * 2) for _ in range(8)]
            for _ in range(4):
                blocked.waiting.acquire()
            for path in PATHS:
                assert client.get(path).status_code == 200
            assert not any(each.done() for each in waiting)
        finally:
            blocked.released.set()
        assert {each.result().status_code for each in waiting} == {200}


class Log:
    """A log whose checks fail, or hang."""

    def __init__(self) -> None:
        self.error: LogError | None = None
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.checks = 0

    def check(self) -> None:
        self.checks += 1
        self.goes_on.wait()
        if self.error is not None:
            raise self.error

    def next_check(self) -> None:
        before = self.checks
        wait_until(lambda: self.checks > before + 1)


def test_the_latest_check_is_reported_even_if_the_next_one_hangs(caplog: pytest.LogCaptureFixture) -> None:
    log, now = Log(), [100.0]
    health = Health(log, clock=lambda: now[0])  # type: ignore[arg-type]
    health.start()
    try:
        health.require()
        log.error = LogError("The disk is full.")
        log.next_check()
        with pytest.raises(LogError, match="The disk is full"):
            health.require()
        log.next_check()
        log.error = None
        log.next_check()
        health.require()
        # The reason is logged once, and once that it is over.
        assert caplog.messages == [
            "No prediction is returned: The disk is full.",
            "Predictions are returned again.",
        ]
        log.goes_on.clear()
        now[0] += 9
        health.require()
        now[0] += 2
        with pytest.raises(LogError, match="has not responded for 11 s"):
            health.require()
    finally:
        log.goes_on.set()
        health.close()


def test_ready_follows_what_is_written(small_package: Path, tmp_path: Path) -> None:
    """The file is replaced by a folder: nothing can be written until it is back."""
    loaded, path = predictor.load(small_package), tmp_path / "state" / "log.sqlite"
    with running(Service(lambda: Logged(loaded, open_log(path), mode="rest"))) as client:

        def status() -> int:
            return client.get("/v2/health/ready").status_code

        assert status() == 200
        (tmp_path / "state").rename(tmp_path / "away")
        (tmp_path / "state").write_text("")
        wait_until(lambda: status() == 503)
        assert client.get("/v2/health/live").status_code == 200
        assert client.post("/predict", json=RECORD).status_code == 503
        (tmp_path / "state").unlink()
        (tmp_path / "away").rename(tmp_path / "state")
        wait_until(lambda: status() == 200)
        assert client.post("/predict", json=RECORD).status_code == 200
