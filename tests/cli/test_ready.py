"""`nbship ready`, which the HEALTHCHECK of containers calls, asks the port that the service serves."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nbship.model.build.container import write_context


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def healthcheck(package: Path, folder: Path) -> list[str]:
    """Return the command of the HEALTHCHECK that `nbship package container` writes."""
    write_context(package, folder, name="small")
    found = re.search(r"^HEALTHCHECK.*?CMD (\[.*?\])$", (folder / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL)
    assert found
    words: list[str] = json.loads(found[1])
    return [str(Path(sys.executable).with_name(words[0])), *words[1:]]


@pytest.mark.parametrize("way", ["port", "probes port", "host", "file", "unix socket"])
def test_the_health_check_asks_the_port_that_is_served(tmp_path: Path, small_package: Path, way: str) -> None:
    check = healthcheck(small_package, tmp_path / "context")
    port, probes = free_ports(2)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("NBSHIP_")},
        "NBSHIP_STATE": str(tmp_path / "state"), "NBSHIP_SERVING__AUTH": "none", "NBSHIP_SERVING__HOST": "0.0.0.0",
        "NBSHIP_SERVING__PORT": str(port), "http_proxy": "http://127.0.0.1:9", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    if way == "probes port":
        environ["NBSHIP_SERVING__PROBES_PORT"] = str(probes)
    if way == "host":
        environ["NBSHIP_SERVING__HOST"] = "127.0.0.2"
    if way == "unix socket":
        environ["NBSHIP_SERVING__UNIX_SOCKET"] = str(tmp_path / "nbship.sock")
    if way == "file":
        del environ["NBSHIP_SERVING__PORT"]
        (tmp_path / "nbship.yaml").write_text(f"serving: {{port: {port}, probes_port: {probes}}}\n")
    down = subprocess.run(check, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert (down.returncode, down.stderr.count("\n")) == (1, 1)
    assert "is not ready" in down.stderr
    command = [sys.executable, "-m", "nbship", "serve", str(small_package)]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            next(line for line in server.stdout if line.startswith("Serving"))
            up = subprocess.run(check, cwd=tmp_path, env=environ, capture_output=True, text=True)
            assert up.returncode == 0, up.stderr
        finally:
            server.terminate()
            server.stdout.read()
