"""`nbship keys`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .groups import SuggestingGroup

if TYPE_CHECKING:
    from ..serving import KeyFile

__all__ = ["command"]

_package = click.option("--package", type=click.Path(path_type=Path), help="A package.  [default: the project's own]")


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Manage the API keys of the REST service.

    \b
    Example:
        nbship keys add shop --role predict --role feedback
    """


def _keys(package: Path | None) -> KeyFile:
    from ..inference import find_deployment
    from ..serving import key_file

    return key_file(find_deployment(package or Path()))


@command.command()
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, help="predict, feedback or metrics; may be repeated.")
@_package
def add(name: str, roles: tuple[str, ...], package: Path | None) -> None:
    """Create a key, and print it once; only its hash is stored.

    \b
    Example:
        nbship keys add shop --role predict
    """
    keys = _keys(package)
    text = keys.add(name, roles)
    click.echo(text)
    click.echo(
        f"Created the key '{name}' with the roles {', '.join(roles)}. Copy it now: '{keys.path}' stores only its hash.",
        err=True,
    )


@command.command()
@click.argument("name")
@_package
def revoke(name: str, package: Path | None) -> None:
    """Revoke a key; a running service rejects it within a second.

    \b
    Example:
        nbship keys revoke shop
    """
    _keys(package).revoke(name)
    click.echo(f"Revoked the key '{name}'.")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the keys as JSON.")
@_package
def list_keys(as_json: bool, package: Path | None) -> None:
    """List the keys and their roles.

    \b
    Example:
        nbship keys list
    """
    found = _keys(package).keys()
    if as_json:
        click.echo(json.dumps([{"name": key.name, "roles": key.roles} for key in found]))
        return
    for key in found:
        click.echo(f"{key.name}  {', '.join(key.roles)}")
