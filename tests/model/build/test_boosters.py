"""Estimators of XGBoost, LightGBM and CatBoost in a package answer what they answer themselves."""

from __future__ import annotations

import importlib
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from nbship.acceptance import prove
from nbship.errors import CorruptPackageError, SignatureError
from nbship.model import Provenance, Signature, build_package, build_wheel
from nbship.model.backends import BOUND, dump_estimator, load_estimator_bytes
from nbship.model.backends.sklearn import Fitted
from nbship.model.build.wheel import module_name
from nbship.predictor import PackagePredictor, load

pytestmark = pytest.mark.filterwarnings("ignore")

RANDOM = np.random.default_rng(0)
ROWS = 600
FRAME = pd.DataFrame(RANDOM.normal(size=(ROWS, 3)), columns=list("abc")) * [1, 100, 0.01]
FRAME["a"] = FRAME.a.mask(RANDOM.random(ROWS) < 0.1)
FRAME["count"] = RANDOM.integers(0, 50, ROWS)
TOWNS = FRAME.assign(town=RANDOM.choice(["x", "y", "z"], ROWS))
SCORE = (FRAME.a.fillna(2) + FRAME.b / 100 + (TOWNS.town == "y")).to_numpy()
LATE, VALUE, COUNT = (SCORE > 0.5).astype(int), SCORE * 3, np.round(np.exp(SCORE / 2))
LEVEL = np.digitize(SCORE, [0, 1])
NAMED = np.array(["high", "low", "middle"], dtype=object)[LEVEL]


@dataclass(frozen=True)
class Case:
    """A model, the frame and the target that it is fitted to, and the expected backend."""

    make: Callable[[], Any]
    target: Any
    backend: str = "tables"
    frame: pd.DataFrame = field(default_factory=lambda: FRAME)

    def fit(self) -> Any:
        return self.make().fit(self.frame, self.target)


class Stopped:
    """Fits a model with early stopping to most of the rows, and compares it with the others."""

    def __init__(self, model: Any, **options: Any) -> None:
        self.model, self.options = model, options

    def fit(self, frame: pd.DataFrame, target: Any) -> Any:
        held_out = VALUE[400:] + 3 * np.random.default_rng(1).normal(size=ROWS - 400)
        return self.model.fit(frame[:400], target[:400], eval_set=[(frame[400:], held_out)], **self.options)


def xgb(kind: str = "XGBClassifier", **options: Any) -> Any:
    return getattr(pytest.importorskip("xgboost"), kind)(**{"n_estimators": 20, "max_depth": 4, "n_jobs": 1, **options})


def lgbm(kind: str = "LGBMClassifier", **options: Any) -> Any:
    return getattr(pytest.importorskip("lightgbm"), kind)(
        **{"n_estimators": 20, "num_leaves": 12, "verbose": -1, "n_jobs": 1, **options}
    )


def cat(kind: str = "CatBoostClassifier", **options: Any) -> Any:
    given = {"iterations": 20, "depth": 4, "verbose": 0, "allow_writing_files": False, "thread_count": 1, **options}
    return getattr(pytest.importorskip("catboost"), kind)(**given)


def encoded(model: Any, encoder: Any = None) -> Any:
    encoder = encoder or OneHotEncoder(sparse_output=False)
    return make_pipeline(make_column_transformer((encoder, ["town"]), remainder="passthrough"), model)


