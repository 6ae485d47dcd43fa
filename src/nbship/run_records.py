"""Run records: time and memory of each run, stored outside the products so that these stay reproducible."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["MEASUREMENTS", "RUNS", "RunRecord", "append_line", "append_record", "read_records"]

# The name of the file in the folder of the project's state.
RUNS = "runs.jsonl"
# That of what a stage measured on this machine, such as latencies.
MEASUREMENTS = "measurements.jsonl"

FORMAT = 1


@dataclass(frozen=True)
class RunRecord:
    """One run of one stage.

    Attributes
    ----------
    started
        Time in UTC, ISO 8601.
    outcome
        `"done"`, or the class name of the exception in the failed cell; if no cell failed, of the error that ended the
        run.
    seconds, cpu_seconds
        Wall time and CPU time; the latter is None if the kernel did not report it.
    peak_memory
        Peak memory of the kernel's process, in bytes.
    python, platform
        The Python version, and the system with its machine.
    """

    stage: str
    started: str
    outcome: str
    seconds: float
    cpu_seconds: float | None
    peak_memory: int | None
    python: str
    platform: str
    format: int = FORMAT


def append_record(path: Path, record: RunRecord) -> None:
    """Append a record to the file of run records."""
    append_line(path, asdict(record))


def append_line(path: Path, content: Mapping[str, Any]) -> None:
    """Append one line of JSON to a file of records; concurrent runs do not mix their lines.

    One `write` to a file opened with O_APPEND is atomic. A crash may leave `{"stage": "fit", "st` without a newline;
    the next record then starts with one, so only the damaged line is lost.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(content, sort_keys=True) + "\n"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, _missing_newline(handle) + line.encode())
    finally:
        os.close(handle)


def read_records(path: Path) -> Iterator[RunRecord]:
    """Yield the records of a file, oldest first; incomplete and damaged lines are skipped."""
    if not path.is_file():
        return
    with path.open("rb") as lines:
        for line in lines:
            try:
                document = json.loads(line)
                if isinstance(document, dict) and document.get("format") == FORMAT:
                    yield RunRecord(**document)
            except (ValueError, TypeError):
                continue


def _missing_newline(handle: int) -> bytes:
    """Return a newline if the file's last line has none."""
    if os.lseek(handle, 0, os.SEEK_END) == 0:
        return b""
    os.lseek(handle, -1, os.SEEK_END)
    return b"" if os.read(handle, 1) == b"\n" else b"\n"
