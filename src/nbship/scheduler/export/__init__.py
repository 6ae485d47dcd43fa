"""Files for other schedulers, which then run `nbship schedule run` at the times of the schedules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...errors import ScheduleError
from ..jobs import Job
from .airflow import airflow_files
from .crontab import crontab_files
from .github import github_files
from .gitlab import gitlab_files
from .host import Host
from .kubernetes import kubernetes_files
from .systemd import systemd_files

__all__ = ["FORMATS", "Host", "export_files"]

FORMATS: Mapping[str, Callable[[Sequence[Job], Host], Mapping[str, str]]] = {
    "cron": crontab_files,
    "systemd": systemd_files,
    "github": github_files,
    "gitlab": gitlab_files,
    "kubernetes": kubernetes_files,
    "airflow": airflow_files,
}


def export_files(kind: str, jobs: Sequence[Job], host: Host) -> Mapping[str, str]:
    """Return the names and contents of the files for another scheduler.

    Raises
    ------
    ScheduleError
        If it cannot express the times of a schedule, or none has times.
    """
    timed = [job for job in jobs if not job.schedule.after]
    if not timed:
        raise ScheduleError(
            f"The schedule '{jobs[0].name}' has no times to export: it runs after '{jobs[0].schedule.after}'. Export that one, whose command runs both."
        )
    return FORMATS[kind](timed, host)
