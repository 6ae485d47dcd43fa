"""Over HTTP: one worker, one record per request, `wrk` on the same machine.

Every server has the same model; nbship checks the record, assigns ids, updates its metrics, and, in its second line, logs
durably (SQLite on this disk). Its first line is the same service without a log. The servers run in turn, three times.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

from .models import make_estimator, make_package, make_rows

PEERS = Path(__file__).parents[1] / ".nbship/cache/serving-peers/bin"
MLSERVER = PEERS.parents[1] / "mlserver/bin"
SCRIPTS = Path(__file__).with_name("peers") / "serving"
REFERENCE = Path(__file__).parents[1] / "models/flights"
SECONDS = 5
CONNECTIONS = (1, 32, 256, 1000)
# The service without a log: it returns ids and writes nothing.
FORGETFUL = """
import sys
from nbship.inference import Logged
from nbship.prediction_log import PendingCommit, new_id
written = PendingCommit(())
written.done = True
Logged._submit = lambda self, rows, *_: ([new_id() for _ in rows], written)
from nbship import cli
cli.main(sys.argv[1:])
"""
CONSTANT = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (message := await receive()):
            await send({"type": message["type"] + ".complete"})
            if message["type"].endswith("shutdown"):
                return
    await receive()
    head = [(b"content-type", b"application/json"), (b"content-length", b"20")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b'{"probability":0.25}'})
"""


