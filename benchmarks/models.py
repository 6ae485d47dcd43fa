"""The benchmark model: gradient boosting of 100 trees on eight numbers and four categories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["CATEGORIES", "NUMBERS", "make_columns", "make_estimator", "make_package", "make_rows"]

NUMBERS = tuple(f"number_{place}" for place in range(8))
CATEGORIES = tuple(f"category_{place}" for place in range(4))


def make_rows(count: int, *, seed: int = 0) -> tuple[Any, Any]:
    """Return rows, a tenth of each number missing, and a binary target."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(seed)
    numbers = random.normal(size=(count, len(NUMBERS)))
    texts = random.integers(0, 10, (count, len(CATEGORIES)))
    drive = numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + (texts[:, 0] < 3) - 0.1 * texts[:, 1] + 0.5 * numbers[:, 3]
    target = drive + random.normal(size=count) > 0.5
    numbers[random.random(numbers.shape) < 0.1] = np.nan
    names = np.array([f"value {number}" for number in range(10)], dtype=object)
    frame = pd.DataFrame(numbers, columns=list(NUMBERS))
    return frame.assign(
        **{name: pd.Series(names[texts[:, place]], dtype=object) for place, name in enumerate(CATEGORIES)}
    ), target


def make_estimator() -> Any:
    """Return the unfitted pipeline of the boosting."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return make_columns(HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=0))


def make_columns(estimator: Any) -> Any:
    """Return an unfitted pipeline: the usual transformers, then an estimator."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), list(NUMBERS)),
            ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(CATEGORIES)),
        ]
    )
    return make_pipeline(columns, estimator)


def make_package(folder: Path, estimator: Any, rows: Any) -> Path:
    """Build the package of a model in a folder, and return its path."""
    from nbship import model

    model.build_package(
        folder / "generated",
        name="generated",
        estimator=estimator,
        signature=model.Signature.infer(rows, fields={name: {"open": True} for name in CATEGORIES}),
        golden=rows.head(1000),
        reference=rows.head(20_000),
        provenance=model.Provenance(),
    )
    return folder / "generated"
