"""A small candidate for the gate: generated orders of sixty days, features, a fitted pipeline, a package in production."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from nbship import gate
from nbship.model import Field, Output, Provenance, Signature, build_package

__all__ = ["INPUTS", "LIMITS", "SIGNATURE", "between", "fit", "judge", "make_orders", "production"]

INPUTS = ["order", "at", "shop", "items", "distance", "rain"]
SIGNATURE = Signature(
    inputs=(
        Field("order", "int", key=True),
        Field("at", "datetime"),
        Field("shop", "category", categories=("a", "b", "c")),
        Field("items", "int"),
        Field("distance", "float"),
        Field("rain", "float"),
    ),
    outputs=(
        Output("late", "bool", "label", classes=(False, True), threshold=0.5),
        Output("probability", "float", "probability", positive=True),
    ),
    event_time="at",
)
LIMITS = gate.Limits(
    least=0.6, min_gain=0.02, margin=0.02, max_calibration_error=0.1, max_calibration_intercept=0.5, min_calibration_slope=0.6,
    max_calibration_slope=1.6, min_slice_rows=200, min_slice_auc=0.6, max_slice_bias=0.15,
)  # fmt: skip


def make_orders(seed: int = 0, *, days: int = 60, a_day: int = 90) -> pd.DataFrame:
    """Return orders with their label `late`. Each day has a rain and a delay of its own."""
    rng = np.random.default_rng(seed)
    day, number = np.arange(days * a_day) // a_day, days * a_day
    at = pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(
        day * 86_400 + rng.integers(0, 86_400, number), unit="s"
    )
    frame = pd.DataFrame(
        {
            "order": np.arange(number),
            "at": at.as_unit("us"),
            "shop": pd.Series(rng.choice(["a", "b", "c"], number, p=[0.5, 0.3, 0.2]), dtype=object),
            "items": rng.integers(1, 12, number),
            "distance": rng.gamma(2, 3, number).round(2),
            "rain": np.round(rng.gamma(1, 4, days)[day] + rng.normal(0, 0.2, number), 2),
        }
    )
    score = -3 + 0.2 * frame["items"] + 0.15 * frame["distance"] + 0.08 * frame["rain"] + 0.5 * (frame["shop"] == "c")
    score += rng.normal(0, 0.3, days)[day]
    return frame.assign(late=rng.random(number) < 1 / (1 + np.exp(-score)))


def between(orders: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Return the orders of some days, numbered from 0."""
    day = (orders["at"] - pd.Timestamp("2024-03-01", tz="UTC")).dt.days
    return orders[(day >= first) & (day < last)].reset_index(drop=True)


def fit(train: pd.DataFrame, *, columns: tuple[str, ...] = ("items", "distance", "rain"), C: float = 1.0) -> Any:  # noqa: N803
    """Fit a logistic regression on the shop and some numbers."""
    columns_ = ColumnTransformer([("shop", OneHotEncoder(), ["shop"]), ("numbers", StandardScaler(), list(columns))])
    return make_pipeline(columns_, LogisticRegression(C=C)).fit(train.drop(columns="late"), train["late"].to_numpy())


def judge(estimator: Any, train: pd.DataFrame, holdout: pd.DataFrame, **more: Any) -> gate.Report:
    """Judge a candidate by the limits of these orders."""
    given = {"label": "late", "signature": SIGNATURE, "limits": LIMITS, "slices": ["shop"], **more}
    return gate.judge(estimator, train=train, holdout=holdout, **given)


def production(folder: Path, orders: pd.DataFrame) -> Path:
    """Build the package in production: trained on the first forty days, with the verdict of its gate."""
    train, holdout = between(orders, 0, 40), between(orders, 40, 48)
    estimator = fit(train)
    report = judge(estimator, train, holdout)
    assert report.passed, report.reasons
    build_package(
        folder, name="late", estimator=estimator, signature=SIGNATURE, golden=holdout[INPUTS].head(500),
        reference=train[INPUTS], provenance=Provenance(), verdict=report.verdict(),
    )  # fmt: skip
    return folder
