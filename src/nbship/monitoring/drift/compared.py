"""The counts of a field in the reference, in a window, and in past periods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .past import Past

__all__ = ["Compared", "Counted", "Unknown"]


@dataclass(frozen=True)
class Counted:
    """The frequencies of the bins or categories of a field.

    Attributes
    ----------
    labels
        Bins from low to high, or categories.
    counts
        The number of rows in each, shape (len(labels),).
    missing
        Rows without a value.
    ordered
        Whether the labels are bins of numbers or times.
    new
        Rows of each category that is not among the labels.
    rare
        Of a reference: rows whose category occurred only once; they estimate the share of rows with a category not
        seen before (Good 1953).
    fine, edges
        The counts of the finer bins before merging, and their edges.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    missing: int = 0
    ordered: bool = True
    new: Mapping[str, int] = field(default_factory=dict)
    rare: int = 0
    fine: NDArray[np.int64] | None = None
    edges: NDArray[np.float64] | None = None

    @property
    def rows(self) -> int:
        """All rows, those without a value included."""
        return int(self.counts.sum()) + self.missing + sum(self.new.values())


@dataclass(frozen=True)
class Unknown:
    """Rows of a window whose number training never had, although it has few distinct ones.

    Attributes
    ----------
    rows
        The number of rows with a value between those of the training data.
    examples
        Some of their values, sorted.
    known
        The values of the training data, sorted.
    before
        The largest share of rows of a past period whose values no other period has.
    """

    rows: int
    examples: NDArray[np.float64]
    known: NDArray[np.float64]
    before: float


@dataclass(frozen=True)
class Compared:
    """A field's counts in the reference and in the window.

    Attributes
    ----------
    current
        None where the window does not have the field.
    kind, given
        As in the reference: "number", "category", "hour" or "text"; the field, the other field and its value.
    past
        The counts of the window's pieces and of past periods; None without a history, and `why` says why.
    effective
        The number of independent rows that the window's rows are worth.
    runs
        The longest run of days with the same values as the day before: in the window, and in training.
    unknown
        Of a number with few distinct values in training: the rows with other values.
    """

    name: str
    reference: Counted
    current: Counted | None
    kind: str = "number"
    given: tuple[str, str, str] | None = None
    past: Past | None = None
    why: str = ""
    effective: float | None = None
    runs: tuple[int, int] | None = None
    unknown: Unknown | None = None
