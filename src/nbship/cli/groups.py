"""Groups of commands that suggest the command that was meant."""

from __future__ import annotations

import click

from ..text import did_you_mean

__all__ = ["SuggestingGroup"]


class SuggestingGroup(click.Group):
    """A group whose error for an unknown command names a similar one, with every version of click."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument names."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            hint = did_you_mean(name, known, otherwise=f"`{ctx.command_path} --help` lists the commands.")
            ctx.fail(f"There is no command '{name}'. {hint}")
        return super().resolve_command(ctx, args)
