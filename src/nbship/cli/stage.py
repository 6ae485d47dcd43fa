"""`nbship stage`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..execution.reporting import StageReport

__all__ = ["command"]


@click.command()
@click.argument("name", metavar="STAGE")
@click.option("--inputs", metavar="DIGEST", expose_value=False, help="Ignored: where it changes, DVC runs the stage.")
def command(name: str) -> None:
    """Run the notebook of one stage, even if it is up to date. dvc.yaml calls this command.

    \b
    Example:
        nbship stage train
    """
    from ..execution import run_named, stop_with_parents
    from ..project import load

    stop_with_parents(os.environ)
    run_named(load(), name, environ=os.environ, on_report=_show)


def _show(report: StageReport) -> None:
    from ..execution.reporting import describe

    if report.error:
        click.echo(describe(report, colour=sys.stderr.isatty()) + "\n", err=True)
    else:
        click.echo(f"{report.cells} cells in {report.seconds:.1f} s: {report.notebook}")
    if report.notice:
        click.echo(f"{report.stage}: {report.notice}")
