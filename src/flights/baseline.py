"""The baseline: the share of late flights by carrier and hour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BaseRate"]


@dataclass(frozen=True)
class BaseRate:
    """Rates by carrier × hour, each shrunk towards the overall rate with the weight of `prior` flights.

    Attributes
    ----------
    rates
        Rate by (carrier, hour of local departure).
    overall
        The rate of unseen carriers and hours.
    """

    rates: pd.Series
    overall: float

    @classmethod
    def fit(cls, frame: pd.DataFrame, late: np.ndarray, *, prior: float = 20.0) -> BaseRate:
        """Count the flights of `frame`, which has `carrier` and the local `hour`."""
        overall = float(np.mean(late))
        groups = frame[["carrier", "hour"]].assign(late=late).groupby(["carrier", "hour"])["late"].agg(["sum", "count"])
        return cls((groups["sum"] + prior * overall) / (groups["count"] + prior), overall)

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the rate of each row's carrier and hour, shape (n,)."""
        import pandas as pd

        keys = pd.MultiIndex.from_frame(frame[["carrier", "hour"]])
        rates: np.ndarray = self.rates.reindex(keys).fillna(self.overall).to_numpy()
        return rates
