"""A DAG file of Airflow 3 for each schedule. It imports nothing of nbship."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..jobs import Job
from .host import HEADER, Host, identifier, seconds_of

__all__ = ["airflow_files"]

_DAG = '''\
# {header}
"""The nbship schedule {name}."""

from datetime import timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.timetables.trigger import CronTriggerTimetable

# nbship records the run under its scheduled time: repeating a task that has ended does nothing.
TIME = "{{{{ (dag_run.logical_date or dag_run.run_after).isoformat() }}}}"

with DAG(
    dag_id={id!r},
    schedule=CronTriggerTimetable({cron!r}, timezone={zone!r}),
    catchup={catchup},
    max_active_runs=1,
    tags=["nbship"],
) as dag:
    BashOperator(
        task_id={task!r},
        bash_command={command!r} + f" --time '{{TIME}}'",
        cwd={root!r},
        execution_timeout={limit},
        append_env=True,
    )
'''


def airflow_files(jobs: Sequence[Job], host: Host) -> Mapping[str, str]:
    """Return a DAG file for each schedule."""
    return {
        f"nbship_{job.name.replace('-', '_')}.py": _DAG.format(
            header=HEADER,
            name=job.name,
            id=identifier(job),
            cron=job.schedule.cron,
            zone=job.zone.key,
            catchup=job.schedule.catch_up == "all",
            task=job.schedule.job,
            command=host.command("schedule", "run", job.name),
            root=host.root,
            limit=f"timedelta(seconds={seconds_of(job)})" if seconds_of(job) else None,
        )
        for job in jobs
    }
