"""Every command tells what it does, with an example; the documentation knows each that is not plumbing."""

from __future__ import annotations

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


@pytest.mark.parametrize("name", VISIBLE)
def test_the_documentation_knows_the_command(name: str) -> None:
    assert f"nbship {name}" in PAGES


def test_plumbing_is_hidden_from_the_first_screen() -> None:
    text = nbship.get_help(click.Context(nbship, info_name="nbship"))
    assert all(f"\n  {name} " in text for name in VISIBLE)
    assert not any(f"\n  {name} " in text for name in HIDDEN)
