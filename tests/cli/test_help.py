"""Every command tells what it does, with an example; the documentation knows each that is not plumbing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nbship.cli import GROUPS, HIDDEN, nbship

ROOT = Path(__file__).parents[2]
PAGES = "".join(page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
VISIBLE = [name for commands in GROUPS.values() for name in commands]


@pytest.mark.parametrize("name", [*VISIBLE, *HIDDEN])
def test_a_command_has_help_and_an_example(name: str) -> None:
    context = click.Context(nbship, info_name="nbship")
    command = nbship.get_command(context, name)
    assert command is not None
    text = command.get_help(click.Context(command, parent=context, info_name=name))
    assert "Example" in text
    assert f"nbship {name}" in text.split("Example")[1]


def _commands(command: click.Command, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield (*names, name)
            yield from _commands(inner, (*names, name))


@pytest.mark.parametrize("names", [names for names in _commands(nbship) if len(names) > 1], ids=" ".join)
def test_a_command_of_a_group_has_help_and_an_example(names: tuple[str, ...]) -> None:
    command: click.Command = nbship
    for name in names:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name) or command
    text = command.get_help(click.Context(command, info_name=" ".join(("nbship", *names))))
    assert f"nbship {' '.join(names)}" in text.split("Example")[1]


@pytest.mark.parametrize("name", VISIBLE)
def test_the_command_is_documented(name: str) -> None:
    assert f"nbship {name}" in PAGES


def test_plumbing_commands_are_hidden() -> None:
    text = nbship.get_help(click.Context(nbship, info_name="nbship"))
    assert all(f"\n  {name} " in text for name in VISIBLE)
    assert not any(f"\n  {name} " in text for name in HIDDEN)
