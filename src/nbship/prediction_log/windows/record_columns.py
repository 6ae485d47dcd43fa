"""The inputs and outputs of records as typed columns: their JSON is decoded many records at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from ...model.signature import Column, Field, Signature
from ..keys import to_utc
from ..records import is_pseudonym, to_micros
from ..rows import LoggedColumns

__all__ = ["NULL_TIME", "RecordColumns", "strings", "timestamps"]

# Microseconds that NumPy reads as NaT.
NULL_TIME = int(np.iinfo(np.int64).min)
_TEXTS, _FEW = 50_000, 500


class RecordColumns:
    """Makes columns of the values in records.

    Parameters
    ----------
    coded
        Whether categories are pandas categoricals.
    """

    def __init__(self, signature: Signature, *, coded: bool) -> None:
        self._signature, self._coded = signature, coded
        self._texts: dict[str, str] = {}

    def inputs(self, logged: LoggedColumns, looked_up: Collection[str]) -> tuple[dict[str, Any], dict[str, Column]]:
        """Return the inputs, and for each looked-up one a mask of the records that left it out."""
        signature = self._signature
        kinds = {one.name: float if one.dtype == "float" else None for one in signature.inputs}
        found = _decode(logged.inputs, kinds, looked_up)
        absent = {}
        for name in looked_up:
            absent[name] = np.array([one is msgspec.UNSET for one in found[name]], dtype=bool)
            found[name] = [None if one is msgspec.UNSET else one for one in found[name]]
        columns = {
            # Parsing timestamps takes longer than the rest of a record.
            field.name: timestamps(logged.event_time)
            if field.name == signature.event_time and not field.pii
            else self._input(found[field.name], field)
            for field in signature.inputs
        }
        return columns, absent

    def outputs(self, logged: LoggedColumns) -> dict[str, Any]:
        """Return the outputs."""
        outputs = self._signature.output_columns
        found = _decode(logged.outputs, {name: float if one.dtype == "float" else None for name, one in outputs.items()}, ())  # fmt: skip
        return {name: self._values(found[name], one.dtype) for name, one in outputs.items()}

    def names(self, values: Sequence[str]) -> Any:
        """Return a column of a few distinct strings."""
        return _categorical(values) if self._coded else list(values)

    def _input(self, values: Sequence[Any], field: Field) -> Any:
        if field.dtype == "category" and self._coded:
            return _categorical(values)
        if field.dtype != "datetime":
            # A string in a numeric column is the pseudonym of a personal value.
            numeric = field.pii and field.dtype not in ("string", "category")
            plain = [None if isinstance(value, str) else value for value in values] if numeric else values
            return self._values(plain, field.dtype)
        # Timestamps repeat. A pseudonym is a personal value.
        known = {None: NULL_TIME}
        for value in set(values) - {None}:
            known[value] = NULL_TIME if is_pseudonym(value) else to_micros(to_utc(value, field))
        return timestamps([known[value] for value in values])

    def _values(self, values: Sequence[Any], dtype: str) -> Any:
        if dtype in ("string", "category"):
            # Equal strings of all parts are one object: an object takes more memory than the rest of its row.
            if len(self._texts) < _TEXTS:
                known = self._texts
                values = [known.setdefault(value, value) if isinstance(value, str) else value for value in values]
            return strings(values)
        exact = {"int": "int64", "bool": "bool"}.get(dtype)
        if exact and (plain := np.array(values, dtype=None if len(values) else exact)).dtype == exact:
            return plain
        return np.array(values, dtype=np.float64)


def strings(values: Sequence[Any]) -> Column:
    """Return strings, and None, as a column of objects."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def timestamps(micros: Any) -> Any:
    """Return microseconds since 1970 as a column of timestamps in UTC."""
    import pandas as pd

    return pd.DatetimeIndex(np.asarray(micros, dtype=np.int64).view("datetime64[us]"), tz="UTC")


def _decode(
    documents: Sequence[str], kinds: Mapping[str, type | None], looked_up: Collection[str]
) -> dict[str, list[Any]]:
    """Return the values of each field in JSON objects; of a field that was left out None, or UNSET if it is looked up.

    Parameters
    ----------
    kinds
        Field -> the type of the values that are not null; None for any.
    """
    names = {name: f"c{number}" for number, name in enumerate(kinds)}
    columns = [(names[name], kind | None if kind else Any, msgspec.UNSET if name in looked_up else None) for name, kind in kinds.items()]  # fmt: skip
    # Garbage collection would look at each row, and find nothing.
    row = msgspec.defstruct("Row", columns, rename={column: name for name, column in names.items()}, gc=False)
    decoder = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]
    getters = {name: attrgetter(column) for name, column in names.items()}
    found: dict[str, list[Any]] = {name: [] for name in kinds}
    try:
        # A few rows at a time stay in the cache of the processor.
        for first in range(0, len(documents), _FEW):
            rows = decoder.decode(f"[{','.join(documents[first : first + _FEW])}]")
            for name, values in found.items():
                values.extend(map(getters[name], rows))
    except msgspec.ValidationError:
        # The pseudonym of a personal number is a string.
        if not any(kinds.values()):
            raise
        return _decode(documents, dict.fromkeys(kinds), looked_up)
    return found


def _categorical(values: Sequence[Any]) -> Any:
    import pandas as pd

    codes = _NumberOf()
    numbers = np.fromiter(map(codes.__getitem__, values), dtype=np.int32, count=len(values))
    return pd.Categorical.from_codes(numbers, pd.Index(list(codes)[1:], dtype=object))


class _NumberOf(dict[Any, int]):
    """The number of each value, in the order in which they were first looked up; None is -1."""

    def __init__(self) -> None:
        super().__init__({None: -1})

    def __missing__(self, value: Any) -> int:
        self[value] = number = len(self) - 1
        return number
