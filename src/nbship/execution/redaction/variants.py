"""The forms that a value takes in text: plain, escaped, encoded, split by colours, truncated."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterator

__all__ = ["MIN_LENGTH", "spellings", "split_pattern", "truncated_pattern"]

# Shorter values would match unrelated text.
MIN_LENGTH = 6
_BETWEEN = r"(?:\x1b\[[0-9;]*m|<[^<>]*>|\n)*"


def spellings(value: str) -> set[str]:
    """Return the spellings of a value and of each of its lines.

    >>> {"a<b>c&d", "a&lt;b&gt;c&amp;d", "a%3Cb%3Ec%26d"} <= spellings("a<b>c&d")
    True
    """
    lines = [line for line in value.splitlines() if not line.startswith("-----")]
    plain = {value, value.strip(), *lines}
    once = {form for text in plain for form in (*_escaped(text), *_encoded(text))}
    twice = {form for text in once for form in _escaped(text)}  # for example JSON inside HTML
    return {form for form in once | twice if len(form) >= MIN_LENGTH}


def _escaped(text: str) -> Iterator[str]:
    """Yield a string as escaped in Python, JSON and HTML."""
    yield text
    data = text.encode("utf-8", "surrogateescape")
    for quoted in (repr(text), ascii(text), repr(data)):
        yield quoted[quoted.index(quoted[-1]) + 1 : -1]
    for quoted in (repr(text + "'\""), repr(data + b"'\"")):  # inside a string with other quotes
        yield quoted[quoted.index(quoted[-1]) + 1 : -4]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield html.escape(text)
    yield html.escape(text, quote=False)


def _encoded(text: str) -> Iterator[str]:
    """Yield a string as encoded in URLs, base64 and hexadecimal digits."""
    data = text.encode("utf-8", "surrogateescape")
    yield data.hex()
    yield data.hex().upper()
    for percent in (urllib.parse.quote(data), urllib.parse.quote(data, safe="")):
        yield percent
        yield percent.replace("%20", "+")
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), percent)
    # Base64 turns 3 bytes into 4 characters, so the digits depend on the number of bytes before the value, modulo 3:
    # `sesame` alone gives `c2VzYW1l`, but `asesame` gives `YXNl c2Ft ZQ==`. Of these groups only `c2Ft` holds nothing but
    # bytes of the value, so only such groups are searched for.
    for before in range(3):
        end = (len(data) + before) // 3 * 4
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * before + data)[4 if before else 0 : end].decode()


def split_pattern(value: str) -> re.Pattern[str]:
    """Return a pattern of a value split by colours, markup or line breaks."""
    return re.compile(_BETWEEN.join(map(re.escape, value)))


def truncated_pattern(value: str) -> re.Pattern[str]:
    """Return a pattern of a value's beginning before an ellipsis, as in tables."""
    head = value[: min(12, max(MIN_LENGTH, len(value) // 2))]
    return re.compile(re.escape(head) + r"[^\n]*?(?=\.\.\.|…)")
