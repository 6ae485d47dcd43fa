"""`nbship merge-lock`: Git's merge driver for dvc.lock."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("merge-lock")
@click.argument("base", type=_FILE)
@click.argument("ours", type=_FILE)
@click.argument("theirs", type=_FILE)
def command(base: Path, ours: Path, theirs: Path) -> None:
    """Merge THEIRS into OURS, stage by stage; stages that both sides changed run again.

    \b
    Example (make install does this):
      git config merge.nbship-lock.driver "nbship merge-lock %O %A %B"
    """
    from ..dvcstore import merge_lock_files

    for name in merge_lock_files(base, ours, theirs):
        click.echo(f"dvc.lock: both sides changed stage '{name}'; it runs again with `nbship run`.", err=True)
