"""Find the entries about one person: equality by value, whatever the spelling, the version or the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..model.signature import Field
from .keys import parse_value
from .records import pseudonym

__all__ = ["Subject"]


class Subject:
    """A person, known by the value of one field.

    The value counts, not its text: `40`, `40.0` and `"40"` are one number, `08:00-04:00` and `12:00Z` one time. Values
    and pseudonyms are both found, because the signature's `pii` may have changed since they were logged.

    Parameters
    ----------
    text
        The value as text.
    salt
        The log's salt for pseudonyms.

    Raises
    ------
    ValueError
        If the text is not a value of the field. The message is the reason, without the value.

    >>> subject = Subject(Field("age", "int"), "40", salt=b"")
    >>> [subject.is_in({"age": age}) for age in (40, 40.0, "40", [39, 40], 400, None)]
    [True, True, True, True, False, False]
    """

    def __init__(self, field: Field, text: str, *, salt: bytes) -> None:
        self._field = field
        self._value = parse_value(text, field)
        self._texts = {text, *(pseudonym(each, salt) for each in _earlier_forms(self._value, text))}

    def is_in(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row of inputs or key columns has the person's value."""
        return self._field.name in row and any(map(self._equals, _scalars(row[self._field.name])))

    def _equals(self, value: Any) -> bool:
        if isinstance(value, str) and value in self._texts:
            return True
        try:
            return bool(parse_value(value, self._field) == self._value)
        except ValueError:
            return False


def _earlier_forms(value: Any, text: str) -> Iterator[object]:
    """Yield the forms of a value of which the log holds pseudonyms: nbship 0.1 took rejected values as they came."""
    yield value
    yield text
    if isinstance(value, float) and value.is_integer():
        yield int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        yield float(value)
    yield [value]
    yield [text]


def _scalars(value: Any) -> Iterator[Any]:
    """Yield the values in a value: a rejected request may have a list or an object in place of a value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    else:
        yield value
