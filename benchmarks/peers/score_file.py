"""A Parquet file to probabilities with mlflow's pyfunc, part by part: `score_file.py IN OUT`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.models import make_estimator, make_rows


def main() -> None:
    """Fit and save the measured model, or score a file with the saved model."""
    if sys.argv[1] == "fit":
        rows, target = make_rows(100_000)
        estimator = make_estimator().fit(rows, target)
        mlflow.sklearn.save_model(
            estimator, sys.argv[2], pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"], signature=mlflow.models.infer_signature(rows.head(100)),
        )  # fmt: skip
        return
    model = mlflow.pyfunc.load_model(sys.argv[1])
    writer, seen = None, 0
    with pq.ParquetFile(sys.argv[2]) as file:
        for batch in file.iter_batches(batch_size=100_000):
            chances = model.predict(batch.to_pandas())[:, 1]
            table = pa.table({"row": range(seen, seen + len(chances)), "probability": chances})
            seen += len(chances)
            writer = writer or pq.ParquetWriter(sys.argv[3], table.schema)
            writer.write_table(table)
    if writer is not None:
        writer.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory():
        main()
