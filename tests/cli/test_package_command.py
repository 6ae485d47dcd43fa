"""`nbship package build`, `signature` and `onnx`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from click.testing import CliRunner
from families import fitted, make_rows, make_target

from nbship import acceptance, predictor
from nbship.cli.package import command
from nbship.errors import PackageError, SignatureError
from nbship.model import save_estimator

invoke = partial(CliRunner().invoke, catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A saved model, its training rows with their target, and held-out rows."""
    rows = make_rows()
    rows.assign(bought=make_target(rows, "binary")).to_parquet(tmp_path / "train.parquet")
    make_rows(600, seed=4).to_csv(tmp_path / "held_out.csv", index=False)
    save_estimator(fitted("boosting"), tmp_path / "credit.skops")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_saved_estimator_is_packaged_verified_and_predicts(folder: Path) -> None:
    told = invoke(
        command, ["build", "credit.skops", "--reference", "train.parquet", "--golden", "held_out.csv", "--json"]
    ).stdout.splitlines()
    paths = json.loads(told[-1])
    assert [proof.name for proof in acceptance.prove(Path(paths["package"]))][:2] == ["digests", "versions"]
    model = predictor.load(paths["package"])
    assert (model.name, model.backend) == ("credit", "tables")
    rows = make_rows(50, seed=8)
    expected = fitted("boosting").predict_proba(rows)[:, 1]
    np.testing.assert_allclose(model.predict(rows).probability, expected, rtol=0, atol=1e-12)


def test_an_edited_signature_is_used(folder: Path) -> None:
    invoke(command, ["signature", "credit.skops", "--reference", "train.parquet"])
    signature = json.loads(Path("signature.json").read_text(encoding="utf-8"))
    assert not Path("models").exists()
    limited = ["signature", "credit.skops", "--reference", "train.parquet", "--output", "limited.json", "--limits"]
    invoke(command, limited)
    seen = {field["name"]: field for field in json.loads(Path("limited.json").read_text(encoding="utf-8"))["inputs"]}
    assert seen["price"]["minimum"] == make_rows()["price"].min()
    assert "minimum" not in next(field for field in signature["inputs"] if field["name"] == "price")
    price = next(field for field in signature["inputs"] if field["name"] == "price")
    price.update(unit="€", help="Before tax.", minimum=-1e6, pii=True)
    Path("signature.json").write_text(json.dumps(signature), encoding="utf-8")
    given = [
        "build",
        "credit.skops",
        "--reference",
        "train.parquet",
        "--signature",
        "signature.json",
        "--output",
        "out/loans",
    ]
    assert invoke(command, given).exit_code == 0
    field = predictor.load(Path("out/loans")).signature["price"]
    assert (field.unit, field.help, field.minimum, field.pii) == ("€", "Before tax.", -1e6, True)
    price["units"] = "€"
    Path("signature.json").write_text(json.dumps(signature), encoding="utf-8")
    with pytest.raises(SignatureError, match="units"):
        invoke(command, given)


def test_numbers_of_a_csv_reference_keep_all_digits(folder: Path) -> None:
    rows = make_rows()
    rows.to_csv("train.csv", index=False)
    invoke(command, ["signature", "credit.skops", "--reference", "train.csv", "--limits"])
    found = {field["name"]: field for field in json.loads(Path("signature.json").read_text(encoding="utf-8"))["inputs"]}
    prices = rows["price"]
    assert (found["price"]["minimum"], found["price"]["maximum"]) == (prices.min(), prices.max())


def test_the_onnx_graph_predicts_without_nbship(folder: Path) -> None:
    invoke(command, ["build", "credit.skops", "--reference", "train.parquet"])
    result = invoke(command, ["onnx", "models/credit", "--to", "credit.onnx"])
    assert "differ by at most" in result.stdout
    session = onnxruntime.InferenceSession("credit.onnx")
    rows = make_rows(200, seed=9)
    tensors = {}
    for each in session.get_inputs():
        column = rows[each.name]
        text = each.type == "tensor(string)"
        tensors[each.name] = (column.fillna("\x00").to_numpy(object) if text else column.to_numpy(float))[:, None]
    scores, label = session.run(["scores", "label"], tensors)
    np.testing.assert_allclose(scores, fitted("boosting").predict_proba(rows), rtol=0, atol=1e-12)
    assert label.tolist() == fitted("boosting").predict(rows).tolist()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["model.pkl", "--reference", "train.parquet"], r"Save the fitted estimator with `model.save_estimator"),
        (["nothing.skops", "--reference", "train.parquet"], r"There is no 'nothing.skops'"),
        (["credit.skops", "--reference", "nothing.parquet"], r"There is no 'nothing.parquet'"),
        (["credit.skops", "--reference", "narrow.csv"], r"'narrow.csv' has no column 'length'"),
        (["credit.skops", "--reference", "credit.skops"], r"'credit.skops' cannot be read as CSV"),
        (["credit.skops", "--reference", "train.parquet", "--signature", "narrow.csv"], r"cannot be read as JSON"),
        (["plain.skops", "--reference", "train.parquet"], r"was fitted without column names"),
    ],
)
def test_errors_have_a_remedy(given: list[str], message: str, folder: Path) -> None:
    pd.DataFrame({"other": [1]}).to_csv("narrow.csv", index=False)
    save_estimator(fitted("boosting")[-1], folder / "plain.skops")
    with pytest.raises(PackageError, match=message):
        invoke(command, ["build", *given])
    assert not Path("models").exists()


def test_a_package_of_an_estimator_needs_its_training_rows(folder: Path) -> None:
    for given in (["build", "credit.skops"], ["build", ".", "--reference", "train.parquet"]):
        assert invoke(command, given).exit_code == 2


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_the_separator_of_training_rows_is_found(folder: Path, separator: str) -> None:
    rows = pd.read_parquet("train.parquet")
    for name, sep in (("commas.csv", ","), ("others.csv", separator)):
        rows.to_csv(name, index=False, sep=sep)
        given = ["signature", "credit.skops", "--reference", name, "--output", f"{name}.json"]
        assert invoke(command, given).exit_code == 0
    assert Path("others.csv.json").read_bytes() == Path("commas.csv.json").read_bytes()
