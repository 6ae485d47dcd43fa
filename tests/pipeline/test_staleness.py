"""What would run, and why: held against real runs of `dvc repro`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from commands import run

from nbship import project
from nbship.pipeline.staleness import read_status
from nbship.pipeline.synchronization import sync

HERE = Path(__file__).parents[1] / "projects" / "one_notebook"
NAME = "progression"


def command(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(*words, cwd=root)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("projects") / "one_notebook"
    shutil.copytree(HERE, root)
    run = command(root, "nbship", "run")
    assert run.returncode == 0, run.stdout + run.stderr
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "one_notebook"
    shutil.copytree(made, copy, symlinks=True)
    return copy


def reasons(root: Path) -> tuple[str, ...]:
    return read_status(project.load(root)).stages[0].reasons


def test_after_a_run_nothing_would_run(root: Path) -> None:
    assert read_status(project.load(root)).current
    assert NAME not in command(root, "dvc", "status").stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("params.yaml", "trees: 50", "trees: 60", "parameter progression.trees changed from 50 to 60"),
        ("patients.csv", "59,2,32.1", "58,2,32.1", "patients.csv changed"),
        (
            "notebooks/progression.ipynb",
            "random_state=seed).fit",
            "random_state=seed + 0).fit",
            "notebooks/progression.ipynb changed",
        ),
        ("products/metrics.json", "0", "1", "products/metrics.json was changed after the run"),
        ("pipeline.yaml", '"{{progression.seed}}"', "7", "'params' in pipeline.yaml changed"),
        (
            "pipeline.yaml",
            "{patients: patients.csv}",
            "{patients: patients.csv, settings: nbship.yaml}",
            "'resources_' in pipeline.yaml changed",
        ),
    ],
)
def test_a_change_is_named(root: Path, file: str, old: str, new: str, said: str) -> None:
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))
    sync(project.load(root))
    assert said in reasons(root)
    assert not [each for each in reasons(root) if each.startswith("notebooks/") and each != said]
    assert "modified:" in command(root, "dvc", "status").stdout


def test_outputs_and_values_of_the_parameters_cell_do_not_make_a_stage_stale(root: Path) -> None:
    path = root / "notebooks/progression.ipynb"
    text = path.read_text()
    path.write_text(
        text.replace("trees = 50", "trees = 70").replace(
            '"outputs": []', '"outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}]', 1
        )
    )
    assert reasons(root) == ()
    result = sync(project.load(root))
    assert "trees = 70" in path.read_text()
    assert (
        str(result.edits[0])
        == "'trees' is 70 in notebooks/progression.ipynb, but 'progression.trees' in params.yaml is 50"
    )


def test_an_edited_value_is_kept_on_request(root: Path) -> None:
    path = root / "notebooks/progression.ipynb"
    path.write_text(path.read_text().replace("trees = 50", "trees = 70"))
    assert command(root, "nbship", "sync", "--from-notebook").returncode == 0
    assert (root / "params.yaml").read_text() == "progression:\n  trees: 70  # more is slower\n  seed: 0\n"


def test_a_new_value_is_written_to_the_cell_and_its_comment_kept(root: Path) -> None:
    (root / "params.yaml").write_text("progression: {trees: 60, seed: 0}\n")
    sync(project.load(root))
    assert "trees = 60  # more is slower" in (root / "notebooks/progression.ipynb").read_text()


def test_a_missing_product_makes_its_stage_stale(root: Path) -> None:
    (root / "products/metrics.json").unlink()
    assert reasons(root) == ("products/metrics.json is missing",)


def test_a_new_library_version_makes_its_stages_stale(root: Path) -> None:
    lock = root / "dvc.lock"
    text = lock.read_text()
    recorded = next(line for line in text.splitlines() if line.strip().startswith("pandas:"))
    lock.write_text(text.replace(recorded, recorded.replace(recorded.split()[-1], "1.0.0")))
    assert next(reason for reason in reasons(root) if "library" in reason).startswith(
        "library pandas changed from 1.0.0 to"
    )


def test_sync_check_finds_a_stale_dvc_yaml(root: Path) -> None:
    assert command(root, "nbship", "sync", "--check").returncode == 0
    (root / "pipeline.yaml").write_text(
        (root / "pipeline.yaml").read_text().replace("metrics: products/metrics.json", "metrics: products/m.json")
    )
    check = command(root, "nbship", "sync", "--check")
    assert check.returncode == 1
    assert "Run `nbship sync`" in check.stderr


def test_check_fix_adds_what_a_notebook_lacks(root: Path) -> None:
    path = root / "notebooks/progression.ipynb"
    path.write_text(
        path.read_text().replace("trees = 50  # more is slower\\n", "").replace('"trees = 50', '"other = 50')
    )
    lines = [line for line in path.read_text().splitlines() if "trees = 50" not in line]
    path.write_text("\n".join(lines).replace('    "other = 50  # more is slower\\n",\n', ""))
    assert command(root, "nbship", "check").returncode == 1
    fixed = command(root, "nbship", "check", "--fix")
    assert fixed.returncode == 0, fixed.stderr
    assert "added trees" in fixed.stdout
