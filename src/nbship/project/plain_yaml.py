"""The plain part of YAML 1.2: what nearly every file of a project is written in, read in milliseconds.

Blocks of mappings and lists, one-line `[…]` and `{…}`, numbers, truth values and text, each on one line, with
comments. Where a text holds anything else, it is left to ruamel.yaml, which reads the whole language a
hundred times slower; what is read here, is read as ruamel.yaml reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

__all__ = ["TYPED", "OddError", "PlainText", "parse_plain", "parse_scalar"]

# Plain text that ruamel.yaml's resolver for YAML 1.2 takes for a number, date, truth value or null.
TYPED = re.compile(
    r"""[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)? | [-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
    | [-+]?\.[0-9_]+(?:[eE][-+][0-9]+)? | [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN)
    | [-+]?0b[01_]+ | [-+]?0o?[0-7_]+ | (?:[-+][0-9_]|[0-9])[0-9_]* | [-+]?0x[0-9a-fA-F_]+
    | \d{4}-\d{2}-\d{2} | true|True|TRUE|false|False|FALSE | null|Null|NULL | \.\.\.""",
    re.VERBOSE,
)
_WORD = r"[A-Za-z0-9_./][A-Za-z0-9_./+@=-]*"
_PART = r"[A-Za-z0-9_./][A-Za-z0-9_./+@=?,!()'-]*"
_PLAIN = re.compile(rf"{_PART}(?: {_PART})*")
_QUOTED = re.compile(r"""'([ -&(-~]*)'|"([ !#-\[\]-~]*)\"""")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)")
_TRUTHS = {"true": True, "false": False}
_KEY = re.compile(rf"""({_WORD}|'[^'\s:]*'|"[^"\s:\\]*"):(?: +|$)""")
_DASHES = re.compile(r"- +(?=[^ #])")
_END = re.compile(r" *(?: #.*)?")
_FLOW = re.compile(rf"""-?{_WORD}(?: {_WORD})*|'[^']*'|"[^"]*\"""")
_SEPARATOR = re.compile(r", *")
_DASH = "-"
_NOTHING = "\0"
_LONGEST_KEY = 500
_Token: TypeAlias = "tuple[int, str, str]"  # indentation, key (a list's item: a dash), text; empty: what follows


class OddError(Exception):
    """The text holds what only ruamel.yaml reads."""


@dataclass(frozen=True)
class PlainText:
    """One scalar as it stands in a file."""

    text: str
    is_key: bool
    is_quoted: bool
    is_text: bool


@dataclass
class _Reader:
    tokens: list[_Token]
    seen: list[PlainText] | None = None
    place: int = field(default=0)

    def node(self) -> Any:
        return self.sequence() if self.tokens[self.place][1] == _DASH else self.mapping()

    def mapping(self) -> dict[str, Any]:
        indent = self.tokens[self.place][0]
        found: dict[str, Any] = {}
        while self._at(indent) and self.tokens[self.place][1] != _DASH:
            _, word, text = self.tokens[self.place]
            key = self.scalar(word, is_key=True)
            if key in found:
                raise OddError
            self.place += 1
            found[key] = self.value(text) if text else self.inner(indent)
        return found

    def sequence(self) -> list[Any]:
        indent = self.tokens[self.place][0]
        found: list[Any] = []
        while self._at(indent) and self.tokens[self.place][1] == _DASH:
            text = self.tokens[self.place][2]
            self.place += 1
            deeper = self.place < len(self.tokens) and self.tokens[self.place][0] > indent
            if deeper == bool(text):
                raise OddError
            found.append(self.node() if deeper else None if text == _NOTHING else self.value(text))
        return found

    def inner(self, indent: int) -> Any:
        """Read what stands below a key: deeper, or a list at its own depth; else nothing."""
        if self.place == len(self.tokens):
            return None
        depth, key, _ = self.tokens[self.place]
        return self.node() if depth > indent or (depth == indent and key == _DASH) else None

    def _at(self, indent: int) -> bool:
        return self.place < len(self.tokens) and self.tokens[self.place][0] == indent

    def value(self, text: str) -> Any:
        if text[0] not in "[{":
            return self.scalar(text)
        value, end = self.flow(text, 0)
        if end != len(text):
            raise OddError
        return value

    def flow(self, text: str, start: int) -> tuple[Any, int]:
        if text.startswith("[", start):
            return self._items(text, start, "]", [], lambda found, at: self._listed(found, text, at))
        if text.startswith("{", start):
            return self._items(text, start, "}", {}, lambda found, at: self._named(found, text, at))
        match = _FLOW.match(text, start)
        if match is None:
            raise OddError
        return self.scalar(match[0]), match.end()

    def _items(self, text: str, start: int, close: str, found: Any, take: Callable[[Any, int], int]) -> tuple[Any, int]:
        at = start + 1
        if text.startswith(close, at):
            return found, at + 1
        while True:
            at = take(found, at)
            if text.startswith(close, at):
                return found, at + 1
            separator = _SEPARATOR.match(text, at)
            if separator is None:
                raise OddError
            at = separator.end()

    def _listed(self, found: list[Any], text: str, at: int) -> int:
        value, end = self.flow(text, at)
        found.append(value)
        return end

    def _named(self, found: dict[str, Any], text: str, at: int) -> int:
        match = _KEY.match(text, at)
        if match is None:
            raise OddError
        key = self.scalar(match[1], is_key=True)
        if key in found:
            raise OddError
        found[key], end = self.flow(text, match.end())
        return end

    def scalar(self, text: str, *, is_key: bool = False) -> Any:
        value = parse_scalar(text)
        if is_key and (not isinstance(value, str) or len(text) > _LONGEST_KEY):
            raise OddError
        if self.seen is not None:
            quoted = text[0] in "'\""
            self.seen.append(PlainText(text[1:-1] if quoted else text, is_key, quoted, isinstance(value, str)))
        return value


