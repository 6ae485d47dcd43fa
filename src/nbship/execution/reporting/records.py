"""Run records: what a stage took, apart from its products so that these stay the same."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["RunRecord", "append_record", "read_records"]

FORMAT = 1


@dataclass(frozen=True)
class RunRecord:
    """One run of one stage.

    Attributes
    ----------
    started
        Time in UTC, ISO 8601.
    outcome
        `"done"`, or the class of the error that ended the run, of the exception in the cell where one did.
    seconds, cpu_seconds
        By the wall and on the CPU; the latter is None where the kernel could not be asked.
    peak_memory
        The most memory of the kernel's process, in bytes.
    python, platform
        Versions and machine.
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
    """Add one line to the file of run records; lines of runs at the same time do not mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(record), sort_keys=True) + "\n"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, _before(handle) + line.encode())
    finally:
        os.close(handle)


def read_records(path: Path) -> Iterator[RunRecord]:
    """Yield the records of a file, oldest first; a line that is cut short or damaged is passed over."""
    if not path.is_file():
        return
    with path.open("rb") as lines:
        for line in lines:
            try:
                found = json.loads(line)
                if isinstance(found, dict) and found.get("format") == FORMAT:
                    yield RunRecord(**found)
            except (ValueError, TypeError):
                continue


def _before(handle: int) -> bytes:
    """Return the end of the line that a crash has cut short, if one has."""
    if os.lseek(handle, 0, os.SEEK_END) == 0:
        return b""
    os.lseek(handle, -1, os.SEEK_END)
    return b"" if os.read(handle, 1) == b"\n" else b"\n"
