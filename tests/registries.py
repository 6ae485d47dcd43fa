"""Projects with registered models: a Git repository, DVC's files, and a package whose versions are made in milliseconds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nbship.dvcstore import Cache, Digests, LockFile, read_content, read_repository
from nbship.model.package import MANIFEST, make_manifest, read_files

__all__ = ["PASSED", "Call", "add_remote", "clone", "commit_package", "git", "person", "write_registry_project"]

# Runs `nbship models …` in a project: exit code, output, errors.
Call = Callable[..., tuple[int, str, str]]
PIPELINE = """\
tasks:
  - source: notebooks/fit.ipynb
    name: fit
    params: {seed: "{{fit.seed}}"}
    product: {nb: out/fit.ipynb, package: models/small, verdict: out/verdict.json}
"""
_CELL = {
    "cell_type": "code",
    "id": "a",
    "source": "seed = 0",
    "metadata": {"tags": ["parameters"]},
    "outputs": [],
    "execution_count": None,
}
NOTEBOOK = json.dumps({"cells": [_CELL], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
DVC_YAML = """\
stages:
  fit:
    cmd: nbship stage fit
    deps: [notebooks/fit.ipynb]
    params: [fit.seed]
    outs: [models/small, out/verdict.json]
artifacts:
  small: {path: models/small, type: model}
"""
PASSED = {"passed": True, "reasons": ["all 2 checks passed"], "checks": [{"name": "auc"}, {"name": "brier"}]}


def git(folder: Path, *words: str, check: bool = True, **environ: str) -> str:
    """Run Git and return its output."""
    done = subprocess.run(
        ["git", *words], cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, **environ}
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done.stdout.strip()


def person(folder: Path, name: str) -> None:
    """Let a person work in a repository."""
    git(folder, "config", "user.name", name)
    git(folder, "config", "user.email", f"{name.lower()}@example.com")


def write_registry_project(top: Path, package: Path, *, inner: str = "") -> Path:
    """Create a repository of Alice's with a project in the folder `inner`, and return the project's folder.

    The package has no version yet.
    """
    root = top / inner
    (root / "notebooks").mkdir(parents=True)
    (root / "pipeline.yaml").write_text(PIPELINE)
    (root / "params.yaml").write_text("fit:\n  seed: 0\n")
    (root / "notebooks/fit.ipynb").write_text(NOTEBOOK)
    (root / ".gitignore").write_text("/.nbship/\n/models/small\n/out/\n/template\n")
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n")
    (root / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (root / "dvc.yaml").write_text(DVC_YAML)
    git(top, "init", "--quiet", "--initial-branch", "main", ".")
    person(top, "Alice")
    _, files = read_files(package)
    for path, data in files.items():
        (root / "template" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "template" / path).write_bytes(data)
    return root


def commit_package(root: Path, number: int, *, verdict: Mapping[str, Any] | None = PASSED, **metrics: float) -> str:
    """Write another package, as a run of the pipeline with the seed `number` would, and commit; return the commit."""
    files = {path.relative_to(root / "template").as_posix(): path.read_bytes() for path in (root / "template").rglob("*") if path.is_file()}  # fmt: skip
    acceptance = json.loads(files["acceptance.json"]) | {"metrics": metrics or {"auc": 0.7 + number / 100, "brier": 0.2}, "verdict": verdict or {}}  # fmt: skip
    provenance = json.loads(files["provenance.json"]) | {"params": {"fit": {"seed": number}}}
    files |= {
        "acceptance.json": json.dumps(acceptance, indent=1).encode(),
        "provenance.json": json.dumps(provenance).encode(),
    }
    files[MANIFEST] = make_manifest("small", files)
    for path, data in files.items():
        (root / "models/small" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "models/small" / path).write_bytes(data)
    (root / "out").mkdir(exist_ok=True)
    (root / "out/verdict.json").write_text(json.dumps(verdict))
    (root / "params.yaml").write_text(f"fit:\n  seed: {number}\n")
    repository, digests = read_repository(root), Digests(root / ".nbship/cache/digests.json")
    cache, outs = Cache(repository, digests), []
    for path in ("models/small", "out/verdict.json"):
        content = read_content(root / path, digests)
        assert content is not None
        cache.add(root / path, content)
        outs.append(content.as_entry(path))
    notebook = (root / "notebooks/fit.ipynb").read_bytes()
    deps = [{"path": "notebooks/fit.ipynb", "hash": "md5", "md5": hashlib.md5(notebook).hexdigest(), "size": len(notebook)}]  # fmt: skip
    entry = {"cmd": "nbship stage fit", "deps": deps, "params": {"params.yaml": {"fit.seed": number}}, "outs": outs}
    (root / "dvc.lock").write_text(LockFile().with_stages({"fit": entry}).text)
    git(root, "add", "--all", ".")
    git(root, "commit", "--quiet", "--message", f"Fit with the seed {number}")
    return git(root, "rev-parse", "HEAD")


def add_remote(root: Path, remote: Path) -> Path:
    """Create a bare repository as `origin` of a project's repository, and push to it."""
    git(root, "init", "--quiet", "--bare", "--initial-branch", "main", str(remote))
    git(root, "remote", "add", "origin", str(remote))
    git(root, "push", "--quiet", "--set-upstream", "origin", "main", "--tags")
    return remote


def clone(remote: Path, folder: Path, name: str, *options: str) -> Path:
    """Clone a repository for a person."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    git(folder.parent, "clone", "--quiet", *options, str(remote), str(folder))
    person(folder, name)
    return folder
