"""Placeholders in pipeline.yaml, such as `{{train.max_iter}}`: typed values of params.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import PipelineError
from ..project import Value
from ..text import nearest, value_at

__all__ = ["flat_keys", "look_up", "references", "resolve", "strings_in", "whole_key"]

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def whole_key(value: object) -> str | None:
    """Return the dotted key if the whole value is one placeholder.

    >>> whole_key("{{ train.max_iter }}")
    'train.max_iter'
    >>> whole_key("to {{train.end}}") is None
    True
    """
    match = _PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else None


def references(value: object) -> Iterator[str]:
    """Yield the dotted key of every placeholder in nested mappings and lists.

    >>> list(references({"a": ["{{x.y}}", "from {{z}} to {{w}}"]}))
    ['x.y', 'z', 'w']
    """
    for text in strings_in(value):
        yield from _PLACEHOLDER.findall(text)


def strings_in(value: object) -> Iterator[str]:
    """Yield every string in nested mappings and lists, without keys.

    >>> list(strings_in({"a": ["x", 1], "b": "y"}))
    ['x', 'y']
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from strings_in(inner)


def resolve(value: Any, params: Mapping[str, Value], *, where: str) -> Value:
    """Replace placeholders by the typed values of `params`.

    A placeholder that is the whole value may have any type; inside a string it must be a string.

    >>> resolve("{{train.rate}}", {"train": {"rate": 0.1}}, where="x")
    0.1
    >>> resolve("data/{{name}}.csv", {"name": "july"}, where="x")
    'data/july.csv'
    """
    if isinstance(value, Mapping):
        return {str(key): resolve(inner, params, where=f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, params, where=where) for inner in value]
    if not isinstance(value, str):
        return value  # type: ignore[no-any-return]
    key = whole_key(value)
    if key is not None:
        return look_up(params, key, where=where)
    return _PLACEHOLDER.sub(lambda match: _string(params, match[1], where=where), value)


def look_up(params: Mapping[str, Value], key: str, *, where: str) -> Value:
    """Return the value of a dotted key.

    Raises
    ------
    PipelineError
        If `params` does not have it; a similar key is suggested.
    """
    try:
        return value_at(params, key)  # type: ignore[no-any-return]
    except KeyError:
        near = nearest(key, flat_keys(params))
        hint = f"Did you mean '{{{{{near}}}}}'?" if near else f"Add '{key}' to params.yaml."
        raise PipelineError(
            f"{where} in pipeline.yaml uses '{{{{{key}}}}}', which params.yaml does not have. {hint}"
        ) from None


def flat_keys(params: Mapping[str, Value]) -> Iterator[str]:
    """Yield every dotted key, inner mappings included.

    >>> list(flat_keys({"train": {"rate": 0.1}}))
    ['train', 'train.rate']
    """
    for key, value in params.items():
        yield key
        if isinstance(value, Mapping):
            yield from (f"{key}.{inner}" for inner in flat_keys(value))


def _string(params: Mapping[str, Value], key: str, *, where: str) -> str:
    value = look_up(params, key, where=where)
    if isinstance(value, str):
        return value
    raise PipelineError(
        f"{where} in pipeline.yaml uses '{{{{{key}}}}}' inside a string, but its value {value!r} is not a string. "
        f"Use '{{{{{key}}}}}' as the whole value, or change it to a string in params.yaml."
    )
