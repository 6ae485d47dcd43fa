"""Estimators of a project's module, some of which cannot be packaged; for `test_fitted_estimator.py`."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin


class Plain:
    """Has `predict`, and is not an estimator of scikit-learn."""

    def predict(self, rows: Any) -> Any:
        return rows["a"]


class Own(RegressorMixin, BaseEstimator):
    """Predicts a column, and holds whatever it is given."""

    def __init__(self, held: Any = None) -> None:
        self.held = held

    def fit(self, rows: pd.DataFrame, target: Any) -> Own:
        self.held_ = self.held
        return self

    def predict(self, rows: pd.DataFrame) -> Any:
        return rows["a"].to_numpy()


class Centred(Own):
    """Its answer for a row depends on the other rows."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return (rows["a"] - rows["a"].mean()).to_numpy()


class Writing(Own):
    """Writes into its input."""

    def predict(self, rows: pd.DataFrame) -> Any:
        rows["a"] = rows["a"] * 2
        return rows["a"].to_numpy()


def local_function() -> Any:
    """Return a function that no other process can import."""

    def inner(values: Any) -> Any:
        return values

    return inner


ANONYMOUS = lambda values: values  # noqa: E731
