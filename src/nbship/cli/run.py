"""`nbship run`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .gate_warning import no_gate, ungated

if TYPE_CHECKING:
    from ..execution.reporting import RunSummary

__all__ = ["command"]


@click.command()
@click.argument("stages", metavar="[STAGE]...", nargs=-1)
@click.option("-f", "--force", is_flag=True, help="Run the notebooks even if nothing changed.")
@click.option(
    "-S", "--set", "assignments", metavar="KEY=VALUE", multiple=True, help="Write a value to params.yaml first."
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of notebooks to run at a time.",
)
def command(stages: tuple[str, ...], force: bool, assignments: tuple[str, ...], jobs: int) -> None:
    """Run what changed: notebooks, in order, to a model package.

    STAGE is a stage to run, after the stages before it (default: all stages). Stages that are up to date are
    skipped. Exits with code 0 if all stages succeeded, 1 if a stage failed, 3 if the gate rejected the model.

    \b
    Example:
        nbship run
        nbship run -j 2
        nbship run train -S train.seed=7
    """
    if not force and not assignments and _is_done(stages):
        return
    from ..execution import run, stop_with_parents
    from ..execution.reporting import describe, raise_for
    from ..project import load

    stop_with_parents({})
    try:
        project = load()
        summary = run(project, stages, assignments=assignments, force=force, jobs=jobs)
    except KeyboardInterrupt:
        click.echo("nbship: Stopped. Finished stages are recorded; `nbship run` continues from there.", err=True)
        sys.exit(1)
    if summary.failed:
        click.echo("\n" + describe(summary.failed, colour=sys.stderr.isatty()) + "\n", err=True)
    raise_for(summary)
    click.echo(_as_text(summary))
    for name in ungated(project.packages):
        click.echo(no_gate(name), err=True)


def _is_done(stages: Sequence[str]) -> bool:
    """Tell whether nothing is left to do, by the size and time of each file; if so, print it."""
    from ..pipeline import read_snapshot
    from ..project import find_root

    began = time.monotonic()
    names = read_snapshot(find_root(), name="run")
    if names is None or not set(stages) <= set(names):
        return False
    click.echo(f"{', '.join(stages) or len(names)} up to date · {time.monotonic() - began:.1f} s")
    return True


def _as_text(summary: RunSummary) -> str:
    counts = {
        "ran": len(summary.ran),
        "restored from earlier runs": len(summary.restored),
        "up to date": len(summary.up_to_date),
    }
    listed = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"{listed or 'nothing to do'} · {summary.seconds:.1f} s"
