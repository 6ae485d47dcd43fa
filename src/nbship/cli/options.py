"""Options that several commands have."""

from __future__ import annotations

import click

__all__ = ["model_option"]

model_option = click.option(
    "--model", metavar="NAME", envvar="NBSHIP_MODEL", help="The model, where the project has several."
)
