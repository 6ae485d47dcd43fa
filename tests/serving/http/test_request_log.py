from __future__ import annotations

import json
import threading
import time

from waiting import wait_until

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
    wait_until(lambda: written)
    (line,) = map(json.loads, "".join(written).splitlines())
    assert line["ms"] >= 0
    assert {name: line[name] for name in line if name not in ("time", "ms", "trace")} == {
        "request": "order-7", "caller": "shop", "method": "POST", "path": "/predict", "status": 422, "rows": 3,
        "version": "0123456789ab", "field": "size",
    }  # fmt: skip


def test_a_blocked_reader_delays_no_request() -> None:
    written: list[str] = []
    writing, reads = threading.Event(), threading.Event()

    def write(text: str) -> None:
        writing.set()
        # A request that waited for the reader would wait for ever, and run into the test's timeout.
        reads.wait()
        written.append(text)

    lines = RequestLog(write, most=50)
    lines.note(request(), status=200, started=0.0, version=None)
    wait_until(writing.is_set)
    for _ in range(200):
        lines.note(request(), status=200, started=0.0, version=None)
    reads.set()
    lines.close()
    wait_until(lambda: "dropped" in "".join(written))
    records = [json.loads(line) for line in "".join(written).splitlines()]
    assert sum("path" in line for line in records) == 51
    assert [line["dropped"] for line in records if "dropped" in line] == [150]
