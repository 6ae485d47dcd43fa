from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from stages import write_project

from nbship import project
from nbship.errors import PipelineError
from nbship.pipeline import plan_stages, provenance_inputs, read_pipeline


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def test_the_package_stage_depends_on_everything_in_its_provenance(root: Path) -> None:
    loaded = project.load(root)
    pipeline = read_pipeline(loaded)
    plan = plan_stages(loaded, pipeline)["fit"]
    made = provenance_inputs(loaded, pipeline, pipeline["fit"])
    named = {*made["data"], *made["modules"], *(f".nbship/cache/{name}" for name in made["notebooks"]), "uv.lock"}
    assert named <= set(map(str, plan.files))
    assert set(plan.params) == {"load.rate", "load.month", "fit.seed"}


def test_provenance_has_digests_of_the_stage_and_its_ancestors(root: Path) -> None:
    loaded = project.load(root)
    pipeline = read_pipeline(loaded)
    made = provenance_inputs(loaded, pipeline, pipeline["load"])
    assert made["data"]["data/raw.csv"] == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    assert set(made["notebooks"]) == {"notebooks/load.ipynb"}
    assert set(made["modules"]) == {"src/own/__init__.py", "src/own/features.py"}
    assert made["params"] == {"load": {"rate": 0.5, "title": "to july", "limit": 3}}
    assert made["lock"] == hashlib.sha256((root / "uv.lock").read_bytes()).hexdigest()


def test_a_folder_of_data_has_a_digest_of_names_and_contents(root: Path) -> None:
    def digest() -> str:
        loaded = project.load(root)
        pipeline = read_pipeline(loaded)
        return provenance_inputs(loaded, pipeline, pipeline["load"])["data"]["data/raw.csv"]

    (root / "data/raw.csv").unlink()
    (root / "data/raw.csv/part").mkdir(parents=True)
    (root / "data/raw.csv/part/1").write_text("x")
    before = digest()
    (root / "data/raw.csv/part/1").rename(root / "data/raw.csv/part/2")
    assert digest() != before


def test_missing_data_is_named(root: Path) -> None:
    (root / "data/raw.csv").unlink()
    loaded = project.load(root)
    pipeline = read_pipeline(loaded)
    with pytest.raises(PipelineError, match=r"'raw\.csv' is needed for the provenance .* `dvc pull`"):
        provenance_inputs(loaded, pipeline, pipeline["load"])


def test_no_stage_depends_on_libraries_that_only_the_pipeline_uses(root: Path) -> None:
    framework = project.load(Path(__file__).parents[2])
    for plan in plan_stages(framework, read_pipeline(framework)).values():
        assert not {"ploomber", "dvc", "streamlit", "nbconvert"} & set(plan.libraries)
