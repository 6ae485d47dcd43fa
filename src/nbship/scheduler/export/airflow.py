"""A DAG file of Airflow 3 for each schedule. It imports nothing of nbship."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ...pipeline import read_pipeline
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
{tasks}'''


_TASK = """\
    {variable} = BashOperator(
        task_id={task!r},
        bash_command={command},
        cwd={root!r},
        execution_timeout={limit},
        append_env=True,
    )
"""


def airflow_files(jobs: Sequence[Job], host: Host) -> Mapping[str, str]:
    """Return a DAG file for each schedule; with `host.stages`, a task for each stage of those that run the pipeline."""
    return {
        f"nbship_{job.name.replace('-', '_')}.py": _DAG.format(
            header=HEADER,
            name=job.name,
            id=identifier(job),
            cron=job.schedule.cron,
            zone=job.zone.key,
            catchup=job.schedule.catch_up == "all",
            tasks="".join(
                _stages(job, host) if host.stages and job.schedule.job == "run" else [_all_in_one(job, host)]
            ),
        )
        for job in jobs
    }


def _all_in_one(job: Job, host: Host) -> str:
    command = f"{host.command('schedule', 'run', job.name)!r} + f\" --time '{{TIME}}'\""
    return _task("run", job.schedule.job, command, job, host)


def _stages(job: Job, host: Host) -> Iterator[str]:
    """Yield a task for each stage of the pipeline, and their order."""
    stages = list(read_pipeline(job.project).stages.values())
    numbers = {stage.name: number for number, stage in enumerate(stages)}
    for stage in stages:
        yield _task(f"stage_{numbers[stage.name]}", stage.name, repr(host.command("run", stage.name)), job, host)
    for stage in stages:
        for name in stage.upstream:
            yield f"    stage_{numbers[name]} >> stage_{numbers[stage.name]}\n"


def _task(variable: str, name: str, command: str, job: Job, host: Host) -> str:
    limit = f"timedelta(seconds={seconds_of(job)})" if seconds_of(job) else None
    task = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return _TASK.format(variable=variable, task=task, command=command, root=host.root, limit=limit)
