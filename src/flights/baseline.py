"""The base rate that a model must beat: how often a carrier's flights of an hour were late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BaseRate"]


@dataclass(frozen=True)
class BaseRate:
    """Rates of carrier × hour, each drawn towards the overall rate as by `prior` more flights.

    Attributes
    ----------
    rates
        Rate by (carrier, hour of local departure).
    overall
        The rate of what was never seen.
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

        asked = pd.MultiIndex.from_frame(frame[["carrier", "hour"]])
        rates: np.ndarray = self.rates.reindex(asked).fillna(self.overall).to_numpy()
        return rates
