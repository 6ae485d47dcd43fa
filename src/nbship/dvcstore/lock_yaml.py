"""Render and parse entries of `dvc.lock`, byte for byte as DVC does, without ruamel.yaml for plain values.

DVC writes with ruamel.yaml, which takes seconds for a few hundred stages. Nearly all values are plain scalars
on one line; these are written and read here, and other values by ruamel.yaml.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import isfinite
from typing import Any

from ..errors import PipelineError
from ..project import TYPED_STRING, NotPlainError, parse_plain
from ..text import one_line

__all__ = ["WIDTH", "parse_block", "render_block", "render_entry"]

# Strings that need no quotes, unless YAML 1.2 reads them as another type.
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+@=-]*(?: (?:--)?[A-Za-z0-9_./][A-Za-z0-9_./+@=-]*)*")
# The line width of DVC's writer.
WIDTH = 80
_LONGEST_KEY = 100


def render_block(name: str, entry: Mapping[str, Any]) -> str:
    """Return the lines of a stage under `stages:` in `dvc.lock`."""
    if not entry:
        return f"  {name}: {{}}\n"
    try:
        _reject_shared(entry, set())
        return f"  {_key(name, 2, WIDTH)}:\n" + "".join(_mapping(entry, 4, WIDTH))
    except NotPlainError:
        return _dump({"stages": {name: entry}}, WIDTH).partition("\n")[2]


def render_entry(entry: Mapping[str, Any], *, width: int = WIDTH) -> str:
    """Return an entry as a separate file, as in DVC's run cache; lines longer than `width` are folded.

    >>> print(render_entry({"cmd": "nbship stage a", "deps": [{"path": "b", "md5": "0e12", "size": 3}]}), end="")
    cmd: nbship stage a
    deps:
    - path: b
      md5: '0e12'
      size: 3
    """
    if not entry:
        return _dump(entry, width)
    try:
        _reject_shared(entry, set())
        return "".join(_mapping(entry, 0, width))
    except NotPlainError:
        return _dump(entry, width)


@lru_cache(maxsize=4096)
def parse_block(block: str) -> Any:
    """Return the entry in the lines of a stage; the result is cached and must not be changed.

    Raises
    ------
    PipelineError
        If they are not YAML.
    """
    try:
        (entry,) = parse_plain("stages:\n" + block)["stages"].values()
        return entry
    except NotPlainError:
        return _load(block)


def _mapping(values: Mapping[str, Any], indent: int, width: int) -> Iterator[str]:
    for key, value in values.items():
        yield from _item(f"{' ' * indent}{_key(key, indent, width)}:", value, indent, width)


def _item(head: str, value: Any, indent: int, width: int) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield f"{head}\n"
        yield from _mapping(value, indent + 2, width)
    elif isinstance(value, list) and value:
        yield f"{head}\n"
        yield from _sequence(value, indent, width)
    else:
        text = _scalar(value)
        if len(head) + len(text) > width - 2:
            raise NotPlainError
        yield f"{head} {text}\n" if text else f"{head}\n"


def _sequence(values: list[Any], indent: int, width: int) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping) and value:
            first, *rest = _mapping(value, indent + 2, width)
            yield f"{' ' * indent}- {first[indent + 2 :]}"
            yield from rest
        elif value is None:
            yield f"{' ' * indent}- \n"
        elif isinstance(value, list) and value:
            first, *rest = _sequence(value, indent + 2, width)
            yield f"{' ' * indent}- {first[indent + 2 :]}"
            yield from rest
        else:
            yield from _item(f"{' ' * indent}-", value, indent, width)


def _key(key: object, indent: int, width: int) -> str:
    if not isinstance(key, str) or " " in key or indent + len(key) > min(width, _LONGEST_KEY) - 2:
        raise NotPlainError
    return _scalar(key)


def _scalar(value: object) -> str:
    if value is None:
        return ""
    if value in ({}, []):
        return repr(value)
    if type(value) is str:
        if not _PLAIN.fullmatch(value):
            return _as_written(value)
        return f"'{value}'" if TYPED_STRING.fullmatch(value) else value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return repr(value)
    if type(value) is float and isfinite(value):
        return repr(value).lower()
    raise NotPlainError


@lru_cache(maxsize=4096)
def _as_written(text: str) -> str:
    """Return a string with the quotes that ruamel.yaml writes, if it stays on one line."""
    if not text.isprintable():
        raise NotPlainError
    first, *more = _dump({"k": text}, 2**31 - 1).removesuffix("\n").split("\n")
    if more or not first.startswith("k: "):
        raise NotPlainError
    return first.removeprefix("k: ")


def _reject_shared(value: Any, seen: set[int]) -> None:
    """Reject a container that occurs twice: ruamel.yaml writes it once, with an anchor."""
    if isinstance(value, (Mapping, list)):
        if id(value) in seen:
            raise NotPlainError
        seen.add(id(value))
        for inner in value.values() if isinstance(value, Mapping) else value:
            _reject_shared(inner, seen)


def _dump(content: Mapping[str, Any], width: int) -> str:
    from collections import OrderedDict

    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = width
    yaml.Representer.add_representer(OrderedDict, yaml.Representer.represent_dict)
    text = io.StringIO()
    yaml.dump(content, text)
    return text.getvalue()


def _load(block: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        (entry,) = YAML(typ="safe", pure=True).load("stages:\n" + block)["stages"].values()
    except (YAMLError, ValueError, RecursionError) as cause:
        raise PipelineError(one_line(cause, most=200)) from cause
    return entry
