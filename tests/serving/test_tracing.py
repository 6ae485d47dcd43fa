from __future__ import annotations

import json
import threading
import time

from nbship.serving.http.asgi import Request
from nbship.serving.http.request_log import RequestLines, identify


def request() -> Request:
    made = Request({"method": "POST", "path": "/predict", "headers": [(b"x-request-id", b"order-7")]})
    identify(made)
    return made


def test_a_line_tells_what_was_asked_and_what_became_of_it() -> None:
    written: list[str] = []
    lines = RequestLines(written.append)
    asked = request()
    asked.rows, asked.refused, asked.caller = 3, "size", "shop"
    lines.note(asked, status=422, started=time.perf_counter(), version="0123456789ab")
    lines.close()
    (line,) = map(json.loads, "".join(written).splitlines())
    assert line["ms"] >= 0
    assert {name: line[name] for name in line if name not in ("time", "ms", "trace")} == {
        "request": "order-7", "caller": "shop", "method": "POST", "path": "/predict", "status": 422, "rows": 3,
        "version": "0123456789ab", "field": "size",
    }  # fmt: skip


def test_a_reader_that_does_not_read_keeps_nobody_waiting() -> None:
    written: list[str] = []
    reads = threading.Event()
    lines = RequestLines(lambda text: (reads.wait(10), written.append(text)), most=50)
    lines.note(request(), status=200, started=0.0, version=None)
    time.sleep(0.1)
    began = time.monotonic()
    for _ in range(200):
        lines.note(request(), status=200, started=0.0, version=None)
    assert time.monotonic() - began < 1
    reads.set()
    lines.close()
    told = [json.loads(line) for line in "".join(written).splitlines()]
    assert sum("path" in line for line in told) == 51
    assert [line["dropped"] for line in told if "dropped" in line] == [150]
