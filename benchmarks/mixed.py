"""Single rows beside lists: one client of single rows, alone and next to four clients of 1,000-row lists; and a health check.

The service has one worker, the reference model and a durable log; the clients are processes of the same machine.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1] / "models/flights"
ROWS, CLIENTS, SECONDS, ROUNDS = 1000, 4, 10, 3
# The load beside which a health check must respond within 0.2 s.
MANY_ROWS, MANY_CLIENTS = 10_000, 8
# A single row every 2 ms at most: the client would otherwise measure its own share of the cores.
_PAUSE = 0.002


def run() -> str:
    """Return latencies and rates as Markdown, the medians of the rounds."""
    if not PACKAGE.is_dir():
        raise SystemExit("There is no reference model. Run `nbship run`.")
    record = json.loads((PACKAGE / "acceptance.json").read_text(encoding="utf-8"))["example"]
    single = "/predict", json.dumps(record)
    lists, many = json.dumps([record] * ROWS), json.dumps([record] * MANY_ROWS)
    with _serving() as port:
        rounds = [
            (
                _round(port, *single, "", 0),
                _round(port, *single, lists, CLIENTS),
                _round(port, "/v2/health/ready", "", many, MANY_CLIENTS),
            )
            for _ in range(ROUNDS)
        ]
    alone, beside, health = (
        [statistics.median(values) for values in zip(*each, strict=True)] for each in zip(*rounds, strict=True)
    )
    return "\n".join(
        [
            "| single rows | p50 | p99 | lists/s |",
            "|---|--:|--:|--:|",
            f"| alone | {alone[0]:.1f} ms | {alone[1]:.1f} ms | |",
            f"| beside {CLIENTS} clients of {ROWS:,}-row lists | {beside[0]:.1f} ms | {beside[1]:.1f} ms | {beside[2]:.1f} |",
            f"| × alone | {beside[0] / alone[0]:.1f} | {beside[1] / alone[1]:.1f} | |",
            f"| `/v2/health/ready` beside {MANY_CLIENTS} clients of {MANY_ROWS:,}-row lists | {health[0]:.1f} ms | {health[1]:.1f} ms | {health[2]:.1f} |",
        ]
    )


def _round(port: int, path: str, body: str, lists_body: str, clients: int) -> tuple[float, float, float]:
    """Return p50 and p99 of one client's requests in milliseconds, and the lists per second of others."""
    context = multiprocessing.get_context("fork")
    stop, singles, lists = context.Event(), context.Queue(), context.Queue()
    requests = [(path, body, _PAUSE, singles)] + [("/predict", lists_body, 0.0, lists)] * clients
    processes = [context.Process(target=_client, args=(port, *each, stop)) for each in requests]
    for process in processes:
        process.start()
    time.sleep(SECONDS)
    stop.set()
    found = statistics.quantiles(singles.get()[5:], n=100)
    count = sum(len(lists.get()) for _ in range(clients))
    for process in processes:
        process.join()
    return found[49] * 1000, found[98] * 1000, count / SECONDS


def _client(port: int, path: str, body: str, pause: float, report: Any, stop: Any) -> None:
    """Send a request on one connection until `stop`, and report the seconds of each; without a body it is a GET."""
    connection, seconds = http.client.HTTPConnection("127.0.0.1", port), []
    while not stop.is_set():
        started = time.perf_counter()
        if body:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
        else:
            connection.request("GET", path)
        response = connection.getresponse()
        content = response.read()
        assert response.status == 200, content[:300]
        seconds.append(time.perf_counter() - started)
        time.sleep(pause)
    report.put(seconds)


@contextmanager
def _serving() -> Iterator[int]:
    with tempfile.TemporaryDirectory() as state:
        words = [sys.executable, "-m", "nbship", "serve", PACKAGE, "--port", "0", "--no-request-log"]
        environ = {**os.environ, "NBSHIP_STATE": state}
        server = subprocess.Popen(
            words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
        )
        try:
            assert server.stdout is not None
            yield next(int(found[1]) for line in server.stdout if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
        finally:
            server.terminate()
            server.wait(20)
