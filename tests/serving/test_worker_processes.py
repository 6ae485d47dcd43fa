"""Workers, handed-over sockets and Unix sockets, in real processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
from servers import serving
from waiting import PATIENCE, wait_until

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}


def workers_of(server: subprocess.Popen[str]) -> list[int]:
    """The processes that the supervisor has started, without multiprocessing's resource tracker."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text(encoding="utf-8").split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def wait_for_workers(server: subprocess.Popen[str], folder: Path, count: int = 2) -> None:
    """Wait until this many workers have loaded the package: each then has files of metrics."""

    def loaded() -> int:
        return sum(any(folder.glob(f"state/metrics-*/*_{pid}.db")) for pid in workers_of(server))

    wait_until(lambda: loaded() == count)


def versions(url: str, count: int = 20) -> set[str]:
    """The versions that answer, each request on a connection of its own."""
    return {httpx.post(f"{url}/predict", json=RECORD).json()["version"] for _ in range(count)}


@pytest.fixture
def package(small_package: Path, tmp_path: Path) -> Path:
    """A copy that tests may move and replace."""
    copy = tmp_path / "models" / "small"
    shutil.copytree(small_package, copy)
    return copy


def test_a_worker_that_cannot_be_restarted_does_not_end_the_others(package: Path, tmp_path: Path) -> None:
    with serving(package, tmp_path, "--workers", "2") as (url, server):
        wait_for_workers(server, tmp_path)
        first, second = workers_of(server)
        package.rename(tmp_path / "away")
        os.kill(first, signal.SIGKILL)
        # Its replacement has failed once it is gone again.
        wait_until(lambda: len(set(workers_of(server)) - {first, second}) == 1)
        wait_until(lambda: workers_of(server) == [second])
        assert len(versions(url)) == 1
        (tmp_path / "away").rename(package)
        wait_for_workers(server, tmp_path)
        os.kill(second, signal.SIGKILL)
        wait_until(lambda: second not in workers_of(server))
        assert len(versions(url)) == 1
        server.terminate()
        assert server.wait(PATIENCE) == 0


def test_without_any_worker_it_fails(package: Path, tmp_path: Path) -> None:
    with serving(package, tmp_path, "--workers", "2") as (_, server):
        wait_for_workers(server, tmp_path)
        shutil.rmtree(package)
        for pid in workers_of(server):
            os.kill(pid, signal.SIGKILL)
        assert server.wait(PATIENCE) == 1


def test_all_workers_serve_the_package_of_the_start(package: Path, other_package: Path, tmp_path: Path) -> None:
    with serving(package, tmp_path, "--workers", "2") as (url, server):
        wait_for_workers(server, tmp_path)
        (before,) = versions(url)
        first, second = workers_of(server)
        shutil.rmtree(package)
        shutil.copytree(other_package, package)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(set(workers_of(server)) - {first, second}) == 1)
        wait_until(lambda: workers_of(server) == [second])
        assert versions(url) == {before}
    with serving(package, tmp_path, "--workers", "2") as (url, _):
        assert versions(url).isdisjoint({before})


def test_a_killed_supervisor_leaves_no_worker_and_no_folder(package: Path, tmp_path: Path) -> None:
    folders = tmp_path / "state"
    with serving(package, tmp_path, "--workers", "2") as (url, server):
        wait_for_workers(server, tmp_path)
        workers = workers_of(server)
        server.kill()
        server.wait(PATIENCE)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
    left = list(folders.glob("metrics-*"))
    assert len(left) == 1
    with serving(package, tmp_path, "--workers", "2") as (url, server):
        wait_for_workers(server, tmp_path)
        (own,) = folders.glob("metrics-*")
        assert own not in left
        # A second service beside it leaves the folder of a running one alone.
        with serving(package, tmp_path, "--workers", "2"):
            assert own.exists()
        assert httpx.get(f"{url}/metrics").status_code == 200
    assert list(folders.glob("metrics-*")) == []


@contextmanager
def started(command: list[str], folder: Path, *, descriptors: tuple[int, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """Run a command that serves; yield its process once it is ready, with the lines that it has printed."""
    environ = {**os.environ, "NBSHIP_STATE": str(folder / "state")}
    with subprocess.Popen(
        command, cwd=folder, env=environ, pass_fds=descriptors, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        server.lines = []  # type: ignore[attr-defined]
        for line in server.stdout:
            server.lines.append(line)  # type: ignore[attr-defined]
            if line.startswith("  curl"):
                break
        drain = threading.Thread(target=server.stdout.read)
        drain.start()
        try:
            yield server
        finally:
            server.terminate()
            server.wait(PATIENCE)
            drain.join()


def handed_over(
    package: Path, folder: Path, bound: socket.socket, *words: str
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run `nbship serve` with a listening socket, as systemd does."""
    script = 'exec 3<&"$0" && LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
    serve = [sys.executable, "-m", "nbship", "serve", str(package), *words]
    return started(["bash", "-c", script, str(bound.fileno()), *serve], folder, descriptors=(bound.fileno(),))


def on_unix_socket(package: Path, folder: Path, path: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    return started([sys.executable, "-m", "nbship", "serve", str(package), "--unix-socket", str(path)], folder)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_handed_over_socket_is_served_without_a_gap(package: Path, tmp_path: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as bound:
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        stop, statuses = threading.Event(), []

        def ask() -> None:
            while not stop.is_set():
                statuses.append(httpx.post(f"{url}/predict", json=RECORD, timeout=PATIENCE).status_code)

        with handed_over(package, tmp_path, bound, "--workers", workers) as first:
            client = threading.Thread(target=ask)
            client.start()
            try:
                wait_until(lambda: len(statuses) > 20)
                with handed_over(package, tmp_path, bound, "--workers", workers):
                    first.terminate()
                    assert first.wait(PATIENCE) == 0
                    seen = len(statuses)
                    wait_until(lambda: len(statuses) > seen + 20)
                    stop.set()
                    client.join()
            finally:
                stop.set()
    assert set(statuses) == {200}


def test_a_unix_socket_is_taken_over(package: Path, tmp_path: Path) -> None:
    path = tmp_path / "nbship.sock"
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost") as client:
        with on_unix_socket(package, tmp_path, path) as first:
            printed = "".join(first.lines)  # type: ignore[attr-defined]
            assert f"at unix:{path}" in printed
            done = subprocess.run(
                ["sh", "-c", printed.splitlines()[-1].strip()], capture_output=True, text=True, check=True
            )
            assert re.search(r'"probability":0\.\d+', done.stdout)
            assert client.post("/predict", json=RECORD).status_code == 200
            with on_unix_socket(package, tmp_path, path):
                first.terminate()
                assert first.wait(PATIENCE) == 0
                assert client.post("/predict", json=RECORD).status_code == 200
        assert not path.exists()
    path.write_text("a file")
    done = subprocess.run(
        [sys.executable, "-m", "nbship", "serve", str(package), "--unix-socket", str(path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 1
    assert "exists and is not a socket" in done.stderr
    assert path.read_text() == "a file"