CATEGORIES = TOWNS.astype({"town": "category"})
CASES = {
    "xgboost, binary": Case(xgb, LATE),
    "xgboost, multiclass": Case(lambda: xgb(n_estimators=8), LEVEL),
    "xgboost, value": Case(lambda: xgb("XGBRegressor"), VALUE),
    "xgboost, counts": Case(lambda: xgb("XGBRegressor", objective="count:poisson"), COUNT),
    "xgboost, early stopping": Case(
        lambda: Stopped(xgb("XGBRegressor", n_estimators=300, early_stopping_rounds=3), verbose=False), VALUE
    ),
    "xgboost, forest": Case(lambda: xgb("XGBRFClassifier"), LATE),
    "xgboost, encoded": Case(lambda: encoded(xgb()), LATE, frame=TOWNS),
    "xgboost, sparse": Case(
        lambda: make_pipeline(make_column_transformer((OneHotEncoder(), ["town", "count"])), xgb()), LATE, "sklearn", TOWNS
    ),
    "xgboost, categories": Case(lambda: xgb(enable_categorical=True), LATE, "sklearn", CATEGORIES),
    "lightgbm, binary": Case(lgbm, NAMED == "low"),
    "lightgbm, multiclass": Case(lambda: lgbm(n_estimators=8), NAMED),
    "lightgbm, value": Case(lambda: lgbm("LGBMRegressor"), VALUE),
    "lightgbm, counts": Case(lambda: lgbm("LGBMRegressor", objective="poisson"), COUNT),
    "lightgbm, early stopping": Case(
        lambda: Stopped(
            lgbm("LGBMRegressor", n_estimators=300), callbacks=[importlib.import_module("lightgbm").early_stopping(3, verbose=False)]
        ),
        VALUE,
    ),
    "lightgbm, forest": Case(
        lambda: lgbm(boosting_type="rf", subsample=0.6, subsample_freq=1, colsample_bytree=0.8), LATE
    ),
    "lightgbm, encoded": Case(lambda: encoded(lgbm(), OrdinalEncoder()).set_params(lgbmclassifier__categorical_feature=[0]), LATE, frame=TOWNS),
    "lightgbm, categories": Case(lgbm, LATE, "sklearn", CATEGORIES),
    "catboost, binary": Case(cat, LATE),
    "catboost, multiclass": Case(lambda: cat(iterations=8), NAMED),
    "catboost, value": Case(lambda: cat("CatBoostRegressor"), VALUE),
    "catboost, counts": Case(lambda: cat("CatBoostRegressor", loss_function="Poisson"), COUNT),
    "catboost, early stopping": Case(
        lambda: Stopped(cat("CatBoostRegressor", iterations=300, early_stopping_rounds=3)), VALUE
    ),
    "catboost, encoded": Case(lambda: encoded(cat()), LATE, frame=TOWNS),
    "catboost, categories": Case(lambda: cat(cat_features=["town"]), LATE, "sklearn", TOWNS),
}  # fmt: skip


@cache
def fitted(name: str) -> Any:
    return CASES[name].fit()


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("packages")
    return cache(lambda name: package(name, root / str(list(CASES).index(name))))


def package(name: str, folder: Path) -> Path:
    frame = CASES[name].frame
    build_package(
        folder, name=str(list(CASES).index(name)), estimator=fitted(name), signature=Signature.infer(frame), golden=frame.head(550), reference=frame,
        provenance=Provenance(),
    )  # fmt: skip
    return folder


def thresholds(model: Any) -> dict[str, Any]:
    """Return the numbers that a model compares each column with, by its library's own description."""
    last = model[-1] if hasattr(model, "steps") else model
    library = type(last).__module__.partition(".")[0]
    if library == "xgboost":
        table = last.get_booster().trees_to_dataframe()
        return {name: rows.Split.dropna().to_numpy() for name, rows in table.groupby("Feature") if name != "Leaf"}
    if library == "lightgbm":
        table = last.booster_.trees_to_dataframe()
        table = table[table.decision_type == "<="]
        return {name: rows.threshold.to_numpy(dtype=float) for name, rows in table.groupby("split_feature")}
    return {last.feature_names_[index]: np.array(borders) for index, borders in last.get_borders().items()}


