from __future__ import annotations

import json
import os
import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from families import fitted, make_rows, make_signature
from orders import make_orders

from nbship import predictor
from nbship.cli.package import command
from nbship.errors import CorruptPackageError, PackageError
from nbship.model import Provenance, build_package, build_wheel
from nbship.model.build.vendored import runtime_files
from nbship.model.build.wheel import module_name, wheel_name


@pytest.fixture(scope="session")
def shop_wheel(shop_package: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(shop_package("binary"), tmp_path_factory.mktemp("dist"))


def test_the_same_package_gives_the_same_bytes(shop_wheel: Path, shop_package, tmp_path: Path) -> None:
    loaded = predictor.load(shop_package("binary"))
    assert shop_wheel.name == wheel_name(loaded.package.manifest)
    assert shop_wheel.name.startswith(f"shop_model-0+{loaded.version}")
    assert build_wheel(shop_package("binary"), tmp_path).read_bytes() == shop_wheel.read_bytes()


def test_no_nbship_module_is_at_top_level(shop_wheel: Path) -> None:
    with zipfile.ZipFile(shop_wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
    assert tops == {"shop_model", f"shop_model-{shop_wheel.name.split('-')[1]}.dist-info"}
    needed = {line.split(": ")[1] for line in metadata.splitlines() if line.startswith("Requires-Dist")}
    assert {re.split(r"[=><]", each)[0] for each in needed} == {"msgspec", "numpy", "pandas", "pyarrow"}
    assert "nbship" not in metadata.partition("\n\n")[0]


def test_a_wheel_with_the_sklearn_backend_needs_scikit_learn(tmp_path: Path) -> None:
    metadata, names = wheel_of("neighbours", tmp_path)
    assert "Requires-Dist: scikit-learn==" in metadata
    assert any(name.endswith("backends/sklearn.py") for name in names)


def test_a_wheel_with_the_onnx_backend_needs_onnx_runtime(tmp_path: Path) -> None:
    metadata, names = wheel_of("support vectors", tmp_path)
    assert "Requires-Dist: onnxruntime==" in metadata
    assert "scikit-learn" not in metadata.partition("\n\n")[0]
    assert any(name.endswith("backends/onnx.py") for name in names)
    assert not any(name.endswith("backends/sklearn.py") for name in names)


def wheel_of(family: str, folder: Path) -> tuple[str, list[str]]:
    """Return the metadata and the names of the files of a wheel."""
    rows = make_rows()
    build_package(
        folder / "p", name="other", estimator=fitted(family), signature=make_signature(), golden=rows.head(600), reference=rows,
        provenance=Provenance(),
    )  # fmt: skip
    with zipfile.ZipFile(build_wheel(folder / "p", folder)) as archive:
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
        return metadata, archive.namelist()


def test_only_prediction_modules_are_included() -> None:
    parts = set(runtime_files({}, backend="sklearn"))
    assert {"predictor.py", "model/package/loaded.py", "data/lookups.py", "errors.py"} <= parts
    assert (
        not {"model/build/build.py", "model/build/evidence.py", "model/build/wheel.py", "model/build/card.py"} & parts
    )
    metrics = runtime_files({"shop/a.py": b"from nbship.metrics import classification\n"}, backend="tables")
    assert {"metrics/__init__.py", "metrics/probabilities.py"} <= set(metrics)
    assert "model/signature/columns.py" in runtime_files(
        {"shop/a.py": b"from nbship.model import to_local\n"}, backend="tables"
    )
    with pytest.raises(PackageError, match=r"'code/shop/a.py' imports 'nbship.nowhere.thing'"):
        runtime_files({"shop/a.py": b"from nbship.nowhere import thing\n"}, backend="tables")


def test_a_wheel_is_verified_and_loaded_like_a_folder(shop_wheel: Path, shop_package, tmp_path: Path) -> None:
    orders = make_orders(100, seed=5)
    folder, wheel = (predictor.load(path) for path in (shop_package("binary"), shop_wheel))
    assert wheel.version == folder.version
    assert wheel.predict(orders).probability.tolist() == folder.predict(orders).probability.tolist()
    broken = tmp_path / shop_wheel.name
    broken.write_bytes(shop_wheel.read_bytes()[:5000])
    with pytest.raises(CorruptPackageError, match="cannot be read"):
        predictor.load(broken)
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("other/__init__.py", "")
    with pytest.raises(PackageError, match="holds no model package"):
        predictor.load(broken)


@pytest.mark.parametrize(
    ("name", "module"), [("risk", "risk_model"), ("Risk 2-b", "risk_2_b_model"), ("7up", "model_7up_model")]
)
def test_a_model_name_becomes_a_module_name(name: str, module: str) -> None:
    assert module_name(name) == module


def test_the_command_shows_how_to_use_the_wheel(shop_package, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        command, ["wheel", str(shop_package("binary")), "--to", str(tmp_path), "--json"], catch_exceptions=False
    )
    printed = json.loads(result.stdout)
    assert printed["module"] == "shop_model"
    assert Path(printed["wheel"]).is_file()


SCRIPT = """
import json, sys, pathlib
import numpy as np
import pandas as pd
import shop_model

orders = pd.read_parquet(sys.argv[1])
records = json.loads(pathlib.Path(sys.argv[2]).read_text())
frame = shop_model.predict(orders)
assert frame.index.tolist() == orders.index.tolist()
assert shop_model.predict(records[:20])["probability"].tolist() == frame["probability"].tolist()[:20]
assert list(frame) == ["label", "probability"]
assert not {"nbship", "shop"} & set(sys.modules)
places = {path.name for folder in sys.path if "site-packages" in folder for path in pathlib.Path(folder).iterdir()}
assert not {"nbship", "shop", "sklearn"} & places, places
print(json.dumps([shop_model.__version__, [field.name for field in shop_model.signature.inputs], [p.hex() for p in frame["probability"]]]))
"""


@pytest.mark.timeout(240)
def test_it_predicts_in_an_empty_environment(shop_wheel: Path, shop_package, tmp_path: Path) -> None:
    """uv installs the wheel into a new environment, with its dependencies only."""
    uv = Path(__import__("uv").find_uv_bin())
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        [uv, "venv", "-q", "--python", os.path.realpath(os.sys.executable), tmp_path / "venv"], check=True, env=environ
    )
    installed = subprocess.run(
        [uv, "pip", "install", "-q", "--python", python, shop_wheel], env=environ, capture_output=True, text=True
    )
    if installed.returncode:
        pytest.skip(f"the package index cannot be reached: {installed.stderr.strip()[-200:]}")
    orders = make_orders(300, seed=5).drop(columns="rain")
    orders.index = orders.index * 2
    orders.to_parquet(tmp_path / "orders.parquet")
    records = [
        {
            **row,
            "ordered": row["ordered"].isoformat(),
            "pieces": None if str(row["pieces"]) == "<NA>" else int(row["pieces"]),
        }
        for row in orders.head(20).astype({"pieces": object}).to_dict("records")
    ]
    (tmp_path / "orders.json").write_text(json.dumps(records))
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [python, "-W", "error", tmp_path / "script.py", tmp_path / "orders.parquet", tmp_path / "orders.json"],
        env=environ, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    version, names, probabilities = json.loads(done.stdout)
    model = predictor.load(shop_package("binary"))
    assert version == model.version
    assert names == list(model.signature.names)
    assert probabilities == [float(each).hex() for each in model.predict(orders).probability]
