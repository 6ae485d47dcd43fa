"""The fast record path: one record is validated without arrays, with one comparison for an ordinary value.

A record with any value that fails its comparison is left to `validation`, which describes each failure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .fields import Field
from .parsing import LARGEST, READERS, storable
from .signature import Signature
from .training_columns import number_type
from .validation import Rows, to_array

__all__ = ["RecordReader"]

_ABSENT = object()
_ONE = np.ones(1, dtype=bool)


class _FallbackError(Exception):
    """The record needs the full validation."""


class RecordReader:
    """Reads one record at a time by a signature.

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
        names = signature.names
        self._rules = [(names.index(rule.low), names.index(rule.high), rule.strict) for rule in signature.rules]
        self._fields = [(field.name, _reader(field), _null(field), field.optional) for field in signature.inputs]

    def read(self, record: Mapping[str, Any]) -> tuple[list[Any], tuple[str, ...]] | None:
        """Return a value for each field and the names of absent fields; None if the record needs the full validation."""
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
        except _FallbackError:
            return None
        for low, high, strict in self._rules:
            if _breaks(values[low], values[high], strict=strict):
                return None
        # Every field is in the record or absent, so a larger sum means that the record has an unknown field.
        return (values, absent) if len(record) + len(absent) == len(values) else None

    def rows(self, values: list[Any], absent: tuple[str, ...]) -> Rows:
        """Return values as columns of one row; absent fields that a lookup provides have no column."""
        columns = {
            field.name: to_array(field, [value])
            for field, value in zip(self._signature.inputs, values, strict=True)
            if field.lookup is None or field.name not in absent
        }
        return Rows(columns, dict.fromkeys(absent, _ONE))


def _breaks(low: Any, high: Any, *, strict: bool) -> bool:
    # A comparison with NaN is false; None is a null timestamp.
    return low is not None and high is not None and bool(low >= high if strict else low > high)


def _null(field: Field) -> Any:
    return math.nan if field.dtype in ("float", "int", "bool") else None


def _reader(field: Field) -> Callable[[Any], Any]:
    full = _full_reader(field)
    if field.dtype in ("float", "int"):
        if field.dtype == "float" and number_type(field.training_dtype) is not None:
            return full
        # The limits of float64 are beyond the integers that JSON's readers agree on; larger numbers take the full check.
        least, most = (-LARGEST, LARGEST) if field.dtype == "float" else storable(field)
        low: Any = least if field.minimum is None else max(least, field.minimum)
        high: Any = most if field.maximum is None else min(most, field.maximum)
        return _number(float if field.dtype == "float" else int, low, high, full)
    if field.dtype == "category" and field.categories and not field.open:
        known = frozenset(field.categories)
        return lambda value: value if type(value) is str and value in known else full(value)
    if field.dtype in ("category", "string") and (field.open or not field.categories):
        # The full validation rejects lone surrogates, which are not ASCII; this check is cheaper than a search for them.
        return lambda value: value if type(value) is str and value.isascii() else full(value)
    if field.dtype == "bool":
        return lambda value: value if value is True or value is False else full(value)
    return full


def _number(plain: type, low: Any, high: Any, full: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        # A comparison with NaN is false, so NaN takes the full validation.
        return value if type(value) is plain and low <= value <= high else full(value)

    return read


def _full_reader(field: Field) -> Callable[[Any], Any]:
    thorough, null = READERS[field.dtype], _null(field)
    narrow = number_type(field.training_dtype) if field.dtype == "float" else None

    def read(value: Any) -> Any:
        if value is None:
            if field.nullable:
                return null
            raise _FallbackError
        found, reason = thorough(field, value)
        if reason is not None:
            raise _FallbackError
        return null if found is None else found if narrow is None else narrow.type(found).item()

    return read