def odd_rows(name: str, count: int = 400) -> pd.DataFrame:
    """Return training rows with some values at a threshold, next to one, null, far out, or never seen."""
    case, random = CASES[name], np.random.default_rng(5)
    rows = case.frame.iloc[random.integers(0, ROWS, count)].reset_index(drop=True)
    found = thresholds(fitted(name))
    for column in "abc":
        cuts = np.asarray(found.get(column, [0.5]), dtype=float)
        near = np.concatenate([cuts, cuts.astype(np.float32), np.nextafter(cuts, 9e9), np.nextafter(cuts, -9e9)])
        near32 = np.nextafter(cuts.astype(np.float32), np.float32([[9e9], [-9e9]])).astype(float).ravel()
        pool = np.concatenate([near, near32, [0.0, -0.0, 1e30, -1e30, 2.0**24 + 1, 1e-40]])
        if column == "a":
            pool = np.append(pool, [np.nan] * 20)
        rows[column] = np.where(random.random(count) < 0.6, random.choice(pool, count), rows[column])
    return rows


def check(model: PackagePredictor, estimator: Any, rows: pd.DataFrame) -> None:
    """Compare the answers of a package with an estimator's own."""
    answers, bound = model.predict(rows), BOUND[model.backend]
    expected = np.asarray(estimator.predict(rows)).ravel()
    if not hasattr(estimator, "predict_proba"):
        np.testing.assert_allclose(answers.value, expected, rtol=bound, atol=bound)
        return
    probabilities = estimator.predict_proba(rows)
    own = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities.max(axis=1)
    assert [str(label) for label in answers.label] == [str(label) for label in expected]
    np.testing.assert_allclose(answers.probability, own, rtol=0, atol=bound)


@pytest.mark.parametrize("name", CASES)
def test_the_answers_are_those_of_the_estimator(name: str, packaged: Callable[[str], Path]) -> None:
    assert len(list(prove(packaged(name)))) == 6
    model = load(packaged(name))
    assert model.backend == CASES[name].backend
    check(model, fitted(name), CASES[name].frame)
    rows = odd_rows(name)
    check(model, fitted(name), rows)
    whole = model.predict(rows)
    for count in (1, 3, 300):
        part = model.predict(rows.head(count))
        for column, values in part.columns().items():
            assert (values == whole.columns()[column][:count]).all()


@pytest.mark.parametrize("name", CASES)
def test_a_stored_estimator_answers_the_same_bit_for_bit(name: str) -> None:
    data = dump_estimator(fitted(name))
    loaded, rows = load_estimator_bytes(data), odd_rows(name)
    assert (np.asarray(loaded.predict(rows)) == np.asarray(fitted(name).predict(rows))).all()
    if hasattr(loaded, "predict_proba"):
        assert (loaded.predict_proba(rows) == fitted(name).predict_proba(rows)).all()
    assert dump_estimator(loaded) == data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = archive.read("schema.json").decode()
    assert "xgboost.core" not in schema


@pytest.mark.parametrize("name", ["xgboost, multiclass", "lightgbm, multiclass", "catboost, multiclass"])
def test_equal_models_have_equal_bytes(name: str) -> None:
    first, second = (CASES[name].fit() for _ in range(2))
    whole = second.predict_proba(FRAME)
    assert dump_estimator(first) == dump_estimator(second)
    # Storing an estimator does not change it.
    assert (second.predict_proba(FRAME) == whole).all()
    assert second.fit(FRAME, CASES[name].target).predict_proba(FRAME).tolist() == whole.tolist()


def test_callbacks_are_not_stored() -> None:
    xgboost = pytest.importorskip("xgboost")
    model = xgb(callbacks=[xgboost.callback.EarlyStopping(2)]).fit(FRAME, LATE, eval_set=[(FRAME, LATE)], verbose=False)
    loaded = load_estimator_bytes(dump_estimator(model))
    assert loaded.callbacks is None
    assert model.callbacks is not None
    assert (loaded.predict_proba(FRAME) == model.predict_proba(FRAME)).all()


