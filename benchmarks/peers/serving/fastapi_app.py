"""The measured model behind FastAPI and pydantic, as many write it."""

from __future__ import annotations

import os

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel, create_model

from benchmarks.models import CATEGORIES, NUMBERS

estimator = joblib.load(os.environ["MODEL"])
fields = {**dict.fromkeys(NUMBERS, (float | None, None)), **dict.fromkeys(CATEGORIES, (str, ...))}
Record: type[BaseModel] = create_model("Record", **fields)
app = FastAPI()


@app.post("/predict")
def predict(record: Record) -> dict[str, float]:  # type: ignore[valid-type]
    frame = pd.DataFrame([record.model_dump()])  # type: ignore[attr-defined]
    return {"probability": float(estimator.predict_proba(frame)[0, 1])}
