"""One record, read without arrays: the usual value of a field takes one comparison.

Whatever is not plainly right is left to `rows`, which finds out what is wrong and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .fields import Field
from .parsing import LARGEST, READERS
from .signature import Signature
from .validation import Rows, to_array

__all__ = ["RecordReader"]

_ABSENT = object()
_ONE = np.ones(1, dtype=bool)


class _DoubtError(Exception):
    """The value, or the record, needs a closer look."""


class RecordReader:
    """Reads single records by a signature.

    Examples
    --------
    >>> reader = RecordReader(Signature(inputs=(Field("size", "int"), Field("weight", "float", nullable=True))))
    >>> reader.read({"weight": None, "size": 3})
    ([3, nan], ())
    >>> reader.read({"size": "three", "weight": 1.5}) is None
    True
    """

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._fields = [(field.name, _reader(field), _null(field), field.optional) for field in signature.inputs]

    def read(self, record: Mapping[str, Any]) -> tuple[list[Any], tuple[str, ...]] | None:
        """Return a value for each field and the names of those left out; None where a closer look is needed."""
        if type(record) is not dict:
            return None
        values: list[Any] = []
        absent: tuple[str, ...] = ()
        try:
            for name, read, null, optional in self._fields:
                value = record.get(name, _ABSENT)
                if value is _ABSENT:
                    if not optional:
                        return None
                    absent = (*absent, name)
                    values.append(null)
                else:
                    values.append(read(value))
        except _DoubtError:
            return None
        return (values, absent) if len(record) + len(absent) == len(values) else None

    def rows(self, values: list[Any], absent: tuple[str, ...]) -> Rows:
        """Return what was read as columns of one row, but for those left out that are looked up."""
        columns = {
            field.name: to_array(field, [value])
            for field, value in zip(self._signature.inputs, values, strict=True)
            if field.lookup is None or field.name not in absent
        }
        return Rows(columns, dict.fromkeys(absent, _ONE))


def _null(field: Field) -> Any:
    return math.nan if field.dtype in ("float", "int", "bool") else None


def _reader(field: Field) -> Callable[[Any], Any]:
    closer = _closer(field)
    if field.dtype in ("float", "int"):
        low: Any = -LARGEST if field.minimum is None else field.minimum
        high: Any = LARGEST if field.maximum is None else field.maximum
        return _number(float if field.dtype == "float" else int, max(low, -LARGEST), min(high, LARGEST), closer)
    if field.dtype == "category" and field.categories and not field.open:
        known = frozenset(field.categories)
        return lambda value: value if type(value) is str and value in known else closer(value)
    if field.dtype in ("category", "string") and (field.open or not field.categories):
        # Half a character, which is what a closer look finds, is not ASCII.
        return lambda value: value if type(value) is str and value.isascii() else closer(value)
    if field.dtype == "bool":
        return lambda value: value if value is True or value is False else closer(value)
    return closer


def _number(plain: type, low: Any, high: Any, closer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        # NaN is in no range.
        return value if type(value) is plain and low <= value <= high else closer(value)

    return read


def _closer(field: Field) -> Callable[[Any], Any]:
    thorough, null = READERS[field.dtype], _null(field)

    def read(value: Any) -> Any:
        if value is None:
            if field.nullable:
                return null
            raise _DoubtError
        found, reason = thorough(field, value)
        if reason is not None:
            raise _DoubtError
        return null if found is None else found

    return read
