"""A small package: generated data, a scikit-learn pipeline with a lookup, keys, timestamps, categories and nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ZONE = "America/New_York"


def make_rows(count: int = 1200, *, seed: int = 0) -> pd.DataFrame:
    """Return rows with every input of the small package; `at` and `line` together are a key."""
    random = np.random.default_rng(seed)
    at = pd.Timestamp("2024-01-01", tz=ZONE) + pd.to_timedelta(np.arange(count) * 3, unit="h")
    weight = random.normal(10, 3, count).round(3)
    line = random.choice(["a", "b", "c"], count)
    return pd.DataFrame(
        {
            "at": at.as_unit("us"),
            "line": pd.Series(line, dtype=object),
            "size": random.integers(1, 10, count),
            "weight": np.where(random.random(count) < 0.1, np.nan, weight),
            "limit": [LIMITS[one] for one in line],
            "grade": [GRADES[one] for one in line],
        }
    )


LIMITS = {"a": 5.0, "b": 7.5, "c": 3.25}
GRADES = {"a": 1.0, "b": 2.0, "c": 3.0}


def make_labels(rows: pd.DataFrame, *, seed: int = 1) -> np.ndarray[Any, Any]:
    """Return the target of rows: 1 for about a third of them."""
    drive = rows["size"] - rows["limit"] + 0.2 * rows["weight"].fillna(10) - 3 + (rows["at"].dt.hour > 15)
    chance = 1 / (1 + np.exp(-drive.to_numpy()))
    return (np.random.default_rng(seed).random(len(rows)) < chance).astype(int)


def build_small(
    folder: Path,
    *,
    name: str = "small",
    seed: int = 0,
    fields: Sequence[Any] = (),
    relations: Sequence[str] = (),
    classifier: Any = None,
    card: str = "# Small\n\nA package made for tests.\n",
) -> Path:
    """Build the package in `folder` and return its path; its signature has extra, unused `fields`."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    from nbship import model
    from nbship.data.lookups import Lookup

    rows = make_rows(seed=seed).assign(
        **{field.name: pd.Timestamp(field.example) if field.dtype == "datetime" else field.example for field in fields}
    )
    columns = ColumnTransformer(
        [
            ("line", OneHotEncoder(handle_unknown="ignore"), ["line"]),
            ("rest", "passthrough", ["size", "weight", "limit", "grade"]),
        ]
    )
    estimator = make_pipeline(columns, classifier or HistGradientBoostingClassifier(max_iter=15, random_state=0))
    estimator.fit(rows, make_labels(rows))
    table = pd.DataFrame({"line": list(LIMITS), "limit": list(LIMITS.values()), "grade": list(GRADES.values())})
    target = folder / name
    signature = small_signature()
    signature = replace(signature, inputs=(*signature.inputs, *fields), relations=tuple(relations))
    model.build_package(
        target, name=name, estimator=estimator, signature=signature, golden=rows.iloc[::2].reset_index(drop=True),
        reference=rows, provenance=small_provenance(), lookups=(Lookup("lines", keys=("line",), columns=("limit", "grade"), table=table),),
        card=card,
    )  # fmt: skip
    return target


def small_signature() -> Any:
    """Return the signature: `at` and `line` are the key, `limit` and `grade` are looked up by line."""
    from nbship.model import Field, Output, Signature

    looked_up: dict[str, Any] = {"nullable": True, "optional": True, "lookup": "lines"}
    return Signature(
        inputs=(
            Field("at", "datetime", key=True, timezone=ZONE, title="When"),
            Field("line", "category", categories=("a", "b", "c"), key=True, title="Line"),
            Field("size", "int", minimum=1, maximum=9, title="Size"),
            Field("weight", "float", nullable=True, title="Weight", unit="kg"),
            Field("limit", "float", title="Limit", unit="kg", **looked_up),
            Field("grade", "float", title="Grade", **looked_up),
        ),
        outputs=(
            Output("late", "int", "label", classes=(0, 1), title="Late"),
            Output("risk", "float", "probability", positive=1, title="Risk of being late"),
        ),
        event_time="at",
    )


def small_provenance() -> Any:
    """Return the package's provenance."""
    from nbship.model import Provenance

    return Provenance(
        data={"data/rows.csv": "ab" * 32}, notebooks={"notebooks/train.ipynb": "cd" * 32}, params={"train": {"seed": 0}}
    )
