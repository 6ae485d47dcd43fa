"""`nbship models register`, `promote`, `rollback`, `archive` and `pin`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import NbshipError
from ...text import listed
from ..options import text
from .releasing import describe_release

if TYPE_CHECKING:
    from ...project import Project
    from ...registry import Published

__all__ = ["archive", "pin", "promote", "register", "rollback"]


def _of_change(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every change of the registry has."""
    push = click.option(
        "--push/--no-push", default=True, help="Push the tag to the remote, if there is one.  [default: push]"
    )
    return push(click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")(function))


_why = click.option("--why", metavar="TEXT", type=text, required=True, help="The reason, which the tag records.")


@click.command("register")
@click.argument("model", required=False, type=text)
@click.option(
    "--commit", type=text, help="The commit with the package.  [default: HEAD, and the checkout must be clean]"
)
@click.option("--version", type=text, help="Such as v2.0.0.  [default: the next minor version, or v1.0.0]")
@click.option("--why", metavar="TEXT", type=text, default=None, help="The reason, which the tag records.")
@click.option("--no-gate", is_flag=True, help="Also register a package that passed no gate; the tag records that.")
@_of_change
def register(model: str | None, commit: str | None, version: str | None, why: str | None, no_gate: bool, push: bool, json_wanted: bool) -> None:  # fmt: skip
    """Register the package of a commit as a version.

    Registers the package in the commit's dvc.lock, which must be of the commit's own files, and copies it to DVC's default
    remote. A checkout with changes, a package that the gate did not accept, and a registered package are rejected.

    \b
    Example:
        nbship models register --why "trained on June too"
        nbship models register late --commit retrain/2026-w27 --version v2.0.0
    """
    from ...project import load
    from ...registry import register as register_package

    done = register_package(
        load(), model or "", commit=commit or "", version=version or "", why=why or "", no_gate=no_gate, push=push
    )
    package = done.record.package
    _print(done, json_wanted, [
        f"Registered {done.name}: package {package.short} of commit {done.commit[:12]}, {_gate(done)}.", *_pushed(done),
        f"Promote it: `nbship models promote {done.record.model}@{done.record.version} --why REASON`.",
    ])  # fmt: skip


@click.command("promote")
@click.argument("name", metavar="[MODEL[@VERSION]]", required=False, type=text)
@click.option("--to", "alias", metavar="ALIAS", type=text, default="production", show_default=True, help="The alias.")
@_why
@click.option("--approve", is_flag=True, help="Approve the promotion, as a second person; needs --key.")
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), envvar="NBSHIP_SIGNING_KEY", show_envvar=True, help="The approver's Ed25519 private key.")  # fmt: skip
@_of_change
def promote(
    name: str | None, alias: str, why: str, approve: bool, key: Path | None, push: bool, json_wanted: bool
) -> None:
    """Let an alias lead to a version; without a version, to the latest.

    Where the settings name approvers (`release.approvers`), an approver who is not an author of the version runs this for
    `production`, with --approve and a key. Of two people who promote at the same time, one is first, and the other's command
    fails without a change. If the project pins the production model, the pin is updated, and is to be committed.

    \b
    Example:
        nbship models promote late@v1.2.0 --why "better in every slice"
        nbship models promote late@v1.2.0 --why "read the report" --approve --key me.pem
    """
    from ...project import load
    from ...registry import promote as promote_version

    if approve and key is None:
        raise click.UsageError("--approve needs your private key. Give it with --key.")
    project = load()
    done = promote_version(project, name or "", why=why, alias=alias, key=key if approve else None, push=push)
    _print(done, json_wanted, [_now(done), *_pushed(done), *_warning(done)], project)


@click.command("rollback")
@click.argument("name", metavar="[MODEL[@VERSION]]", required=False, type=text)
@click.option("--alias", type=text, default="production", show_default=True, help="The alias.")
@_why
@_of_change
def rollback(name: str | None, alias: str, why: str, push: bool, json_wanted: bool) -> None:
    """Let an alias lead back to the version before.

    This is a new tag; the registry still knows what was in production at each time. A second rollback goes to the version before
    that one. It needs no approval. VERSION is an earlier version, to skip others.

    \b
    Example:
        nbship models rollback --why "alert of 14:05"
        nbship models rollback late@v1.0.0 --why "v1.1.0 has the same fault"
    """
    from ...project import load
    from ...registry import roll_back

    project = load()
    done = roll_back(project, name or "", why=why, alias=alias, push=push)
    _print(done, json_wanted, [_now(done), *_pushed(done)], project)


