"""Settings of a wrong type: the key, what it holds and what is expected, in words."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, TypeAlias

import msgspec

__all__ = ["Part", "describe_wrong", "find_wrong", "is_section", "meant_kind", "parts_of"]

# The dotted key of a setting, its value and its type.
Part: TypeAlias = "tuple[str, Any, Any]"
_SHOWN = 40


def parts_of(part: Part) -> Iterator[Part]:
    """Yield the settings directly inside of a section, list or mapping.

    >>> from .settings import Settings
    >>> [(key, value) for key, value, _ in parts_of(("", {"slices": ["shop"]}, Settings))]
    [('slices', ['shop'])]
    """
    key, value, kind = part
    kind = meant_kind(kind, value)
    origin: Any = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if isinstance(value, Mapping) and is_section(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        yield from ((f"{key}.{name}".lstrip("."), value[name], hint) for name, hint in hints.items() if name in value)
    elif isinstance(value, Mapping) and origin is dict:
        yield from ((f"{key}.{name}", inner, arguments[1]) for name, inner in value.items())
    elif isinstance(value, list) and origin is list:
        yield from ((f"{key}[{number}]", inner, arguments[0]) for number, inner in enumerate(value))


def meant_kind(kind: Any, value: Any) -> Any:
    """Return the section among alternatives, such as a string or a section, if the value is a mapping."""
    if isinstance(value, Mapping) and typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next(filter(is_section, typing.get_args(kind)), kind)
    return kind


def is_section(kind: Any) -> bool:
    """Return whether a type is a section of settings."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def find_wrong(part: Part) -> Part | None:
    """Return the innermost setting whose value is not of its type; None if all are.

    >>> from .settings import Settings
    >>> find_wrong(("", {"serving": {"port": 80, "queue": "many"}}, Settings))[:2]
    ('serving.queue', 'many')
    """
    try:
        msgspec.convert(part[1], part[2], strict=False)
    except msgspec.ValidationError:
        return next(filter(None, map(find_wrong, parts_of(part))), part)
    return None


def describe_wrong(value: Any, kind: Any) -> str:
    """Return what is wrong with a value, and the remedy, as the rest of a sentence.

    >>> from .settings import ServingSection
    >>> describe_wrong("many", typing.get_type_hints(ServingSection, include_extras=True)["queue"])
    "is 'many', where an integer of at least 1 is expected. Correct it."
    """
    expected = _expected(msgspec.inspect.type_info(kind))
    if value is None:
        return f"has no value, where {expected} is expected. Write one, or remove the key."
    remedy = "Correct it."
    if isinstance(value, Mapping):
        for name in value if typing.get_origin(kind) is dict else ():
            if not isinstance(name, str):
                return f"has the key {_shown(name)}, where a string is expected. Put it in quotes: '{_shown(name)}'."
    elif not isinstance(value, list):
        if typing.get_origin(kind) is list:
            remedy = f"Write it as a list: [{_shown(value)}]."
        elif kind is str:
            remedy = f"Put it in quotes: '{_shown(value)}'."
    return f"is {_shown(value)}, where {expected} is expected. {remedy}"


def _shown(value: Any) -> str:
    if isinstance(value, (list, Mapping)):
        return "a list" if isinstance(value, list) else "a mapping"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float, date)):
        return str(value)[:_SHOWN]
    text = str(value)
    return f"'{text}'" if len(text) <= _SHOWN else f"'{text[: _SHOWN - 3]}...'"


def _expected(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType():
            return f"an integer{_limits(kind)}"
        case msgspec.inspect.FloatType():
            return f"a number{_limits(kind)}"
        case msgspec.inspect.LiteralType():
            *others, last = (f"'{value}'" for value in kind.values if value)
            return f"{', '.join(others)} or {last}"
        case msgspec.inspect.UnionType():
            return " or ".join(map(_expected, kind.types))
        case msgspec.inspect.ListType():
            return f"a list of {'strings' if isinstance(kind.item_type, msgspec.inspect.StrType) else 'mappings'}"
        case msgspec.inspect.StructType():
            required = [f"'{field.name}'" for field in kind.fields if field.required]
            return f"a mapping with the keys {' and '.join(required)}" if required else "a mapping"
        case msgspec.inspect.DictType():
            return "a mapping"
    return "a string"


def _limits(kind: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge:,} to {kind.le:,}"
    texts = {"of at least": kind.ge, "above": kind.gt, "of at most": kind.le}
    found = [f"{words} {limit:,}" for words, limit in texts.items() if limit is not None]
    return f" {' and '.join(found)}" if found else ""
