"""An index beyond an array, in the estimator of a package, is rejected before compiled code follows it.

Without the check, these damages end the process, never end, or give answers that come from other memory.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, ExtraTreeRegressor

from nbship.errors import CorruptPackageError, NbshipError
from nbship.model.backends.skops_file import dump_estimator, load_estimator_bytes

ROWS = 120
ESTIMATORS = {
    "tree": DecisionTreeClassifier(random_state=0),
    "leaves": ExtraTreeRegressor(max_leaf_nodes=9, random_state=0),
    "forest": RandomForestClassifier(3, random_state=0),
    "some columns": BaggingClassifier(n_estimators=3, max_features=0.5, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=3, random_state=0),
    "histograms": HistGradientBoostingClassifier(max_iter=3, categorical_features=[4], random_state=0),
    "outliers": IsolationForest(n_estimators=3, random_state=0),
    "k-d tree": make_pipeline(StandardScaler(), KNeighborsClassifier(algorithm="kd_tree", leaf_size=10)),
    "ball tree": KNeighborsRegressor(algorithm="ball_tree", leaf_size=10),
    "svc": SVC(),
    "nu-svc": NuSVC(nu=0.3),
    "svr": SVR(),
    "one class": OneClassSVM(),
}
# Fields of arrays of structures that are indices.
INDICES = {"left_child", "right_child", "feature", "left", "right", "feature_idx", "idx_start", "idx_end"}


def _data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 5))
    x[:, 4] = random.integers(0, 4, ROWS)
    return x, random.integers(0, 3, ROWS)


def _with_entry(entries: dict[str, bytes], name: str, array: Any) -> bytes:
    content, written = io.BytesIO(), io.BytesIO()
    np.save(content, array)
    with zipfile.ZipFile(written, "w") as archive:
        for each, data in entries.items():
            archive.writestr(each, content.getvalue() if each == name else data)
    return written.getvalue()


def _damaged(data: bytes) -> Iterator[tuple[str, bool, bytes]]:
    """Yield the name of a damage, whether it is an index of a structure, and the file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    for name in entries:
        if not name.endswith(".npy"):
            continue
        array = np.load(io.BytesIO(entries[name]))
        if array.dtype.names:
            for field in array.dtype.names:
                for value in (-5, 0, 10**6, 2**31 - 1):
                    changed = array.copy()
                    with np.errstate(invalid="ignore"):
                        changed[field] = np.array([value], dtype=np.int64).astype(array.dtype[field])[0]
                    is_index = field in INDICES and value != 0
                    yield f"{name} {field} = {value}", is_index, _with_entry(entries, name, changed)
        elif array.dtype.kind in "iu" and array.ndim:
            for value in (-5, 10**6, 2**31 - 1):
                yield (
                    f"{name} = {value}",
                    False,
                    _with_entry(
                        entries, name, np.full_like(array, np.array(value, dtype=np.int64).astype(array.dtype))
                    ),
                )
            yield f"half of {name}", False, _with_entry(entries, name, array[: len(array) // 2])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_damaged_indices_are_rejected_or_change_no_memory(name: str, full: bool) -> None:
    x, y = _data()
    estimator = ESTIMATORS[name].fit(x, y)
    stored = dump_estimator(estimator)
    assert np.array_equal(load_estimator_bytes(stored).predict(x), estimator.predict(x))
    found = list(_damaged(stored))
    assert len(found) > 3
    if not full:
        indices, others = ([one for one in found if one[1] is which] for which in (True, False))
        found = [*indices[:: len(indices) // 16 + 1], *others[:: len(others) // 8 + 1]]
    wrong = []
    for damage, is_index, data in found:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                load_estimator_bytes(data).predict(x)
        except CorruptPackageError:
            continue
        except NbshipError as error:
            wrong.append(f"{damage}: {error}")
        except Exception:
            continue
        if is_index:
            wrong.append(damage)
    assert wrong == []
