from __future__ import annotations

import io
import zipfile
from functools import partial

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from nbship.errors import CorruptPackageError
from nbship.model.backends import skops_file
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


def test_a_large_estimator_is_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2000, 4))
    forest = RandomForestRegressor(10, random_state=0).fit(rows, rows[:, 0])
    whole = dump_estimator(forest)
    monkeypatch.setattr(skops_file, "_LARGE", 100_000)
    data = dump_estimator(forest)
    assert len(data) < len(whole) / 3
    assert data == dump_estimator(load_estimator_bytes(data))
    np.testing.assert_array_equal(load_estimator_bytes(data).predict(rows), forest.predict(rows))
    # skops itself reads it, and so does a process that renames the package.
    np.testing.assert_array_equal(
        skops.io.loads(data, trusted=sorted(skops_file.TRUSTED)).predict(rows), forest.predict(rows)
    )
    np.testing.assert_array_equal(
        load_estimator_bytes(data, renamed={"own": "other"}).predict(rows), forest.predict(rows)
    )


def test_what_compresses_beyond_the_limit_of_a_loader_is_not_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skops_file, "_LARGE", 1000)
    scaler = StandardScaler().fit(np.zeros((2, 200_000)))
    data = dump_estimator(scaler)
    assert len(data) > 1_000_000
    assert load_estimator_bytes(data).n_features_in_ == 200_000


def test_a_file_that_would_fill_the_memory_is_not_read() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("schema.json", "w") as entry:
        for _ in range(40):
            entry.write(bytes(1 << 20))
    with pytest.raises(CorruptPackageError, match=r"would unpack to 41,943,040"):
        load_estimator_bytes(bomb.getvalue())
