"""A parser for plain YAML 1.2, the part of the language that nearly all files of a project use.

Plain YAML has block mappings and lists, one-line `[…]` and `{…}`, numbers, booleans and one-line strings, and
comments. It is parsed a hundred times faster than by ruamel.yaml, with the same result; for other YAML, callers
use ruamel.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

__all__ = ["TYPED_STRING", "NotPlainError", "Scalar", "parse_plain", "parse_scalar"]

# Unquoted strings that ruamel.yaml resolves, for YAML 1.2, to a number, date, boolean or null.
TYPED_STRING = re.compile(
    r"""[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)? | [-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
    | [-+]?\.[0-9_]+(?:[eE][-+][0-9]+)? | [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN)
    | [-+]?0b[01_]+ | [-+]?0o?[0-7_]+ | (?:[-+][0-9_]|[0-9])[0-9_]* | [-+]?0x[0-9a-fA-F_]+
    | \d{4}-\d{2}-\d{2} | true|True|TRUE|false|False|FALSE | null|Null|NULL | \.\.\.""",
    re.VERBOSE,
)
_WORD = r"[A-Za-z0-9_./][A-Za-z0-9_./+@=-]*"
_PART = r"[A-Za-z0-9_./][A-Za-z0-9_./+@=?,!()'-]*"
_PLAIN = re.compile(rf"{_PART}(?: (?:--|(?:=|\+|<=?|>=?) )?{_PART})*")
_QUOTED = re.compile(r"""'([ -&(-~]*)'|"([ !#-\[\]-~]*)\"""")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)")
_BOOLEANS = {"true": True, "false": False}
_KEY = re.compile(rf"""({_WORD}|'[^'\s:]*'|"[^"\s:\\]*"):(?: +|$)""")
_DASHES = re.compile(r"- +(?=[^ #])")
_END = re.compile(r" *(?: #.*)?")
_FLOW = re.compile(rf"""-?{_WORD}(?: {_WORD})*|'[^']*'|"[^"]*\"""")
_SEPARATOR = re.compile(r", *")
_DASH = "-"
_NULL = "\0"
_LONGEST_KEY = 500
# Indentation, key (of a list item: a dash) and value; an empty value is nested in the tokens that follow.
# "a:  # one\n- b: 1\n  c: [x]" is (0, "a", ""), (0, "-", ""), (2, "b", "1"), (2, "c", "[x]").
_Token: TypeAlias = "tuple[int, str, str]"


class NotPlainError(Exception):
    """The text is not plain YAML."""


@dataclass(frozen=True)
class Scalar:
    """One scalar of a file, with its text as written."""

    text: str
    is_key: bool
    is_quoted: bool
    is_string: bool


@dataclass
class _Reader:
    tokens: list[_Token]
    scalars: list[Scalar] | None = None
    position: int = field(default=0)

    def node(self) -> Any:
        return self.sequence() if self.tokens[self.position][1] == _DASH else self.mapping()

    def mapping(self) -> dict[str, Any]:
        indent = self.tokens[self.position][0]
        found: dict[str, Any] = {}
        while self._at(indent) and self.tokens[self.position][1] != _DASH:
            _, word, text = self.tokens[self.position]
            key = self.scalar(word, is_key=True)
            if key in found:
                raise NotPlainError
            self.position += 1
            found[key] = self.value(text) if text else self.nested(indent)
        return found

    def sequence(self) -> list[Any]:
        indent = self.tokens[self.position][0]
        found: list[Any] = []
        while self._at(indent) and self.tokens[self.position][1] == _DASH:
            text = self.tokens[self.position][2]
            self.position += 1
            deeper = self.position < len(self.tokens) and self.tokens[self.position][0] > indent
            if deeper == bool(text):
                raise NotPlainError
            found.append(self.node() if deeper else None if text == _NULL else self.value(text))
        return found

    def nested(self, indent: int) -> Any:
        """Read the value below a key: indented, or a list at the indentation of the key; None without a value."""
        if self.position == len(self.tokens):
            return None
        depth, key, _ = self.tokens[self.position]
        return self.node() if depth > indent or (depth == indent and key == _DASH) else None

    def _at(self, indent: int) -> bool:
        return self.position < len(self.tokens) and self.tokens[self.position][0] == indent

    def value(self, text: str) -> Any:
        if text[0] not in "[{":
            return self.scalar(text)
        value, end = self.flow(text, 0)
        if end != len(text):
            raise NotPlainError
        return value

    def flow(self, text: str, start: int) -> tuple[Any, int]:
        if text.startswith("[", start):
            return self._collection(text, start, "]", [], lambda found, at: self._add_item(found, text, at))
        if text.startswith("{", start):
            return self._collection(text, start, "}", {}, lambda found, at: self._add_entry(found, text, at))
        match = _FLOW.match(text, start)
        if match is None:
            raise NotPlainError
        return self.scalar(match[0]), match.end()

    def _collection(
        self, text: str, start: int, close: str, found: Any, add: Callable[[Any, int], int]
    ) -> tuple[Any, int]:
        at = start + 1
        if text.startswith(close, at):
            return found, at + 1
        while True:
            at = add(found, at)
            if text.startswith(close, at):
                return found, at + 1
            separator = _SEPARATOR.match(text, at)
            if separator is None:
                raise NotPlainError
            at = separator.end()

    def _add_item(self, found: list[Any], text: str, at: int) -> int:
        value, end = self.flow(text, at)
        found.append(value)
        return end

    def _add_entry(self, found: dict[str, Any], text: str, at: int) -> int:
        match = _KEY.match(text, at)
        if match is None:
            raise NotPlainError
        key = self.scalar(match[1], is_key=True)
        if key in found:
            raise NotPlainError
        found[key], end = self.flow(text, match.end())
        return end

    def scalar(self, text: str, *, is_key: bool = False) -> Any:
        value = parse_scalar(text)
        if is_key and (not isinstance(value, str) or len(text) > _LONGEST_KEY):
            raise NotPlainError
        if self.scalars is not None:
            quoted = text[0] in "'\""
            self.scalars.append(Scalar(text[1:-1] if quoted else text, is_key, quoted, isinstance(value, str)))
        return value


