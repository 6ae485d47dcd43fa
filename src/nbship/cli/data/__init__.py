"""`nbship data`: fetch windows of new data, and list them."""

from __future__ import annotations

import click

from ..groups import SuggestingGroup
from .fetching import command as fetch_command
from .held import command as list_command

__all__ = ["command"]


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Fetch windows of new data from the sources of nbship.yaml, and list them.

    \b
    Example:
        nbship data fetch orders --from 2026-01-05 --to 2026-01-12
        nbship data list
    """


command.add_command(fetch_command, "fetch")
command.add_command(list_command, "list")
