"""Whole processes: their seconds, and the peak memory of the largest process of each."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Taken", "family", "take", "take_in_turn"]

_PAUSE = 0.01


class Taken(NamedTuple):
    """What a process took.

    Attributes
    ----------
    seconds
        From its start to its end.
    peak
        The most memory, in bytes, of the process, or of the largest process that it started.
    cpu
        CPU time in seconds, of all processes together: on a busy machine it says more than `seconds`.
    output
        What it printed.
    """

    seconds: float
    peak: float
    cpu: float
    output: str


def take_in_turn(calls: Mapping[str, Callable[[], Taken]], *, rounds: int) -> dict[str, Taken]:
    """Run processes in turn, so that a change of the machine's speed affects all alike; return the fastest run of each."""
    taken: dict[str, list[Taken]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            taken[name].append(call())
    return {name: min(each) for name, each in taken.items()}


def take(words: Sequence[Any], *, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Taken:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        If it fails; the message has its output.
    """
    began, peaks, cpu = time.perf_counter(), dict[int, float](), dict[int, float]()
    with subprocess.Popen(
        list(map(str, words)),
        env={**os.environ, **(environ or {})},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as process:
        while process.poll() is None:
            # The system keeps the peak and the time of a process until its end.
            members = family(process.pid)
            peaks |= {pid: peak for pid in members if (peak := _peak(pid))}
            cpu |= {pid: seconds for pid in members if (seconds := _cpu(pid))}
            time.sleep(_PAUSE)
        seconds = time.perf_counter() - began
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"'{' '.join(map(str, words))}' failed:\n{output[-3000:]}")
    return Taken(seconds, max(peaks.values(), default=0.0), sum(cpu.values()), output)


def family(pid: int) -> list[int]:
    """Return a process and those that it started, in any of its threads."""
    children: list[str] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            children += path.read_text(encoding="utf-8").split()
    return [pid, *(member for child in children for member in family(int(child)))]


def _peak(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _cpu(pid: int) -> float:
    try:
        # The name of the program, in brackets, may hold anything.
        values = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")
