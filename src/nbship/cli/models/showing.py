"""`nbship models show`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ...text import counted, listed
from ..options import text
from .listing import fetch_option, json_option
from .words import as_json, event_json, figures, gate_word, lines_of, number, plain, time_text, when_fetched

if TYPE_CHECKING:
    from ...registry import Assignment, History, Registry, Version

__all__ = ["show"]

_MOST = 6


@click.command("show")
@click.argument("name", metavar="[MODEL[@VERSION]]", required=False, type=text)
@click.option("--at", metavar="TIME", type=text, help="What the alias led to at this time, in the project's time zone.")
@click.option("--alias", type=text, default="production", show_default=True, help="The alias, for --at.")
@fetch_option
@json_option
def show(name: str | None, at: str | None, alias: str, fetch: bool, json_wanted: bool) -> None:
    """Show what is in production, a version, or what was in production at a time.

    Times are those of the tags, from the clocks of their authors.

    \b
    Example:
        nbship models show
        nbship models show late@v1.2.0
        nbship models show --at 2025-06-01T12:00
    """
    from ...project import load
    from ...registry import open_registry

    registry = open_registry(load(), refresh=fetch)
    if at is not None:
        history, given, _ = registry.split(name or "")
        if given:
            raise click.UsageError("Give a model without a version with --at.")
        _show_at(registry, history, alias, _time(at, registry), json_wanted=json_wanted)
        return
    if name and (registry.split(name)[1] or registry.split(name)[2]):
        version = registry.find(name)
        _show_version(registry, registry.history(version.model), version, json_wanted=json_wanted)
        return
    histories = [registry.history(registry.the_model(name))] if name else _all(registry)
    if json_wanted:
        click.echo(json.dumps([_model_json(registry, history) for history in histories], indent=2))
        return
    lines = [line for history in histories for line in _model_lines(registry, history)]
    click.echo("\n".join([*lines, *when_fetched(registry)]))


def _all(registry: Registry) -> list[History]:
    return [registry.history(model) for model in dict.fromkeys([*registry.project.packages, *registry.histories])]


def _time(given: str, registry: Registry) -> datetime:
    try:
        time = datetime.fromisoformat(given)
    except ValueError as error:
        raise click.UsageError(f"'{given}' is not a time. Write it such as '2025-06-01T12:00'.") from error
    return time if time.tzinfo else time.replace(tzinfo=registry.project.timezone)


def _show_at(registry: Registry, history: History, alias: str, time: datetime, *, json_wanted: bool) -> None:
    zone, found = registry.project.timezone, history.at(alias, time)
    version = found.version if found else None
    if json_wanted:
        about = {"model": history.model, "alias": alias, "time": time.astimezone(UTC).isoformat()}
        content = as_json(history, version) if version else None
        click.echo(
            json.dumps({**about, "version": content, "since": event_json(found.event) if found else None}, indent=2)
        )
        return
    when = f"At {time_text(time, zone, seconds=True)}{'' if zone.key == 'UTC' else f' ({zone.key})'}"
    if found is None or version is None:
        click.echo(f"{when}, no version of '{history.model}' was in '{alias}'.")
        return
    made = history.assignments[alias]
    later = made[made.index(found) + 1 :]
    until = f", until {time_text(later[0].event.time, zone, seconds=True)}" if later else ", and is still"
    click.echo(f"{when}, {version} was in '{alias}'.")
    click.echo("\n".join(lines_of([
        ("since", f"{time_text(found.event.time, zone, seconds=True)}{until}"), (_deed(found), plain(f"{found.event.who}: {found.event.why}")),
        ("package", version.package.short if version.package else ""), ("commit", version.commit[:12]),
    ])))  # fmt: skip


def _model_json(registry: Registry, history: History) -> dict[str, Any]:
    from ...registry import is_behind, read_pin

    pinned = read_pin(registry.project, history.model)
    aliases = {
        alias: as_json(history, found) if (found := history.current(alias)) else None for alias in history.assignments
    }
    return {
        "model": history.model,
        "aliases": aliases,
        "pinned": pinned.version if pinned else None,
        "pin_is_behind": is_behind(registry, history.model),
        "history": [
            {"alias": alias, "version": each.version.name if each.version else None, "tag": each.event.tag, "rollback": each.is_rollback, **event_json(each.event)}
            for alias, made in history.assignments.items()
            for each in made
        ],
    }  # fmt: skip


def _model_lines(registry: Registry, history: History) -> Iterator[str]:
    from ...registry import PRODUCTION

    if not any(history.current(alias) for alias in history.assignments):
        count = len(history.versions)
        yield f"{history.model}: nothing is in {PRODUCTION}" + (f"; {counted(count, 'version is', 'versions are')} registered." if count else ".")  # fmt: skip
    for alias, made in history.assignments.items():
        version, zone = made[-1].version, registry.project.timezone
        if version is None:
            continue
        yield f"{version} is in {alias} since {time_text(made[-1].event.time, zone)}"
        yield from lines_of([
            (_deed(made[-1]), plain(f"{made[-1].event.who}: {made[-1].event.why}")), ("approved by", _approver(registry, history, made[-1])),
            ("ARCHIVED", f"by {version.archived.who}. Promote another version." if version.archived else ""),
            ("gate", _gate(version)), ("metrics", figures(version.metrics)),
            ("package", version.package.short if version.package else ""),
            ("before", f"{made[-2].version} since {time_text(made[-2].event.time, zone)}" if len(made) > 1 else ""),
            ("pin", _pin(registry, history) if alias == PRODUCTION else ""),
        ])  # fmt: skip


def _pin(registry: Registry, history: History) -> str:
    from ...registry import is_behind, read_pin

    pinned = read_pin(registry.project, history.model)
    if pinned is None:
        return ""
    if is_behind(registry, history.model):
        return f"BEHIND: {pinned.version or 'no version'}. Bring it up to date with `nbship models pin`, and commit it."
    return f"{pinned.version}, as in production"


def _show_version(registry: Registry, history: History, version: Version, *, json_wanted: bool) -> None:
    from ...errors import NbshipError
    from ...registry import describe_version, read_version

    try:
        parts, problem = (
            describe_version(version, read_version(registry.project, registry.git, version, pull=False)),
            "",
        )
    except NbshipError as error:
        parts, problem = {}, str(error)
    events = [
        each
        for made in history.assignments.values()
        for each in made
        if each.version and each.version.name == version.name
    ]
    if json_wanted:
        about = [
            {"alias": each.alias, "tag": each.event.tag, "rollback": each.is_rollback, **event_json(each.event)}
            for each in events
        ]
        click.echo(json.dumps({**as_json(history, version), "built_from": parts or None, "assigned": about}, indent=2))
        return
    zone, event, package = registry.project.timezone, version.registered, version.package
    state = ", ".join(
        [*(f"in {alias}" for alias in history.aliases(version)), *(["ARCHIVED"] if version.archived else [])]
    )
    click.echo(f"{version}  {state or 'in no alias'}")
    lines = [
        ("registered", plain(f"{time_text(event.time, zone)} by {event.who} <{event.email}>")), ("why", plain(event.why)), ("gate", _gate(version)),
        ("report", f"{version.gate.path} (md5 {version.gate.md5})" if version.gate and version.gate.path else ""),
        ("metrics", figures(version.metrics, most=20)),
        ("package", f"{package.short}, {counted(package.files, 'file')}, {package.size / 1e6:.1f} MB" if package else "not recorded"),
        ("commit", version.commit), ("tag", event.tag),
        *((_deed(each), plain(f"{time_text(each.event.time, zone)}, {each.alias}, by {each.event.who}: {each.event.why}")) for each in events),
        ("archived", plain(f"{time_text(version.archived.time, zone)} by {version.archived.who}: {version.archived.why}") if version.archived else ""),
        ("data", _digests(parts.get("data", {}))), ("notebooks", listed(parts.get("notebooks", {}))), ("modules", listed(parts.get("modules", {}), most=_MOST)),
        ("parameters", ", ".join(f"{name} {number(value)}" for name, value in parts.get("parameters", {}).items())),
        ("libraries", ", ".join(f"{name} {value}" for name, value in parts.get("libraries", {}).items())),
    ]  # fmt: skip
    click.echo("\n".join(lines_of(lines)))
    if problem:
        click.echo(f"Data, notebooks and parameters are not shown: {problem}")


def _deed(assignment: Assignment) -> str:
    return "rolled back" if assignment.is_rollback else "promoted" if assignment.version else "removed"


def _gate(version: Version) -> str:
    gate = version.gate
    if gate is None or gate.verdict == "none":
        return gate_word(gate)
    return f"{gate.verdict}: {listed(gate.reasons, most=3, separator='; ') or counted(gate.checks, 'check')}"


def _approver(registry: Registry, history: History, assignment: Assignment) -> str:
    from ...errors import NbshipError
    from ...registry import approvers_of, check_approved

    approvers = approvers_of(registry.project)
    record = assignment.event.record
    try:
        check_approved(history, assignment, approvers=approvers)
    except NbshipError as error:
        return f"NOT APPROVED. {error}"
    approval = record.approval if record else None
    return (
        f"{approval.name}{', by a valid signature' if approvers else ', not checked: the settings name no approvers'}"
        if approval
        else ""
    )


def _digests(values: dict[str, str]) -> str:
    return listed([f"{path} {digest[:12]}" for path, digest in values.items()], most=_MOST)
