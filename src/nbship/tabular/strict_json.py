"""Read JSON strictly: what one reader would take differently from another is refused.

JSON as RFC 8259 has it: no `NaN` or `Infinity`, no number beyond a double, no duplicate keys, no lone
surrogates, UTF-8 only, bounded in depth (and in bytes, before it comes here).
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
_PLAIN_BYTES = 1 << 20
# Beyond it readers differ in what a whole number is.
_WHOLE = 2**63 - 1
_DECODER = msgspec.json.Decoder()
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(body: bytes, *, what: str = "body") -> Any:
    """Return the value that a JSON text holds.

    Parameters
    ----------
    what
        What error messages call the text: a body, a line.

    Raises
    ------
    JsonError
        If it is not strict JSON, or beyond the limits.

    >>> parse_json(b'{"x": 1.5}')
    {'x': 1.5}
    >>> parse_json(b'{"x": 1, "x": 2}')
    Traceback (most recent call last):
    ...
    nbship.errors.JsonError: The key 'x' occurs twice in one object. Send each key once.
    """
    quick = _parse_plain(body)
    return _parse_thoroughly(body, what) if quick is None else quick


def _parse_thoroughly(body: bytes, what: str = "body") -> Any:
    if not body.strip():
        raise JsonError(f"The {what} is empty. Send a JSON object, or a list of objects.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError(f"The {what} is not UTF-8 (byte {error.start}). Send JSON in UTF-8.") from error
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_number, parse_int=_whole
        )
    except json.JSONDecodeError as error:
        raise JsonError(f"The {what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
    except RecursionError as error:
        raise _too_deep() from error
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth(value)
    if _SURROGATE.search(text):
        _check_texts(value)
    return value


def _parse_plain(body: bytes) -> Any:
    """Return the value of a body that is plainly right: a flat record, or a list of them; None where it takes a closer look.

    Without a backslash, each colon of the body stands in a text or between a key and its value. As many of the
    latter as the records have keys are no key twice.
    """
    if b"\\" in body or len(body) > _PLAIN_BYTES:
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
                if not -_WHOLE <= item <= _WHOLE:
                    return None
            elif kind is dict or kind is list:
                return None
            if ":" in name:
                colons += name.count(":")
    return value if body.count(b":") == colons else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        shown = _shown(twice)
        raise JsonError(f"The key '{shown}' occurs twice in one object. Send each key once.", field=shown)
    return made


def _refuse(word: str) -> NoReturn:
    raise JsonError(f"{word} is not JSON. Send null for a missing number.")


def _number(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise JsonError(f"The number {_shown(digits)} is too large. Send at most 1.7976931348623157e308.")
    return number


def _whole(digits: str) -> int | float:
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


def _check_texts(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, dict):
            for key in item:
                _check_text(key)
        waiting.extend(_inner(item))


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        shown = _shown(text)
        raise JsonError(f"The text '{shown}' holds a lone surrogate. Send whole characters.") from error


def _inner(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(value.values())
    return iter(value) if isinstance(value, list) else iter(())


def _shown(text: str) -> str:
    kept = text if len(text) <= 40 else f"{text[:37]}..."
    return kept.encode("ascii", "backslashreplace").decode() if not kept.isprintable() else kept


def _too_deep() -> JsonError:
    return JsonError(f"The JSON is nested more than {MAX_DEPTH} deep. Send flat records.")
