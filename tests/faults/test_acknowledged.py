"""A response that a client has received is in the log, even if the server is killed right after it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
from waiting import wait_until

from nbship.prediction_log import open_log


def test_no_response_is_lost_when_the_server_is_killed(small_package: Path, tmp_path: Path, full: bool) -> None:
    acknowledged: list[str] = []
    for kill in range(100 if full else 3):
        acknowledged += _serve_and_kill(small_package, tmp_path, after=0.3 + 0.05 * (kill % 7))
    assert len(acknowledged) > 20
    assert len(set(acknowledged)) == len(acknowledged)
    with open_log(tmp_path / "state" / "predictions.sqlite") as log:
        for id in acknowledged:
            assert log.find(id).outputs is not None


def _serve_and_kill(package: Path, folder: Path, *, after: float) -> list[str]:
    """Send requests from four threads, kill the server `after` seconds from the tenth response, and return the received ids."""
    command = [sys.executable, "-m", "nbship", "serve", str(package), "--port", "0"]
    environ = {**os.environ, "NBSHIP_STATE": str(folder / "state")}
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = next(match[0] for line in server.stdout if (match := re.search(r"http://127\.0\.0\.1:\d+", line)))
        _wait_until_ready(url)
        ids: list[str] = []
        threads = [threading.Thread(target=_send_requests, args=(url, ids)) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(ids) >= 10)
        time.sleep(after)
        server.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
    return ids


def _wait_until_ready(url: str) -> None:
    def is_ready() -> bool:
        try:
            return httpx.get(f"{url}/v2/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(is_ready)


def _send_requests(url: str, ids: list[str]) -> None:
    record = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}
    with httpx.Client(base_url=url) as client:
        while True:
            try:
                response = client.post("/predict", json=record)
            except httpx.TransportError:
                return
            if response.status_code == 200:
                ids.append(response.json()["id"])
