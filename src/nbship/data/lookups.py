"""Lookups: features that are fetched at prediction time, by keys of the row.

A lookup joins the same way in training (`join`, on a frame) and at prediction (`attach`, on
columns). A key that is not found gives null, not an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from ..errors import DataError, SchemaError
from ..text import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Key", "Lookup", "LookupSource", "TableSource"]

Column: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

_FLOORS = {"D": "datetime64[D]", "h": "datetime64[h]", "min": "datetime64[m]", "s": "datetime64[s]"}


@dataclass(frozen=True)
class Key:
    """A column of the rows, and the column of the table that it matches.

    Attributes
    ----------
    column
        Column of the rows.
    to
        Column of the table, of the same name by default.
    floor
        Unit to which timestamps are rounded down, in UTC: "D", "h", "min" or "s".
    """

    column: str
    to: str = ""
    floor: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "to", self.to or self.column)
        if self.floor is not None and self.floor not in _FLOORS:
            raise DataError(
                f"Key '{self.column}' has the unknown floor '{self.floor}'. Use one of {', '.join(_FLOORS)}."
            )


class LookupSource(Protocol):
    """A source of a lookup's values: a packaged table, or a live service."""

    def find(self, keys: Mapping[str, Column]) -> Mapping[str, Column]:
        """Return the columns for rows of keys, in order, with null for keys that are not found."""
        ...


