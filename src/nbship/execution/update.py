"""Update one stage of a run: it is current, restored from the cache, or executed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..dvcstore import DeclaredStage, Digests, DvcStore, Entry, dependency_digests
from ..errors import NbshipError
from ..pipeline import COPIES_STAGE, Pipeline, Plan, write_copies
from ..project import Project
from .kernels import RunForkServer
from .reporting import Progress, RunSummary, StageReport
from .stage import run_stage
from .stage_command import SettingsSnapshot, stage_inputs

__all__ = ["StageUpdater"]


@dataclass
class StageUpdater:
    """Updates the stages of one run; called with a stage's name, from several threads.

    Attributes
    ----------
    fork_server
        Returns the server that kernels are forked from.
    slots
        Limits the notebooks that run at a time. With one slot and two threads, `b` runs while `a` is recorded.
    stopped
        Whether the run was interrupted; stages that end after that are not reported as failed.
    """

    project: Project
    pipeline: Pipeline
    plans: Mapping[str, Plan]
    declared: Mapping[str, DeclaredStage]
    store: DvcStore
    digests: Digests
    settings_snapshot: SettingsSnapshot
    progress: Progress
    environ: Mapping[str, str]
    fork_server: RunForkServer
    slots: threading.Semaphore
    force: bool = False
    summary: RunSummary = field(default_factory=RunSummary)
    stopped: bool = False

    def is_current(self, name: str) -> bool:
        """Return whether a stage is current, and report it if so; its upstream stages must be current."""
        if self.force or not self.store.has(name):
            return False
        stage = self.declared[name]
        if not self.store.is_current(stage, self.store.inputs(stage)):
            return False
        self.summary.up_to_date.append(name)
        self.progress.up_to_date(name)
        return True

    def stop(self) -> None:
        """End the running notebooks."""
        self.stopped = True
        self.fork_server.close()

    def copy_notebooks(self) -> None:
        """Update the stage `notebooks`, which is upstream of all others."""
        stage = self.declared[COPIES_STAGE]
        inputs = self.store.inputs(stage)
        if stage.always_runs or self.force or not self.store.is_current(stage, inputs):
            write_copies(self.project, self.pipeline)
        if not self.store.is_current(stage, inputs):
            self.store.record(stage, inputs)

    def __call__(self, name: str) -> bool:
        """Update a stage; return whether it succeeded."""
        if self.is_current(name):
            return True
        stage = self.declared[name]
        if not self.force and self.store.restore(stage, self.store.inputs(stage)):
            self.summary.restored.append(name)
            self.progress.restored(name)
            return True
        return self._run(stage)

    def _run(self, stage: DeclaredStage) -> bool:
        reports: list[StageReport] = []
        try:
            with self.slots:
                self.progress.started(stage.name)
                inputs = self.store.inputs(stage)
                self._execute(stage.name, inputs, reports)
            self.store.record(stage, inputs)
        except (NbshipError, OSError) as error:
            failed = StageReport(stage=stage.name, seconds=0.0, error=type(error).__name__, message=str(error))
            reports = [report for report in reports if report.error] or [failed]
        if self.stopped:
            return False
        self.summary.ran.append(reports[-1])
        self.progress.finished(reports[-1])
        if reports[-1].notice:
            self.progress.note(f"{stage.name}: {reports[-1].notice}")
        return not reports[-1].error

    def _execute(self, name: str, inputs: Entry, reports: list[StageReport]) -> None:
        plan = self.plans[name]
        run_stage(
            self.project,
            plan.stage,
            pipeline=self.pipeline,
            inputs=stage_inputs(
                self.project,
                plan,
                digests=self.digests,
                settings_snapshot=self.settings_snapshot,
                before=dependency_digests(inputs),
            ),
            environ=self.environ,
            fork_server=self.fork_server() if plan.stage.is_python else None,
            stopped=lambda: self.stopped,
            on_cell=lambda cell, cells: self.progress.cell_started(name, cell=cell, cells=cells),
            on_report=reports.append,
        )
