"""One stage of a run: up to date, restored, or run."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..dvcstore import DeclaredStage, Digests, DvcStore, Entry, dependency_digests
from ..errors import NbshipError
from ..pipeline import COPIES_STAGE, Pipeline, Plan, write_copies
from ..project import Project
from .kernels import RunParent
from .reporting import Progress, RunSummary, StageReport
from .stage import run_stage
from .stage_command import Marks, stage_inputs

__all__ = ["Work"]


@dataclass
class Work:
    """What the stages of one run share; called with a stage's name, from several threads.

    Attributes
    ----------
    parent
        Gives the process that kernels are forked from.
    slots
        As many as notebooks may run at a time; while one is recorded, the next may run.
    stopped
        Whether the run was interrupted, so that what ends now is nobody's failure.
    """

    project: Project
    pipeline: Pipeline
    plans: Mapping[str, Plan]
    declared: Mapping[str, DeclaredStage]
    store: DvcStore
    digests: Digests
    marks: Marks
    progress: Progress
    environ: Mapping[str, str]
    parent: RunParent
    slots: threading.Semaphore
    force: bool = False
    summary: RunSummary = field(default_factory=RunSummary)
    stopped: bool = False

    def is_current(self, name: str) -> bool:
        """Tell whether a stage, with all before it, has nothing to do; then it is done."""
        if self.force or not self.store.has(name):
            return False
        stage = self.declared[name]
        if not self.store.is_current(stage, self.store.inputs(stage)):
            return False
        self.summary.up_to_date.append(name)
        self.progress.current(name)
        return True

    def stop(self) -> None:
        """Make the notebooks that run end soon."""
        self.stopped = True
        self.parent.close()

    def copy_notebooks(self) -> None:
        """Bring the stage up to date that all others come after."""
        stage = self.declared[COPIES_STAGE]
        inputs = self.store.inputs(stage)
        if stage.always_runs or self.force or not self.store.is_current(stage, inputs):
            write_copies(self.project, self.pipeline)
        if not self.store.is_current(stage, inputs):
            self.store.record(stage, inputs)

    def __call__(self, name: str) -> bool:
        """Bring a stage up to date; tell whether it is now."""
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
                self.project, plan, digests=self.digests, marks=self.marks, before=dependency_digests(inputs)
            ),
            environ=self.environ,
            parent=self.parent() if plan.stage.is_python else None,
            stopped=lambda: self.stopped,
            on_cell=lambda cell, cells: self.progress.at(name, cell=cell, cells=cells),
            on_report=reports.append,
        )
