"""`nbship models list` and `search`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from ...text import counted
from ..options import text
from .words import as_json, figures, gate_word, plain, table, time_text, when_fetched

if TYPE_CHECKING:
    from ...registry import History, Registry, Version

__all__ = ["fetch_option", "json_option", "list_command", "search"]

_MOST_WHY = 50
fetch_option = click.option("--fetch", is_flag=True, help="Ask the remote for new tags first.")
json_option = click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")


@click.command("list")
@click.argument("model", required=False, type=text)
@click.option("--all", "all_versions", is_flag=True, help="Also show archived versions.")
@fetch_option
@json_option
def list_command(model: str | None, all_versions: bool, fetch: bool, json_wanted: bool) -> None:
    """List the versions of a model, or of all models, the latest first.

    \b
    Example:
        nbship models list
        nbship models list late --all --json
    """
    from ...project import load
    from ...registry import open_registry

    registry = open_registry(load(), refresh=fetch)
    histories = [registry.history(model)] if model else list(registry.histories.values())
    found = [
        (history, version)
        for history in histories
        for version in reversed(history.versions)
        if all_versions or version.archived is None
    ]
    if json_wanted:
        click.echo(json.dumps([as_json(history, version) for history, version in found], indent=2))
        return
    hidden = sum(len(history.versions) for history in histories) - len(found)
    lines = (
        list(_as_table(registry, found))
        if found
        else ["No version is registered. Register one: `nbship models register`."]
    )
    if hidden:
        lines.append(f"{counted(hidden, 'archived version is', 'archived versions are')} not listed; --all lists them.")
    click.echo("\n".join([*lines, *when_fetched(registry)]))


@click.command("search")
@click.argument("terms", metavar="TERM...", nargs=-1, required=True, type=text)
@fetch_option
@json_option
def search(terms: tuple[str, ...], fetch: bool, json_wanted: bool) -> None:
    """Find the versions for which all terms hold; archived ones too.

    A TERM is a condition on a metric (quote it: the shell reads < and >), or text that the name, alias, author, reason, gate,
    digest or commit holds.

    \b
    Example:
        nbship models search 'auc>0.7' alice
        nbship models search 'no gate'
    """
    from ...project import load
    from ...registry import open_registry, search_versions

    registry = open_registry(load(), refresh=fetch)
    versions = search_versions(registry.histories.values(), terms)
    found = [(registry.history(version.model), version) for version in versions]
    if json_wanted:
        click.echo(json.dumps([as_json(history, version) for history, version in found], indent=2))
        return
    lines = list(_as_table(registry, found)) if found else ["No version has all of this."]
    click.echo("\n".join([*lines, *when_fetched(registry)]))


def _as_table(registry: Registry, found: Sequence[tuple[History, Version]]) -> Iterator[str]:
    zone = registry.project.timezone
    head = ("VERSION", "ALIASES", "GATE", "METRICS", "REGISTERED", "BY", "WHY")
    rows = [
        (
            str(version),
            ", ".join([*history.aliases(version), *(["archived"] if version.archived else [])]) or "-",
            gate_word(version.gate),
            figures(version.metrics, most=2) or "-",
            time_text(version.registered.time, zone),
            plain(version.registered.who),
            _short(version.registered.why),
        )
        for history, version in found
    ]
    yield from table([head, *rows])


def _short(why: str) -> str:
    line = plain(why)
    return line if len(line) <= _MOST_WHY else f"{line[: _MOST_WHY - 1]}…"
