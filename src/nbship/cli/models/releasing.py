"""`nbship models release`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ..options import share, text

if TYPE_CHECKING:
    from ...inference import Release

__all__ = ["describe_release", "release"]


@click.command("release")
@click.argument("name", metavar="[MODEL[@VERSION]]", required=False, type=text)
@click.option("--canary", metavar="SHARE", type=share, help="The share of the keys for this version, such as 0.1.")
@click.option("--stop", metavar="REASON", type=text, help="Make no predictions until --start.")
@click.option("--start", is_flag=True, help="Make predictions again.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
def release(name: str | None, canary: float | None, stop: str | None, start: bool, json_wanted: bool) -> None:
    """Say which versions running services use.

    Services that follow the release file (`release.file` of nbship.yaml) change within two seconds, without a failed request.
    They use the version in production: `promote` and `rollback` release it too. With --canary, VERSION gets a share of the
    keys beside it, until the next release to production.

    \b
    Example:
        nbship models release
        nbship models release late@v1.2.0 --canary 0.1
        nbship models release --stop "The prices of May are wrong."
    """
    from ...operations import release_canary, release_production, stop_or_start
    from ...project import load

    if sum([canary is not None, stop is not None, start]) > 1:
        raise click.UsageError("--canary, --stop and --start exclude each other. Give one of them.")
    if canary is not None and name is None:
        raise click.UsageError("A canary is a version: name it, such as late@v1.2.0.")
    project = load()
    if stop is not None or start:
        done = stop_or_start(project, stopped=stop or "")
    elif canary is not None:
        done = release_canary(project, str(name), share=canary)
    else:
        done = release_production(project, name or "")
    if json_wanted:
        import msgspec

        click.echo(json.dumps(msgspec.to_builtins(done), indent=2))
    else:
        click.echo(describe_release(done))


def describe_release(done: Release) -> str:
    """Return a sentence about what services use now."""
    named = f"{done.model}@{done.production.tag or done.production.digest[:12]}"
    if done.stopped:
        return f"Release {done.serial}: services that follow it make no predictions: {done.stopped}"
    beside = f", and {done.model}@{done.canary.version.tag or done.canary.version.digest[:12]} for {done.canary.share:.0%} of the keys" if done.canary else ""  # fmt: skip
    return f"Release {done.serial}: services that follow it use {named}{beside}."
