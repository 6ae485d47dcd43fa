from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from nbship.errors import CorruptPackageError
from nbship.model.backends import skops_file
from nbship.model.backends.skops_file import dump_estimator, load_estimator_bytes
from nbship.model.canonical_zip import write_zip
from nbship.model.packed_trees import is_packed, pack_trees, unpack_trees


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
    # With its nodes, `nodes.npz`, a package is below a quarter of the size of its records.
    assert len(data) < len(whole) / 5
    assert data == dump_estimator(load_estimator_bytes(data))
    np.testing.assert_array_equal(load_estimator_bytes(data).predict(rows), forest.predict(rows))
    np.testing.assert_array_equal(
        load_estimator_bytes(data, renamed={"own": "other"}).predict(rows), forest.predict(rows)
    )


def entries_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


ROWS = np.random.default_rng(1).normal(size=(900, 4))
PACKED = {
    "values": RandomForestRegressor(4, random_state=0).fit(ROWS, ROWS[:, 0]),
    "weighted": RandomForestRegressor(3, random_state=0).fit(ROWS, -np.abs(ROWS[:, 0]), sample_weight=ROWS[:, 1] ** 2),
    "two values": ExtraTreesRegressor(3, random_state=0).fit(ROWS, ROWS[:, :2]),
    "classes": RandomForestClassifier(4, random_state=0).fit(ROWS, np.digitize(ROWS[:, 0], [-1, 0])),
    "leaves alone": RandomForestRegressor(2, random_state=0).fit(ROWS, np.zeros(900)),
    "in a pipeline": make_pipeline(StandardScaler(), DecisionTreeRegressor(random_state=0)).fit(ROWS, ROWS[:, 2]),
    "boosting": GradientBoostingRegressor(n_estimators=3, random_state=0).fit(ROWS, ROWS[:, 3]),
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_trees_come_back_byte_for_byte(name: str) -> None:
    entries = entries_of(dump_estimator(PACKED[name]))
    packed = pack_trees(entries)
    assert is_packed(packed)
    assert not is_packed(entries)
    found = unpack_trees(packed)
    assert list(found) == list(entries)
    assert found == entries


def test_what_has_no_trees_is_not_packed() -> None:
    entries = entries_of(dump_estimator(StandardScaler().fit(ROWS)))
    assert pack_trees(entries) == entries


@pytest.mark.parametrize(
    "name", ["trees.json", "left_child.npy", "values.npy", "values.single.npy", "threshold.repeated.npy"]
)
@pytest.mark.parametrize(
    "damage", [lambda content: b"", lambda content: content[:-9], lambda content: content.replace(b"9", b"8")]
)
def test_damaged_packed_trees_are_corrupt(name: str, damage: Callable[[bytes], bytes]) -> None:
    packed = pack_trees(entries_of(dump_estimator(PACKED["values"])))
    whole = packed[f"packed/{name}"]
    packed[f"packed/{name}"] = damage(whole)
    if packed[f"packed/{name}"] == whole:
        return
    with suppress(CorruptPackageError):
        # A digit in the data of an array is another array, which the digests of a package exclude.
        assert len(load_estimator_bytes(write_zip(packed)).predict(ROWS)) == len(ROWS)


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
