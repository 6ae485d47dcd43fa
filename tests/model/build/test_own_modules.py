"""Packages with a project's own modules answer in a process that has only the package."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from nbship.model import Provenance, Signature, build_package

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {"kind": RANDOM.choice(["a", "b"], 200), "month": RANDOM.integers(1, 13, 200), "wind": RANDOM.normal(size=200)}
)
RATIO = "from src.features.build import double\n\n\ndef ratio(frame):\n    return frame[['month', 'wind']].assign(more=double(frame['wind']))\n"
DOUBLE = "def double(column):\n    return 2 * column\n"
SEASON = """\
from sklearn.base import BaseEstimator, TransformerMixin


class Season(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.mean_ = X.groupby("month")["wind"].mean().to_dict()
        return self

    def transform(self, X):
        return X.drop(columns="kind", errors="ignore").assign(mean=X["month"].map(self.mean_))
"""
PROJECTS: Mapping[str, Mapping[str, str]] = {
    "a transformer that takes a frame": {"mine/__init__.py": "", "mine/season.py": SEASON},
    "a folder src without __init__": {"src/x.py": RATIO, "src/features/build.py": DOUBLE},
}
READ = """\
import json, sys
import pandas as pd
from nbship.predictor import load
frame = pd.read_parquet(sys.argv[1])
print(json.dumps([load(path).predict(frame).to_frame()["probability"].tolist() for path in sys.argv[2:]]))
"""


def first_step(name: str) -> Any:
    if name == "a transformer that takes a frame":
        return importlib.import_module("mine.season").Season()
    return FunctionTransformer(importlib.import_module("src.x").ratio)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Path, ClassifierMixin]]:
    """A package of each project, and its estimator."""
    built = {}
    for name, files in PROJECTS.items():
        root = tmp_path_factory.mktemp("project")
        for file, content in files.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(content)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(root)
            last = HistGradientBoostingClassifier(max_iter=5) if "frame" in name else LogisticRegression()
            estimator = make_pipeline(first_step(name), last).fit(FRAME, FRAME["wind"] + FRAME["month"] / 12 > 0.5)
            build_package(
                root / "package", name="own", estimator=estimator, signature=Signature.infer(FRAME), golden=FRAME,
                reference=FRAME, provenance=Provenance(),
            )  # fmt: skip
            expected = estimator.predict_proba(FRAME)[:, 1].tolist()
        for module in [each for each in sys.modules if each.partition(".")[0] in ("src", "mine")]:
            del sys.modules[module]
        built[name] = root / "package", expected
    return built


@pytest.fixture(scope="module")
def answers(packages: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[float]]:
    """What the packages answer in one process of their own."""
    folder = tmp_path_factory.mktemp("elsewhere")
    FRAME.to_parquet(folder / "rows.parquet")
    command = [sys.executable, "-c", READ, "rows.parquet", *(str(path) for path, _ in packages.values())]
    printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    return dict(zip(packages, json.loads(printed), strict=True))


@pytest.mark.parametrize("name", PROJECTS)
def test_a_package_has_the_modules_that_its_model_uses(
    packages: Mapping[str, Any], answers: Mapping[str, list[float]], name: str
) -> None:
    path, expected = packages[name]
    found = {file.relative_to(path / "code").as_posix() for file in (path / "code").rglob("*.py")}
    assert found == set(PROJECTS[name])
    assert answers[name] == pytest.approx(expected, abs=1e-12)
