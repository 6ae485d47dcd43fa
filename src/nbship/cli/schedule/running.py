"""`nbship schedule run`."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ...errors import ScheduleError
from .chosen import chosen_jobs

if TYPE_CHECKING:
    from ...scheduler import Job

__all__ = ["command"]


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--once", is_flag=True, help="Run what is due now, and exit; for cron.")
@click.option(
    "--time",
    metavar="TIME",
    help="Run one schedule for its last time at or before this one, or before now ('last'), and exit.",
)
@click.option("--lease", metavar="SECONDS", type=click.FloatRange(6, 3600), default=120.0, show_default=True,
              help="Seconds after which another scheduler takes over the runs of a killed one.")  # fmt: skip
def command(names: tuple[str, ...], once: bool, time: str | None, lease: float) -> None:
    """Run the schedules, as a service until SIGTERM, or once.

    Several schedulers may run at the same time; each run is done by one of them. The output of a run is in
    .nbship/state/schedules/<name>/. A run whose scheduler was killed is repeated, with the same scheduled time and
    window; one that has ended is not. --once and --time also run the schedules that come after these. Exits with code 1 if a run failed (--once, --time).

    \b
    Example:
        nbship schedule run
        nbship schedule run --once
        nbship schedule run weekly-report --time last
    """
    from ... import scheduler
    from ...project import load

    if once and time:
        raise click.UsageError("Give either --once or --time.")
    if time and len(names) != 1:
        raise click.UsageError("Give the name of one schedule with --time.")
    project = load()
    jobs = chosen_jobs(project, names)
    store = scheduler.Store(scheduler.open_database(project), lease=lease)
    if once or time:
        # Whatever starts this command knows nothing of the schedules that run after these.
        jobs = scheduler.with_followers(jobs)
    service = scheduler.Service(jobs[1:] if time else jobs, store, tell=_tell)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    if time:
        service.once()  # from now on, they follow
        service.run_at(jobs[0], _scheduled(jobs[0], time))
        service.once()
    elif once:
        service.once()
    else:
        click.echo(
            f"Running {len(jobs)} schedule{'s' if len(jobs) > 1 else ''}. Stop with Ctrl-C or SIGTERM.", err=True
        )
        service.serve()
    if (once or time) and service.failed:
        raise SystemExit(1)


def _scheduled(job: Job, time: str) -> datetime:
    if time == "last":
        found = job.times.before(datetime.now(UTC))
        if found is None:
            raise ScheduleError(f"The schedule '{job.name}' has no time before now. Give a time with --time.")
        return found
    try:
        instant = datetime.fromisoformat(time)
    except ValueError as error:
        raise click.UsageError(f"'{time}' is not a time. Write it such as '2026-01-05T06:00', or 'last'.") from error
    found = job.times.before((instant if instant.tzinfo else instant.replace(tzinfo=job.zone)).astimezone(UTC))
    if found is None:
        raise ScheduleError(f"The schedule '{job.name}' has no time at or before '{time}'. Give a later one.")
    return found


def _tell(sentence: str) -> None:
    click.echo(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {sentence}", err=True)
