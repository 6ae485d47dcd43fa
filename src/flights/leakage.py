"""Leakage checks: no feature alone may almost determine the label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nbship.metrics import classification

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Leak", "find_leaks"]


@dataclass(frozen=True)
class Leak:
    """A group of rows of one feature whose label is almost constant, or a feature that ranks all rows too well."""

    feature: str
    group: str
    rows: int
    rate: float


def find_leaks(
    features: pd.DataFrame,
    late: np.ndarray,
    *,
    min_rows: int = 500,
    lowest: float = 0.02,
    highest: float = 0.9,
    highest_auc: float = 0.7,
) -> list[Leak]:
    """Check each feature alone: its missing values, each of its values, each of its ranges, its order.

    A group of at least `min_rows` rows of which fewer than `lowest` or more than `highest` are late is a leak,
    and so is a feature that alone reaches an AUC above `highest_auc` in either direction. Inputs known at
    departure stay far inside these bounds; inputs known later, or missing because a flight never left, do not.

    Parameters
    ----------
    features
        One column per feature.
    late
        The label of each row, shape (n,).
    """
    found = []
    for name in features:
        for group, rows in _groups(features[name], min_rows=min_rows):
            rate = float(np.mean(late[rows]))
            if not lowest <= rate <= highest:
                found.append(Leak(str(name), group, int(rows.sum()), rate))
        order = _order(features[name], late)
        if order > highest_auc:
            found.append(Leak(str(name), "order of all rows (AUC)", len(late), order))
    return found


def _groups(values: pd.Series, *, min_rows: int) -> Iterator[tuple[str, np.ndarray]]:
    import pandas as pd

    null = values.isna().to_numpy()
    groups = [("missing", null), ("not missing", ~null)]
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 50:
        bins = pd.qcut(values, min(50, max(2, len(values) // (2 * min_rows))), duplicates="drop")
        groups += [(str(bin_), (bins == bin_).to_numpy()) for bin_ in bins.cat.categories]
    # A single value inside a range may be a code of its own, such as -1 for "never".
    counts = values.value_counts()
    groups += [(f"= {value}", (values == value).to_numpy()) for value in counts.index[counts >= min_rows]]
    return ((name, rows) for name, rows in groups if rows.sum() >= min_rows and rows.sum() < len(values))


def _order(values: pd.Series, late: np.ndarray) -> float:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(values) or values.notna().sum() == 0:
        return 0.5
    known = values.notna().to_numpy()
    ranks = values[known].rank(pct=True).to_numpy()
    auc = classification(late[known], ranks)["auc"]
    return 0.5 if auc is None else max(auc, 1 - auc)
