"""The rows of a window, appended part by part: a few small columns, in the order of event times and ids.

For example, the window of a model with the slices `shop` and `month` takes these bytes a row: 8 for each of
`event_time`, `predicted`, `actual` and `actual_time`, 1 for each of `mode`, `version` and `shop`, 2 for `month`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...model.signature import Column
from ...prediction_log import Part

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Rows"]

_MEASURED = ("event_time", "predicted", "actual", "actual_time", "mode", "version")


class Rows:
    """The columns of a window that measures need: those of `Observed.frame`.

    Parameters
    ----------
    slices, codes
        Names of the slicing columns, and of those of codes.
    """

    def __init__(self, slices: Sequence[str], codes: Sequence[str]) -> None:
        self._columns = {name: _Column() for name in dict.fromkeys((*_MEASURED, *slices, *codes))}
        # The source of each row, and its row number in a batch run.
        self._sources, self._numbers = _Column(), _Column()

    @property
    def empty(self) -> bool:
        """Whether there are no rows."""
        return not len(self._columns["event_time"].values())

    def append(self, part: Part, codes: Mapping[str, Column]) -> None:
        """Append the rows of a part: its frame has all columns but those of codes."""
        for name, column in self._columns.items():
            if name in codes:
                column.append_values(codes[name])
            else:
                column.append(part.frame[name])
        numbers = np.zeros(len(part.frame), dtype=np.int8) if part.source == 0 else part.frame.index.to_numpy()
        self._sources.append_values(np.full(len(numbers), part.source, dtype=np.min_scalar_type(part.source)))
        self._numbers.append_values(numbers)

    def frame(self) -> pd.DataFrame:
        """Return the columns as a frame, strings as categoricals; they are taken out of this object."""
        import pandas as pd

        if self.empty:
            return _no_rows(list(self._columns))
        order = self._order()
        columns = {}
        for name in list(self._columns):
            columns[name] = self._columns.pop(name).taken(order)
        return pd.DataFrame(columns, copy=False)

    def _order(self) -> Column | None:
        """Return the rows in the order of event times and ids, None if they are in it."""
        sources, numbers = self._sources.values(), self._numbers.values()
        times = self._columns["event_time"].values()
        if not sources.any():
            # Records of one time come in the order of their ids. The sort is stable.
            return None if bool((times[1:] >= times[:-1]).all()) else np.argsort(times, kind="stable")
        # The ids of a batch run end with the row number, as text: '10' comes before '2'.
        texts = numbers.astype(f"S{len(str(numbers.max()))}")
        return np.lexsort((texts, sources, times))


def _no_rows(names: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    numbers, times = pd.Series(dtype=float), pd.Series(dtype="datetime64[us, UTC]")
    kinds = {"event_time": times, "actual_time": times, "predicted": numbers, "actual": numbers}
    return pd.DataFrame({name: kinds.get(name, pd.Series(dtype="category")) for name in names})


class _Column:
    """A growing column: numbers and timestamps as they are, strings as codes."""

    def __init__(self) -> None:
        # A bytearray grows in place where it is large; arrays would be copied when they are joined.
        self._buffer, self._dtype = bytearray(), np.dtype(np.int8)
        self._codes: dict[Any, int] | None = None

    def append(self, series: pd.Series[Any]) -> None:
        import pandas as pd

        if series.dtype.kind == "M":
            self.append_values(series.dt.as_unit("us").dt.tz_convert(None).to_numpy())
        elif isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
            self.append_values(series.to_numpy())
        else:
            codes, values = pd.factorize(series)
            self._codes = known = self._codes or {}
            places = np.array([known.setdefault(value, len(known)) for value in values.tolist()] + [-1])
            self.append_values(places[codes].astype(np.min_scalar_type(-len(known) - 1)))

    def append_values(self, values: Column) -> None:
        dtype = np.promote_types(self._dtype, values.dtype) if self._buffer else values.dtype
        if dtype != self._dtype:
            self._buffer, self._dtype = bytearray(self.values().astype(dtype).tobytes()), dtype
        self._buffer += values.astype(dtype, copy=False).tobytes()

    def values(self) -> Column:
        return np.frombuffer(self._buffer, dtype=self._dtype)

    def taken(self, order: Column | None) -> Any:
        """Return the values in an order, as a column of a frame."""
        import pandas as pd

        values = self.values() if order is None else self.values()[order]
        if values.dtype.kind == "M":
            return pd.DatetimeIndex(values, copy=False).tz_localize("UTC")
        if self._codes is None:
            return values
        # Categories are sorted, as counts are shown in their order.
        names = sorted(self._codes)
        ranks = {name: rank for rank, name in enumerate(names)}
        places = np.array([*(ranks[name] for name in self._codes), -1], dtype=values.dtype)
        return pd.Categorical.from_codes(places[values], categories=pd.Index(names, dtype=object))
