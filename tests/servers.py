"""Servers for tests, in a thread or a process, with their clients."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from waiting import PATIENCE, wait_until

from nbship.serving.uvicorn_server import config_of


@contextmanager
def running(app: Any, *, lifespan: str = "on") -> Iterator[httpx.Client]:
    """Serve an ASGI application on a free port; yield its client."""
    config = config_of(app)
    config.host, config.port, config.lifespan = "127.0.0.1", 0, lifespan
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert thread.is_alive(), "The server did not start."
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def serving(
    package: Path | None, folder: Path, *words: str, environ: Mapping[str, str] | None = None, script: str = ""
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `nbship serve`; yield its address and its process. `script` runs in it first, to break something.

    Without a package, it serves what the settings of the folder say.
    """
    code = f"import sys\n{script}\nfrom nbship import cli\ncli.main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "serve", *([str(package)] if package else []), "--port", "0", *words]
    given = {**os.environ, "NBSHIP_STATE": str(folder / "state"), **(environ or {})}
    with subprocess.Popen(command, cwd=folder, env=given, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = next(found[0] for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        drain = threading.Thread(target=server.stdout.read)
        drain.start()
        try:
            yield url, server
        finally:
            if server.poll() is None:
                server.terminate()
            server.wait(PATIENCE)
            drain.join()


def modules_of(folder: Path) -> tuple[Path, str]:
    """Return a file and a script for `serving`: at its end, the process writes the top modules that it imported."""
    report = folder / "modules.txt"
    names = "' '.join(sorted({name.partition('.')[0] for name in sys.modules}))"
    return report, f"import atexit, pathlib\natexit.register(lambda: pathlib.Path({str(report)!r}).write_text({names}))"


def resident_memory(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")
