"""The labels of many rows at once: each row's is the last that was reported for its id or its key columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from .record_columns import NULL_TIME, strings

if TYPE_CHECKING:
    from ...model.signature import Column
    from ..log import PredictionLog

__all__ = ["labels_of_rows"]


def labels_of_rows(log: PredictionLog, ids: Sequence[str], keys: Sequence[str | None]) -> tuple[Column, Column]:
    """Return the outcome of each row, and the microseconds since 1970 when it became known.

    Parameters
    ----------
    ids, keys
        The prediction id of each row, and its key columns as JSON.

    Returns
    -------
    tuple
        Numbers, NaN without a label, or objects if a label is a string; and integers, `NULL_TIME` if no time was reported.
    """
    known = _Values()
    actual, times = np.full(len(ids), -1, dtype=np.int32), np.full(len(ids), NULL_TIME, dtype=np.int64)
    # A prediction may have labels by id and by key: the label that was reported last counts.
    last = np.full(len(ids), -1, dtype=np.int64)
    for found, named in ((log.labels_by_id(ids), ids), (log.labels_by_keys(filter(None, keys)), keys)):
        if not len(found.number):
            continue
        rows, of_labels = _rows_of(found.name, named)
        number = np.asarray(found.number, dtype=np.int64)[of_labels]
        order = np.argsort(number, kind="stable")
        rows, of_labels, number = rows[order], of_labels[order], number[order]
        # Of several labels of a row, the last assignment remains.
        latest = np.full(len(ids), -1, dtype=np.int64)
        latest[rows] = np.arange(len(rows))
        chosen = np.flatnonzero((latest >= 0) & (np.append(number, -1)[latest] > last))
        label = of_labels[latest[chosen]]
        codes = np.fromiter(map(known.__getitem__, found.label), dtype=np.int32, count=len(found.label))
        moments = np.array([NULL_TIME if time is None else time for time in found.time], dtype=np.int64)
        actual[chosen], times[chosen], last[chosen] = codes[label], moments[label], number[latest[chosen]]
    return _column(actual, known.values_in_order()), times


def _rows_of(names: Sequence[str], named: Sequence[str | None]) -> tuple[Column, Column]:
    """Return the rows that labels name, and the number of the label of each; several rows may have the same key."""
    places = dict(zip(named, range(len(named)), strict=True))
    if len(places) == len(named):
        return np.fromiter(map(places.__getitem__, names), dtype=np.intp, count=len(names)), np.arange(len(names))
    rows: dict[str | None, list[int]] = {}
    for row, name in enumerate(named):
        rows.setdefault(name, []).append(row)
    pairs = [(row, label) for label, name in enumerate(names) for row in rows[name]]
    found = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _column(codes: Column, values: Sequence[Any]) -> Column:
    """Return values by their codes; -1 is null."""
    used = set(np.unique(codes).tolist()) - {-1}
    if any(isinstance(values[code], str) for code in used):
        return strings([*values, None])[codes]
    return np.array([*(value if code in used else None for code, value in enumerate(values)), None], dtype=np.float64)[
        codes
    ]


class _Values(dict[str, int]):
    """The code of the JSON of each label."""

    def __missing__(self, label: str) -> int:
        self[label] = code = len(self)
        return code

    def values_in_order(self) -> list[Any]:
        """Return the labels."""
        return [msgspec.json.decode(label) for label in self]
