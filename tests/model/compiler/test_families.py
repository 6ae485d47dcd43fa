"""Every family of models packages, proves itself, and answers as scikit-learn does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from families import FAMILIES, fitted, make_rows, make_signature

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


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_packages_proves_itself_and_answers_as_scikit_learn(name: str, tmp_path: Path) -> None:
    path = build(tmp_path, name)
    packaged = predictor.load(path)
    told = json.loads((path / "acceptance.json").read_text())
    assert packaged.backend == told["path"] == FAMILIES[name].path, told
    assert [proof.name for proof in acceptance.prove(path)].count("backend") == 1
    rows = make_rows(400, seed=3)
    rows.loc[::9, "town"] = "a town that no one has seen"
    answers = packaged.predict(rows)
    kind, values = expected(name, rows)
    if kind == "label":
        assert answers.label.tolist() == values.tolist()
    else:
        np.testing.assert_allclose(
            answers.columns()[kind], values, rtol=BOUND[packaged.backend], atol=BOUND[packaged.backend]
        )
    if answers.label is not None:
        assert answers.label.tolist() == fitted(name).predict(rows).tolist()
    for place in range(0, 400, 23):
        record = rows.iloc[place].astype(object).where(rows.iloc[place].notna(), None).to_dict()
        for one, all_ in zip(packaged.predict([record]).columns().values(), answers.columns().values(), strict=True):
            assert one[0] == all_[place]
    # To the bit, whatever company a row is in.
    for place, size in ((9, 1), (123, 1), (200, 2), (31, 3), (300, 17)):
        few = packaged.predict(rows.iloc[place : place + size]).columns()
        for some, all_ in zip(few.values(), answers.columns().values(), strict=True):
            assert some.tolist() == all_[place : place + size].tolist()


def test_what_does_not_compile_says_why(tmp_path: Path) -> None:
    told = json.loads((build(tmp_path, "neighbours") / "acceptance.json").read_text())
    assert told["tables"] == "Not compiled: KNeighborsClassifier is neither an ensemble of trees nor linear."
    told = json.loads((build(tmp_path, "transformed target") / "acceptance.json").read_text())
    assert told["onnx"].startswith("Not converted: skl2onnx: Unable to find a shape calculator for type")
