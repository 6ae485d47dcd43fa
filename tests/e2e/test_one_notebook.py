"""The second project: one notebook and one CSV file, without settings, from notebook to predictions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
from checkout import ROOT, command

from nbship import model


def test_a_notebook_and_a_csv_become_predictions(tmp_path: Path) -> None:
    root = Path(shutil.copytree(ROOT / "tests/projects/one_notebook", tmp_path / "somewhere"))
    assert not (root / "nbship.yaml").exists()
    command("nbship", "run", cwd=root)
    assert "up to date" in command("nbship", "run", cwd=root).stdout

    patients = pd.read_csv(root / "patients.csv").drop(columns="progression")
    patients.head(50).to_csv(root / "new.csv", index=False)
    command("nbship", "predict", "new.csv", "scored.csv", cwd=root)

    scored = pd.read_csv(root / "scored.csv")
    assert list(scored.columns) == ["prediction_id", "value"]
    golden = pd.read_parquet(root / "models/one_notebook/golden.parquet")
    assert scored["value"].tolist() == golden["output:value"].head(50).tolist()
    assert command("nbship", "replay", scored["prediction_id"][0], cwd=root).returncode == 0
    assert json.loads((root / "models/one_notebook/signature.json").read_text())["inputs"][0]["name"] == "age"
    assert model.Signature.infer(patients).names == tuple(patients.columns)
