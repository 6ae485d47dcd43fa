"""Resources outside the project: hashed as DVC hashes external dependencies, and never cached."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from commands import run as command
from execution.notebooks import notebook, text

from nbship.errors import PipelineError
from nbship.execution.reporting.progress import PlainProgress
from nbship.execution.runner import run
from nbship.pipeline import read_pipeline, read_status
from nbship.project import load

CELLS = (
    'from nbship import notebook\nstage = notebook.open_stage("a")',
    "for path in stage.resources.values():\n    print(path, len(path.read_text()))",
)


def write_project(folder: Path) -> Path:
    """Write a project below the root of a DVC repository, which reads files of the repository and of elsewhere."""
    root = folder / "repository/project"
    resources = (
        f"{{far: {folder}/far, near: ../../near.csv, inner: {folder}/repository/data/inner.csv, own: {root}/own.csv}}"
    )
    for name, content in {
        "repository/project/pipeline.yaml": (
            f"tasks:\n  - source: notebooks/a.ipynb\n    name: a\n    params:\n      resources_: {resources}\n"
            "    product: {nb: out/a.ipynb}\n"
        ),
        "repository/project/notebooks/a.ipynb": json.dumps(
            notebook(*CELLS, parameters="upstream = None\nproduct = None")
        ),
        "repository/project/own.csv": "1",
        "repository/data/inner.csv": "22",
        "near.csv": "333",
        "far": "4444",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    command("git", "init", "-q", cwd=folder / "repository", check=True)
    command("dvc", "init", "-q", cwd=folder / "repository", check=True)
    return root


def changed_for_dvc(root: Path) -> bool:
    return "changed deps" in command("dvc", "status", cwd=root, check=True).stdout


def test_a_file_outside_the_project_is_a_dependency_as_for_dvc(tmp_path: Path):
    root = write_project(tmp_path)
    progress = PlainProgress(file=io.StringIO())
    assert not run(load(root), progress=progress).failed
    executed = json.loads((root / "out/a.ipynb").read_text())
    assert text(executed["cells"][-1]) == (
        f"{tmp_path}/far 4\n../../../near.csv 3\n../../data/inner.csv 2\n../own.csv 1\n"
    )
    assert not changed_for_dvc(root)
    recorded = (root / "dvc.lock").read_bytes()
    command("dvc", "repro", "--force", cwd=root, check=True)
    assert (root / "dvc.lock").read_bytes() == recorded
    cached = [path.read_bytes() for path in (root.parent / ".dvc/cache/files").rglob("*") if path.is_file()]
    assert not {b"1", b"22", b"333", b"4444"} & set(cached)
    for file, name in (("far", f"{tmp_path}/far"), ("near.csv", "../../near.csv")):
        (tmp_path / file).write_text("changed")
        assert read_status(load(root)).stages[0].reasons == (f"{name} changed",)
        assert changed_for_dvc(root)
        assert [report.stage for report in run(load(root), progress=progress).ran] == ["a"]
        assert not changed_for_dvc(root)


def test_a_missing_file_outside_the_project_is_named(tmp_path: Path):
    root = write_project(tmp_path)
    (tmp_path / "far").unlink()
    done = command("nbship", "run", cwd=root)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"Stage 'a' reads '{tmp_path}/far', which does not exist." in done.stderr


@pytest.mark.parametrize("path", ["..", "/", "."])
def test_a_folder_that_contains_the_project_is_no_resource(tmp_path: Path, path: str):
    (tmp_path / "pipeline.yaml").write_text(
        f"tasks:\n  - {{source: a.ipynb, params: {{resources_: {{all: '{path}'}}}}, product: {{nb: out/a.ipynb}}}}\n"
    )
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook("1")))
    with pytest.raises(PipelineError, match=f"has the resource '{path}', which contains the project"):
        read_pipeline(load(tmp_path))
