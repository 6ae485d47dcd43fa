"""Lookup tables give the scores of scikit-learn even at edge cases, and wrong tables are found.

Generated rows have the ends of bins and the floats next to them, integers that float32 cannot represent, null and
unknown strings.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaged_models import DAMAGES, forgetful
from families import FAMILIES, fitted, make_rows, make_signature, some_of

from nbship import acceptance, predictor
from nbship.errors import AcceptanceError
from nbship.model import Provenance, build_package
from nbship.model.backends.lookup_tables import Tables
from nbship.model.compiler import averaging, choose, fitted_model, onnx_graph
from nbship.model.signature.validation import read_rows

COMPILED = [name for name, family in FAMILIES.items() if family.path == "tables"]


def choice_of(name: str) -> choose.Choice:
    columns = read_rows(make_signature(), make_rows()).columns
    return choose.choose_backend(fitted(name), make_signature(), columns=columns, code={})


@pytest.mark.parametrize("name", some_of(COMPILED, 8))
def test_ten_thousand_rows_get_the_same_outputs(name: str, full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = fitted_model.generate_rows
    for seed in range(20 if full else 1):
        monkeypatch.setattr(
            fitted_model, "generate_rows", lambda *args, seed=seed, **options: generate(*args, seed=seed, **options)
        )
        report = choice_of(name).report
        assert report["path"] == "tables", report
        assert report["proof"]["rows"] == 10_000
        assert report["proof"]["largest_difference"] <= 1e-12


@pytest.mark.parametrize("damage", DAMAGES)
def test_slightly_wrong_tables_are_not_chosen(
    damage: Callable[[Tables], Tables], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = averaging.compile_model
    monkeypatch.setattr(choose, "compile_model", lambda *args, **options: damage(right(*args, **options)))
    choice = choice_of("boosting, categories")
    assert "tables.npz" not in choice.files
    assert choice.name == choice.report["path"] != "tables"
    assert choice.report["tables"].startswith(("Not proven: outputs differ", "Not proven: labels differ"))


def test_wrong_tables_are_found_by_verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables and the golden outputs agree and are both wrong; the fitted estimator in the package differs."""
    right = averaging.compile_model
    monkeypatch.setattr(choose, "compile_model", lambda *args, **options: forgetful(right(*args, **options)))
    monkeypatch.setattr(fitted_model.FittedModel, "difference", lambda *args: 0.0)
    monkeypatch.setattr("nbship.model.build.build.disagreement", lambda *args, **options: None)
    frame = make_rows()
    golden = frame.head(600).assign(town=lambda rows: rows["town"].where(np.arange(600) % 2 == 0, "unseen"))
    build_package(
        tmp_path / "p", name="wrong", estimator=fitted("boosting, categories"), signature=make_signature(), golden=golden,
        reference=frame, provenance=Provenance(),
    )  # fmt: skip
    assert predictor.load(tmp_path / "p").backend == "tables"
    with pytest.raises(AcceptanceError, match=r"In package 'wrong', golden row .* by the lookup tables, but"):
        list(acceptance.prove(tmp_path / "p"))


def test_a_package_records_its_proof(tmp_path: Path) -> None:
    frame = make_rows()
    build_package(
        tmp_path / "p", name="proven", estimator=fitted("logistic"), signature=make_signature(), golden=frame.head(600),
        reference=frame, provenance=Provenance(),
    )  # fmt: skip
    report: dict[str, Any] = json.loads((tmp_path / "p/acceptance.json").read_text())
    assert report["path"] == "tables"
    assert report["proof"]["rows"] == 10_000


CONVERTED = [name for name, family in FAMILIES.items() if family.path == "onnx"]


@pytest.mark.parametrize("name", some_of(CONVERTED, 5))
def test_ten_thousand_rows_get_the_same_outputs_from_onnx(name: str) -> None:
    report = choice_of(name).report
    assert report["path"] == "onnx", report
    assert report["proof"]["rows"] == 10_000
    assert report["proof"]["largest_difference"] <= 1e-6


AVERAGES = ("voting", "calibrated", "transformed")
# Their columns of numbers alone are read by the layers of tables.
NUMERIC = ("naive Bayes of", "random", "principal", "singular", "independent", "polynomials", "rows of")


@pytest.mark.parametrize("name", some_of([name for name in COMPILED if not name.startswith(AVERAGES + NUMERIC)], 15))
def test_compilable_estimators_are_exported_to_onnx_with_the_same_outputs(name: str) -> None:
    columns = read_rows(make_signature(), make_rows()).columns
    graph, most = choose.export_onnx(fitted(name), make_signature(), columns=columns, code={})
    assert most <= 1e-12
    assert graph == choose.export_onnx(fitted(name), make_signature(), columns=columns, code={})[0]


@pytest.mark.parametrize("name", ["support vectors"])
def test_slightly_wrong_graphs_are_not_chosen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = onnx_graph._matrix
    monkeypatch.setattr(
        onnx_graph,
        "_matrix",
        lambda graph, *args: graph.add("Mul", right(graph, *args), graph.constant(np.array(1 + 1e-4))),
    )
    choice = choice_of(name)
    assert choice.name == "sklearn"
    assert choice.report["onnx"].startswith("Not proven: ")
