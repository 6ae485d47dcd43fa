"""Packages of every family of models predict the outputs of scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from families import FAMILIES, fitted, make_rows, make_signature, some_of

from nbship import acceptance, predictor
from nbship.model import Provenance, build_package
from nbship.model.backends import BOUND

pytestmark = pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")


def build(folder: Path, name: str) -> Path:
    frame = make_rows()
    build_package(
        folder / "package", name="family", estimator=fitted(name), signature=make_signature(), golden=frame.iloc[:600],
        reference=frame, provenance=Provenance(),
    )  # fmt: skip
    return folder / "package"


def expected(name: str, rows: pd.DataFrame) -> tuple[str, Any]:
    estimator = fitted(name)
    if hasattr(estimator, "score_samples"):
        return "value", estimator.decision_function(rows)
    if not hasattr(estimator, "predict_proba"):
        return ("label" if hasattr(estimator, "classes_") else "value"), estimator.predict(rows)
    table = estimator.predict_proba(rows)
    return "probability", table[:, 1] if len(estimator.classes_) == 2 else table.max(axis=1)


@pytest.mark.parametrize("name", some_of(FAMILIES, 4))
def test_each_family_builds_verifies_and_predicts_the_outputs_of_scikit_learn(name: str, tmp_path: Path) -> None:
    path = build(tmp_path, name)
    packaged = predictor.load(path)
    report = json.loads((path / "acceptance.json").read_text())
    assert packaged.backend == report["path"] == FAMILIES[name].path, report
    assert [proof.name for proof in acceptance.prove(path)].count("backend") == 1
    rows = make_rows(400, seed=3)
    rows.loc[::9, "town"] = "an unknown town"
    answers = packaged.predict(rows)
    kind, values = expected(name, rows)
    if kind == "label":
        assert answers.label.tolist() == values.tolist()
    else:
        # Absolute for probabilities, and for all numbers up to 1; relative for larger ones.
        bound = BOUND[packaged.backend] * (1 if kind == "probability" else np.maximum(1, np.abs(values)))
        assert (np.abs(answers.columns()[kind] - values) <= bound).all()
    if answers.label is not None:
        assert answers.label.tolist() == fitted(name).predict(rows).tolist()
    for place in range(0, 400, 23):
        record = rows.iloc[place].astype(object).where(rows.iloc[place].notna(), None).to_dict()
        for one, all_ in zip(packaged.predict([record]).columns().values(), answers.columns().values(), strict=True):
            assert one[0] == all_[place]
    # Bit for bit, whatever other rows are in the request.
    for place, size in ((9, 1), (123, 1), (200, 2), (31, 3), (300, 17)):
        few = packaged.predict(rows.iloc[place : place + size]).columns()
        for some, all_ in zip(few.values(), answers.columns().values(), strict=True):
            assert some.tolist() == all_[place : place + size].tolist()


def test_a_model_that_does_not_compile_has_a_reason(tmp_path: Path) -> None:
    report = json.loads((build(tmp_path, "neighbours") / "acceptance.json").read_text())
    assert report["tables"] == "Not compiled: KNeighborsClassifier is neither an ensemble of trees nor a linear model."
    report = json.loads((build(tmp_path, "stacking") / "acceptance.json").read_text())
    assert report["onnx"] == "Not converted: as a graph, trees compare numbers that are not rounded to float32."