@pytest.mark.parametrize("name", ["xgboost, multiclass", "lightgbm, encoded"])
def test_trees_that_are_too_large_for_tables_are_nodes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted(name)
    monkeypatch.setattr("nbship.model.compiler.compile._LARGEST", 0)
    model = load(package(name, tmp_path / "package"))
    assert model.backend == "nodes"
    check(model, fitted(name), odd_rows(name))
    for row in CASES[name].frame.head(5).dropna().to_dict("records"):
        alone = model.predict([row])
        check(model, fitted(name), pd.DataFrame([row]))
        assert model.model.predict_record(row) == {column: values[0] for column, values in alone.columns().items()}


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
def test_a_package_of_a_matrix_takes_records(library: str, tmp_path: Path) -> None:
    make = {"xgboost": xgb, "lightgbm": lgbm, "catboost": cat}[library]
    pytest.importorskip(library)
    estimator = make().fit(FRAME.to_numpy(), LATE)
    build_package(
        tmp_path / "p", name="own", estimator=estimator, signature=Signature.infer(FRAME), golden=FRAME.head(550), reference=FRAME,
        provenance=Provenance(),
    )  # fmt: skip
    expected = estimator.predict_proba(FRAME.to_numpy())[:, 1]
    np.testing.assert_allclose(load(tmp_path / "p").predict(FRAME).probability, expected, rtol=0, atol=1e-12)
    package = load(tmp_path / "p").package
    alone = Fitted(package.files["model.skops"], renamed={}, signature=package.signature)
    assert (alone.scores({name: FRAME[name].to_numpy() for name in FRAME})[:, 1] == expected).all()


CATEGORICAL = ["xgboost, categories", "lightgbm, categories", "catboost, categories"]


def test_they_predict_in_a_fresh_process_without_nbship(packaged: Callable[[str], Path], tmp_path: Path) -> None:
    """The wheel and the MLflow model of each library."""
    TOWNS.to_parquet(tmp_path / "rows.parquet")
    lines = ["import sys", "import pandas as pd", f"rows = pd.read_parquet({str(tmp_path / 'rows.parquet')!r})"]
    expected = []
    for index, name in enumerate(CATEGORICAL):
        folder, site = packaged(name), tmp_path / str(index)
        with zipfile.ZipFile(build_wheel(folder, tmp_path)) as archive:
            archive.extractall(site)
            metadata = archive.read(next(each for each in archive.namelist() if each.endswith("METADATA"))).decode()
        assert re.search(rf"^Requires-Dist: {name.partition(',')[0]}", metadata, re.MULTILINE)
        module = module_name(str(list(CASES).index(name)))
        loader = re.search(r"loader_module: (\S+)", (folder / "MLmodel").read_text(encoding="utf-8"))[1]
        lines += [f"sys.path.insert(0, {str(site)!r})", f"import {module}"]
        lines += [f"sys.path.insert(0, {str(folder / 'runtime.zip')!r})", f"import {loader}"]
        for model in (f"{module}.load()", f"{loader}.load({str(folder)!r})"):
            lines.append(f"print([value.hex() for value in {model}.predict(rows).probability])")
            expected.append(str([value.hex() for value in load(folder).predict(TOWNS).probability]))
    lines.append("assert 'nbship' not in sys.modules")
    words = [sys.executable, "-W", "ignore", "-c", "\n".join(lines)]
    ran = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert not ran.returncode, ran.stderr[-2000:]
    assert ran.stdout.splitlines() == expected


@pytest.mark.parametrize("name", ["xgboost, binary", "catboost, value", *CATEGORICAL])
def test_the_library_is_required_by_the_sklearn_backend_alone(name: str, packaged: Callable[[str], Path]) -> None:
    required = (packaged(name) / "requirements.txt").read_text(encoding="utf-8")
    libraries = set(re.findall(r"^(xgboost|lightgbm|catboost)", required, re.MULTILINE))
    assert libraries == ({name.partition(",")[0]} if CASES[name].backend == "sklearn" else set())


