"""Fit the measured model and save it for every server: `train.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import joblib
import mlflow

sys.path.insert(0, str(Path(__file__).parents[3]))
from benchmarks.models import make_estimator, make_rows

folder = Path(sys.argv[1])
rows, target = make_rows(100_000)
estimator = make_estimator().fit(rows, target)
joblib.dump(estimator, folder / "model.joblib")
mlflow.sklearn.save_model(
    estimator,
    folder / "mlflow",
    pyfunc_predict_fn="predict_proba",
    serialization_format="cloudpickle",
    pip_requirements=["scikit-learn"],
)
settings = {
    "name": "generated",
    "implementation": "mlserver_model.Model",
    "parallel_workers": 0,
    "parameters": {"uri": str(folder / "model.joblib")},
}
(folder / "model-settings.json").write_text(json.dumps(settings), encoding="utf-8")
