"""Real services for tests; a test is skipped without its service, which fails in continuous integration (`skips.py`)."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from browser import free_port
from waiting import PATIENCE

SERVER = os.environ.get("NBSHIP_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


@contextmanager
def postgres_url() -> Iterator[str]:
    """Yield the URL of a new schema in a PostgreSQL database."""
    import psycopg

    schema = f"nbship_test_{uuid4().hex[:12]}"
    try:
        connection = psycopg.connect(SERVER, autocommit=True, connect_timeout=int(PATIENCE))
    except psycopg.OperationalError as error:
        pytest.skip(f"PostgreSQL is not there (NBSHIP_TEST_POSTGRES names it): {error}")
    with connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        try:
            yield f"{SERVER}?options=-csearch_path%3D{schema}"
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


class PostgresServer:
    """A PostgreSQL server of its own, whose processes can be stopped and continued."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        self._pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])

    def hang(self) -> None:
        """Stop all processes: connections stay open, new ones are accepted by the kernel, and nothing is answered."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue all processes."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        server = psutil.Process(self._pid)
        # The postmaster is first, so that no process starts meanwhile.
        for process in [server, *server.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):  # of a connection that has just ended
                process.send_signal(number)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a PostgreSQL server of its own, with an empty database."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found:
        pytest.skip("The programs of a PostgreSQL server are not installed.")
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        control = [
            *_as_postgres(folder),
            str(found[-1] / "pg_ctl"),
            "--silent",
            "--wait",
            "--pgdata",
            str(folder / "data"),
        ]
        subprocess.run([*control, "--options", "--auth=trust --no-sync", "initdb"], check=True, capture_output=True)
        options = f"-p {port} -k {folder} -c fsync=off"
        subprocess.run([*control, "--log", str(folder / "log"), "--options", options, "start"], check=True, cwd=folder)
        server = PostgresServer(folder, port)
        try:
            yield server
        finally:
            server.resume()
            subprocess.run([*control, "--mode", "immediate", "stop"], check=True, cwd=folder)


def _as_postgres(folder: Path) -> list[str]:
    """Return the words before a command of PostgreSQL, which does not run as root; give it the folder."""
    if os.geteuid() != 0:
        return []
    subprocess.run(["chown", "postgres", str(folder)], check=True)
    return ["runuser", "-u", "postgres", "--"]
