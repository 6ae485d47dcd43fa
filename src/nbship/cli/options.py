"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

__all__ = ["csv_options", "model_option"]

F = TypeVar("F", bound=Callable[..., Any])

model_option = click.option(
    "--model", metavar="NAME", envvar="NBSHIP_MODEL", help="The model, where the project has several."
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
        click.option("--encoding", help="The encoding of CSV, such as latin-1.  [default: UTF-8, or UTF-16 if marked]"),
        click.option("--separator", help="The separator of CSV, such as ';' or tab.  [default: found in the header]"),
    ):  # fmt: skip
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]
