"""The scikit-learn backend gives a row the same bits whatever the other rows, and does little more than it must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler

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
    "sparse columns": make_pipeline(
        make_column_transformer(
            (StandardScaler(), ["a", "b"]),
            (KBinsDiscretizer(40, encode="onehot", quantile_method="averaged_inverted_cdf"), list("cdefg")),
            sparse_threshold=1,
        ),
        LogisticRegression(C=100, max_iter=500),
    ),
    "frames between steps": make_pipeline(
        StandardScaler(), "passthrough", PCA(4), LinearDiscriminantAnalysis()
    ).set_output(transform="pandas"),
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


@pytest.mark.parametrize(
    ("maker", "estimator"),
    [
        ("training_matrix", LinearDiscriminantAnalysis()),
        ("training_frame", VotingClassifier([("one", make_pipeline(ColumnTransformer([("all", "passthrough", ["a"])]), PCA(1), LinearDiscriminantAnalysis()))])),
    ],
)  # fmt: skip
def test_the_input_is_made_once_for_all_rows(maker: str, estimator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbship.model.backends import sklearn as backend

    model = packaged(estimator.fit(FRAME, VALUE > 0))
    made, make = [], getattr(backend, maker)
    monkeypatch.setattr(backend, maker, lambda *args: made.append(args) or make(*args))
    assert len(model.scores(columns_of(FRAME))) == 700
    assert len(made) == 1


@pytest.mark.parametrize("rows", [1, 700])
def test_steps_without_matrix_products_get_all_rows_once(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = packaged(make_pipeline(StandardScaler(), LinearDiscriminantAnalysis()).fit(FRAME, VALUE > 0))
    counts, transform = [], StandardScaler.transform

    def counted(self: Any, rows: Any, **options: Any) -> Any:
        counts.append(len(rows))
        return transform(self, rows, **options)

    monkeypatch.setattr(StandardScaler, "transform", counted)
    model.scores(columns_of(FRAME.head(rows)))
    assert counts == [rows]


@pytest.mark.parametrize(
    "dtypes", [{}, {"a": "float32"}, dict.fromkeys("abcdefg", "float32"), {"b": "int8"}, {"b": "Int64"}, {"c": "bool"}]
)
def test_a_matrix_holds_what_scikit_learn_makes_of_the_frame(dtypes: dict[str, str]) -> None:
    frame = (FRAME * 10).round().astype(dtypes)[list("gfedcba")]
    estimator = LinearDiscriminantAnalysis().fit(frame[list("abcdefg")], VALUE > 0)
    model = Fitted(dump_estimator(estimator), renamed={}, signature=Signature.infer(frame))
    scores = model.scores(columns_of(frame))
    # Where all is float32, a matrix product of another shape rounds differently.
    rounding = 1e-5 if len(dtypes) == 7 else 1e-12
    np.testing.assert_allclose(scores[:, :2], estimator.predict_proba(frame[list("abcdefg")]), rtol=rounding)