@click.command("archive")
@click.argument("name", metavar="MODEL@VERSION", type=text)
@click.option("--why", metavar="TEXT", type=text, default=None, help="The reason, which the tag records.")
@_of_change
def archive(name: str, why: str | None, push: bool, json_wanted: bool) -> None:
    """Archive a version: it is no longer listed, promoted or rolled back to.

    Its package stays where it is. A version that an alias leads to cannot be archived.

    \b
    Example:
        nbship models archive late@v1.0.0 --why "trained on wrong units"
    """
    from ...project import load
    from ...registry import archive as archive_version

    done = archive_version(load(), name, why=why or "", push=push)
    _print(done, json_wanted, [f"Archived {done.record.model}@{done.record.version}.", *_pushed(done)])


@click.command("pin")
@click.argument("model", required=False, type=text)
@click.option("--fetch", is_flag=True, help="Ask the remote for new tags first.")
def pin(model: str | None, fetch: bool) -> None:
    """Copy the production model to models/production, which the gate's stage compares with.

    Writes the folder and its .dvc file; without a model in production, the folder is empty.

    \b
    Example:
        nbship models pin
    """
    from ...project import load
    from ...registry import open_registry
    from ...registry import pin as pin_production

    project = load()
    registry = open_registry(project, refresh=fetch)
    name = registry.the_model(model or "")
    click.echo("\n".join(_committed(project, pin_production(registry, name))))


def _print(done: Published, json_wanted: bool, lines: list[str], project: Project | None = None) -> None:
    import msgspec

    pinned = [*_update_pin(done, project), *_update_release(done, project)] if project else []
    if json_wanted:
        click.echo(json.dumps({"tag": done.name, "commit": done.commit, "time": done.time.isoformat(), "remote": done.remote, **msgspec.to_builtins(done.record)}, indent=2))  # fmt: skip
    else:
        click.echo("\n".join(lines))
    for line in [*pinned, *done.notes]:
        click.echo(line, err=json_wanted)


def _update_pin(done: Published, project: Project) -> Iterator[str]:
    """Update the pin of a project that has one. The promotion holds, whether that works or not."""
    from ...registry import PRODUCTION, open_registry, read_pin
    from ...registry import pin as pin_production

    if done.record.alias != PRODUCTION:
        return
    try:
        if read_pin(project, done.record.model) is not None:
            yield from _committed(project, pin_production(open_registry(project), done.record.model))
    except NbshipError as error:
        yield f"The pinned production model is behind: {error}"


def _update_release(done: Published, project: Project) -> Iterator[str]:
    """Release the production version to the services that follow a release file. The promotion holds, whether that works or not."""
    from ...registry import PRODUCTION

    if done.record.alias != PRODUCTION or not project.settings.release.file:
        return
    from ...operations import release_production

    try:
        yield describe_release(release_production(project, done.record.model))
    except NbshipError as error:
        yield f"Running services are not changed: {error} Then run `nbship models release`."


def _committed(project: Project, files: list[Path]) -> Iterator[str]:
    names = [file.relative_to(project.root).as_posix() for file in files]
    yield f"Updated {listed(names)}. Commit it: `git add {' '.join(names)}`, `git commit`. The gate then compares with this model."


def _now(done: Published) -> str:
    record = done.record
    replaced = f", and replaces {record.previous}" if record.previous else ""
    approved = f" {record.approval.name} approved it." if record.approval else ""
    return f"{record.model}@{record.version} ({record.package.short}) is now in {record.alias}{replaced}.{approved} Tag: {done.name}"


def _gate(done: Published) -> str:
    from ...registry import describe_gate

    return describe_gate(done.record.gate)


def _warning(done: Published) -> Iterator[str]:
    if done.record.gate.verdict == "none":
        yield f"Warning: {done.record.model}@{done.record.version} passed NO GATE: nothing has compared it with an earlier model."


def _pushed(done: Published) -> Iterator[str]:
    yield f"Pushed to '{done.remote}'." if done.remote else "Recorded in this clone only, not pushed."
