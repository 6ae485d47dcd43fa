"""`make run`: the whole loop once, on real data, with each command printed."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "models" / "flights"
INPUTS = Path(".nbship/scratch/july.csv")
LABELS = Path(".nbship/scratch/july_labels.csv")
SCORED = Path(".nbship/scratch/july_scored.csv")
WINDOW = ("2013-07-01", "2013-08-01")
REPORT = Path(f".nbship/state/monitoring/{WINDOW[0]}_{WINDOW[1]}/report.html")


def main() -> int:
    """Run the demonstration; the exit code is that of the first command that fails."""
    os.chdir(ROOT)
    INPUTS.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    try:
        title("1. The pipeline: notebooks to a model package")
        shell("nbship", "run")
        shell("nbship", "verify", "models/flights")
        title("2. One prediction, served")
        _serve_one()
        title("3. July arrives: predict, import labels, monitor")
        files = ["--inputs", str(INPUTS), "--labels", str(LABELS)]
        shell("python", "-m", "flights.arrivals", "--from", WINDOW[0], "--to", WINDOW[1], *files)
        shell("nbship", "predict", str(INPUTS), str(SCORED))
        shell("nbship", "labels", str(LABELS))
        shell("nbship", "monitor", "--from", WINDOW[0], "--to", WINDOW[1])
    except subprocess.CalledProcessError as error:
        return print_failure(error)
    _print_closing(time.monotonic() - started)
    return 0


def title(text: str) -> None:
    """Print a heading."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def shell(*words: str) -> None:
    """Print a command and run it."""
    print(f"$ {shlex.join(words)}", flush=True)
    subprocess.run(words, check=True)


def print_failure(error: subprocess.CalledProcessError) -> int:
    """Print which command failed, and return its exit code."""
    command = error.cmd if isinstance(error.cmd, str) else shlex.join(error.cmd)
    print(f"\n'{command}' failed with exit code {error.returncode}; see above.", file=sys.stderr)
    return int(error.returncode)


def _serve_one() -> None:
    record, port = golden_record(), free_port()
    url = f"http://127.0.0.1:{port}"
    with served(port):
        print(f"$ curl -s {url}/predict -H 'content-type: application/json' -d {shlex.quote(json.dumps(record))}")
        request = urllib.request.Request(
            f"{url}/predict", data=json.dumps(record).encode(), headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            print(response.read().decode(), flush=True)


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def served(port: int, *, log: IO[str] | None = None) -> Iterator[None]:
    """Serve the project's package; the request log goes to `log`."""
    words = ["nbship", "serve", "--port", str(port)]
    print(f"$ {shlex.join(words)} &", flush=True)
    server = subprocess.Popen(words, stdout=log or subprocess.DEVNULL)
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/v2/health/ready", server)
        yield
    finally:
        server.terminate()
        server.wait(timeout=10)


def _wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if server.poll() is not None:
            raise subprocess.CalledProcessError(server.returncode, server.args)
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:  # not ready yet
            time.sleep(0.1)
    raise subprocess.CalledProcessError(1, server.args)


def golden_record() -> dict[str, object]:
    """Return the first golden row's own fields; looked-up fields are left out."""
    signature = json.loads((PACKAGE / "signature.json").read_text(encoding="utf-8"))
    own = [field["name"] for field in signature["inputs"] if not field.get("optional")]
    row = pq.read_table(PACKAGE / "golden.parquet", columns=own).slice(0, 1).to_pylist()[0]
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}


def _print_closing(seconds: float) -> None:
    metrics = json.loads(Path("products/metrics/evaluate.json").read_text(encoding="utf-8"))
    title(f"Done in {seconds:.0f} s")
    print("Created")
    for path, what in (
        ("products/", "data, executed notebooks, their HTML, metrics, plots"),
        ("models/flights/", "the model package; MODEL_CARD.md describes it"),
        (str(SCORED), "predictions for July"),
        (str(REPORT), "monitoring report for July: open it in a browser"),
    ):
        print(f"  {path:<66} {what}")
    print("Performance on held-out flights")
    for name in ("auc", "average_precision", "brier", "calibration_error"):
        if name in metrics:
            print(f"  {name:<20} {metrics[name]:.4f}")
    print("Try next")
    for command, what in (
        ("nbship app", "predict for a flight in a browser"),
        ("nbship lab", "edit a notebook; then `nbship status` lists the stages to run"),
        ("nbship run -S evaluate.threshold=0.5", "an experiment: only the affected stages run"),
        ("python -m flights.backtest", "July to December by month, against the base rate"),
        ("dvc metrics show", "the same metrics, from DVC"),
    ):
        print(f"  {command:<38} {what}")


if __name__ == "__main__":
    sys.exit(main())
