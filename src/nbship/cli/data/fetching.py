"""`nbship data fetch`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ...errors import DataError, SourceError
from ...text import counted
from ..options import text

if TYPE_CHECKING:
    from ...operations import Fetched
    from ...project import Project

__all__ = ["chosen_sources", "command"]


@click.command()
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option("--from", "first", type=text, metavar="DATE", help="First day of the window, in the project's time zone.")
@click.option("--to", type=text, metavar="DATE", help="First day after the window.")
@click.option("--again", is_flag=True, help="Replace a window that is held by what the source has now.")
@click.option("--any-count", is_flag=True, help="Accept another number of rows than earlier windows have.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each source.")
def command(
    sources: tuple[str, ...], first: str | None, to: str | None, again: bool, any_count: bool, as_json: bool
) -> None:
    """Fetch a window of new data from sources, or from all.

    Without dates, this is the window after the last one that is held. An accepted window is a Parquet file
    below windows/, which DVC tracks: a stage that reads it runs again. Bad rows are quarantined. A window
    that is late, empty, incomplete, a duplicate, or not written as nbship.yaml declares, is rejected, and
    nothing changes. Exits with code 1 if a window is rejected.

    \b
    Example:
        nbship data fetch
        nbship data fetch orders --from 2026-01-05 --to 2026-01-12
    """
    from ... import project
    from ...data.sources import parse_days
    from ...operations import fetch

    if (first is None) != (to is None):
        raise click.UsageError("Give both --from and --to, or neither, for the next window.")
    here = project.load()
    window = parse_days(first, to, zone=here.timezone) if first is not None and to is not None else None
    failed = False
    for name in chosen_sources(here, sources):
        try:
            found = fetch(
                here, name, window, again=again, any_count=any_count, tell=lambda line: click.echo(line, err=True)
            )
        except DataError as error:
            # The other sources are fetched all the same.
            failed = True
            click.echo(f"nbship: {error}", err=True)
            continue
        click.echo(json.dumps(_as_json(found)) if as_json else _as_text(found))
    if failed:
        raise SystemExit(1)


def chosen_sources(project: Project, names: tuple[str, ...]) -> list[str]:
    """Return the named sources of a project, or all.

    Raises
    ------
    SourceError
        If the project has no such source, or none at all.
    """
    from ...operations import source_of

    if names:
        return [source_of(project, name).name for name in dict.fromkeys(names)]
    if not project.settings.data.sources:
        raise SourceError("The project has no sources of new data. Add some below 'data.sources' in nbship.yaml.")
    return sorted(project.settings.data.sources)


def _as_text(found: Fetched) -> str:
    if found.window is None:
        return f"{found.source}: the next window is not over yet."
    if found.state == "down":
        return f"{found.source} {found.window}: not fetched, the windows that are held stay. {found.message}"
    words = {"new": "", "held": ", held already", "replaced": ", replaced", "unchanged": ", unchanged"}
    text = f"{found.source} {found.window}: {counted(found.rows, 'row')}, {found.quarantined:,} quarantined{words[found.state]}"
    if found.quarantine:
        text += f"\n  quarantined rows, with their reasons: {found.quarantine}"
    return text


def _as_json(found: Fetched) -> Mapping[str, Any]:
    return {
        "source": found.source,
        "state": found.state,
        "from": str(found.window.first) if found.window else None,
        "to": str(found.window.to) if found.window else None,
        "rows": found.rows,
        "quarantined": found.quarantined,
        "path": str(found.path) if found.path else None,
        "quarantine": str(found.quarantine) if found.quarantine else None,
        "message": found.message,
    }
