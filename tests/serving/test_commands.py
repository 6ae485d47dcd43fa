"""The commands serve, predict, labels and replay: output and exit codes."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pandas as pd
import pytest
from signers import write_key
from waiting import PATIENCE, wait_until

from nbship import cli
from nbship.model.package import sign_package


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def nbship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run the command line in a folder without a project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NBSHIP_STATE", raising=False)

    def run(*words: str) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        return Done(ended.value.code or 0, *capsys.readouterr())

    return run


def sentence(done: Done) -> str:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("nbship: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").is_success
    except httpx.HTTPError:
        return False


@contextmanager
def served(package: Path, cwd: Path, *, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "nbship", "serve", str(package), "--port", str(port)]
    server = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: server.poll() is not None or is_ready(port))
        assert server.poll() is None, server.stderr.read()
        yield server
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
        server.stderr.close()


@pytest.fixture
def table(tmp_path: Path, small_rows: pd.DataFrame) -> Path:
    path = tmp_path / "in.csv"
    small_rows.head(20).drop(columns=["limit", "grade"]).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_serve_prints_its_address_predicts_and_stops(nbship, small_package: Path, tmp_path: Path, stop: int) -> None:
    port = free_port()
    with served(small_package, tmp_path, port=port) as server:
        lines = [server.stdout.readline() for _ in range(5)]
        assert f"http://127.0.0.1:{port}" in lines[0]
        assert "small" in lines[0]
        command = lines[4].strip()
        answered = subprocess.run(["sh", "-c", f"{command} -s"], capture_output=True, text=True, timeout=PATIENCE)
        answer = json.loads(answered.stdout)
        assert set(answer) == {"id", "model", "version", "label", "probability"}
        server.send_signal(stop)
        assert server.wait(PATIENCE) == 0
        *requests, last = server.stdout.read().splitlines()
        assert last == "Stopped."
        asked = json.loads(requests[-1])
        assert (asked["path"], asked["status"], asked["rows"], asked["field"]) == ("/predict", 200, 1, None)
        assert asked["version"] == answer["version"]
        assert server.stderr.read() == ""
    done = nbship("replay", answer["id"], "--package", str(small_package))
    assert done.returncode == 0, done.stderr
    assert "same bytes" in done.stdout
    as_json = json.loads(nbship("replay", answer["id"], "--package", str(small_package), "--json").stdout)
    assert as_json["same"] is True
    assert as_json["logged"]["probability"] == answer["probability"]


def test_serve_says_that_code_of_an_unchecked_signer_runs(
    shop_package: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, note = tmp_path / "shop", "The package runs code of its own, from an unchecked signer"
    shutil.copytree(shop_package("linear"), package)
    with served(package, tmp_path, port=free_port()) as server:
        assert note in "".join(server.stdout.readline() for _ in range(6))
    sign_package(package, write_key(tmp_path, "maker"))
    monkeypatch.setenv("NBSHIP_RELEASE__SIGNERS", "maker.pub")
    with served(package, tmp_path, port=free_port()) as server:
        assert note not in "".join(server.stdout.readline() for _ in range(5))


def test_only_one_address_is_served(
    nbship, small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = nbship("serve", str(small_package), "--unix-socket", "s", "--port", "8000")
    assert done.returncode == 2
    assert "--unix-socket is used instead of --host and --port" in done.stderr
    monkeypatch.setenv("NBSHIP_SERVING__UNIX_SOCKET", str(tmp_path / "s"))
    for workers in ("1", "2"):
        monkeypatch.setenv("NBSHIP_SERVING__WORKERS", workers)
        # It waits until the service is ready at the port.
        with served(small_package, tmp_path, port=free_port()):
            assert not (tmp_path / "s").exists()
    with socket.create_server(("127.0.0.1", 0)) as bound:
        script = f'exec 3<&{bound.fileno()} && LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
        serve = [sys.executable, "-m", "nbship", "serve", str(small_package), "--port", "8000"]
        done = subprocess.run(
            ["bash", "-c", script, "bash", *serve],
            pass_fds=[bound.fileno()],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert "LISTEN_FDS" in done.stderr


def test_serve_reports_an_error_in_one_sentence(nbship, small_package: Path, tmp_path: Path) -> None:
    assert "reachable from other machines" in sentence(nbship("serve", str(small_package), "--host", "0.0.0.0"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Port {port}" in sentence(nbship("serve", str(small_package), "--port", str(port)))
    assert "no model package" in sentence(nbship("serve", "nowhere", "--port", "0"))
    assert "No project" in sentence(nbship("serve"))


def test_predict_labels_and_replay(nbship, small_package: Path, tmp_path: Path, table: Path) -> None:
    package = ("--package", str(small_package))
    done = nbship("predict", "in.csv", "out.csv", *package)
    assert done.returncode == 0, done.stderr
    assert "20 rows predicted by small" in done.stdout
    output = pd.read_csv(tmp_path / "out.csv")
    summary = json.loads(nbship("predict", "in.csv", "out.csv", "--json", *package).stdout)
    assert (summary["rows"], summary["rejected"], summary["repeated"]) == (20, 0, True)
    output[["at", "line"]].assign(label=0).to_csv(tmp_path / "labels.csv", index=False)
    told = nbship("labels", "labels.csv", *package)
    assert told.stdout.startswith("20 labels: 20 match a logged prediction, 0 do not")
    counts = json.loads(nbship("labels", "labels.csv", "--json", *package).stdout)
    assert counts == {"accepted": 20, "matched": 20, "known": 20, "unmatched": 0}
    replayed = nbship("replay", output["prediction_id"][7], *package)
    assert "same bytes" in replayed.stdout
    assert replayed.returncode == 0
    assert (tmp_path / ".nbship" / "state" / "predictions.sqlite").is_file()


def test_bad_rows_are_counted(nbship, small_package: Path, tmp_path: Path, table: Path) -> None:
    table.write_text(table.read_text(encoding="utf-8") + "soon,a,1,1\n", encoding="utf-8")
    done = nbship("predict", "in.csv", "--package", str(small_package))
    assert done.returncode == 0, done.stderr
    assert "1 row rejected: see 'in_predictions.csv.rejected.csv'" in done.stdout
    assert len(pd.read_csv(tmp_path / "in_predictions.csv")) == 20


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["predict", "none.csv"], "no file 'none.csv'"),
        (["predict", "in.xlsx"], "unsupported suffix. Use .csv, .tsv,"),
        (["predict", "in.csv", "out.txt"], "unsupported suffix. Use .csv, .jsonl, .ndjson or .parquet"),
        (["labels", "in.csv"], "no column 'label'"),
        (["replay", "nothing"], "no record 'nothing'"),
    ],
)
def test_errors_are_one_sentence(nbship, small_package: Path, tmp_path: Path, table: Path, words, reason: str) -> None:
    assert reason in sentence(nbship(*words, "--package", str(small_package)))


def test_a_damaged_package_is_rejected(nbship, small_package: Path, tmp_path: Path, table: Path) -> None:
    copy = tmp_path / "damaged"
    shutil.copytree(small_package, copy)
    with (copy / "model.skops").open("r+b") as file:
        file.seek(100)
        file.write(b"\x00\x01")
    assert "model.skops" in sentence(nbship("predict", "in.csv", "--package", "damaged"))
