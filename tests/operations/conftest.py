from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from packages import make_labels, make_rows

from nbship import predictor
from nbship import project as projects
from nbship.inference.batch.run import predict_file
from nbship.inference.feedback import import_labels
from nbship.prediction_log import open_log

# Four months of predictions from January 2024 on, one every three hours.
ROWS = 1000


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory, small_package: Path) -> Path:
    """A project with predictions and their labels, and without notebooks. Do not change its files."""
    root = tmp_path_factory.mktemp("logged")
    (root / "pipeline.yaml").write_text("tasks: []\n")
    (root / "nbship.yaml").write_text("project: {name: small, timezone: America/New_York}\nslices: [line, hour]\n")
    found = projects.load(root)
    shutil.copytree(small_package, found.package)
    rows = make_rows(ROWS, seed=3)
    rows[["at", "line", "size", "weight"]].to_parquet(root / "rows.parquet")
    rows[["at", "line"]].assign(label=make_labels(rows)).to_parquet(root / "labels.parquet")
    model = predictor.load(found.package)
    with open_log(found) as log:
        predict_file(model, log, source=root / "rows.parquet", target=root / "scored.parquet")
        import_labels(log, root / "labels.parquet", signature=model.signature)
    return root


@pytest.fixture
def watched(logged: Path, tmp_path: Path) -> Callable[..., projects.Project]:
    """Return a function that writes notebooks, by their paths, and returns a copy of the project with them."""
    root = tmp_path / "project"
    shutil.copytree(logged, root)

    def make(*, settings: str = "", **notebooks: str) -> projects.Project:
        (root / "notebooks").mkdir(exist_ok=True)
        for name, text in notebooks.items():
            (root / "notebooks" / f"{name}.ipynb").write_text(text)
        names = [f"notebooks/{name}.ipynb" for name in notebooks]
        text = (logged / "nbship.yaml").read_text()
        (root / "nbship.yaml").write_text(f"{text}monitoring: {{notebooks: {json.dumps(names)}}}\n{settings}")
        return projects.load(root)

    return make
