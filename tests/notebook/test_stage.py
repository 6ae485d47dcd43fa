from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PIPELINE = """\
tasks:
  - source: notebooks/load.ipynb
    name: load
    product: {nb: products/load.ipynb, data: products/data.json}
  - source: notebooks/fit.ipynb
    name: fit
    params: {rate: "{{fit.rate}}", resources_: {table: data/table.csv}}
    product: {nb: products/fit.ipynb, one: products/a/out.json, other: products/b/out.json, metrics: products/m.json}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text("fit: {rate: 0.5}\n")
    (tmp_path / "nbship.yaml").write_text("slices: [origin]\n")
    for name, cell in {"load": "upstream = None", "fit": 'upstream = ["load"]\nrate = 0.5'}.items():
        parameters = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": cell, "outputs": []}
        reads = {"cell_type": "code", "metadata": {}, "source": "stage.settings('slices')", "outputs": []}
        content = {"cells": [parameters, reads], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(json.dumps(content))
    return tmp_path


def by_hand(root: Path, code: str, **variables: str) -> Any:
    """Run code in a process of its own, as a kernel in the notebooks' folder would; `show` is what it prints."""
    program = f"import json\nfrom nbship import notebook\nproduct = None\nrate = 0.25\n{code}\nprint(json.dumps(show, default=str))"
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("NBSHIP", "OMP", "TZ"))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root / "notebooks",
        env={**environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def failing(root: Path, code: str) -> str:
    with pytest.raises(AssertionError) as caught:
        by_hand(root, f"{code}\nshow = 1")
    return str(caught.value)


def test_products_go_to_scratch_and_parameters_are_the_cells(root: Path):
    code = "s = notebook.open_stage('fit'); show = [s.product['one'], s.product['other'], s.product['metrics'], s.params, s.settings('slices')]"
    scratch = "../.nbship/scratch/fit"
    expected = [f"{scratch}/one/out.json", f"{scratch}/other/out.json", f"{scratch}/m.json", {"rate": 0.25}, ["origin"]]
    assert by_hand(root, code) == expected


def test_upstream_products_and_resources_must_be_there(root: Path):
    opened = "s = notebook.open_stage('fit')"
    assert "'../products/data.json' is not there. Run `nbship run load` first." in failing(
        root, f"{opened}; s.upstream['load']['data']"
    )
    assert "The resource '../data/table.csv' is not there. Get it" in failing(root, f"{opened}; s.resources['table']")
    (root / "products").mkdir()
    (root / "products/data.json").write_text("[]")
    assert by_hand(root, f"{opened}; show = s.upstream['load']['data']") == "../products/data.json"


def test_unknown_names_get_a_suggestion(root: Path):
    assert "Did you mean 'fit'?" in failing(root, "notebook.open_stage('fitt')")
    opened = "s = notebook.open_stage('fit')"
    assert "There is no product 'metric'. Did you mean 'metrics'?" in failing(root, f"{opened}; s.product['metric']")
    assert "There is no upstream stage 'lod'. Did you mean 'load'?" in failing(root, f"{opened}; s.upstream['lod']")
    assert "does not have the setting 'sliced'" in failing(root, f"{opened}; s.settings('sliced')")


def test_variables_are_pinned_unless_set(root: Path):
    code = "import os; notebook.open_stage('fit'); show = [os.environ[n] for n in ('OMP_NUM_THREADS', 'TZ', 'LC_ALL')]"
    assert by_hand(root, code, LC_ALL="C") == ["1", "UTC", "C"]


def test_live_thread_pools_are_limited(root: Path):
    code = (
        "import warnings; warnings.simplefilter('ignore'); import numpy, threadpoolctl; notebook.open_stage('fit')\n"
        "show = sorted({p['num_threads'] for p in threadpoolctl.threadpool_info()})"
    )
    assert by_hand(root, code, OPENBLAS_NUM_THREADS="2") == [1]


def test_the_projects_own_source_comes_first(root: Path):
    (root / "src/colours").mkdir(parents=True)
    (root / "src/colours/__init__.py").write_text("")
    code = "notebook.open_stage('fit'); import colours; show = colours.__file__"
    assert by_hand(root, code) == str(root / "src/colours/__init__.py")
