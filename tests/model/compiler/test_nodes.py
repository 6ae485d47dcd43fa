"""Trees too large for lookup tables compile to nodes, which predict the outputs of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from damaged_models import DAMAGES
from families import FAMILIES, fitted, make_rows, make_signature, some_of
from sklearn import config_context
from sklearn.ensemble import BaggingClassifier, BaggingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from nbship import predictor
from nbship.model import Provenance, Signature, build_package
from nbship.model.backends import Nodes
from nbship.model.compiler import choose, compile, nodes
from nbship.model.compiler.binning import bisect_ends
from nbship.model.compiler.choose import Choice, choose_backend
from nbship.model.compiler.trace import trace_fields
from nbship.model.signature import columns_of

pytestmark = pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")

LINEAR = ("logistic", "ridge", "lasso", "poisson", "linear support", "calibrated, three", "transformed target")
PRODUCTS = ("network", "naive Bayes", "complements", "quadratic", "linear disc", "stochastic", "perceptron", "tweedie", "principal", "singular", "independent", "polynomials", "rows of length", "random kernel", "random projection", "voting with naive")  # fmt: skip
TREES = [name for name, each in FAMILIES.items() if each.path in ("tables", "nodes") and not name.startswith(LINEAR + PRODUCTS)]  # fmt: skip


@pytest.fixture
def without_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let lookup tables of trees be too large, whatever their size."""
    monkeypatch.setattr(compile, "_LARGEST", 0)


def choice_of(name: str) -> Choice:
    return choose_backend(fitted(name), make_signature(), columns=columns_of(make_rows()), code={})


@pytest.mark.parametrize("name", some_of(TREES, 3))
def test_ten_thousand_rows_get_the_same_outputs(name: str, without_tables: None) -> None:
    report = choice_of(name).report
    assert report["path"] == "nodes", report
    assert report["tables"].startswith("Not compiled: its tables would take ")
    assert report["proof"]["rows"] == 10_000
    assert report["proof"]["largest_difference"] <= 1e-12


@pytest.mark.parametrize("name", ["forest", "forest, three classes", "extra trees", "tree"])
def test_sums_of_forests_are_bit_for_bit_those_of_scikit_learn(name: str, without_tables: None) -> None:
    assert choice_of(name).report["proof"]["largest_difference"] == 0.0


@pytest.mark.parametrize(
    "name", ["forest", "boosting, three classes", "boosting, categories", "gradient boosting, value"]
)
def test_equal_models_give_equal_bytes(name: str, without_tables: None) -> None:
    assert choice_of(name).files == choice_of(name).files


@pytest.mark.parametrize("damage", DAMAGES)
def test_slightly_wrong_nodes_are_not_chosen(
    damage: Callable[[Nodes], Nodes], monkeypatch: pytest.MonkeyPatch, without_tables: None
) -> None:
    right = nodes.compile_nodes
    monkeypatch.setattr(choose, "compile_nodes", lambda *args: damage(right(*args)))
    choice = choice_of("boosting, categories")
    assert choice.name == choice.report["path"] != "nodes"
    assert choice.report["nodes"].startswith("Not proven: ")


def package_of(estimator: Any, frame: pd.DataFrame, folder: Path) -> predictor.PackagePredictor:
    build_package(
        folder / "p", name="grown", estimator=estimator, signature=Signature.infer(frame), golden=frame.head(600),
        reference=frame, provenance=Provenance(),
    )  # fmt: skip
    return predictor.load(folder / "p")


def numbers(count: int = 3000) -> tuple[pd.DataFrame, Any]:
    random = np.random.default_rng(5)
    frame = pd.DataFrame(random.normal(size=(count, 5)), columns=list("abcde"))
    return frame, frame["a"] + frame["b"] * frame["c"] + random.normal(size=count)


@pytest.mark.parametrize("make", [RandomForestClassifier, RandomForestRegressor])
def test_the_default_forest_is_compiled_to_a_small_file(make: Any, tmp_path: Path) -> None:
    frame, value = numbers()
    target = value > 0 if make is RandomForestClassifier else value
    model = package_of(make(random_state=0).fit(frame, target), frame, tmp_path)
    assert (model.backend, model.quick) == ("nodes", True)
    sizes = {name: len(content) for name, content in model.package.files.items()}
    assert sizes["nodes.npz"] < sizes["model.skops"] / 3
    rows = numbers(400)[0] * 3
    estimator = make(random_state=0).fit(frame, target)
    if make is RandomForestClassifier:
        assert model.predict(rows).probability.tolist() == estimator.predict_proba(rows)[:, 1].tolist()
    else:
        assert model.predict(rows).value.tolist() == estimator.predict(rows).tolist()


