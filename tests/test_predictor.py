from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from orders import build_shop, importable, make_orders, write_project

from nbship import predictor
from nbship.errors import CorruptPackageError, VersionMismatchError
from nbship.model.backends.skops_file import dump_estimator
from nbship.model.package.manifest import make_manifest, read_files

KINDS = ("binary", "linear", "forest", "multiclass", "regression")
ONE = {"ordered": "2024-03-05T12:00", "shop": "north", "customer": "x", "price": 12.5, "pieces": None, "gift": True}


def outputs(predictions: predictor.Predictions) -> dict[str, Any]:
    return {kind: values.tolist() for kind, values in predictions.columns().items()}


def records(orders: pd.DataFrame) -> list[dict[str, Any]]:
    """Return orders as a client sends them, without the columns that are looked up."""
    whole = orders.drop(columns="rain").assign(pieces=[None if n is pd.NA else int(n) for n in orders["pieces"]])
    rows = whole.astype({"pieces": object}).to_dict("records")
    return [
        {
            **row,
            "ordered": row["ordered"].isoformat(),
            "pieces": None if row["pieces"] != row["pieces"] else row["pieces"],
        }
        for row in rows
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_single_rows_many_rows_and_frames_get_identical_outputs(kind: str, shop_package: Callable[[str], Path]) -> None:
    model = predictor.load(shop_package(kind))
    orders = make_orders(700, seed=21)
    listed = records(orders)
    together = model.predict(orders.drop(columns="rain"))
    assert outputs(model.predict(listed)) == outputs(together)
    for number in range(0, 700, 29):
        single = outputs(model.predict([listed[number]]))
        assert single == {kind: values[number : number + 1].tolist() for kind, values in together.columns().items()}
    backwards = outputs(model.predict(listed[::-1]))
    assert {kind: values[::-1] for kind, values in backwards.items()} == outputs(together)


@pytest.mark.parametrize("kind", KINDS)
def test_it_agrees_with_the_fitted_estimator(
    kind: str, shop_source: Path, shop_package: Callable[[str], Path], shop_estimator: Callable[[str], Any]
) -> None:
    answers, orders = predictor.load(shop_package(kind)).predict(make_orders(900, seed=4)), make_orders(900, seed=4)
    with importable(shop_source):
        estimator = shop_estimator(kind)
        if kind == "regression":
            np.testing.assert_allclose(answers.value, estimator.predict(orders), rtol=1e-12)
            return
        table = estimator.predict_proba(orders)
        expected = table.max(axis=1) if kind == "multiclass" else table[:, 1]
        np.testing.assert_allclose(answers.probability, expected, rtol=1e-12, atol=1e-12)
        assert answers.label.tolist() == estimator.predict(orders).tolist()


def test_missing_inputs_are_looked_up_and_null_stays_null(shop_package: Callable[[str], Path]) -> None:
    model = predictor.load(shop_package("binary"))
    looked_up = model.model.complete(predictor.read_rows(model.signature, [ONE]))["rain"][0]
    assert looked_up == looked_up
    assert outputs(model.predict([{**ONE, "rain": looked_up}])) == outputs(model.predict([ONE]))
    mixed = outputs(model.predict([ONE, {**ONE, "rain": None}, {**ONE, "rain": 5.0}]))["probability"]
    single = [
        outputs(model.predict([{**ONE, **change}]))["probability"][0] for change in ({}, {"rain": None}, {"rain": 5.0})
    ]
    assert mixed == single
    assert len(set(single)) > 1
    unknown = outputs(
        model.predict([{**ONE, "ordered": "2031-03-05T12:00"}, {**ONE, "ordered": "2031-03-05T12:00", "rain": None}])
    )
    assert unknown["probability"][0] == unknown["probability"][1]


def test_the_threshold_decides_the_label(shop_source: Path, shop_estimator, tmp_path: Path) -> None:
    from dataclasses import replace

    from orders import shop_signature

    from nbship.model import Output

    given = (
        Output("back", "bool", "label", classes=(False, True), threshold=0.2),
        Output("risk", "float", "probability", positive=True),
    )
    with importable(shop_source):
        build_shop(
            tmp_path / "p", estimator=shop_estimator("binary"), signature=replace(shop_signature(), outputs=given)
        )
    answers = predictor.load(tmp_path / "p").predict(make_orders(500, seed=8))
    assert (answers.label == (answers.probability >= 0.2)).all()
    assert 0 < answers.label.mean() < 1
    assert (answers.label != (answers.probability > 0.5)).any()


def test_the_code_of_two_packages_stays_separate(tmp_path: Path, shop_package: Callable[[str], Path]) -> None:
    """Two packages with different code of one name, neither installed, one broken version installed."""
    source = write_project(tmp_path / "double", factor=2.0)
    with importable(source):
        build_shop(tmp_path / "other", "linear")
    broken = tmp_path / "broken" / "shop"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('the wrong one')")
    with importable(broken.parent):
        first, second = predictor.load(shop_package("linear")), predictor.load(tmp_path / "other")
        assert first.version != second.version
        functions = [model.model.backend._function for model in (first, second)]
        assert [function.__globals__["amounts"].FACTOR for function in functions] == [1.0, 2.0]
        assert outputs(first.predict([ONE])).keys() == {"label", "probability"}
        assert "shop" not in sys.modules
    assert not list(shop_package("linear").rglob("__pycache__"))


@pytest.mark.parametrize("library", ["scikit-learn", "numpy", "skops", "python"])
def test_another_library_version_is_an_error_with_a_remedy(library: str, shop_package: Callable[[str], Path]) -> None:
    files = without_tables(shop_package("forest"))
    provenance = json.loads(files["provenance.json"])
    provenance["libraries"][library] = "1.2.0" if library != "python" else "3.9"
    changed = {**files, "provenance.json": json.dumps(provenance).encode()}
    with pytest.raises(
        VersionMismatchError, match="Use Python 3.9" if library == "python" else f"{library}==1.2.0"
    ) as error:
        predictor.load_files(*repacked(changed))
    assert error.value.library == library


def test_tables_predict_with_any_installed_scikit_learn(shop_package: Callable[[str], Path]) -> None:
    _, files = read_files(shop_package("forest"))
    provenance = json.loads(files["provenance.json"])
    provenance["libraries"] |= {"scikit-learn": "1.2.0", "skops": "0.1.0"}
    changed = {**files, "provenance.json": json.dumps(provenance).encode()}
    assert predictor.load_files(*repacked(changed)).predict([ONE]).probability is not None
    provenance["libraries"]["numpy"] = "1.2.0"
    with pytest.raises(VersionMismatchError, match=r"numpy==1\.2\.0"):
        predictor.load_files(*repacked({**files, "provenance.json": json.dumps(provenance).encode()}))


def repacked(files: dict[str, bytes]) -> tuple[Any, dict[str, bytes]]:
    from nbship.model.package.manifest import read_manifest

    return read_manifest(make_manifest("shop", files)), files


def without_tables(package: Path) -> dict[str, bytes]:
    """Return a package's files without its tables, so that its fitted estimator predicts."""
    return {name: content for name, content in read_files(package)[1].items() if name != "tables.npz"}


class Hostile:
    """An object that runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("touch /tmp/hostile",)


def test_a_type_that_is_not_trusted_is_an_error(shop_package: Callable[[str], Path], shop_estimator) -> None:
    from sklearn.preprocessing import FunctionTransformer

    files = without_tables(shop_package("forest"))
    import os

    for hostile in (FunctionTransformer(os.system), FunctionTransformer(shutil.rmtree)):
        with pytest.raises(CorruptPackageError, match="which is not trusted"):
            predictor.load_files(*repacked({**files, "model.skops": dump_estimator(hostile)}))


def test_a_pickle_is_never_loaded(shop_package: Callable[[str], Path]) -> None:
    import pickle

    files = without_tables(shop_package("forest"))
    with pytest.raises(CorruptPackageError, match="cannot be loaded"):
        predictor.load_files(*repacked({**files, "model.skops": pickle.dumps(Hostile())}))
    assert not Path("/tmp/hostile").exists()


def test_concurrent_threads_get_their_own_outputs(shop_package: Callable[[str], Path]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    model = predictor.load(shop_package("binary"))
    listed = records(make_orders(200, seed=2))
    expected = outputs(model.predict(listed))["probability"]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: outputs(model.predict([row]))["probability"][0], listed))
    assert found == expected


def test_the_mlflow_loader_predicts_a_frame(shop_package: Callable[[str], Path]) -> None:
    orders = make_orders(30, seed=2)
    answers = predictor._load_pyfunc(str(shop_package("binary"))).predict(orders)
    assert (
        answers["probability"].tolist() == predictor.load(shop_package("binary")).predict(orders).probability.tolist()
    )