def parse_plain(text: str, *, scalars: list[Scalar] | None = None) -> Any:
    """Parse plain YAML; each scalar is appended to `scalars`.

    Raises
    ------
    NotPlainError
        If the text is not plain YAML, or nested too deeply.

    >>> parse_plain("a:  # one\\n- b: {c: 1.5, d: [x y, true]}\\n")
    {'a': [{'b': {'c': 1.5, 'd': ['x y', True]}}]}
    """
    tokens = _tokens(text)
    if not tokens:
        return None
    reader = _Reader(tokens, scalars)
    try:
        content = reader.node()
    except RecursionError:
        raise NotPlainError from None
    if reader.position != len(tokens) or tokens[0][0] != 0:
        raise NotPlainError
    return content


@lru_cache(maxsize=8192)  # lock files repeat the same keys thousands of times
def parse_scalar(text: str) -> Any:
    """Parse one scalar.

    Raises
    ------
    NotPlainError
        If it is not plain.
    """
    if _PLAIN.fullmatch(text) and not TYPED_STRING.fullmatch(text):
        return text
    if match := _QUOTED.fullmatch(text):
        return match[1] if match[1] is not None else match[2]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text == "null":
        return None
    raise NotPlainError


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    for line in text.split("\n"):
        rest = line.lstrip(" ")
        if not rest or rest[0] == "#":
            continue
        _add_tokens(tokens, len(line) - len(rest), rest)
    return tokens


def _add_tokens(tokens: list[_Token], indent: int, rest: str) -> None:
    while rest[0] == _DASH and (match := _DASHES.match(rest)):
        rest = rest[match.end() :]
        if not _KEY.match(rest) and not _DASHES.match(rest) and rest.rstrip(" ") != _DASH:
            tokens.append((indent, _DASH, _value(rest)))
            return
        tokens.append((indent, _DASH, ""))
        indent += match.end()
    if rest.rstrip(" ") == _DASH:
        tokens.append((indent, _DASH, _NULL))
        return
    match = _KEY.match(rest)
    if match is None:
        raise NotPlainError
    after = rest[match.end() :]
    tokens.append((indent, match[1], "" if after[:1] in ("", "#") else _value(after)))


def _value(text: str) -> str:
    """Return a value without the comment after it."""
    if text[0] in "'\"":
        match = _QUOTED.match(text)
    elif text[0] in "[{":
        return text.rstrip(" ") if " #" not in text else _uncommented(text)
    else:
        return text.partition(" #")[0].rstrip(" ")
    if match is None or not _END.fullmatch(text, match.end()):
        raise NotPlainError
    return match[0]


def _uncommented(text: str) -> str:
    if "'" in text or '"' in text:
        raise NotPlainError
    return text.partition(" #")[0].rstrip(" ")
