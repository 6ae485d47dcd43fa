"""`nbship status`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..pipeline.status import StageStatus, Status

__all__ = ["command"]

_SHOWN = 4


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
def command(as_json: bool) -> None:
    """Say what `nbship run` would run, and why: which file, parameter, library or upstream changed.

    It runs nothing, keeps dvc.yaml current, and exits with 0 also when stages would run.

    \b
    Example:
        nbship status
    """
    from ..pipeline.status import quick_status
    from ..project import find_root

    status = quick_status(find_root())
    if status is None:
        status, written = _read()
        if written and not as_json:
            click.echo(f"Brought up to date: {', '.join(written)}.")
    click.echo(_json(status) if as_json else _text(status))


def _read() -> tuple[Status, list[str]]:
    """Return the status, and what was written so that dvc.yaml is current."""
    from ..pipeline.snapshot import remember
    from ..pipeline.status import read_status
    from ..project import load

    project = load()
    status, written = read_status(project), list[str]()
    if not status.dvc_yaml_current:
        from ..pipeline.sync import sync

        written = list(dict.fromkeys(sync(project, ask_ploomber=False).written))
        status = read_status(project)
    if status.current:
        remember(project.root, [stage.name for stage in status.stages])
    return status, written


def _json(status: Status) -> str:
    stages = [{**asdict(stage), "stale": stage.stale} for stage in status.stages]
    return json.dumps(
        {"current": status.current, "dvc_yaml_current": status.dvc_yaml_current, "stages": stages}, indent=2
    )


def _text(status: Status) -> str:
    stale = [stage for stage in status.stages if stage.stale]
    width = max((len(stage.name) for stage in stale), default=0)
    lines = [f"{stage.name:<{width}}  would run: {_reasons(stage)}" for stage in stale]
    fresh = len(status.stages) - len(stale)
    lines.append(
        "Nothing to run: all stages are up to date."
        if not stale
        else f"{fresh} of {len(status.stages)} stages are up to date."
    )
    return "\n".join(lines)


def _reasons(stage: StageStatus) -> str:
    shown = "; ".join(stage.reasons[:_SHOWN])
    more = len(stage.reasons) - _SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown
