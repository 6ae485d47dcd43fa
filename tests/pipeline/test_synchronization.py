from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from stages import replace, write_project

from nbship import project
from nbship.errors import PipelineError
from nbship.pipeline.synchronization import strip_in_place, sync

LOCK = "schema: '2.0'\nstages:\n  load:\n    cmd: x\n    params:\n      params.yaml:\n        load.rate: 0.5\n        load.month: july\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_project(tmp_path)
    sync(project.load(tmp_path), check_with_ploomber=False)
    (tmp_path / "dvc.lock").write_text(LOCK)
    return tmp_path


def cell(root: Path) -> str:
    source = json.loads((root / "notebooks/load.ipynb").read_text())["cells"][0]["source"]
    return source if isinstance(source, str) else "".join(source)


def synced(root: Path, **options: str) -> list[str]:
    return list(map(str, sync(project.load(root), check_with_ploomber=False, **options).edits))


def test_current_files_are_not_written(root: Path) -> None:
    files = [path for path in root.rglob("*") if path.is_file() and path.parent.name != "cache"]
    before = {path: path.stat().st_mtime_ns for path in files}
    assert sync(project.load(root), check_with_ploomber=False).written == []
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_ploomber_finds_the_parameters(root: Path) -> None:
    assert (root / "env.yaml").readlink() == Path(".nbship/env.yaml")
    assert '"load": {"rate": 0.5, "month": "july"}' in (root / "env.yaml").read_text()


def test_a_users_own_env_yaml_is_not_overwritten(root: Path) -> None:
    (root / "env.yaml").unlink()
    (root / "env.yaml").write_text("mine: 1\n")
    with pytest.raises(PipelineError, match=r"Move its values to params\.yaml"):
        sync(project.load(root), check_with_ploomber=False)
    assert (root / "env.yaml").read_text() == "mine: 1\n"


def test_new_values_are_written_to_the_cell_and_nothing_else_changes(root: Path) -> None:
    replace(root / "params.yaml", "rate: 0.5", "rate: 0.75")
    replace(root / "params.yaml", "month: july", "month: june")
    assert synced(root) == []
    assert cell(root) == 'upstream = None\nproduct = None\nrate = 0.75  # kept\ntitle = "to june"\nlimit = 3'


def test_an_edited_value_is_reported_and_not_changed(root: Path) -> None:
    replace(root / "notebooks/load.ipynb", "rate = 0.5", "rate = 0.6")
    replace(root / "params.yaml", "rate: 0.5", "rate: 0.7")
    said = ["'rate' is 0.6 in notebooks/load.ipynb, but 'load.rate' in params.yaml is 0.7"]
    assert synced(root) == said
    assert "rate = 0.6" in cell(root)
    assert synced(root, prefer="params") == []
    assert "rate = 0.7  # kept" in cell(root)


def test_an_edited_value_is_written_to_params_yaml_with_its_comments(root: Path) -> None:
    replace(root / "notebooks/load.ipynb", "rate = 0.5", "rate = 0.6")
    assert synced(root, prefer="notebook") == []
    assert (root / "params.yaml").read_text().startswith("# The truth.\nload:\n  rate: 0.6  # a share\n")


def test_a_change_of_type_is_a_change(root: Path) -> None:
    replace(root / "params.yaml", "seed: 3", "seed: 3.0")
    synced(root)
    assert "seed = 3.0" in (root / "notebooks/fit.ipynb").read_text()


def test_a_value_of_several_placeholders_cannot_be_taken_from_the_notebook(root: Path) -> None:
    replace(root / "notebooks/load.ipynb", "to july", "to june")
    assert synced(root) == [
        """'title' is "to june" in notebooks/load.ipynb, but 'to {{load.month}}' in pipeline.yaml is "to july\""""
    ]
    with pytest.raises(PipelineError, match="cannot be copied from the notebook"):
        synced(root, prefer="notebook")
    assert "month: july" in (root / "params.yaml").read_text()


def test_two_cells_with_different_values_are_an_error(root: Path) -> None:
    replace(root / "pipeline.yaml", "{{fit.seed}}", "{{load.rate}}")
    replace(root / "notebooks/load.ipynb", "rate = 0.5", "rate = 0.6")
    with pytest.raises(PipelineError, match=r"give 'load\.rate' different values, 0\.6 and 3"):
        synced(root, prefer="notebook")


def test_outputs_are_stripped_in_place(root: Path) -> None:
    path = root / "notebooks/load.ipynb"
    replace(path, '"outputs": []', '"outputs": [{"output_type": "stream", "name": "stdout", "text": "secret"}]')
    assert "notebooks/load.ipynb" in strip_in_place(project.load(root))
    assert "secret" not in path.read_text()
    assert strip_in_place(project.load(root)) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "stages:\n",
            "stages:\n  deploy:\n    cmd: make deploy\n",
            "has the stage 'deploy', which nbship did not write",
        ),
        ("stages:\n", "stages:\n  each:\n    foreach: [a]\n    do: {cmd: echo}\n", "has the stage 'each', which"),
        ("  fit:\n", "  fit:\n    frozen: true\n", "'frozen' in 'stages.fit', .* Run `dvc unfreeze fit`"),
        (
            "  fit:\n",
            "  fit:\n    desc: Ours\n",
            "'desc' in 'stages.fit', which nbship did not write and would delete. Remove it",
        ),
        ("stages:\n", "vars: [{a: 1}]\nstages:\n", "has 'vars', .* Move it to a dvc.yaml in another folder"),
        ("    type: model\n", "    type: model\n    labels: [x]\n", "'labels' in 'artifacts.small'"),
    ],
)
def test_what_was_written_by_hand_is_not_deleted(root: Path, old: str, new: str, message: str) -> None:
    path, notebook = root / "dvc.yaml", root / "notebooks/load.ipynb"
    replace(path, old, new)
    replace(root / "params.yaml", "rate: 0.5", "rate: 0.7")
    before = path.read_text(), notebook.read_text()
    with pytest.raises(PipelineError, match=message):
        sync(project.load(root), check_with_ploomber=False)
    assert (path.read_text(), notebook.read_text()) == before


def test_a_stage_that_the_pipeline_no_longer_has_and_a_damaged_file_are_replaced(root: Path) -> None:
    path = root / "dvc.yaml"
    text = path.read_text()
    for edited in (
        text.replace("  fit:\n", "  old:\n    cmd: nbship stage old --inputs 1\n  fit:\n"),
        f"<<<<<<<\n{text}",
        "",
    ):
        path.write_text(edited)
        sync(project.load(root), check_with_ploomber=False)
        assert path.read_text() == text


def test_git_ignores_the_folder_of_nbship_without_being_told(root: Path) -> None:
    (root / ".gitignore").unlink()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    sync(project.load(root), check_with_ploomber=False)
    status = subprocess.check_output(["git", "status", "--porcelain", "-uall"], cwd=root, text=True)
    assert "dvc.yaml" in status
    assert ".nbship/" not in status
