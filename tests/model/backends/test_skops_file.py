from __future__ import annotations

import io
import zipfile
from functools import partial

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import FunctionTransformer

from nbship.errors import CorruptPackageError
from nbship.model.backends.skops_file import dump_estimator, load_estimator_bytes


def test_boosting_with_categorical_features_is_loaded() -> None:
    rng = np.random.default_rng(0)
    rows, actual = np.column_stack([rng.integers(0, 4, 300), rng.normal(size=300)]), rng.integers(0, 2, 300)
    estimator = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0], random_state=0).fit(rows, actual)
    loaded = load_estimator_bytes(dump_estimator(estimator))
    np.testing.assert_array_equal(loaded.predict_proba(rows), estimator.predict_proba(rows))


def test_the_function_of_a_partial_is_audited() -> None:
    data = dump_estimator(FunctionTransformer(partial(io.open_code, "x")))
    assert zipfile.is_zipfile(io.BytesIO(data))
    with pytest.raises(CorruptPackageError, match="not trusted"):
        load_estimator_bytes(data)
