"""The scikit-learn backend gives a row the same bits whatever the other rows, and does little more than it must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nbship.model import Signature
from nbship.model.backends import Fitted, dump_estimator
from nbship.model.signature import columns_of

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(RANDOM.normal(size=(700, 7)), columns=list("abcdefg"))
VALUE = FRAME["a"] * FRAME["b"] + FRAME["c"]
ESTIMATORS = {
    "brute": KNeighborsRegressor(algorithm="brute", weights="distance"),
    "brute in a pipeline": make_pipeline(StandardScaler(), KNeighborsClassifier(algorithm="brute", metric="cosine")),
    "gaussian process": GaussianProcessRegressor(alpha=1e-3),
    "discriminant": LinearDiscriminantAnalysis(),
    "network": MLPRegressor(hidden_layer_sizes=(20,), max_iter=2, random_state=0),
}


def packaged(estimator: Any) -> Any:
    return Fitted(dump_estimator(estimator), renamed={}, signature=Signature.infer(FRAME))


@pytest.fixture(params=ESTIMATORS)
def model(request: pytest.FixtureRequest) -> Any:
    estimator = ESTIMATORS[request.param]
    labels = hasattr(estimator, "predict_proba")
    return packaged(estimator.fit(FRAME, (VALUE > 0).astype(int) if labels else VALUE))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_row_has_the_same_bits_alone_and_among_others(model: Any) -> None:
    rows = FRAME.sample(700, random_state=1).reset_index(drop=True) + 0.25
    together = model.scores(columns_of(rows))
    np.testing.assert_array_equal(model.scores(columns_of(rows.iloc[::-1])), together[::-1])
    for start, count in ((0, 1), (699, 1), (63, 2), (64, 64), (200, 257)):
        part = rows.iloc[start : start + count]
        np.testing.assert_array_equal(model.scores(columns_of(part)), together[start : start + count])


@pytest.mark.parametrize(("rows", "compared"), [(1, 64), (65, 128)])
def test_few_rows_are_compared_with_the_training_rows(
    rows: int, compared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = packaged(KNeighborsRegressor(algorithm="brute").fit(FRAME, VALUE))
    counts, search = [], KNeighborsRegressor.kneighbors

    def counted(self: Any, rows: Any, **options: Any) -> Any:
        counts.append(len(rows))
        return search(self, rows, **options)

    monkeypatch.setattr(KNeighborsRegressor, "kneighbors", counted)
    model.scores(columns_of(FRAME.head(rows)))
    assert sum(counts) == compared


def test_the_frame_is_made_once_for_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    from nbship.model.backends import sklearn as backend

    model = packaged(LinearDiscriminantAnalysis().fit(FRAME, VALUE > 0))
    made, make = [], backend.training_frame
    monkeypatch.setattr(backend, "training_frame", lambda *args: made.append(args) or make(*args))
    assert len(model.scores(columns_of(FRAME))) == 700
    assert len(made) == 1