def parse_plain(text: str, *, seen: list[PlainText] | None = None) -> Any:
    """Read plain YAML; `seen` receives every scalar as it stands there.

    Raises
    ------
    OddError
        If the text holds more than that.

    >>> parse_plain("a:  # one\\n- b: {c: 1.5, d: [x y, true]}\\n")
    {'a': [{'b': {'c': 1.5, 'd': ['x y', True]}}]}
    """
    tokens = _tokens(text)
    if not tokens:
        return None
    reader = _Reader(tokens, seen)
    content = reader.node()
    if reader.place != len(tokens) or tokens[0][0] != 0:
        raise OddError
    return content


@lru_cache(maxsize=8192)  # the same keys stand on thousands of lines
def parse_scalar(text: str) -> Any:
    """Read one scalar.

    Raises
    ------
    OddError
        If it is none of the plain ones.
    """
    if _PLAIN.fullmatch(text) and not TYPED.fullmatch(text):
        return text
    if match := _QUOTED.fullmatch(text):
        return match[1] if match[1] is not None else match[2]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if text in _TRUTHS:
        return _TRUTHS[text]
    if text == "null":
        return None
    raise OddError


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    for line in text.split("\n"):
        rest = line.lstrip(" ")
        if not rest or rest[0] == "#":
            continue
        _take(tokens, len(line) - len(rest), rest)
    return tokens


def _take(tokens: list[_Token], indent: int, rest: str) -> None:
    while rest[0] == _DASH and (match := _DASHES.match(rest)):
        rest = rest[match.end() :]
        if not _KEY.match(rest) and not _DASHES.match(rest) and rest.rstrip(" ") != _DASH:
            tokens.append((indent, _DASH, _value(rest)))
            return
        tokens.append((indent, _DASH, ""))
        indent += match.end()
    if rest.rstrip(" ") == _DASH:
        tokens.append((indent, _DASH, _NOTHING))
        return
    match = _KEY.match(rest)
    if match is None:
        raise OddError
    after = rest[match.end() :]
    tokens.append((indent, match[1], "" if after[:1] in ("", "#") else _value(after)))


def _value(text: str) -> str:
    """Return a value's text without the comment behind it."""
    if text[0] in "'\"":
        match = _QUOTED.match(text)
    elif text[0] in "[{":
        return text.rstrip(" ") if " #" not in text else _uncommented(text)
    else:
        return text.partition(" #")[0].rstrip(" ")
    if match is None or not _END.fullmatch(text, match.end()):
        raise OddError
    return match[0]


def _uncommented(text: str) -> str:
    if "'" in text or '"' in text:
        raise OddError
    return text.partition(" #")[0].rstrip(" ")
