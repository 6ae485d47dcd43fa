"""`nbship run` and `nbship stage` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .two_stages import call, write_project


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "fitt"], "has no stage 'fitt'. Did you mean 'fit'?"),
        (["run", "-S", "fit.sed=4"], "has no parameter 'fit.sed'. Did you mean 'fit.seed'?"),
        (["run", "-S", "fit.seed=yes"], "a boolean in YAML 1.1"),
        (["run", "-S", "fit.seed=four"], "'four' for 'fit.seed' is a string, not an integer. To change the type"),
        (["stage", "fitt"], "has no stage 'fitt'. Did you mean 'fit'?"),
    ],
)
def test_an_error_is_one_sentence(project: Path, arguments: list[str], message: str):
    files = [project / name for name in ("params.yaml", "dvc.lock", "notebooks/20_fit.ipynb", "products/metrics.json")]
    before = [path.read_bytes() for path in files]
    done = call(project, "nbship", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.read_bytes() for path in files] == before


def test_a_value_of_another_type_in_params_yaml_is_an_error(project: Path):
    path, metrics = project / "params.yaml", project / "products/metrics.json"
    text = path.read_text()
    path.write_text(text.replace("seed: 3", "seed: [3]"))
    done = call(project, "nbship", "run")
    path.write_text(text)
    assert done.returncode == 1
    assert "'fit.seed' in params.yaml is a list, not an integer as in the parameters cell of" in done.stderr
    assert metrics.is_file()


@pytest.mark.parametrize("line", ["seed = other = 3", "seed = 3\\nseed *= 2"])
def test_code_in_a_parameters_cell_is_an_error(project: Path, line: str):
    path = project / "notebooks/20_fit.ipynb"
    text = path.read_text()
    path.write_text(text.replace("seed = 3", line))
    done = call(project, "nbship", "run")
    path.write_text(text)
    assert done.returncode == 1
    assert "The parameters cell of 'notebooks/20_fit.ipynb' has 'seed " in done.stderr


def test_a_new_value_runs_its_stages_and_an_old_one_is_restored(project: Path):
    done = call(project, "nbship", "run", "-S", "fit.seed=4")
    assert done.stdout.splitlines()[0] == "fit   started"
    assert "1 ran, 1 up to date" in done.stdout
    assert "seed = 4" in json.loads((project / "products/20_fit.ipynb").read_text())["cells"][0]["source"]
    done = call(project, "nbship", "run", "-S", "fit.seed=3")
    assert "fit   restored from an earlier run" in done.stdout


def test_stage_prints_the_remark_that_run_prints(project: Path):
    path = project / "notebooks/20_fit.ipynb"
    text = path.read_text()
    content = json.loads(text)
    last = content["cells"][-1]
    content["cells"] += [{**last, "id": f"end-{code[:4]}", "source": code} for code in ("exit()", "print('never')")]
    path.write_text(json.dumps(content))
    by_run, by_stage = call(project, "nbship", "run"), call(project, "nbship", "stage", "fit")
    path.write_text(text)
    remark = "fit: Cell In [5] ended the notebook, as it called `exit`. The cells after it did not run."
    assert remark in by_run.stdout.splitlines()
    assert remark in by_stage.stdout.splitlines()


def test_one_stage_runs_with_those_before_it(project: Path):
    done = call(project, "nbship", "run", "load", "--force")
    assert "load      " in done.stdout
    assert "fit" not in done.stdout


def test_an_undeclared_import_is_an_error_before_the_first_cell(project: Path):
    path = project / "notebooks/20_fit.ipynb"
    text = path.read_text()
    path.write_text(text.replace("import json\\n", "import json\\nfrom colours import red\\n"))
    done = call(project, "nbship", "stage", "fit")
    path.write_text(text)
    assert done.returncode == 1
    assert "which dvc.yaml does not declare. Run `nbship sync`, then try again." in done.stderr


def test_a_failed_gate_exits_with_code_3(tmp_path: Path):
    root = write_project(tmp_path)
    path = root / "notebooks/20_fit.ipynb"
    content = json.loads(path.read_text())
    content["cells"][-1]["source"] += "\nfrom nbship.errors import GateError\nraise GateError('Too small.')"
    path.write_text(json.dumps(content))
    done = call(root, "nbship", "run")
    assert done.returncode == 3
    assert "nbship: Stage 'fit': Too small." in done.stderr
    assert ".nbship/scratch/fit/20_fit.ipynb" in done.stderr
    assert "fit " in done.stdout
    assert "rejected by the gate" in done.stdout
    assert not (root / "products/metrics.json").exists()


@pytest.mark.parametrize("command", [["nbship", "run"], ["dvc", "repro"]])
def test_a_failed_gate_keeps_the_accepted_products(tmp_path: Path, command: list[str]):
    project = write_project(tmp_path)
    assert call(project, "nbship", "run").returncode == 0
    products = ("products/20_fit.ipynb", "products/metrics.json")
    accepted = {each: (project / each).read_bytes() for each in products}
    path = project / "notebooks/20_fit.ipynb"
    content = json.loads(path.read_text())
    content["cells"][-1]["source"] += "\nfrom nbship.errors import GateError\nraise GateError('Too small.')"
    path.write_text(json.dumps(content))
    done = call(project, *command)
    assert done.returncode != 0
    assert "Stage 'fit': Too small." in done.stderr
    assert "The products of the last accepted run stay: " in done.stderr
    assert "products/metrics.json" in done.stderr
    assert "Traceback" not in done.stderr
    assert {each: (project / each).read_bytes() for each in products} == accepted
    # The stage is still to be run, and an error that is no verdict leaves no product.
    assert "fit" in call(project, "nbship", "status").stdout
    path.write_text(path.read_text().replace("raise GateError", "raise ValueError"))
    assert call(project, "nbship", "run").returncode == 1
    assert not (project / products[1]).exists()


def test_missing_data_is_an_error_with_a_remedy(tmp_path: Path):
    root = write_project(tmp_path)
    (root / "data/numbers.json").unlink()
    done = call(root, "nbship", "run")
    assert done.returncode == 1
    assert (
        "Stage 'load' reads 'data/numbers.json', which does not exist. Correct the path in pipeline.yaml, or get the file with `dvc pull`"
        in done.stderr
    )


def test_dvc_is_initialised_if_missing(project: Path):
    assert (project / ".dvc/config").is_file()
