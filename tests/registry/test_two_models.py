"""A project with two models: each has versions, aliases and a pin of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import run
from registries import Call, commit_package, git

from nbship.dvcstore import Cache, Digests, LockFile, read_content, read_lock, read_repository
from nbship.model.package import MANIFEST, make_manifest, read_files
from nbship.project import load
from nbship.registry import open_registry, pin, pin_path, read_pin


@pytest.fixture
def both(root: Path) -> Path:
    """The project with a second model, `large`, in the same `dvc.lock`."""
    add_large(root)
    return root


def add_large(root: Path) -> None:
    _, files = read_files(root / "models/small")
    shutil.copytree(root / "models/small", root / "models/large", dirs_exist_ok=True)
    (root / "models/large" / MANIFEST).write_bytes(make_manifest("large", files))
    repository, digests = read_repository(root), Digests(root / ".nbship/cache/digests.json")
    content = read_content(root / "models/large", digests)
    assert content is not None
    Cache(repository, digests).add(root / "models/large", content)
    entry = dict(read_lock(root / "dvc.lock")["fit"])
    entry["outs"] = [*(out for out in entry["outs"] if out["path"] != "models/large"), content.as_entry("models/large")]
    (root / "dvc.lock").write_text(LockFile().with_stages({"fit": entry}).text)
    (root / "nbship.yaml").write_text("models: {small: {}, large: {}}\n")
    (root / ".gitignore").write_text("/.nbship/\n/models/small\n/models/large\n/out/\n/template\n")
    git(root, "add", "--all", ".")
    git(root, "commit", "--quiet", "--message", "Two models")


def test_each_model_has_versions_of_its_own(both: Path, call: Call) -> None:
    code, _, err = call(both, "register")
    assert (code, "The project has the models 'small', 'large'. Name one of them." in err) == (1, True)
    assert call(both, "register", "small")[0] == 0
    assert call(both, "register", "large", "--version", "v3.0.0")[0] == 0
    call(both, "promote", "small", "--why", "first")
    call(both, "promote", "large", "--why", "first")
    assert git(both, "tag").split() == ["large#production#1", "large@v3.0.0", "small#production#1", "small@v1.0.0"]
    assert {each["model"]: each["version"] for each in json.loads(call(both, "list", "--json")[1])} == {
        "large": "v3.0.0",
        "small": "v1.0.0",
    }
    assert [each["model"] for each in json.loads(call(both, "show", "--json")[1])] == ["small", "large"]
    assert "Name one of them" in call(both, "show", "v1.0.0")[2]
    assert call(both, "rollback", "--why", "x")[0] == 1
    shown = json.loads(run("gto", "show", "--json", cwd=both, check=True).stdout)
    assert {name: each["stage"] for name, each in shown.items()} == {
        "small": {"production": "v1.0.0"},
        "large": {"production": "v3.0.0"},
    }


def test_each_model_has_a_pin_of_its_own(both: Path, call: Call) -> None:
    project = load(both)
    for model in ("small", "large"):
        assert pin(open_registry(project), model)[0] == both / f"models/production/{model}.dvc"
    git(both, "add", ".")
    git(both, "commit", "--quiet", "--message", "Pins")
    call(both, "register", "large")
    out = call(both, "promote", "large", "--why", "first")[1]
    assert "Updated models/production/large.dvc." in out
    pinned = {model: read_pin(project, model) for model in ("small", "large")}
    assert {model: found and found.version for model, found in pinned.items()} == {"small": "", "large": "v1.0.0"}
    assert read_files(pin_path(project, "large"))[0].name == "large"
    assert (
        run("dvc", "status", "models/production/large.dvc", cwd=both, check=True).stdout.strip()
        == "Data and pipelines are up to date."
    )


def test_a_version_of_one_model_is_not_one_of_another(both: Path, call: Call) -> None:
    call(both, "register", "small")
    assert "'large' has no version 'v1.0.0'. Register one" in call(both, "show", "large@v1.0.0")[2]
    assert "No version of 'large' is registered" in call(both, "promote", "large", "--why", "x")[2]
    commit_package(both, 2)
    add_large(both)
    assert "Registered small@v1.1.0" in call(both, "register", "small")[1]