@pytest.mark.parametrize("trees", [1, 40, pytest.param(300, marks=pytest.mark.long)])
def test_one_row_and_blocks_of_rows_have_the_same_bits(trees: int, tmp_path: Path, without_tables: None) -> None:
    frame, value = numbers(1500)
    model = package_of(RandomForestRegressor(trees, random_state=0).fit(frame, value), frame, tmp_path)
    assert (model.backend, model.quick) == ("nodes", trees < 256)
    rows = numbers(20_000)[0]
    together = model.predict(rows).value
    for start, count in ((0, 1), (511, 2), (512, 513), (16_383, 17), (3_000, 9_000)):
        part = rows.iloc[start : start + count]
        assert model.predict(part).value.tolist() == together[start : start + count].tolist()
        assert model.predict(part.head(1).to_dict("records")).value[0] == together[start]


@pytest.mark.parametrize("options", [{}, {"max_features": 3, "bootstrap_features": True}, {"max_samples": 40}])
def test_bagged_trees_are_compiled(options: dict[str, Any], tmp_path: Path, without_tables: None) -> None:
    frame, value = numbers(1500)
    # With samples of 40 rows, some trees do not know the rare class.
    label = np.where(value > 4, "rare", np.where(value > 0, "high", "low"))
    for number, (make, target) in enumerate(((BaggingClassifier, label), (BaggingRegressor, value))):
        estimator = make(random_state=0, n_estimators=20, **options).fit(frame, target)
        model = package_of(estimator, frame, tmp_path / str(number))
        assert model.backend == "nodes", model.package.files["acceptance.json"]
        rows = numbers(300)[0] * 2
        if make is BaggingClassifier:
            assert model.predict(rows).label.tolist() == estimator.predict(rows).tolist()
            assert model.predict(rows).probability.tolist() == estimator.predict_proba(rows).max(axis=1).tolist()
        else:
            assert model.predict(rows).value.tolist() == estimator.predict(rows).tolist()


def test_a_row_that_the_estimator_rejects_is_the_reason(tmp_path: Path) -> None:
    """The logarithm of 0 is infinite, which forests reject; with a minimum in the signature there is no such row."""
    frame, value = numbers(600)
    frame, fitted_on = (
        frame[["a"]].abs() + 1,
        make_pipeline(FunctionTransformer(np.log), RandomForestRegressor(3, random_state=0)),
    )
    fitted_on.fit(frame, value)
    columns = columns_of(frame)
    report = choose_backend(fitted_on, Signature.infer(frame), columns=columns, code={}).report
    assert report["path"] == "sklearn"
    assert report["tables"].startswith(
        "Not compiled: the estimator rejects a row that the signature allows: Input X contains inf"
    )
    bounded = Signature.infer(frame, fields={"a": {"minimum": 0.5}})
    assert choose_backend(fitted_on, bounded, columns=columns, code={}).name == "tables"


def test_a_forest_that_is_too_large_has_a_reason(monkeypatch: pytest.MonkeyPatch, without_tables: None) -> None:
    monkeypatch.setattr(nodes, "_LARGEST", 1000)
    report = choice_of("forest").report
    assert report["path"] == "sklearn"
    assert report["nodes"].startswith("Not compiled: its nodes would take ")


SCALED = {
    "clipped": lambda: make_pipeline(SimpleImputer(), StandardScaler(), MinMaxScaler(clip=True)),
    "stretched": lambda: make_pipeline(MinMaxScaler((-1e6, 1e6)), StandardScaler()),
    "imputed": lambda: make_pipeline(SimpleImputer()),
}


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("make", SCALED.values(), ids=SCALED)
def test_the_ends_of_bins_are_the_last_numbers_that_pass(make: Callable[[], Any], narrow: bool) -> None:
    """Each end passes its test, and the next number does not, whatever the transformers and the thresholds."""
    random = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"far": random.normal(1e9, 1, 200), "near": random.normal(0, 1e-9, 200), "same": random.normal(size=200)}
    )
    step = make().fit(frame)
    steps = [*(each for _, each in step.steps), None]
    traced = trace_fields(steps, Signature.infer(frame), frame=lambda given: pd.DataFrame(given)[list(frame)])
    values = step.transform(frame)
    columns = np.arange(312) // 104
    extremes = [[own.min() - 1, own.max() + 1, 0.0, 1e300] for own in values.T]
    thresholds = np.concatenate([[*own[:100], *far] for own, far in zip(values.T, extremes, strict=True)])
    ends = bisect_ends(columns, thresholds, traced, narrow=narrow)
    most = np.finfo(np.float64).max

    def passes(numbers: Any) -> Any:
        with config_context(assume_finite=True), np.errstate(all="ignore"):
            given = step.transform(pd.DataFrame(np.tile(numbers[:, None], 3), columns=list(frame)))
            own = given[np.arange(len(numbers)), columns]
            return (own.astype(np.float32).astype(np.float64) if narrow else own) <= thresholds

    with np.errstate(over="ignore"):
        after = np.minimum(np.nextafter(np.clip(ends, -most, most), np.inf), most)
    assert passes(np.clip(ends, -most, most))[ends > -np.inf].all()
    assert not passes(np.where(ends == -np.inf, -most, after))[ends < np.inf].any()