def run() -> str:
    """Return the comparison as Markdown."""
    if shutil.which("wrk") is None or not (MLSERVER / "mlserver").exists():
        raise SystemExit("Install wrk (Debian: wrk) and run `make serving-peers`.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, target = make_rows(100_000)
        package = make_package(folder, make_estimator().fit(rows, target), rows)
        subprocess.run([PEERS / "python", SCRIPTS / "train.py", folder], check=True, capture_output=True)
        (folder / "constant.py").write_text(CONSTANT, encoding="utf-8")
        record = json.loads((package / "acceptance.json").read_text(encoding="utf-8"))["example"]
        rounds = [
            {each: _measure(each, folder, package, record) for each in _SERVERS}
            for _ in range(1 if "--quick" in sys.argv else 3)
        ]
        found = {each: _medians([one[each] for one in rounds]) for each in _SERVERS}
        synced = _fsync_seconds(folder)
        seconds, memory = _start(folder, package, record)
        if not (REFERENCE / "acceptance.json").exists():
            raise SystemExit("There is no reference model. Run `nbship run`.")
        example = json.loads((REFERENCE / "acceptance.json").read_text(encoding="utf-8"))["example"]
        _, reference_memory = _start(folder, REFERENCE, example)
    best = max(found[each][32][0] for each in ("MLflow", "BentoML", "MLServer"))
    lines = [
        "| | "
        + " | ".join(f"{count} connections" for count in CONNECTIONS)
        + " | × best packaged server (32) | p50 of one |",
        "|---|" + "--:|" * (len(CONNECTIONS) + 2),
    ]
    for each, rates in found.items():
        cells = " | ".join(f"{rates[count][0]:,.0f}" if count in rates else "" for count in CONNECTIONS)
        lines.append(f"| {each} | {cells} | {rates[32][0] / best:.1f} | {rates[1][1]} |")
    return "\n".join(
        [
            *lines,
            "",
            f"An fsync of 12 kB takes {synced * 1000:.2f} ms here (median of 1,000, a millisecond apart). "
            f"From `nbship serve` to the first response: {seconds:.2f} s; resident memory then: {memory:.0f} MB, "
            f"and {reference_memory:.0f} MB with the reference model, whose lookups have 29,000 rows.",
        ]
    )


def _medians(rounds: Sequence[Mapping[int, tuple[float, str]]]) -> dict[int, tuple[float, str]]:
    """Return for each number of connections the round with the median rate."""
    return {count: sorted((one[count] for one in rounds), key=itemgetter(0))[len(rounds) // 2] for count in rounds[0]}


def _fsync_seconds(folder: Path) -> float:
    """Return the median time of an fsync of one log record."""
    seconds = []
    with (folder / "synced").open("wb", buffering=0) as file:
        file.write(bytes(12_000_000))
        os.fsync(file)
        for number in range(1000):
            time.sleep(0.001)
            started = time.perf_counter()
            os.pwrite(file.fileno(), os.urandom(12_288), number * 12_288 % 12_000_000)
            os.fdatasync(file)
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _start(folder: Path, package: Path, record: Mapping[str, Any]) -> tuple[float, float]:
    """Return the seconds from the command to the first response, and the resident memory in MB at that time."""
    port = _free_port()
    words, path, body = _SERVERS["nbship, durable log"](folder, package, port, record)
    started = time.perf_counter()
    with _running(words, folder, f"http://127.0.0.1:{port}{path}", body) as server:
        seconds = time.perf_counter() - started
        pages = int(Path(f"/proc/{server.pid}/statm").read_text(encoding="utf-8").split()[1])
        return seconds, pages * os.sysconf("SC_PAGESIZE") / 1e6


def _free_port() -> int:
    """Return a port that is free, as are the two after it, which MLServer takes too."""
    while True:
        with socket.socket() as first, socket.socket() as second, socket.socket() as third:
            first.bind(("", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("", port + 1))
                third.bind(("", port + 2))
            except (OSError, OverflowError):
                continue
            return port


def _measure(server: str, folder: Path, package: Path, record: Mapping[str, Any]) -> dict[int, tuple[float, str]]:
    port = _free_port()
    words, path, body = _SERVERS[server](folder, package, port, record)
    script = folder / "post.lua"
    quoted = json.dumps(body).replace("\\", "\\\\").replace("'", "\\'")
    script.write_text(
        f"wrk.method='POST' wrk.headers['Content-Type']='application/json' wrk.body='{quoted}'", encoding="utf-8"
    )
    url = f"http://127.0.0.1:{port}{path}"
    with _running(words, folder, url, body):
        counts = CONNECTIONS if server.startswith("nbship") or server.startswith("constant") else CONNECTIONS[:2]
        return {count: _wrk(url, script, count) for count in counts}


def _wrk(url: str, script: Path, connections: int) -> tuple[float, str]:
    """Return requests per second and the median latency."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}", "--latency", "--timeout", "10", "-s", script, url]
    printed = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", printed)
    assert failed is None, printed
    rate, median = re.search(r"Requests/sec:\s+([\d.]+)", printed), re.search(r"50%\s+(\S+)", printed)
    assert rate is not None
    assert median is not None
    return float(rate[1]), median[1]


@contextmanager
def _running(words: list[Any], folder: Path, url: str, body: Any) -> Iterator[subprocess.Popen[bytes]]:
    environ = {
        **os.environ, "MODEL": str(folder / "model.joblib"), "NBSHIP_STATE": str(folder / "state"), "DO_NOT_TRACK": "1",
        "BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{PEERS}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(map(str, (folder, SCRIPTS, SCRIPTS.parents[2]))),
    }  # fmt: skip
    with (folder / "server.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(words, env=environ, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(6000):
            assert server.poll() is None, (folder / "server.log").read_text(encoding="utf-8")
            try:
                request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
                urllib.request.urlopen(request, timeout=10).read()
                break
            except urllib.error.HTTPError as error:
                raise AssertionError(error.read()) from error
            except OSError:
                time.sleep(0.01)
        yield server
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def _nbship(start: list[Any]) -> Any:
    return lambda folder, package, port, record: (
        [*start, "serve", package, "--port", str(port), "--no-request-log"], "/predict", record,
    )  # fmt: skip


def _mlserver(folder: Path, package: Path, port: int, record: Mapping[str, Any]) -> Any:
    settings = {
        "http_port": port,
        "grpc_port": port + 1,
        "metrics_port": port + 2,
        "parallel_workers": 0,
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    tensors = [
        {"name": name, "shape": [1], "datatype": "BYTES" if isinstance(value, str) else "FP64", "data": [value]}
        for name, value in record.items()
    ]
    return [MLSERVER / "mlserver", "start", folder], "/v2/models/generated/infer", {"inputs": tensors}


_SERVERS: dict[str, Any] = {
    "MLflow": lambda folder, package, port, record: (
        [PEERS / "mlflow", "models", "serve", "-m", folder / "mlflow", "-p", str(port), "--env-manager", "local", "-w", "1"],
        "/invocations", {"dataframe_records": [record]},
    ),
    "BentoML": lambda folder, package, port, record: (
        [PEERS / "bentoml", "serve", "bento_service:Generated", "--port", str(port)], "/predict", {"record": record},
    ),
    "MLServer": _mlserver,
    "FastAPI, scikit-learn": lambda folder, package, port, record: (
        [PEERS / "uvicorn", "fastapi_app:app", "--port", str(port), "--log-level", "warning"], "/predict", record,
    ),
    "nbship, no log": _nbship([sys.executable, "-c", FORGETFUL]),
    "nbship, durable log": _nbship([sys.executable, "-m", "nbship"]),
    "constant response on uvicorn (floor)": lambda folder, package, port, record: (
        [sys.executable, "-m", "uvicorn", "constant:app", "--port", str(port), "--log-level", "warning"], "/", record,
    ),
}  # fmt: skip
