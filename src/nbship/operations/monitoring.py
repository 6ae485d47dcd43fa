"""Write the monitoring reports of windows: notebooks, pages, figures and JSON, each window's in one folder, atomically."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..atomic_write import remove_temporary, replacing_folder, write_whole
from ..errors import MonitoringError, NbshipError
from ..execution import run_in_order
from ..monitoring import (
    Window,
    end_of_today,
    last_whole_month,
    open_model_log,
    parse_window,
    read_report,
    read_signature,
)
from ..prediction_log import latest_event
from ..project import Project
from .cover_page import write_cover
from .freshness import is_current, mark, report_inputs
from .notebooks import Kernels
from .requirements import require_log, require_notebooks, require_package

__all__ = ["Monitored", "choose_window", "monitor", "monitor_windows"]

# A report that another process is writing is younger.
_ABANDONED_SECONDS = 86_400.0


@dataclass(frozen=True)
class Monitored:
    """A monitoring report on disk.

    Attributes
    ----------
    folder
        Holds `report.html`, the cover page; `report.json`; each notebook with its page; and `figures/`.
    report
        The content of `report.json`.
    current
        Whether the report was already there and its inputs had not changed.
    """

    folder: Path
    report: Mapping[str, Any]
    current: bool = False


def choose_window(
    project: Project, first: str | None, last: str | None, *, on_later: Callable[[str], None] = lambda _: None
) -> Window:
    """Return the window between two dates, or without them the last whole month of logged events up to today.

    Parameters
    ----------
    on_later
        Called with a sentence about events after today, which do not choose the window.

    Raises
    ------
    MonitoringError
        If the dates are not a window, or the log has no events up to today.
    """
    if first is not None and last is not None:
        return parse_window(first, last, zone=project.timezone)
    require_package(project)
    require_log(project)
    end = end_of_today(project.timezone)
    with open_model_log(project) as log:
        latest = latest_event(log, read_signature(project), before=end)
        very_last = log.last_event()
    if very_last is None:
        raise MonitoringError(
            "The prediction log holds no predictions yet. Predict with `nbship predict` or `nbship serve` first."
        )
    later = f"has predictions for events after today, up to {very_last:%Y-%m-%d}"
    if latest is None:
        raise MonitoringError(f"The prediction log {later}, and none before. Choose a window with --from and --to.")
    if very_last >= end:
        on_later(f"The prediction log {later}. They do not choose the window: name one with --from and --to.")
    return last_whole_month(latest, zone=project.timezone)


def monitor(
    project: Project,
    window: Window,
    *,
    force: bool = False,
    jobs: int | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> Monitored:
    """Compute the report of a window, execute the monitoring notebooks, and leave both in the project's state.

    An earlier report of the same window is replaced, unless its inputs have not changed (`force` replaces it anyway).
    A run that fails leaves the earlier report in place; without one, what was computed is published although a notebook failed.

    Parameters
    ----------
    jobs
        The maximum number of notebooks that run at a time (None: the number of CPUs).
    on_step
        Called with the name of each notebook when it ran, and first with 'report'; in threads.

    Raises
    ------
    MonitoringError
        If there is no package, no log, or no prediction in the window.
    NotebookError
        If a notebook is missing or has no parameters `window_from`, `window_to` and `product`.
    CellError, DeadKernelError
        If a notebook fails. Its outputs are kept in `.nbship/scratch/monitor/`.
    """
    found: list[Monitored | NbshipError] = []
    monitor_windows(
        project, [window], force=force, jobs=jobs, on_step=on_step, on_done=lambda _, done: found.append(done)
    )
    if isinstance(found[0], NbshipError):
        raise found[0]
    return found[0]


def monitor_windows(
    project: Project,
    windows: Sequence[Window],
    *,
    on_done: Callable[[Window, Monitored | NbshipError], None],
    force: bool = False,
    jobs: int | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> None:
    """Write the reports of several windows, as `monitor` does.

    Reports are computed one after the other, because each is compared with the earlier ones; notebooks run beside that,
    those of several windows at a time. The result does not depend on `jobs`.

    Parameters
    ----------
    windows
        The windows, oldest first.
    on_done
        Called for each window in their order, with its report or why there is none; in threads.

    Raises
    ------
    NbshipError
        For a mistake that concerns all windows: no package, no log, a missing notebook.
    """
    require_package(project)
    require_log(project)
    require_notebooks(project)
    remove_temporary((project.reports / window.name for window in windows), age=_ABANDONED_SECONDS)
    with tempfile.TemporaryDirectory(prefix="nbship-") as computed, ExitStack() as stack:
        run = _Run(project, Path(computed), stack, force=force, on_step=on_step, on_done=on_done)
        tasks = run.tasks(windows)
        # Pages are rendered in this process, while notebooks run in others.
        run_in_order(tasks, run, jobs=jobs or _cpus() + 1, stop=run.stop)


def _cpus() -> int:
    # Not macOS.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class _Draft:
    """A report that is being written: its temporary folder is open until it is closed or fails."""

    window: Window
    target: Path
    files: ExitStack = field(default_factory=ExitStack)
    folder: Path = Path("nowhere")
    inputs: str = ""
    result: Monitored | NbshipError | None = None

    def fail(self, error: BaseException) -> None:
        """Remove the temporary folder."""
        self.files.__exit__(type(error), error, error.__traceback__)


class _Run:
    """The tasks of writing reports: `(window, None)` computes, `(window, notebook)` executes, `(window, "")` finishes."""

    def __init__(
        self,
        project: Project,
        computed: Path,
        stack: ExitStack,
        *,
        force: bool,
        on_step: Callable[[str], None],
        on_done: Callable[[Window, Monitored | NbshipError], None],
    ) -> None:
        self._project, self._computed, self._stack, self._force = project, computed, stack, force
        self._on_step, self._on_done = on_step, on_done
        self._drafts: dict[str, _Draft] = {}
        stack.callback(self._abandon)

    def tasks(self, windows: Sequence[Window]) -> dict[str, list[str]]:
        """Return the tasks, each with those that come before."""
        tasks: dict[str, list[str]] = {}
        before: list[str] = []
        for window in windows:
            name = window.name
            self._drafts[name] = _Draft(window, self._project.reports / name)
            tasks[f"{name} compute"] = [f"{one} compute" for one in before]
            notebooks = [f"{name} {each}" for each in self._project.settings.monitoring.notebooks]
            tasks |= {each: [f"{name} compute"] for each in notebooks}
            tasks[f"{name} finish"] = [f"{name} compute", *notebooks, *(f"{one} finish" for one in before)]
            before = [name]
        return tasks

    def __call__(self, task: str) -> bool:
        name, _, step = task.partition(" ")
        draft = self._drafts[name]
        if step == "finish":
            self._finish(draft)
        elif draft.result is None:
            try:
                if step == "compute":
                    self._compute(draft)
                else:
                    self._kernels.render(step, draft.window, draft.folder)
                    self._on_step(Path(step).name)
            except NbshipError as error:
                draft.result = draft.result or error
        return True

    def stop(self) -> None:
        """End what runs."""
        self._kernels.close()

    @cached_property
    def _kernels(self) -> Kernels:
        kernels = Kernels(self._project)
        self._stack.callback(kernels.close)
        return kernels

    def _compute(self, draft: _Draft) -> None:
        if self._force:
            # The libraries are imported while the entries of the log are counted.
            self._kernels  # noqa: B018
        draft.inputs = report_inputs(self._project, draft.window, also=self._computed)
        if not self._force and is_current(self._project, draft.target, draft.inputs):
            draft.result = Monitored(draft.target, read_report(draft.target / "report.json"), current=True)
            return
        path = self._computed / draft.window.name / "report.json"
        self._kernels.compute(draft.window, path, also=self._computed)
        draft.folder = draft.files.enter_context(replacing_folder(draft.target))
        self._copy_report(draft)
        self._on_step("report")

    def _copy_report(self, draft: _Draft) -> None:
        content = (self._computed / draft.window.name / "report.json").read_bytes()
        write_whole(draft.folder / "report.json", content, durable=True, mode=0o600)

    def _finish(self, draft: _Draft) -> None:
        if draft.folder.is_dir():
            # A notebook may have written another file in its place.
            self._copy_report(draft)
        if draft.result is None:
            write_cover(self._project, draft.folder)
            draft.files.close()
            mark(self._project, draft.target, draft.inputs)
            draft.result = Monitored(draft.target, read_report(draft.target / "report.json"))
        elif isinstance(draft.result, NbshipError):
            self._publish_report(draft, draft.result)
        self._on_done(draft.window, draft.result)

    def _publish_report(self, draft: _Draft, error: NbshipError) -> None:
        """Publish what was computed although a notebook failed, unless there is an earlier report: a display hides no finding."""
        if not (draft.folder / "report.json").is_file() or draft.target.exists():
            draft.fail(error)
            return
        write_cover(self._project, draft.folder)
        draft.files.close()

    def _abandon(self) -> None:
        """Remove the temporary folders of reports that were not finished."""
        for draft in self._drafts.values():
            draft.fail(KeyboardInterrupt())
