"""Every notebook, run by the pipeline and by hand, on small parameters."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from wakeful import WakefulManager

from nbship.pipeline.spec import read_pipeline
from nbship.project import load

from .conftest import nbship

STAGES = ("extract", "validate", "explore", "prepare", "train", "evaluate", "gate", "package")


def read(project: Path, path: str) -> Any:
    return json.loads((project / path).read_text(encoding="utf-8"))


def printed(cell: Any) -> str:
    return "".join(output.get("text", "") for output in cell.get("outputs", []))


def digests(project: Path) -> dict[str, str]:
    folders = (project / "products", project / "models")
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def assert_same_numbers(ours: Path, theirs: Path) -> None:
    """By hand the pipeline's kind of CPU is not asked of BLAS: last digits may differ, and nothing else."""
    if ours.suffix == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(ours), pd.read_parquet(theirs), rtol=1e-9)
    else:
        found, expected = (
            flat(json.loads(ours.read_text(encoding="utf-8"))),
            flat(json.loads(theirs.read_text(encoding="utf-8"))),
        )
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value), name


def flat(value: Any, *, trail: str = "") -> dict[str, Any]:
    """Name every leaf by its place."""
    if not isinstance(value, (dict, list)):
        return {trail: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {name: leaf for key, inner in items for name, leaf in flat(inner, trail=f"{trail}/{key}").items()}


@pytest.mark.parametrize("name", STAGES)
def test_the_stage_makes_its_products_and_ends_in_words(project: Path, name: str) -> None:
    stage = read_pipeline(load(project)).stages[name]
    for path in stage.products.values():
        assert (project / path).exists()
    executed = nbformat.read(project / stage.products["nb"], as_version=4)
    nbformat.validate(executed)
    assert len(printed(executed.cells[-1])) > 20


def test_bad_rows_are_quarantined_and_counted(project: Path) -> None:
    counts = read(project, "products/metrics/validate.json")
    assert counts["weather"]["quarantined"] == 1
    assert counts["weather"]["rows"] == counts["weather"]["accepted"] + 1
    quarantine = pd.read_parquet(project / "products/validate/quarantine.parquet")
    assert quarantine["reasons"].tolist() == ["wind_speed is at most 200"]


def test_the_model_is_evaluated_on_later_flights_than_the_training_rows(project: Path) -> None:
    train, holdout = (pd.read_parquet(project / f"products/prepare/{name}.parquet") for name in ("train", "holdout"))
    assert train["scheduled_departure"].max() < holdout["scheduled_departure"].min()
    assert read(project, "products/metrics/evaluate.json")["n"] == len(holdout)


def test_the_choice_has_a_reason_and_the_candidates_a_score(project: Path) -> None:
    assert "standard error" in read(project, "products/train/choice.json")["reason"]
    assert len(read(project, "products/metrics/train.json")["candidates"]) == 3


def test_plots_are_points(project: Path) -> None:
    for name in ("late_by_hour", "calibration", "auc_by_hour"):
        points = read(project, f"products/plots/{name}.json")
        assert points
        assert all({"x", "y"} <= set(point) for point in points)


def test_nothing_in_an_executed_notebook_differs_from_run_to_run(project: Path) -> None:
    for path in sorted((project / "products").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        assert " at 0x" not in text
        assert str(project) not in text


@pytest.mark.long
def test_run_all_by_hand_gives_the_pipelines_numbers_and_touches_no_product(project: Path) -> None:
    before = digests(project)
    for stage in read_pipeline(load(project)).stages.values():
        notebook = nbformat.read(project / stage.notebook, as_version=4)
        folder = {"metadata": {"path": str((project / stage.notebook).parent)}}
        NotebookClient(notebook, kernel_manager_class=WakefulManager, timeout=120, resources=folder).execute()
        scratch = project / ".nbship" / "scratch" / stage.name
        for key, path in stage.products.items():
            if key not in stage.notebook_keys and path.suffix in (".json", ".parquet"):
                assert_same_numbers(scratch / path.name, project / path)
    assert digests(project) == before


def test_a_failed_gate_leaves_no_new_package(project: Path) -> None:
    before = digests(project)
    done = nbship(project, "run", "-S", "gate.min_auc=0.99")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "AUC is 0." in done.stdout + done.stderr
    package = {path: digest for path, digest in before.items() if "/models/" in path}
    found = digests(project)
    assert not [path for path in found if "/models/" in path and found[path] != package.get(path)]


@pytest.mark.long
def test_the_gate_compares_with_the_pinned_production_model(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "flights"
    shutil.copytree(project, folder, symlinks=True)
    shutil.copytree(folder / "models/flights", folder / "models/production", dirs_exist_ok=True)
    pinned = {path.name: path.read_bytes() for path in (folder / "models/production").iterdir() if path.is_file()}
    done = nbship(folder, "run", "-S", "gate.min_auc=0.55")
    verdict = read(folder, "products/gate/verdict.json")
    checks = {check["name"]: check for check in verdict["checks"]}
    version = hashlib.sha256(pinned["MANIFEST.json"]).hexdigest()[:12]
    assert verdict["production"] == version
    assert {
        "AUC against production",
        "same days, same inputs",
        "same days, same labels",
        "fitted again",
    } <= checks.keys()
    assert checks["same days, same inputs"]["value"] == checks["same days, same labels"]["value"] == 0.0
    assert len(read(folder, "products/gate/report.json")["differences"]["worst"]) == 20
    assert done.returncode == 0, done.stdout + done.stderr
    # Production is an input: it does not change, and its .dvc file records it.
    assert {
        path.name: path.read_bytes() for path in (folder / "models/production").iterdir() if path.is_file()
    } == pinned
    assert "nfiles: 0" not in (folder / "models/production.dvc").read_text(encoding="utf-8")
    line = (folder / ".nbship/state/measurements.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(line)["measurements"][0]["name"] == "latency of one row"
