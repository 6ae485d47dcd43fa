"""Options that several commands have."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

__all__ = ["csv_options", "model_option", "share", "text"]

F = TypeVar("F", bound=Callable[..., Any])


class _Text(click.types.StringParamType):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("The value is empty. Was a variable not set?", param, ctx)
        return super().convert(value, param, ctx)


class _Share(click.FloatRange):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value} is not a number.", param, ctx)
        return found


# A string that is not empty, and a number from 0 to 1.
text, share = _Text(), _Share(0, 1)

model_option = click.option(
    "--model",
    type=text,
    metavar="NAME",
    envvar="NBSHIP_MODEL",
    help="The model, where the project has several; or a registered version: MODEL@VERSION, MODEL#ALIAS.",
)


def csv_options(command: F) -> F:
    """Add what may be declared about CSV files; the command gets it as the argument `csv`."""

    @wraps(command)
    def wrapped(*args: Any, separator: str | None, encoding: str | None, nulls: tuple[str, ...], **options: Any) -> Any:
        from ..tabular import CsvOptions

        names = {"tab": "\t", "\\t": "\t"}
        separator = None if separator is None else names.get(separator, separator)
        return command(*args, csv=CsvOptions(separator, encoding, nulls), **options)

    for option in (
        click.option("--null", "nulls", metavar="TEXT", multiple=True, help="A value that is null in CSV, such as NA; may be repeated."),
        click.option("--encoding", type=text, help="The encoding of CSV, such as latin-1.  [default: UTF-8, or UTF-16 if marked]"),
        click.option("--separator", type=text, help="The separator of CSV, such as ';' or tab.  [default: found in the header]"),
    ):  # fmt: skip
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]
