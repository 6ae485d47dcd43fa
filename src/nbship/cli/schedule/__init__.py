"""`nbship schedule`: list, run and export the schedules of a project."""

from __future__ import annotations

import click

from ..groups import SuggestingGroup
from .exporting import command as export_command
from .history import command as list_command
from .running import command as run_command

__all__ = ["command"]


@click.group(cls=SuggestingGroup)
def command() -> None:
    """List, run and export the schedules of nbship.yaml.

    \b
    Example:
        nbship schedule list
        nbship schedule run
    """


command.add_command(list_command, "list")
command.add_command(run_command, "run")
command.add_command(export_command, "export")
