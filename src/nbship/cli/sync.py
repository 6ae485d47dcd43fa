"""`nbship sync`."""

from __future__ import annotations

import sys

import click

__all__ = ["command"]


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if dvc.yaml is not current.")
@click.option(
    "--from-notebook",
    "prefer",
    flag_value="notebook",
    help="Where a parameters cell differs, write its value to params.yaml.",
)
@click.option(
    "--from-params",
    "prefer",
    flag_value="params",
    help="Where a parameters cell differs, write the value of params.yaml to it.",
)
@click.option("--strip", is_flag=True, help="Also strip the outputs of the notebooks, as the commit hook does.")
def command(check: bool, prefer: str | None, strip: bool) -> None:
    """Write dvc.yaml, and the parameters cells of the notebooks, from pipeline.yaml and params.yaml.

    \b
    Example:
        nbship sync --check
        nbship sync --from-notebook
    """
    from ..pipeline import check_current, strip_in_place, sync
    from ..project import load

    project = load()
    if check:
        edits = check_current(project)
    else:
        stripped = strip_in_place(project) if strip else []
        result = sync(project, prefer=prefer)
        edits = result.edits
        for name in dict.fromkeys([*stripped, *result.written]):
            click.echo(f"wrote {name}")
        if stripped:
            sys.exit(1)  # a commit hook stops, so that the stripped notebook can be added
    for edit in edits:
        click.echo(
            f"{edit}. Runs use params.yaml. Run `nbship sync --from-notebook` to copy the notebook's value there, "
            "or `--from-params` to replace it.",
            err=True,
        )
    if check:
        click.echo("dvc.yaml is current.")
