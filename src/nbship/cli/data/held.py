"""`nbship data list`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from ...text import counted
from .fetching import chosen_sources

if TYPE_CHECKING:
    from ...operations import HeldWindow
    from ...project import Project

__all__ = ["command"]


@click.command("list")
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option(
    "--last",
    "most",
    metavar="N",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Windows to show of each.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all windows as JSON.")
def command(sources: tuple[str, ...], most: int, as_json: bool) -> None:
    """List the windows of new data that are held, and those that were rejected last.

    \b
    Example:
        nbship data list
        nbship data list orders --json
    """
    from ... import project

    here = project.load()
    found = [_source(here, name) for name in chosen_sources(here, sources)]
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo("\n".join(line for each in found for line in _lines(each, most)))


def _source(project: Project, name: str) -> Mapping[str, Any]:
    from ...operations import held_windows, read_rejections, source_of

    source = source_of(project, name)
    return {
        "source": name,
        "url": source.shown(source.settings.url),
        "windows": [_window(each) for each in held_windows(project, name)],
        "rejected": read_rejections(project.state / "data" / name),
    }


def _window(held: HeldWindow) -> Mapping[str, Any]:
    return {
        "from": str(held.window.first),
        "to": str(held.window.to),
        "rows": held.rows,
        "quarantined": held.quarantined,
        "bytes": held.size,
        "md5": held.md5,
        "state": "held" if held.path.is_file() else "not pulled",
    }


def _lines(source: Mapping[str, Any], most: int) -> Iterator[str]:
    windows = source["windows"]
    yield f"{source['source']}: {source['url']} · {counted(len(windows), 'window')}"
    for each in windows[-most:]:
        state = "" if each["state"] == "held" else " · not here: dvc pull"
        yield f"  {each['from']} to {each['to']} · {counted(each['rows'], 'row')} · {each['quarantined']:,} quarantined{state}"
    for each in source["rejected"][-most:]:
        yield f"  {each['from']} to {each['to']} · rejected {each['time'][:16].replace('T', ' ')} UTC · {each['reason']}"