@dataclass(frozen=True)
class Lookup:
    """Columns of a table, looked up by keys of the row.

    Attributes
    ----------
    name
        Name of the lookup; fields of a signature refer to it.
    keys
        Columns that rows and table share, or `Key`s if they differ.
    columns
        Columns of the table to look up, named as the fields. In arrays, numbers and booleans are float64 (null: NaN),
        strings are objects (null: None), timestamps are datetime64[us] in UTC (null: NaT).
    table
        A frame with one row per key. Rows with a null in their key are dropped.
    source
        The source to use instead of `table`.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"plane": ["N1", "N2"], "seats": [100, 180]})
    >>> planes = Lookup("planes", keys=("plane",), columns=("seats",), table=table)
    >>> planes.attach({"plane": np.array(["N2", "N9", None], dtype=object)})["seats"]
    array([180.,  nan,  nan])
    >>> planes.join(pd.DataFrame({"plane": ["N1"]}))["seats"].tolist()
    [100.0]
    """

    name: str
    keys: tuple[Key, ...]
    columns: tuple[str, ...]
    table: pd.DataFrame | None = field(default=None, compare=False, repr=False)
    source: LookupSource | None = field(default=None, compare=False, repr=False)

    def __init__(
        self,
        name: str,
        keys: Sequence[str | Key],
        columns: Sequence[str],
        *,
        table: pd.DataFrame | None = None,
        source: LookupSource | None = None,
    ) -> None:
        whole = tuple(key if isinstance(key, Key) else Key(key) for key in keys)
        if source is None and table is not None:
            source = TableSource.from_frame(name, table, keys=[key.to for key in whole], columns=columns)
        for attribute, value in {
            "name": name,
            "keys": whole,
            "columns": tuple(columns),
            "table": table,
            "source": source,
        }.items():
            object.__setattr__(self, attribute, value)

    def attach(self, columns: Mapping[str, Column], *, absent: Mapping[str, Column] | None = None) -> dict[str, Column]:
        """Return the columns with those of the lookup added.

        A column that is already there is kept, except in the rows that `absent` (column -> mask) marks as left out.
        """
        absent = absent or {}
        wanted = [name for name in self.columns if name not in columns or name in absent]
        if not wanted:
            return dict(columns)
        found = self._source().find(self._keys_of(columns))
        return {**columns, **{name: _fill(columns.get(name), found[name], absent.get(name)) for name in wanted}}

    def join(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame with the lookup's columns added (or replaced); timestamps are in UTC."""
        import pandas as pd

        keys = {key.column: _values(frame[key.column], key.column) for key in self.keys}
        found = self._source().find(self._keys_of(keys))
        added: dict[str, Any] = {}
        for name in self.columns:
            times = found[name].dtype.kind == "M"
            values = pd.DatetimeIndex(found[name]).tz_localize("UTC") if times else found[name]
            added[name] = pd.Series(values, index=frame.index, dtype=None if times else found[name].dtype)
        return frame.assign(**added)

    def _keys_of(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        missing = [key.column for key in self.keys if key.column not in columns]
        if missing:
            raise DataError(f"Lookup '{self.name}' needs column '{missing[0]}', which the rows do not have. Add it.")
        return {
            key.to: columns[key.column]
            if key.floor is None
            else columns[key.column].astype(_FLOORS[key.floor]).astype("datetime64[us]")
            for key in self.keys
        }

    def _source(self) -> LookupSource:
        if self.source is None:
            raise DataError(f"Lookup '{self.name}' has no table. Pass one: `Lookup(…, table=frame)`.")
        return self.source


def _fill(given: Column | None, found: Column, absent: Column | None) -> Column:
    if given is None or absent is None:
        return found
    return np.where(absent, found, given)


@dataclass(frozen=True)
class TableSource:
    """A table in memory.

    Attributes
    ----------
    keys, columns
        Column -> array of the table's rows, nulls as in `Lookup.columns`.
    """

    keys: Mapping[str, Column]
    columns: Mapping[str, Column]

    @classmethod
    def from_frame(cls, name: str, frame: pd.DataFrame, *, keys: Sequence[str], columns: Sequence[str]) -> TableSource:
        """Take the columns of a frame; duplicate keys are an error."""
        missing = [column for column in (*keys, *columns) if column not in frame]
        if missing:
            raise SchemaError(
                f"The table of lookup '{name}' has no column '{missing[0]}'. Its columns: {', '.join(map(str, frame))}."
            )
        whole = frame.dropna(subset=list(keys)).sort_values(list(keys), kind="stable")
        if duplicates := int(whole.duplicated(list(keys)).sum()):
            raise SchemaError(
                f"The table of lookup '{name}' has {counted(duplicates, 'row')} with a duplicate key. Keep one row per key."
            )
        return cls(
            keys={key: _values(whole[key], key) for key in keys},
            columns={column: _values(whole[column], column) for column in columns},
        )

    def find(self, keys: Mapping[str, Column]) -> Mapping[str, Column]:
        """Return the columns for rows of keys, in order, with null for keys that are not found."""
        last = len(self._index)
        # A dictionary is as fast as a join of pandas, which a service would have to import for it. No key is null.
        positions = [self._index.get(key, last) for key in _tuples([keys[name] for name in self.keys])]
        return {name: padded[positions] for name, padded in self._padded.items()}

    @cached_property
    def _padded(self) -> Mapping[str, Column]:
        """Each column with a null appended, for keys that are not found."""
        return {name: np.append(values, _null(values)) for name, values in self.columns.items()}

    @cached_property
    def _index(self) -> Mapping[Any, int]:
        return {key: row for row, key in enumerate(_tuples(list(self.keys.values())))}


def _values(series: pd.Series[Any], name: str) -> Column:
    """Return a column as an array of a type that can hold nulls."""
    from pandas.api import types

    if types.is_datetime64_any_dtype(series):
        if getattr(series.dtype, "tz", None) is None:
            raise DataError(f"Column '{name}' holds timestamps without a time zone. Set one with `.dt.tz_localize(…)`.")
        utc: Column = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        return utc
    if types.is_bool_dtype(series) or types.is_numeric_dtype(series):
        return series.to_numpy(dtype="float64", na_value=np.nan)
    values = series.astype(object).to_numpy(dtype=object, copy=True)
    values[series.isna().to_numpy()] = None
    return values


def _null(values: Column) -> Any:
    return {"M": np.datetime64("NaT", "us"), "O": None}.get(values.dtype.kind, np.nan)


def _tuples(keys: Sequence[Column]) -> Iterator[tuple[Any, ...]]:
    return zip(*map(_hashable, keys), strict=True)


def _hashable(values: Column) -> list[Any]:
    if values.dtype.kind == "M":
        values = values.astype("datetime64[us]").astype(np.int64)
    listed: list[Any] = values.tolist()
    return listed
