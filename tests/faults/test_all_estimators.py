"""Each estimator of scikit-learn is packaged and proven, or named with its reason in `docs/reference/estimators.md`."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances

from nbship import acceptance
from nbship.errors import NbshipError
from nbship.model import Provenance, Signature, build_package
from nbship.model.backends import BOUND
from nbship.predictor import load

pytestmark = pytest.mark.filterwarnings("ignore")
RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(np.abs(RANDOM.normal(size=(120, 3))) + 0.1, columns=list("abc"))
LATE = (FRAME.a > 0.8).astype(int).to_numpy()
TARGETS = (LATE, (FRAME.a * 2 + FRAME.b).to_numpy(), np.column_stack([LATE, 1 - LATE]), FRAME[["a", "b"]].to_numpy())
WORDS = FRAME.assign(words=RANDOM.choice(["late again", "on time", "again"], len(FRAME)))
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "estimators.md"
NAMES = dict(all_estimators())
_PARTS = 8


def reasons() -> set[str]:
    """Return the estimators in the first column of the page's table."""
    rows = [line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def fitted(name: str) -> tuple[Any, pd.DataFrame] | None:
    """Return a fitted model with the estimator in it, and its training frame; None if nothing can be fitted with it."""
    frame = FRAME
    if name in ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer"):
        return make_pipeline(
            ColumnTransformer([("words", NAMES[name](), "words")], remainder="passthrough"), LogisticRegression()
        ).fit(WORDS, LATE), WORDS
    if name == "FrozenEstimator":
        return FrozenEstimator(LogisticRegression().fit(FRAME, LATE)), FRAME
    special: dict[str, Any] = {
        "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
        "DummyClassifier": DummyClassifier(),
    }
    estimator = special.get(name) or next(iter(_construct_instances(NAMES[name])))
    if name == "MissingIndicator":
        frame = FRAME.mask(FRAME < 0.3)
    for target in TARGETS:
        try:
            model = estimator if hasattr(estimator, "predict") else make_pipeline(estimator, LogisticRegression())
            model.fit(frame, target)
            model.predict(frame)
        except (ValueError, TypeError, AttributeError, IndexError):
            continue
        return model, frame
    return None


@pytest.mark.parametrize("part", range(_PARTS))
def test_each_is_packaged_or_its_reason_is_in_the_docs(part: int, full: bool, tmp_path: Path) -> None:
    """Without `--full` one of each part."""
    checked = [check(name, tmp_path / name) for name in list(NAMES)[part::_PARTS][: None if full else 1]]
    assert any(checked) or not full


def check(name: str, folder: Path) -> bool:
    """Package an estimator and compare the package with it, or find it in the page's table; return whether it was packaged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fitted(name)
        if found is None:
            assert name in reasons(), name
            return False
        model, frame = found
        try:
            build_package(
                folder, name="one", estimator=model, signature=Signature.infer(frame), golden=frame.head(60), reference=frame,
                provenance=Provenance(),
            )  # fmt: skip
        except NbshipError as error:
            reason = str(error)
        else:
            reason = ""
        assert bool(reason) == (name in reasons()), (name, reason)
        if reason:
            return False
        assert len(list(acceptance.prove(folder))) == 6
        packaged = load(folder)
        answers, expected = packaged.predict(frame), np.asarray(model.predict(frame)).reshape(len(frame), -1)[:, 0]
    if answers.label is not None:
        assert answers.label.tolist() == expected.tolist()
    else:
        bound = BOUND[packaged.backend]
        np.testing.assert_allclose(answers.value, expected, rtol=bound, atol=bound)
    return True


def test_the_page_names_only_estimators_of_scikit_learn() -> None:
    # `ClassicalMDS` is of a newer scikit-learn than the oldest that is tested.
    assert reasons() <= {*NAMES, "ClassicalMDS"}
