"""A real `nbship serve` in a process of its own, for those who attack it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["RECORD", "memory_of", "serving"]

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}


@contextmanager
def serving(
    package: Path, folder: Path, *, environ: Mapping[str, str] | None = None, script: str = ""
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Yield the address and the process of a service; `script` runs in it first, to break something."""
    code = f"import sys\n{script}\nfrom nbship import cli\ncli.main(sys.argv[1:])"
    words = [sys.executable, "-c", code, "serve", str(package), "--port", "0", "--no-request-log"]
    given = {**os.environ, "NBSHIP_STATE": str(folder / "state"), **(environ or {})}
    with subprocess.Popen(words, cwd=folder, env=given, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = next(found[0] for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        drain = threading.Thread(target=server.stdout.read)
        drain.start()
        try:
            yield url, server
        finally:
            if server.poll() is None:
                server.terminate()
            server.wait(20)
            drain.join()


def memory_of(pid: int) -> int:
    """Return the resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
