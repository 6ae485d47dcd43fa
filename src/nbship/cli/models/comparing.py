"""`nbship models compare`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from ..options import text
from .listing import fetch_option, json_option
from .words import number, table

if TYPE_CHECKING:
    from ...registry import Comparison

__all__ = ["compare"]

_DIGESTS = ("data", "notebooks", "modules")
_MOST_VALUE = 40


@click.command("compare")
@click.argument("one", type=text)
@click.argument("other", type=text)
@fetch_option
@json_option
def compare(one: str, other: str, fetch: bool, json_wanted: bool) -> None:
    """Compare two versions: gate, metrics, parameters, data, code, inputs and outputs.

    ONE and OTHER are MODEL@VERSION or MODEL#ALIAS; the second may be a version alone.

    \b
    Example:
        nbship models compare late#production late@v1.2.0
        nbship models compare late@v1.1.0 v1.2.0 --json
    """
    from ...project import load
    from ...registry import compare_versions, open_registry

    registry = open_registry(load(), refresh=fetch)
    first = registry.find(one)
    second = registry.find(other if "@" in other or "#" in other else f"{first.model}@{other}")
    found = compare_versions(registry, first, second)
    if json_wanted:
        content = {"one": str(first), "other": str(second), "differences": [asdict(each) for each in found.differences]}
        click.echo(json.dumps(content, indent=2, default=str))
    else:
        click.echo("\n".join(_lines(found)))


def _lines(found: Comparison) -> Iterator[str]:
    if not found.differences:
        yield f"{found.one} and {found.other} are the same package."
        return
    for part, differences in groupby(found.differences, key=lambda each: each.part):
        rows = [
            (each.name, _shown(each.one, part), _shown(each.other, part), _change(each.one, each.other))
            for each in differences
        ]
        head = (part.upper(), str(found.one), str(found.other), "")
        yield from table([head, *((f"  {row[0]}", *row[1:]) for row in rows)])


def _shown(value: Any, part: str) -> str:
    if value is None:
        return "-"
    shown = str(value)[:12] if part in _DIGESTS else number(value)
    return shown if len(shown) <= _MOST_VALUE else f"{shown[: _MOST_VALUE - 1]}…"


def _change(one: Any, other: Any) -> str:
    """Return the difference of two numbers, with its sign."""
    numbers = [value for value in (one, other) if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < 2:
        return ""
    change = numbers[1] - numbers[0]
    return f"{change:+,}" if isinstance(change, int) else f"{change:+.4g}"
