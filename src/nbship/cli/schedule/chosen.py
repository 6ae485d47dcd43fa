"""The schedules that a command is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import ScheduleError

if TYPE_CHECKING:
    from ...project import Project
    from ...scheduler import Job

__all__ = ["chosen_jobs"]


def chosen_jobs(project: Project, names: Sequence[str]) -> list[Job]:
    """Return the named schedules of a project, or all of them.

    Raises
    ------
    ScheduleError
        If the project has no such schedule, or none at all; without cronsim.
    """
    try:
        from ...scheduler import find_job, jobs_of
    except ImportError as error:
        raise ScheduleError("Schedules need cronsim. Install it: pip install 'nbship[watch]'.") from error

    jobs = [find_job(project, name) for name in dict.fromkeys(names)] if names else jobs_of(project)
    if not jobs:
        raise ScheduleError(
            "The project has no schedules. Add some below 'schedules' in nbship.yaml, such as "
            "`weekly-report: {job: monitor, cron: '0 6 * * MON', window: week}`."
        )
    return jobs
