"""Measures agree with NannyML and Evidently where definitions are the same.

`peer_measures.json` holds what these tools measured, in their own environment, on the data of
`benchmarks/peers/monitoring/compare.py`; a long test runs them again.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbship.metrics import classification
from nbship.model.build.reference import describe
from nbship.model.signature import Field, Signature
from nbship.monitoring.drift import FieldCounts, measure
from nbship.monitoring.performance import expected_measures, performance

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks/peers/monitoring/compare.py"
PYTHON = ROOT / ".nbship/cache/monitoring-peers/bin/python"
RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("peer_measures.json").read_text(encoding="utf-8"))
NANNYML, EVIDENTLY = RECORDED["nannyml"], RECORDED["evidently"]


@pytest.fixture(scope="module")
def data() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def drift(data: ModuleType) -> dict[str, dict[str, Any]]:
    """nbship's measures of each column."""
    fields = (Field("number", "float"), Field("bins", "category", open=True), Field("category", "category", open=True))
    before, now = data.make_columns(0, 0.0), data.make_columns(1, 1.0)
    reference = describe(before, Signature(fields), outputs={})
    found = {}
    for name, each in reference.fields.items():
        counts = FieldCounts(name, each)
        counts.add(now[name])
        found[name] = measure(counts.compared(), min_rows=200)
    return found


def test_kolmogorov_smirnov_is_that_of_nannyml_and_evidently(drift: dict[str, dict[str, Any]]) -> None:
    # Each of the forty values has a bin of its own, so the statistic is exact.
    found = drift["number"]["ks"]
    assert found["statistic"] == pytest.approx(NANNYML["number kolmogorov_smirnov"], abs=1e-12)
    # Evidently states the exact p-value, 1.5e-23; nbship that of the limit of many rows.
    assert math.log10(found["p_value"]) == pytest.approx(math.log10(EVIDENTLY["number ks"]), abs=0.1)


@pytest.mark.parametrize("name", ["bins", "category"])
def test_distances_of_the_same_bins_are_those_of_nannyml_and_evidently(
    drift: dict[str, dict[str, Any]], name: str
) -> None:
    found = drift[name]
    assert found["jensen_shannon"] == pytest.approx(NANNYML[f"{name} jensen_shannon"], abs=1e-12)
    # In nats there, in bits here.
    nats = found["jensen_shannon"] * math.sqrt(math.log(2))
    assert nats == pytest.approx(EVIDENTLY[f"{name} jensenshannon"], abs=1e-12)
    # Half a row is added to each bin here, which changes most where a bin is small.
    assert found["psi"] == pytest.approx(EVIDENTLY[f"{name} psi"], rel=0.01)
    assert found["chi_squared"]["statistic"] == pytest.approx(NANNYML[f"{name} chi2"], rel=1e-9)


def test_the_auc_of_each_chunk_is_that_of_nannyml(data: ModuleType) -> None:
    rows = data.make_outcomes(3)
    parts = [np.array_split(rows[name], data.CHUNKS) for name in ("actual", "probability")]
    found = [classification(*pair)["auc"] for pair in zip(*parts, strict=True)]
    assert found == pytest.approx(NANNYML["auc by chunk"], abs=1e-12)


def test_the_performance_section_states_the_same_auc(data: ModuleType) -> None:
    rows, size = data.make_outcomes(3), data.ROWS // data.CHUNKS
    days = pd.date_range("2024-01-01", periods=10, tz="UTC").repeat(size // 10)
    frame = pd.DataFrame(
        {"event_time": days, "predicted": rows["probability"][:size], "actual": rows["actual"][:size].astype(float)}
    )
    section = performance(frame, kind="probability", reference=None, alpha=0.001, min_rows=200)
    assert section["measures"]["auc"] == pytest.approx(NANNYML["auc by chunk"][0], abs=1e-12)


def test_the_auc_without_labels_is_that_of_nannyml(data: ModuleType) -> None:
    """NannyML's estimate from confidence, without its recalibration."""
    chunks = np.array_split(data.make_outcomes(3)["probability"], data.CHUNKS)
    found = [expected_measures(chunk)["auc"] for chunk in chunks]
    assert found == pytest.approx(NANNYML["estimated auc by chunk"], abs=1e-12)


@pytest.mark.long
@pytest.mark.skipif(not PYTHON.exists(), reason="`make monitoring-peers` installs NannyML and Evidently")
def test_the_peers_measure_what_is_recorded() -> None:
    done = subprocess.run(
        [PYTHON, SCRIPT], env={**os.environ, "HOME": os.environ.get("HOME", "/")}, capture_output=True, text=True, check=True
    )  # fmt: skip
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["versions"] == RECORDED["versions"]
    for tool in ("nannyml", "evidently"):
        assert found[tool].keys() == RECORDED[tool].keys()
        for name, value in found[tool].items():
            assert value == pytest.approx(RECORDED[tool][name], rel=1e-6), name
