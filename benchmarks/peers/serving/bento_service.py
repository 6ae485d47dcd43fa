"""The measured model in BentoML."""

from __future__ import annotations

import os
from typing import Any

import bentoml
import joblib
import pandas as pd


@bentoml.service(workers=1)
class Generated:
    def __init__(self) -> None:
        self._estimator = joblib.load(os.environ["MODEL"])

    @bentoml.api
    def predict(self, record: dict[str, Any]) -> float:
        return float(self._estimator.predict_proba(pd.DataFrame([record]))[0, 1])
