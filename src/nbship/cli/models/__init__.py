"""`nbship models`: the registry of models."""

from __future__ import annotations

import click

from ..groups import SuggestingGroup
from .changing import archive, pin, promote, register, rollback
from .comparing import compare
from .listing import list_command, search
from .mirroring import mirror
from .releasing import release
from .showing import show

__all__ = ["command"]


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Register, compare, promote and roll back models.

    The registry is annotated tags of the project's Git repository, in GTO's format: `MODEL@v1.2.0` is a version, and
    `MODEL#production#7` lets the alias `production` lead to one. The message of a tag records who, why, the package's digest
    and what the gate decided. Tags are never moved or deleted.

    \b
    Example:
        nbship models register --why "June too"
        nbship models promote late@v1.1.0 --why "better in every slice"
        nbship models rollback late --why "alert of 14:05"
    """


for each in (register, list_command, show, promote, rollback, release, compare, search, archive, pin, mirror):
    command.add_command(each)
