"""Parts of messages (the nearest known name, bounded lists, counts, others' messages), and look-up by a dotted key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["counted", "did_you_mean", "first_line", "listed", "nearest", "one_line", "plural", "similar", "value_at"]

_REQUIRED = object()


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most similar to `name`, or None if no name is similar.

    >>> nearest("orgin", ["origin", "dest"])
    'origin'
    """
    return next(iter(similar(name, known, most=1)), None)


def similar(name: str, known: Iterable[str], *, most: int) -> list[str]:
    """Return the known names that are similar to `name`, most similar first; case does not matter.

    >>> similar("BMI", ["age", "bmi"], most=1)
    ['bmi']
    """
    by_lower = {each.lower(): each for each in known}
    return [by_lower[each] for each in difflib.get_close_matches(name.lower(), list(by_lower), n=most)]


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str) -> str:
    """Return a question with the nearest known name, or another sentence if no name is similar.

    >>> did_you_mean("trian", ["train", "prepare"], otherwise="Add it.")
    "Did you mean 'train'?"
    >>> did_you_mean("x", ["train", "prepare"], otherwise="Add it.")
    'Add it.'
    """
    near = nearest(name, known)
    return otherwise if near is None else f"Did you mean '{near}'?"


def listed(names: Iterable[object], *, most: int = 12, separator: str = ", ", quoted: bool = False) -> str:
    """Return names in one line, the first of many.

    >>> listed(["a", "b", "c", "d"], most=2), listed("ab", quoted=True)
    ('a, b and 2 more', "'a', 'b'")
    """
    texts = [f"'{name}'" if quoted else str(name) for name in names]
    text, more = separator.join(texts[:most]), len(texts) - most
    end = separator.strip(", ")  # a semicolon stays before "and"
    return text if more <= 0 else f"{text}{end} and {more:,} more"


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """Return a number with its noun.

    >>> counted(1, "record"), counted(1200, "record"), counted(0, "entry", "entries")
    ('1 record', '1,200 records', '0 entries')
    """
    return f"{number:,} {plural(number, noun, nouns)}"


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """Return the noun, or another word, for a number of things.

    >>> plural(1, "row"), plural(2, "row"), plural(2, "has", "have")
    ('row', 'rows', 'have')
    """
    return noun if number == 1 else nouns or f"{noun}s"


def first_line(message: object, *, otherwise: str = "no message", most: int = 300) -> str:
    """Return the first line of another library's message, whose end is cut off if it is longer than `most`.

    >>> first_line(ValueError("no such table\\n  at line 1")), first_line(""), first_line("a, b, c, d", most=6)
    ('no such table', 'no message', 'a, b, …')
    """
    line = next(iter(str(message).strip().splitlines()), otherwise)
    return line if len(line) <= most else f"{line[:most]}…"


def one_line(message: object, *, most: int = 300) -> str:
    """Return another library's message in one line of bounded length.

    >>> one_line("found\\n  a tab", most=9)
    'found a t'
    """
    return " ".join(str(message).split())[:most]


def value_at(content: Any, key: str, *, default: Any = _REQUIRED) -> Any:
    """Return the value of a dotted key in nested mappings.

    Raises
    ------
    KeyError
        If there is none, and no default.

    Examples
    --------
    >>> value_at({"train": {"rate": 0.1}}, "train.rate")
    0.1
    >>> value_at({"train": {}}, "train.rate.first", default=None) is None
    True
    """
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            if default is _REQUIRED:
                raise KeyError(key)
            return default
        content = content[part]
    return content
