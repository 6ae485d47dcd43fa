"""Entries of `dvc.lock` as text, and back: what DVC writes, byte for byte, without its YAML library where that is safe.

DVC writes with ruamel.yaml, which takes seconds for a few hundred stages. Nearly all that it writes is plain
text on one line; such entries are written and read here, and any other value goes to ruamel.yaml itself.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any, TypeAlias

from ..errors import PipelineError

__all__ = ["parse_block", "render_block", "render_entry"]

# Text that needs no quotes unless YAML 1.2 takes it for another type; the latter as ruamel.yaml's resolver has it.
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+@=-]*(?: [A-Za-z0-9_./][A-Za-z0-9_./+@=-]*)*")
_TYPED = re.compile(
    r"""[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)? | [-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
    | [-+]?\.[0-9_]+(?:[eE][-+][0-9]+)? | [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN)
    | [-+]?0b[01_]+ | [-+]?0o?[0-7_]+ | (?:[-+][0-9_]|[0-9])[0-9_]* | [-+]?0x[0-9a-fA-F_]+
    | \d{4}-\d{2}-\d{2} | true|True|TRUE|false|False|FALSE | null|Null|NULL | \.\.\.""",
    re.VERBOSE,
)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_QUOTED = re.compile(r"'([A-Za-z0-9_./+@=-]*)'")
_WORDS: Mapping[str, Any] = {"true": True, "false": False, "{}": {}, "[]": []}
_KEYED = re.compile(r"((?:[^\s:']|'[^'\s:]*')[^\s:]*):(?: (.+))?$")
_DASH = "-"
# Longer lines are folded.
_WIDTH = 80


_Token: TypeAlias = "tuple[int, str, str | None]"  # indentation, key (a list's item: a dash), text


class _OddError(Exception):
    """Something that only ruamel.yaml writes or reads as DVC does."""


def render_block(name: str, entry: Mapping[str, Any]) -> str:
    """Return the lines of a stage under `stages:` in `dvc.lock`."""
    try:
        _refuse_shared(entry, set())
        return f"  {_key(name, 2)}:\n" + "".join(_mapping(entry, 4))
    except _OddError:
        return _dump({"stages": {name: entry}}).partition("\n")[2]


def render_entry(entry: Mapping[str, Any]) -> str:
    """Return an entry as a file of its own, as DVC's run cache has it.

    >>> print(render_entry({"cmd": "nbship stage a", "deps": [{"path": "b", "md5": "0e12", "size": 3}]}), end="")
    cmd: nbship stage a
    deps:
    - path: b
      md5: '0e12'
      size: 3
    """
    try:
        _refuse_shared(entry, set())
        return "".join(_mapping(entry, 0))
    except _OddError:
        return _dump(entry)


def parse_block(block: str) -> Any:
    """Return the entry that the lines of a stage hold.

    Raises
    ------
    PipelineError
        If they are not YAML.
    """
    try:
        tokens = _tokens(block)
        named, end = _node(tokens, 0)
        if end != len(tokens) or not isinstance(named, dict) or len(named) != 1:
            raise _OddError
        return next(iter(named.values()))
    except _OddError:
        return _load(block)


def _mapping(values: Mapping[str, Any], indent: int) -> Iterator[str]:
    if not values:
        raise _OddError
    for key, value in values.items():
        yield from _item(f"{' ' * indent}{_key(key, indent)}:", value, indent)


def _item(head: str, value: Any, indent: int) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield f"{head}\n"
        yield from _mapping(value, indent + 2)
    elif isinstance(value, list) and value:
        yield f"{head}\n"
        yield from _sequence(value, indent)
    else:
        text = _scalar(value)
        if len(head) + len(text) > _WIDTH - 2:
            raise _OddError
        yield f"{head} {text}\n" if text else f"{head}\n"


def _sequence(values: list[Any], indent: int) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping) and value:
            first, *rest = _mapping(value, indent + 2)
            yield f"{' ' * indent}- {first[indent + 2 :]}"
            yield from rest
        elif value is None or (isinstance(value, list) and value):
            raise _OddError
        else:
            yield from _item(f"{' ' * indent}-", value, indent)


def _key(key: object, indent: int) -> str:
    if not isinstance(key, str) or " " in key or indent + len(key) > _WIDTH - 2:
        raise _OddError
    return _scalar(key)


def _scalar(value: object) -> str:
    if value is None:
        return ""
    if value in ({}, []):
        return repr(value)
    if type(value) is str:
        if not _PLAIN.fullmatch(value):
            raise _OddError
        return f"'{value}'" if _TYPED.fullmatch(value) else value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int or (type(value) is float and _FLOAT.fullmatch(repr(value))):
        return repr(value)
    raise _OddError


def _tokens(block: str) -> list[_Token]:
    tokens: list[_Token] = []
    for line in block.splitlines():
        rest = line.lstrip(" ")
        indent = len(line) - len(rest)
        while rest.startswith("- "):
            rest = rest[2:]
            if not _KEYED.match(rest) and not rest.startswith("- "):
                tokens.append((indent, _DASH, rest))
                break
            tokens.append((indent, _DASH, None))
            indent += 2
        else:
            if (match := _KEYED.match(rest)) is None:
                raise _OddError
            tokens.append((indent, match[1], match[2]))
    return tokens


def _node(tokens: list[_Token], place: int) -> tuple[Any, int]:
    return (_read_sequence if tokens[place][1] == _DASH else _read_mapping)(tokens, place)


def _read_mapping(tokens: list[_Token], place: int) -> tuple[dict[str, Any], int]:
    indent = tokens[place][0]
    found: dict[str, Any] = {}
    while place < len(tokens) and tokens[place][0] == indent and tokens[place][1] != _DASH:
        _, key, text = tokens[place]
        key = _value(key)
        if not isinstance(key, str) or key in found:
            raise _OddError
        place += 1
        if text is None and place < len(tokens) and _belongs(tokens[place], indent):
            found[key], place = _node(tokens, place)
        else:
            found[key] = None if text is None else _value(text)
    return found, place


def _belongs(token: _Token, indent: int) -> bool:
    return token[0] > indent or (token[0] == indent and token[1] == _DASH)


def _read_sequence(tokens: list[_Token], place: int) -> tuple[list[Any], int]:
    indent = tokens[place][0]
    found: list[Any] = []
    while place < len(tokens) and tokens[place][:2] == (indent, _DASH):
        text = tokens[place][2]
        place += 1
        if text is not None:
            found.append(_value(text))
        elif place < len(tokens) and tokens[place][0] == indent + 2:
            inner, place = _node(tokens, place)
            found.append(inner)
        else:
            raise _OddError
    return found, place


def _value(text: str) -> Any:
    if _PLAIN.fullmatch(text) and not _TYPED.fullmatch(text):
        return text
    if match := _QUOTED.fullmatch(text):
        return match[1]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if text in _WORDS:
        return copy(_WORDS[text])
    raise _OddError


def _refuse_shared(value: Any, seen: set[int]) -> None:
    """Refuse a container that occurs twice: YAML writes it once, with an anchor."""
    if isinstance(value, (Mapping, list)):
        if id(value) in seen:
            raise _OddError
        seen.add(id(value))
        for inner in value.values() if isinstance(value, Mapping) else value:
            _refuse_shared(inner, seen)


def _dump(content: Mapping[str, Any]) -> str:
    from collections import OrderedDict

    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.Representer.add_representer(OrderedDict, yaml.Representer.represent_dict)
    text = io.StringIO()
    yaml.dump(content, text)
    return text.getvalue()


def _load(block: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        (entry,) = YAML(typ="safe", pure=True).load("stages:\n" + block)["stages"].values()
    except (YAMLError, ValueError) as cause:
        raise PipelineError(" ".join(str(cause).split())[:200]) from cause
    return entry
