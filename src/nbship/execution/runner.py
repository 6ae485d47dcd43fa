"""`nbship run`: what changed runs, through DVC, and what happens is told."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import GateError, PipelineError, SourceError, StageError
from ..pipeline import COPIES_STAGE, read_pipeline
from ..pipeline.sync import sync
from ..project import Project, load
from .environment import with_own_programs
from .overrides import set_params
from .progress import Progress, choose_progress
from .report import StageReport, read_progress, read_report
from .repository import prepare_repository

__all__ = ["RunSummary", "raise_for", "reproduce", "run"]

_RUNNING = re.compile(r"Running stage '(?:[^']*:)?([^']+)':")
_UNCHANGED = re.compile(r"Stage '(?:[^']*:)?([^']+)' didn't change")
_RESTORED = re.compile(r"Stage '(?:[^']*:)?([^']+)' is cached")
_LOCKED = ("Unable to acquire lock", "is busy, it is being blocked by")
_TICK, _PATIENCE = 0.2, 1.0


@dataclass
class RunSummary:
    """What a run did.

    Attributes
    ----------
    ran
        Reports of the stages whose notebooks ran, in order; the last one may have failed.
    restored
        Stages whose results came from DVC's run cache.
    up_to_date
        Stages that had nothing to do.
    """

    ran: list[StageReport] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    up_to_date: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> StageReport | None:
        """The report of the stage that failed, if one did."""
        return next((report for report in self.ran if report.error), None)


def run(
    project: Project, stages: Sequence[str] = (), *, assignments: Sequence[str] = (), force: bool = False
) -> RunSummary:
    """Bring stages (none: all) and those before them up to date.

    Parameters
    ----------
    assignments
        `key=value`, written to `params.yaml` first.

    Raises
    ------
    NbshipError
        For a mistake in the project's files, an unknown stage, or when DVC stops. A stage that fails is
        in the summary; `raise_for` raises for it.
    """
    set_params(project.root / "params.yaml", assignments)
    project = load(project.root)
    for name in stages:
        read_pipeline(project)[name]
    prepare_repository(project.root)
    edits = sync(project).edits
    names = list(read_pipeline(project).stages)
    progress = choose_progress(names)
    for edit in edits:
        progress.note(
            f"{edit}. The pipeline runs with params.yaml; `nbship sync --from-notebook` keeps the notebook's."
        )
    try:
        return reproduce(project, stages, hidden=[COPIES_STAGE], force=force, progress=progress)
    except PipelineError as error:
        _refuse_missing(project, error)
        raise


def reproduce(
    project: Project,
    targets: Sequence[str],
    *,
    hidden: Sequence[str] = (),
    force: bool = False,
    progress: Progress,
) -> RunSummary:
    """Bring the targets (none: all stages) up to date, waiting while another DVC command has the lock.

    A stage that fails is in the summary; `refuse_failure` raises for it.

    Parameters
    ----------
    hidden
        Stages that are not worth a line.

    Raises
    ------
    PipelineError
        If DVC stops for another reason than a stage that failed.
    """
    began = time.monotonic()
    command = [sys.executable, "-m", "dvc", "repro", *(["--force"] if force else []), *targets]
    waited = False
    while True:
        with tempfile.TemporaryDirectory(prefix="nbship-run-") as folder:
            attempt = _Attempt(project.root, Path(folder), hidden=hidden, progress=progress)
            status = attempt(command)
        summary = attempt.summary
        summary.seconds = time.monotonic() - began
        if status == 0 or summary.failed:
            return summary
        if not any(words in line for line in attempt.tail for words in _LOCKED):
            raise PipelineError(_reason(attempt.tail))
        if not waited:
            progress.note("Another DVC command is at work here. Waiting for it to end.")
            waited = True
        time.sleep(_PATIENCE)


def raise_for(summary: RunSummary) -> None:
    """Raise the error of the stage that failed, if one did.

    Raises
    ------
    GateError, StageError
        As the stage's own process raised it.
    """
    if failed := summary.failed:
        raise (GateError if failed.error == "GateError" else StageError)(failed.message)


class _Attempt:
    """One call of `dvc repro`."""

    def __init__(self, root: Path, folder: Path, *, hidden: Sequence[str], progress: Progress) -> None:
        self._root = root
        self._folder = folder
        self._hidden = hidden
        self._progress = progress
        self._current = ""
        self.summary = RunSummary()
        self.tail: deque[str] = deque(maxlen=40)

    def __call__(self, command: Sequence[str]) -> int:
        process = subprocess.Popen(
            command,
            cwd=self._root,
            env=_environment(self._folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_read, args=(process, lines), daemon=True).start()
        try:
            self._follow(lines)
            return process.wait()
        except BaseException:
            _stop(process)
            raise
        finally:
            self._progress.close()

    def _follow(self, lines: queue.Queue[str | None]) -> None:
        while True:
            try:
                line = lines.get(timeout=_TICK)
            except queue.Empty:
                self._tick()
                continue
            if line is None:
                self._finish()
                return
            self._take(line)

    def _take(self, line: str) -> None:
        self.tail.append(line)
        if found := _RUNNING.search(line):
            self._finish()
            self._current = found[1]
            if found[1] not in self._hidden:
                self._progress.started(found[1])
        elif found := _UNCHANGED.search(line):
            self._skip(found[1], "up to date", self.summary.up_to_date)
        elif found := _RESTORED.search(line):
            self._skip(found[1], "restored from an earlier run", self.summary.restored)

    def _skip(self, stage: str, reason: str, listed: list[str]) -> None:
        self._finish()
        if stage not in self._hidden:
            listed.append(stage)
            self._progress.skipped(stage, reason)

    def _tick(self) -> None:
        if self._current and self._current not in self._hidden:
            if read_report(self._folder, self._current):
                self._finish()
                return
            at = read_progress(self._folder, self._current)
            self._progress.at(self._current, cell=at.get("cell", 0), cells=at.get("cells", 0))

    def _finish(self) -> None:
        report = read_report(self._folder, self._current) if self._current else None
        if report and (report.error or self._current not in self._hidden):
            self.summary.ran.append(report)
            self._progress.finished(report)
        self._current = ""


def _environment(folder: Path) -> Mapping[str, str]:
    environ = with_own_programs(os.environ)
    # DVC runs commands with the user's shell; the plain one is everywhere.
    return {**environ, "NBSHIP_REPORT": str(folder), "DVC_NO_ANALYTICS": "1", "SHELL": "/bin/sh"}


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout
    with process.stdout as output:
        for line in output:
            lines.put(line.rstrip("\n"))
    lines.put(None)


def _stop(process: subprocess.Popen[str]) -> None:
    """End DVC, its shell and the stage; the stage ends its kernel."""
    for number, seconds in ((signal.SIGINT, 10), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=seconds)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _refuse_missing(project: Project, cause: PipelineError) -> None:
    for stage in read_pipeline(project).stages.values():
        for path in stage.resources.values():
            if not (project.root / path).exists():
                raise SourceError(
                    f"Stage '{stage.name}' reads '{path}', which is not there. Bring it with `dvc pull`, or by the project's own install step."
                ) from cause


def _reason(tail: Sequence[str]) -> str:
    errors = [line.removeprefix("ERROR: ") for line in tail if line.startswith("ERROR: ")]
    said = "; ".join(errors) or "; ".join(list(tail)[-3:]) or "it said nothing"
    return f"DVC stopped: {said}. `dvc repro` shows the whole of it."
