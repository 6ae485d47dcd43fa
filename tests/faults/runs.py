"""Runs in processes of their own, to be killed at any moment; and what must be true afterwards."""

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


def bring(root: Path, *, told: io.StringIO | None = None, **options: Any) -> list[str]:
    """Run in this process; return what was said."""
    told = told or io.StringIO()
    index_at.cache_clear()  # as a process of its own begins
    raise_for(run(load(root), progress=PlainProgress(file=told), **options))
    return told.getvalue().splitlines()


@dataclass
class Started:
    """A run in a process of its own, which all that it starts can be told from others by."""

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
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
        self.before()
        bring(self.root, **self.options)

    def alive(self) -> list[psutil.Process]:
        """Return all processes of the run that live, itself first."""
        # A forked process is not seen to have another environment than its parent, but its programs are.
        own = [psutil.Process(self.process.pid)] if self.process.is_alive() else []
        return own + [process for process in psutil.process_iter() if _is_marked(process, self.mark)]

    def ends_wholly(self) -> bool:
        """Tell whether no process of the run is alive soon after it has ended."""
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


def tried(root: Path) -> str:
    """Run in this process; return the error that ended the run, if one did."""
    try:
        bring(root)
    except NbshipError as error:
        return str(error)
    return ""


def is_whole(root: Path, expected: Mapping[str, bytes]) -> str:
    """Say what is not as it should be after a run went to its end; nothing if all is."""
    found = products(root)
    wrong = [name for name in {**found, **expected} if found.get(name) != expected.get(name)]
    damaged = [path for path in objects(root) if digest(path) != name_of(path)]
    executions(root)
    error = tried(root)
    again = executions(root)
    return "; ".join(
        text
        for text, bad in (
            (f"other than expected: {wrong}", wrong),
            (f"damaged in the cache: {damaged}", damaged),
            (f"ran again: {again}", again),
            (f"cannot run: {error}", error),
        )
        if bad
    )


def objects(root: Path) -> list[Path]:
    """Return the files of the cache."""
    return [path for path in (root / ".dvc/cache/files").rglob("*") if path.is_file()]


def digest(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def name_of(path: Path) -> str:
    return (path.parent.name + path.name).removesuffix(".dir")


# What changes something on disk; the hook is asked before it is done.
_CHANGES = re.compile(r"os\.(rename|remove|link|symlink|mkdir|rmdir|chmod)")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Failpoints:
    """Kills this process at the k-th change of a path that holds a text."""

    def __init__(self, at: int, *, of: str) -> None:
        self._of = of
        self._at = at
        self.count = 0

    def install(self) -> None:
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if not opens and not _CHANGES.fullmatch(event):
            return
        if not any(self._of in str(argument) for argument in arguments[:2]):
            return
        self.count += 1
        if self.count == self._at:
            if opens and arguments[2] & (os.O_TRUNC | os.O_CREAT):
                # The worst moment of a write is the one after the file was emptied.
                self._at = 0
                with open(arguments[0], "wb"):  # noqa: PTH123
                    pass
            os.kill(os.getpid(), signal.SIGKILL)
