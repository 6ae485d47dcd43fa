from __future__ import annotations

import json
import threading
import time

from nbship.serving.http.asgi import Request
from nbship.serving.http.request_log import RequestLog, identify


def request() -> Request:
    made = Request({"method": "POST", "path": "/predict", "headers": [(b"x-request-id", b"order-7")]})
    identify(made)
    return made


def test_a_line_describes_request_and_response() -> None:
    written: list[str] = []
    lines = RequestLog(written.append)
    sent = request()
    sent.rows, sent.invalid_field, sent.caller = 3, "size", "shop"
    lines.note(sent, status=422, started=time.perf_counter(), version="0123456789ab")
    lines.close()
    (line,) = map(json.loads, "".join(written).splitlines())
    assert line["ms"] >= 0
    assert {name: line[name] for name in line if name not in ("time", "ms", "trace")} == {
        "request": "order-7", "caller": "shop", "method": "POST", "path": "/predict", "status": 422, "rows": 3,
        "version": "0123456789ab", "field": "size",
    }  # fmt: skip


def test_a_blocked_reader_delays_no_request() -> None:
    written: list[str] = []
    reads = threading.Event()
    lines = RequestLog(lambda text: (reads.wait(10), written.append(text)), most=50)
    lines.note(request(), status=200, started=0.0, version=None)
    time.sleep(0.1)
    began = time.monotonic()
    for _ in range(200):
        lines.note(request(), status=200, started=0.0, version=None)
    assert time.monotonic() - began < 1
    reads.set()
    lines.close()
    records = [json.loads(line) for line in "".join(written).splitlines()]
    assert sum("path" in line for line in records) == 51
    assert [line["dropped"] for line in records if "dropped" in line] == [150]
