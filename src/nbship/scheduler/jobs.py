"""Jobs: the schedules of a project, with the command of each run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from ..errors import ScheduleError
from ..pipeline.inspection import kernel_name, language_of, read_notebook
from ..project import Project, ScheduleSection, inherited_window
from ..text import did_you_mean
from .times import Times
from .windows import window_of

__all__ = ["Job", "find_job", "jobs_of", "time_name", "with_followers"]

# A module in the project's folder must not stand in for one of a library.
_PYTHON = (sys.executable, "-P", "-m")


@dataclass(frozen=True)
class Job:
    """A schedule of a project.

    Attributes
    ----------
    schedule
        Its settings. One that runs after another has the times and the window of that one.
    folder
        Where the outputs of runs are kept.
    followers
        The schedules that run after this one.
    """

    name: str
    schedule: ScheduleSection
    project: Project
    folder: Path
    followers: tuple[Job, ...] = field(default=(), repr=False)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which the times are read."""
        return ZoneInfo(self.schedule.timezone or self.project.settings.project.timezone)

    @cached_property
    def times(self) -> Times:
        """The times at which the job runs."""
        return Times(self.schedule.cron, self.zone)

    @property
    def key(self) -> str:
        """The name in a database, which several projects may share."""
        return f"{self.project.name}/{self.name}"

    @property
    def followed_key(self) -> str:
        """The name in a database of the schedule that it runs after; empty for one with times."""
        return f"{self.project.name}/{self.schedule.after}" if self.schedule.after else ""

    @property
    def rule(self) -> str:
        """What decides the times; another one begins when a scheduler first sees it."""
        if self.schedule.after:
            return f"after {self.schedule.after}"
        return f"{' '.join(self.schedule.cron.split())} {self.zone.key}"

    def window(self, scheduled: datetime) -> tuple[date, date] | None:
        """Return the first day of a run's window, and the first day after it."""
        return window_of(self.schedule, scheduled, self.project.timezone)

    def command(self, scheduled: datetime) -> list[str]:
        """Return the command of a run, the same for each attempt.

        Raises
        ------
        NotebookError
            If the notebook cannot be read.
        """
        arguments = [self._filled(each, scheduled) for each in self.schedule.arguments]
        window = self.window(scheduled)
        if self.schedule.job == "notebook":
            notebook, *others = arguments
            values = zip(("window_from", "window_to"), window or (), strict=False)
            words = [word for name, day in values for word in ("-r", name, day.isoformat())]
            output = self.folder / f"{time_name(scheduled)}.ipynb"
            path = self.project.root / notebook
            content = read_notebook(path, name=notebook)
            # Where a notebook does not name them, papermill needs them.
            kernel = ["--kernel", kernel_name(content) or "python3", "--language", language_of(content).name]
            options = ["--engine", "nbship", *kernel, "--no-progress-bar", "--cwd", str(path.parent)]
            return [*_PYTHON, "papermill", *options, str(path), str(output), *words, *others]
        if self.schedule.job in ("run", "data"):
            own = [str(self.project.root), self.name, self.schedule.branch]
            words = ["run"] if self.schedule.job == "run" else ["data", "fetch", *_window_options(window)]
            return [*_PYTHON, "nbship.scheduler.worktree", *own, *words, *arguments]
        if self.schedule.job == "monitor" and window:
            arguments = [*_window_options(window), *arguments]
        return [*_PYTHON, "nbship", self.schedule.job, *arguments]

    def environment(self, scheduled: datetime) -> Mapping[str, str]:
        """Return the variables by which a run knows its schedule, scheduled time and window."""
        window = self.window(scheduled)
        days = {"NBSHIP_WINDOW_FROM": str(window[0]), "NBSHIP_WINDOW_TO": str(window[1])} if window else {}
        after = {"NBSHIP_AFTER": self.schedule.after} if self.schedule.after else {}
        return {"NBSHIP_SCHEDULE": self.name, "NBSHIP_SCHEDULED_TIME": _shown(scheduled), **after, **days}

    def _filled(self, argument: str, scheduled: datetime) -> str:
        window = self.window(scheduled)
        values = {"scheduled": time_name(scheduled)}
        if window:
            values |= {"from": str(window[0]), "to": str(window[1])}
        for name, value in values.items():
            argument = argument.replace(f"{{{name}}}", value)
        return argument


def jobs_of(project: Project) -> list[Job]:
    """Return the schedules of a project, by name."""
    return [_job(project, name) for name in sorted(project.settings.schedules)]


def _job(project: Project, name: str) -> Job:
    schedules = project.settings.schedules
    timed = schedules[name]
    while timed.after:
        timed = schedules[timed.after]
    schedule = msgspec.structs.replace(
        schedules[name], cron=timed.cron, timezone=timed.timezone, window=inherited_window(name, schedules)
    )
    followers = tuple(_job(project, each) for each in sorted(schedules) if schedules[each].after == name)
    return Job(name, schedule, project, project.state / "schedules" / name, followers)


def find_job(project: Project, name: str) -> Job:
    """Return one schedule of a project.

    Raises
    ------
    ScheduleError
        If the project has no schedule of this name.
    """
    for job in jobs_of(project):
        if job.name == name:
            return job
    known = project.settings.schedules
    otherwise = f"It has: {', '.join(sorted(known))}." if known else "Add it below 'schedules' in nbship.yaml."
    raise ScheduleError(f"The project has no schedule '{name}'. {did_you_mean(name, known, otherwise=otherwise)}")


def with_followers(jobs: Iterable[Job]) -> list[Job]:
    """Return jobs, each with those that run after it, directly or not; none twice."""
    found: dict[str, Job] = {}
    for job in jobs:
        found |= {each.name: each for each in (job, *with_followers(job.followers))}
    return list(found.values())


def time_name(scheduled: datetime) -> str:
    """Return a scheduled time as a part of file names.

    >>> time_name(datetime(2026, 1, 5, 11, 30, tzinfo=UTC))
    '2026-01-05T113000Z'
    """
    return f"{scheduled.astimezone(UTC):%Y-%m-%dT%H%M%SZ}"


def _shown(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _window_options(window: tuple[date, date] | None) -> list[str]:
    return ["--from", str(window[0]), "--to", str(window[1])] if window else []
