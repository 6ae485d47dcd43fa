"""What a window's rows are checked for beside the distribution of each field: copies, relations, ranges, and their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...errors import MonitoringError, SignatureError
from ...model.build import Distribution, Periods, Reference, identified_by, row_hashes
from ...model.signature import Column, Columns, Relation, Signature, read_relation
from .pieces import Plan

__all__ = ["Collected", "Collector", "read_relations"]


@dataclass(frozen=True)
class Collected:
    """Counts of a window's rows, by day where they are arrays of shape (days,).

    Attributes
    ----------
    plan, periods
        The history to judge them by.
    rows
        All rows.
    copies
        Rows that are equal to an earlier row in all their fields.
    broken
        Relation -> rows that break it.
    below, above
        Field -> rows with a value below or above all training values.
    outside
        Rows with any such value.
    """

    plan: Plan = field(default_factory=lambda: Plan(1))
    periods: Periods | None = None
    rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    copies: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    broken: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    below: Mapping[str, int] = field(default_factory=dict)
    above: Mapping[str, int] = field(default_factory=dict)
    outside: int = 0


def read_relations(texts: Sequence[str], signature: Signature) -> dict[str, Relation]:
    """Read the relations of the setting `monitoring.relations`.

    Raises
    ------
    MonitoringError
        If one is no relation of two fields of the signature.
    """
    try:
        return {text: read_relation(text, signature.inputs) for text in texts}
    except SignatureError as error:
        raise MonitoringError(f"In 'monitoring.relations' of nbship.yaml: {error}") from error


class Collector:
    """Collects the counts part by part; it keeps eight bytes and the day of each row.

    Parameters
    ----------
    relations
        Text -> relation; rows that break it are counted.
    """

    def __init__(
        self, signature: Signature, reference: Reference, plan: Plan, relations: Mapping[str, Relation]
    ) -> None:
        self._signature, self._plan, self._periods = signature, plan, reference.periods
        self._relations = relations
        self._hashes, self._days = bytearray(), bytearray()
        self._broken = {text: np.zeros(plan.number, dtype=np.int64) for text in relations}
        self._ranges = {name: found for name, each in reference.fields.items() if (found := _range(each)) is not None}
        self._below, self._above = (dict.fromkeys(self._ranges, 0) for _ in range(2))
        self._outside = 0

    def add(self, columns: Columns, measured: Columns, days: NDArray[np.int64]) -> None:
        """Count the rows of a part.

        Parameters
        ----------
        columns
            The inputs as the model saw them.
        measured
            The same as they are counted: see `measure`.
        days
            The day of the window of each row, from 0, shape (n,).
        """
        self._hashes += row_hashes(identified_by(columns, self._signature)).tobytes()
        self._days += days.astype(np.int32).tobytes()
        for text, relation in self._relations.items():
            broken = relation.breaks(columns[relation.low], columns[relation.high])
            self._broken[text] += np.bincount(days[broken], minlength=self._plan.number)
        outside = np.zeros(len(days), dtype=bool)
        for name, (least, greatest) in self._ranges.items():
            values: Column | None = measured.get(name)
            if values is not None:
                # Comparisons with NaN are false.
                low, high = values < least, values > greatest
                self._below[name] += int(low.sum())
                self._above[name] += int(high.sum())
                outside |= low | high
        self._outside += int(outside.sum())

    def collected(self) -> Collected:
        """Return the counts."""
        hashes, days = np.frombuffer(self._hashes, dtype=np.uint64), np.frombuffer(self._days, dtype=np.int32)
        order = np.argsort(hashes, kind="stable")
        copies = order[1:][np.diff(hashes[order]) == 0]
        number = self._plan.number
        return Collected(
            self._plan,
            self._periods,
            np.bincount(days, minlength=number),
            np.bincount(days[copies], minlength=number),
            self._broken,
            self._below,
            self._above,
            self._outside,
        )


def _range(each: Distribution) -> tuple[float, float] | None:
    """Return the least and greatest training value of a number, which are the outer of the finite edges."""
    if each.kind != "number" or each.role != "input" or each.edges is None or len(each.edges) < 4:
        return None
    return float(np.nextafter(each.edges[1], np.inf)), float(each.edges[-2])
