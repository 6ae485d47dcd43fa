"""Permutation importance: the loss of AUC when an input is shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nbship.training import auc

from .fields import PLANE

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["importance"]

# Related inputs are shuffled together.
GROUPS = {
    "carrier": ("carrier",),
    "origin": ("origin",),
    "dest": ("dest",),
    "date and time": ("scheduled_departure", "scheduled_arrival"),
    "temperature": ("temperature",),
    "dew point": ("dew_point",),
    "humidity": ("humidity",),
    "wind": ("wind_direction", "wind_speed", "wind_gust"),
    "precipitation": ("precipitation",),
    "pressure": ("pressure",),
    "visibility": ("visibility",),
    "plane": PLANE,
}


def importance(estimator: Any, rows: pd.DataFrame, late: np.ndarray, *, seed: int) -> pd.Series:
    """Return the loss of AUC when inputs are shuffled among rows, the greatest first (Breiman 2001)."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    full = auc(late, estimator.predict_proba(rows)[:, 1])
    losses = {}
    for name, columns in GROUPS.items():
        order = rng.permutation(len(rows))
        shuffled = rows.assign(**{column: rows[column].iloc[order].set_axis(rows.index) for column in columns})
        losses[name] = full - auc(late, estimator.predict_proba(shuffled)[:, 1])
    return pd.Series(losses).sort_values(ascending=False, kind="stable")
