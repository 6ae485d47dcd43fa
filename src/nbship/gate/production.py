"""The model in production: its predictions, what it was trained on, and what its gate recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..acceptance import load_proven
from ..errors import PackageError
from ..model.build import Reference, load_reference
from ..model.package import MANIFEST
from ..predictor import PackagePredictor, read_package
from .rows import accepted_rows, days_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Production", "read_production"]


@dataclass(frozen=True)
class Production:
    """The model in production.

    Attributes
    ----------
    predictor
        The verified package.
    reference
        The distributions of its training rows; None if the package has none.
    record
        What its gate recorded of the training rows (see `training_record`); empty without a gate, or with an older one.
    """

    predictor: PackagePredictor
    reference: Reference | None
    record: Mapping[str, Any]

    @property
    def version(self) -> str:
        """The version of the package."""
        return self.predictor.version

    def predict(self, frame: pd.DataFrame) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the indices of the rows that the model accepts, and its probabilities or values for them."""
        signature = self.predictor.signature
        rows = accepted_rows(signature, frame)
        if not len(rows):
            return rows, np.zeros(0)
        present = [name for name in signature.names if name in frame]
        found = self.predictor.predict(frame[present].iloc[rows])
        values = found.value if found.probability is None else found.probability
        if values is None:
            raise PackageError(
                f"Model '{self.predictor.name}' in production gives neither a probability nor a value. Compare models by hand."
            )
        return rows, np.asarray(values, dtype=np.float64)

    def has_trained_on(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which rows have a day on which the model's training rows lie; none without an event time."""
        days, periods = days_of(frame, self.predictor.signature), self.reference and self.reference.periods
        if days is None or not periods:
            return np.zeros(len(frame), dtype=bool)
        first = int(np.datetime64(periods.first, "D").astype(np.int64))
        of_rows = (days - first) // periods.days
        inside = (of_rows >= 0) & (of_rows < len(periods.rows))
        return np.asarray(inside & (periods.rows[np.clip(of_rows, 0, len(periods.rows) - 1)] > 0))


def read_production(folder: Path | str | None) -> Production | None:
    """Load the package of the model in production and test its golden rows; None for no folder or an empty one.

    Raises
    ------
    PackageError
        If there is a folder with files that are no package, or the package gives other outputs than when it was built.
    """
    path = Path(folder) if folder else None
    if path is None or not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return None
    if path.is_dir() and not (path / MANIFEST).is_file():
        raise PackageError(
            f"'{path}' is not empty and holds no package. Put the package of the model in production there, or leave it empty."
        )
    predictor = load_proven(*read_package(path))
    data = predictor.package.files.get("reference.parquet")
    verdict = predictor.package.acceptance.verdict or {}
    return Production(predictor, None if data is None else load_reference(data), verdict.get("training") or {})
