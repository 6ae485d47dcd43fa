"""Peers of prediction, in their own environment: rows a second and microseconds a row, as JSON.

Run by `benchmarks/batch.py` and `benchmarks/one_row.py`; the model is fitted anew, on the same rows.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.models import CATEGORIES, NUMBERS, make_estimator, make_rows
from benchmarks.timing import in_turn


def main() -> None:
    """Print `{peer: {"batch": seconds, "row": seconds, "difference": …}}` for the number of rows in the first argument."""
    rows, target = make_rows(100_000)
    estimator = make_estimator().fit(rows, target)
    frame = make_rows(int(sys.argv[1]), seed=3)[0]
    expected = estimator.predict_proba(frame)[:, 1]
    found = {}
    for name, (batch, row) in {
        "onnxruntime": _onnx(estimator, frame),
        "mlflow pyfunc": _mlflow(estimator, rows, frame),
    }.items():
        seconds = in_turn({"batch": batch}, rounds=2) | in_turn({"row": row}, rounds=5, repeat=50)
        found[name] = {**seconds, "difference": float(np.abs(batch() - expected).max())}
    print(json.dumps(found))


def _onnx(estimator: Any, frame: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import onnxruntime
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = [(name, FloatTensorType([None, 1])) for name in NUMBERS] + [
        (name, StringTensorType([None, 1])) for name in CATEGORIES
    ]
    converted = to_onnx(estimator, initial_types=types, options={"zipmap": False})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 0
    session = onnxruntime.InferenceSession(converted.SerializeToString(), options)

    def tensors(part: Any) -> dict[str, Any]:
        numbers = {name: part[name].to_numpy(dtype=np.float32)[:, None] for name in NUMBERS}
        return numbers | {name: part[name].to_numpy(dtype=object)[:, None] for name in CATEGORIES}

    one = frame.dropna().to_dict("records")[0]

    def row() -> Any:
        numbers = {name: np.array([[one[name]]], dtype=np.float32) for name in NUMBERS}
        texts = {name: np.array([[one[name]]], dtype=object) for name in CATEGORIES}
        return session.run(None, numbers | texts)[1][0, 1]

    return lambda: session.run(None, tensors(frame))[1][:, 1], row


def _mlflow(estimator: Any, rows: Any, frame: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import mlflow
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        mlflow.sklearn.save_model(
            estimator, f"{folder}/model", pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle", pip_requirements=["scikit-learn"],
            signature=mlflow.models.infer_signature(rows.head(100)),
        )  # fmt: skip
        loaded = mlflow.pyfunc.load_model(f"{folder}/model")
    one = frame.dropna().to_dict("records")[0]
    return lambda: loaded.predict(frame)[:, 1], lambda: loaded.predict(pd.DataFrame([one]))[0, 1]


if __name__ == "__main__":
    main()
