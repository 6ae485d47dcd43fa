"""`nbship check`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

__all__ = ["command"]


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--fix", is_flag=True, help="Add missing parameters cells, tags and parameters to the notebooks.")
def command(path: Path | None, fix: bool) -> None:
    """Check a project's nbship.yaml, params.yaml, pipeline.yaml and notebooks.

    PATH is the project's folder or a folder inside it (default: the working directory). pipeline.yaml is
    also read with Ploomber's own reader. Exits with code 1 if there is a problem.

    \b
    Example:
        nbship check --fix
    """
    from ..dvcstore import version_problem
    from ..pipeline import find_problems, fix_parameters
    from ..project import load

    project = load(path)
    for done in fix_parameters(project) if fix else ():
        click.echo(done)
    problems = list(find_problems(project))
    if expectations := project.settings.gates.expectations:
        from ..gate import expectation_problems

        problems += expectation_problems(expectations)
    if (warning := version_problem()) is not None:
        click.echo(f"Warning: {warning}", err=True)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        sys.exit(1)
    click.echo("No problems found.")
