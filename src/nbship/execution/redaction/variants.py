"""How a value may stand in text: plain, escaped, encoded, in colours, cut short."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterator

__all__ = ["SHORTEST", "cut_short", "parted", "spellings"]

# Fewer characters are found in texts that do not hold the value.
SHORTEST = 6
_BETWEEN = r"(?:\x1b\[[0-9;]*m|<[^<>]*>|\n)*"


def spellings(value: str) -> set[str]:
    """Return the spellings of a value, and of each line of one that has several.

    >>> {"a<b>c&d", "a&lt;b&gt;c&amp;d", "a%3Cb%3Ec%26d"} <= spellings("a<b>c&d")
    True
    """
    lines = [line for line in value.splitlines() if not line.startswith("-----")]
    plain = {value, value.strip(), *lines}
    once = {form for text in plain for form in (*_escaped(text), *_encoded(text))}
    twice = {form for text in once for form in _escaped(text)}  # such as JSON inside of HTML
    return {form for form in once | twice if len(form) >= SHORTEST}


def _escaped(text: str) -> Iterator[str]:
    """Yield a text as it stands in Python, JSON and HTML."""
    yield text
    data = text.encode("utf-8", "surrogateescape")
    for quoted in (repr(text), ascii(text), repr(data)):
        yield quoted[quoted.index(quoted[-1]) + 1 : -1]
    for quoted in (repr(text + "'\""), repr(data + b"'\"")):  # inside of a text with other quotes
        yield quoted[quoted.index(quoted[-1]) + 1 : -4]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield html.escape(text)
    yield html.escape(text, quote=False)


def _encoded(text: str) -> Iterator[str]:
    """Yield a text as it stands in addresses, in base64 and in hexadecimal digits."""
    data = text.encode("utf-8", "surrogateescape")
    yield data.hex()
    yield data.hex().upper()
    for percent in (urllib.parse.quote(data), urllib.parse.quote(data, safe="")):
        yield percent
        yield percent.replace("%20", "+")
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), percent)
    for before in range(3):  # where in a group of four it begins depends on what stands before it
        whole = (len(data) + before) // 3 * 4
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * before + data)[4 if before else 0 : whole].decode()


def parted(value: str) -> re.Pattern[str]:
    """Find a value that colours, markup or the end of a line part."""
    return re.compile(_BETWEEN.join(map(re.escape, value)))


def cut_short(value: str) -> re.Pattern[str]:
    """Find what begins as a value does; tables show the first part and an ellipsis."""
    head = value[: min(12, max(SHORTEST, len(value) // 2))]
    return re.compile(re.escape(head) + r"[^\n]*?(?=\.\.\.|…)")
