"""`nbship status`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from ..text import listed, plural

if TYPE_CHECKING:
    from ..pipeline import StageStatus, Status

__all__ = ["command"]

_SHOWN = 4
_PAST_RUNS = 20


@click.command()
@click.argument("stage", metavar="[STAGE]", required=False)
@click.option(
    "--history", is_flag=True, help="Show time, CPU and memory of past runs of STAGE, or of the last run of each stage."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(stage: str | None, history: bool, as_json: bool) -> None:
    """Show what `nbship run` would run, and why: which file, parameter, library or upstream changed.

    Runs no stage, and updates dvc.yaml if it is not current. Exits with code 0 even if stages would run.

    \b
    Example:
        nbship status
        nbship status --history train
    """
    if history:
        click.echo(_history(stage, as_json=as_json))
        return
    if stage is not None:
        raise click.UsageError("STAGE needs --history. The status is always that of all stages.")
    status, elsewhere, written = _read()
    if written and not as_json:
        click.echo(f"Updated {', '.join(written)}.")
    behind = _behind_pins()
    click.echo(_as_json(status, elsewhere, behind) if as_json else "\n".join([_as_text(status, elsewhere), *behind]))


def _behind_pins() -> list[str]:
    """Return sentences about pinned production models; without one, no more is read than the names of two files."""
    from ..project import find_root, load

    folder = find_root() / "models"
    if not (folder / "production.dvc").is_file() and not any((folder / "production").glob("*.dvc")):
        return []
    from ..registry import behind_pins

    return behind_pins(load())


def _read() -> tuple[Status, Mapping[str, str], list[str]]:
    """Return the status, the stages whose results are of another platform, and the files that were updated."""
    from ..pipeline import quick_status
    from ..project import find_root

    if status := quick_status(find_root()):
        return status, {}, []
    from ..execution.reporting import run_elsewhere
    from ..pipeline import read_status, write_snapshot
    from ..project import load
    from ..run_records import RUNS, read_records

    project = load()
    status, written = read_status(project), list[str]()
    if not status.dvc_yaml_current:
        from ..pipeline import sync

        written = list(dict.fromkeys(sync(project, check_with_ploomber=False).written))
        status = read_status(project)
    elsewhere = run_elsewhere(read_records(project.state / RUNS))
    if status.current and not elsewhere:
        write_snapshot(project.root, [stage.name for stage in status.stages])
    stages = tuple(_with_platform(stage, elsewhere) for stage in status.stages)
    return replace(status, stages=stages), elsewhere, written


def _with_platform(stage: StageStatus, elsewhere: Mapping[str, str]) -> StageStatus:
    from ..pipeline import this_platform

    if not stage.stale or stage.name not in elsewhere:
        return stage
    reason = f"platform changed from {elsewhere[stage.name]} to {this_platform()}"
    return replace(stage, reasons=(reason, *stage.reasons))


def _as_json(status: Status, elsewhere: Mapping[str, str], behind: list[str]) -> str:
    stages = [{**asdict(stage), "stale": stage.stale, "made_on": elsewhere.get(stage.name)} for stage in status.stages]
    return json.dumps(
        {
            "current": status.current,
            "dvc_yaml_current": status.dvc_yaml_current,
            "uncached": status.uncached,
            "stages": stages,
            "pins_behind": behind,
        },
        indent=2,
    )


def _as_text(status: Status, elsewhere: Mapping[str, str]) -> str:
    stale = [stage for stage in status.stages if stage.stale]
    width = max((len(stage.name) for stage in stale), default=0)
    lines = [f"{stage.name:<{width}}  would run: {_reasons(stage)}" for stage in stale]
    fresh = [stage.name for stage in status.stages if not stage.stale]
    if moved := [name for name in fresh if name in elsewhere]:
        lines.append(
            f"{_platforms(moved, elsewhere)} Running them here (`nbship run --force`) may change their last digits."
        )
    if status.uncached:
        added = plural(len(status.uncached), "it", "them")
        lines.append(f"Not in DVC's cache: {listed(status.uncached, most=_SHOWN)}. `nbship run` adds {added}.")
    lines.append(
        "Nothing to run: all stages are up to date."
        if not stale
        else f"{len(fresh)} of {len(status.stages)} stages {plural(len(fresh), 'is', 'are')} up to date."
        if fresh
        else "No stage is up to date."
    )
    return "\n".join(lines)


def _platforms(names: list[str], elsewhere: Mapping[str, str]) -> str:
    from ..pipeline import this_platform

    return f"Built on another platform ({elsewhere[names[0]]}; this one is {this_platform()}): {listed(names, most=_SHOWN)}."


def _reasons(stage: StageStatus) -> str:
    return listed(stage.reasons, most=_SHOWN, separator="; ")


def _history(stage: str | None, *, as_json: bool) -> str:
    from ..execution.reporting import describe_runs, last_runs
    from ..pipeline import read_pipeline
    from ..project import load
    from ..run_records import RUNS, read_records

    project = load()
    records = list(read_records(project.state / RUNS))
    if stage is not None:
        records = [record for record in records if record.stage == stage]
        if not records:
            read_pipeline(project)[stage]
    if as_json:
        return json.dumps([asdict(record) for record in records], indent=2)
    if not records:
        return f"No run {f'of {stage!r} ' if stage else ''}is recorded yet."
    return describe_runs(records[-_PAST_RUNS:] if stage else last_runs(records).values())
