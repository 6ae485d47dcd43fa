from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from orders import build_shop, importable, make_orders, rain, shop_signature, write_project

from nbship.errors import GateError, PackageError, SignatureError
from nbship.model import Field, Output, Signature, load_estimator, save_estimator


def test_a_package_has_all_its_files(shop_package: Callable[[str], Path]) -> None:
    folder = shop_package("binary")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "MANIFEST.json", "MLmodel", "MODEL_CARD.md", "acceptance.json", "golden.parquet", "lookups.json", "lookups/rain.npz",
        "model.skops", "provenance.json", "reference.parquet", "requirements.txt", "runtime.zip", "signature.json", "tables.npz",
        "code/shop/__init__.py", "code/shop/features.py", "code/shop/amounts.py",
    }  # fmt: skip
    listed = {each["path"]: each for each in json.loads((folder / "MANIFEST.json").read_text())["files"]}
    assert set(listed) == files - {"MANIFEST.json"}
    for path, each in listed.items():
        content = (folder / path).read_bytes()
        assert (each["sha256"], each["size"]) == (hashlib.sha256(content).hexdigest(), len(content))


def test_a_package_holds_no_personal_values(shop_package: Callable[[str], Path]) -> None:
    golden = pd.read_parquet(shop_package("binary") / "golden.parquet")
    assert golden["customer"].tolist()[:2] == ["customer-0", "customer-1"]
    assert len(golden) == 600
    for path in shop_package("binary").rglob("*.*"):
        assert b"person 17" not in path.read_bytes()


def test_the_card_has_purpose_limits_metrics_and_inputs(shop_package: Callable[[str], Path]) -> None:
    card = (shop_package("binary") / "MODEL_CARD.md").read_text()
    for words in ("Which orders come back?", "Made for tests.", "0.7512", "`price`", "€", "looked up in `rain`"):
        assert words in card


def test_two_fits_in_two_processes_give_the_same_bytes(shop_source: Path, tmp_path: Path) -> None:
    """Hash seeds and memory addresses differ between the processes."""
    script = "\n".join(
        [
            "import sys; from pathlib import Path",
            f"sys.path[:0] = [{str(Path(__file__).parents[2])!r}, {str(shop_source)!r}]",
            "from orders import build_shop",
            "for kind in ('binary', 'linear'): print(build_shop(Path(sys.argv[1]) / kind, kind).digest)",
        ]
    )
    built = [
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]  # fmt: skip
    assert built[0] == built[1]
    assert len(set(built[0])) == 2


def test_plain_skops_reads_the_model(shop_source: Path, shop_package: Callable[[str], Path]) -> None:
    import skops.io

    file = shop_package("linear") / "model.skops"
    with importable(shop_source):
        estimator = skops.io.load(file, trusted=skops.io.get_untrusted_types(file=file))
        assert estimator.predict_proba(make_orders(5)).shape == (5, 2)


def test_a_saved_estimator_loads_unchanged(shop_source: Path, shop_estimator, tmp_path: Path) -> None:
    estimator = shop_estimator("forest")
    with importable(shop_source):
        save_estimator(estimator, tmp_path / "a" / "model.skops")
        again = load_estimator(tmp_path / "a" / "model.skops")
        save_estimator(estimator, tmp_path / "b.skops")
        assert (again.predict_proba(make_orders(50)) == estimator.predict_proba(make_orders(50))).all()
    assert (tmp_path / "b.skops").read_bytes() == (tmp_path / "a" / "model.skops").read_bytes()


def test_a_gate_that_fails_keeps_the_old_package(shop_source: Path, shop_estimator, tmp_path: Path) -> None:
    estimator = shop_estimator("forest")
    with importable(shop_source):
        first = build_shop(tmp_path / "shop", estimator=estimator)
        with pytest.raises(GateError, match="gate rejected model 'shop': worse than before"):
            build_shop(
                tmp_path / "shop", estimator=estimator, verdict={"passed": False, "reasons": ["worse than before"]}
            )
        assert (tmp_path / "shop" / "MANIFEST.json").exists()
        second = build_shop(
            tmp_path / "shop", estimator=estimator, name="shop2", verdict={"passed": True, "reasons": []}
        )
    assert second.version != first.version
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_an_invalid_signature_or_golden_set_writes_nothing(shop_source: Path, shop_estimator, tmp_path: Path) -> None:
    estimator, good = shop_estimator("forest"), shop_signature()
    wrong_class = replace(good, outputs=(Output("label", "string", "label", classes=("yes", "no")),))
    needs = replace(good, inputs=tuple(field for field in good.inputs if field.name != "price"))
    shifted = make_orders(600, seed=3).assign(price=lambda orders: orders["price"].round(0).astype(int))
    cases = [
        ({"signature": None}, SignatureError, "no signature"),
        ({"golden": make_orders(499)}, PackageError, "499 golden rows"),
        ({"lookups": ()}, SignatureError, "Field 'rain' comes from the lookup 'rain'"),
        ({"signature": wrong_class}, SignatureError, "the class 'yes'"),
        ({"signature": Signature((Field("shop", "string"), *good.inputs[2:]))}, SignatureError, "Lookup 'rain' needs the field 'ordered'"),
    ]  # fmt: skip
    with importable(shop_source):
        for changes, error, message in cases:
            with pytest.raises(error, match=message):
                build_shop(tmp_path / "shop", estimator=estimator, **changes)
        with pytest.raises(SignatureError, match="needs the column 'price'"):
            build_shop(tmp_path / "shop", estimator=estimator, signature=needs)
        build_shop(tmp_path / "fine", estimator=estimator, golden=shifted)
    assert [path.name for path in tmp_path.iterdir()] == ["fine"]


def test_outputs_that_differ_from_the_estimator_are_an_error(shop_source: Path, tmp_path: Path) -> None:
    """The module was edited after the estimator was fitted, so the packaged code is not the code of the training."""
    source = write_project(tmp_path / "src")
    with importable(source):
        from orders import make_estimator

        estimator = make_estimator("linear")
        amounts = source / "shop" / "amounts.py"
        amounts.write_text(amounts.read_text().replace("FACTOR = 1.0", "FACTOR = 1.5"))
        with pytest.raises(SignatureError, match="Golden row 0 has"):
            build_shop(tmp_path / "shop", estimator=estimator)


def test_a_function_of_the_notebook_cannot_be_packaged(shop_source: Path, tmp_path: Path) -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    from nbship.model import ColumnFeatures

    main = sys.modules["__main__"]

    def features(columns):
        return {"price": columns["price"]}

    features.__module__, features.__qualname__ = "__main__", "features"
    main.features = features
    try:
        orders = make_orders(600)
        estimator = make_pipeline(ColumnFeatures(features), DecisionTreeClassifier(max_depth=2)).fit(
            orders, orders["gift"]
        )
        with pytest.raises(PackageError, match="defined in the notebook"):
            build_shop(tmp_path / "shop", estimator=estimator)
    finally:
        del main.features


def test_a_lookup_without_a_table_cannot_be_packaged(shop_source: Path, shop_estimator, tmp_path: Path) -> None:
    from nbship.data.lookups import Lookup

    bare = Lookup("rain", keys=rain().keys, columns=rain().columns)
    with importable(shop_source), pytest.raises(PackageError, match="has no table"):
        build_shop(tmp_path / "shop", estimator=shop_estimator("forest"), lookups=(bare,))