ABSENT = """
import importlib.machinery as machinery, importlib.metadata as metadata, sys
names = ("xgboost", "lightgbm", "catboost")
find, version = machinery.PathFinder.find_spec, metadata.version
def find_others(name, path=None, target=None):
    return None if name.startswith(names) else find(name, path, target)
def version_of_others(name):
    if name.startswith(names):
        raise metadata.PackageNotFoundError(name)
    return version(name)
machinery.PathFinder.find_spec, metadata.version = find_others, version_of_others
from nbship.errors import VersionMismatchError
from nbship.model import load_estimator
from nbship.predictor import load
for path in sys.argv[1:]:
    try:
        (load_estimator if path.endswith("skops") else load)(path)
    except VersionMismatchError as error:
        print(error)
"""


def test_a_missing_library_is_named_with_the_command_that_installs_it(packaged: Callable[[str], Path]) -> None:
    paths = [path for name in CATEGORICAL for path in (packaged(name), packaged(name) / "model.skops")]
    words = [sys.executable, "-c", ABSENT, *map(str, paths)]
    ran = subprocess.run(words, capture_output=True, text=True)
    sentences = ran.stdout.splitlines()
    assert len(sentences) == len(paths), ran.stderr[-2000:]
    for path, sentence in enumerate(sentences):
        library = CATEGORICAL[path // 2].partition(",")[0]
        wanted = rf"needs {library}(-cpu)?, which is not installed\. Install it: `pip install {library}(-cpu)?`\."
        assert re.search(wanted, sentence), sentence


@pytest.mark.parametrize("name", CATEGORICAL)
def test_one_thread_predicts(name: str, packaged: Callable[[str], Path]) -> None:
    model = load(packaged(name)).model.backend.estimator
    if name.startswith("xgboost"):
        assert json.loads(model.get_booster().save_config())["learner"]["generic_param"]["nthread"] == "1"
    elif name.startswith("lightgbm"):
        assert model.n_jobs == 1
    else:
        assert model.predict_proba.keywords == {"thread_count": 1}


def test_null_that_catboost_rejects_is_named_with_its_field(tmp_path: Path) -> None:
    signature = Signature.infer(TOWNS).edit("town", nullable=True)
    with pytest.raises(SignatureError, match=r"Field 'town' may be null, but the model fails for null: it .*NaN"):
        build_package(
            tmp_path / "p", name="own", estimator=fitted("catboost, categories"), signature=signature, golden=TOWNS.head(550),
            reference=TOWNS, provenance=Provenance(),
        )  # fmt: skip


def test_a_ranker_is_rejected_with_a_remedy() -> None:
    ranker = pytest.importorskip("xgboost").XGBRanker(n_estimators=2, n_jobs=1)
    data = dump_estimator(ranker.fit(FRAME, LATE, group=[ROWS]))
    with pytest.raises(
        CorruptPackageError, match=r"XGBRanker', which is not trusted\. Use a classifier or regressor of xgboost\."
    ):
        load_estimator_bytes(data)


AVERAGES = {
    "vote": (lambda: VotingClassifier([("x", xgb()), ("l", lgbm()), ("c", cat())], voting="soft"), "tables"),
    "stack": (lambda: StackingClassifier([("x", xgb()), ("l", lgbm()), ("c", cat())], cv=2), "sklearn"),
    "calibrated": (lambda: CalibratedClassifierCV(xgb(), cv=2), "tables"),
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averages_of_them_are_packaged(name: str, tmp_path: Path) -> None:
    """An average also holds the estimators that it copied, which are not fitted."""
    make, backend = AVERAGES[name]
    estimator = make().fit(FRAME, LATE)
    build_package(
        tmp_path / "p", name="average", estimator=estimator, signature=Signature.infer(FRAME), golden=FRAME.head(550),
        reference=FRAME, provenance=Provenance(),
    )  # fmt: skip
    model = load(tmp_path / "p")
    predicted = model.predict(FRAME)
    assert model.backend == backend
    assert (predicted.label == estimator.predict(FRAME)).all()
    np.testing.assert_allclose(predicted.columns()["probability"], estimator.predict_proba(FRAME)[:, 1], rtol=1e-12)
