"""Read JSON strictly: input that parsers read differently is an error.

JSON as in RFC 8259: no `NaN` or `Infinity`, no number beyond a double, no duplicate keys, no lone
surrogates, UTF-8 only, with a limit on depth (callers limit the size).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec

from ..errors import JsonError

__all__ = ["MAX_DEPTH", "parse_json"]

MAX_DEPTH = 64
_MAX_FLAT_BYTES = 1 << 20
# Parsers differ in how they read larger integers.
_MAX_INTEGER = 2**63 - 1
_DECODER = msgspec.json.Decoder()
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(body: bytes, *, what: str = "body") -> Any:
    """Return the value of a JSON document.

    Parameters
    ----------
    what
        What error messages call the document: "body" or "line".

    Raises
    ------
    JsonError
        If it is not strict JSON, or exceeds a limit.

    >>> parse_json(b'{"x": 1.5}')
    {'x': 1.5}
    >>> parse_json(b'{"x": 1, "x": 2}')
    Traceback (most recent call last):
    ...
    nbship.errors.JsonError: The key 'x' occurs twice in one object. Send each key once.
    """
    value = _parse_flat(body)
    return _parse_any(body, what) if value is None else value


def _parse_any(body: bytes, what: str = "body") -> Any:
    if not body.strip():
        raise JsonError(f"The {what} is empty. Send a JSON object, or a list of objects.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError(f"The {what} is not UTF-8 (byte {error.start}). Send JSON in UTF-8.") from error
    try:
        value = json.loads(
            text,
            object_pairs_hook=_parse_object,
            parse_constant=_reject_constant,
            parse_float=_parse_float,
            parse_int=_parse_int,
        )
    except json.JSONDecodeError as error:
        raise JsonError(f"The {what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
    except RecursionError as error:
        raise _too_deep() from error
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth(value)
    if _SURROGATE.search(text):
        _check_strings(value)
    return value


def _parse_flat(body: bytes) -> Any:
    """Return a flat record, or a list of them, parsed by the fast decoder; None if `_parse_any` must decide.

    Without backslashes, each colon of the body is part of a string or follows a key. The decoder drops duplicate
    keys, so a body has none if it has one colon per remaining key, not counting those in strings:

        {"at": "12:30", "n": 1}    3 colons - 1 in a string = 2 keys
        {"n": 1, "n": 2}           2 colons - 0             > 1 key
    """
    if b"\\" in body or len(body) > _MAX_FLAT_BYTES:
        return None
    try:
        value = _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    records = value if type(value) is list else [value]
    colons = 0
    for record in records:
        if type(record) is not dict:
            return None
        colons += len(record)
        for name, item in record.items():
            kind = type(item)
            if kind is str:
                if ":" in item:
                    colons += item.count(":")
            elif kind is int:
                if not -_MAX_INTEGER <= item <= _MAX_INTEGER:
                    return None
            elif kind is dict or kind is list:
                return None
            if ":" in name:
                colons += name.count(":")
    return value if body.count(b":") == colons else None


def _parse_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        seen: set[str] = set()
        duplicate = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        shown = _shown(duplicate)
        raise JsonError(f"The key '{shown}' occurs twice in one object. Send each key once.", field=shown)
    return record


def _reject_constant(word: str) -> NoReturn:
    raise JsonError(f"{word} is not JSON. Send null for a missing number.")


def _parse_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise JsonError(f"The number {_shown(digits)} is too large. Send at most 1.7976931348623157e308.")
    return number


def _parse_int(digits: str) -> int | float:
    if len(digits) > 400:
        raise JsonError(f"The number {_shown(digits)} has {len(digits)} digits. Send at most 400.")
    return int(digits)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inner(outer) if isinstance(inner, (dict, list))]
        if not level:
            return
    raise _too_deep()


def _check_strings(value: Any) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            _check_string(item)
        elif isinstance(item, dict):
            for key in item:
                _check_string(key)
        pending.extend(_inner(item))


def _check_string(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        shown = _shown(text)
        raise JsonError(f"The string '{shown}' contains a lone surrogate. Send valid Unicode.") from error


def _inner(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(value.values())
    return iter(value) if isinstance(value, list) else iter(())


def _shown(text: str) -> str:
    short = text if len(text) <= 40 else f"{text[:37]}..."
    return short.encode("ascii", "backslashreplace").decode() if not short.isprintable() else short


def _too_deep() -> JsonError:
    return JsonError(f"The JSON is nested more than {MAX_DEPTH} deep. Send flat records.")
