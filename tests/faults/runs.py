"""Runs in separate processes, to be killed at any time, and the checks after that."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import re
import signal
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from execution.graphs import executions, products
from waiting import wait_until

from nbship.errors import NbshipError
from nbship.execution.reporting.progress import PlainProgress
from nbship.execution.reporting.summary import raise_for
from nbship.execution.runner import run
from nbship.pipeline.file_index import index_at
from nbship.project import load

_CONTEXT = multiprocessing.get_context("fork")
_MARK = "NBSHIP_TESTED_RUN"


def run_project(root: Path, *, output: io.StringIO | None = None, **options: Any) -> list[str]:
    """Run in this process; return the printed lines."""
    output = output or io.StringIO()
    index_at.cache_clear()  # a new process would start with an empty cache
    raise_for(run(load(root), progress=PlainProgress(file=output), **options))
    return output.getvalue().splitlines()


@dataclass
class StartedRun:
    """A run in a separate process, marked so that its child processes can be recognised."""

    root: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.process = _CONTEXT.Process(target=self._run)
        self.process.start()

    def _run(self) -> None:
        os.environ[_MARK] = self.mark
        os.setsid()
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        self.before()
        run_project(self.root, **self.options)

    def alive(self) -> list[psutil.Process]:
        """Return the living processes of the run, itself first."""
        # The system shows the parent's environment for a fork, but the new one for programs that the fork starts.
        processes = [psutil.Process(self.process.pid)] if self.process.is_alive() else []
        return processes + [process for process in psutil.process_iter() if _is_marked(process, self.mark)]

    def leaves_no_process(self) -> bool:
        """Wait for the end of the run; return whether no process of it survives."""
        self.process.join()
        try:
            wait_until(lambda: not self.alive())
        except AssertionError:
            for process in self.alive():
                process.kill()
            return False
        return True


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(_MARK) == mark
    except psutil.Error:
        return False


def try_run(root: Path) -> str:
    """Run in this process; return the error of a failed run, empty after success."""
    try:
        run_project(root)
    except NbshipError as error:
        return str(error)
    return ""


def find_problems(root: Path, expected: Mapping[str, bytes]) -> str:
    """Return the problems after a complete run; empty if there are none."""
    actual = products(root)
    wrong = [name for name in {**actual, **expected} if actual.get(name) != expected.get(name)]
    damaged = [path for path in objects(root) if digest(path) != digest_in_name(path)]
    executions(root)
    error = try_run(root)
    repeated = executions(root)
    return "; ".join(
        text
        for text, bad in (
            (f"different products: {wrong}", wrong),
            (f"damaged in the cache: {damaged}", damaged),
            (f"ran again: {repeated}", repeated),
            (f"cannot run: {error}", error),
        )
        if bad
    )


def objects(root: Path) -> list[Path]:
    """Return the files of the cache."""
    return [path for path in (root / ".dvc/cache/files").rglob("*") if path.is_file()]


def digest(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def digest_in_name(path: Path) -> str:
    return (path.parent.name + path.name).removesuffix(".dir")


# Audit events of changes on disk; the hook is called before each change.
_CHANGES = re.compile(r"os\.(rename|remove|link|symlink|mkdir|rmdir|chmod)")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Failpoints:
    """Kills this process at the n-th change of a path that contains a string."""

    def __init__(self, at: int, *, of: str) -> None:
        self._of = of
        self._at = at
        self.count = 0

    def install(self) -> None:
        sys.addaudithook(self._count)

    def _count(self, event: str, arguments: tuple[Any, ...]) -> None:
        opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if not opens and not _CHANGES.fullmatch(event):
            return
        if not any(self._of in str(argument) for argument in arguments[:2]):
            return
        self.count += 1
        if self.count == self._at:
            if opens and arguments[2] & (os.O_TRUNC | os.O_CREAT):
                # The worst time for a kill is just after the file was emptied.
                self._at = 0
                with open(arguments[0], "wb"):  # noqa: PTH123
                    pass
            os.kill(os.getpid(), signal.SIGKILL)
