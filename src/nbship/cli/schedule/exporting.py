"""`nbship schedule export`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .chosen import chosen_jobs

__all__ = ["command"]

_FORMATS = ("cron", "systemd", "github", "gitlab", "kubernetes", "airflow")


@click.command("export")
@click.argument("kind", metavar="FORMAT", type=click.Choice(_FORMATS))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the files there.  [default: print the only one]",
)
@click.option("--root", metavar="FOLDER", help="The project's folder on the host.  [default: this one]")
@click.option(
    "--python", metavar="PATH", default=sys.executable, help="The Python interpreter on the host.  [default: this one]"
)
@click.option(
    "--image", metavar="IMAGE", default="", help="The container image with the project, for kubernetes and gitlab."
)
@click.option("--stages", is_flag=True, help="For airflow: a task for each stage, of schedules that run the pipeline.")
@click.option("--host-timezone", metavar="ZONE", help="The time zone of the host's cron.  [default: this machine's]")  # fmt: skip
def command(
    kind: str, names: tuple[str, ...], output: Path | None, root: str | None, python: str, image: str, host_timezone: str | None,
    stages: bool,
) -> None:  # fmt: skip
    """Write the schedules as files for another scheduler.

    FORMAT is cron (a crontab), systemd (timers), github (workflows of Actions), gitlab (jobs to include), kubernetes
    (CronJobs) or airflow (DAGs of Airflow 3, which import nothing of nbship). They call `nbship schedule run`, which
    records the history, runs each scheduled time once, and catches up.

    \b
    Example:
        nbship schedule export cron | crontab -
        nbship schedule export systemd weekly-report --output ~/.config/systemd/user
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from ...atomic_write import write_if_changed
    from ...project import load

    project = load()
    jobs = chosen_jobs(project, names)
    from ...scheduler import Host, export_files

    zone = host_timezone or _zone_of_this_machine()
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise click.UsageError(f"'{zone}' is not a time zone. Give an IANA name such as 'Europe/Berlin'.") from error
    host = Host(root or str(project.root), python=python, image=image, timezone=zone, stages=stages)
    files = export_files(kind, jobs, host)
    if output is None:
        if len(files) > 1:
            raise click.UsageError(f"These are {len(files)} files. Give a folder for them with --output.")
        click.echo(next(iter(files.values())), nl=False)
        return
    for name, content in files.items():
        path = output / name
        write_if_changed(path, content)
        click.echo(path)


def _zone_of_this_machine() -> str:
    """Return the name of the zone of this machine: that which /etc/localtime links to."""
    _, found, name = str(Path("/etc/localtime").resolve()).partition("/zoneinfo/")
    return name if found else "UTC"
