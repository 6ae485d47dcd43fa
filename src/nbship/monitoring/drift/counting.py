"""Count the values of a window, day by day, in the bins and categories of the package's reference."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ...model.build import MOST_DISTINCT, Distribution, Grouping, SortedNumbers, count, is_known, joined, repeated
from ...model.signature import Column
from .compared import Compared, Counted, Unknown
from .past import effective_rows, longest_run, past_of
from .pieces import Plan

__all__ = ["FieldCounts"]

# A day with fewer rows may hold few values by chance.
_LEAST_OF_DAY = 20
_EXAMPLES = 100


class FieldCounts:
    """The values of a field, counted part by part in the bins or categories of the package's reference.

    The reference's bins are merged into at most ten of about equal weight, the customary number for the stability
    index, and two for values outside the training data; the Kolmogorov-Smirnov statistic uses the finer bins.

    Parameters
    ----------
    plan
        Of the window; by default it has one day and no history.

    Examples
    --------
    >>> counts = FieldCounts("shop", Distribution("category", "input", np.array([2, 3]), 0, categories=("a", "b")))
    >>> counts.add(np.array(["a", "c"], dtype=object))
    >>> counts.add(np.array(["b", "c", None], dtype=object))
    >>> current = counts.compared().current
    >>> current.counts.tolist(), current.missing, current.new
    ([1, 1], 1, {'c': 2})
    """

    def __init__(self, name: str, reference: Distribution, plan: Plan | None = None) -> None:
        self._name, self._reference, self._plan = name, reference, plan or Plan(1)
        days = self._plan.number
        self._table = np.zeros((days, len(reference.counts) + 1), dtype=np.int64)
        self._new: Counter[str] = Counter()
        self._new_by_day = np.zeros(days, dtype=np.int64)
        self._moments = np.zeros((2, days))
        self._distinct: list[frozenset[float] | None] = [frozenset()] * days
        self._unknown, self._examples = 0, np.empty(0)
        self._is_given = False

    def add(self, values: Column | None, days: Column | Grouping | None = None) -> None:
        """Count the values of a part; None if its rows do not have the field.

        Parameters
        ----------
        days
            The day of the window of each row, from 0, shape (n,); grouped once for many fields, if a `Grouping`.
        """
        if values is None:
            return
        self._is_given = True
        if not isinstance(days, Grouping):
            days = Grouping(np.zeros(len(values), dtype=np.int64) if days is None else days, self._plan.number)
        if self._reference.kind == "number":
            self._add_numbers(SortedNumbers(values, days))
            return
        counted = count(values, self._reference, blocks=days.of_rows, number=days.number)
        self._table += counted.table
        for name, by_day in counted.new.items():
            self._new[name] += int(by_day.sum())
            self._new_by_day += by_day

    def _add_numbers(self, numbers: SortedNumbers) -> None:
        assert self._reference.edges is not None
        self._table += numbers.counts(self._reference.edges)
        self._moments += numbers.sums()
        if self._reference.known is not None:
            values, rows = numbers.unique
            unknown = ~is_known(values, self._reference.known)
            self._unknown += int(rows[unknown].sum())
            self._examples = np.unique(np.append(self._examples, values[unknown]))[:_EXAMPLES]
        if self._reference.repeats is not None:
            pairs = zip(self._distinct, numbers.distinct(most=MOST_DISTINCT), strict=True)
            self._distinct = [joined(*pair) for pair in pairs]

    def compared(self) -> Compared:
        """Return the counts beside those of the reference."""
        reference, counts = self._reference, self._table.sum(axis=0)
        groups = reference.groups
        grouped = np.column_stack([_sums(self._table[:, :-1], groups), self._table[:, -1]])
        labels = _labels(reference, groups)
        ordered = reference.kind in ("number", "hour")
        rare = int(np.sum(reference.counts == 1)) if reference.kind == "category" else 0
        fine = reference.kind == "number"
        before = Counted(
            labels, _sums(reference.counts[None], groups)[0], reference.missing, ordered=ordered, rare=rare,
            fine=reference.counts if fine else None, edges=reference.edges,
        )  # fmt: skip
        now = Counted(
            labels, grouped[:, :-1].sum(axis=0), int(counts[-1]), ordered=ordered, new=dict(self._new),
            fine=counts[:-1] if fine else None,
        )  # fmt: skip
        if not self._is_given:
            return Compared(self._name, before, None, kind=reference.kind, given=reference.given)
        return Compared(
            self._name, before, now, kind=reference.kind, given=reference.given,
            past=past_of(reference, grouped, self._new_by_day, self._plan), why=self._plan.reason,
            effective=self._effective(), runs=self._runs(),
            unknown=self._unknowns(),
        )  # fmt: skip

    def _unknowns(self) -> Unknown | None:
        if self._reference.known is None:
            return None
        return Unknown(self._unknown, self._examples, self._reference.known, self._reference.alone)

    def _effective(self) -> float | None:
        rows = self._table[:, :-1].sum(axis=1)
        total = int(rows.sum())
        if not total:
            return None
        with np.errstate(all="ignore"):
            if self._reference.kind == "number":
                mean = self._moments[0].sum() / total
                return effective_rows(rows, self._moments[0], float(self._moments[1].sum() / total - mean**2))
            shares = self._table[:, :-1].sum(axis=0) / total
            return effective_rows(rows, self._table[:, :-1].astype(float), float(np.sum(shares * (1 - shares))))

    def _runs(self) -> tuple[int, int] | None:
        """Return the longest run of days with the same values as the day before, now and in training."""
        if self._reference.repeats is None:
            return None
        enough = self._table[:, :-1].sum(axis=1) >= _LEAST_OF_DAY
        distinct = [each if is_enough else None for each, is_enough in zip(self._distinct, enough, strict=True)]
        return longest_run(repeated(distinct)), longest_run(self._reference.repeats)


def _sums(counts: NDArray[np.int64], groups: NDArray[np.intp]) -> NDArray[np.int64]:
    return np.add.reduceat(counts, groups, axis=1) if len(groups) else counts


def _labels(reference: Distribution, groups: NDArray[np.intp]) -> tuple[str, ...]:
    if reference.kind != "number":
        return reference.categories if reference.categories is not None else ("given",)
    assert reference.edges is not None
    bounds = [*reference.edges[groups].tolist(), float(reference.edges[-1])]
    return tuple(_label(low, high) for low, high in itertools.pairwise(bounds))


def _label(low: float, high: float) -> str:
    if np.isinf(low) and np.isinf(high):
        return "any"
    if np.isinf(low):
        return f"< {_short(high)}"
    if np.isinf(high):
        return f"> {_short(low)}"
    return f"{_short(low)} – {_short(high)}"


def _short(edge: float) -> str:
    # The lowest edge is the greatest number below the lowest value, which may be zero.
    return "0" if abs(edge) < 1e-300 else f"{edge:.4g}" if abs(edge) >= 100 else f"{edge:.3g}"
