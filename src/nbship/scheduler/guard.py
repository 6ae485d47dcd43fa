"""The process between a scheduler and a job: it ends the job in time, keeps its output, and records how it ended.

The scheduler writes to its standard input until when the lease is valid. The job is stopped when that passes, when the
input ends (the scheduler was killed), after a time limit and on SIGTERM: by SIGTERM and, after a grace period, SIGKILL. How
the job ended is in a file before this process ends, so a scheduler that was killed meanwhile does not start it again::

    scheduler ══ lines of the lease ══► guard ──► job (a process group)
                                          └─────► <time>.<attempt>.json, <time>.log

Run as `python -m nbship.scheduler.guard SPEC`, with the JSON of a `GuardSpec`. It imports little: one runs for each job.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from ..atomic_write import create_private, write_whole
from .clocks import boot_seconds

__all__ = ["GuardSpec"]

_DIE_WITH_PARENT, _ADOPT_ORPHANS = 1, 36  # prctl(2)
_PAUSE_SECONDS = 0.5
_MOST_BYTES = 10_000_000


class GuardSpec(TypedDict):
    """What a guard is given: the job, its files, and its limits in seconds."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    log: str
    outcome: str
    timeout: float
    grace: float
    valid_until: float


class _Output:
    """A private file of bounded size: if it is full, its first half is removed."""

    def __init__(self, path: Path, *, most: int = _MOST_BYTES) -> None:
        create_private(path)
        self._file, self._most = path.open("r+b"), most
        self._file.seek(0, os.SEEK_END)

    def write(self, data: bytes) -> None:
        if self._file.tell() + len(data) > self._most:
            self._file.seek(max(self._file.tell() - self._most // 2, 0))
            rest = self._file.read()
            self._file.seek(0)
            self._file.truncate()
            self._file.write(b"[earlier output was removed]\n" + rest)
        self._file.write(data[-self._most // 2 :])
        self._file.flush()


class _Guarded:
    """A running job."""

    def __init__(self, spec: GuardSpec) -> None:
        self._spec, self._valid_until = spec, spec["valid_until"]
        self._why = ""
        self._stopped_at = 0.0
        self._output = _Output(Path(spec["log"]))
        self._began = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._process = subprocess.Popen(
            spec["command"], cwd=spec["folder"], env={**os.environ, **spec["environment"]}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_call(_DIE_WITH_PARENT, signal.SIGKILL),
        )  # fmt: skip
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        for handle in (0, self._pipe):
            os.set_blocking(handle, False)
            self._selector.register(handle, selectors.EVENT_READ)
        with contextlib.suppress(AttributeError, OSError):  # Linux
            self._selector.register(os.pidfd_open(self._process.pid), selectors.EVENT_READ)

    def stop(self, why: str) -> None:
        """End the job: SIGTERM now, SIGKILL later."""
        if not self._why:
            self._why, self._stopped_at = why, time.monotonic()
            self._signal(signal.SIGTERM)

    def wait(self) -> tuple[str, int]:
        """Return why the job ended, and its exit code."""
        while self._process.poll() is None:
            for key, _ in self._selector.select(_PAUSE_SECONDS):
                self._read(key.fd)
            now = time.monotonic()
            if boot_seconds() > self._valid_until:
                self.stop("the lease ended")
            elif 0 < self._spec["timeout"] < now - self._began:
                self.stop("the time limit")
            if self._why and now - self._stopped_at > self._spec["grace"]:
                self._signal(signal.SIGKILL)
        self._read(self._pipe)
        self._signal(signal.SIGKILL)  # what it left running
        _kill_orphans()
        code = self._process.returncode
        # A job that ended well has run, also if it was about to be stopped.
        return self._why if self._why and code else "exited", code

    def _read(self, handle: int) -> None:
        data = b""
        with contextlib.suppress(BlockingIOError):
            while handle in (0, self._pipe) and (data := os.read(handle, 1 << 16)):
                if handle:
                    self._output.write(data)
                else:
                    self._valid_until = float(data.split()[-1])
            if handle in (0, self._pipe) and not data and handle in self._selector.get_map():
                self._selector.unregister(handle)
                if not handle:
                    self.stop("the scheduler ended")

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _call(option: int, value: int) -> Any:
    """Return a function that calls prctl(2), for use after a fork; on other systems it does nothing."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    return (lambda: prctl(option, value, 0, 0, 0)) if prctl else (lambda: None)


def _kill_orphans() -> None:
    """End the processes that left the job's process group: as their parents ended, they are children of this process."""
    for _ in range(100):
        children = list(_children())
        if not children:
            return
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, 0)[0]:
                pass


def _children() -> Iterator[int]:
    with contextlib.suppress(OSError):
        for path in Path("/proc/self/task").glob("*/children"):
            yield from map(int, path.read_text(encoding="ascii").split())


def _main(spec: GuardSpec) -> None:
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.append(1))
    _call(_ADOPT_ORPHANS, 1)()
    try:
        job = _Guarded(spec)
    except OSError as error:
        outcome: dict[str, object] = {"why": "not started", "code": 127, "error": str(error)}
    else:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: job.stop("the scheduler was stopped"))
        if stopped:
            job.stop("the scheduler was stopped")
        why, code = job.wait()
        outcome = {"why": why, "code": code}
    write_whole(Path(spec["outcome"]), json.dumps(outcome), durable=True, mode=0o600)


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
