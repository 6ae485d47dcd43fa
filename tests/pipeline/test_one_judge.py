"""`nbship status`, `nbship run` and `dvc status` agree on whether a stage is stale, whatever was changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import run
from execution.two_stages import write_project

from nbship import project
from nbship.dvcstore import Digests, DvcStore, read_repository
from nbship.pipeline import declare, derive, plan_stages, read_pipeline, write_copies
from nbship.pipeline.staleness import read_status
from nbship.pipeline.synchronization import sync

HERE = Path(__file__).parents[1] / "projects" / "one_notebook"
NAME = "progression"


def command(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(*words, cwd=root)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("judged") / "one_notebook"
    shutil.copytree(HERE, root)
    (root / "nbship.yaml").write_text("slices: [sex]\n")
    notebook = root / "notebooks/progression.ipynb"
    content = json.loads(notebook.read_text())
    content["cells"][-1]["source"].append('\nstage.settings("slices")')
    notebook.write_text(json.dumps(content))
    run = command(root, "nbship", "run")
    assert run.returncode == 0, run.stdout + run.stderr
    return root


def edit(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / file).read_text()
        assert old in text, text
        (root / file).write_text(text.replace(old, new, 1))

    return change


def add_parameter(root: Path) -> None:
    edit("params.yaml", "  seed: 0", "  seed: 0\n  depth: 3")(root)
    edit("pipeline.yaml", "seed:", 'depth: "{{progression.depth}}"\n      seed:')(root)
    edit("notebooks/progression.ipynb", "seed = 0", "seed = 0\\ndepth = 3")(root)


def change_command(root: Path) -> None:
    edit("dvc.lock", "cmd: nbship stage progression", "cmd: nbship  stage progression")(root)


def same_bytes_again(root: Path) -> None:
    for name in ("patients.csv", "params.yaml", "dvc.lock"):
        content = (root / name).read_bytes()
        (root / name).unlink()
        (root / name).write_bytes(content)


def other_version(root: Path) -> None:
    line = next(line for line in (root / "dvc.lock").read_text().splitlines() if line.strip().startswith("pandas:"))
    edit("dvc.lock", line, line.replace(line.split()[-1], "0.0.1"))(root)


def append(file: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / file).write_text((root / file).read_text() + text)

    return change


MUTATIONS: dict[str, Callable[[Path], None]] = {
    "nothing": lambda root: None,
    "the same bytes, written again": same_bytes_again,
    "a resource": edit("patients.csv", "59,2,32.1", "58,2,32.1"),
    "a resource that grew": append("patients.csv", "1,1,1,1,1,1,1,1,1,1,1\n"),
    "a cell": edit("notebooks/progression.ipynb", "random_state=seed).fit", "random_state=seed + 0).fit"),
    "outputs of the notebook": edit("notebooks/progression.ipynb", '"outputs": []', '"outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}]'),
    "a value in params.yaml": edit("params.yaml", "trees: 50", "trees: 60"),
    "a value of another type": edit("params.yaml", "trees: 50", "trees: 50.5"),
    "a comment in params.yaml": edit("params.yaml", "# more is slower", "# more is better"),
    "a block of another stage": append("params.yaml", "other: {x: 1}\n"),
    "a setting that the notebook reads": edit("nbship.yaml", "[sex]", "[age]"),
    "a setting that is gone": edit("nbship.yaml", "slices: [sex]", "{}"),
    "a new parameter": add_parameter,
    "a version in the lock": other_version,
    "a product": edit("products/metrics.json", "0", "1"),
    "a product that is gone": lambda root: (root / "products/metrics.json").unlink(),
    "a product cut short": lambda root: os.truncate(_writable(root / "products/progression.ipynb"), 10),
    "a file more in the package": lambda root: (root / "models/one_notebook/more.txt").write_text("x") and None,
    "a file less in the package": lambda root: next(iter(sorted((root / "models/one_notebook").glob("*.md")))).unlink(),
    "the command in the lock": change_command,
    "the stage's entry in the lock": lambda root: _without_entry(root),
}  # fmt: skip


def _writable(path: Path) -> Path:
    content = path.read_bytes()
    path.unlink()  # not the cache's own bytes, where it is a link
    path.write_bytes(content)
    return path


def _without_entry(root: Path, name: str = NAME, *, before: str | None = None) -> None:
    text = (root / "dvc.lock").read_text()
    start = text.index(f"  {name}:\n")
    end = len(text) if before is None else text.index(f"  {before}:\n")
    (root / "dvc.lock").write_text(text[:start] + (text[end:] if start < end else ""))


UNCHANGED = ("nothing", "the same bytes, written again", "outputs of the notebook", "a comment in params.yaml", "a block of another stage")  # fmt: skip

# Of a project with two stages, where `fit` reads what `load` makes, and `load` reads a module.
OF_TWO_STAGES: dict[str, Callable[[Path], None]] = {
    "nothing": lambda root: None,
    "a module": edit("src/colours/red.py", "number / 7", "number / 8"),
    "a comment in a module": append("src/colours/red.py", "# of red\n"),
    "a module that is gone": lambda root: (root / "src/colours/red.py").unlink(),
    "a module that no stage imports": lambda root: (root / "src/colours/blue.py").write_text("x = 1\n") and None,
    "a resource that is gone": lambda root: (root / "data/numbers.json").unlink(),
    "what the stage before made": edit("products/data.json", "0", "1"),
    "what the stage before made, gone": lambda root: (root / "products/data.json").unlink(),
    "a parameter of the second stage": edit("params.yaml", "seed: 3", "seed: 4"),
    "the second stage's notebook": edit("notebooks/20_fit.ipynb", "size=rows.shape", "size=(*rows.shape,)"),
    "the first stage's entry in the lock": lambda root: _without_entry(root, "load", before="fit"),
    "a renamed stage": lambda root: _rename_stage(root),
    "a stage's product elsewhere": edit("pipeline.yaml", "products/values.json", "products/singular.json"),
    "the cache": lambda root: shutil.rmtree(root / ".nbship/cache"),
}


def _rename_stage(root: Path) -> None:
    edit("pipeline.yaml", "name: fit", "name: train")(root)
    edit("pipeline.yaml", "{{fit.seed}}", "{{train.seed}}")(root)
    edit("params.yaml", "fit:", "train:")(root)
    edit("notebooks/20_fit.ipynb", "open_stage('fit')", "open_stage('train')")(root)


@pytest.fixture(scope="module")
def two_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_project(tmp_path_factory.mktemp("judged") / "two_stages")
    for words in (("git", "init", "-q"), ("nbship", "sync"), ("nbship", "run")):
        done = command(root, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    return root


def judge(root: Path) -> tuple[dict[str, bool], dict[str, bool], dict[str, bool], list[str]]:
    """Return which stages are stale by `nbship status`, `nbship run`, `dvc status`; and those that follow a stale one."""
    sync(project.load(root))
    here = project.load(root)
    stages = read_status(here).stages
    pipeline = read_pipeline(here)
    # DVC judges by the copies, which `nbship run` and `dvc repro` write first.
    write_copies(here, pipeline)
    declared = declare(here, derive(here, pipeline, plan_stages(here, pipeline)))
    store = DvcStore(root, read_repository(root), Digests(root / ".nbship/cache/other.json"), order=declared)
    told = command(root, "dvc", "status", "--json")
    assert told.returncode == 0, told.stderr
    changed = json.loads(told.stdout)
    names = [stage.name for stage in stages]
    return (
        {stage.name: any(not reason.startswith("after ") for reason in stage.reasons) for stage in stages},
        {name: not (store.has(name) and store.is_current(declared[name], store.inputs(declared[name]))) for name in names},
        {name: name in changed for name in names},
        [stage.name for stage in stages if any(reason.startswith("after ") for reason in stage.reasons)],
    )  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_status_run_and_dvc_agree(name: str, made: Path, tmp_path: Path) -> None:
    root = tmp_path / "one_notebook"
    shutil.copytree(made, root, symlinks=True)
    MUTATIONS[name](root)
    by_status, by_run, by_dvc, _ = judge(root)
    assert (by_status, by_run) == (by_dvc, by_dvc)
    assert by_dvc == {NAME: name not in UNCHANGED}


@pytest.mark.parametrize("name", OF_TWO_STAGES)
def test_status_run_and_dvc_agree_about_two_stages(name: str, two_made: Path, tmp_path: Path) -> None:
    root = tmp_path / "two_stages"
    shutil.copytree(two_made, root, symlinks=True)
    OF_TWO_STAGES[name](root)
    by_status, by_run, by_dvc, after = judge(root)
    if "gone" in name:
        # `fit` cannot read what is gone, so DVC calls it stale; `nbship status` says that `load` makes it again.
        by_status |= {stage: by_dvc[stage] for stage in after}
    assert (by_status, by_run) == (by_dvc, by_dvc)
    assert any(by_dvc.values()) != (name in ("nothing", "a module that no stage imports", "the cache"))


def _lose_file(root: Path) -> None:
    listing = next((root / ".dvc/cache/files").rglob("*.dir"))
    (root / ".dvc/cache/files/md5" / (md5 := json.loads(listing.read_text())[0]["md5"])[:2] / md5[2:]).unlink()


CACHES: dict[str, Callable[[Path], None]] = {
    "the cache": lambda root: None,
    "another cache folder": lambda root: (root / ".dvc/config.local").write_text("[cache]\n    dir = ../other\n") and None,
    "a cache without files": lambda root: shutil.rmtree(root / ".dvc/cache/files"),
    "a file of a folder is gone": _lose_file,
}  # fmt: skip


@pytest.mark.parametrize("name", CACHES)
def test_status_and_dvc_agree_about_what_is_not_in_the_cache(name: str, made: Path, tmp_path: Path) -> None:
    root = tmp_path / "one_notebook"
    shutil.copytree(made, root, symlinks=True)
    CACHES[name](root)
    changed = json.loads(command(root, "dvc", "status", "--json").stdout)
    by_dvc = {
        path
        for causes in changed.values()
        for cause in causes
        if isinstance(cause, dict)
        for path, state in cause.get("changed outs", {}).items()
        if state == "not in cache"
    }
    status = read_status(project.load(root))
    assert set(status.uncached) == by_dvc
    assert status.current == (name == "the cache") == (not by_dvc)
