"""Fields and outputs of a signature as items of `signature.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import msgspec

from ...errors import SignatureError
from ...text import did_you_mean

__all__ = ["item_json", "read_item"]

T = TypeVar("T")
_ALWAYS = ("name", "dtype", "title", "unit", "help")


def read_item(kind: type[T], item: Any) -> T:
    """Build a field or an output from an item of `signature.json`.

    Raises
    ------
    SignatureError
        If the item has no name, or has an unknown or invalid attribute.
    """
    what = kind.__name__
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        raise SignatureError(f"The signature cannot be read: {what.lower()} {item!r:.60} has no name. Give it one.")
    known = [attribute.name for attribute in fields(kind)]  # type: ignore[arg-type]
    for name in item:
        if name not in known:
            hint = did_you_mean(name, known, otherwise=f"Use one of {', '.join(known)}.")
            raise SignatureError(f"{what} '{item['name']}' has the unknown attribute '{name}'. {hint}")
    try:
        return msgspec.convert(item, kind)
    except msgspec.ValidationError as error:
        raise SignatureError(f"{what} '{item['name']}' cannot be read: {error}.") from error


def item_json(item: Any) -> dict[str, Any]:
    """Return a field or an output as an item of `signature.json`, without attributes that have their default value."""
    content = {}
    for attribute in fields(item):
        value = getattr(item, attribute.name)
        if attribute.name in _ALWAYS or value != attribute.default:
            content[attribute.name] = list(value) if isinstance(value, tuple) else value
    return content
